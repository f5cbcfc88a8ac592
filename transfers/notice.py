"""《个人信息告知书》 and 单独同意: what a person is told before the enterprise hands his data on.

个人信息保护法 17 (what to tell), 23 and 29 (separate consent to handing on and to sensitive data),
30 (why it is needed and what it means for him). A changed text is a new VERSION; what somebody
signed keeps the version that he signed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from django.conf import settings

from xianning import pdf
from xianning.models import Office

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transfers.models import Transfer

VERSION = "2026-11-23"


def number() -> int:
    """The version as its code names it: digits only."""
    return int(VERSION.replace("-", ""))


class Section(NamedTuple):
    """A numbered paragraph of the notice."""

    title: str
    text: str

    @property
    def number(self) -> str:
        """Its number in the order of official letters (GB/T 9704): 一、 二、"""
        return "一二三四五六七八九十"[sections().index(self)]


def sections() -> list[Section]:
    """What 第十七条 of the law asks for, in its order."""
    return [
        Section("谁处理您的信息", "移交单位、同级国资部门、人力资源社会保障部门、社会保险经办机构、"
                "接收您的街道（乡镇）和社区（村）；您是中共党员的，还有接收组织关系的党组织。"),
        Section("为什么处理", "依照《咸宁市国有企业退休人员社会化管理移交管理暂行办法》第五条、第六条和第八条，"
                "核定退休待遇、移交人事档案、办理社区接收、转接党员组织关系，并为您提供服务。"),
        Section("处理哪些信息", "《基本信息表》所列事项。其中健康状况、特殊人员情况、工伤伤残、"
                "身份证号码等属于敏感个人信息。"),
        Section("为什么需要敏感信息", "用于确认身份和落实第八条规定的照顾。缺少这些信息，"
                "可能无法及时向您提供相应服务，但不影响您的退休待遇。"),
        Section("怎样保护", "加密保存，平时脱敏显示；查看须写明理由并留痕；只有办理您事项的单位能够看到。"),
        Section("保存多久", f"移交办结或终止后保存 {settings.RETENTION_YEARS} 年，期满删除；"
                "人事档案按档案管理规定保存。"),
        Section("您的权利", "您可以查阅、复制、更正、补充个人信息，要求解释和依法删除，撤回单独同意；"
                "撤回不影响撤回前的处理。请向接收您的社区或移交单位提出。本人去世后，近亲属可以行使这些权利。"),
    ]  # fmt: skip


def privacy_notice(case: Transfer) -> pdf.Pdf:
    """The notice with the slip of consent, both sides of an A4 sheet."""
    return privacy_notices([case])


def privacy_notices(cases: Sequence[Transfer]) -> pdf.Pdf:
    """The notices of CASES, a sheet each."""
    offices = Office.objects.filter(
        role="enterprise", enterprise__in={case.enterprise_id for case in cases}
    )
    senders = {office.enterprise_id: office for office in offices.order_by("-pk")}
    sheets = [
        {"case": case, "sender": senders.get(case.enterprise_id),
         "code": pdf.mark("NOTICE", case.pk, number())}
        for case in cases
    ]  # fmt: skip
    context = {"sheets": sheets, "sections": sections(), "version": VERSION}
    return pdf.render("print/privacy_notice.html", context)
