"""What is typed at the desk on check-in day."""

from __future__ import annotations

from typing import Any

from django import forms

from communities.check_in import EXPECTED, Question
from communities.forms import CheckInForm
from xianning import standards


class FindForm(forms.Form):
    """One field for whatever there is: the code of the form, a name, the last digits, a phone."""

    q = forms.CharField(
        label="扫码，或输入姓名、身份证号末四位、电话", max_length=60,
        error_messages={"required": EXPECTED},
        widget=forms.TextInput(
            attrs={"data-autofocus": "", "autocomplete": "off", "spellcheck": "false"}
        ),
    )  # fmt: skip

    def clean_q(self) -> Question:
        try:
            return Question.read(self.cleaned_data["q"])
        except standards.NotValid as reason:
            raise forms.ValidationError(str(reason)) from None


class DeskForm(CheckInForm):
    """The answers of 街道社区接收, with what was read over with the person, each by itself."""

    CONFIRMED = ("address_confirmed", "phone_confirmed", "contacts_confirmed", "living_confirmed")
    address_confirmed = forms.BooleanField(label="住址与表上一致")
    phone_confirmed = forms.BooleanField(label="本人电话与表上一致")
    contacts_confirmed = forms.BooleanField(label="联系人及电话与表上一致")
    living_confirmed = forms.BooleanField(label="居住情况、特殊人员类别与表上一致")
    version = forms.IntegerField(required=False, min_value=1, widget=forms.HiddenInput)
    field_order = (*CheckInForm.field_order[:2], *CONFIRMED, *CheckInForm.field_order[2:])

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["identity_checked"].widget.attrs["data-autofocus"] = ""

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        for name in self.CONFIRMED:
            data.pop(name, None)
        return data
