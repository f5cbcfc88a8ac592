"""Addresses of divisions and contact cards."""

from __future__ import annotations

from django.urls import path

from communities import (
    card_views,
    care_views,
    check_in_views,
    day_views,
    event_list_views,
    event_views,
    fund_views,
    ledger_views,
    rehandover_views,
    views,
)

app_name = "communities"
urlpatterns = [
    path("areas/", views.areas, name="areas"),
    path("areas/choices/", views.area_choices, name="area_choices"),
    path("areas/<str:pk>/", views.area_edit, name="area_edit"),
    path("check-in/", check_in_views.desk, name="desk"),
    path("check-in/day/", day_views.page, name="day"),
    path("check-in/day/print/", day_views.paper, name="day_paper"),
    path("check-in/<uuid:pk>/", check_in_views.person, name="check_in"),
    path("ledger/", ledger_views.ledger_list, name="ledger"),
    path("ledger/change/", ledger_views.ledger_bulk, name="ledger_bulk"),
    path("ledger/views/", ledger_views.ledger_view_save, name="ledger_view_save"),
    path("ledger/views/<uuid:pk>/drop/", ledger_views.ledger_view_drop, name="ledger_view_drop"),
    path("ledger/<uuid:pk>/", ledger_views.ledger_entry, name="ledger_entry"),
    path("ledger/<uuid:pk>/change/", ledger_views.ledger_change, name="ledger_change"),
    path("events/", event_views.event_list, name="events"),
    path("events/lists/", event_list_views.event_lists_page, name="event_lists"),
    path("events/lists/confirm/", event_list_views.event_list_confirm, name="event_list_confirm"),
    path("events/lists/rest/", event_list_views.event_list_rest, name="event_list_rest"),
    path(
        "events/lists/template/", event_list_views.event_list_template, name="event_list_template"
    ),
    path("events/report/<uuid:pk>/", event_views.event_report, name="event_report"),
    path("events/answer/", event_views.event_answer_many, name="event_answer_many"),
    path("events/<uuid:pk>/", event_views.event, name="event"),
    path("events/<uuid:pk>/acknowledge/", event_views.event_acknowledge, name="event_acknowledge"),
    path("events/<uuid:pk>/correct/", event_views.event_correct, name="event_correct"),
    path("rehandovers/", rehandover_views.rehandover_list, name="rehandovers"),
    path("rehandovers/new/<uuid:pk>/", rehandover_views.propose, name="rehandover_propose"),
    path("rehandovers/<uuid:pk>/", rehandover_views.rehandover, name="rehandover"),
    path("rehandovers/<uuid:pk>/accept/", rehandover_views.accept, name="rehandover_accept"),
    path("rehandovers/<uuid:pk>/refuse/", rehandover_views.refuse, name="rehandover_refuse"),
    path("rehandovers/<uuid:pk>/withdraw/", rehandover_views.withdraw, name="rehandover_withdraw"),
    path("funds/", fund_views.figures, name="funds"),
    path("funds/sheets/<uuid:pk>/", fund_views.sheet, name="fund_sheet"),
    path("funds/<str:pk>/standard/", fund_views.standard, name="fund_standard"),
    path("funds/<str:pk>/fix/", fund_views.fix, name="fund_fix"),
    path("care/", care_views.home, name="care"),
    path("care/plan/", care_views.plan, name="care_plan"),
    path("care/plan/set/", care_views.plan_set, name="care_plan_set"),
    path("care/groups/<uuid:pk>/", care_views.explain, name="care_explain"),
    path("care/promises/<uuid:pk>/", care_views.close, name="care_close"),
    path("care/<uuid:pk>/", care_views.person, name="care_person"),
    path("care/<uuid:pk>/visit/", care_views.visit, name="care_visit"),
    path("cards/check/", card_views.card_check, name="card_check"),
    path("cards/print/", card_views.card_paper, name="card_paper"),
    path("cards/of/<uuid:pk>/", card_views.person, name="card_person"),
]
