"""An entry of the list: each deed once, by its own level, and what others see of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.urls import reverse
from django.utils import timezone

from enterprises.models import Enterprise, Refused
from tests.factories import make_transfer
from tests.test_enterprises import form_of, listed
from xianning import demo

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

    from tests.conftest import People

pytestmark = pytest.mark.django_db


def test_the_list_of_each_level_is_acknowledged_once_confirmed_and_changed_by_its_own_sasac(
    people: People,
) -> None:
    entry = listed(people["gzw_chibi"])
    with pytest.raises(Refused, match="还不能签收"):
        entry.acknowledge(by=people["rs_chibi"])
    with pytest.raises(Refused, match="国资部门维护"):
        entry.amend(by=people["gzw"], contact="别人")
    other = form_of(people["gzw_chibi"], 2)
    assert other.is_valid()
    with pytest.raises(Refused, match="国资部门维护"):
        Enterprise.enter(by=people["gzw"], **other.facts())
    entry.confirm(by=people["gzw_chibi"])
    with pytest.raises(Refused, match="人社部门签收"):
        entry.acknowledge(by=people["rs"])
    with pytest.raises(Refused, match="不必重复确认"):
        entry.confirm(by=people["gzw_chibi"])
    entry.acknowledge(by=people["rs_chibi"])
    with pytest.raises(Refused, match="签收。"):
        entry.acknowledge(by=people["rs_chibi"])
    entry.amend(by=people["gzw_chibi"], removed_on=timezone.localdate())
    assert "移出国有企业名单" in str(entry.why_not_open())
    Enterprise.objects.filter(pk=entry.pk).update(
        confirmed_at=None, confirmed_by=None, acknowledged_at=None, acknowledged_by=None
    )
    with pytest.raises(Refused, match="移出名单，不能确认"):
        Enterprise.objects.get(pk=entry.pk).confirm(by=people["gzw_chibi"])


def test_an_enterprise_shows_the_count_of_those_cases_only_that_one_may_see(
    people: People, sign_in: Callable[[str], Client]
) -> None:
    """A case stays with the authority that listed the enterprise when it was filed."""
    mine, others = make_transfer(clerk="qiye_chibi"), make_transfer(clerk="qiye_chibi")
    type(others).objects.filter(pk=others.pk).update(authority_id=demo.XIANAN)
    page = sign_in("gzw_chibi").get(mine.enterprise.get_absolute_url())
    assert sum(int(count["count"]) for count in page.context["counts"]) == 1
    authorities = sign_in("gzw_chibi").get(reverse("enterprises:list")).context["authorities"]
    assert [code for code, _name in authorities] == [demo.CHIBI]
