"""What people type about a case: the forms of its steps, and reasons for returning it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.core import signing
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils import timezone

from transfers import notice
from transfers.choices import EndReason, ReturnReason
from transfers.retiree_form import RetireeForm
from xianning import standards, uploads
from xianning.fields import DayField, MonthField

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from transfers.models import Transfer
    from xianning.models import User

__all__ = [
    "ConfirmForm", "DeclareForm", "EndForm", "OpenForm", "ReasonForm", "RetireeForm", "RevealForm",
    "SearchForm", "StepForm", "VerifyForm",
]  # fmt: skip


def not_in_future(day: date | None, what: str) -> date | None:
    """DAY, or a ValidationError when it lies in the future."""
    if day and day > timezone.localdate():
        raise ValidationError(f"{what}不能晚于今天。")
    return day


class StepForm(forms.Form):
    """The answers that complete a step. `cleaned_data` are the arguments of the step's effect."""

    button = "办理"
    advice = ""

    def __init__(self, *args: Any, transfer: Transfer, by: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.transfer, self.by = transfer, by

    def answers(self) -> list[tuple[str, str]]:
        """Label and answer in words of each visible field, for checking before it is final."""
        rows = []
        for bound in self.visible_fields():
            value = self.cleaned_data.get(bound.name)
            field = bound.field
            if isinstance(field, forms.BooleanField):
                words = "是" if value else "否"
            elif isinstance(field, MonthField) and value:
                words = f"{value.year}年{value.month}月"
            elif isinstance(field, forms.ChoiceField):
                words = str(dict(field.choices).get(value, value))  # type: ignore[arg-type]
            else:
                words = "" if value is None else str(value)
            rows.append((str(bound.label), words))
        return rows


class DeclareForm(StepForm):
    """第六条第2项: the enterprise files."""

    button = "申报"
    truthful = forms.BooleanField(label="所登记的信息属实，退休手续已办理")


class VerifyForm(StepForm):
    """第六条第2项: HR verifies the retirement treatment."""

    button = "核定"
    verified_on = DayField(label="核定日期", initial=timezone.localdate)
    document = forms.CharField(label="核定文号", max_length=60, required=False)
    pension_from = MonthField(label="待遇领取起始年月")

    def clean_verified_on(self) -> date | None:
        return not_in_future(self.cleaned_data["verified_on"], "核定日期")


class ConfirmForm(StepForm):
    """第六条第3项: signed by the retiree and the clerk, sealed by the enterprise, in three copies."""

    button = "登记签字"
    advice = (
        "请先打印《基本信息表》一式三份，由退休人员本人和企业经办人签字、企业盖章，再上传扫描件。"
    )
    scan = forms.FileField(
        label="签字盖章后的扫描件（必须上传）", required=False,
        help_text="PDF、JPG 或 PNG，不超过 10 MB",
        widget=forms.ClearableFileInput(attrs={"accept": ".pdf,.jpg,.jpeg,.png"}),
    )  # fmt: skip
    signed_on = DayField(label="签字日期", initial=timezone.localdate)
    clerk = forms.CharField(label="企业经办人", max_length=50)
    retiree_signed = forms.BooleanField(label="退休人员本人已签字")
    sealed = forms.BooleanField(label="企业经办人已签字、企业已盖章")
    copies = forms.BooleanField(label="一式三份已备齐（企业、个人、街道社区各一份）")
    told = forms.BooleanField(
        label=f"已向本人送达《个人信息告知书》（版本 {notice.VERSION}）",
        help_text="在本案卷的“文书与扫描件”中打印",
    )
    agreed = forms.BooleanField(
        label="本人已签署单独同意书", required=False,
        help_text="不同意的不勾选：按法定职责移交，案卷中注明未取得单独同意",
    )  # fmt: skip
    version = forms.IntegerField(widget=forms.HiddenInput)
    # A file already received is carried by reference, so that an error elsewhere does not lose it.
    scan_token = forms.CharField(required=False, widget=forms.HiddenInput)

    SALT = "transfers.scan"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["version"].initial = self.transfer.form_version

    def clean_signed_on(self) -> date | None:
        return not_in_future(self.cleaned_data["signed_on"], "签字日期")

    def clean_version(self) -> int:
        version: int = self.cleaned_data["version"]
        if version != self.transfer.form_version:
            raise ValidationError(
                f"打印后信息已更改（现为第 {self.transfer.form_version} 版），请重新打印并签字。"
            )
        return version

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        token = data.pop("scan_token", "")
        upload = data.get("scan")
        if upload is not None:
            try:
                received = uploads.receive_scan(upload, self.by)
            except uploads.Rejected as reason:
                raise ValidationError({"scan": str(reason)}) from None
            facts = received._asdict() | {"case": str(self.transfer.pk)}
            token = signing.dumps(facts, salt=self.SALT)
        if not token:
            raise ValidationError({"scan": "请上传签字盖章后的扫描件。"})
        try:
            facts = signing.loads(token, salt=self.SALT, max_age=3600)
        except signing.BadSignature:
            raise ValidationError({"scan": "扫描件已过期，请重新上传。"}) from None
        if facts["case"] != str(self.transfer.pk):
            raise ValidationError({"scan": "扫描件不属于此案卷，请重新上传。"})
        again = QueryDict(mutable=True)
        again.update(self.data)
        again[self.add_prefix("scan_token")] = token
        self.data = again
        data["scan"] = facts
        return data

    def answers(self) -> list[tuple[str, str]]:
        facts = self.cleaned_data["scan"]
        rows = [row for row in super().answers() if row[0] != "签字盖章后的扫描件"]
        said = [f"{facts['size'] // 1024 + 1} KB"]
        if facts["left_out"]:
            said.append(f"已移除：{'、'.join(facts['left_out'])}")
        if facts["quarantined"]:
            said.append("待查杀，查杀通过前不能打开")
        return [("扫描件", f"{facts['name']}（{'；'.join(said)}）"), *rows]


class ReasonForm(forms.Form):
    """Why a step is sent back or taken back."""

    code = forms.ChoiceField(label="原因", choices=[("", "请选择"), *ReturnReason.choices])
    reason = forms.CharField(
        label="说明", max_length=200, widget=forms.Textarea(attrs={"rows": 3}),
        help_text="写清要改什么、缺什么；对方按此办理。不要写身份证号、电话等个人信息。",
    )  # fmt: skip


class EndForm(forms.Form):
    """Why a case ends without a handover."""

    code = forms.ChoiceField(label="原因", choices=[("", "请选择"), *EndReason.choices])
    reason = forms.CharField(label="说明", max_length=200, widget=forms.Textarea(attrs={"rows": 3}))


class OpenForm(forms.Form):
    """Why the facts of a person are opened for a change: the page shows them all (第十一条)."""

    why = forms.CharField(label="更改理由", min_length=4, max_length=200)


class RevealForm(forms.Form):
    """Why one person's private values are looked at (第十一条)."""

    group = forms.ChoiceField(label="内容")
    reason = forms.CharField(label="查看理由", min_length=4, max_length=200)

    def __init__(self, *args: Any, groups: Sequence[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["group"].choices = list(groups)  # type: ignore[attr-defined]


class SearchForm(forms.Form):
    """A name (two characters are enough) or a whole ID number."""

    q = forms.CharField(label="姓名或完整身份证号", max_length=50, required=False)

    def clean_q(self) -> str:
        text = standards.fold(self.cleaned_data["q"])
        if sum(c.isdigit() for c in text) >= 6:
            try:
                return standards.parse_id_number(text)
            except standards.NotValid as reason:
                raise ValidationError(f"{reason} 查身份证号须输入完整号码。") from None
        return text
