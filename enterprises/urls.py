"""Addresses of the list of enterprises."""

from __future__ import annotations

from django.urls import path

from enterprises import agreement_views, edition_views, venue_views, views

app_name = "enterprises"
urlpatterns = [
    path("", views.enterprise_list, name="list"),
    path("add/", views.add, name="add"),
    path("import/", views.import_list, name="import"),
    path("import/confirm/", views.import_confirm, name="import_detail"),
    path("import/template/", views.template, name="template"),
    path("editions/", edition_views.edition_list, name="editions"),
    path("editions/<uuid:pk>/", edition_views.edition, name="edition"),
    path("editions/<uuid:pk>/acknowledge/", edition_views.acknowledge, name="edition_acknowledge"),
    path("editions/<str:pk>/publish/", edition_views.publish, name="edition_publish"),
    path("agreements/", agreement_views.register, name="agreements"),
    path("agreements/apply/", agreement_views.agreement_apply, name="agreement_apply"),
    path("agreements/<uuid:pk>/", agreement_views.agreement, name="agreement"),
    path("agreements/<uuid:pk>/edit/", agreement_views.agreement_edit, name="agreement_edit"),
    path(
        "agreements/<uuid:pk>/withdraw/",
        agreement_views.agreement_withdraw,
        name="agreement_withdraw",
    ),
    path("agreements/<uuid:pk>/answer/", agreement_views.agreement_answer, name="agreement_answer"),
    path("agreements/<uuid:pk>/sign/", agreement_views.agreement_sign, name="agreement_sign"),
    path("venues/", venue_views.register, name="venues"),
    path("venues/add/", venue_views.add, name="venue_add"),
    path("venues/<uuid:pk>/", venue_views.venue, name="venue"),
    path("venues/<uuid:pk>/edit/", venue_views.edit, name="venue_edit"),
    path("venues/<uuid:pk>/withdraw/", venue_views.withdraw, name="venue_withdraw"),
    path("venues/<uuid:pk>/answer/", venue_views.answer, name="venue_answer"),
    path("<uuid:pk>/", views.detail, name="detail"),
    path("<uuid:pk>/edit/", views.edit, name="edit"),
    path("<uuid:pk>/confirm/", views.confirm, name="confirm"),
    path("<uuid:pk>/acknowledge/", views.acknowledge, name="acknowledge"),
]
