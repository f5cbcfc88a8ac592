"""/party/"""

from __future__ import annotations

from django.urls import path

from party import letter_views, member_views, organization_views, receipt_views

app_name = "party"
urlpatterns = [
    path("organizations/", organization_views.organizations, name="organizations"),
    path("organizations/add/", organization_views.organization_add, name="organization_add"),
    path("organizations/<uuid:pk>/", organization_views.organization, name="organization"),
    path("letters/", letter_views.letters, name="letters"),
    path("letters/<uuid:pk>/", letter_views.letter, name="letter"),
    path("letters/<uuid:pk>/receipt/", letter_views.letter_receipt, name="letter_receipt"),
    path("letters/<uuid:pk>/reissue/", letter_views.letter_reissue, name="letter_reissue"),
    path("members/", member_views.members, name="members"),
    path("members/take/<uuid:pk>/", member_views.member_take, name="member_take"),
    path("members/<uuid:pk>/", member_views.member, name="member"),
    path("meetings/", member_views.meetings, name="meetings"),
    path("meetings/add/<uuid:pk>/", member_views.meeting_add, name="meeting_add"),
    path("meetings/<uuid:pk>/", member_views.meeting, name="meeting"),
    path("receipt/<uuid:pk>/", receipt_views.receipt, name="receipt"),
]
