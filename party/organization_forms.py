"""What is typed about a Party organisation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError

from communities.models import Area
from enterprises.models import Enterprise
from party.organizations import PartyOrganization
from transfers.forms import not_in_future
from xianning import access, standards
from xianning.fields import DayField, StandardField

if TYPE_CHECKING:
    from datetime import date

    from xianning.models import User


def places_of(user: User) -> list[tuple[str, str]]:
    """Where USER keeps Party organisations: his enterprises; his street and its communities."""
    mine = access.scope(user)
    firms = Enterprise.objects.filter(pk__in=mine.enterprises).order_by("name")
    held = mine.areas.get("party", frozenset())
    areas = Area.objects.filter(
        access.within("code", held), level__in=(Area.Level.TOWNSHIP, Area.Level.COMMUNITY),
        closed_on=None,
    ).order_by("code")  # fmt: skip
    return [
        *((str(each.pk), each.name) for each in firms),
        *((area.pk, area.full_name) for area in areas),
    ]


def _postcode(text: str) -> str:
    digits = standards.fold(text)
    if len(digits) != 6 or not (digits.isascii() and digits.isdigit()):
        raise standards.NotValid("邮编是 6 位数字。")
    return digits


class OrganizationForm(forms.ModelForm[PartyOrganization]):
    """Name, place, what it may do, where its post goes."""

    place = forms.ChoiceField(label="所属企业，或所在街道、社区")
    phone = StandardField(label="联系电话", max_length=40, required=False,
                          parse=standards.parse_phone)  # fmt: skip
    postcode = StandardField(label="邮编", max_length=12, required=False, parse=_postcode)
    closed_on = DayField(label="撤销日期", required=False, help_text="已撤销的才填写")

    field_order = ("place", "kind", "name", "parent", "may_transfer", "address", "phone", "fax",
                   "postcode", "closed_on")  # fmt: skip

    class Meta:
        model = PartyOrganization
        fields = ("kind", "name", "parent", "may_transfer", "address", "phone", "fax", "postcode",
                  "closed_on")  # fmt: skip
        help_texts = {
            "may_transfer": "有此权限的基层党委，可以在全国直接转移和接收党员组织关系",
            "parent": "党总支、党支部必须填写",
        }

    def __init__(self, *args: Any, by: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.by = by
        choices: Any = self.fields["place"]
        if self.instance._state.adding:
            choices.choices = places_of(by)
            del self.fields["closed_on"]
        else:
            del self.fields["place"]
        parents: Any = self.fields["parent"]
        parents.queryset = (
            PartyOrganization.objects.visible_to(by).standing()
            .exclude(pk=self.instance.pk).exclude(kind=PartyOrganization.Kind.BRANCH)
            .order_by("name")
        )  # fmt: skip

    def clean_closed_on(self) -> date | None:
        day = not_in_future(self.cleaned_data["closed_on"], "撤销日期")
        if day and (reason := self.instance.why_not_close()):
            raise ValidationError(reason)
        return day

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if place := data.get("place"):
            self._stand_at(place)
        kind, parent = data.get("kind"), data.get("parent")
        if kind and kind != PartyOrganization.Kind.COMMITTEE and not parent:
            self.add_error("parent", "党总支、党支部须有上级党组织。")
        if parent and not self._is_beside(parent):
            self.add_error("parent", "上级党组织须属于同一企业，或同一街道。")
        if parent and self._is_above(parent):
            self.add_error("parent", f"{parent}在它之下，不能作为它的上级。")
        if kind != PartyOrganization.Kind.COMMITTEE and data.get("may_transfer"):
            self.add_error("may_transfer", "只有基层党委可以有审批预备党员的权限。")
        return data

    def _stand_at(self, place: str) -> None:
        if len(place) == 12 and place.isdigit():
            self.instance.area_id = place
        else:
            self.instance.enterprise_id = UUID(place)

    def _is_beside(self, parent: PartyOrganization) -> bool:
        if self.instance.enterprise_id:
            return parent.enterprise_id == self.instance.enterprise_id
        return bool(self.instance.area_id and parent.area_id) and (
            parent.area_id in access.ancestors_of(str(self.instance.area_id))
        )

    def _is_above(self, parent: PartyOrganization) -> bool:
        """Whether this organisation stands above PARENT already (three kinds: few steps)."""
        above: PartyOrganization | None = parent
        for _ in range(10):
            if above is None:
                return False
            if above.pk == self.instance.pk:
                return True
            above = above.parent
        return True

    def _get_validation_exclusions(self) -> set[str]:
        """The place is not typed here but counts for what may stand once only."""
        excluded = set(super()._get_validation_exclusions())  # type: ignore[misc]
        placed = self.instance.enterprise_id or self.instance.area_id
        return excluded - {"enterprise", "area"} if placed else excluded
