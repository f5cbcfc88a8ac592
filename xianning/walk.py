"""Walk cases through the real workflow as their offices would: for the demo and for the tests."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import QueryDict
from django.utils import timezone
from PIL import Image, ImageDraw

from communities.models import Area
from party.organizations import PartyOrganization
from transfers import workflow
from transfers.retiree_form import RetireeForm
from transfers.workflow import STEPS
from xianning import access

if TYPE_CHECKING:
    from collections.abc import Iterable

    from communities.directory import Directory
    from enterprises.models import Enterprise
    from transfers.models import Transfer
    from xianning.models import User


def picture_of_a_form(text: str = "signed") -> bytes:
    """A small PNG that stands for a signed scan."""
    image = Image.new("RGB", (420, 297), "white")
    ImageDraw.Draw(image).rectangle((10, 10, 410, 287), outline="black")
    ImageDraw.Draw(image).text((30, 130), text, fill="black")
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def file_person(
    values: dict[str, str], enterprise: Enterprise, by: User, directory: Directory | None = None
) -> Transfer:
    """File one person through the form of the page."""
    form = RetireeForm(values, enterprise=enterprise, directory=directory)
    if not form.is_valid():
        raise ValueError(f"{values.get('name')}: {dict(form.errors)}")
    return workflow.file(form, by=by)


def answers(case: Transfer, key: str) -> dict[str, Any]:
    """What the office types at step KEY."""
    today = timezone.localdate()
    usual: dict[str, dict[str, Any]] = {
        "declare": {"truthful": "on"},
        "verify": {"verified_on": today, "document": "咸人社核〔2026〕1号", "pension_from":
                   case.retiree.retired.strftime("%Y-%m")},
        "confirm": {"signed_on": today, "clerk": "华经办", "retiree_signed": "on", "sealed": "on",
                    "copies": "on", "told": "on", "agreed": "on", "version": case.form_version},
        "deliver": {"volumes": 1, "duplicates": 0, "pieces": 26, "pages": 84, "means": "person",
                    "carrier": "许档员", "handed_on": today},
        "archives": {"volumes": 1, "duplicates": 0, "pieces": 26, "pages": 84, "accepted_on": today,
                     "accepted_by": "陶社保", "archive_number": f"DA-{case.number}",
                     "location": "2库/15柜/3层"},
        "community": {"identity_checked": "on", "form_received": "on", "checked_in_on": today,
                      "officer": "王社区", "officer_phone": "0715-8123456"},
        "letter": {"from_organization": case.retiree.party_branch or "中共机关支部委员会",
                   "means": "paper", "issued_on": today, "valid_days": 30,
                   "dues_until": (today.replace(day=1) - timedelta(days=1)).strftime("%Y-%m")},
        "party": {"accepted_on": today, "accepted_by": "周党务", "receipt_on": today,
                  "receipt_number": f"回{case.number}"},
    }  # fmt: skip
    if key == "letter" and case.party_area_id:
        issuer, receiver = committees(case)
        usual[key] |= {"issuer": issuer.pk, "receiver": receiver.pk}
    return usual[key]


def committees(case: Transfer) -> tuple[PartyOrganization, PartyOrganization]:
    """Who issues the letter of CASE and who receives it; entered when they are not on record."""
    able = {"kind": "committee", "may_transfer": True, "address": "咸宁市咸安区演示路1号",
            "phone": "0715-8123000", "postcode": "437100"}  # fmt: skip
    rows = PartyOrganization.objects
    issuer = rows.of_sender(case).filter(may_transfer=True).first() or rows.create(
        name=f"中共{case.enterprise}委员会", enterprise=case.enterprise, **able
    )
    township = Area.objects.get(pk=access.ancestors_of(str(case.party_area_id))[1])
    receiver = rows.of_residence(case).filter(may_transfer=True).first() or rows.create(
        name=f"中共{township.name}工作委员会", area=township, **able
    )
    return issuer, receiver


def take(case: Transfer, key: str, by: User, **different: Any) -> Transfer:
    """Complete step KEY through its form; returns the case read again."""
    step = STEPS[key]
    if step.form is None:
        raise ValueError(f"{key} has no form")
    files = {}
    if key == "confirm":
        files["scan"] = SimpleUploadedFile("签字表.png", picture_of_a_form(case.number))
    form = step.form(_multi(answers(case, key) | different), files, transfer=case, by=by)
    if not form.is_valid():
        raise ValueError(f"{key}: {dict(form.errors)}")
    workflow.complete(case, key, by=by, **form.cleaned_data)
    return type(case).objects.get(pk=case.pk)


def _multi(values: dict[str, Any]) -> Any:
    data = QueryDict(mutable=True)
    for name, value in values.items():
        data[name] = str(value)
    return data


def path_to(case: Transfer, target: str) -> Iterable[str]:
    """The steps to do before TARGET is open; everything that applies for `done`."""
    wanted = set(STEPS) if target == "done" else workflow.before(target)
    rows = workflow.rows_of(case)
    return [
        key for key in STEPS
        if key in wanted and rows[key].state not in ("done", "skipped")
    ]  # fmt: skip


def to(case: Transfer, target: str, people: dict[str, User]) -> Transfer:
    """Walk CASE until step TARGET is open (or `done`); PEOPLE by role do their acts."""
    for key in path_to(case, target):
        case = take(case, key, people[STEPS[key].role])
    return case
