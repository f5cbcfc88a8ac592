"""Signing in."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm

if TYPE_CHECKING:
    from django.http import HttpRequest


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
