"""Other archives of an enterprise: listed, delivered to the designated body, checked (第六条第4项).

One delivery holds up to `handovers.MOST_ITEMS` volumes. Destruction is no part of it: what is past
its term is appraised and destroyed by its owner under the Archives Law, never through a hand-over.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import transaction

from archives.models import RecordsEntry
from communities.models import Area
from transfers import handovers
from transfers.models.handovers import Counts, Desk, Handover, HandoverItem
from transfers.refusal import Refused
from xianning import standards, tables
from xianning.sandbox import Rejected

if TYPE_CHECKING:
    from collections.abc import Sequence

    from enterprises.models import Enterprise
    from xianning.models import User

SHOWN = 25  # lines typed or checked on one page
HIDDEN_TITLE = "（涉密，题名见纸质清单）"
NO_DESTRUCTION = (
    "销毁不在移交范围：保管期限已满的档案，由移交单位依照《档案法》鉴定、造册、经批准后自行销毁，"
    "本系统不办理；请从清单中删去，或改为移交。"
)


class EntryForm(forms.Form):
    """One line of the list, typed on the page or read from a row of a workbook."""

    item = forms.UUIDField(required=False, widget=forms.HiddenInput)
    category = forms.ChoiceField(
        label="门类", choices=[("", "请选择"), *RecordsEntry.Category.choices]
    )
    number = forms.CharField(label="案卷（盒）号", max_length=40)
    title = forms.CharField(label="题名", max_length=200, required=False)
    year_from = forms.IntegerField(label="起始年度", min_value=1900, max_value=2100)
    year_to = forms.IntegerField(label="终止年度", min_value=1900, max_value=2100, required=False)
    retention = forms.ChoiceField(label="保管期限", choices=RecordsEntry.Retention.choices)
    volumes = forms.IntegerField(label="卷数", min_value=0, max_value=9999, initial=1)
    pieces = forms.IntegerField(label="件数", min_value=0, max_value=99999, required=False)
    pages = forms.IntegerField(label="页数", min_value=0, max_value=999999, required=False)
    secrecy = forms.ChoiceField(label="密级", choices=RecordsEntry.Secrecy.choices)
    carrier = forms.ChoiceField(label="载体", choices=RecordsEntry.Carrier.choices)
    remarks = forms.CharField(label="备注", max_length=120, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, typed in self.fields.items():
            typed.widget.attrs["aria-label"] = typed.label or ""
            kind = "form-select" if isinstance(typed, forms.ChoiceField) else "form-control"
            small = " cell-number" if isinstance(typed, forms.IntegerField) else ""
            wide = " cell-title" if name == "title" else ""
            typed.widget.attrs["class"] = f"{kind}{small}{wide}"

    def clean_remarks(self) -> str:
        text: str = self.cleaned_data["remarks"]
        if "销毁" in text:
            raise ValidationError(NO_DESTRUCTION)
        return text

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if self.errors:
            return data
        data["year_to"] = data["year_to"] or data["year_from"]
        if data["year_to"] < data["year_from"]:
            self.add_error("year_to", "终止年度不能早于起始年度。")
        if not (data["volumes"] or data["pieces"]):
            self.add_error("volumes", "卷数、件数至少填写一项。")
        if data["secrecy"] in RecordsEntry.CLASSIFIED:
            if data["title"] not in ("", HIDDEN_TITLE):
                self.add_error("title", "涉密档案的题名不得录入本系统，请留空，另附纸质清单。")
            data["title"] = HIDDEN_TITLE
        elif not data["title"]:
            self.add_error("title", "请填写题名。")
        return data

    @property
    def counts(self) -> Counts:
        data = self.cleaned_data
        return Counts(data["volumes"], 0, data["pieces"] or 0, data["pages"] or 0)

    def entry(self, item: HandoverItem) -> RecordsEntry:
        """The line of a valid form, for this item of a delivery."""
        found = RecordsEntry.objects.filter(item=item).first() or RecordsEntry(item=item)
        for name in ENTRY_FIELDS:
            setattr(found, name, self.cleaned_data[name])
        return found


ENTRY_FIELDS = ("category", "number", "year_from", "year_to", "retention", "secrecy", "carrier",
                "remarks")  # fmt: skip


class Lines(forms.BaseFormSet):
    """The lines of one page of a list."""


LinesFormSet = forms.formset_factory(
    EntryForm, formset=Lines, extra=5, can_delete=True, max_num=SHOWN + 5, absolute_max=SHOWN + 20
)


def initial_of(items: Sequence[HandoverItem]) -> list[dict[str, Any]]:
    """Lines as the page types them."""
    return [
        {name: getattr(item.record, name) for name in ENTRY_FIELDS}
        | {"item": item.pk, "title": item.title, "volumes": item.volumes,
           "pieces": item.pieces or None, "pages": item.pages or None}
        for item in items
    ]  # fmt: skip


# --- packing ------------------------------------------------------------------------------------


def designated(enterprise: Enterprise) -> Area:
    """第五条: the body that the county designates, of where the enterprise is."""
    return Area.objects.get(pk=enterprise.county_id)


@transaction.atomic
def begin(enterprise: Enterprise, *, by: User) -> Handover:
    """The list that ENTERPRISE is packing; a new one when there is none."""
    packing = Handover.objects.of_kind("records").filter(
        from_enterprise=enterprise, state=Handover.State.PACKING
    )
    return packing.first() or handovers.pack(
        "records", by=by, sender=Desk("enterprise", enterprise=enterprise),
        receiver=Desk("archives_office", area=designated(enterprise)),
    )  # fmt: skip


@transaction.atomic
def save(handover: Handover, lines: Any, *, by: User) -> None:
    """Write the changed lines of a valid formset. Raises Refused."""
    handover = handovers.lock(handover)
    items = {item.pk: item for item in handover.items.all()}
    for line in lines:
        item = items.get(line.cleaned_data.get("item")) if line.cleaned_data else None
        if line in lines.deleted_forms:
            if item:
                take_out(item, by=by)
        elif line.has_changed() and item is None:
            _put_in(handover, line, by)
        elif line.has_changed() and item:
            handovers.recount(item, by=by, counts=line.counts, title=line.cleaned_data["title"])
            line.entry(item).save()


def _put_in(handover: Handover, line: EntryForm, by: User) -> None:
    title = line.cleaned_data["title"]
    item = handovers.put_in(handover, by=by, counts=line.counts, title=title)
    line.entry(item).save()


@transaction.atomic
def take_out(item: HandoverItem, *, by: User) -> None:
    """Off the list before it is sent."""
    RecordsEntry.objects.get(item=item).delete()
    handovers.take_out(item, by=by)


@transaction.atomic
def drop(handover: Handover, *, by: User) -> None:
    """Give up a list that was never sent."""
    handover = handovers.lock(handover)
    for item in handover.items.all():
        take_out(item, by=by)
    handovers.drop(handover, by=by)


# --- from a workbook ----------------------------------------------------------------------------

# Heading → field; the first four must be there.
COLUMNS = {
    "门类": "category", "案卷号": "number", "题名": "title", "起始年度": "year_from",
    "终止年度": "year_to", "保管期限": "retention", "卷数": "volumes", "件数": "pieces",
    "页数": "pages", "密级": "secrecy", "载体": "carrier", "备注": "remarks",
}  # fmt: skip
_ALIASES = {
    "案卷（盒）号": "案卷号", "案卷(盒)号": "案卷号", "盒号": "案卷号", "年度": "起始年度",
    "起止年度": "起始年度", "件（卷）数": "件数", "件(卷)数": "件数", "处置": "备注",
}  # fmt: skip
_CHOICES = {
    "category": RecordsEntry.Category, "retention": RecordsEntry.Retention,
    "secrecy": RecordsEntry.Secrecy, "carrier": RecordsEntry.Carrier,
}  # fmt: skip
_USUAL = {"secrecy": "open", "carrier": "paper", "retention": "permanent", "volumes": "1"}


@dataclass
class Read:
    """What a workbook says: valid lines, and what is wrong in it by row."""

    lines: list[EntryForm] = field(default_factory=list)
    problems: list[tuple[int, str]] = field(default_factory=list)


def read(data: bytes, file_name: str) -> Read:
    """Every line of the workbook, or every wrong row. Raises Rejected with a sentence."""
    found = Read()
    rows = tables.rows_under(data, file_name, tuple(COLUMNS), needed=4, aliases=_ALIASES)
    for number, texts in rows:
        line = EntryForm(_values(texts))
        if line.is_valid():
            found.lines.append(line)
        for name, errors in line.errors.items():
            label = line.fields[name].label if name in line.fields else "此行"
            found.problems.extend((number, f"{label}：{error}") for error in errors or ())
        if len(found.lines) > handovers.MOST_ITEMS:
            raise Rejected(f"一批最多 {handovers.MOST_ITEMS} 卷（件），请分成几个工作簿。")
    return found


def _values(texts: dict[str, str]) -> dict[str, str]:
    values = {COLUMNS[name]: text for name, text in texts.items()}
    for name, choices in _CHOICES.items():
        word = standards.fold(values.get(name, "")).replace(" ", "")
        codes = {standards.fold(str(label)): code for code, label in choices.choices}
        values[name] = codes.get(word, word)
    for separator in "-–—至~":
        first, found, last = values["year_from"].partition(separator)
        if found:
            values["year_from"], values["year_to"] = first.strip("年 "), last.strip("年 ")
    values["year_from"] = values["year_from"].strip("年 ")
    for name, usual in _USUAL.items():
        values[name] = values.get(name) or usual
    return values


@transaction.atomic
def replace(handover: Handover, found: Read, *, by: User) -> int:
    """The list anew from what was read; how many lines it has."""
    handover = handovers.lock(handover)
    for item in handover.items.all():
        take_out(item, by=by)
    for line in found.lines:
        _put_in(handover, line, by)
    return len(found.lines)


def template() -> bytes:
    """The empty workbook to fill in, and what may stand in its columns."""
    lines = [["门类", "保管期限", "密级", "载体"]]
    labels = [[str(label) for label in choices.labels] for choices in _CHOICES.values()]
    for n in range(max(map(len, labels))):
        lines.append([column[n] if n < len(column) else "" for column in labels])
    return tables.template("其他档案交接清单", tuple(COLUMNS), lines)


# --- checking -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Decision:
    """What the designated body decided about one line: a return has a code, else it has counts."""

    item: HandoverItem
    code: str = ""
    words: str = ""
    got: Counts | None = None


@transaction.atomic
def check(
    handover: Handover, decisions: Sequence[Decision], *, by: User, shelf: str = ""
) -> tuple[int, list[str]]:
    """Accept or return each line by itself: how many were done, and why the others were not."""
    handovers.lock(handover)
    done, refused = 0, []
    for each in decisions:
        try:
            with transaction.atomic():
                _decide(each, by, shelf)
        except Refused as reason:
            refused.append(f"{each.item.title}：{reason}")
        else:
            done += 1
    return done, refused


def _decide(each: Decision, by: User, shelf: str) -> None:
    if each.got is None:
        handovers.send_back(each.item, by=by, code=each.code, reason=each.words)
        return
    differs = bool(handovers.differences(each.item, each.got))
    handovers.accept(
        each.item, by=by, got=each.got, difference=each.words if differs else "",
        note="" if differs else each.words,
    )  # fmt: skip
    if shelf:
        entry = RecordsEntry.objects.get(item=each.item)
        entry.location = shelf
        entry.save()


def rest(handover: Handover, done: Sequence[Decision]) -> list[Decision]:
    """Everything else that waits, as it was sent."""
    waiting = handover.items.filter(state=HandoverItem.State.WAITING)
    others = waiting.exclude(pk__in=[each.item.pk for each in done])
    return [Decision(item, got=item.counts) for item in others]
