"""/transfers/"""

from __future__ import annotations

from django.urls import path, register_converter

from transfers import act_views, views
from transfers.import_urls import urlpatterns as import_urls
from transfers.workflow import STEPS


class StepConverter:
    """A key of the step table; anything else is 404."""

    regex = "|".join(STEPS)

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(StepConverter, "step")

app_name = "transfers"
urlpatterns = [
    path("", views.case_list, name="list"),
    path("search/", views.search, name="search"),
    path("add/", views.add, name="add"),
    path("bulk/<step:key>/", act_views.bulk, name="bulk"),
    *import_urls,
    path("<uuid:pk>/", views.detail, name="detail"),
    path("<uuid:pk>/edit/", views.edit, name="edit"),
    path("<uuid:pk>/reveal/", views.reveal, name="reveal"),
    path("<uuid:pk>/end/", act_views.end, name="end"),
    path("<uuid:pk>/act/<step:key>/", act_views.act, name="act"),
    path("<uuid:pk>/send-back/<step:key>/", act_views.send_back, name="send_back"),
    path("<uuid:pk>/withdraw/<step:key>/", act_views.withdraw, name="withdraw"),
    path("<uuid:pk>/paper/<slug:name>/", views.paper, name="paper"),
    path("scans/<uuid:pk>/", views.scan, name="scan"),
]
