"""Pages of what befalls people under the management of a community, as their users reach them."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from django.utils import timezone

from communities import cards, care, event_lists, events, funds, ledger, rehandovers
from communities.ledger import Wish
from communities.models import Area, Reception, SavedView
from enterprises import agreements, editions, venues
from tests import workbooks
from tests.factories import enterprise_of, make_transfer
from tests.stops import NEXT, Stop, answer, press, send, tick_all
from xianning import demo
from xianning.models import User

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page


def pages_of_the_events() -> list[Stop]:
    """One report is open, one is answered by HR, one corrected."""
    worker, hr = (User.objects.get(username=name) for name in ("shequ", "rs_xianan"))
    cases = [make_transfer(at="done") for _ in range(4)]
    open_, half, wrong = (
        events.report(case, by=worker, kind=kind, happened_on=timezone.localdate(), details="来电")
        for case, kind in zip(cases, ("missing", "died", "sentenced"), strict=False)
    )
    events.acknowledge(half.receipts.get(role="hr"), by=hr, deed="stopped", note="自下月起")
    events.correct(wrong, by=worker, why="同名同姓，报错了人")
    listed = workbooks.table(
        [*event_lists.HEADINGS],
        [cases[3].retiree.id_number, cases[3].retiree.name, "2026-10-05", "正常发放", "2025"],
        ["42129919500101", "某人", "2026-10-05"],
    )
    return [
        Stop("shequ", "communities:events"),
        Stop("jiedao", "communities:events", query="?state=corrected"),
        Stop("rs_xianan", "communities:events"),
        Stop("yibao", "communities:events", query="?state=late"),
        Stop("yibao", "communities:events", do=(tick_all, press("签收所选")),
             also="communities:event_answer_many"),
        Stop("yibao", "communities:events", do=(tick_all, press("签收所选"), press("签收")),
             also="communities:event_answer_many", status=422),
        Stop("shebao", "communities:event_lists"),
        Stop("shebao", "communities:event_lists", do=(press("上传并比对"),), status=422),
        Stop("shebao", "communities:event_lists", do=(
            answer({"名单": "逾期未认证"}), send("比对名单工作簿", "名单.xlsx", listed),
            press("上传并比对"))),
        Stop("shebao", "communities:event_lists", do=(
            answer({"名单": "逾期未认证"}), send("比对名单工作簿", "名单.xlsx", listed),
            press("上传并比对"), press("确认报告 1 人")), also="communities:event_list_confirm"),
        Stop("shequ", "communities:event_report", (cases[3].pk,)),
        Stop("shequ", "communities:event_report", (cases[3].pk,), do=(press("报告人社部门"),), status=422),
        Stop("shequ", "communities:event", (half.pk,)),
        Stop("shequ", "communities:event", (wrong.pk,)),
        Stop("shequ", "communities:event", (open_.pk,), also="communities:event_correct", status=422,
             do=(lambda page: page.get_by_text("报告有误，更正").click(), press("更正此报告"))),
        Stop("yibao", "communities:event", (open_.pk,)),
        Stop("yibao", "communities:event", (open_.pk,), do=(press("签收"),), status=422,
             also="communities:event_acknowledge"),
        Stop("yibao", "communities:event", (open_.pk,),
             do=(answer({"处理结果": "已知悉，无须处理"}), press("签收"))),
    ]  # fmt: skip


def pages_of_the_rehandovers() -> list[Stop]:
    """One person is asked for, one was refused, one accepted, one may still be handed on."""
    giver, taker = (User.objects.get(username=name) for name in ("shequ", "shequ_wannian"))
    goal = Area.objects.get(pk=demo.WANNIAN)
    cases = [make_transfer(at="done", party_member=number == 3) for number in range(4)]
    open_, refused, accepted = (
        rehandovers.propose(case, by=giver, community=goal, moved_on=timezone.localdate(),
                            card="reissue", details="搬到女儿家")
        for case in cases[:3]
    )  # fmt: skip
    rehandovers.refuse(refused, by=taker, refusal="unreachable", why="电话三次无人接听")
    rehandovers.accept(accepted, by=taker, officer="专管员", officer_phone="0715-8000001")
    new = ("communities:rehandover_propose", (cases[3].pk,))
    return [
        Stop("shequ", "communities:rehandovers"),
        Stop("shequ_wannian", "communities:rehandovers", query="?way=in&state=open"),
        Stop("shequ", *new),
        Stop("shequ", *new, do=(press("请其接收"),), status=422),
        Stop("shequ", "communities:rehandover", (refused.pk,)),
        Stop("shequ_wannian", "communities:rehandover", (accepted.pk,)),
        Stop("shequ", "communities:rehandover", (open_.pk,), also="communities:rehandover_withdraw",
             status=422,
             do=(lambda page: page.locator("summary", has_text="撤回转交").click(), press("撤回转交"))),
        Stop("shequ_wannian", "communities:rehandover", (open_.pk,), status=422,
             also="communities:rehandover_refuse",
             do=(lambda page: page.locator("summary", has_text="不接收").click(),
                 press("不接收，退回移出社区"))),
        Stop("shequ_wannian", "communities:rehandover", (open_.pk,),
             also="communities:rehandover_accept", do=(press("由本社区管理服务"),)),
    ]  # fmt: skip


def pages_of_the_funds() -> list[Stop]:
    """A county without a standard, a city with one, and a sheet that was kept."""
    gzw = User.objects.get(username="gzw")
    city, xianan = (Area.objects.get(pk=code) for code in (demo.CITY, demo.XIANAN))
    make_transfer(at="done")
    funds.set_standard(city, by=gzw, years=[2025, 2026], amount=Decimal("120.50"),
                       source="本地规定（测试）")  # fmt: skip
    sheet = funds.fix(xianan, by=gzw, day=timezone.localdate())
    return [
        Stop("gzw", "communities:funds"),
        Stop("jiedao", "communities:funds"),
        Stop("gzw", "communities:funds", do=(press("设定标准"),), status=422,
             also="communities:fund_standard"),
        Stop("gzw", "communities:fund_sheet", (sheet.pk,)),
        Stop("gzw_xianan", "communities:funds", do=(press("定稿，留存此表"),),
             also="communities:fund_fix"),
    ]  # fmt: skip


def pages_of_the_care() -> list[Stop]:
    """Somebody with a plan, a group, a visit and a promise; and the plan of his street."""
    worker, street = (User.objects.get(username=name) for name in ("shequ", "jiedao"))
    entry = Reception.objects.get(transfer=make_transfer(at="done", special_groups=["ill"]))
    place = entry.community.parent
    assert place is not None
    care.set_plans(place, {"ill": (4, ["春节"])}, by=street, basis="街道办公会纪要（测试）")
    care.visit(entry, by=worker, on=timezone.localdate() - timedelta(days=200), way="home",
               visitors="甲、乙", found="需要轮椅", promised="联系借用轮椅",
               promise_due_on=timezone.localdate())  # fmt: skip
    said = answer({"走访人": "甲、乙", "了解到的情况": "轮椅已借到"})
    return [
        Stop("shequ", "communities:care"),
        Stop("shequ", "communities:care", query="?show=missed"),
        Stop("shequ", "communities:care", query="?show=promises"),
        Stop("jiedao", "communities:care", query="?show=old"),
        Stop("jiedao", "communities:care_plan"),
        Stop("jiedao", "communities:care_plan", status=422, also="communities:care_plan_set",
             do=(answer({"设定依据": ""}), press("保存走访计划"))),
        Stop("shequ", "communities:care_plan"),
        Stop("shequ", "roster", ("care",)),
        Stop("shequ", "communities:care_person", (entry.pk,)),
        Stop("shequ", "communities:care_person", (entry.pk,), do=(press("登记走访"),), status=422,
             also="communities:care_visit"),
        Stop("shequ", "communities:care_person", (entry.pk,), do=(said, press("登记走访"))),
        Stop("shequ", "communities:care_person", (entry.pk,), also="communities:care_explain",
             do=(open_fold("填写“重病”的原因和材料"), answer({"认定原因": "住院"}), press("保存认定情况"))),
        Stop("shequ", "communities:care_person", (entry.pk,), also="communities:care_close",
             do=(open_fold("办结此事"), answer({"办理结果": "已借到"}), press("已办结"))),
    ]  # fmt: skip


def pages_of_the_agreements() -> list[Stop]:
    """One is signed with special matters, one approved, one applied for."""
    clerk = User.objects.get(username="qiye")
    county = User.objects.filter(offices__role="sasac", offices__area=demo.XIANAN)[0]
    facts = {"county": Area.objects.get(pk=demo.XIANAN), "party_b": "咸安区人民政府",
             "base_on": timezone.localdate(), "people": 812, "members": 203, "volumes": 810,
             "special": "统筹外费用由企业按原渠道发放；精神残疾人员由企业协助街道社区做好工作。",
             "archive_area": Area.objects.get(pk=demo.XIANAN), "limit_step": "verify",
             "limit_days": 15, "clauses_until": timezone.localdate() + timedelta(days=365)}  # fmt: skip
    signed, approved, waits = (
        agreements.apply(enterprise_of("qiye"), facts, by=clerk) for _ in range(3)
    )
    for each in (signed, approved):
        agreements.answer(each, by=county, approval="咸安国资〔2026〕3号")
    agreements.sign(signed, by=county, number="咸安协2026-1", signed_on=timezone.localdate())
    told = answer({"接收县（市、区）": "咸安区", "移交基准日": "2026-01-01", "移交人数": "80",
                   "其中党员": "20", "人事档案（卷）": "79"})  # fmt: skip
    return [
        Stop("gzw", "enterprises:agreements"),
        Stop("qiye", "enterprises:agreements", query="?state=returned"),
        Stop("qiye", "enterprises:agreement_apply"),
        Stop("qiye", "enterprises:agreement_apply", do=(press("申请"),), status=422),
        Stop("qiye", "enterprises:agreement_apply", do=(told, press("申请"))),
        Stop("gzw", "enterprises:agreement", (signed.pk,)),
        Stop("gzw", "enterprises:detail", (signed.enterprise_id,)),
        Stop("qiye", "enterprises:agreement_edit", (waits.pk,)),
        Stop("qiye", "enterprises:agreement", (waits.pk,), do=(press("撤回申请"),), status=422,
             also="enterprises:agreement_withdraw"),
        Stop(county.username, "enterprises:agreement", (waits.pk,), do=(press("登记批复"),),
             status=422, also="enterprises:agreement_answer"),
        Stop(county.username, "enterprises:agreement", (approved.pk,), do=(press("登记签订"),),
             status=422, also="enterprises:agreement_sign"),
    ]  # fmt: skip


def pages_of_the_venues() -> list[Stop]:
    """Rooms on their way: one that waits, one that came back."""
    clerk, worker = (User.objects.get(username=name) for name in ("qiye", "shequ"))
    facts = {"name": "退休职工活动中心", "kind": "room", "address": "温泉路1号", "way": "free",
             "area": Decimal("320.50"), "value": Decimal(860000),
             "community": Area.objects.get(pk=demo.GUIHUA)}  # fmt: skip
    waits, back = (venues.file(enterprise_of("qiye"), facts, by=clerk) for _ in range(2))
    venues.answer(back, by=worker, received=False, note="权属证明没有原件")
    told = answer({"名称": "门球场", "类别": "文体场地", "坐落地址": "温泉路2号",
                   "接收社区（村）": demo.GUIHUA})  # fmt: skip
    return [
        Stop("gzw", "enterprises:venues"),
        Stop("shequ", "enterprises:venues", query="?state=open"),
        Stop("qiye", "enterprises:venue_add"),
        Stop("qiye", "enterprises:venue_add", do=(press("保存，请社区核对"),), status=422),
        Stop("qiye", "enterprises:venue_add", do=(told, press("保存，请社区核对"))),
        Stop("qiye", "enterprises:venue", (back.pk,)),
        Stop("qiye", "enterprises:venue", (waits.pk,), do=(press("撤回"),), status=422,
             also="enterprises:venue_withdraw"),
        Stop("qiye", "enterprises:venue_edit", (back.pk,)),
        Stop("shequ", "enterprises:venue", (waits.pk,), do=(press("退回"),), status=422,
             also="enterprises:venue_answer"),
        Stop("shequ", "enterprises:venue", (waits.pk,), do=(press("已接收"),)),
        Stop("gzw", "roster", ("venues",)),
    ]  # fmt: skip


def pages_of_the_ledger() -> list[Stop]:
    """Two entries of a community, one of them not verified for a year, and a view that is kept."""
    worker = User.objects.get(username="shequ")
    entries = [
        Reception.objects.get(transfer=make_transfer(at="done", party_member=True))
        for _ in range(2)
    ]
    ledger.change(entries[0], Wish(person={"home_phone": "13900000001"}, verified=True), by=worker)
    entries[1].verified_on = timezone.localdate() - timedelta(days=400)
    entries[1].save()
    SavedView.objects.create(user=worker, name="待核实", query="state=stale")
    many = (tick_all, press("更改所选"))
    columns = (open_fold("选择列、保存视图"),)
    return [
        Stop("shequ", "communities:ledger"),
        Stop("shequ", "communities:ledger", query="?state=stale&col=姓名&col=家庭住址"),
        Stop("shequ", "communities:ledger", query="?aged=90"),
        Stop("jiedao", "communities:ledger", do=columns),
        Stop("shequ", "communities:ledger", do=(*columns, press("删去视图")),
             also="communities:ledger_view_drop"),
        Stop("shequ", "communities:ledger", query="?living=local",
             do=(*columns, press("保存视图")), also="communities:ledger_view_save"),
        Stop("shequ", "communities:ledger", do=many, also="communities:ledger_bulk"),
        Stop("shequ", "communities:ledger", do=(*many, press(NEXT)), status=422,
             also="communities:ledger_bulk"),
        Stop("shequ", "communities:ledger", also="communities:ledger_bulk",
             do=(*many, answer({"备注": "走访", "今天已与本人核实信息": True}), press(NEXT))),
        Stop("shequ", "communities:ledger_entry", (entries[0].pk,)),
        Stop("shequ", "communities:ledger_entry", (entries[1].pk,)),
        Stop("shequ", "communities:ledger_change", (entries[0].pk,)),
        Stop("shequ", "communities:ledger_change", (entries[0].pk,), do=(press(NEXT),), status=422),
        Stop("shequ", "communities:ledger_change", (entries[0].pk,),
             do=(answer({"常住地电话": "13900000002"}), press(NEXT))),
    ]  # fmt: skip


def pages_of_the_cards() -> list[Stop]:
    """Somebody whose card was lost and replaced, and one whose card is reported lost."""
    worker = User.objects.get(username="shequ")
    lost, replaced = (make_transfer(at="done").reception for _ in range(2))
    cards.act(lost, "lost", by=worker)
    cards.act(replaced, "reissue", by=worker)
    return [
        Stop("shequ", "communities:day"),
        Stop("jiedao", "communities:day", query="?show=awaited"),
        Stop("shequ", "communities:card_paper", query="?state=fresh"),
        Stop("shequ", "communities:card_paper", query="?state=lost"),
        Stop("shequ", "communities:card_person", (lost.pk,)),
        Stop("jiedao", "communities:card_person", (replaced.pk,)),
        Stop("shequ", "communities:card_person", (lost.pk,), do=(press("找到了，撤销挂失"),)),
    ]


def pages_of_the_editions() -> list[Stop]:
    """An edition of the city, a change since, and the list of a past day."""
    gzw = User.objects.get(username="gzw")
    edition = editions.publish(Area.objects.get(pk=demo.CITY), by=gzw, note="咸国资发（测试）1号")
    entry = enterprise_of("qiye")
    entry.amend(by=gzw, reason="换届", contact="新联系人", retiree_count=321)
    return [
        Stop("gzw", "enterprises:editions"),
        Stop("gzw", "enterprises:editions", query=f"?on={timezone.localdate() - timedelta(days=1)}"),
        Stop("rs", "enterprises:edition", (edition.pk,)),
        Stop("rs", "enterprises:edition", (edition.pk,), do=(press("签收"),),
             also="enterprises:edition_acknowledge"),
        Stop("gzw", "enterprises:editions", do=(press("发布新版名单"),),
             also="enterprises:edition_publish"),
    ]  # fmt: skip


def open_fold(name: str) -> Callable[[Page], None]:
    """The folded part NAME, opened."""
    return lambda page: page.get_by_text(name).click()
