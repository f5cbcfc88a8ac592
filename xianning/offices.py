"""Offices and accounts, for administrators: they see no retiree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.contrib import messages
from django.db import transaction
from django.db.models import Count, Q
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_GET

from communities.models import Area
from xianning import audit
from xianning.access import user_of
from xianning.accounts import end_sessions, require_fresh, second_factor
from xianning.fields import body_name
from xianning.models import Office, User
from xianning.office_forms import OfficeForm, UserForm, accounts, first_password
from xianning.pages import keyset
from xianning.roles import ROLES

if TYPE_CHECKING:
    from django.http import HttpRequest

ROLE_CHOICES = [(role.slug, role.name) for role in ROLES.values()]


def _page(request: HttpRequest, template: str, status: int = 200, **context: Any) -> HttpResponse:
    return render(request, f"xianning/{template}.html", context, status=status)


# --- offices ------------------------------------------------------------------------------------


@require_GET
def offices(request: HttpRequest) -> HttpResponse:
    """Offices inside my area, with how many people act for each."""
    rows = Office.objects.visible_to(user_of(request))
    if role := request.GET.get("role", ""):
        if role not in ROLES:
            raise Http404
        rows = rows.filter(role=role)
    for word in body_name(request.GET.get("q", "")).split()[:5]:
        rows = rows.filter(
            Q(name__icontains=word)
            | Q(area__full_name__icontains=word)
            | Q(enterprise__name__icontains=word)
        )
    page = keyset(request, rows.select_related("area", "enterprise"), count=True)
    counts = dict(
        User.objects.filter(offices__in=page.rows, is_active=True)
        .order_by()
        .values_list("offices")
        .annotate(Count("pk"))
    )
    return _page(
        request, "offices", page=page, role_choices=ROLE_CHOICES,
        lines=[(office, counts.get(office.pk, 0)) for office in page.rows],
    )  # fmt: skip


def office_add(request: HttpRequest) -> HttpResponse:
    """Set up an office; `?area=` presets its place."""
    area = Area.objects.visible_to(user_of(request)).filter(pk=request.GET.get("area", "")).first()
    form = OfficeForm(request.POST or None, admin=user_of(request), initial={"area": area})
    if request.method == "POST" and form.is_valid():
        office = form.save()
        messages.success(request, f"{office}已设立，可以为其开设账号。")
        return redirect("office_edit", office.pk)
    status = 422 if request.method == "POST" else 200
    return _page(request, "office_edit", status, form=form, roles=list(ROLES.values()))


def office_edit(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Address and contact of an office, its people, its end."""
    office = get_object_or_404(
        Office.objects.visible_to(user_of(request)).select_related("area", "enterprise"), pk=pk
    )
    form = OfficeForm(request.POST or None, instance=office, admin=user_of(request))
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, f"{office}已更改。")
        return redirect("offices")
    status = 422 if request.method == "POST" else 200
    return _page(
        request, "office_edit", status, form=form, office=office,
        people=office.users.order_by("full_name"),
    )  # fmt: skip


# --- accounts -----------------------------------------------------------------------------------


@require_GET
def users(request: HttpRequest) -> HttpResponse:
    """Accounts that I keep, the newest first."""
    rows = accounts(user_of(request))
    if state := request.GET.get("state", ""):
        if state not in ("active", "inactive"):
            raise Http404
        rows = rows.filter(is_active=state == "active")
    if words := request.GET.get("q", "").strip():
        rows = rows.filter(Q(full_name__icontains=words) | Q(username__icontains=words))
    page = keyset(request, rows.prefetch_related("offices"), count=True)
    states = [("active", "可用"), ("inactive", "已停用")]
    return _page(request, "users", page=page, states=states)


@sensitive_variables("password")
def user_add(request: HttpRequest) -> HttpResponse:
    """Open an account; its first password is shown once. `?office=` presets the office."""
    form = UserForm(request.POST or None, admin=user_of(request), initial=_preset(request))
    if request.method == "POST" and form.is_valid():
        password = _new_password(form.instance)
        user = form.save()
        return _page(
            request, "user_password", account=user, password=password, is_new=True,
            asked=form.asked,
        )  # fmt: skip
    status = 422 if request.method == "POST" else 200
    return _page(request, "user_edit", status, form=form)


def _preset(request: HttpRequest) -> dict[str, str]:
    try:
        pk = UUID(request.GET.get("office", ""))
    except ValueError:
        return {}
    office = Office.objects.visible_to(user_of(request)).filter(pk=pk).first()
    return {"join": office.name} if office else {}


def _new_password(user: User) -> str:
    """A random password that has to be changed at the first sign-in."""
    password = first_password()
    user.set_password(password)
    user.must_change_password = True
    return password


@sensitive_variables("password")
def user_edit(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Name and offices of an account, its deactivation, a new first password."""
    account = get_object_or_404(accounts(user_of(request)), pk=pk)
    if request.method == "POST" and {"password", "factor"} & request.POST.keys():
        return _reset(request, account)
    form = UserForm(request.POST or None, instance=account, admin=user_of(request))
    if request.method == "POST" and form.is_valid():
        form.save()
        if not account.is_active:
            end_sessions(account, "account")
        messages.success(request, f"{account}的账号已更改，立即生效。")
        if form.asked:
            messages.info(request, f"加入{form.asked.office}的申请已提交安全管理员核准。")
        return redirect(f"{reverse('users')}")
    status = 422 if request.method == "POST" else 200
    waiting = account.grants.waiting().select_related("office")
    return _page(
        request, "user_edit", status, form=form, account=account, waiting=waiting,
        device=second_factor.device_of(account),
    )  # fmt: skip


@sensitive_variables("password")
@transaction.atomic
def _reset(request: HttpRequest, account: User) -> HttpResponse:
    """A new first password, or no phone any more: somebody else's, after a fresh proof."""
    if account == request.user:
        messages.error(request, "自己的账号请在“我的账号”中修改密码、更换手机。")
        return redirect("user_edit", account.pk)
    if stop := require_fresh(request):
        return stop
    if "factor" in request.POST:
        second_factor.remove(account, by=user_of(request))
        messages.success(request, f"{account}的动态口令已重置，请其重新登录并启用。")
        return redirect("user_edit", account.pk)
    password = _new_password(account)
    account.save()
    end_sessions(account, "password")
    audit.write("password_reset", object=account)
    return _page(request, "user_password", account=account, password=password, is_new=False)
