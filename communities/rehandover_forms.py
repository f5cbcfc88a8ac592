"""What is typed about a person who is handed on to another community."""

from __future__ import annotations

from datetime import date
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from communities import rehandovers
from communities.forms import OfficerForm
from communities.models import Area, Reception, Rehandover
from transfers.forms import not_in_future
from xianning.fields import AreaField, DayField


class ProposeForm(forms.Form):
    """Where to, since when, and what becomes of card and Party relation."""

    community = AreaField(
        label="新居住地社区（村）", level=Area.Level.COMMUNITY, receiving=True, suggest=True
    )
    moved_on = DayField(label="居住地变更日期")
    card = forms.ChoiceField(
        label="联系卡", choices=Rehandover.Card.choices, widget=forms.RadioSelect,
        initial=Rehandover.Card.REISSUE,
    )  # fmt: skip
    party = forms.ChoiceField(
        label="党员组织关系", widget=forms.RadioSelect, initial=Rehandover.Party.FOLLOW,
        choices=[c for c in Rehandover.Party.choices if c[0]],
        help_text="由党组织办理转接（第六条第6项）",
    )  # fmt: skip
    details = forms.CharField(
        label="情况说明", max_length=300, required=False,
        widget=forms.Textarea(attrs={"rows": 3}), help_text="例如新住址、联系方式，供接收社区核对",
    )  # fmt: skip

    def __init__(self, *args: Any, entry: Reception, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.entry = entry
        if not entry.transfer.retiree.is_party_member:
            del self.fields["party"]

    def clean_community(self) -> Area:
        community: Area = self.cleaned_data["community"]
        if reason := rehandovers.why_not_to(self.entry, community):
            raise ValidationError(reason)
        return community

    def clean_moved_on(self) -> date | None:
        day = not_in_future(self.cleaned_data["moved_on"], "居住地变更日期")
        if day and day < self.entry.transfer.retiree.birth_date:
            raise ValidationError("居住地变更日期不能早于出生日期。")
        return day

    def clean_party(self) -> str:
        party: str = self.cleaned_data["party"]
        if reason := rehandovers.why_not_party(self.entry.transfer, party):
            raise ValidationError(reason)
        return party


class TakeForm(OfficerForm):
    """The receiving community takes the person: who looks after him from now on."""

    def __init__(self, *args: Any, onward: Rehandover, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.suggest_officer(onward.to_community)


class RefuseForm(forms.Form):
    """Why the person is not taken."""

    refusal = forms.ChoiceField(label="原因", choices=[("", "请选择"), *Rehandover.Refusal.choices])
    why = forms.CharField(
        label="说明", max_length=200, widget=forms.Textarea(attrs={"rows": 2}),
        help_text="移出社区会看到；此人仍由其管理服务",
    )  # fmt: skip


class WithdrawForm(forms.Form):
    """Why the re-handover is taken back."""

    why = forms.CharField(
        label="撤回原因", max_length=200, widget=forms.Textarea(attrs={"rows": 2}),
        help_text="已上报的居住地变更仍在；报告有误的，到该报告中更正",
    )  # fmt: skip
