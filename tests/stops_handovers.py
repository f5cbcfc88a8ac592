"""Pages of archives, Party relations, signed scans, deadlines and sums, as their users reach them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django.utils import timezone

from archives import batches, catalogues, records
from archives.models import FileLoan
from communities.models import Area
from party import codes, life
from party.models import PartyMeeting, PartyMember, PartyMove
from party.organizations import PartyOrganization
from tests import scan_pile, workbooks
from tests.factories import enterprise_of, make_transfer, staff_of
from tests.scan_pile import Harm
from tests.stops import Answers, Stop, answer, follow, press, send, tick_all
from transfers import handovers, reports
from transfers.documents import basic_information_forms
from xianning import demo, walk
from xianning.models import User

if TYPE_CHECKING:
    from transfers.models import Transfer

SITTING: Answers = {
    "企业经办人": "华经办", "退休人员本人已签字": True, "企业经办人已签字、企业已盖章": True,
    "一式三份已备齐（企业、个人、街道社区各一份）": True,
}  # fmt: skip


def pages_of_the_handovers(cases: dict[str, Transfer]) -> list[Stop]:
    return [
        *_files(cases), *_records(), *_letters(cases), *_scans(cases["confirm"]), *_sums(cases),
    ]  # fmt: skip


def _files(cases: dict[str, Transfer]) -> list[Stop]:
    people = staff_of("qiye")
    clerk, keeper = people["enterprise"], people["insurance"]
    packing = (batches.pack([make_transfer(at="deliver")], by=clerk).pk,)
    file, today = cases["done"].personnel_file, timezone.localdate()
    loan = FileLoan.give(
        file, by=keeper, kind="lend", person="查档员", office="某单位（测试）", letter="介绍信1号",
        purpose="核对工龄", what="九-1 工资类", taken_on=today, due_on=today,
    )  # fmt: skip
    FileLoan.objects.filter(pk=loan.pk).update(
        taken_on=today - timedelta(days=9), due_on=today - timedelta(days=2)
    )
    sent = (cases["archives"].personnel_file.item.handover_id,)
    kept = (make_transfer(at="done").pk,)
    book = "档案目录工作簿"
    return [
        Stop("qiye", "archives:batches"),
        Stop("shebao", "archives:batches"),
        Stop("qiye", "archives:batches", query="?overdue=1"),
        Stop("qiye", "transfers:list", query="?waiting=deliver", also="archives:pack",
             do=(tick_all, press("所选人的档案装入一批移交"))),
        Stop("qiye", "archives:batch", packing),
        Stop("qiye", "archives:batch", packing, do=(press("保存并送出此批"),), also="archives:deed",
             status=422),
        Stop("shebao", "archives:batch", sent),
        Stop("shebao", "archives:batch", sent, do=(press("登记查收结果"),), status=422),
        Stop("qiye", "archives:batch", sent),
        Stop("qiye", "archives:catalogue", (cases["deliver"].pk,)),
        Stop("shebao", "archives:catalogue", (cases["archives"].pk,)),
        Stop("qiye", "archives:catalogue_import"),
        Stop("qiye", "archives:catalogue_import", do=(press("检查并导入"),), status=422),
        Stop("qiye", "archives:catalogue_import", status=422,
             do=(send(book, "目录.xlsx", catalogues.template()), press("检查并导入"))),
        Stop("shebao", "archives:loans"),
        Stop("shebao", "archives:loan_give", kept),
        Stop("shebao", "archives:loan_give", kept, do=(press("登记"),), status=422),
        Stop("shebao", "archives:loans", do=(press("登记归还"),), also="archives:loan_back"),
    ]  # fmt: skip


def pages_of_the_branches() -> list[Stop]:
    """One member waits, one is in a branch and has been silent, one meeting was held."""
    keeper, today = User.objects.get(username="dangzu"), timezone.localdate()
    cases = [make_transfer(at="done", party_member=True) for _ in range(2)]
    branch = PartyOrganization.objects.get(area=demo.WANNIAN)
    waits, taken = (PartyMove.objects.get(transfer=case) for case in cases)
    member = life.take(taken, branch, by=keeper, since=today)
    meeting = life.record(
        PartyMeeting(branch=branch, kind="theme", held_on=today, topic="重温入党誓词"), [member],
        by=keeper,
    )  # fmt: skip
    PartyMember.objects.filter(pk=member.pk).update(active_on=today - timedelta(days=200))
    told = answer({"类别": "党课", "主题": "学习条例"})
    return [
        Stop("dangzu", "party:members"),
        Stop("dangzu", "party:members", query="?show=waiting"),
        Stop("dangzu", "party:members", query="?show=silent"),
        Stop("dangzu", "party:member_take", (waits.pk,)),
        Stop("dangzu", "party:member_take", (waits.pk,), do=(press("纳入"),), status=422),
        Stop("dangzu", "party:member", (member.pk,)),
        Stop("dangzu", "party:member", (member.pk,), status=422,
             do=(answer({"转出原因": "迁居"}), press("保存"))),
        Stop("dangzu", "party:meetings"),
        Stop("dangzu", "party:meeting_add", (branch.pk,), do=(press("保存"),), status=422),
        Stop("dangzu", "party:meeting_add", (branch.pk,), do=(told, press("保存"))),
        Stop("dangzu", "party:meeting", (meeting.pk,)),
    ]  # fmt: skip


def _records() -> list[Stop]:
    """Other archives: a list that is packed, one that is on its way."""
    clerk, enterprise = User.objects.get(username="qiye"), enterprise_of("qiye")
    facts = {"category": "document", "number": "W-1990-01", "title": "厂长办公会会议纪要（第 1—12 次）",
             "year_from": "1990", "retention": "permanent", "volumes": "3", "pages": "420",
             "secrecy": "internal", "carrier": "paper"}  # fmt: skip
    line = records.EntryForm(facts)
    assert line.is_valid()
    lists = []
    for key in ("sent", "packing"):
        found = records.begin(enterprise, by=clerk)
        records.replace(found, records.Read([line]), by=clerk)
        if key == "sent":
            handovers.send(found, by=clerk, means="person", carrier="许档员",
                           handed_on=timezone.localdate())  # fmt: skip
        lists.append((found.pk,))
    sent, packing = lists
    wrong = workbooks.table(["门类", "案卷号", "题名", "起始年度"], ["文书", "", "年报", "旧"])
    return [
        Stop("qiye", "archives:records"),
        Stop("dangan", "archives:records"),
        Stop("qiye", "archives:records", do=(press("整理清单"),), also="archives:records_begin"),
        Stop("qiye", "archives:records_batch", packing),
        Stop("qiye", "archives:records_batch", packing, status=422, also="archives:records_deed",
             do=(press("保存并送出此批"),)),
        Stop("qiye", "archives:records_batch", packing, status=422,
             do=(send("交接清单工作簿", "清单.xlsx", wrong), press("检查并导入"))),
        Stop("dangan", "archives:records_batch", sent),
        Stop("dangan", "archives:records_batch", sent,
             do=(answer({"其余待查的全部接收（数量与清单一致，包括其他页）": True}),
                 press("登记查收结果"))),
        Stop("qiye", "archives:records_batch", sent),
    ]  # fmt: skip


def _letters(cases: dict[str, Transfer]) -> list[Stop]:
    clerk = User.objects.get(username="qiye")
    far, late = (make_transfer(at="letter", party_member=True) for _ in range(2))
    walk.take(far, "letter", clerk, receiver="", to_organization="中共武汉市演示街道工作委员会")
    walk.take(late, "letter", clerk)
    moves = {move.transfer_id: move for move in PartyMove.objects.filter(voided_at=None)}
    out = moves[far.pk]
    yesterday = timezone.localdate() - timedelta(days=1)
    PartyMove.objects.filter(transfer=late).update(expires_on=yesterday)
    committee = PartyOrganization.objects.get(name="中共咸宁市桂泉机械厂委员会").pk
    code = (answer({"回执码": codes.code_of(out)}), press("下一步"))
    return [
        Stop("qiye", "party:letters"),
        Stop("dangzu", "party:letters", query="?stage=pocket"),
        Stop("qiye", "party:letter", (out.pk,)),
        Stop("dangzu", "party:letter", (moves[cases["done"].pk].pk,)),
        Stop("qiye", "party:letter_receipt", (out.pk,)),
        Stop("qiye", "party:letter_receipt", (out.pk,), do=(press("登记回执"),), status=422),
        Stop("qiye", "party:letter_reissue", (moves[late.pk].pk,)),
        Stop("qiye", "party:letter_reissue", (moves[late.pk].pk,), status=422,
             do=(answer({"有效期（天）": "91"}), press("重新开具"))),
        Stop("qiye", "party:organizations"),
        Stop("dangzu", "party:organizations"),
        Stop("qiye", "party:organization_add"),
        Stop("qiye", "party:organization_add", do=(press("保存"),), status=422),
        Stop("qiye", "party:organization", (committee,)),
        Stop("", "party:receipt", (out.pk,)),
        Stop("", "party:receipt", (out.pk,), do=(press("下一步"),), status=422),
        Stop("", "party:receipt", (out.pk,), do=code),
        Stop("", "party:receipt", (out.pk,), do=(*code, press("组织关系已转达我处，登记回执")),
             status=422),
        Stop("", "party:receipt", (out.pk,),
             do=(*code, answer({"经办人": "外地经办"}), press("组织关系已转达我处，登记回执"))),
    ]  # fmt: skip


def _scans(case: Transfer) -> list[Stop]:
    """One page that is read and one that nobody can read."""
    form = bytes(basic_information_forms([case]))
    pile = scan_pile.pile(form, (0, 1), [Harm(dpi=150), Harm(dpi=100, spoiled="torn")])
    sent = (send("签字盖章后的扫描件", "签字.pdf", pile), press("上传并读取"))
    return [
        Stop("qiye", "transfers:signed_piles"),
        Stop("qiye", "transfers:signed_piles", do=(press("上传并读取"),), status=422),
        Stop("qiye", "transfers:signed_piles", do=sent, also="transfers:signed_pile"),
        Stop("qiye", "transfers:signed_piles", also="transfers:signed_claim",
             do=(follow("签字.pdf"), follow("认领第"))),
        Stop("qiye", "transfers:signed_piles", also="transfers:signed_claim", status=422,
             do=(follow("签字.pdf"), follow("认领第"), press("认领"))),
        Stop("qiye", "transfers:signed_piles", also="transfers:signed_confirm", status=422,
             do=(follow("签字.pdf"), press("确认归入全部"))),
        Stop("qiye", "transfers:signed_piles", also="transfers:signed_drop",
             do=(follow("签字.pdf"), press("删去"))),
    ]  # fmt: skip


def _sums(cases: dict[str, Transfer]) -> list[Stop]:
    day = timezone.localdate() - timedelta(days=1)
    limits = (answer({"核定退休待遇（人社部门）": "5", "设定依据": "咸国资发〔2026〕3号"}),
              press("保存期限"))  # fmt: skip
    month = timezone.localdate().replace(day=1)
    report = reports.sign(Area.objects.get(pk=demo.CITY), month, leader="赵主任",
                          by=User.objects.get(username="gzw"))  # fmt: skip
    return [
        Stop("gzw", "transfers:waterfall"),
        Stop("gzw", "transfers:waterfall", query=f"?in={demo.XIANAN}&by=community&on={day}"),
        Stop("qiye", "transfers:waterfall"),
        Stop("gzw", "transfers:overview"),
        Stop("jiedao", "transfers:overview"),
        Stop("rs", "transfers:reports"),
        Stop("gzw", "transfers:reports", do=(press("定稿，留存此月报"),), status=422,
             also="transfers:report_sign"),
        Stop("gzw", "transfers:report", (report.pk,)),
        Stop("gzw", "transfers:limits"),
        Stop("gzw", "transfers:limits", do=(press("保存期限"),), status=422),
        Stop("gzw", "transfers:limits", do=limits),
        Stop("rs", "transfers:list", query="?waiting=verify"),
        Stop("rs", "transfers:detail", (cases["verify"].pk,)),
        Stop("guanli", "calendar"),
        Stop("guanli", "calendar", do=(press("导入"),), status=422),
    ]  # fmt: skip
