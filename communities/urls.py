"""Addresses of divisions and contact cards."""

from __future__ import annotations

from django.urls import path

from communities import check_in_views, views

app_name = "communities"
urlpatterns = [
    path("areas/", views.areas, name="areas"),
    path("areas/choices/", views.area_choices, name="area_choices"),
    path("areas/<str:pk>/", views.area_edit, name="area_edit"),
    path("check-in/", check_in_views.desk, name="desk"),
    path("check-in/<uuid:pk>/", check_in_views.person, name="check_in"),
    path("cards/check/", views.card_check, name="card_check"),
    path("cards/print/", views.card_paper, name="card_paper"),
]
