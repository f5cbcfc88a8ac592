"""All URLs. Each name has its entry in `access.REGISTRY`."""

from __future__ import annotations

from django.urls import include, path

from xianning import (
    audit_views,
    calendar_views,
    export_views,
    grant_views,
    job_views,
    leak_views,
    offices,
    permission_views,
    roster_views,
    views,
)
from xianning.accounts import password, proof, second_factor, sessions, setup, sign_in, text_size

handler400 = "xianning.views.bad_request"
handler403 = "xianning.views.forbidden"
handler404 = "xianning.views.not_found"
handler500 = "xianning.views.server_error"

urlpatterns = [
    path("", views.home, name="home"),
    path("health/", views.health, name="health"),
    path("notices/", views.notices, name="notices"),
    path("notices/<uuid:pk>/read/", views.notice_read, name="notice_read"),
    # /account/
    path("account/", password.account, name="account"),
    path("account/sign-in/", sign_in.SignIn.as_view(), name="sign_in"),
    path("account/code/", sign_in.sign_in_code, name="sign_in_code"),
    path("account/sign-out/", sign_in.sign_out, name="sign_out"),
    path("account/setup/", setup.setup, name="setup"),
    path("account/password/", password.PasswordChange.as_view(), name="password_change"),
    path("account/second-factor/", second_factor.second_factor, name="second_factor"),
    path("account/proof/", proof.prove, name="prove"),
    path("account/text-size/", text_size.text_size, name="text_size"),
    path("account/alive/", sessions.alive, name="alive"),
    path("account/sessions/", sessions.sessions, name="sessions"),
    path("account/sessions/end/", sessions.sessions_end, name="sessions_end"),
    path("account/sessions/<uuid:pk>/end/", sessions.session_end, name="session_end"),
    # /jobs/
    path("jobs/", job_views.jobs, name="jobs"),
    path("jobs/<uuid:pk>/", job_views.job, name="job"),
    path("jobs/<uuid:pk>/result/", job_views.job_result, name="job_result"),
    # /rosters/
    path("rosters/", roster_views.rosters, name="rosters"),
    path("rosters/<slug:name>/", roster_views.roster, name="roster"),
    path("rosters/<slug:name>/export/", roster_views.roster_export, name="roster_export"),
    # /exports/ and /leaks/
    path("exports/", export_views.exports, name="exports"),
    path("exports/<uuid:pk>/", export_views.export, name="export"),
    path("exports/<uuid:pk>/decide/", export_views.export_decide, name="export_decide"),
    path("leaks/", leak_views.leaks, name="leaks"),
    path("leaks/people/", leak_views.leak_people, name="leak_people"),
    path("access-log/", roster_views.access_log, name="access_log"),
    # /offices/ and /users/
    path("offices/", offices.offices, name="offices"),
    path("offices/add/", offices.office_add, name="office_add"),
    path("offices/<uuid:pk>/", offices.office_edit, name="office_edit"),
    path("users/", offices.users, name="users"),
    path("users/add/", offices.user_add, name="user_add"),
    path("users/<uuid:pk>/", offices.user_edit, name="user_edit"),
    path("calendar/", calendar_views.calendar, name="calendar"),
    # /audit/
    path("audit/", audit_views.audit_list, name="audit"),
    path("audit/state/", audit_views.audit_state, name="audit_state"),
    path("audit/export/", audit_views.audit_export, name="audit_export"),
    path("audit/<uuid:pk>/", audit_views.audit_event, name="audit_event"),
    # what is granted
    path("grants/", grant_views.grants, name="grants"),
    path("grants/<uuid:pk>/", grant_views.grant, name="grant"),
    path("account-review/", grant_views.account_review, name="account_review"),
    path("permissions/", permission_views.permissions, name="permissions"),
    path("register/", permission_views.field_register, name="register"),
    # the apps
    path("enterprises/", include("enterprises.urls")),
    path("transfers/", include("transfers.urls")),
    path("archives/", include("archives.urls")),
    path("party/", include("party.urls")),
    path("", include("communities.urls")),
]
