"""人事档案目录 and 档案移交名册 (第六条第4项): typed, imported, counted, printed."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone
from openpyxl import Workbook

from archives import batches, catalogues, documents
from archives.models import CatalogueEntry
from tests.factories import make_transfer
from tests.test_archive_batches import HOW, packed, sent, user
from tests.test_documents import LONG, count, pages
from transfers.models.handovers import Counts
from transfers.refusal import Refused
from xianning.demo import RARE_NAMES

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

    from transfers.models import Transfer

HEADINGS = ("公民身份号码", "类号", "材料名称", "制成时间", "份数", "页数", "备注")


def book(*rows: tuple[Any, ...], headings: tuple[str, ...] = HEADINGS) -> SimpleUploadedFile:
    made = Workbook()
    sheet = made.active
    assert sheet is not None
    for row in (("某厂退休人员档案目录",), headings, *rows):
        sheet.append(row)
    out = io.BytesIO()
    made.save(out)
    return SimpleUploadedFile("目录.xlsx", out.getvalue())


def lines(*rows: tuple[str, str, str, int, int]) -> dict[str, Any]:
    """The page of one file, as it is typed."""
    data: dict[str, Any] = {"line-TOTAL_FORMS": len(rows), "line-INITIAL_FORMS": 0}
    for n, row in enumerate(rows):
        for name, value in zip(("category", "title", "made", "copies", "pages"), row, strict=True):
            data[f"line-{n}-{name}"] = value
    return data


def stored(case: Transfer) -> list[tuple[Any, ...]]:
    rows = CatalogueEntry.objects.filter(transfer=case).in_order()
    return list(rows.values_list("category", "title", "year", "month", "day", "copies", "pages"))


@pytest.mark.django_db
class TestTheCatalogue:
    def test_lines_are_typed_and_stand_in_the_order_of_the_ten_categories(
        self, sign_in: Callable[[str], Client]
    ) -> None:
        case, clerk = make_transfer(at="deliver"), sign_in("qiye")
        url = reverse("archives:catalogue", args=[case.pk])
        rows = (
            ("10", "身份证复印件", "", 1, 1), ("9-1", "工资审批表", "1995-7", 1, 2),
            ("9-1", "工资套改表", "1985.07.01", 2, 4), ("9-1", "工资卡", "", 1, 1),
            ("1", "职工登记表", "198103", 1, 4), ("4-2", "职称证书", "1992年5月", 1, 2),
        )  # fmt: skip
        assert clerk.post(url, lines(*rows)).status_code == 302
        assert stored(case) == [
            ("1", "职工登记表", 1981, 3, None, 1, 4), ("4-2", "职称证书", 1992, 5, None, 1, 2),
            ("9-1", "工资套改表", 1985, 7, 1, 2, 4), ("9-1", "工资审批表", 1995, 7, None, 1, 2),
            ("9-1", "工资卡", None, None, None, 1, 1), ("10", "身份证复印件", None, None, None, 1, 1),
        ]  # fmt: skip
        assert CatalogueEntry.objects.counts() == Counts(1, 0, 7, 14)
        page = clerk.get(url).content.decode()
        assert "<strong>7</strong> 份" in page

    @pytest.mark.parametrize(
        ("row", "says"),
        [
            (("", "职工登记表", "", 1, 1), "field-error"),
            (("11", "职工登记表", "", 1, 1), "选择一个有效的选项"),
            (("1", "", "", 1, 1), "field-error"),
            (("1", "表", "1981-13", 1, 1), "请写成 1981"),
            (("1", "表", "春天", 1, 1), "请写成 1981"),
            (("1", "表", "", 0, 1), "field-error"),
        ],
    )
    def test_a_wrong_line_is_told_beside_it(
        self, row: tuple[Any, ...], says: str, sign_in: Callable[[str], Client]
    ) -> None:
        case = make_transfer(at="deliver")
        page = sign_in("qiye").post(reverse("archives:catalogue", args=[case.pk]), lines(row))
        assert page.status_code == 422
        assert says in page.content.decode()
        assert not stored(case)

    def test_after_the_file_has_gone_nobody_changes_it(
        self, sign_in: Callable[[str], Client]
    ) -> None:
        own = make_transfer(at="deliver")
        assert "由移交单位" in str(catalogues.why_not_change(own, user("shebao")))
        case = make_transfer(at="archives")
        url = reverse("archives:catalogue", args=[case.pk])
        line = lines(("1", "职工登记表", "", 1, 4))
        page = sign_in("qiye").post(url, line, follow=True)
        assert "档案已移交，目录不能再更改" in page.content.decode()
        assert sign_in("shebao").post(url, line).status_code == 403
        assert sign_in("shebao").get(url).status_code == 200
        assert not stored(case)

    def test_many_come_from_a_workbook_in_place_of_what_was_there(
        self, sign_in: Callable[[str], Client]
    ) -> None:
        one, two = make_transfer(at="deliver"), make_transfer(at="confirm")
        catalogues.save(one, [CatalogueEntry(category="5", title="旧")], by=user("qiye"))
        first, second = one.retiree.id_number, two.retiree.id_number
        file = book(
            (first, "一", "职工登记表", "1981-03", 1, 4, ""), (first, "9-1", "工资表", 1995, 2, 6, "缺角"),
            (second, "四-2　专业技术职务（职称）类", "职称证书", "", None, None, None),
        )  # fmt: skip
        answer = sign_in("qiye").post(reverse("archives:catalogue_import"), {"file": file})
        assert answer.status_code == 302, answer.context["problems"]
        assert stored(one) == [
            ("1", "职工登记表", 1981, 3, None, 1, 4),
            ("9-1", "工资表", 1995, None, None, 2, 6),
        ]
        assert stored(two) == [("4-2", "职称证书", None, None, None, 1, 1)]

    def test_a_workbook_with_a_wrong_row_writes_nothing_and_names_the_row(
        self, sign_in: Callable[[str], Client]
    ) -> None:
        mine, gone = make_transfer(at="deliver"), make_transfer(at="archives")
        other = make_transfer(at="deliver", clerk="qiye_chibi")
        file = book(
            (mine.retiree.id_number, "1", "职工登记表"), (mine.retiree.id_number, "11", "表"),
            (gone.retiree.id_number, "1", "表"), (other.retiree.id_number, "1", "表"),
        )  # fmt: skip
        page = sign_in("qiye").post(reverse("archives:catalogue_import"), {"file": file})
        assert page.status_code == 422
        text = page.content.decode()
        for sentence in ("第 4 行：类号", "第 5 行：档案已移交", "第 6 行：此身份证号不在本单位"):
            assert sentence in text
        assert other.retiree.name not in text
        assert not CatalogueEntry.objects.exists()

    @pytest.mark.parametrize(
        ("file", "says"),
        [
            (SimpleUploadedFile("目录.xlsx", b"not a workbook"), "xlsx"),
            (book(headings=("姓名", "材料")), "没有找到表头，须有：公民身份号码、类号、材料名称"),
        ],
    )
    def test_what_is_no_catalogue_is_refused(
        self, file: Any, says: str, sign_in: Callable[[str], Client]
    ) -> None:
        page = sign_in("qiye").post(reverse("archives:catalogue_import"), {"file": file})
        assert page.status_code == 422
        assert says in page.content.decode()

    def test_the_batch_counts_what_the_catalogue_counts(self) -> None:
        case = make_transfer(at="deliver")
        catalogues.save(case, [CatalogueEntry(category="1", title="表", copies=25, pages=80)],
                        by=user("qiye"))  # fmt: skip
        handover = packed([case])
        with pytest.raises(Refused, match="目录 25 份 80 页，填写 26 份 84 页，请核对"):
            batches.send(handover, by=user("qiye"), handed_on=timezone.localdate(), **HOW)
        batches.recount(handover.items.get(), by=user("qiye"), counts=Counts(1, 0, 25, 80),
                        missing="")  # fmt: skip
        batches.send(handover, by=user("qiye"), handed_on=timezone.localdate(), **HOW)


def rare(case: Transfer) -> Transfer:
    person = case.retiree
    person.name, person.former_employer = RARE_NAMES[2] + "𠅤" * 40, (LONG * 2)[:80]
    person.save()
    return case


@pytest.mark.django_db
class TestThePapers:
    def test_the_catalogue_prints_every_category_also_the_empty_ones(self) -> None:
        case = rare(make_transfer(at="deliver"))
        catalogues.save(case, [
            CatalogueEntry(category="1", title=(LONG * 3)[:120], year=1981, month=3, copies=2,
                           pages=9, remarks=(LONG * 3)[:120]),
            CatalogueEntry(category="10", title="身份证复印件", copies=1, pages=1),
        ], by=user("qiye"))  # fmt: skip
        text = "".join(pages(documents.catalogue(case)))
        assert all(
            label.replace("　", "") in text.replace("　", "")
            for label in CatalogueEntry.Category.labels
        )
        for wanted in ((LONG * 3)[:120], "1981", "合计3份、10页", RARE_NAMES[2]):
            assert wanted in text, wanted

    def test_the_roster_of_a_batch_is_in_duplicate_with_three_boxes(self) -> None:
        people = [make_transfer(at="deliver") for _ in range(3)]
        rare(people[1])
        handover = sent(people)
        data = documents.delivery_roster(handover)
        text = "".join(pages(data))
        assert count(data) == 2
        for wanted in ("移交单位存", "接收单位存"):
            assert text.count(wanted) == 1
        for wanted in ("移交单位（盖章）", "接收单位（盖章）", "监交单位（盖章）", "监交人：",
                       "合计3人，正本3卷，副本0卷，材料78份", handover.number,
                       people[0].retiree.id_number, people[1].retiree.name):  # fmt: skip
            assert text.count(wanted) == 2, wanted

    def test_a_hundred_files_fit_the_paper_page_by_page(self) -> None:
        handover = sent([make_transfer(at="deliver")])
        item = handover.items.get()
        columns = documents.ROSTER_COLUMNS
        items = [item] * 100
        data = documents.signed_list("名册", handover, columns, items, "合计 100 人")
        sheets = pages(data)
        assert len(sheets) % 2 == 0
        assert all("公民身份号码" in sheet for sheet in sheets[: len(sheets) // 2 - 1])
        assert "监交人：" in sheets[len(sheets) // 2 - 1]
