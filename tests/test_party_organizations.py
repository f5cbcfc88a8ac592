"""Party organisations: who keeps them, and which may issue and receive letters (第六条第6项)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse
from django.utils import timezone

from party.forms import LetterForm
from party.models import PartyMove
from party.organization_forms import OrganizationForm, places_of
from party.organizations import PartyOrganization
from tests.factories import make_transfer
from transfers import workflow
from transfers.refusal import Refused
from xianning import demo, walk

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

    from transfers.models import Transfer
    from xianning.models import User

pytestmark = pytest.mark.django_db
MACHINES, RETIRED = "中共咸宁市桂泉机械厂委员会", "中共桂泉机械厂退休支部委员会"


def named(name: str) -> PartyOrganization:
    return PartyOrganization.objects.get(name=name)


@pytest.fixture
def member() -> Transfer:
    return make_transfer(at="letter", party_member=True)


def letter_form(case: Transfer, by: User, **given: Any) -> LetterForm:
    data = walk.answers(case, "letter") | given
    return LetterForm(data, transfer=case, by=by)


@pytest.mark.parametrize(
    ("column", "name", "sentence"),
    [
        ("issuer", RETIRED, f"请选择其上级“{MACHINES}”"),
        ("receiver", "中共桂花路社区总支部委员会", "不能直接接收介绍信，请选择其上级“中共温泉街道工作委员会”"),
        ("issuer", "中共咸宁市淦河纺织总厂委员会", "选择一个有效的选项"),  # of another enterprise
        ("receiver", "中共蒲圻街道工作委员会", "选择一个有效的选项"),  # not where he lives
        ("receiver", MACHINES, "选择一个有效的选项"),
    ],
)  # fmt: skip
def test_a_letter_runs_between_committees_that_may_transfer(
    column: str, name: str, sentence: str, member: Transfer, people: dict[str, User]
) -> None:
    form = letter_form(member, people["qiye"], **{column: named(name).pk})
    assert sentence in str(form.errors[column])
    assert letter_form(member, people["qiye"]).is_valid()


def test_the_form_offers_the_committees_first(member: Transfer, people: dict[str, User]) -> None:
    form = LetterForm(transfer=member, by=people["qiye"])
    assert form.fields["issuer"].initial == named(MACHINES).pk
    assert form.fields["receiver"].initial == named("中共温泉街道工作委员会").pk


@pytest.mark.parametrize(
    ("given", "column"),
    [
        ({"receiver": "", "to_organization": ""}, "to_organization"),
        ({"to_organization": "中共武汉市演示街道工作委员会"}, "to_organization"),  # and a local one
        ({"means": "nation"}, "outside_number"),
        ({"means": "province", "outside_number": " "}, "outside_number"),
        ({"valid_days": "91"}, "valid_days"),
        ({"valid_days": "0"}, "valid_days"),
    ],
)
def test_what_a_letter_must_say(
    given: dict[str, str], column: str, member: Transfer, people: dict[str, User]
) -> None:
    assert list(letter_form(member, people["qiye"], **given).errors) == [column]


def test_a_letter_to_another_city_names_its_receiver_in_words(
    member: Transfer, people: dict[str, User]
) -> None:
    place = "中共武汉市演示街道工作委员会"
    walk.take(member, "letter", people["qiye"], receiver="", to_organization=place,
              means="nation", outside_number="QG-2026-1")  # fmt: skip
    move = PartyMove.objects.get(transfer=member)
    assert (move.receiver, move.to_organization, move.outside_number) == (None, place, "QG-2026-1")
    assert (move.issuer.name, move.from_committee) == (MACHINES, MACHINES)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [({"may_transfer": False}, "没有审批预备党员的权限"), ({"closed_on": "today"}, "撤销")],
)
@pytest.mark.parametrize("column", ["issuer", "receiver"])
def test_what_changed_since_the_form_was_checked_is_seen_under_the_lock(
    column: str, change: dict[str, Any], sentence: str, member: Transfer, people: dict[str, User]
) -> None:
    form = letter_form(member, people["qiye"])
    assert form.is_valid()
    change = {key: timezone.localdate() if v == "today" else v for key, v in change.items()}
    PartyOrganization.objects.filter(pk=form.cleaned_data[column].pk).update(**change)
    with pytest.raises(Refused, match=sentence):
        workflow.complete(member, "letter", by=people["qiye"], **form.cleaned_data)
    assert not PartyMove.objects.filter(transfer=member).exists()


def test_each_committee_counts_its_own_letters(people: dict[str, User]) -> None:
    second = PartyOrganization.objects.create(
        name="中共桂泉机械厂二分厂委员会", kind="committee", may_transfer=True,
        enterprise=named(MACHINES).enterprise,
    )  # fmt: skip
    serials = []
    for issuer in (named(MACHINES), second, named(MACHINES)):
        case = make_transfer(at="letter", party_member=True)
        walk.take(case, "letter", people["qiye"], issuer=issuer.pk)
        serials.append(PartyMove.objects.get(transfer=case).serial)
    assert serials == [1, 1, 2]


@pytest.mark.parametrize(
    ("by", "given", "column"),
    [
        ("qiye", {"place": demo.GUIHUA}, "place"),
        ("qiye", {"kind": "branch"}, "parent"),
        ("qiye", {"kind": "branch", "parent": MACHINES, "may_transfer": "on"}, "may_transfer"),
        ("qiye", {"name": MACHINES}, "__all__"),
        ("qiye", {"postcode": "4371"}, "postcode"),
        ("qiye", {"parent": RETIRED}, "parent"),
        ("dangzu", {"place": demo.PUQI}, "place"),
        ("dangzu", {"place": demo.WENQUAN, "parent": "中共桂花路社区总支部委员会"}, "parent"),
        ("dangzu", {"place": demo.WENQUAN, "name": "中共温泉街道工作委员会"}, "__all__"),
    ],
)
def test_what_an_organization_cannot_be(
    by: str, given: dict[str, str], column: str, people: dict[str, User]
) -> None:
    usual = {
        "place": str(named(MACHINES).enterprise_id),
        "kind": "committee",
        "name": "中共新委员会",
    }
    data = usual | given
    if "parent" in given:
        data["parent"] = str(named(given["parent"]).pk)
    assert list(OrganizationForm(data, by=people[by]).errors) == [column]


def test_an_organization_in_use_is_not_dissolved(
    member: Transfer, people: dict[str, User], sign_in: Callable[[str], Client]
) -> None:
    committee, branch = named(MACHINES), named(RETIRED)
    url = reverse("party:organization", args=[committee.pk])
    data = {"kind": "committee", "name": MACHINES, "may_transfer": "on",
            "closed_on": timezone.localdate().isoformat()}  # fmt: skip
    client = sign_in("qiye")
    answer = client.post(url, data)
    assert (answer.status_code, RETIRED in answer.content.decode()) == (422, True)
    PartyOrganization.objects.filter(pk=branch.pk).update(closed_on=timezone.localdate())
    walk.take(member, "letter", people["qiye"])
    answer = client.post(url, data)
    assert "还有 1 封介绍信没有回执" in answer.content.decode()
    today = timezone.localdate()
    PartyMove.objects.filter(issuer=committee).update(accepted_on=today, receipt_on=today)
    assert client.post(url, data).status_code == 302
    committee.refresh_from_db()
    assert committee.closed_on == timezone.localdate()


def test_the_list_costs_the_same_however_long_it_is(
    sign_in: Callable[[str], Client], django_assert_max_num_queries: Any
) -> None:
    client, counts = sign_in("dangzu"), []
    for size in (3, 12):
        for n in range(size):
            PartyOrganization.objects.create(
                name=f"中共测试{size}-{n}支部", kind="branch", area_id=demo.GUIHUA,
                parent=named("中共温泉街道工作委员会"),
            )  # fmt: skip
        with django_assert_max_num_queries(60) as queries:
            page = client.get(reverse("party:organizations"))
        assert page.content.decode().count("中共测试") == (3 if size == 3 else 15)
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_everybody_keeps_and_chooses_only_his_own(
    people: dict[str, User], sign_in: Callable[[str], Client]
) -> None:
    """Lists, places and parents: the clerk those of his enterprise, the street those of its area."""
    street, textile = "中共温泉街道工作委员会", "中共咸宁市淦河纺织总厂委员会"
    for user, own, foreign in (
        ("qiye", MACHINES, (street, textile)),
        ("dangzu", street, (MACHINES, "中共蒲圻街道工作委员会")),
    ):
        text = sign_in(user).get(reverse("party:organizations")).content.decode()
        form = OrganizationForm(by=people[user])
        parents = {each.name for each in form.fields["parent"].queryset}  # type: ignore[attr-defined]
        assert own in text
        assert own in parents
        for name in foreign:
            assert name not in text
            assert name not in parents
        kept = PartyOrganization.objects.visible_to(people[user])
        assert not kept.filter(name__in=foreign).exists()
    machines = named(MACHINES).enterprise
    assert machines
    assert places_of(people["qiye"]) == [(str(machines.pk), machines.name)]
    assert {key[:9] for key, _name in places_of(people["dangzu"])} == {demo.WENQUAN[:9]}
