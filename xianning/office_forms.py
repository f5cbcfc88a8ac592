"""What the administrator types about offices and accounts."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from communities.models import Area
from enterprises.models import Enterprise
from xianning import access, standards
from xianning.fields import AreaField, DayField, StandardField, body_name
from xianning.forms import username_of
from xianning.models import Grant, Membership, Office, User
from xianning.roles import ROLES, why_not_together

if TYPE_CHECKING:
    from datetime import date

    from django.db.models import QuerySet

# No 0, O, 1, l, I: a first password is read off a slip of paper.
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"


def first_password() -> str:
    """Sixteen random characters in groups of four (79 bits)."""
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(4))


def accounts(admin: User) -> QuerySet[User]:
    """Accounts that ADMIN keeps: with an office inside his area, or with none yet."""
    mine = Membership.objects.filter(office__in=Office.objects.visible_to(admin))
    homeless = ~Q(pk__in=Membership.objects.values("user_id"))
    return User.objects.filter(Q(pk__in=mine.values("user_id")) | homeless)


class OfficeForm(forms.ModelForm):
    """An office: a role at a place, and what stands on its papers.

    Role and place cannot change later, because the rights of its users hold there: close the
    office and open another.
    """

    role = forms.ChoiceField(
        label="职责", choices=[("", "请选择"), *((role.slug, role.name) for role in ROLES.values())]
    )
    name = StandardField(label="机构名称", max_length=80, parse=body_name)
    area = AreaField(
        label="辖区", required=False,
        help_text="市、县、街道（乡镇）或社区的全称或代码，例如 咸安区温泉街道",
    )  # fmt: skip
    enterprise = forms.ModelChoiceField(
        Enterprise.objects.none(), label="移交单位", required=False, empty_label="请选择",
        help_text="职责为移交单位时填写；破产、改制、注销企业由原主管部门经办",
    )  # fmt: skip
    phone = StandardField(label="联系电话", max_length=40, required=False)
    closed_on = DayField(label="撤销日期", required=False, help_text="撤销前须先将人员移出")

    class Meta:
        model = Office
        fields = (
            "role", "name", "area", "enterprise", "address", "postcode", "phone", "fax",
            "contact", "closed_on",
        )  # fmt: skip

    def __init__(self, *args: Any, admin: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.mine = access.scope(admin).areas.get("system_admin", frozenset())
        choice = self.fields["enterprise"]
        assert isinstance(choice, forms.ModelChoiceField)
        choice.queryset = Enterprise.objects.filter(
            access.within("authority_id", self.mine)
        ).order_by("name")
        if self.instance.pk and not self.instance._state.adding:
            for name in ("role", "area", "enterprise"):
                del self.fields[name]
        else:
            del self.fields["closed_on"]

    def clean_phone(self) -> str:
        return _phones(self.cleaned_data["phone"])

    def clean_postcode(self) -> str:
        code = standards.fold(self.cleaned_data["postcode"])
        if code and not (len(code) == 6 and code.isdigit()):
            raise ValidationError("邮政编码是 6 位数字。")
        return code

    def clean_closed_on(self) -> date | None:
        day: date | None = self.cleaned_data["closed_on"]
        if day and day > timezone.localdate():
            raise ValidationError("撤销日期不能晚于今天。")
        left = self.instance.users.count() if day else 0
        if left:
            raise ValidationError(f"该机构还有 {left} 名人员，请先在各自的账号中移出。")
        return day

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if "role" in self.fields and data.get("role"):
            self._check_place(data)
        self._check_twins(data)
        return data

    def _check_place(self, data: dict[str, Any]) -> None:
        """Each role exists at some levels only, and inside the administrator's own area."""
        role, area = ROLES[data["role"]], data.get("area")
        if role.place == "enterprise":
            data["area"] = None
            if not data.get("enterprise") and "enterprise" not in self.errors:
                self.add_error("enterprise", "请选择此机构为哪家企业经办。")
            return
        data["enterprise"] = None
        if "area" in self.errors:
            return
        if area is None:
            self.add_error("area", "请填写辖区。")
        elif area.level not in role.levels:
            levels = "、".join(str(Area.Level(level).label) for level in role.levels)
            self.add_error("area", f"{role.name}只设在：{levels}。")
        elif area.closed_on:
            self.add_error("area", f"{area.full_name}已撤销。")
        elif not access.inside(area.pk, self.mine):
            self.add_error("area", "此辖区不归您管理。")

    def _check_twins(self, data: dict[str, Any]) -> None:
        role = data.get("role", self.instance.role)
        area = data.get("area", self.instance.area)
        enterprise = data.get("enterprise", self.instance.enterprise)
        twins = Office.objects.filter(
            role=role, area=area, enterprise=enterprise, name=data.get("name")
        )
        if (area or enterprise) and twins.exclude(pk=self.instance.pk).exists():
            self.add_error("name", "同一地方已有职责和名称相同的机构。")


def _phones(text: str) -> str:
    try:
        return "、".join(standards.parse_phones(text)) if text else ""
    except standards.NotValid as reason:
        raise ValidationError(str(reason)) from None


class UserForm(forms.ModelForm):
    """An account and its offices. Deactivated, never deleted: what was done keeps its name."""

    username = forms.CharField(
        label="用户名", max_length=30, help_text="3 至 30 个小写字母、数字或下划线，开通后不能更改"
    )
    full_name = StandardField(label="姓名", max_length=50, parse=standards.fold_name)
    leave = forms.ModelMultipleChoiceField(
        Office.objects.none(), label="移出机构", required=False,
        widget=forms.CheckboxSelectMultiple, help_text="勾选后不再代表该机构办事，立即生效",
    )  # fmt: skip
    join = forms.CharField(
        label="加入机构", required=False, max_length=80,
        help_text="填机构名称，或名称中只有它才有的几个字；同名的加填辖区，例如 温泉街道 党工委。"
        "保存后提交安全管理员核准，核准后生效",
    )  # fmt: skip
    reason = forms.CharField(
        label="授权理由",
        required=False,
        max_length=200,
        help_text="加入机构时填写，例如 到岗通知文号",
    )

    class Meta:
        model = User
        fields = ("username", "full_name", "is_active")
        labels = {"is_active": "账号可用"}
        help_texts = {"is_active": "取消勾选即停用：不能登录，看不到任何数据；办理记录保留"}

    def __init__(self, *args: Any, admin: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.admin = admin
        self.asked: Grant | None = None
        self.is_new = self.instance._state.adding
        self.held = [] if self.is_new else list(self.instance.offices.order_by("name"))
        if self.is_new:
            del self.fields["is_active"], self.fields["leave"]
            return
        del self.fields["username"]
        leave = self.fields["leave"]
        assert isinstance(leave, forms.ModelMultipleChoiceField)
        leave.queryset = Office.objects.visible_to(admin).filter(users=self.instance)
        if not self.held:
            del self.fields["leave"]

    def clean_username(self) -> str:
        name = username_of(self.cleaned_data["username"])
        if not (len(name) >= 3 and name.isascii() and name.replace("_", "a").isalnum()):
            raise ValidationError("用户名由 3 至 30 个小写字母、数字或下划线组成。")
        if User.objects.filter(username=name).exists():
            raise ValidationError("此用户名已有人使用，请换一个。")
        return name

    def clean_is_active(self) -> bool:
        if self.instance == self.admin and not self.cleaned_data["is_active"]:
            raise ValidationError("不能停用自己的账号，请由另一名系统管理员办理。")
        return bool(self.cleaned_data["is_active"])

    def clean_join(self) -> Office | None:
        words = body_name(self.cleaned_data["join"])
        if not words:
            return None
        offices = Office.objects.visible_to(self.admin).filter(closed_on=None)
        found = list(offices.filter(name=words)[:2])
        if len(found) != 1:
            for word in words.split():
                offices = offices.filter(
                    Q(name__icontains=word)
                    | Q(area__full_name__icontains=word)
                    | Q(enterprise__name__icontains=word)
                )
            found = list(offices[:5])
        if not found:
            raise ValidationError("找不到这个机构，请先在“机构”中设立。")
        if len(found) > 1:
            names = "、".join(office.name for office in found[:4])
            raise ValidationError(f"对应多个机构：{names}，请写明其中一个。")
        return found[0]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        join, leave = data.get("join"), list(data.get("leave") or [])
        if (join or leave) and self.instance == self.admin:
            self.add_error(
                "join" if join else "leave",
                "系统管理员不能给自己增减机构，请由另一名系统管理员办理。",
            )
        elif join:
            kept = [office.role for office in self.held if office not in leave]
            self._may_ask(join, kept)
            if len(data.get("reason") or "") < 4:
                self.add_error("reason", "加入机构须写明理由（至少四个字）。")
        return data

    def _may_ask(self, join: Office, kept: list[str]) -> None:
        """Accounts, grants, audit and business are different people's work."""
        reason = why_not_together(kept, join.role)
        if not reason and not self.is_new:
            reason = Grant.why_not_ask(self.instance, join, by=self.admin)
        if reason:
            self.add_error("join", reason)

    @transaction.atomic
    def save(self, commit: bool = True) -> User:
        """Save the account; leaving an office works at once, joining one waits for approval."""
        user: User = self.instance
        user.save()
        for office in self.cleaned_data.get("leave") or []:
            office.dismiss(user)
        if join := self.cleaned_data["join"]:
            self.asked = Grant.ask(user, join, by=self.admin, reason=self.cleaned_data["reason"])
        return user
