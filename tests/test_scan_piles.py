"""A pile of signed scans: read by its codes, shown, confirmed, filed; nothing wrong, nothing lost."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pikepdf
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from PIL import Image

from tests import scan_pile
from tests.factories import make_transfer
from tests.scan_pile import PILE, Harm
from transfers import workflow
from transfers.documents import basic_information_forms
from transfers.models import Scan, SignedForm, SignedPage, SignedPile, Transfer
from transfers.scans import filing, reading, work
from xianning import jobs, vault
from xianning.models import AccessLog, AuditEvent, Job, User
from xianning.sandbox import Rejected

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

pytestmark = pytest.mark.django_db
State = SignedPage.State
SITTING = {
    "signed_on": "2026-11-02", "clerk": "华经办", "retiree_signed": "on", "sealed": "on",
    "copies": "on", "told": "on", "agreed": "on",
}  # fmt: skip


@pytest.fixture(autouse=True)
def signed_today(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SITTING, "signed_on", str(timezone.localdate()))


@pytest.fixture
def upload(
    sign_in: Callable[[str], Client], django_capture_on_commit_callbacks: Any
) -> Callable[..., Any]:
    """Upload files as a clerk; what was queued is over afterwards."""

    def given(*files: tuple[str, bytes], user: str = "qiye", token: str = "once") -> Any:
        data = {"scans": [SimpleUploadedFile(*file) for file in files], "token": token}
        with django_capture_on_commit_callbacks(execute=True):
            return sign_in(user).post(reverse("transfers:signed_piles"), data)

    return given


def scanned(cases: list[Transfer], *harms: Harm, every: int = 3) -> bytes:
    """The first copies of the forms of CASES, one page each, as a scanned PDF."""
    pdf = bytes(basic_information_forms(cases))
    return scan_pile.pile(
        pdf, range(0, 3 * len(cases), every), harms or [Harm(dpi=150)] * len(cases)
    )


def three(count: int = 3, **given: Any) -> list[Transfer]:
    return sorted((make_transfer(at="confirm", **given) for _ in range(count)), key=lambda c: c.pk)


def confirm(client: Client, pile: SignedPile, **data: Any) -> Any:
    return client.post(reverse("transfers:signed_confirm", args=[pile.pk]), SITTING | data)


def test_of_thirty_pages_the_27_readable_are_read_right_and_none_wrong(
    upload: Callable[..., Any], people: dict[str, User]
) -> None:
    cases = three(10)
    pile_pdf = scanned(cases, *PILE, every=1)
    answer = upload(("签字.pdf", pile_pdf))
    pile = SignedPile.objects.get()
    assert answer["Location"] == pile.get_absolute_url()
    pages = list(pile.pages.all())
    assert len(pages) == 30
    read = {page.place for page in pages if page.state == State.FOUND}
    assert read == {number for number, harm in enumerate(PILE) if harm.is_readable}
    for page in pages:
        if page.state == State.FOUND:
            assert (page.transfer_id, page.copy) == (cases[page.place // 3].pk, page.place % 3 + 1)
            assert (page.paper, page.version) == ("FORM", 1)
        else:
            assert (page.state, page.transfer_id) == (State.UNREAD, None)
            assert vault.get(page.file).startswith(b"%PDF-")
    assert not SignedForm.objects.exists()  # nothing is filed before it was confirmed
    assert Job.objects.get().state == Job.State.DONE


def test_a_confirmed_page_is_the_evidence_of_step_three(
    upload: Callable[..., Any], sign_in: Callable[[str], Client], people: dict[str, User]
) -> None:
    cases = three()
    upload(("签字.pdf", scanned(cases)))
    pile, client = SignedPile.objects.get(), sign_in("qiye")
    shown = client.get(pile.get_absolute_url()).content.decode()
    for case in cases:
        assert case.retiree.name in shown
        assert case.number in shown
        assert case.retiree.id_number not in shown
    assert shown.count("第一联　企业留存") == 3
    assert shown.count("data:image/jpeg;base64,") == 3

    first = pile.pages.get(place=0)
    wrong = confirm(client, pile, page=str(first.pk), clerk="")
    assert wrong.status_code == 422
    assert not SignedForm.objects.exists()
    confirm(client, pile, page=str(first.pk))
    form = SignedForm.objects.get()
    assert (form.transfer_id, form.version, form.clerk) == (cases[0].pk, 1, "华经办")
    assert (form.fingerprint, form.scan.content_type) == (cases[0].fingerprint(), "application/pdf")
    with pikepdf.open(io.BytesIO(vault.get(form.scan.file))) as stored:
        assert len(stored.pages) == 1
    assert workflow.rows_of(cases[0])["confirm"].done_by == people["qiye"]
    first.refresh_from_db()
    assert (first.state, first.scan_id, first.file) == (State.FILED, form.scan_id, "")

    confirm(client, pile, all="1")
    assert SignedForm.objects.count() == 3
    confirm(client, pile, all="1")  # pressed twice
    assert (SignedForm.objects.count(), Scan.objects.count()) == (3, 3)
    filed = AuditEvent.objects.filter(action="scan_filed")
    assert filed.count() == 3


def test_further_copies_lie_beside_and_the_same_sheet_twice_is_harmless(
    upload: Callable[..., Any], sign_in: Callable[[str], Client], people: dict[str, User]
) -> None:
    cases = three(1)
    pdf = bytes(basic_information_forms(cases))
    coarse, fine = Harm(dpi=150), Harm()
    upload(("三联.pdf", scan_pile.pile(pdf, [0, 1, 2, 0], [coarse, coarse, coarse, fine])))
    pile = SignedPile.objects.get()
    confirm(sign_in("qiye"), pile, all="1")
    titles = [scan.title for scan in Scan.objects.order_by("pk")]
    assert titles[0] == "《基本信息表》第 1 版"
    assert titles[1:] == [
        "《基本信息表》 第 1 版 第二联　个人留存", "《基本信息表》 第 1 版 第三联　街道社区留存",
    ]  # fmt: skip
    states = [page.state for page in pile.pages.all()]
    assert states == [State.FILED] * 3 + [State.DROPPED]
    upload(("再来.pdf", scan_pile.pile(pdf, [0, 1], [fine, fine])), token="again")
    again = SignedPile.objects.first()
    assert again is not None
    confirm(sign_in("qiye"), again, all="1")
    assert {page.state for page in again.pages.all()} == {State.DROPPED}
    assert (Scan.objects.count(), SignedForm.objects.count()) == (3, 1)


def test_an_outdated_version_is_refused_with_the_reason_and_not_kept(
    upload: Callable[..., Any], sign_in: Callable[[str], Client], people: dict[str, User]
) -> None:
    cases = three(2)
    pdf = scanned(cases)
    cases[0].form_version = 2
    cases[0].save()
    upload(("旧.pdf", pdf))
    pile = SignedPile.objects.get()
    old, good = pile.pages.all()
    assert old.reason == (
        "此页是《基本信息表》第 1 版，打印后信息已更改，现为第 2 版。请重新打印，签字盖章后再上传。"
    )
    assert (old.state, old.transfer_id, old.file, old.picture) == (State.REFUSED, None, "", "")
    # Changed after it was read, before it was confirmed: the verb of the step asks again.
    cases[1].form_version = 2
    cases[1].save()
    answer = confirm(sign_in("qiye"), pile, all="1")
    said = sign_in("qiye").get(answer["Location"]).content.decode()
    assert "现为第 2 版" in said
    good.refresh_from_db()
    assert good.state == State.FOUND
    assert not SignedForm.objects.exists()


def test_a_page_of_another_enterprise_is_refused_without_telling_whose_it_is(
    upload: Callable[..., Any], sign_in: Callable[[str], Client], people: dict[str, User]
) -> None:
    [foreign] = three(1, clerk="qiye_chibi")
    pdf = scanned([foreign])
    never = make_transfer(at="confirm")
    unknown = scanned([never])
    Transfer.objects.filter(pk=never.pk).update(enterprise=foreign.enterprise)
    upload(("别家.pdf", pdf), ("也是.pdf", unknown))
    pages = list(SignedPage.objects.all())
    assert [page.reason for page in pages] == [filing.NOBODY] * 2
    assert {(p.state, p.transfer_id, p.paper, p.version, p.file) for p in pages} == {
        (State.REFUSED, None, "", None, "")
    }
    shown = sign_in("qiye").get(SignedPile.objects.get().get_absolute_url()).content.decode()
    assert foreign.retiree.name not in shown
    assert foreign.number not in shown


def test_nobody_else_sees_my_pile_and_rights_that_ended_end_it(
    upload: Callable[..., Any], sign_in: Callable[[str], Client], people: dict[str, User]
) -> None:
    upload(("签字.pdf", scanned(three(1))))
    pile, page = SignedPile.objects.get(), SignedPage.objects.get()
    other, stranger = sign_in("qiye_chibi"), sign_in("shequ")
    for name, pk in (
        ("signed_pile", pile.pk), ("signed_go_on", pile.pk), ("signed_confirm", pile.pk),
        ("signed_page", page.pk), ("signed_claim", page.pk), ("signed_drop", page.pk),
    ):  # fmt: skip
        url = reverse(f"transfers:{name}", args=[pk])
        asked = (each.get if name == "signed_pile" else each.post for each in (other, stranger))
        assert [ask(url).status_code for ask in asked] == [404, 403], name
    office = people["qiye"].offices.get()
    office.dismiss(people["qiye"])
    assert not SignedPage.objects.visible_to(User.objects.get(username="qiye")).exists()
    with pytest.raises(filing.NotFiled, match="不是您经办"):
        filing.file(page, by=User.objects.get(username="qiye"), answers=SITTING)


def test_an_unread_page_is_claimed_by_number_or_by_choice(
    upload: Callable[..., Any], sign_in: Callable[[str], Client], people: dict[str, User]
) -> None:
    cases = three(2)
    foreign = make_transfer(at="confirm", clerk="qiye_chibi")
    torn = Harm(dpi=150, spoiled="torn")
    upload(("破损.pdf", scanned(cases, torn, torn)))
    client = sign_in("qiye")
    first, second = SignedPage.objects.all()
    url = reverse("transfers:signed_claim", args=[first.pk])
    page = client.get(url).content.decode()
    assert cases[0].retiree.name in page
    assert foreign.retiree.name not in page
    sheet = {"paper": "FORM", "version": "1", "copy": "1"}
    for wrong, words in (
        ({"number": ""}, "请填写案卷编号"),
        ({"number": foreign.number}, "没有您经办的案卷"),
        ({"number": cases[0].number, "version": ""}, "请填写此页左上角印的版本"),
        ({"number": cases[0].number, "version": "9"}, "现为第 1 版"),
        ({"number": cases[0].number, "paper": "LETTER"}, "没有开出党员组织关系介绍信"),
        ({"number": cases[0].number, "paper": "NOTICE", "copy": "2"}, "没有这一联"),
    ):
        answer = client.post(url, sheet | wrong)
        assert (answer.status_code, words in answer.content.decode()) == (422, True), words
    client.post(url, sheet | {"number": cases[0].number})
    other = reverse("transfers:signed_claim", args=[second.pk])
    client.post(other, sheet | {"case": str(cases[1].pk)})
    confirm(client, SignedPile.objects.get(), all="1")
    assert set(SignedForm.objects.values_list("transfer", flat=True)) == {c.pk for c in cases}
    assert client.post(url, sheet | {"number": cases[0].number}).status_code == 302


def test_a_page_is_opened_on_record_and_a_blank_one_is_dropped(
    upload: Callable[..., Any], sign_in: Callable[[str], Client], people: dict[str, User]
) -> None:
    cases = three(1)
    blank = scan_pile.as_jpeg(Image.new("L", (1200, 800), 255))
    upload(("签字.pdf", scanned(cases)), ("背面.jpg", blank))
    client = sign_in("qiye")
    found, empty = SignedPage.objects.all()
    assert (found.state, empty.state) == (State.FOUND, State.UNREAD)
    answer = client.post(reverse("transfers:signed_page", args=[found.pk]))
    assert answer.content.startswith(b"%PDF-")
    assert AccessLog.objects.get(kind=AccessLog.Kind.SCAN).transfer_id == cases[0].pk
    name = empty.file
    with_files = vault.get(name)
    assert with_files.startswith(b"\xff\xd8")
    client.post(reverse("transfers:signed_drop", args=[empty.pk]))
    empty.refresh_from_db()
    assert (empty.state, empty.file) == (State.DROPPED, "")


def test_receipts_lie_in_the_record_of_their_case(
    upload: Callable[..., Any], sign_in: Callable[[str], Client], people: dict[str, User]
) -> None:
    from archives.documents import delivery_note
    from party.documents import introduction_letter
    from transfers.notice import privacy_notice

    case = make_transfer(at="done", party_member=True)
    move, note = case.party_moves.get(), case.personnel_file.item.handover
    papers = [introduction_letter(move), delivery_note(note), privacy_notice(case)]
    photos = [
        scan_pile.as_jpeg(scan_pile.pages_of(bytes(paper), 150, [0])[0].convert("L"))
        for paper in papers
    ]
    upload(*((f"{n}.jpg", photo) for n, photo in enumerate(photos)))
    pile = SignedPile.objects.get()
    read = [(p.paper, p.copy, p.transfer_id, p.state) for p in pile.pages.all()]
    assert read == [
        ("LETTER", 3, case.pk, State.FOUND), ("NOTE", 3, case.pk, State.FOUND),
        ("NOTICE", 1, case.pk, State.FOUND),
    ]  # fmt: skip
    before = Scan.objects.count()
    sign_in("qiye").post(reverse("transfers:signed_confirm", args=[pile.pk]), {"all": "1"})
    titles = Scan.objects.order_by("pk").values_list("title", flat=True)[before:]
    assert set(titles) == {"党员组织关系介绍信 回执", "档案转递单 回执", "《个人信息告知书》"}
    move.voided_at = timezone.now()
    move.save()
    upload(("晚.jpg", photos[0]), token="late")
    late = SignedPage.objects.order_by("-pk")[0]
    assert late.state == State.REFUSED
    assert "已作废" in late.reason


def test_work_that_was_killed_or_cancelled_loses_nothing_and_goes_on(
    upload: Callable[..., Any], sign_in: Callable[[str], Client], people: dict[str, User],
    monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any,
) -> None:  # fmt: skip
    monkeypatch.setattr(reading, "BLOCK", 2)
    seen: list[int] = []
    cases, plain = three(5), reading.sheets

    def dying(data: bytes, kind: str, first: int, count: int) -> Any:
        for offset, sheet in enumerate(plain(data, kind, first, count)):
            if len(seen) == 3:
                seen.append(-1)
                raise KeyboardInterrupt  # the worker is ended in the middle of a block
            seen.append(first + offset)
            yield sheet

    monkeypatch.setattr(reading, "sheets", dying)
    with pytest.raises(KeyboardInterrupt):
        upload(("签字.pdf", scanned(cases)))
    pile = SignedPile.objects.get()
    assert pile.pages.count() == 3
    assert pile.job is not None
    kept = set(pile.pages.values_list("pk", flat=True))
    jobs.cancel(pile.job)
    client = sign_in("qiye")
    assert "继续读取" in client.get(pile.get_absolute_url()).content.decode()
    with django_capture_on_commit_callbacks(execute=True):
        client.post(reverse("transfers:signed_go_on", args=[pile.pk]))
    assert seen == [0, 1, 2, -1, 3, 4]
    assert [page.transfer_id for page in pile.pages.all()] == [case.pk for case in cases]
    assert kept <= set(pile.pages.values_list("pk", flat=True))
    assert "继续读取" not in client.get(pile.get_absolute_url()).content.decode()
    job = SignedPile.objects.get().job
    with django_capture_on_commit_callbacks(execute=True):
        client.post(reverse("transfers:signed_go_on", args=[pile.pk]))
    assert SignedPile.objects.get().job == job  # nothing is left to read


def _many_pages(count: int) -> bytes:
    with pikepdf.Pdf.new() as whole:
        for _ in range(count):
            whole.add_blank_page(page_size=(200, 200))
        out = io.BytesIO()
        whole.save(out)
    return out.getvalue()


def _bomb(loops: int) -> bytes:
    """Forms within forms: each level draws the one below ten times."""
    with pikepdf.Pdf.new() as whole:
        page = whole.add_blank_page(page_size=(842, 595))
        form = whole.make_stream(b"0 0 m 800 500 l S " * 50)
        for _ in range(loops):
            form.update({"/Type": pikepdf.Name.XObject, "/Subtype": pikepdf.Name.Form,
                         "/BBox": pikepdf.Array([0, 0, 842, 595])})  # fmt: skip
            outer = whole.make_stream(b"/F Do " * 10)
            outer.Resources = pikepdf.Dictionary(XObject=pikepdf.Dictionary(F=form))
            form = outer
        form.update({"/Type": pikepdf.Name.XObject, "/Subtype": pikepdf.Name.Form,
                     "/BBox": pikepdf.Array([0, 0, 842, 595])})  # fmt: skip
        page.Contents = whole.make_stream(b"/F Do")
        page.Resources = pikepdf.Dictionary(XObject=pikepdf.Dictionary(F=form))
        out = io.BytesIO()
        whole.save(out)
    return out.getvalue()


def _giant_picture() -> bytes:
    out = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "make", "words"),
    [
        ("巨图.png", _giant_picture, "图片超过 4000 万像素"),
        ("万页.pdf", lambda: _many_pages(10_000), "PDF 超过 300 页"),
        ("断.pdf", lambda: _many_pages(3)[:-40], "PDF 文件损坏或不完整"),
        ("名单.xlsx", lambda: b"PK\x03\x04" + bytes(200), "名单.xlsx：文件损坏"),
        ("空.pdf", lambda: b"", "文件是空的"),
    ],
)
def test_what_is_too_much_is_refused_with_a_sentence_and_nothing_is_kept(
    upload: Callable[..., Any], people: dict[str, User], name: str, make: Any, words: str
) -> None:
    answer = upload(("好.jpg", scan_pile.as_jpeg(Image.new("L", (400, 300), 255))), (name, make()))
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert not SignedPile.objects.exists()
    assert not [file for file in vault.names() if file.startswith(work.FOLDER)]


def test_a_page_that_never_ends_is_refused_alone(
    upload: Callable[..., Any], sign_in: Callable[[str], Client], people: dict[str, User],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    plain = reading.uploads.stream_in_sandbox
    monkeypatch.setattr(
        reading.uploads, "stream_in_sandbox",
        lambda *args, **limits: plain(*args, **limits | {"cpu_seconds": 1, "wall_seconds": 3}),
    )  # fmt: skip
    [case] = three(1)
    upload(("无尽.pdf", _bomb(9)), ("好.pdf", scanned([case])))
    endless, good = SignedPile.objects.get().pages.all()
    assert (endless.state, endless.reason) == (
        State.REFUSED, "此页无法画出，可能已损坏。请单独重新扫描。",
    )  # fmt: skip
    assert (good.state, good.transfer_id) == (State.FOUND, case.pk)


def test_a_giant_page_is_drawn_small_and_the_child_has_no_files_or_network() -> None:
    with pikepdf.Pdf.new() as whole:
        whole.add_blank_page(page_size=(14_400, 14_400))
        out = io.BytesIO()
        whole.save(out)
    [sheet] = reading.sheets(out.getvalue(), "application/pdf", 0, 1)
    with Image.open(io.BytesIO(sheet.picture)) as picture:
        assert max(picture.size) <= reading.PICTURE_PIXELS
    assert (sheet.codes, sheet.code) == ([], None)
    with pytest.raises(Rejected):
        list(reading.sheets(b"%PDF-1.7 nothing", "application/pdf", 0, 1))


def test_what_a_code_may_say() -> None:
    pk = "0193" * 8
    good = reading.Code.parse(f"XN:FORM:{pk}:12:3")
    assert good is not None
    assert (good.paper, good.pk.hex, good.version, good.copy) == ("FORM", pk, 12, 3)
    for bad in (
        f"XN:CARD:{pk}:1:1", f"XN:FORM:{pk}:1:0", f"XN:FORM:{pk[:-1]}:1:1", f"XN:FORM:{pk}:-1:1",
        f"xn:form:{pk}:1:1", f"XN:FORM:{pk}:1:1\n", "https://example.com/", "", f"XN:FORM:{pk}:１:1",
    ):  # fmt: skip
        assert reading.Code.parse(bad) is None, bad
    other = reading.Code("FORM", good.pk, 12, 1)
    assert reading.Sheet([other, good], b"", b"", "").code == good
    mixed = reading.Code("NOTE", good.pk, 12, 1)
    assert reading.Sheet([mixed, good], b"", b"", "").code is None


def test_a_pile_of_a_month_ago_keeps_no_files(
    upload: Callable[..., Any], people: dict[str, User], monkeypatch: pytest.MonkeyPatch
) -> None:
    upload(("签字.pdf", scanned(three(2))))
    assert work.sweep() == 0
    assert len([name for name in vault.names() if name.startswith(work.FOLDER)]) == 4
    monkeypatch.setattr(work, "KEPT", timedelta(days=-1))
    work.sweep()
    assert not [name for name in vault.names() if name.startswith(work.FOLDER)]
    assert {page.state for page in SignedPage.objects.all()} == {State.DROPPED}


def test_the_page_asks_equally_often_for_3_and_12_people(
    upload: Callable[..., Any], sign_in: Callable[[str], Client], people: dict[str, User]
) -> None:
    client, asked = sign_in("qiye"), []
    for token, count in (("few", 3), ("many", 12)):
        cases = three(count)
        upload(("签字.pdf", scanned(cases)), token=token)
        pile = SignedPile.objects.order_by("-pk")[0]
        client.get(pile.get_absolute_url())
        with CaptureQueriesContext(connection) as queries:
            client.get(pile.get_absolute_url())
        asked.append(len(queries))
    assert asked[0] == asked[1]


# Why a page is not filed: what is told of it, to whom it is asked, in which state its case is.
NOT_FILED = [
    ({}, "qiye", "confirm", None),
    ({"state": "unread"}, "qiye", "confirm", "不能再归入"),
    ({"state": "dropped"}, "qiye", "confirm", "不能再归入"),
    ({}, "qiye_chibi", "confirm", "由移交单位"),
    ({"version": 2}, "qiye", "confirm", "现为第 1 版"),
    ({}, "qiye", "ended", "案卷已终止"),
    ({}, "qiye", "verify", "核定"),
    ({"copy": 2}, "qiye", "deliver", None),  # a further copy of what is signed
]


@pytest.mark.parametrize(("facts", "username", "at", "sentence"), NOT_FILED)
def test_why_a_page_is_not_filed(
    people: dict[str, User], facts: dict[str, Any], username: str, at: str, sentence: str | None
) -> None:
    case = make_transfer(at="verify" if at == "ended" else at)
    if at == "ended":
        workflow.end(case, by=people["qiye"], code="other", reason="本人已迁往外省")
    pile = SignedPile.objects.create(owner=people["qiye"], name="签字.pdf", token="x")
    page = SignedPage.objects.create(
        **{"pile": pile, "place": 0, "transfer": case, "paper": "FORM", "version": 1, "copy": 1,
           "state": "found"} | facts
    )  # fmt: skip
    case = Transfer.objects.get(pk=case.pk)
    found = filing.why_not(page, case, people[username])
    assert found is None if sentence is None else sentence in str(found)
    if sentence and at != "verify":
        told = "没有归入" if username != "qiye" else sentence
        with pytest.raises(filing.NotFiled, match=told):
            filing.file(page, by=people[username], answers={})
    assert not SignedForm.objects.filter(transfer=case, scan__title__contains="签字").exists()


def test_an_address_that_no_page_of_ours_writes_is_not_found(
    sign_in: Callable[[str], Client], people: dict[str, User]
) -> None:
    pile = SignedPile.objects.create(owner=people["qiye"], name="签字.pdf", token="x")
    client = sign_in("qiye")
    url = pile.get_absolute_url()
    for query in ("?show=nothing", "?from=x", "?from=123456", "?from=１"):
        assert client.get(url + query).status_code == 404
    assert client.get(url + "?show=found&from=1").status_code == 200
