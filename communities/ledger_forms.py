"""What is typed about entries of the ledger. What is left empty stays as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

from communities.ledger import Wish
from communities.ledger_filters import GROUPS
from communities.models import Reception
from transfers.choices import Residence
from transfers.models import Retiree
from transfers.retiree_form import RetireeForm
from xianning import standards
from xianning.models import label_of
from xianning.privacy import mask

if TYPE_CHECKING:
    from xianning.models import User


class ChangeForm(forms.Form):
    """What can be said of many people at once."""

    added = forms.MultipleChoiceField(
        label="增加特殊人员类别", choices=GROUPS, required=False,
        widget=forms.CheckboxSelectMultiple, help_text="高龄按出生日期计算，不用勾选",
    )  # fmt: skip
    dropped = forms.MultipleChoiceField(
        label="取消特殊人员类别", choices=GROUPS, required=False,
        widget=forms.CheckboxSelectMultiple,
    )  # fmt: skip
    residence = forms.ChoiceField(
        label="居住情况", choices=[("", "不改"), *Residence.choices], required=False
    )
    remarks = forms.CharField(label="备注", max_length=200, required=False, help_text="空着不改")
    verified = forms.BooleanField(label="今天已与本人核实信息", required=False)
    certified = forms.BooleanField(
        label="今天已协助本人完成资格认证",
        required=False,
        help_text="待遇领取资格认证每 12 个月一次",
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        both = {*data.get("added", ())} & {*data.get("dropped", ())}
        if both:
            self.add_error("dropped", "同一类别不能既增加又取消。")
        if not self.errors and self.wish().is_empty:
            raise ValidationError("没有填写要更改的内容。")
        return data

    def wish(self) -> Wish:
        """What a valid form asks for."""
        data = self.cleaned_data
        return Wish(
            person=self.of_person(), entry=self.of_entry(),
            added=frozenset(data.get("added", ())), dropped=frozenset(data.get("dropped", ())),
            verified=bool(data.get("verified")),
        )  # fmt: skip

    def of_person(self) -> dict[str, Any]:
        residence = self.cleaned_data.get("residence")
        found = {"residence": residence} if residence else {}
        return found | (
            {"certified_on": timezone.localdate()} if self.cleaned_data.get("certified") else {}
        )

    def of_entry(self) -> dict[str, Any]:
        remarks = self.cleaned_data.get("remarks")
        return {"remarks": remarks} if remarks else {}


# What a community hears of first; the rest of the form is the enterprise's.
TYPED = (
    "home_address", "home_phone", "household_address", "household_phone", "away_address",
    "away_phone", "contact1_name", "contact1_relation", "contact1_phone", "contact1_address",
    "contact2_name", "contact2_relation", "contact2_phone", "contact2_address",
)  # fmt: skip


class EntryForm(ChangeForm):
    """Everything that the keeper of the ledger may change of one entry.

    What is on record is private and stands nowhere in the form: a new value is typed over it.
    """

    home_address = RetireeForm.base_fields["home_address"]
    home_phone = RetireeForm.base_fields["home_phone"]
    household_address = RetireeForm.base_fields["household_address"]
    household_phone = RetireeForm.base_fields["household_phone"]
    away_address = RetireeForm.base_fields["away_address"]
    away_phone = RetireeForm.base_fields["away_phone"]
    contact1_name = RetireeForm.base_fields["contact1_name"]
    contact1_relation = RetireeForm.base_fields["contact1_relation"]
    contact1_phone = RetireeForm.base_fields["contact1_phone"]
    contact1_address = RetireeForm.base_fields["contact1_address"]
    contact2_name = RetireeForm.base_fields["contact2_name"]
    contact2_relation = RetireeForm.base_fields["contact2_relation"]
    contact2_phone = RetireeForm.base_fields["contact2_phone"]
    contact2_address = RetireeForm.base_fields["contact2_address"]
    cleared = forms.MultipleChoiceField(
        label="删去不再属实的内容", required=False, widget=forms.CheckboxSelectMultiple,
        choices=[(name, f"删去{label_of(Retiree, name)}") for name in TYPED],
    )  # fmt: skip
    officer = forms.CharField(label="专管员", max_length=50, required=False)
    officer_phone = forms.CharField(label="专管员电话", max_length=40, required=False)

    GROUPS = (
        ("住址与电话", TYPED[:6]),
        ("联系人", TYPED[6:]),
        ("居住和特殊情况", ("residence", "added", "dropped")),
        ("删去", ("cleared",)),
        ("管理与核实", ("officer", "officer_phone", "remarks", "verified", "certified")),
    )

    def __init__(self, *args: Any, entry: Reception, by: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.entry, self.by = entry, by
        person = entry.transfer.retiree
        for name in TYPED:
            now = mask(getattr(person, name), Retiree.Privacy.private[name])
            self.fields[name].help_text = f"现为：{now}；空着不改"
        for name in ("officer", "officer_phone", "remarks"):
            self.fields[name].help_text = f"现为：{getattr(entry, name) or '未填'}；空着不改"
        living: Any = self.fields["residence"]
        living.help_text = f"现为：{person.get_residence_display()}"

    @property
    def fieldsets(self) -> list[tuple[str, list[forms.BoundField]]]:
        return [(legend, [self[name] for name in names]) for legend, names in self.GROUPS]

    def clean_officer_phone(self) -> str:
        typed = self.cleaned_data["officer_phone"]
        try:
            return standards.parse_phone(typed) if typed else ""
        except standards.NotValid as reason:
            raise ValidationError(str(reason)) from None

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        both = [name for name in data.get("cleared", ()) if data.get(name)]
        if both:
            self.add_error("cleared", "既填写了新内容又选择删去，请只选一种。")
        return data

    def of_person(self) -> dict[str, Any]:
        data = self.cleaned_data
        typed = {name: data[name] for name in TYPED if data.get(name)}
        return super().of_person() | typed | dict.fromkeys(data.get("cleared", ()), "")

    def of_entry(self) -> dict[str, Any]:
        names = ("officer", "officer_phone", "remarks")
        return {name: self.cleaned_data[name] for name in names if self.cleaned_data.get(name)}


class ViewForm(forms.Form):
    """The name under which the present filter and columns are kept."""

    name = forms.CharField(label="视图名称", max_length=30)
