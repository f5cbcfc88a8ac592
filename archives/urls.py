"""Addresses of personnel files in batches."""

from __future__ import annotations

from django.urls import path

from archives import views

app_name = "archives"
urlpatterns = [
    path("batches/", views.batch_list, name="batches"),
    path("batches/pack/", views.pack, name="pack"),
    path("batches/<uuid:pk>/", views.batch, name="batch"),
    path("batches/<uuid:pk>/paper/", views.batch_paper, name="batch_paper"),
    path("batches/<uuid:pk>/<slug:name>/", views.deed, name="deed"),
]
