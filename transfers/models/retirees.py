"""The retired person, with the facts of the 《基本信息表》, and the index of names."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from django.db import models, transaction
from django.utils import timezone
from simple_history.models import HistoricalRecords

from transfers.choices import (
    EmploymentKind,
    InjuryGrade,
    Insurance,
    PersonnelKind,
    Residence,
    RetirementKind,
    SpecialGroup,
    SpouseStatus,
    WishAway,
    WishLocal,
)
from xianning import access, standards
from xianning.models import Record
from xianning.privacy import (
    BlindIndexField,
    EncryptedJSONField,
    EncryptedTextField,
    blind_index,
    blind_indexes,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date
    from uuid import UUID

    from xianning.models import User

# Political statuses whose holders have a Party relation to transfer (GB/T 4762).
PARTY_MEMBER = ("01", "02")
TAIL = 4  # characters of the ID number by which a desk finds a person


# Dates of which the forms know only the month; of the birth a page shows no more, because the day
# beside sex and mask would leave fewer than 1,000 numbers.
_MONTHS = {
    "birth_date",
    "work_started",
    "retired",
    "party_joined_on",
    "party_full_on",
    "party_dues_until",
}


def _codes(table: dict[str, str]) -> list[tuple[str, str]]:
    return list(table.items())


class RetireeQuerySet(models.QuerySet["Retiree"]):
    def visible_to(self, user: User) -> RetireeQuerySet:
        return self.filter(access.cases(user, "transfers__")).distinct()

    def update(self, **values: Any) -> int:
        """As ever; digests of facts that are written past `save` count no more."""
        if values.keys() & set(fact_names()):
            for name in ("facts_index", "tail_index", "phone_index"):
                values.setdefault(name, "")
        return super().update(**values)

    def with_id_number(self, id_number: str) -> RetireeQuerySet:
        """The person with this 18-character number, through the blind index."""
        return self.filter(id_index__in=blind_indexes(id_number, "id_number"))


class Retiree(Record):
    """A retired person with the facts of the 《基本信息表》."""

    name = models.CharField("姓名", max_length=50)
    sex = models.CharField("性别", max_length=1, choices=_codes(standards.SEX))
    ethnicity = models.CharField(
        "民族", max_length=2, choices=_codes(standards.ETHNICITY), default="01"
    )
    birth_date = models.DateField("出生日期")
    id_number = EncryptedTextField("公民身份号码", max_length=18)
    id_index = BlindIndexField(of="id_number", unique=True, editable=False)
    political_status = models.CharField(
        "政治面貌", max_length=2, choices=_codes(standards.POLITICAL_STATUS), default="13"
    )
    health = EncryptedTextField("健康状况", max_length=60, blank=True)
    former_employer = models.CharField("原工作单位", max_length=80, blank=True)
    former_post = models.CharField("原任职务", max_length=60, blank=True)
    personnel_kind = models.CharField("人员身份", max_length=10, choices=PersonnelKind, blank=True)
    employment_kind = models.CharField(
        "用工身份", max_length=10, choices=EmploymentKind, blank=True
    )
    work_started = models.DateField("参加工作时间", null=True, blank=True)
    retired = models.DateField("退休年月")
    retirement_kind = models.CharField(
        "退休类别", max_length=10, choices=RetirementKind, default=RetirementKind.NORMAL
    )
    archive_place = models.CharField("档案存放地点", max_length=80, blank=True)
    education = models.CharField(
        "文化程度", max_length=2, choices=_codes(standards.EDUCATION), blank=True
    )
    skills = models.CharField("特长技能", max_length=60, blank=True)
    hobbies = models.CharField("兴趣及爱好", max_length=60, blank=True)
    special_groups = EncryptedJSONField("特殊人员", default=list, blank=True)
    low_income = models.BooleanField("享受低保", null=True, blank=True)
    pension_place = models.CharField("养老保险关系所在地", max_length=60, blank=True)
    medical_place = models.CharField("医疗保险关系所在地", max_length=60, blank=True)
    insurances = models.JSONField("参保情况", default=list, blank=True)
    injury_grade = EncryptedTextField("工伤伤残等级", max_length=2, blank=True)
    injury_part = EncryptedTextField("工伤部位", max_length=40, blank=True)
    extra_benefits = models.CharField("社会保障统筹外待遇", max_length=120, blank=True)
    pension_bank = models.CharField("养老金发放银行", max_length=60, blank=True)
    certified_on = models.DateField("最近一次资格认证日期", null=True, blank=True)
    residence = models.CharField(
        "居住情况", max_length=10, choices=Residence, default=Residence.LOCAL
    )
    household_address = EncryptedTextField("户口所在地", max_length=120, blank=True)
    household_phone = EncryptedTextField("户口所在地电话", max_length=40, blank=True)
    home_address = EncryptedTextField("常住地", max_length=120, blank=True)
    home_phone = EncryptedTextField("常住地电话", max_length=40, blank=True)
    away_address = EncryptedTextField("异地居住地", max_length=120, blank=True)
    away_phone = EncryptedTextField("异地居住地电话", max_length=40, blank=True)
    spouse_name = EncryptedTextField("配偶姓名", max_length=50, blank=True)
    spouse_born = EncryptedTextField("配偶出生年月", max_length=10, blank=True)
    spouse_phone = EncryptedTextField("配偶联系电话", max_length=40, blank=True)
    spouse_employer = EncryptedTextField("配偶工作单位", max_length=80, blank=True)
    spouse_status = EncryptedTextField("配偶目前状况", max_length=15, blank=True)
    spouse_health = EncryptedTextField("配偶健康状况", max_length=60, blank=True)
    contact1_name = EncryptedTextField("第一联系人姓名", max_length=50, blank=True)
    contact1_relation = EncryptedTextField("第一联系人关系", max_length=20, blank=True)
    contact1_employer = EncryptedTextField("第一联系人工作单位", max_length=80, blank=True)
    contact1_phone = EncryptedTextField("第一联系人联系电话", max_length=40, blank=True)
    contact1_address = EncryptedTextField("第一联系人地址及邮编", max_length=120, blank=True)
    contact2_name = EncryptedTextField("第二联系人姓名", max_length=50, blank=True)
    contact2_relation = EncryptedTextField("第二联系人关系", max_length=20, blank=True)
    contact2_employer = EncryptedTextField("第二联系人工作单位", max_length=80, blank=True)
    contact2_phone = EncryptedTextField("第二联系人联系电话", max_length=40, blank=True)
    contact2_address = EncryptedTextField("第二联系人地址及邮编", max_length=120, blank=True)
    wish_local = models.CharField("本地移交", max_length=10, choices=WishLocal, blank=True)
    wish_away = models.CharField("异地移交", max_length=10, choices=WishAway, blank=True)
    party_joined_on = models.DateField("入党时间", null=True, blank=True)
    party_full_on = models.DateField("转正时间", null=True, blank=True)
    party_branch = models.CharField("原所在党组织", max_length=80, blank=True)
    party_dues_until = models.DateField("党费交至", null=True, blank=True)
    erased_at = models.DateTimeField("删除时间", null=True, blank=True, editable=False)
    facts_index = BlindIndexField(of="facts_text", blank=True, default="", editable=False)
    # For the desk alone: they find the present person, and are in no history and no export.
    tail_index = BlindIndexField(of="id_tail", blank=True, default="", editable=False)
    phone_index = BlindIndexField(of="phone_text", blank=True, default="", editable=False)
    history = HistoricalRecords(
        no_db_index=["id_index"], excluded_fields=["facts_index", "tail_index", "phone_index"]
    )

    objects = RetireeQuerySet.as_manager()

    class Meta:
        verbose_name = "退休人员"
        verbose_name_plural = "退休人员"
        indexes = [
            models.Index(fields=["tail_index"], name="retiree_tail"),
            models.Index(fields=["phone_index"], name="retiree_phone"),
        ]

    class Privacy:
        about, kept = "person", "case"
        purpose = "《基本信息表》所列事项：核定待遇、移交档案、社区接收和服务（第六条、第八条）"
        private = {
            "id_number": "id", "id_index": "hidden", "facts_index": "hidden",
            "tail_index": "hidden", "phone_index": "hidden",
            "health": "text", "special_groups": "text",
            "low_income": "text", "injury_grade": "text", "injury_part": "text",
            "household_address": "address", "household_phone": "phone",
            "home_address": "address", "home_phone": "phone",
            "away_address": "address", "away_phone": "phone",
            "spouse_name": "text", "spouse_born": "text", "spouse_phone": "phone",
            "spouse_employer": "text", "spouse_status": "text", "spouse_health": "text",
            "contact1_name": "text", "contact1_relation": "text", "contact1_employer": "text",
            "contact1_phone": "phone", "contact1_address": "address",
            "contact2_name": "text", "contact2_relation": "text", "contact2_employer": "text",
            "contact2_phone": "phone", "contact2_address": "address",
        }  # fmt: skip
        open = {
            "name", "sex", "ethnicity", "birth_date", "political_status", "former_employer",
            "former_post", "personnel_kind", "employment_kind", "work_started", "retired",
            "retirement_kind", "archive_place", "education", "skills", "hobbies",
            "pension_place", "medical_place", "insurances", "extra_benefits", "pension_bank",
            "certified_on", "residence", "wish_local", "wish_away", "party_joined_on",
            "party_full_on", "party_branch", "party_dues_until", "erased_at",
        }  # fmt: skip
        # 个人信息保护法 28 and GB/T 45574: health, hardship, identity; the rest is personal.
        sensitive = {
            "id_number", "id_index", "facts_index", "tail_index", "health", "special_groups", "low_income",
            "injury_grade",
            "injury_part", "spouse_health", "pension_bank", "political_status", "party_joined_on",
            "party_full_on", "party_branch", "party_dues_until",
        }  # fmt: skip
        # What may be shown together after one reason was given.
        groups = {
            "identity": ("身份证号", ("id_number",)),
            "contact": (
                "住址与电话",
                ("household_address", "household_phone", "home_address", "home_phone",
                 "away_address", "away_phone"),
            ),
            "health": (
                "健康与困难情况",
                ("health", "special_groups", "low_income", "injury_grade", "injury_part"),
            ),
            "family": (
                "家庭情况",
                ("spouse_name", "spouse_born", "spouse_phone", "spouse_employer",
                 "spouse_status", "spouse_health", "contact1_name", "contact1_relation",
                 "contact1_employer", "contact1_phone", "contact1_address", "contact2_name",
                 "contact2_relation", "contact2_employer", "contact2_phone",
                 "contact2_address"),
            ),
        }  # fmt: skip

    # Everything that stands on the 《基本信息表》: a change asks for a new signature.
    PRINTED = (
        "name", "sex", "ethnicity", "birth_date", "id_number", "political_status", "health",
        "former_employer", "former_post", "work_started", "retired", "retirement_kind",
        "archive_place", "education", "skills", "hobbies", "special_groups", "low_income",
        "pension_place", "medical_place", "insurances", "injury_grade", "injury_part",
        "extra_benefits", "pension_bank", "certified_on", "residence", "household_address",
        "household_phone", "home_address", "home_phone", "away_address", "away_phone",
        "spouse_name", "spouse_born", "spouse_phone", "spouse_employer", "spouse_status",
        "spouse_health", "contact1_name", "contact1_relation", "contact1_employer",
        "contact1_phone", "contact1_address", "contact2_name", "contact2_relation",
        "contact2_employer", "contact2_phone", "contact2_address", "wish_local", "wish_away",
        "party_joined_on", "party_branch", "party_dues_until",
    )  # fmt: skip

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.set_index()
        with transaction.atomic():
            super().save(*args, **kwargs)
            NameGram.rewrite([self])

    def set_index(self) -> None:
        """Recompute what is derived from the values (bulk writers call it before writing)."""
        self.id_index = blind_index(self.id_number, "id_number")
        self.facts_index = blind_index(self.facts_text, "facts_text")
        self.tail_index = blind_index(self.id_tail, "id_tail")
        self.phone_index = blind_index(self.phone_text, "phone_text")

    @property
    def facts_text(self) -> str:
        """Everything known of the person in one text; nothing of one who was erased."""
        if self.erased_at:
            return ""
        return facts_text(self.pk, {name: getattr(self, name) for name in fact_names()})

    @property
    def id_tail(self) -> str:
        """The last four of the number; nothing of one who was erased."""
        return "" if self.erased_at else self.id_number[-TAIL:]

    @property
    def phone_text(self) -> str:
        """The number to call first in digits (without one what nobody types), as `facts_text`."""
        first = self.phone.partition("、")[0]
        digits = "".join(filter(str.isdigit, first)) or str(self.pk)
        return "" if self.erased_at else digits

    @property
    def is_party_member(self) -> bool:
        return self.political_status in PARTY_MEMBER

    @property
    def phone(self) -> str:
        """The number to call first."""
        return self.home_phone or self.household_phone or self.away_phone

    @property
    def address(self) -> str:
        """Where the person lives."""
        return self.home_address or self.household_address or self.away_address

    def age(self, on: date | None = None) -> int:
        return standards.age_on(self.birth_date, on or timezone.localdate())

    def words(self, field: str) -> str:
        """The value of FIELD in words, as it is printed and shown."""
        value = getattr(self, field)
        if field == "special_groups":
            return "、".join(SpecialGroup(v).label for v in value)
        if field == "insurances":
            return "、".join(Insurance(v).label for v in value)
        if field == "injury_grade":
            return InjuryGrade(value).label if value else ""
        if field == "spouse_status":
            return SpouseStatus(value).label if value else ""
        if field == "low_income":
            return {True: "是", False: "否"}.get(value, "")
        if field in _MONTHS and value:
            return f"{value.year}年{value.month}月"
        display = getattr(self, f"get_{field}_display", None)
        return str(display() if display else "" if value is None else value)

    def fingerprint(self) -> str:
        """Keyed digest of everything that is printed on the form."""
        facts = {name: getattr(self, name) for name in self.PRINTED}
        text = json.dumps(facts, sort_keys=True, ensure_ascii=False, default=str)
        return blind_index(text, "form")


@lru_cache
def fact_names() -> tuple[str, ...]:
    """The columns that say something about a person."""
    derived = {"id", "id_index", "facts_index", "tail_index", "phone_index", "erased_at"}
    return tuple(f.name for f in Retiree._meta.concrete_fields if f.name not in derived)


def facts_text(pk: UUID, facts: Mapping[str, Any]) -> str:
    """All FACTS (by column) of the person PK in one text.

    It names the person too, so that equal facts of two people have unlike digests.
    """
    return _json([str(pk), *[facts[name] for name in fact_names()]])


_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str).encode


class NameGram(models.Model):
    """One- and two-character pieces of names: an index for two-character names on any database."""

    gram = models.CharField(max_length=2)
    retiree = models.ForeignKey(Retiree, models.CASCADE, related_name="grams")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["gram", "retiree"], name="gram_once")]

    class Privacy:
        about, kept = "person", "case"
        purpose = "按姓名查找"
        private: dict[str, str] = {}
        open = {"gram", "retiree"}

    def __str__(self) -> str:
        return self.gram

    @classmethod
    def rewrite(cls, retirees: Iterable[Retiree]) -> None:
        """Make the pieces of these people's names right."""
        people = list(retirees)
        wanted = {(gram, p.pk) for p in people for gram in standards.bigrams(p.name)}
        existing = cls.objects.filter(retiree__in=people)
        present = set(existing.values_list("gram", "retiree_id"))
        if stale := present - wanted:
            for gram, pk in stale:
                existing.filter(gram=gram, retiree_id=pk).delete()
        NameGram.objects.bulk_create(
            [NameGram(gram=gram, retiree_id=pk) for gram, pk in wanted - present], batch_size=2000
        )
