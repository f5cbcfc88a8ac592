"""The audit: one append-only row an act, a read, a refusal, a sign-in (第十一条, 等保 L3-CES1-12…15).

`write` is the only writer. It inserts in the present transaction, so that a deed and its event
commit together or not at all. Who asked, and from where, comes from the request (or the job, or
the command) by `Origin`, so that deep code need not pass it. FACTS tell what happened in names of
fields, numbers and articles: personal data of retirees has no place in them.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import AnonymousUser
from django.db import models
from django.utils import timezone

from xianning import access, sealing
from xianning.models import AuditEvent, User

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from django.http import HttpRequest, HttpResponse

# Slug → what the page calls it. An action without an entry cannot be written.
ACTIONS: dict[str, str] = {
    # signing in
    "sign_in": "登录",
    "sign_in_failed": "登录未成功",
    "locked": "登录锁定",
    "sign_out": "退出登录",
    "session_ended": "结束会话",
    "step_up": "再次验证身份",
    "setup": "设立首批管理员",
    # accounts and grants
    "password_changed": "修改密码",
    "password_reset": "重设密码",
    "second_factor_added": "启用第二因素",
    "second_factor_removed": "停用第二因素",
    "second_factor_used": "使用第二因素",
    "recovery_codes_made": "生成恢复码",
    "recovery_code_used": "使用恢复码",
    "grant_asked": "申请授权",
    "grant_approved": "核准授权",
    "grant_refused": "不予核准授权",
    "grant_withdrawn": "撤回授权申请",
    "admitted": "加入机构",
    "dismissed": "移出机构",
    "accounts_reviewed": "复核账号",
    # whoever was not let in
    "refused": "拒绝访问",
    # every row with a history
    "created": "新增",
    "changed": "更改",
    "deleted": "删除",
    "created_many": "成批新增",
    "changed_many": "成批更改",
    # 第六条
    "cases_filed": "建立案卷",
    "step_complete": "办理步骤",
    "step_send_back": "退回步骤",
    "step_withdraw": "撤回步骤",
    "step_invalidate": "签字失效",
    "step_amend": "更改案卷信息",
    "step_end": "终止案卷",
    "desk_search": "报到时查找人员",
    "handover_send": "送出交接单",
    "handover_accept": "接收交接件",
    "handover_send_back": "退回交接件",
    "handover_take_back": "撤回交接件",
    "handover_reopen": "撤销接收",
    "handover_close": "办结交接单",
    "handover_remind": "催办回执",
    "file_given": "登记档案查借阅",
    "file_back": "登记档案归还",
    # 第十一条: who saw personal data, and what was given out
    "reveal": "查看完整信息",
    "paper": "打印文书",
    "scan": "查看扫描件",
    "export": "导出名册",
    "quota_passed": "查看超出定额",
    "alert": "异常提醒",
    "export_approved": "核准导出",
    "export_refused": "不予核准导出",
    "export_made": "制成导出文件",
    "handover_letter": "制作移交通知书",
    "ledger_change": "更改台账",
    "event_list_match": "比对社保名单",
    "event_list": "按社保比对名单报告",
    "event_report": "上报状态变动",
    "event_acknowledge": "签收状态变动",
    "event_correct": "更正状态变动",
    "edition_publish": "发布国有企业名单",
    "edition_acknowledge": "签收国有企业名单",
    "card_lost": "社区联系卡挂失",
    "card_found": "社区联系卡撤销挂失",
    "card_reissue": "补发社区联系卡",
    "card_return": "交回社区联系卡",
    "care_group": "登记特殊人员类别的认定",
    "care_visit": "登记走访",
    "care_closed": "办结走访时答应的事",
    "care_plan": "设定走访计划",
    "member_taken": "党员纳入支部",
    "member_changed": "更改支部党员情况",
    "meeting_recorded": "登记组织生活",
    "agreement_applied": "申请移交协议",
    "agreement_changed": "更改移交协议申请",
    "agreement_withdrawn": "撤回移交协议申请",
    "agreement_approved": "批复移交协议",
    "agreement_returned": "退回移交协议申请",
    "agreement_signed": "登记签订移交协议",
    "venue_filed": "登记移交的场所设施",
    "venue_changed": "更改移交的场所设施",
    "venue_withdrawn": "撤回移交的场所设施",
    "venue_received": "接收场所设施",
    "venue_returned": "退回场所设施",
    "fund_standard": "设定经费人均标准",
    "fund_sheet": "经费测算表定稿",
    "monthly_report": "统计月报定稿",
    "rehandover_propose": "提出转交其他社区",
    "rehandover_accept": "接收其他社区转交的人员",
    "rehandover_refuse": "不接收其他社区转交的人员",
    "rehandover_withdraw": "撤回转交",
    "step_move": "案卷转交其他社区",
    "export_fetched": "下载导出文件",
    "export_expired": "导出文件失效",
    "leak_traced": "追查泄露",
    "consent_given": "记录单独同意",
    "consent_withdrawn": "撤回单独同意",
    "notice_given": "记录告知",
    "copy_given": "提供个人信息副本",
    "corrected": "更正个人信息",
    "erased": "删除个人信息",
    "upload_refused": "上传文件未通过检查",
    "scan_filed": "归入签字扫描件",
    "scan_claimed": "认领扫描页",
    "scan_dropped": "删去扫描页",
    "scan_released": "扫描件查杀通过",
    "scan_destroyed": "销毁带病毒的扫描件",
    # work in the background, and commands
    "job_asked": "提交后台任务",
    "imported": "导入名单",
    "columns_chosen": "指定表头含义",
    "import_dropped": "放弃导入",
    "import_taken_back": "收回未完成或撤销的导入",
    "import_undone": "撤销导入",
    "areas_loaded": "载入行政区划",
    "calendar_set": "导入工作日历",
    "reminded": "期限提醒",
    "keys_rotated": "更换数据密钥",
    "backup_made": "备份数据",
    "backup_restored": "恢复数据",
    # the audit itself
    "audit_read": "查阅审计记录",
    "audit_export": "导出审计记录",
    "audit_verified": "校验审计记录",
    "audit_purged": "清理到期审计记录",
    "access_log_purged": "清理到期访问记录",
    "let_go": "清理到期数据",
}

Result = AuditEvent.Result
KEY = "audit"
SYSTEM = "系统"  # a command or a thread that names nobody
# Controls, line and paragraph separators, what turns the direction of text, halves of surrogates.
_FORGERS = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]"
)


# --- who asks -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Origin:
    """Who asked, from where, under which number; NAME stands for a command without a user."""

    user: Any = None
    name: str = ""
    address: str = ""
    request_id: str = ""
    request: HttpRequest | None = None

    @property
    def person(self) -> User | None:
        who = getattr(self.request, "user", None) if self.request is not None else self.user
        return who if who is not None and who.is_authenticated else None


_origin: ContextVar[Origin | None] = ContextVar("audit_origin", default=None)


def new_request_id() -> str:
    """Our own number of a request; what a client sends under that name is not trusted."""
    return secrets.token_hex(8)


@contextmanager
def acting(user: User | None = None, *, name: str = "", request_id: str = "") -> Iterator[None]:
    """Within the block events are USER's, or those of the command NAME (jobs, commands)."""
    token = _origin.set(Origin(user, name, request_id=request_id or new_request_id()))
    try:
        yield
    finally:
        _origin.reset(token)


class AuditMiddleware:
    """Tells `write` whose request it is, and writes one event when an answer is a refusal.

    A refusal is a 403, or a 404 under an address that names an object: a foreign one looks like
    one that is not there. Strangers are sent to the sign-in page and write nothing here, so that
    nobody can fill the table without an account.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        origin = Origin(
            address=access.client_address(request), request_id=new_request_id(), request=request
        )
        token = _origin.set(origin)
        try:
            response = self.get_response(request)
            if response.status_code in (403, 404):
                _note_refusal(request, response.status_code, origin)
            return response
        finally:
            _origin.reset(token)


def _note_refusal(request: HttpRequest, status: int, origin: Origin) -> None:
    match = request.resolver_match
    names = list(match.kwargs.values()) if match else []
    if origin.person is None or (status == 404 and not names):
        return
    page = match.view_name if match else ""
    write(
        "refused", result=Result.REFUSED, object=(page[:40], str(names[0]) if names else ""),
        facts={"page": page, "method": request.method or "", "status": status},
    )  # fmt: skip


# --- writing ------------------------------------------------------------------------------------


def write(
    action: str,
    *,
    user: User | None = None,
    result: str = "ok",
    object: models.Model | tuple[str, Any] | None = None,
    area: Any = None,
    facts: dict[str, Any] | None = None,
    request: HttpRequest | None = None,
) -> AuditEvent:
    """Append one event in the present transaction.

    ACTION is a key of ACTIONS; OBJECT a row, or its kind and id; AREA an Area or its code (else
    the place of the user's office); FACTS plain JSON without fractions. USER and REQUEST default
    to those of the present request, job or command. Raises ValueError for an unknown action and
    TypeError for facts of another shape; a database error goes through and undoes the deed.
    """
    if action not in ACTIONS:
        raise ValueError(f"unknown audit action {action!r}")
    origin = _origin.get() or Origin(name=SYSTEM)
    if request is not None:
        origin = Origin(address=access.client_address(request), request=request,
                        request_id=origin.request_id or new_request_id())  # fmt: skip
    who = user if user is not None and not isinstance(user, AnonymousUser) else origin.person
    office_name, office_area = _desk_of(who)
    kind, pk = _named(object)
    event = AuditEvent(
        at=milliseconds(timezone.now()),
        action=action,
        result=Result(result),
        user=who,
        user_name=one_line(who.full_name or who.username if who else origin.name, 80),
        office_name=one_line(office_name, 80),
        area_id=(area.pk if isinstance(area, models.Model) else area) or office_area,
        object_kind=kind,
        object_id=pk,
        facts=_plain(facts or {}),
        address=one_line(origin.address, 45),
        request_id=origin.request_id,
    )
    event.mac = mac_of(event)
    event.save(force_insert=True)
    return event


def write_many(
    action: str,
    rows: Iterable[models.Model],
    *,
    user: User | None = None,
    area: Any = None,
    **facts: Any,
) -> AuditEvent | None:
    """One event for a batch of rows of one model: how many, and a digest of their ids."""
    found = list(rows)
    if not found:
        return None
    row, ids = found[0], digest_of_ids(row.pk for row in found)
    return write(
        action, user=user, area=area, object=row if len(found) == 1 else (row._meta.label, ""),
        facts={"count": len(found), "ids_sha256": ids, **facts},
    )  # fmt: skip


def digest_of_ids(ids: Iterable[Any]) -> str:
    """SHA-256 of the sorted ids, one a line: says later whether a row was in the batch."""
    return hashlib.sha256("\n".join(sorted(map(str, ids))).encode()).hexdigest()


def one_line(text: str, limit: int) -> str:
    """TEXT without what starts a new line, moves the cursor or turns the direction; shortened."""
    return _FORGERS.sub("\ufffd", text)[:limit]


def _named(named: models.Model | tuple[str, Any] | None) -> tuple[str, str]:
    if named is None:
        return "", ""
    kind, pk = (named._meta.label, named.pk) if isinstance(named, models.Model) else named
    return one_line(kind, 40), one_line(str(pk), 40)


def _desk_of(user: User | None) -> tuple[str, str | None]:
    """Name and place of the office USER acts for; read once for each user object."""
    if user is None:
        return "", None
    known: tuple[str, str | None] | None = user.__dict__.get("_audit_desk")
    if known is None:
        found = user.offices.order_by("-area_id").values_list(
            "name", "area_id", "enterprise__authority_id"
        )
        name, area, authority = found.first() or ("", None, None)
        known = user.__dict__["_audit_desk"] = (name, area or authority)
    return known


def _plain(value: Any) -> Any:
    """JSON that both databases give back as it was. Raises TypeError."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) < 2**53:
        return int(value)
    if isinstance(value, str):
        return one_line(value, 300)
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value[:100]]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {one_line(key, 40): _plain(each) for key, each in value.items()}
    raise TypeError(f"{type(value).__name__} cannot be a fact of the audit")


def milliseconds(moment: datetime) -> datetime:
    """MOMENT without microseconds: serializers cut them, and the digest must survive that."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


# --- keyed digests ------------------------------------------------------------------------------

# What the digest of an event covers, in this order: everything but the digest and the seal.
COLUMNS = (
    "id", "at", "action", "result", "user_id", "user_name", "office_name", "area_id",
    "object_kind", "object_id", "facts", "address", "request_id",
)  # fmt: skip


def keyed(message: bytes) -> str:
    """HMAC of MESSAGE in 64 hexadecimal digits: SHA-256, or SM3 where FIELD_ALGORITHM is sm.

    The key is derived from the index key of the ring: it is not in the database, and a new data
    key does not change it.
    """
    return sealing.keys().digest(sealing.algorithm(), 0, message, KEY)


def fits(message: bytes, digest: str) -> bool:
    """Whether DIGEST is that of MESSAGE; rows from before a change of algorithm or key still fit."""
    found = digest.encode("utf-8", "surrogatepass")
    if hmac.compare_digest(keyed(message).encode(), found):
        return True
    others = sealing.keys().digests(sealing.algorithm(), message, KEY)
    return any(hmac.compare_digest(other.encode(), found) for other in others)


def message_of(values: Iterable[Any]) -> bytes:
    """The canonical form of an event: JSON of its COLUMNS, keys sorted, times in UTC."""
    return b"event\n" + json.dumps(
        [text_of(value) for value in values],
        ensure_ascii=True, sort_keys=True, separators=(",", ":"),
    ).encode()  # fmt: skip


def text_of(value: Any) -> Any:
    """VALUE as it stands in canonical JSON."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    return value if value is None or isinstance(value, dict | list | str | int) else str(value)


def mac_of(event: AuditEvent) -> str:
    """The keyed digest of EVENT."""
    return keyed(message_of(getattr(event, name) for name in COLUMNS))
