"""/transfers/"""

from __future__ import annotations

from django.urls import path, register_converter

from transfers import (
    act_views,
    letter_views,
    limit_views,
    overview_views,
    pile_views,
    report_views,
    rights_views,
    scan_views,
    trace_views,
    views,
    waterfall_views,
)
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
    path("overview/", overview_views.page, name="overview"),
    path("reports/", report_views.months, name="reports"),
    path("reports/<uuid:pk>/", report_views.report, name="report"),
    path("reports/of/<str:pk>/sign/", report_views.sign, name="report_sign"),
    path("add/", views.add, name="add"),
    path("bulk/<step:key>/", act_views.bulk, name="bulk"),
    path("pile/<slug:name>/", pile_views.pile, name="pile"),
    path("waterfall/", waterfall_views.page, name="waterfall"),
    path("limits/", limit_views.limits, name="limits"),
    path("letters/", letter_views.letters, name="letters"),
    path("letters/for/<uuid:pk>/", letter_views.letter_issue, name="letter_issue"),
    path("letters/<uuid:pk>/", letter_views.letter, name="letter"),
    *import_urls,
    path("<uuid:pk>/", views.detail, name="detail"),
    path("<uuid:pk>/edit/", views.edit, name="edit"),
    path("<uuid:pk>/reveal/", views.reveal, name="reveal"),
    path("<uuid:pk>/accesses/", trace_views.accesses, name="accesses"),
    path("<uuid:pk>/end/", act_views.end, name="end"),
    path("<uuid:pk>/act/<step:key>/", act_views.act, name="act"),
    path("<uuid:pk>/send-back/<step:key>/", act_views.send_back, name="send_back"),
    path("<uuid:pk>/withdraw/<step:key>/", act_views.withdraw, name="withdraw"),
    path("<uuid:pk>/paper/<slug:name>/", views.paper, name="paper"),
    path("rights/", rights_views.request_list, name="rights_list"),
    path("rights/<uuid:pk>/", rights_views.rights_answer, name="rights_answer"),
    path("<uuid:pk>/rights/", rights_views.rights, name="rights"),
    path("<uuid:pk>/rights/copy/", rights_views.rights_copy, name="rights_copy"),
    path("consents/<uuid:pk>/withdraw/", rights_views.consent_withdraw, name="consent_withdraw"),
    path("signed/", scan_views.signed_piles, name="signed_piles"),
    path("signed/<uuid:pk>/", scan_views.signed_pile, name="signed_pile"),
    path("signed/<uuid:pk>/go-on/", scan_views.signed_go_on, name="signed_go_on"),
    path("signed/<uuid:pk>/confirm/", scan_views.signed_confirm, name="signed_confirm"),
    path("signed/pages/<uuid:pk>/", scan_views.signed_page, name="signed_page"),
    path("signed/pages/<uuid:pk>/claim/", scan_views.signed_claim, name="signed_claim"),
    path("signed/pages/<uuid:pk>/drop/", scan_views.signed_drop, name="signed_drop"),
    path("scans/<uuid:pk>/", views.scan, name="scan"),
]
