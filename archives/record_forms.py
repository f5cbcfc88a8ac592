"""What the designated body enters while it checks other archives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms

from archives.batch_forms import RETURNS, SMALL
from archives.records import Decision
from transfers import handovers
from transfers.choices import ReturnReason
from transfers.models.handovers import Counts, HandoverItem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

COUNTED = ("volumes", "pieces", "pages")


class CheckRow(forms.Form):
    """One line: what is decided and what arrived."""

    decision = forms.ChoiceField(
        label="结果", required=False,
        choices=[("", "待查"), ("accept", "接收"),
                 *((code, f"退回：{ReturnReason(code).label}") for code in RETURNS)],
    )  # fmt: skip
    volumes = forms.IntegerField(label="实收卷数", min_value=0, max_value=9999)
    pieces = forms.IntegerField(label="实收件数", min_value=0, max_value=99999)
    pages = forms.IntegerField(label="实收页数", min_value=0, max_value=999999)
    words = forms.CharField(label="附注、差异或退回说明", max_length=200, required=False)

    def __init__(self, *args: Any, item: HandoverItem, **kwargs: Any) -> None:
        self.item = item
        kwargs["initial"] = {name: getattr(item, name) for name in COUNTED}
        kwargs["prefix"] = str(item.pk)
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            kind = "form-select" if name == "decision" else "form-control"
            field.widget.attrs |= {
                "aria-label": f"第 {item.position} 行：{field.label}",
                "class": SMALL if name in COUNTED else kind,
            }

    @property
    def got(self) -> Counts:
        data = self.cleaned_data
        return Counts(data["volumes"], 0, data["pieces"], data["pages"])

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        chosen, words = data.get("decision", ""), data.get("words", "").strip()
        if self.errors or not chosen:
            return data
        if chosen != "accept":
            if not words:
                self.add_error("words", "请写明要补什么、改什么。")
        elif (differs := handovers.differences(self.item, self.got)) and not words:
            self.add_error("words", f"{'；'.join(differs)}：请说明差异，或选择退回。")
        return data

    def decided(self) -> Decision | None:
        """The decision of a valid row; None where there is none."""
        chosen, words = self.cleaned_data["decision"], self.cleaned_data["words"].strip()
        if not chosen:
            return None
        if chosen == "accept":
            return Decision(self.item, words=words, got=self.got)
        return Decision(self.item, code=chosen, words=words)


class CheckHead(forms.Form):
    """What holds for every line that is accepted now."""

    shelf = forms.CharField(
        label="存放位置（库/柜/层）", max_length=60, required=False, help_text="例如 3库/2柜/1层"
    )
    rest = forms.BooleanField(
        label="其余待查的全部接收（数量与清单一致，包括其他页）", required=False
    )


class CheckPage:
    """The head and the rows together: valid or not, and what they decide."""

    def __init__(self, items: Sequence[HandoverItem], data: Mapping[str, Any] | None = None):
        waiting = [item for item in items if item.state == HandoverItem.State.WAITING]
        self.head = CheckHead(data)
        self.rows = [CheckRow(data, item=item) for item in waiting]

    def is_valid(self) -> bool:
        return all([self.head.is_valid(), *(row.is_valid() for row in self.rows)])

    def decisions(self) -> list[Decision]:
        return [decided for row in self.rows if (decided := row.decided())]
