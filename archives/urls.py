"""Addresses of personnel files in batches."""

from __future__ import annotations

from django.urls import path

from archives import catalogue_views, loan_views, record_views, views

app_name = "archives"
urlpatterns = [
    path("catalogues/import/", catalogue_views.catalogue_import, name="catalogue_import"),
    path("catalogues/template/", catalogue_views.catalogue_template, name="catalogue_template"),
    path("catalogues/<uuid:pk>/", catalogue_views.catalogue, name="catalogue"),
    path("catalogues/<uuid:pk>/paper/", catalogue_views.catalogue_paper, name="catalogue_paper"),
    path("loans/", loan_views.loans, name="loans"),
    path("loans/give/<uuid:pk>/", loan_views.give, name="loan_give"),
    path("loans/<uuid:pk>/back/", loan_views.take_back, name="loan_back"),
    path("records/", record_views.record_lists, name="records"),
    path("records/begin/", record_views.records_begin, name="records_begin"),
    path("records/template/", record_views.records_template, name="records_template"),
    path("records/<uuid:pk>/", record_views.records_batch, name="records_batch"),
    path("records/<uuid:pk>/paper/<slug:name>/", record_views.records_paper, name="records_paper"),
    path("records/<uuid:pk>/<slug:name>/", record_views.records_deed, name="records_deed"),
    path("batches/", views.batch_list, name="batches"),
    path("batches/pack/", views.pack, name="pack"),
    path("batches/<uuid:pk>/", views.batch, name="batch"),
    path("batches/<uuid:pk>/paper/<slug:name>/", views.batch_paper, name="batch_paper"),
    path("batches/<uuid:pk>/<slug:name>/", views.deed, name="deed"),
]
