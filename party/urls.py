"""/party/"""

from __future__ import annotations

from django.urls import path

from party import letter_views, organization_views, receipt_views

app_name = "party"
urlpatterns = [
    path("organizations/", organization_views.organizations, name="organizations"),
    path("organizations/add/", organization_views.organization_add, name="organization_add"),
    path("organizations/<uuid:pk>/", organization_views.organization, name="organization"),
    path("letters/", letter_views.letters, name="letters"),
    path("letters/<uuid:pk>/", letter_views.letter, name="letter"),
    path("letters/<uuid:pk>/receipt/", letter_views.letter_receipt, name="letter_receipt"),
    path("letters/<uuid:pk>/reissue/", letter_views.letter_reissue, name="letter_reissue"),
    path("receipt/<uuid:pk>/", receipt_views.receipt, name="receipt"),
]
