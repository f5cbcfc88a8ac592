"""What people type about personnel files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils import timezone

from archives.models import PersonnelFile
from transfers import handovers
from transfers.forms import StepForm, not_in_future
from transfers.models.handovers import Counts, Handover
from xianning.fields import DayField

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import date

Lane = PersonnelFile.Lane
_HOW: dict[str, str] = {
    Lane.HELD: "请在库中查对，填写在库档案的数量、编号和位置；没有的，退回移交单位。",
    Lane.ELSEWHERE: "请调入后清点；仍由该机构保管的，正本填 0，并在备注中写明依据。",
    Lane.NONE: "请核对依据后登记编号；依据不足的，退回移交单位。",
}
NOT_BY_HIMSELF = "档案须由专人送达，不得由退休人员本人自带。"
_HIMSELF = {"本人", "本人自带", "自带", "退休人员本人"}


def means_allowed() -> list[tuple[str, str]]:
    """How a file may be sent here: by a named person, and what local policy adds."""
    means = Handover.Means
    return [(m.value, m.label) for m in means if m == means.PERSON or m in settings.ARCHIVE_MEANS]


def clean_carrier(carrier: str, retirees: Collection[str]) -> str:
    """Who brings the files; never one of those whom they are about."""
    carrier = carrier.strip()
    if carrier in _HIMSELF or carrier in retirees:
        raise ValidationError(NOT_BY_HIMSELF)
    return carrier


def clean_missing(text: str) -> str:
    """A written statement: a line for each piece that is missing, with its name and why."""
    lines = [line.strip().replace(":", "：") for line in text.splitlines() if line.strip()]
    for line in lines:
        name, colon, why = line.partition("：")
        if not (name.strip() and colon and why.strip()):
            raise ValidationError(f"“{line[:20]}”须写明材料名称和缺少的原因，中间用冒号隔开。")
    return "；".join(lines)


class CountsForm(forms.Form):
    """How much is in one file, and what is missing in it."""

    volumes = forms.IntegerField(label="正本（卷）", min_value=1, max_value=99, initial=1)
    duplicates = forms.IntegerField(label="副本（卷）", min_value=0, max_value=99, initial=0)
    pieces = forms.IntegerField(label="档案材料（份）", min_value=1, max_value=9999)
    pages = forms.IntegerField(label="页数", min_value=1, max_value=99999, required=False)
    missing = forms.CharField(
        label="缺失材料及说明", max_length=200, required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="每行一项，写明材料名称和原因，例如：招工登记表：企业搬迁时遗失",
    )  # fmt: skip

    def clean_missing(self) -> str:
        return clean_missing(self.cleaned_data["missing"])

    @property
    def counts(self) -> Counts:
        """The counts of a valid form."""
        return Counts(**{name: self.cleaned_data[name] or 0 for name in Counts._fields})


class SendForm(forms.Form):
    """By whom, how and when a delivery goes."""

    means = forms.ChoiceField(label="送达方式")
    carrier = forms.CharField(label="送档人", max_length=50)
    handed_on = DayField(label="转递日期", initial=timezone.localdate)

    def __init__(self, *args: Any, retirees: Collection[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.retirees = retirees
        self.fields["means"].choices = means_allowed()  # type: ignore[attr-defined]

    def clean_handed_on(self) -> date | None:
        return not_in_future(self.cleaned_data["handed_on"], "转递日期")

    def clean_carrier(self) -> str:
        return clean_carrier(self.cleaned_data["carrier"], self.retirees)


class CountedStep(StepForm):
    """A step whose counts go to its effect as one value, and are shown one by one."""

    def answers(self) -> list[tuple[str, str]]:
        typed = {
            str(self.fields[name].label): str(self.data.get(self.add_prefix(name), ""))
            for name in Counts._fields
            if name in self.fields
        }
        return [(label, typed.get(label, words)) for label, words in super().answers()]


class DeliverForm(CountsForm, CountedStep):
    """第六条第4项: the enterprise delivers the file, listed piece by piece, by a named person."""

    button = "移交"
    advice = (
        "多人的档案可在“档案移交”中成批移交。档案由专人送达，不得由退休人员本人自带；"
        "材料无法补齐的，写明缺少的材料和原因。没有档案可移交的，选择档案情况并写明依据。"
    )
    lane = forms.ChoiceField(
        label="档案情况", choices=Lane.choices, initial=Lane.DELIVERED, required=False
    )
    means = forms.ChoiceField(label="送达方式")
    carrier = forms.CharField(label="送档人", max_length=50)
    handed_on = DayField(label="转递日期", initial=timezone.localdate)
    holder = forms.CharField(
        label="存放机构", max_length=80, required=False,
        help_text="档案存放在其他机构的填写，例如：武汉市人才服务中心",
    )  # fmt: skip
    evidence = forms.CharField(
        label="依据", max_length=200, required=False,
        help_text="证明或说明的名称和文号，例如：存档证明〔2026〕12号；遗失情况说明",
    )  # fmt: skip
    evidence_on = DayField(label="依据日期", required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["means"].choices = means_allowed()  # type: ignore[attr-defined]
        if self.is_bound and self.stating:
            for name in ("volumes", "pieces", "means", "carrier"):
                self.fields[name].required = False

    @property
    def stating(self) -> bool:
        """Whether no file goes, but the statement where it is."""
        return str(self.data.get(self.add_prefix("lane"), "")) in (
            Lane.HELD, Lane.ELSEWHERE, Lane.NONE,
        )  # fmt: skip

    @property
    def fieldsets(self) -> list[tuple[str, list[forms.BoundField]]]:
        groups = (
            ("档案情况", ("lane", "handed_on")),
            ("移交档案的填写", (*Counts._fields, "missing", "means", "carrier")),
            ("没有档案移交的填写", ("holder", "evidence", "evidence_on")),
        )
        return [(legend, [self[name] for name in names]) for legend, names in groups]

    def clean_evidence_on(self) -> date | None:
        return not_in_future(self.cleaned_data["evidence_on"], "依据日期")

    def clean_handed_on(self) -> date | None:
        return not_in_future(self.cleaned_data["handed_on"], "转递日期")

    def clean_carrier(self) -> str:
        return clean_carrier(self.cleaned_data["carrier"], {self.transfer.retiree.name})

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        stated = {name: data.pop(name, None) for name in ("holder", "evidence", "evidence_on")}
        if self.stating:
            self._clean_statement(data, stated)
        elif any(stated.values()):
            self.add_error(
                "lane", "填写了没有档案移交的依据，请选择档案情况；移交档案的请清空依据。"
            )
        if not self.errors:
            data["lane"] = data["lane"] or Lane.DELIVERED
            data["counts"] = Counts() if self.stating else self.counts
        return {name: value for name, value in data.items() if name not in Counts._fields}

    def _clean_statement(self, data: dict[str, Any], stated: dict[str, Any]) -> None:
        elsewhere = data.get("lane") == Lane.ELSEWHERE
        if not stated["evidence"] and "evidence" not in self.errors:
            self.add_error("evidence", "请写明证明或说明的名称和文号。")
        if not stated["evidence_on"] and "evidence_on" not in self.errors:
            self.add_error("evidence_on", "请填写证明或说明的日期。")
        if elsewhere and not stated["holder"] and "holder" not in self.errors:
            self.add_error("holder", "请填写档案现在存放的机构。")
        if not elsewhere and stated["holder"]:
            self.add_error("holder", "只有档案存放在其他机构时才填写存放机构。")
        if data.get("pieces") or data.get("missing") or data.get("carrier"):
            self.add_error("lane", "没有档案移交的，不填写档案材料、缺失材料和送档人。")
        data |= {"stated": stated, "means": Handover.Means.HERE, "carrier": "", "missing": ""}

    def answers(self) -> list[tuple[str, str]]:
        """Only what belongs to the chosen case."""
        kept = ("lane", "handed_on", "holder", "evidence", "evidence_on") if self.stating else (
            "lane", "handed_on", *Counts._fields, "missing", "means", "carrier",
        )  # fmt: skip
        asked = {str(self.fields[name].label) for name in kept}
        stated = self.cleaned_data.get("stated") or {}
        told = {str(self.fields[name].label): str(value) for name, value in stated.items() if value}
        rows = [(label, told.get(label, words)) for label, words in super().answers()]
        return [row for row in rows if row[0] in asked and (row[1] or not self.stating)]


class AcceptFileForm(CountedStep):
    """第六条第4项: the agency checks the file against the note and takes it in."""

    button = "接收"
    advice = "逐项清点，与转递单一致的接收；不一致的说明差异后附注接收，或退回移交单位。"
    volumes = forms.IntegerField(label="实收正本（卷）", min_value=0, max_value=99)
    duplicates = forms.IntegerField(label="实收副本（卷）", min_value=0, max_value=99)
    pieces = forms.IntegerField(label="实收材料（份）", min_value=0, max_value=9999)
    pages = forms.IntegerField(label="实收页数", min_value=0, max_value=99999, required=False)
    difference = forms.CharField(label="数量差异说明", max_length=200, required=False)
    accepted_on = DayField(label="接收日期", initial=timezone.localdate)
    accepted_by = forms.CharField(label="接收人", max_length=50)
    archive_number = forms.CharField(label="档案编号", max_length=40)
    location = forms.CharField(
        label="存放位置", max_length=60, required=False, help_text="库/柜/层，例如 2库/15柜/3层"
    )
    remarks = forms.CharField(label="备注", max_length=200, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rows = PersonnelFile.objects.select_related("item")
        self.file = rows.filter(transfer=self.transfer).first()
        if self.file and self.file.statement:
            self._answer_statement(self.file)
        elif self.file:
            for name, count in self.file.item.counts._asdict().items():
                self.fields[name].initial = count

    def _answer_statement(self, file: PersonnelFile) -> None:
        """No file came: the agency says what it found, or registers that there is none."""
        del self.fields["difference"]
        self.advice = f"移交单位说明：{file.statement}。{_HOW[file.lane]}"
        if file.lane == Lane.NONE:
            for name in (*Counts._fields, "location"):
                del self.fields[name]
            self.fields["archive_number"].label = "登记编号"

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
        if self.file and not self.errors:
            got = Counts(**{name: data.get(name) or 0 for name in Counts._fields})
            differs = handovers.differences(self.file.item, got)
            if self.file.statement:
                self._clean_found(data, self.file, got)
            elif differs and not data["difference"].strip():
                words = "；".join(differs)
                raise ValidationError(f"{words}。请说明差异，或返回退回移交单位。")
            data["got"] = got
        return {name: value for name, value in data.items() if name not in Counts._fields}

    def _clean_found(self, data: dict[str, Any], file: PersonnelFile, got: Counts) -> None:
        """What is in the agency's own store, or where else it stays, and by which proof."""
        if file.lane == Lane.HELD and not got.volumes:
            self.add_error("volumes", "请填写在库的卷数；没有此人档案的，请返回退回移交单位。")
        if file.lane == Lane.ELSEWHERE and not got.volumes and not data["remarks"].strip():
            self.add_error("remarks", "档案未调入的，请写明仍由该机构保管的依据。")
        data.setdefault("location", "")
        data["difference"] = file.get_lane_display()
