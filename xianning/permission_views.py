"""Who may do what, as a page for people: made from the tables that the program itself obeys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.http import Http404
from django.shortcuts import render
from django.views.decorators.http import require_GET

from transfers.workflow import STEPS
from xianning import access, register
from xianning.downloads import XLSX, download
from xianning.roles import RIGHTS, ROLES

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

# What each URL is for, in the words of the pages.
TITLES: dict[str, str] = {
    "sign_in": "登录",
    "sign_in_code": "登录：手机动态口令",
    "sign_out": "退出",
    "setup": "设立首批管理员（凭一次性设立码）",
    "account": "我的账号",
    "second_factor": "我的账号：手机动态口令",
    "prove": "我的账号：再次验证身份",
    "alive": "我的账号：保持登录",
    "text_size": "我的账号：大字号",
    "sessions": "我的账号：登录会话",
    "sessions_end": "我的账号：结束其他登录",
    "session_end": "我的账号：结束一处登录",
    "health": "运行状态检查",
    "communities:card_check": "社区联系卡核验",
    "party:receipt": "介绍信回执页（凭回执联上的一次性回执码）",
    "home": "待办",
    "password_change": "修改密码",
    "notices": "通知",
    "notice_read": "通知：标为已读",
    "jobs": "后台任务",
    "job": "后台任务：进度",
    "job_result": "后台任务：下载结果",
    "rosters": "名册",
    "roster": "名册：查看（脱敏）",
    "roster_export": "名册：导出",
    "access_log": "个人信息访问记录",
    "audit": "审计记录：查找",
    "audit_event": "审计记录：查看一条",
    "audit_state": "审计记录：封存与校验",
    "audit_export": "审计记录：导出",
    "exports": "导出：申请和结果",
    "export": "导出：查看一件",
    "export_decide": "导出：核准大批导出",
    "leaks": "追查泄露",
    "leak_people": "追查泄露：受影响人员清单",
    "users": "账号",
    "user_add": "账号：开设",
    "user_edit": "账号：更改、停用、重置密码",
    "offices": "机构",
    "office_add": "机构：新设",
    "office_edit": "机构：更改、撤销",
    "grants": "授权",
    "grant": "授权：核准或撤回",
    "account_review": "账号清理",
    "permissions": "权限表",
    "register": "字段登记表",
    "calendar": "工作日历：查看和导入",
    "communities:areas": "行政区划",
    "communities:area_edit": "行政区划：更改",
    "communities:area_choices": "填写地址时选择社区",
    "communities:ledger": "管理台账：列表和查找",
    "communities:ledger_entry": "管理台账：查看一人",
    "communities:ledger_change": "管理台账：更改一人",
    "communities:ledger_bulk": "管理台账：成批更改",
    "communities:ledger_view_save": "管理台账：保存本人视图",
    "communities:ledger_view_drop": "管理台账：删去本人视图",
    "communities:events": "状态变动：列表（第十条）",
    "communities:event": "状态变动：查看一件",
    "communities:event_lists": "社保比对名单：上传比对",
    "communities:event_list_confirm": "社保比对名单：确认报告",
    "communities:event_list_rest": "社保比对名单：下载退回的行",
    "communities:event_list_template": "社保比对名单：模板",
    "communities:event_report": "状态变动：上报",
    "communities:day": "报到日清单",
    "communities:day_paper": "报到日清单：打印",
    "communities:card_person": "社区联系卡：一人的卡，挂失、补发、交回",
    "enterprises:editions": "国企名单：版次，哪一天的名单",
    "enterprises:edition": "国企名单：查看一版",
    "enterprises:edition_publish": "国企名单：发布新版",
    "enterprises:edition_acknowledge": "国企名单：签收一版",
    "communities:care": "走访慰问",
    "communities:care_plan": "走访慰问：走访计划",
    "communities:care_plan_set": "走访慰问：设定走访计划",
    "enterprises:agreements": "移交协议",
    "enterprises:agreement": "移交协议：一份",
    "enterprises:agreement_apply": "移交协议：申请",
    "enterprises:agreement_edit": "移交协议：更改申请",
    "enterprises:agreement_withdraw": "移交协议：撤回",
    "enterprises:agreement_answer": "移交协议：批复、退回",
    "enterprises:agreement_sign": "移交协议：登记签订",
    "enterprises:venues": "活动场所设施",
    "enterprises:venue": "活动场所设施：一项的情况",
    "enterprises:venue_add": "活动场所设施：登记",
    "enterprises:venue_edit": "活动场所设施：更改",
    "enterprises:venue_withdraw": "活动场所设施：撤回",
    "enterprises:venue_answer": "活动场所设施：接收或退回",
    "communities:care_explain": "走访慰问：特殊人员类别的认定",
    "communities:care_close": "走访慰问：办结答应的事",
    "communities:care_person": "走访慰问：一人的类别和走访记录",
    "communities:care_visit": "走访慰问：登记走访",
    "communities:funds": "经费测算",
    "transfers:overview": "总览",
    "transfers:reports": "统计月报",
    "transfers:report": "统计月报：查看已定稿的报表",
    "transfers:report_sign": "统计月报：定稿",
    "communities:fund_sheet": "经费测算：查看已定稿的表",
    "communities:fund_fix": "经费测算：定稿",
    "communities:fund_standard": "经费测算：设定人均标准",
    "communities:rehandovers": "转交其他社区：列表（第十条）",
    "communities:rehandover": "转交其他社区：查看一件",
    "communities:rehandover_propose": "转交其他社区：提出",
    "communities:rehandover_accept": "转交其他社区：接收",
    "communities:rehandover_refuse": "转交其他社区：不接收",
    "communities:rehandover_withdraw": "转交其他社区：撤回",
    "communities:event_correct": "状态变动：更正",
    "communities:event_acknowledge": "状态变动：签收",
    "communities:event_answer_many": "状态变动：成批签收",
    "communities:card_paper": "打印社区联系卡",
    "communities:desk": "社区报到：查找人员",
    "communities:check_in": "社区报到：收表发卡",
    "enterprises:list": "国有企业名单",
    "enterprises:detail": "企业：查看",
    "enterprises:add": "企业：登记",
    "enterprises:edit": "企业：更改",
    "enterprises:confirm": "企业：确认",
    "enterprises:acknowledge": "企业：签收",
    "enterprises:import": "企业名单：导入",
    "enterprises:import_detail": "企业名单：导入结果",
    "enterprises:template": "企业名单：模板",
    "archives:batches": "档案移交：批次",
    "archives:batch": "档案移交：查看一批",
    "archives:batch_paper": "档案移交：打印转递单和名册（留痕）",
    "archives:deed": "档案移交：整理、送出、查收、撤回、催办",
    "archives:pack": "档案移交：装入一批",
    "archives:loans": "档案查借阅登记",
    "archives:loan_give": "档案查借阅：登记",
    "archives:loan_back": "档案查借阅：登记归还",
    "archives:records": "其他档案移交：清单",
    "archives:records_batch": "其他档案移交：查看一份清单",
    "archives:records_paper": "其他档案移交：打印清单和交接文据（留痕）",
    "archives:records_begin": "其他档案移交：建立清单",
    "archives:records_template": "其他档案移交：导入模板",
    "archives:records_deed": "其他档案移交：填写、导入、送出、查收、撤回、催办",
    "archives:catalogue": "人事档案目录",
    "archives:catalogue_paper": "人事档案目录：打印（留痕）",
    "archives:catalogue_import": "人事档案目录：导入",
    "archives:catalogue_template": "人事档案目录：导入模板",
    "party:members": "支部党员",
    "party:member_take": "支部党员：纳入支部",
    "party:member": "支部党员：一人",
    "party:meetings": "组织生活",
    "party:meeting_add": "组织生活：登记",
    "party:meeting": "组织生活：一次",
    "party:organizations": "党组织",
    "party:organization_add": "党组织：登记",
    "party:organization": "党组织：更改、撤销",
    "party:letters": "介绍信",
    "party:letter": "介绍信：查看",
    "party:letter_receipt": "介绍信：登记回执",
    "party:letter_reissue": "介绍信：过期重新开具",
    "transfers:list": "案卷",
    "transfers:search": "案卷：按身份证号查找",
    "transfers:detail": "案卷：查看（脱敏）",
    "transfers:act": "案卷：办理",
    "transfers:send_back": "案卷：退回",
    "transfers:withdraw": "案卷：撤回",
    "transfers:bulk": "案卷：批量办理",
    "transfers:end": "案卷：终止",
    "transfers:add": "退休人员：登记",
    "transfers:edit": "退休人员：更改信息",
    "transfers:accesses": "案卷：谁看过此人信息",
    "transfers:reveal": "退休人员：查看完整信息（留痕）",
    "transfers:scan": "扫描件：查看（留痕）",
    "transfers:paper": "文书：打印（留痕）",
    "transfers:pile": "文书：成批打印（留痕）",
    "transfers:waterfall": "移交对账",
    "transfers:limits": "办理期限：设定",
    "transfers:letters": "打印文书：待打印的和移交通知书",
    "transfers:letter_issue": "移交通知书：制作",
    "transfers:letter": "移交通知书：打印（留痕）",
    "transfers:signed_piles": "签字扫描件：成批上传",
    "transfers:signed_pile": "签字扫描件：核对",
    "transfers:signed_go_on": "签字扫描件：继续读取",
    "transfers:signed_confirm": "签字扫描件：确认归入",
    "transfers:signed_page": "签字扫描件：查看一页（留痕）",
    "transfers:signed_claim": "签字扫描件：认领",
    "transfers:signed_drop": "签字扫描件：删去一页",
    "transfers:rights_list": "个人信息权利申请",
    "transfers:rights_answer": "个人信息权利申请：答复",
    "transfers:rights": "个人信息权利：登记申请",
    "transfers:rights_copy": "个人信息权利：提供副本（留痕）",
    "transfers:consent_withdraw": "单独同意：登记撤回",
    "transfers:import": "退休人员：导入",
    "transfers:import_list": "导入记录",
    "transfers:import_detail": "导入：检查和写入",
    "transfers:import_columns": "导入：核对表头",
    "transfers:template": "退休人员：导入模板",
}
_SEES = {
    "enterprise": "本单位申报的案卷",
    "authority": "主管层级在本辖区的案卷",
    "archive_area": "档案由本辖区接收的案卷",
    "community": "接收社区在本辖区的案卷",
    "party_area": "党组织关系由本辖区接收的案卷",
}


@dataclass(frozen=True)
class Line:
    """One row of the table: what it is, and a cell for each role."""

    title: str
    cells: tuple[bool, ...]
    note: str = ""


def lines_of_pages() -> list[Line]:
    """Pages that need a role, in the order of the registry; `cells` as in `ROLES`."""
    return [
        Line(TITLES[name], tuple(_may_open(rule, slug) for slug in ROLES))
        for name, rule in access.REGISTRY.items()
        if rule.who not in (access.EVERYBODY, access.SIGNED_IN) or rule.right
    ]


def _may_open(rule: access.Rule, slug: str) -> bool:
    role = ROLES[slug]
    named = rule.who in (access.EVERYBODY, access.SIGNED_IN) or slug in rule.who
    return named and (not rule.right or rule.right in role.rights)


def lines_of_steps() -> list[Line]:
    """The acts of 第六条: who does each, and who stands in for him."""
    return [
        Line(
            f"{step.number} {step.title}",
            tuple(slug == step.role or step.role in ROLES[slug].acts_as for slug in ROLES),
            step.article,
        )
        for step in STEPS.values()
    ]


@require_GET
def permissions(request: HttpRequest) -> HttpResponse:
    """Three tables: what each role sees, which acts it does, which pages it opens."""
    seen = [
        (
            role,
            [_SEES[column] for column in role.sees],
            [RIGHTS[r] for r in RIGHTS if r in role.rights],
        )
        for role in ROLES.values()
    ]
    open_to_all = [
        TITLES[name] for name, rule in access.REGISTRY.items()
        if rule.who == access.SIGNED_IN and not rule.right
    ]  # fmt: skip
    context = {
        "roles": list(ROLES.values()), "seen": seen, "steps": lines_of_steps(),
        "pages": lines_of_pages(), "open_to_all": open_to_all,
    }  # fmt: skip
    return render(request, "xianning/permissions.html", context)


@require_GET
def field_register(request: HttpRequest) -> HttpResponse:
    """What is kept about whom, why, for whom, how long; `?format=xlsx` as a file."""
    if request.GET.get("format") == "xlsx":
        return download(register.to_xlsx(), "字段登记表.xlsx", XLSX)
    level = request.GET.get("level", "")
    if level and level not in register.LEVELS:
        raise Http404
    groups: dict[str, list[register.Entry]] = {}
    for entry in register.entries():
        if not level or entry.level == level:
            groups.setdefault(entry.model, []).append(entry)
    context = {"groups": groups, "levels": list(register.LEVELS.items())}
    return render(request, "xianning/register.html", context)
