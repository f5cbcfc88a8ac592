"""What the ledger is narrowed to: one form for the page, its saved views and its export."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.http import QueryDict
from django.utils import timezone

from communities import care
from transfers.choices import Residence, SpecialGroup
from transfers.models import PARTY_MEMBER, Retiree
from xianning import access, privacy, standards
from xianning.fields import DayField

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from xianning.models import User

KEEPERS = frozenset({"community", "street"})
# A special group is sealed with its person, so the entries are opened one by one to find it: no
# index of it exists that would tell how many are ill or in hardship.
MOST_OPENED = 5000
TOO_MANY = f"按特殊人员类别筛选一次最多查 {MOST_OPENED} 人，请先选定社区或其他条件。"
AGES = [("70", "70 周岁以上"), ("80", "80 周岁以上（高龄）"), ("90", "90 周岁以上")]
# 高龄 follows from the birth date, whatever was typed on the form.
GROUPS = [pair for pair in SpecialGroup.choices if pair[0] != SpecialGroup.AGED]
STATES = [("active", "在管"), ("closed", "不在管"), ("stale", "一年未核实")]
SORTS = [("verified", "最久未核实在前")]
# 资格认证: every twelve months, counted from the last one.
CERTIFY = [("soon", "60 天内到期"), ("over", "已逾期"), ("none", "没有认证记录")]
CERTIFY_SOON = timedelta(days=60)
MEMBERS = [("yes", "中共党员"), ("no", "非党员")]


def _some(pairs: list[tuple[str, str]]) -> forms.ChoiceField:
    return forms.ChoiceField(choices=[("", "全部"), *pairs], required=False)


class LedgerFilter(forms.Form):
    """The parameters of the address, as they are kept with a view and with an export."""

    community = forms.RegexField(r"^[0-9]{12}$", required=False)
    state = _some(STATES)
    group = _some(GROUPS)
    living = _some(list(Residence.choices))
    member = _some(MEMBERS)
    aged = _some(AGES)
    certify = _some(CERTIFY)
    enterprise = forms.UUIDField(required=False)
    verified_before = DayField(required=False)
    sort = _some(SORTS)

    @property
    def query(self) -> str:
        """What is set, as an address; only what this form knows, no name and no cursor."""
        given = QueryDict(mutable=True)
        for name in self.fields:
            if value := self.cleaned_data.get(name):
                given[name] = str(value)
        return given.urlencode()


def read(query: str) -> LedgerFilter:
    """The filter of an address. Raises NotValid when it is none."""
    form = LedgerFilter(QueryDict(query))
    if not form.is_valid():
        raise standards.NotValid("台账的筛选条件无法识别，请重新选择。")
    return form


def narrow(rows: QuerySet[Any], user: User, query: str) -> QuerySet[Any]:
    """The ROWS of the ledger that a page showed to USER. Raises NotValid."""
    return apply(rows, user, read(query).cleaned_data)


def apply(rows: Any, user: User, wanted: dict[str, Any]) -> Any:
    """ROWS narrowed to what is WANTED. Raises NotValid."""
    person = "transfer__retiree__"
    if code := wanted.get("community"):
        rows = rows.filter(community_id=code)
    if living := wanted.get("living"):
        rows = rows.filter(**{f"{person}residence": living})
    if member := wanted.get("member"):
        known = {f"{person}political_status__in": PARTY_MEMBER}
        rows = rows.filter(**known) if member == "yes" else rows.exclude(**known)
    if aged := wanted.get("aged"):
        rows = rows.filter(**{f"{person}birth_date__lte": _years_ago(int(aged))})
    if certify := wanted.get("certify"):
        rows = certified(rows, certify)
    if enterprise := wanted.get("enterprise"):
        rows = rows.filter(transfer__enterprise=enterprise)
    if before := wanted.get("verified_before"):
        rows = rows.stale(before)
    state = wanted.get("state")
    if state == "stale":
        rows = rows.stale()
    elif state:
        rows = rows.filter(is_active=state == "active")
    if group := wanted.get("group"):
        rows = _of_group(rows, user, group)
    return rows


def certified(rows: Any, how: str) -> Any:
    """Those of ROWS under management whose 资格认证 is due within 60 days, overdue, or not known."""
    last, today = "transfer__retiree__certified_on", timezone.localdate()
    due, end = (care.birthday(day, -1) for day in (today, today + CERTIFY_SOON))
    conditions: dict[str, dict[str, Any]] = {
        "soon": {f"{last}__gte": due, f"{last}__lte": end},
        "over": {f"{last}__lt": due},
        "none": {f"{last}__isnull": True},
    }
    return rows.filter(is_active=True, **conditions[how])


def _years_ago(years: int) -> date:
    today = timezone.localdate()
    # Who was born on 29 February has his birthday on 1 March.
    return date(
        today.year - years, today.month, 28 if (today.month, today.day) == (2, 29) else today.day
    )


def _of_group(rows: Any, user: User, group: str) -> Any:
    """Those of a special group: asked by those alone who care for them (第八条, 第十一条)."""
    if access.scope(user).roles.isdisjoint(KEEPERS):
        raise standards.NotValid("特殊人员类别仅供街道、社区筛选（第十一条）。")
    people = rows.select_related(None).prefetch_related(None).order_by()
    sealed = Retiree.objects.filter(pk__in=people.values("transfer__retiree"))
    opened = list(sealed.only("special_groups")[: MOST_OPENED + 1])
    if len(opened) > MOST_OPENED:
        raise standards.NotValid(TOO_MANY)
    found = [person.pk for person in opened if group in person.special_groups]
    return rows.filter(transfer__retiree__in=found)


def words_of(token: str) -> str:
    """The name that was looked for, sealed in the address. Raises NotReadable."""
    return privacy.unseal(token, "search") if token else ""
