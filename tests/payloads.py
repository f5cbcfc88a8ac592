"""What an office would truly send to each page: complete and valid, so that only a guard refuses."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.core import signing
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from communities import event_lists
from enterprises import imports
from party.organization_forms import places_of as party_places
from tests import workbooks
from tests.factories import values_for
from transfers import column_views
from xianning import access, demo, standards, walk
from xianning.management.commands.load_demo import PASSWORD as DEMO_PASSWORD

if TYPE_CHECKING:
    from tests.world import World

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
LEVELS = {demo.CITY: "市企", demo.XIANAN: "县企", demo.CHIBI: "县企", demo.JIAYU: "县企"}
# Each SASAC lists enterprises of its own level (第六条第1项).
_AUTHORITY = {"sasac_child": demo.XIANAN, "sasac_county": demo.CHIBI}


def nothing(_world: World, _actor: str, _key: str) -> dict[str, Any]:
    return {}


# --- accounts ------------------------------------------------------------------------------------


def wrong_password(_world: World, _actor: str, _key: str) -> dict[str, Any]:
    return {"username": "nobody_here", "password": "not-the-password"}


def new_password(world: World, actor: str, _key: str) -> dict[str, Any]:
    from tests.world import PASSWORD

    old = PASSWORD if actor in world.users and world.users[actor].username[:2] == "m_" else ""
    fresh = "Xin-mima-weile-ceshi-2026"
    return {
        "old_password": old or DEMO_PASSWORD, "new_password1": fresh, "new_password2": fresh,
    }  # fmt: skip


def new_codes(_world: World, _actor: str, _key: str) -> dict[str, Any]:
    return {"codes": "1"}


def office(_world: World, _actor: str, _key: str) -> dict[str, Any]:
    return {"role": "community", "name": "滨河社区居民委员会（测试）", "area": "421202001003"}


def office_change(world: World, _actor: str, key: str) -> dict[str, Any]:
    return {"name": world.get("office", key).name, "address": "咸宁市测试路2号"}


def user(_world: World, _actor: str, _key: str) -> dict[str, Any]:
    return {"username": "xin_renyuan", "full_name": "新人员"}


def user_change(world: World, _actor: str, key: str) -> dict[str, Any]:
    return {"full_name": f"{world.get('user', key).full_name}改", "is_active": "on"}


def decision(_world: World, actor: str, _key: str) -> dict[str, Any]:
    return {"withdraw": "1"} if actor == "system_admin" else {"decision": "yes"}


def approval(_world: World, _actor: str, _key: str) -> dict[str, Any]:
    return {"decision": "yes", "answer": "已核对用途"}


def leaked(_world: World, _actor: str, _key: str) -> dict[str, Any]:
    return {"text": "编号不详的一行"}


def account_in_a_day(_world: World, _actor: str, _key: str) -> dict[str, Any]:
    now = timezone.localtime()
    since, until = (f"{at:%Y-%m-%dT%H:%M}" for at in (now - timedelta(days=1), now))
    return {"username": "qiye", "since": since, "until": until}


def area(world: World, _actor: str, key: str) -> dict[str, Any]:
    return {"name": f"{'省' if key == 'province' else ''}改名社区", "receives": "on",
            "reason": "测试批复1号"}  # fmt: skip


def calendar(_world: World, _actor: str, _key: str) -> dict[str, Any]:
    rows = [[f"2027-10-0{day}", "放假", "国庆节"] for day in range(1, 8)]
    book = workbooks.table(["日期", "安排", "节日"], *rows)
    return {"notice": "测试通知", "file": SimpleUploadedFile("2027.xlsx", book, XLSX)}


def limits(_world: World, _actor: str, _key: str) -> dict[str, Any]:
    return {"verify": "10", "warn": "2", "basis": "测试文号"}


# --- enterprises ---------------------------------------------------------------------------------


def enterprise(_world: World, actor: str, _key: str) -> dict[str, Any]:
    authority = _AUTHORITY.get(actor, demo.CITY)
    return {
        "name": "咸宁市新列入测试公司", "credit_code": standards.make_credit_code("91421200MAMTX0009"),
        "level": LEVELS[authority], "holding": "国有独资",
        "county": demo.CHIBI if authority == demo.CHIBI else demo.XIANAN,
    }  # fmt: skip


def enterprise_change(world: World, _actor: str, key: str) -> dict[str, Any]:
    entry = world.get("enterprise", key)
    names = ("name", "credit_code", "level", "holding", "status", "department")
    return {name: getattr(entry, name) for name in names} | {
        "county": entry.county_id, "contact": "新联系人", "reason": "联系人变动",
        "version": entry.version, "confirmed": "1",
    }  # fmt: skip


def _texts(actor: str) -> dict[str, str]:
    facts = enterprise(None, actor, "")  # type: ignore[arg-type]
    return {
        "企业名称": facts["name"], "统一社会信用代码": facts["credit_code"], "企业层级": facts["level"],
        "控股类型": facts["holding"], "实际所在县市区": facts["county"],
    }  # fmt: skip


def enterprise_book(_world: World, actor: str, _key: str) -> dict[str, Any]:
    texts = _texts(actor)
    book = workbooks.table(list(texts), list(texts.values()))
    return {"file": SimpleUploadedFile("名单.xlsx", book, XLSX)}


def enterprise_rows(world: World, actor: str, _key: str) -> dict[str, Any]:
    """The rows of a preview, sealed for whoever sends them: only the page's own guard is left."""
    who = world.users.get(actor) or world.users["sasac"]
    facts = enterprise(world, actor, "")
    salt = imports._salt(who)
    return {"rows": signing.dumps(["名单", [[2, facts]]], salt=salt, compress=True)}


def event_list(_world: World, _actor: str, _key: str) -> dict[str, Any]:
    book = workbooks.table([*event_lists.HEADINGS], ["421299195003031553", "甲", "2026-01-05"])
    return {"kind": "died", "file": SimpleUploadedFile("名单.xlsx", book, XLSX)}


def event_rows(world: World, actor: str, _key: str) -> dict[str, Any]:
    """The rows of a preview, sealed for whoever sends them."""
    county = actor in ("insurance_county", "hr_county")
    case = world.get("case", "county_done" if county else "own_done")
    texts = {"证件号码": case.retiree.id_number, "姓名": case.retiree.name, "日期": "2026-01-05"}
    found = event_lists.Found("double", [(2, texts)])
    return {"rows": event_lists.token(found, world.users.get(actor) or world.users["insurance"])}


# --- letters -----------------------------------------------------------------------------------


def receipt(_world: World, _actor: str, _key: str) -> dict[str, Any]:
    return {"receipt_number": "回1号", "receipt_on": timezone.localdate()}


def reissue(_world: World, _actor: str, _key: str) -> dict[str, Any]:
    return {"valid_days": 30, "dues_until": "2026-10"}


def receipt_code(_world: World, _actor: str, _key: str) -> dict[str, Any]:
    return {"code": "7KQ2-M9XT-PA4CR"}


# --- Party organisations ---------------------------------------------------------------------


def party_organization(world: World, actor: str, _key: str) -> dict[str, Any]:
    places = party_places(world.users[actor]) if actor in world.users else []
    place = places[0][0] if places else ""
    return {"place": place, "kind": "committee", "name": "中共新登记测试委员会"}


def party_organization_change(world: World, _actor: str, key: str) -> dict[str, Any]:
    found = world.get("party_organization", key)
    return {"kind": found.kind, "name": found.name, "parent": found.parent_id or "",
            "may_transfer": "on", "address": "新地址1号"}  # fmt: skip


# --- cases ---------------------------------------------------------------------------------------


def search(_world: World, _actor: str, _key: str) -> dict[str, Any]:
    return {"q": "鄢寒"}


def reveal(_world: World, _actor: str, _key: str) -> dict[str, Any]:
    return {"group": "identity", "reason": "核对本人身份"}


def answers(world: World, _actor: str, key: str) -> dict[str, Any]:
    """What the desk types at the step that KEY (`case/step`) names, with the final button."""
    case_key, _, step = key.partition("/")
    case = world.get("case", case_key)
    if step == "enterprise":
        return {"confirmed": "1"}
    given = walk.answers(case, step) | {"confirmed": "1"}
    if step == "confirm":
        given["scan"] = SimpleUploadedFile("签字表.png", walk.picture_of_a_form("x"), "image/png")
    return given


def bulk(world: World, _actor: str, key: str) -> dict[str, Any]:
    case_key = key.partition("/")[0]
    return answers(world, "", key) | {"case": [world.id_of("case", case_key)], "answered": "1"}


def delivery_deed(world: World, _actor: str, key: str) -> dict[str, Any]:
    """What one side of a batch of files types: KEY is `batch/deed`."""
    which, _, deed = key.partition("/")
    today = timezone.localdate()
    typed: dict[str, dict[str, Any]] = {
        "fill": {"send": "1", "means": "person", "carrier": "许档员", "handed_on": today},
        "check": {"accepted_on": today, "accepted_by": "陶社保", "first_number": "2026-0001",
                  "rest": "on"},
        "withdraw": {"reason": "装错了。"},
    }  # fmt: skip
    given = dict(typed.get(deed, {}))
    for item in world.get("delivery", which).items.all():
        counts = {"volumes": 1, "duplicates": 0, "pieces": 26, "pages": 84}
        given |= {f"{item.pk}-{name}": count for name, count in counts.items()}
    return given


def records_begin(world: World, _actor: str, key: str) -> dict[str, Any]:
    return {"enterprise": world.id_of("enterprise", key)}


def records_deed(world: World, _actor: str, key: str) -> dict[str, Any]:
    """What one side of a list of other archives types: KEY is `list/deed`."""
    which, _, deed = key.partition("/")
    line = {"category": "document", "number": "W-2", "title": "介绍信存根", "year_from": "1990",
            "retention": "10", "volumes": "1", "secrecy": "open", "carrier": "paper"}  # fmt: skip
    book = workbooks.table(["门类", "案卷号", "题名", "起始年度"], ["文书", "W-3", "年报", "1990"])
    typed: dict[str, dict[str, Any]] = {
        "fill": {"line-TOTAL_FORMS": "2", "line-INITIAL_FORMS": "1"}
        | {f"line-1-{name}": value for name, value in line.items()},
        "import": {"file": SimpleUploadedFile("清单.xlsx", book, XLSX)},
        "check": {"rest": "on"}, "withdraw": {"reason": "装错了。"},
    }  # fmt: skip
    given = dict(typed.get(deed, {}))
    for item in world.get("record_list", which).items.all():
        facts = (
            line | {"item": item.pk} if deed == "fill" else {"volumes": 1, "pieces": 0, "pages": 0}
        )
        prefix = "line-0" if deed == "fill" else str(item.pk)
        given |= {f"{prefix}-{name}": value for name, value in facts.items()}
    return given


def catalogue(_world: World, _actor: str, _key: str) -> dict[str, Any]:
    return {"line-TOTAL_FORMS": "1", "line-INITIAL_FORMS": "0", "line-0-category": "1",
            "line-0-title": "职工登记表", "line-0-copies": "1", "line-0-pages": "4"}  # fmt: skip


# Each clerk's own case whose file has not left.
_STILL_THERE = {"clerk": "own_open", "clerk_sibling": "sibling_open", "clerk_child": "child_verify",
                "clerk_county": "county_open"}  # fmt: skip


def catalogue_book(world: World, actor: str, _key: str) -> dict[str, Any]:
    case = world.get("case", _STILL_THERE.get(actor, "own_open"))
    book = workbooks.table(
        ["身份证号", "类号", "材料名称"], [case.retiree.id_number, "1", "登记表"]
    )
    return {"file": SimpleUploadedFile("目录.xlsx", book, XLSX)}


def loan(_world: World, _actor: str, _key: str) -> dict[str, Any]:
    today = timezone.localdate()
    return {"kind": "read", "person": "查档员", "office": "某单位", "letter": "介绍信2号",
            "purpose": "核对工龄", "what": "全卷", "taken_on": today, "due_on": today}  # fmt: skip


def reason(_world: World, _actor: str, _key: str) -> dict[str, Any]:
    return {"code": "missing", "reason": "材料不全"}


def request_of_a_person(_world: World, _actor: str, _key: str) -> dict[str, Any]:
    return {"kind": "correct", "applicant": "self", "text": "更正住址",
            "asked_on": timezone.localdate()}  # fmt: skip


def answer_to_a_person(_world: World, _actor: str, _key: str) -> dict[str, Any]:
    return {"state": "done", "answer": "已按申请办理"}


def end(_world: World, _actor: str, _key: str) -> dict[str, Any]:
    return {"code": "other", "reason": "不再移交"}


def open_facts(_world: World, _actor: str, _key: str) -> dict[str, Any]:
    return {"open": "1", "why": "本人要求更正"}


def person(_world: World, _actor: str, _key: str) -> dict[str, Any]:
    ticked = {"insurances": ["pension", "medical"]}  # boxes on the page, words in a workbook
    return values_for("qiye", demo.GUIHUA, name="新申报甲") | ticked


def person_book(_world: World, _actor: str, _key: str) -> dict[str, Any]:
    people = workbooks.made_up_people(1, seed=77)
    return {"file": SimpleUploadedFile("名单.xlsx", workbooks.make_workbook(people), XLSX)}


def drop(_world: World, _actor: str, _key: str) -> dict[str, Any]:
    return {"drop": "1"}


def meaning_of_headings(_world: World, _actor: str, _key: str) -> dict[str, Any]:
    return {column_views._name_of("手机1"): "home_phone"}


def ledger_change(_world: World, _actor: str, _key: str) -> dict[str, Any]:
    return {"remarks": "走访核对", "confirmed": "1", "as_of": timezone.now().isoformat()}


def ledger_changes(world: World, actor: str, key: str) -> dict[str, Any]:
    return ledger_change(world, actor, key) | {"answered": "1", "entry": world.id_of("entry", key)}


def ledger_view(_world: World, _actor: str, _key: str) -> dict[str, Any]:
    return {"name": "待核实", "address": "state=stale"}


def event(_world: World, _actor: str, _key: str) -> dict[str, Any]:
    return {"kind": "uncertified", "happened_on": timezone.localdate(), "details": "未认证"}


def event_answer(_world: World, _actor: str, _key: str) -> dict[str, Any]:
    return {"deed": "noted"}


def event_answers(world: World, _actor: str, key: str) -> dict[str, Any]:
    return {"event": world.id_of("life_event", key), "deed": "noted"}


def event_correction(_world: World, _actor: str, _key: str) -> dict[str, Any]:
    return {"why": "报错了人"}


def day(_world: World, _actor: str, _key: str) -> dict[str, Any]:
    return {"on": timezone.localdate().isoformat()}


def lost_card(_world: World, _actor: str, _key: str) -> dict[str, Any]:
    return {"deed": "lost"}


def monthly_report(_world: World, _actor: str, _key: str) -> dict[str, Any]:
    return {"month": f"{timezone.localdate():%Y-%m}", "leader": "赵主任"}


def care_visit(_world: World, _actor: str, _key: str) -> dict[str, Any]:
    return {
        "on": timezone.localdate().isoformat(),
        "way": "home",
        "visitors": "甲、乙",
        "found": "好",
    }


def care_group(world: World, _actor: str, key: str) -> dict[str, Any]:
    pk = world.id_of("care_group", key)
    return {f"{pk}-since": timezone.localdate().isoformat(), f"{pk}-reason": "住院"}


def care_close(world: World, _actor: str, key: str) -> dict[str, Any]:
    return {f"{world.id_of('care_promise', key)}-outcome": "已联系"}


def care_plan(_world: World, _actor: str, _key: str) -> dict[str, Any]:
    return {"times_ill": "4", "basis": "街道办公会纪要（测试）"}


def member_take(world: World, actor: str, _key: str) -> dict[str, Any]:
    own = "county" if actor == "party_county" else "street"
    branch = world.get("party_organization", own)
    return {"branch": str(branch.pk), "since": timezone.localdate()}


def member(world: World, _actor: str, _key: str) -> dict[str, Any]:
    return {"branch": world.id_of("party_organization", "street"), "posts": "党小组长"}


def meeting(_world: World, actor: str, key: str) -> dict[str, Any]:
    return {"kind": "theme", "held_on": timezone.localdate(), "topic": f"{actor}{key}主题党日"}


def agreement(world: World, actor: str, _key: str) -> dict[str, Any]:
    user = world.users.get(actor)
    entry = min(access.scope(user).enterprises, default="") if user else ""
    return {"enterprise": str(entry), "county": demo.XIANAN, "base_on": "2026-01-01",
            "people": 80, "members": 20, "volumes": 79}  # fmt: skip


def agreement_note(_world: World, _actor: str, _key: str) -> dict[str, Any]:
    return {"note": "改为逐批移交"}


def agreement_answer(_world: World, _actor: str, _key: str) -> dict[str, Any]:
    return {"approval": "咸安国资〔2026〕3号"}


def agreement_sign(_world: World, _actor: str, key: str) -> dict[str, Any]:
    return {"number": f"协议{key}号", "signed_on": timezone.localdate()}


def venue(world: World, actor: str, _key: str) -> dict[str, Any]:
    user = world.users.get(actor)
    entry = min(access.scope(user).enterprises, default="") if user else ""
    return {"enterprise": str(entry), "name": "退休职工活动室", "kind": "room", "way": "free",
            "address": "温泉路1号", "community": demo.GUIHUA}  # fmt: skip


def venue_note(_world: World, _actor: str, _key: str) -> dict[str, Any]:
    return {"note": "已核对", "receive": "1"}


def fund_day(_world: World, _actor: str, _key: str) -> dict[str, Any]:
    return {"day": timezone.localdate().isoformat()}


def fund_standard(_world: World, _actor: str, _key: str) -> dict[str, Any]:
    return {"amount": "120.50", "first": "2026", "last": "2027", "source": "本地规定（测试）"}


def rehandover(_world: World, _actor: str, _key: str) -> dict[str, Any]:
    return {"community": demo.WANNIAN, "moved_on": timezone.localdate(), "card": "reissue",
            "party": "follow"}  # fmt: skip


def officer(_world: World, _actor: str, _key: str) -> dict[str, Any]:
    return {"officer": "专管员", "officer_phone": "0715-8000001"}


def rehandover_refusal(_world: World, _actor: str, _key: str) -> dict[str, Any]:
    return {"refusal": "not_here", "why": "上门两次，查无此人"}


def rehandover_withdrawal(_world: World, _actor: str, _key: str) -> dict[str, Any]:
    return {"why": "本人改了主意"}


def check_in(world: World, _actor: str, key: str) -> dict[str, Any]:
    """What the desk ticks and types when everything on the form is right."""
    read_over = ("address_confirmed", "phone_confirmed", "contacts_confirmed", "living_confirmed")
    return walk.answers(world.get("case", key), "community") | dict.fromkeys(read_over, "on")


def cards(world: World, _actor: str, key: str) -> dict[str, Any]:
    return {"case": [world.id_of("case", key)]}


def pile(world: World, _actor: str, key: str) -> dict[str, Any]:
    return {"case": [world.id_of("case", key.partition("/")[0])], "confirmed": "1"}


def street(world: World, _actor: str, key: str) -> dict[str, Any]:
    """The street where somebody of the enterprise waits for his community."""
    case = world.get("case", f"{key}_open" if key != "child" else "own_open")
    return {"street": case.community.parent_id, "token": "once"}


def signed_scans(_world: World, _actor: str, _key: str) -> dict[str, Any]:
    picture = walk.picture_of_a_form("x")
    return {"scans": [SimpleUploadedFile("签字.png", picture, "image/png")], "token": "pressed"}


def all_pages(_world: World, _actor: str, _key: str) -> dict[str, Any]:
    return {"all": "1"}


def claimed_page(world: World, _actor: str, key: str) -> dict[str, Any]:
    case = world.get("case", f"{key}_open")
    return {"number": case.number, "paper": "NOTICE", "copy": "1"}


def card_number(_world: World, _actor: str, _key: str) -> dict[str, Any]:
    return {"number": "421202001005-2026-000001"}


def export(_world: World, _actor: str, _key: str) -> dict[str, Any]:
    return {"format": "xlsx", "clear": "0", "reason": "例行核对"}
