"""All URLs. Each name has its entry in `access.REGISTRY`."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LogoutView
from django.urls import include, path

from xianning import accounts, job_views, offices, roster_views, views

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
    path("account/sign-in/", accounts.SignIn.as_view(), name="sign_in"),
    path("account/sign-out/", login_not_required(LogoutView.as_view()), name="sign_out"),
    path("account/password/", accounts.PasswordChange.as_view(), name="password_change"),
    # /jobs/
    path("jobs/", job_views.jobs, name="jobs"),
    path("jobs/<uuid:pk>/", job_views.job, name="job"),
    path("jobs/<uuid:pk>/result/", job_views.job_result, name="job_result"),
    # /rosters/
    path("rosters/", roster_views.rosters, name="rosters"),
    path("rosters/<slug:name>/", roster_views.roster, name="roster"),
    path("rosters/<slug:name>/export/", roster_views.roster_export, name="roster_export"),
    path("access-log/", roster_views.access_log, name="access_log"),
    # /offices/ and /users/
    path("offices/", offices.offices, name="offices"),
    path("offices/add/", offices.office_add, name="office_add"),
    path("offices/<uuid:pk>/", offices.office_edit, name="office_edit"),
    path("users/", offices.users, name="users"),
    path("users/add/", offices.user_add, name="user_add"),
    path("users/<uuid:pk>/", offices.user_edit, name="user_edit"),
    # the apps
    path("enterprises/", include("enterprises.urls")),
    path("transfers/", include("transfers.urls")),
    path("", include("communities.urls")),
]
