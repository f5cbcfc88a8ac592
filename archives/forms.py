"""What people type about personnel files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

from archives.models import PersonnelFile
from transfers.forms import StepForm, not_in_future
from xianning.fields import DayField

if TYPE_CHECKING:
    from datetime import date


class DeliverForm(StepForm):
    """第六条第4项: the enterprise delivers the file, listed piece by piece, by a named person."""

    button = "移交"
    advice = "档案由专人送达，不得由退休人员本人自带；材料无法补齐的，写明缺少的材料和原因。"
    originals = forms.IntegerField(label="正本（卷）", min_value=1, max_value=99, initial=1)
    duplicates = forms.IntegerField(label="副本（卷）", min_value=0, max_value=99, initial=0)
    items = forms.IntegerField(label="档案材料（份）", min_value=1, max_value=9999)
    pages = forms.IntegerField(label="页数", min_value=1, max_value=99999, required=False)
    missing = forms.CharField(
        label="缺失材料及说明", max_length=200, required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
    )  # fmt: skip
    carrier = forms.CharField(label="送档人", max_length=50)
    delivered_on = DayField(label="转递日期", initial=timezone.localdate)

    def clean_delivered_on(self) -> date | None:
        return not_in_future(self.cleaned_data["delivered_on"], "转递日期")

    def clean_carrier(self) -> str:
        carrier: str = self.cleaned_data["carrier"].strip()
        if carrier in {"本人", "本人自带", self.transfer.retiree.name}:
            raise ValidationError("档案须由专人送达，不得由退休人员本人自带。")
        return carrier


class AcceptFileForm(StepForm):
    """第六条第4项: the agency checks the file against the note and takes it in."""

    button = "接收"
    originals = forms.IntegerField(label="实收正本（卷）", min_value=0, max_value=99)
    duplicates = forms.IntegerField(label="实收副本（卷）", min_value=0, max_value=99)
    items = forms.IntegerField(label="实收材料（份）", min_value=0, max_value=9999)
    accepted_on = DayField(label="接收日期", initial=timezone.localdate)
    accepted_by = forms.CharField(label="接收人", max_length=50)
    archive_number = forms.CharField(label="档案编号", max_length=40)
    location = forms.CharField(
        label="存放位置", max_length=60, required=False, help_text="库/柜/层，例如 2库/15柜/3层"
    )
    remarks = forms.CharField(label="备注", max_length=200, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.file = PersonnelFile.objects.filter(transfer=self.transfer).first()
        for name in ("originals", "duplicates", "items"):
            self.fields[name].initial = getattr(self.file, name, None)

    def clean_accepted_on(self) -> date | None:
        return not_in_future(self.cleaned_data["accepted_on"], "接收日期")

    def clean_archive_number(self) -> str:
        number: str = self.cleaned_data["archive_number"].strip()
        mine = PersonnelFile.objects.filter(area=self.transfer.archive_area, archive_number=number)
        if mine.exclude(transfer=self.transfer).exists():
            raise ValidationError("此档案编号已使用，请换一个。")
        return number

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        labels = {"originals": "正本", "duplicates": "副本", "items": "材料"}
        differs = [
            f"{label}应为 {getattr(self.file, name)}，实收 {data[name]}"
            for name, label in labels.items()
            if self.file and name in data and data[name] != getattr(self.file, name)
        ]
        if differs:
            raise ValidationError(f"{'；'.join(differs)}。数量不符时请退回移交单位，不能接收。")
        for name in labels:
            data.pop(name, None)
        return data

    def answers(self) -> list[tuple[str, str]]:
        counts = [
            (str(self.fields[name].label), str(self.data.get(self.add_prefix(name), "")))
            for name in ("originals", "duplicates", "items")
        ]
        return counts + [row for row in super().answers() if not row[0].startswith("实收")]
