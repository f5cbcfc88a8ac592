"""Addresses of the import of retirees, below /transfers/."""

from __future__ import annotations

from django.urls import path

from transfers import import_views

urlpatterns = [
    path("import/", import_views.upload, name="import"),
    path("imports/", import_views.import_list, name="import_list"),
    path("imports/<uuid:pk>/", import_views.import_detail, name="import_detail"),
    path("template.xlsx", import_views.template, name="template"),
]
