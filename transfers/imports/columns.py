"""The one column list: it recognises the headings of a workbook and writes our own template.

Columns A to AX are those of the form that the province's enterprises keep already; Xianning's own
follow. A heading is recognised by its text alone, wherever its column stands.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from openpyxl import Workbook
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.datavalidation import DataValidation

from transfers.choices import (
    EmploymentKind,
    InjuryGrade,
    PersonnelKind,
    Residence,
    RetirementKind,
    SpouseStatus,
    WishAway,
    WishLocal,
)
from xianning import standards, workbook

if TYPE_CHECKING:
    from openpyxl.worksheet.worksheet import Worksheet

# `number`: digits that a number cell may have lost; `month`: may be typed as 1965.3 in one.
Kind = Literal["text", "number", "month", "day", "choice", "area"]


@dataclass(frozen=True)
class Column:
    """One column: the field it fills, its heading, and by what other words it is known.

    Below a merged heading of GROUP the words of LEAVES are enough: 配偶情况 over 姓名.
    """

    field: str
    heading: str
    kind: Kind = "text"
    aliases: tuple[str, ...] = ()
    group: str = ""
    leaves: tuple[str, ...] = ()
    section: str = ""  # the first row of headings in the template
    width: int = 12
    hint: str = ""
    choices: tuple[str, ...] = ()


# Merged headings under which 姓名, 电话 … belong to somebody or to some place.
GROUPS: dict[str, tuple[str, ...]] = {
    "social": ("社保关系所在地", "社会保险关系所在地", "社会保险关系", "社保关系", "保险关系所在地"),
    "household": ("户口所在地", "户籍所在地", "户籍地", "户口地址", "户籍地址", "户籍"),
    "home": ("常住地", "常住地址", "现居住地", "现住址", "居住地址", "本地居住地"),
    "away": ("异地居住地", "异地居住", "异地居住地址"),
    "spouse": ("配偶情况", "配偶", "配偶信息", "配偶基本情况", "爱人情况", "爱人"),
    "contact1": ("第一联系人", "联系人", "联系人一", "联系人1", "家庭联系人", "家庭联系人一", "家庭联系人1",
                 "紧急联系人", "家庭第一联系人", "家庭其他联系人", "家庭联系人情况"),
    "contact2": ("第二联系人", "联系人二", "联系人2", "家庭联系人二", "家庭联系人2",
                 "家庭第二联系人", "其他联系人"),
    "wish": ("个人移交意愿", "移交意愿", "移交去向"),
}  # fmt: skip
# Below these even a word with a meaning of its own belongs to the column on the left.
STRONG_GROUPS = frozenset({"household", "home", "away", "contact1", "contact2"})

_NAME = ("姓名", "名字")
_PHONE = ("电话", "联系电话", "电话号码", "手机", "手机号", "手机号码", "联系方式", "固定电话")
_ADDRESS = ("详细地址及邮政编码", "详细地址及邮编", "地址及邮政编码", "地址及邮编", "详细地址",
            "地址", "住址", "家庭住址", "通讯地址")  # fmt: skip
_EMPLOYER = ("工作单位", "单位", "工作单位及职务")
_HEALTH = ("健康状况", "身体状况", "健康情况", "身体健康状况")
_BORN = ("出生年月", "出生日期", "出生时间", "出生年月日")
_RELATION = ("关系", "与本人关系", "与退休人员关系", "与联系人关系", "称谓")
_STATUS = ("目前状况", "状况", "工作状况", "就业状况", "工作状态")

_BASIC, _SOCIAL, _FAMILY, _WISH = "基本情况", "社会保障情况", "家庭情况", "个人移交意愿"
_PARTY, _OURS = "党员情况", "接收单位"


def _words(table: type) -> tuple[str, ...]:
    return tuple(str(label) for label in table.labels)  # type: ignore[attr-defined]


def _place(
    group: str, heading: str, *aliases: str, phones: tuple[str, ...] = ()
) -> tuple[Column, ...]:
    """An address and the telephone beside it."""
    rest: dict[str, Any] = {"group": group, "section": _FAMILY}
    return (
        Column(f"{group}_address", heading, aliases=aliases, leaves=_ADDRESS, width=30, **rest),
        Column(f"{group}_phone", "电话", "number", phones, leaves=_PHONE, width=15,
               hint="设为文本格式", **rest),
    )  # fmt: skip


def _contact(prefix: str) -> tuple[Column, ...]:
    rest: dict[str, Any] = {"group": prefix, "section": _FAMILY}
    return (
        Column(f"{prefix}_name", "姓名", leaves=_NAME, **rest),
        Column(f"{prefix}_relation", "关系", leaves=_RELATION, width=8, **rest),
        Column(f"{prefix}_employer", "工作单位", leaves=_EMPLOYER, width=20, **rest),
        Column(f"{prefix}_phone", "联系电话", "number", leaves=_PHONE, width=15,
               hint="设为文本格式", **rest),
        Column(f"{prefix}_address", "详细地址及邮政编码", leaves=_ADDRESS, width=30, **rest),
    )  # fmt: skip


# Wuhan's fifty columns A–AX (the first, 序号, fills nothing), in their order.
WUHAN = (
    Column("name", "姓名", aliases=("退休人员姓名", "人员姓名", "职工姓名", "名字"), section=_BASIC,
           width=11, hint="必填"),
    Column("sex", "性别", "choice", section=_BASIC, width=6, hint="可不填，按身份证号确定",
           choices=("男", "女")),
    Column("ethnicity", "民族", "choice", section=_BASIC, width=8, hint="不填为汉族"),
    Column("born", "出生年月", "month", aliases=_BORN, section=_BASIC,
           hint="可不填，按身份证号确定"),
    Column("id_number", "身份证号", "number",
           aliases=("身份证号码", "公民身份号码", "公民身份证号码", "居民身份证号码", "居民身份证号",
                    "公民身份证号", "身份证件号码", "证件号码", "证件号", "身份证", "身份号码",
                    "有效身份证件号码"),
           section=_BASIC, width=21, hint="必填，设为文本格式"),
    Column("political_status", "政治面貌", "choice", aliases=("政治面目", "党派"), section=_BASIC,
           hint="不填为群众", choices=("中共党员", "中共预备党员", "民主党派", "群众")),
    Column("health", "健康状况", aliases=_HEALTH, section=_BASIC),
    Column("former_employer", "原工作单位",
           aliases=("工作单位", "原单位", "原单位名称", "所在单位", "退休前单位", "退休前工作单位",
                    "原所在单位", "单位名称"),
           section=_BASIC, width=24),
    Column("former_post", "原任职务", aliases=("职务", "原职务", "退休前职务", "原任职务及职称", "职务职称",
                                       "岗位", "原岗位"), section=_BASIC),
    Column("work_started", "参加工作时间", "month",
           aliases=("参加工作年月", "参工时间", "工作时间", "参加工作日期"), section=_BASIC,
           hint="如 1968-09"),
    Column("retired", "退休年月", "month",
           aliases=("退休时间", "退休日期", "离退休时间", "离退休年月", "正式退休时间", "办理退休时间",
                    "批准退休时间"),
           section=_BASIC, hint="必填，如 2015-03"),
    Column("archive_place", "档案存放地点", aliases=("档案存放地", "档案所在地", "档案存放单位",
                                           "人事档案存放地点", "档案保管单位"),
           section=_BASIC, width=18),
    Column("education", "文化程度", "choice", aliases=("学历", "最高学历", "教育程度"),
           section=_BASIC, width=9),
    Column("skills", "特长技能", aliases=("特长", "技能特长", "专业特长"), section=_BASIC),
    Column("retirement_kind", "退休类别", "choice",
           aliases=("退休类型", "退休种类", "离退休类别", "退休性质", "退休方式"), section=_BASIC,
           hint="不填为正常退休", choices=_words(RetirementKind)),
    Column("hobbies", "兴趣及爱好", aliases=("兴趣爱好", "爱好"), section=_BASIC),
    Column("special_groups", "特殊人员", "choice",
           aliases=("特殊人员类别", "特殊人员类型", "特殊群体", "特殊群体类别", "特殊人群", "特殊情况"),
           section=_BASIC, width=16,
           hint="孤寡、重病、高龄、特困、独居、伤残等，几项以“、”分开"),
    Column("low_income", "是否享受低保", "choice", aliases=("低保", "是否低保", "享受低保", "低保情况",
                                                      "是否享受最低生活保障"),
           section=_SOCIAL, width=8, choices=("是", "否")),
    Column("pension_place", "养老保险", aliases=("养老保险关系所在地", "养老关系所在地",
                                              "养老保险所在地", "养老保险参保地", "养老保险缴纳地"),
           group="social", leaves=("养老保险", "养老", "基本养老保险"), section=_SOCIAL),
    Column("medical_place", "医疗保险", aliases=("医疗保险关系所在地", "医保关系所在地",
                                               "医疗保险所在地", "医保所在地", "医疗保险参保地",
                                               "医疗保险缴纳地"),
           group="social", leaves=("医疗保险", "医疗", "医保", "基本医疗保险"), section=_SOCIAL),
    Column("insurances", "参保情况", "choice", aliases=("参保险种", "社保参保情况", "参加社会保险情况"),
           section=_SOCIAL, width=18, hint="养老保险、医疗保险、工伤保险"),
    Column("injury_grade", "工伤伤残等级", "choice", aliases=("伤残等级", "工伤等级"),
           section=_SOCIAL, width=9, choices=_words(InjuryGrade)),
    Column("injury_part", "工伤部位", aliases=("伤残部位",), section=_SOCIAL),
    Column("extra_benefits", "社会保障统筹外待遇",
           aliases=("统筹外待遇", "社保统筹外待遇", "统筹外费用"), section=_SOCIAL, width=18),
    Column("residence", "居住情况", "choice", aliases=("居住类型", "居住地类别"), section=_FAMILY,
           choices=_words(Residence)),
    *_place("household", "户口所在地", "户籍所在地", "户籍地址", "户口地址", "户籍地", "户口地",
            "户口所在地详细地址"),
    *_place("home", "常住地", "常住地址", "现居住地", "现住址", "家庭住址", "居住地址", "居住地", "住址",
            "家庭地址", "家庭详细住址", "家庭现住址", "现居住地址", "居住详细地址", "常住地详细地址",
            phones=(*_PHONE, "移动电话", "本人电话", "本人手机", "本人手机号", "本人手机号码", "本人联系电话",
                    "退休人员电话", "退休人员联系电话")),
    *_place("away", "异地居住地", "异地居住地址"),
    Column("spouse_name", "姓名", group="spouse", leaves=_NAME, section=_FAMILY),
    Column("spouse_born", "出生年月", "month", group="spouse", leaves=_BORN, section=_FAMILY),
    Column("spouse_phone", "联系电话", "number", group="spouse", leaves=_PHONE, section=_FAMILY,
           width=15, hint="设为文本格式"),
    Column("spouse_employer", "工作单位", group="spouse", leaves=_EMPLOYER, section=_FAMILY,
           width=20),
    Column("spouse_status", "目前状况", "choice", group="spouse", leaves=_STATUS, section=_FAMILY,
           choices=_words(SpouseStatus)),
    Column("spouse_health", "健康状况", group="spouse", leaves=_HEALTH, section=_FAMILY),
    *_contact("contact1"),
    *_contact("contact2"),
    Column("wish_local", "本地移交", "choice", aliases=("本地移交意愿",), section=_WISH,
           choices=_words(WishLocal)),
    Column("wish_away", "异地移交", "choice", aliases=("异地移交意愿",), section=_WISH,
           choices=_words(WishAway)),
)  # fmt: skip

OURS = (
    Column("community", "接收社区", "area",
           aliases=("接收社区(村)", "移交社区", "接收街道社区", "社区", "社区名称", "接收社区名称", "所属社区",
                    "拟移交社区"),
           section=_OURS, width=28, hint="不填则按移交意愿从地址识别"),
    Column("archive_area", "档案接收地", "area", aliases=("人事档案接收地",), section=_OURS, width=14,
           hint="县（市、区）；不填为接收社区所在县"),
    Column("personnel_kind", "人员身份", "choice", aliases=("身份", "职工身份", "干部工人"),
           section=_OURS, width=8, choices=_words(PersonnelKind)),
    Column("employment_kind", "用工身份", "choice", aliases=("用工性质", "职工性质"), section=_OURS,
           width=8, hint="不填按工作表名称", choices=_words(EmploymentKind)),
    Column("pension_bank", "养老金发放银行", aliases=("养老金发放机构", "发放银行", "开户银行", "开户行"),
           section=_OURS, width=16),
    Column("certified_on", "资格认证日期", "day",
           aliases=("最近一次资格认证日期", "资格认证时间", "认证日期"), section=_OURS, width=14),
    Column("party_area", "长期居住地", "area",
           aliases=("长期居住地(街道、社区)", "党员长期居住地", "拟转入党组织所在地"), section=_PARTY,
           width=28, hint="不填为接收社区"),
    Column("party_joined_on", "入党时间", "month", aliases=("入党日期", "入党年月"),
           section=_PARTY),
    Column("party_full_on", "转正时间", "month", aliases=("转正日期", "转正年月"), section=_PARTY),
    Column("party_branch", "原所在党组织", aliases=("所在党组织", "原党组织", "党组织", "所在党支部", "党支部",
                                               "党支部名称", "党组织关系所在地"),
           section=_PARTY, width=24),
    Column("party_dues_until", "党费交至", "month", aliases=("党费交纳至", "党费缴至", "党费缴纳至",
                                                  "党费交至年月", "党费缴至年月"),
           section=_PARTY),
)  # fmt: skip

COLUMNS = (*WUHAN, *OURS)
# Stands in our rosters only: which version of the person the row was made from (`versions`).
VERSION = Column("version", "信息版本")
READ = (*COLUMNS, VERSION)
BY_FIELD = {column.field: column for column in READ}
REQUIRED = ("name", "id_number", "retired")
# Columns of other sheets and of our rosters that carry nothing to import.
IGNORED = frozenset({
    "序号", "编号", "序", "no", "年龄", "备注", "案卷编号", "状态", "移交单位", "案卷状态", "建案时间",
    "移交主体", "建案日期", "结果", "问题", "退休人员签字", "填表日期", "联系卡号", "台账号",
})  # fmt: skip

_MENDING = {
    "number": "把单元格设为“文本”格式，按证件或原件逐位重新填写。",
    "month": "写成“1965-03”的样式。",
    "day": "写成“1965-03-12”的样式。",
    "area": "写明县（市、区）、街道（乡镇）和社区（村）的全名。",
    "text": "按原件改正；过长的请删减。",
}


def mending(field: str) -> str:
    """How to put a wrong cell of FIELD right."""
    column = BY_FIELD.get(field)
    if column is None:
        return "按问题说明改正。"
    if column.choices:
        return f"可填：{'、'.join(column.choices)}。"
    return _MENDING.get(column.kind, "按问题说明改正。")


# --- the template -------------------------------------------------------------------------------

TITLE = "咸宁市国有企业退休人员社会化管理服务基本信息表"
HELP_SHEET = "填写说明"
PROBLEM_SHEET = "问题"  # at the end of the marked file
SHEETS = tuple(str(label) for label in EmploymentKind.labels)
FIRST_ROW = 9  # of data; 1-3 titles, 4-7 headings, 8 numbers of the columns
_LAST_ROW = 5000
_HELP = (
    "一人一行，从第 9 行起填写；列的次序可以变动，表头文字请勿改动。",
    "工作表“全民”“大集体”按用工身份填写。",
    "身份证号、电话所在列已设为文本格式；请勿改为数字，否则 Excel 会丢失后几位。",
    "年月写成 1965-03、1965.3 或 1965年3月 均可。",
    "必填：姓名、身份证号、退休年月。离休人员不纳入移交范围（第二条），请勿填写。",
    "特殊人员、参保情况可填几项，以“、”分开。",
    "再次导入同一人时，空白的单元格不会清除已登记的内容。",
)


def template() -> bytes:
    """The empty workbook to fill in (.xlsx)."""
    book = Workbook()
    book.remove(book.active)
    for title in SHEETS:
        _fill(book.create_sheet(title))
    _explain(book.create_sheet(HELP_SHEET))
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _fill(sheet: Worksheet) -> None:
    """Title lines, merged headings, the numbers of the columns, formats of the cells below."""
    last = len(COLUMNS) + 1
    titles = (
        TITLE,
        "（□央企  □省企  □市企  □县（市、区）企）",
        "移交单位：        企业所在地：        集团公司（一级）：",
    )
    for row, text in enumerate(titles, start=1):
        sheet.merge_cells(start_row=row, end_row=row, start_column=1, end_column=last)
        workbook.write_text(sheet.cell(row, 1), text)
        sheet.cell(row, 1).alignment = Alignment(horizontal="center" if row < 3 else "left")
    sheet.cell(1, 1).font = Font(bold=True, size=16)
    _write_headings(sheet)
    for place in range(1, last + 1):
        workbook.write_text(sheet.cell(FIRST_ROW - 1, place), str(place))
    for place, column in enumerate(COLUMNS, start=2):
        dimension = sheet.column_dimensions[get_column_letter(place)]
        dimension.width, dimension.number_format = column.width, "@"
        _offer(sheet, place, column)
    sheet.column_dimensions["A"].width = 6
    sheet.freeze_panes = sheet.cell(FIRST_ROW, 3)


def _write_headings(sheet: Worksheet) -> None:
    """Rows 4 to 7: section, group (or the heading itself, merged down), heading."""
    sheet.merge_cells("A4:A7")
    workbook.write_text(sheet["A4"], "序号")
    _merge_runs(sheet, 4, 4, [column.section for column in COLUMNS])
    _merge_runs(sheet, 5, 6, [_above(column) for column in COLUMNS])
    for place, column in enumerate(COLUMNS, start=2):
        top = 7 if _above(column) else 5
        if top < 7:
            sheet.merge_cells(start_row=top, end_row=7, start_column=place, end_column=place)
        workbook.write_text(sheet.cell(top, place), column.heading)
    line = Side(style="thin")
    for row in sheet.iter_rows(min_row=4, max_row=FIRST_ROW - 1, max_col=len(COLUMNS) + 1):
        for cell in row:
            cell.alignment = Alignment(horizontal="center", vertical="center", wrap_text=True)
            cell.border = Border(left=line, right=line, top=line, bottom=line)
            cell.fill = PatternFill("solid", fgColor="F2F2F2")
            needed = cell.column > 1 and COLUMNS[cell.column - 2].field in REQUIRED
            cell.font = Font(bold=True, color="9C0006" if needed else "000000")


def _above(column: Column) -> str:
    """The merged heading above the column's own; an address stands beside its phone, not below."""
    under = {"spouse", "contact1", "contact2", "social"}
    return GROUPS[column.group][0] if column.group in under else ""


def _merge_runs(sheet: Worksheet, top: int, bottom: int, words: list[str]) -> None:
    """Write each word once over the columns that share it."""
    start = 0
    for place in range(1, len(words) + 1):
        if place < len(words) and words[place] == words[start]:
            continue
        if words[start]:
            workbook.write_text(sheet.cell(top, start + 2), words[start])
            sheet.merge_cells(
                start_row=top, end_row=bottom, start_column=start + 2, end_column=place + 1
            )
        start = place


def _offer(sheet: Worksheet, place: int, column: Column) -> None:
    """A list to choose from, or a hint, on the cells of a column."""
    if not column.choices and not column.hint:
        return
    if column.choices and column.field not in {"political_status", "special_groups", "insurances"}:
        rule = DataValidation("list", formula1=f'"{",".join(column.choices)}"', allow_blank=True,
                              showErrorMessage=False)  # fmt: skip
    else:
        rule = DataValidation(allow_blank=True)
    if column.hint:
        rule.promptTitle, rule.prompt, rule.showInputMessage = column.heading, column.hint, True
    letter = get_column_letter(place)
    rule.add(f"{letter}{FIRST_ROW}:{letter}{_LAST_ROW}")
    sheet.add_data_validation(rule)


def _explain(sheet: Worksheet) -> None:
    """What to write where."""
    sheet.column_dimensions["A"].width = 100
    codes = (
        ("政治面貌", standards.POLITICAL_STATUS.values()),
        ("文化程度", standards.EDUCATION.values()),
        ("退休类别", map(str, RetirementKind.labels)),
    )
    lines = [f"{n}. {text}" for n, text in enumerate(_HELP, start=1)]
    lines += [f"{heading}可填：{'、'.join(words)}" for heading, words in codes]
    for number, text in enumerate(lines, start=1):
        cell = sheet.cell(number, 1)
        workbook.write_text(cell, text)
        cell.alignment = Alignment(wrap_text=True)
