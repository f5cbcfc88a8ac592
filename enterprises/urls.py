"""Addresses of the list of enterprises."""

from __future__ import annotations

from django.urls import path

from enterprises import views

app_name = "enterprises"
urlpatterns = [
    path("", views.enterprise_list, name="list"),
    path("add/", views.add, name="add"),
    path("import/", views.import_list, name="import"),
    path("import/confirm/", views.import_confirm, name="import_detail"),
    path("import/template/", views.template, name="template"),
    path("<uuid:pk>/", views.detail, name="detail"),
    path("<uuid:pk>/edit/", views.edit, name="edit"),
    path("<uuid:pk>/confirm/", views.confirm, name="confirm"),
    path("<uuid:pk>/acknowledge/", views.acknowledge, name="acknowledge"),
]
