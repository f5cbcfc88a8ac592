"""Signing in, proving who one is, the first administrators."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm

from xianning import standards
from xianning.fields import StandardField
from xianning.models import User

if TYPE_CHECKING:
    from django.http import HttpRequest

    from xianning.models import TotpDevice

LONGEST_PASSWORD = 128


def username_of(text: str) -> str:
    """One spelling for a name however it is typed, so that no variant escapes the lock-out count."""
    return unicodedata.normalize("NFKC", text or "").strip().casefold()[:150]


def axes_username(request: HttpRequest | None, credentials: dict[str, Any] | None) -> str:
    """The name by which django-axes counts failures."""
    typed = (credentials or {}).get("username") or (request and request.POST.get("username")) or ""
    return username_of(str(typed))


class SignInForm(AuthenticationForm):
    """User name and password; says no more than that they do not fit."""

    error_messages = {
        "invalid_login": "用户名或密码不正确，请核对后再试。",
        "inactive": "用户名或密码不正确，请核对后再试。",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].label = "用户名"
        self.fields["username"].widget = forms.TextInput(
            attrs={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}
        )
        self.fields["password"].label = "密码"

    def clean_username(self) -> str:
        return username_of(self.cleaned_data["username"])


class PasswordForm(PasswordChangeForm):
    """The old password and twice the new one."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["old_password"].label = "现在的密码"
        self.fields["new_password1"].label = "新密码"
        self.fields["new_password2"].label = "再输一次新密码"
        self.fields["new_password2"].help_text = ""
        for name in ("new_password1", "new_password2"):
            self.fields[name].widget.attrs["maxlength"] = LONGEST_PASSWORD


_CODE = {"autocomplete": "one-time-code", "autocapitalize": "none", "spellcheck": "false"}


class CodeForm(forms.Form):
    """The code of the phone; where a factor is proved, a recovery code fits too."""

    code = forms.CharField(
        label="手机上的 6 位口令", max_length=40,
        widget=forms.TextInput(attrs=_CODE | {"inputmode": "numeric", "data-autofocus": True}),
        error_messages={"required": "请填写手机上显示的 6 位数字。"},
    )  # fmt: skip

    def ask_for_paper(self) -> None:
        """Without the phone: one of the codes on paper."""
        field = self.fields["code"]
        field.label = "备用码"
        field.help_text = "打印在纸上的 10 个备用码之一，每个只能用一次，例如 k7m2p-x9rqd"
        field.widget.attrs["inputmode"] = "text"
        field.error_messages["required"] = "请填写一个备用码。"


class ProofForm(forms.Form):
    """Who has a second factor proves himself with it, everybody else with the password."""

    wrong = "密码不正确，请核对后再试。"
    device: TotpDevice | None = None

    identity_proof = forms.CharField(
        label="您的登录密码", max_length=LONGEST_PASSWORD, strip=False,
        widget=forms.PasswordInput(
            attrs={"autocomplete": "current-password", "data-autofocus": True}
        ),
        error_messages={"required": "请填写此项。"},
    )  # fmt: skip

    def ask_for(self, device: TotpDevice | None) -> None:
        """DEVICE is the phone of the user, if he has one."""
        self.device = device
        if device is None:
            return
        self.wrong = "口令不正确，或这个口令已经用过。请等手机显示下一个口令再试，最多等 30 秒。"
        field = self.fields["identity_proof"]
        field.label, field.widget = "手机上的 6 位口令", forms.TextInput(
            attrs=_CODE | {"inputmode": "numeric", "data-autofocus": True, "maxlength": 40}
        )  # fmt: skip
        field.help_text = "没带手机的，可填一个备用码"


# The three of 等保 8.1.5, in the order of the page.
FIRST = (
    ("system_admin", "系统管理员"), ("security_admin", "安全管理员"), ("audit_admin", "审计管理员"),
)  # fmt: skip


def tidy_username(text: str) -> str:
    """A user name as it is stored. Raises standards.NotValid."""
    name = username_of(text)
    if not (3 <= len(name) <= 30 and name.isascii() and name.replace("_", "a").isalnum()):
        raise standards.NotValid("用户名由 3 至 30 个小写字母、数字或下划线组成。")
    return name


class SetupForm(forms.Form):
    """The one-time code of `manage.py first_code`, and three different people."""

    code = forms.CharField(
        label="一次性设立码", max_length=40,
        help_text="在服务器上运行 manage.py first_code 得到，24 小时内有效",
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
        ),
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for role, title in FIRST:
            self.fields[f"{role}_name"] = StandardField(
                label=f"{title}姓名", max_length=50, parse=standards.fold_name
            )
            self.fields[f"{role}_username"] = StandardField(
                label=f"{title}用户名", max_length=30, parse=tidy_username,
                help_text="3 至 30 个小写字母、数字或下划线",
                widget=forms.TextInput(attrs={"autocapitalize": "none", "spellcheck": "false"}),
            )  # fmt: skip

    @property
    def fieldsets(self) -> list[tuple[str, list[forms.BoundField]]]:
        people = [
            (title, [self[f"{role}_name"], self[f"{role}_username"]]) for role, title in FIRST
        ]
        return [("设立码", [self["code"]]), *people]

    def clean(self) -> dict[str, Any]:
        """Three people with three names each: nobody is two administrators."""
        data = super().clean() or {}
        for part, sentence in (
            ("name", "三名管理员须由三人担任，姓名不能相同（同名的请加注，例如 李明（2））。"),
            ("username", "三个用户名不能相同。"),
        ):
            seen: set[str] = set()
            for role, _title in FIRST:
                value = data.get(f"{role}_{part}")
                if value and value in seen:
                    self.add_error(f"{role}_{part}", sentence)
                seen.add(value or "")
        for role, _title in FIRST:
            if User.objects.filter(username=data.get(f"{role}_username")).exists():
                self.add_error(f"{role}_username", "此用户名已有人使用，请换一个。")
        return data
