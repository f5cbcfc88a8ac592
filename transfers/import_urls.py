"""Addresses of the import of retirees, below /transfers/."""

from __future__ import annotations

from django.urls import path

from transfers import column_views, import_views

urlpatterns = [
    path("import/", import_views.upload, name="import"),
    path("imports/", import_views.import_list, name="import_list"),
    path("imports/<uuid:pk>/", import_views.import_detail, name="import_detail"),
    path("imports/<uuid:pk>/columns/", column_views.import_columns, name="import_columns"),
    path("template.xlsx", import_views.template, name="template"),
]
