"""What people really type into a cell: each spelling is read for what it means, or refused.

The spellings were typed by hand from lists as enterprises keep them. Whatever could mean two things
is refused with a sentence: a value is never changed silently.
"""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError

from tests.workbooks import table
from transfers.imports import matching
from transfers.retiree_form import RetireeForm
from xianning import standards, workbook

FIELDS = RetireeForm.base_fields
ID = "42129919500308003X"
MARCH = "1965-03-01"
ONE, TWO = "13912345678", "13912345678、13812345678"

# field → stored → spellings of it, one by line or divided by |.
ACCEPTED: dict[str, dict[str, str]] = {
    "work_started": {MARCH: """
        1965.3|1965.03|1965. 3|1965.3.|1965年3月|1965年03月|1965 年 3 月|1965年3|1965年3月份|1965/3|1965/03
        1965/3/…|1965/3/|1965-3|1965-03|1965－03|1965—03|1965–3|1965、3|1965,3|1965，3|1965·3|1965。3
        １９６５．３|１９６５年３月|196503|19650301|1965-03-01|1965/3/12|1965.03.12|1965年3月12日|1965年3月12
        1965-03-12 00:00:00|1965/3/12 0:00|1965-03-12T00:00:00
        """,
        "1965-10-01": "1965.10|1965年10月|1965/10|196510|1965、10|1965-10-31",
        "1965-01-01": "1965.1|1965.01|1965年1月",
    },
    "certified_on": {"2026-03-12": "2026-03-12|2026.3.12|2026年3月12日|2026/3/12|20260312|２０２６－３－１２"},
    "sex": {"1": "男|男 |M|m|Ｍ|Male|男性|男同志|1|♂|男√|√男|☑男 □女|男☑女□",
            "2": "女|F|f|Ｆ|female|女性|女士|2|□男 ☑女|男（ ）女（√）"},
    "political_status": {
        "01": "党员|中共党员|中共|中国共产党|中国共产党党员|党 员|正式党员|共产党员|01|1|☑党员 □群众",
        "02": "预备|预备党员|中共预备党员|中共党员（预备）|02", "03": "团员|共青团员|共青团",
        "04": "民革|民革党员|民革会员", "12": "无党派|无党派人士",
        "13": "群众|群 众|普通群众|一般群众|非党员|13",
    },
    "id_number": {ID: """
        42129919500308003X|42129919500308003x|４２１２９９１９５００３０８００３Ｘ|421299 19500308 003X
        421299-19500308-003X|421299500308003|４２１２９９５００３０８００３|4 2 1 2 9 9 1 9 5 0 0 3 0 8 0 0 3 X
        '42129919500308003X|‘421299500308003|42129919500308003×|42129919500308003Ⅹ|42129919500308003Χ
        42129919500308003х|\u200b42129919500308003X\ufeff|\u202a42129919500308003X\u202c
        """},
    "home_phone": {
        ONE: """
        13912345678|１３９１２３４５６７８|139 1234 5678|139-1234-5678|139—1234—5678
        +86 13912345678|+8613912345678
        0086-139-1234-5678|86 139 1234 5678|（+86）139 1234 5678|'13912345678|13912345678、|13912345678。
        13912345678\u200b|13912345678/13912345678
        """,
        TWO: """
        13912345678 13812345678|13912345678/13812345678|13912345678、13812345678|13912345678，13812345678
        13912345678；13812345678|13912345678;13812345678|139 1234 5678 / 138 1234 5678
        13912345678或13812345678|13912345678 和 13812345678|+86 139-1234-5678、+86 138-1234-5678
        """,
        "0715-8255555": "0715-8255555|0715—8255555|(0715)8255555|（0715）8255555|07158255555|0715 8255555"
                        "|+86-715-8255555|０７１５－８２５５５５５",
        "027-87654321": "027-87654321|02787654321|027 8765 4321",
        "0715-8255555、13912345678": "0715-8255555/13912345678|0715 8255555 13912345678",
    },
    "special_groups": {
        "alone": "孤寡|孤寡老人|孤老|☑孤寡|孤寡☑|孤寡√|√孤寡|■孤寡|☑孤寡 □重病 □高龄|孤寡☑ 重病□"
                 "|(√)孤寡 ( )重病|孤寡（√）重病（ ）|[√]孤寡[ ]重病|【√】孤寡【 】重病",
        "ill": "重病|重症|大病|重大疾病|□孤寡 ☑重病|□孤寡√重病|✓重病|✔重病|☒重病",
        "aged": "高龄|80以上|80岁以上|80周岁以上|八十岁以上高龄|高龄（80周岁以上）|☑ 高龄",
        "hardship": "特困|特困户|特困人员|困难职工", "lives_alone": "独居|独居老人|空巢|空巢老人",
        "disabled": "伤残|残疾|残疾人|工伤|肢体残疾|二级残疾|残疾二级", "model_worker": "劳模|劳动模范|省劳模",
        "veteran": "建国前|建国前参加工作", "bereaved": "失独|失独家庭", "incapable": "失能|生活不能自理",
        "alone ill": "孤寡、重病|孤寡,重病|孤寡 重病|孤寡；重病|孤寡/重病|孤寡+重病|重病、孤寡|☑孤寡☑重病□高龄",
        "": "无|否|没有|0|□孤寡□重病□高龄□特困□独居□伤残|孤寡□ 重病□|□",
    },
    "insurances": {
        "pension medical": "养老保险☑ 医疗保险☑ 工伤保险□|养老，医疗|养老、医疗|养老+医疗|职工养老、职工医保",
        "pension medical injury": "养老保险、医疗保险、工伤保险|☑养老保险☑医疗保险☑工伤保险",
        "": "无|养老□医疗□",
    },
    "low_income": {"yes": "是|有|享受|√|☑|✓|Y|y|1|☑是 □否|是☑否□|是√|是 ☑", "": "□|□是□否",
                   "no": "否|无|没有|不享受|×|X|x|N|0|□是 ☑否|是□否☑"},
    "education": {"20": "本科|大学|大学本科|本科学历|20", "30": "大专|专科|大学专科|大专学历",
                  "41": "中专|中师",
                  "60": "高中|高中文化|高中毕业", "70": "初中|初 中|初中文化", "80": "小学|高小|完小|小学文化",
                  "90": "文盲|无|不识字"},
    "ethnicity": {"01": "汉|汉族|汉 族|01|1", "15": "土家|土家族", "06": "苗|苗族"},
    "retirement_kind": {"normal": "正常|正常退休|退休|到龄退休", "illness": "病退|因病|因病退休",
                        "special": "特殊工种|特岗|特殊工种退休", "quit": "退职", "policy": "政策性破产|破产",
                        "early": "提前退休|内退", "military": "军转|军转干部"},
    "injury_grade": {"7": "七级|7级|7 级|7|伤残七级|工伤七级", "10": "十级|10级", "": "无|否|未评级"},
    "residence": {"local": "本地|本市|本地居住", "elsewhere": "异地|外地|省外", "abroad": "出国|境外|国外"},
    "wish_local": {"household": "户口所在地|户籍地|户籍", "home": "常住地|常住|居住地",
                   "enterprise": "企业所在地"},
    "employment_kind": {"public": "全民|全民所有制|国有|固定工", "collective": "集体|大集体|厂办集体"},
    "personnel_kind": {"cadre": "干部|干 部|管理人员|专业技术人员", "worker": "工人|职工|固定工"},
    "name": {"张三": "张三|张 三|张　三|张三\u200b|\ufeff张三", "王㛃": "王㛃|王 㛃", "𠅤𬭎": "𠅤𬭎",
             "阿依古丽·买买提": "阿依古丽•买买提|阿依古丽・买买提|阿依古丽·买买提"},
}  # fmt: skip

# field → spellings that could mean two things or nothing at all.
REFUSED: dict[str, str] = {
    "work_started": "65.3|六五年三月|3/1965|03/12/1965|1965|1965年|1965.13|1965-02-30|1865.3|2165.3"
                    "|1965.3（1966.4）|Mar-65|23802",
    "certified_on": "2026.3|202603|12.3.2026",
    "sex": "男女|先生|☑男☑女|√",
    "political_status": "无|是|党|民主党派|党员/群众|中共党员（流动）|☑党员☑群众",
    "id_number": "42129919500308003|421299195003080031|42129919500308003*|4.2129919500308E+17"
                 "|421299195003080000|42129919501308003X|X2129919500308003X|42129919500308×03X"
                 "|421299500308003X|421299195003080O3X",
    "home_phone": "12345|8255555|13912345678（儿子）|139****5678|1391234567|139123456789|1.39123E+10"
                  "|13912345678.0|1391234567813812345678|13912345678、无|0715-8255555转8001|23912345678",
    "special_groups": "√|☑☑|孤寡（ ）|癌症 □孤寡 ☑重病|□孤寡 √|√孤寡 重病√|孤寡√ 重病|□√|是|有"
                      "|孤寡、钓鱼|☑孤寡、重病|重病（癌症）",
    "insurances": "√|☑|全部|养老医疗|☑养老保险 医疗保险",
    "low_income": "未知|☑是☑否|√√|不详",
    "education": "私塾三年|大专以上|不详", "ethnicity": "无|汉汉", "injury_grade": "十一级|0|7.0|☑七级☑八级",
    "retirement_kind": "离休|离休干部|在职", "residence": "老家", "wish_local": "是|√",
    "personnel_kind": "离休",
    "name": "张3|张?|张□|张*|张（三）|·张三|张三、李四|=张三",
}  # fmt: skip


def spellings(words: str) -> list[str]:
    return [word.strip("\n ") for line in words.strip().split("\n") for word in line.split("|")]


def stored(field: str, typed: str) -> str:
    """What the form stores, as text; codes of several words with blanks between."""
    value = FIELDS[field].clean(typed)
    return " ".join(value) if isinstance(value, list) else str(value)


@pytest.mark.parametrize("field", ACCEPTED)
def test_every_usual_spelling_is_read_for_what_it_means(field: str) -> None:
    wrong = []
    for expected, words in ACCEPTED[field].items():
        for typed in spellings(words):
            try:
                found = stored(field, typed)
            except ValidationError as reason:
                found = f"refused: {reason.messages}"
            if sorted(found.split()) != sorted(expected.split()):
                wrong.append((typed, expected, found))
    assert not wrong


@pytest.mark.parametrize("field", REFUSED)
def test_what_could_mean_two_things_is_refused_in_a_sentence(field: str) -> None:
    for typed in spellings(REFUSED[field]):
        with pytest.raises(ValidationError) as refused:
            assert not stored(field, typed), typed
        assert all(sentence.endswith("。") for sentence in refused.value.messages), typed


def test_the_number_of_these_tests_is_a_real_one() -> None:
    assert standards.make_id_number("421299", standards.parse_date("1950-03-08"), 1, "1") == ID


# What enterprises write above a column → the field; HEADINGS of test_imports has the first ones.
HEADINGS = {
    "name": "姓    名|姓　名|姓\r\n名|*姓名|姓名（必填）|1.姓名|＊姓名",
    "id_number": "身份证\n号码|身份证号（18位）|身份证号[文本格式]|公民身份证号|身份证件号码"
                 "|身份证号码：|身 份 证 号",
    "retired": "退休时间（年月）|批准退休时间|退休\n年月|退休年月（如2015-03）",
    "home_phone": "移动电话|本人手机|本人手机号码|退休人员电话|联系电话（手机）",
    "contact1_name": "联系人|联系人姓名|紧急联系人|第一联系人/姓名",
    "contact1_phone": "联系人电话|联系人联系电话",
    "household_address": "户籍所在地|户口地|户籍地址", "home_address": "家庭详细住址|家庭现住址|居住详细地址",
    "former_employer": "所在单位|原单位名称", "community": "社区名称|接收社区名称", "low_income": "是否低保",
    "pension_place": "养老保险参保地", "medical_place": "医疗保险参保地|医保所在地", "pension_bank": "开户行",
    "party_branch": "党支部名称", "party_dues_until": "党费交至年月", "special_groups": "特殊群体类别",
}  # fmt: skip


def test_headings_are_known_whatever_their_spelling() -> None:
    wrong = []
    for field, words in HEADINGS.items():
        for word in words.split("|"):
            others = [w for w in ("姓名", "身份证号") if field not in ("name", "id_number")]
            others = others or ["身份证号" if field == "name" else "姓名"]
            [sheet] = workbook.read(table([*others, word], ["a", "b", "c"]))
            found = matching.find(sheet)
            if found is None or field not in found.headings:
                wrong.append((field, word))
    assert not wrong
