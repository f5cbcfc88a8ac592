"""The retiree, the case, its steps and what happened in them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models, transaction
from django.db.models import Exists, OuterRef, Q
from django.urls import reverse
from django.utils import timezone
from simple_history.models import HistoricalRecords

from transfers.choices import (
    EmploymentKind,
    EndReason,
    InjuryGrade,
    Insurance,
    PersonnelKind,
    Residence,
    RetirementKind,
    ReturnReason,
    SpecialGroup,
    SpouseStatus,
    WishAway,
    WishLocal,
)
from xianning import access, standards
from xianning.models import Record
from xianning.privacy import BlindIndexField, EncryptedJSONField, EncryptedTextField, blind_index

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from xianning.models import User

# Political statuses whose holders have a Party relation to transfer (GB/T 4762).
PARTY_MEMBER = ("01", "02")


# Dates of which the forms know only the month.
_MONTHS = {"work_started", "retired", "party_joined_on", "party_full_on", "party_dues_until"}


def _codes(table: dict[str, str]) -> list[tuple[str, str]]:
    return list(table.items())


class RetireeQuerySet(models.QuerySet["Retiree"]):
    def visible_to(self, user: User) -> RetireeQuerySet:
        return self.filter(access.cases(user, "transfers__")).distinct()

    def with_id_number(self, id_number: str) -> RetireeQuerySet:
        """The person with this 18-character number, through the blind index."""
        return self.filter(id_index=blind_index(id_number, "id_number"))


class Retiree(Record):
    """A retired person with the facts of the 《基本信息表》."""

    name = models.CharField("姓名", max_length=50)
    sex = models.CharField("性别", max_length=1, choices=_codes(standards.SEX))
    ethnicity = models.CharField(
        "民族", max_length=2, choices=_codes(standards.ETHNICITY), default="01"
    )
    birth_date = models.DateField("出生日期")
    id_number = EncryptedTextField("公民身份号码", max_length=18)
    id_index = BlindIndexField(unique=True, editable=False)
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
    history = HistoricalRecords()

    objects = RetireeQuerySet.as_manager()

    class Meta:
        verbose_name = "退休人员"
        verbose_name_plural = "退休人员"

    class Privacy:
        private = {
            "id_number": "id", "id_index": "hidden", "health": "text", "special_groups": "text",
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
        """Recompute what is derived from the number (bulk writers call it before writing)."""
        self.id_index = blind_index(self.id_number, "id_number")

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


class NameGram(models.Model):
    """One- and two-character pieces of names: an index for two-character names on any database."""

    gram = models.CharField(max_length=2)
    retiree = models.ForeignKey(Retiree, models.CASCADE, related_name="grams")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["gram", "retiree"], name="gram_once")]

    class Privacy:
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


class TransferQuerySet(models.QuerySet["Transfer"]):
    def visible_to(self, user: User) -> TransferQuerySet:
        """The cases of my enterprises and those whose desk lies in my area (the only door)."""
        return self.filter(access.cases(user))

    def named(self, text: str) -> TransferQuerySet:
        """People whose name contains TEXT, found through the index of name pieces."""
        pieces = standards.bigrams(text)
        longest = {p for p in pieces if len(p) == min(2, len(text))}
        rows = self
        for piece in sorted(longest):
            rows = rows.filter(
                Exists(NameGram.objects.filter(gram=piece, retiree=OuterRef("retiree")))
            )
        return rows.filter(retiree__name__contains=text) if len(text) > 2 else rows

    def with_id_number(self, id_number: str) -> TransferQuerySet:
        return self.filter(retiree__id_index=blind_index(id_number, "id_number"))


class Transfer(Record):
    """A case: one retiree on the way from one enterprise to one community.

    The desks of 第五条 are columns, because scope must be found by an index: `enterprise` files,
    `authority` is the area whose SASAC lists the enterprise and whose HR verifies the treatment,
    `archive_area` the social-insurance agency, `community` the receiver of 第六条第5项, and
    `party_area` the Party organisation of long-term residence (empty for non-members).
    """

    class State(models.TextChoices):
        OPEN = "open", "办理中"
        DONE = "done", "已完成移交"
        ENDED = "ended", "已终止"

    number = models.CharField("案卷编号", max_length=20, unique=True)
    retiree = models.ForeignKey(
        Retiree, models.PROTECT, related_name="transfers", verbose_name="退休人员"
    )
    enterprise = models.ForeignKey(
        "enterprises.Enterprise", models.PROTECT, related_name="transfers", verbose_name="移交单位"
    )
    authority = models.ForeignKey(
        "communities.Area", models.PROTECT, related_name="+", verbose_name="主管层级"
    )
    community = models.ForeignKey(
        "communities.Area", models.PROTECT, null=True, blank=True, related_name="+",
        verbose_name="接收社区",
    )  # fmt: skip
    archive_area = models.ForeignKey(
        "communities.Area", models.PROTECT, null=True, blank=True, related_name="+",
        verbose_name="档案接收地",
    )  # fmt: skip
    party_area = models.ForeignKey(
        "communities.Area", models.PROTECT, null=True, blank=True, related_name="+",
        verbose_name="长期居住地党组织",
    )  # fmt: skip
    state = models.CharField("状态", max_length=6, choices=State, default=State.OPEN)
    form_version = models.PositiveSmallIntegerField("表格版本", default=1)
    treatment_verified_on = models.DateField("待遇核定日期", null=True, blank=True)
    treatment_document = models.CharField("待遇核定文号", max_length=60, blank=True)
    pension_from = models.DateField("待遇领取起始年月", null=True, blank=True)
    pension_agency = models.CharField("待遇核定机构", max_length=80, blank=True)
    batch = models.ForeignKey(
        "transfers.ImportBatch", models.PROTECT, null=True, blank=True, verbose_name="导入批次"
    )
    filed_at = models.DateTimeField("建案时间", default=timezone.now)
    filed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name="建案人"
    )
    closed_at = models.DateTimeField("办结时间", null=True, blank=True)
    history = HistoricalRecords()

    objects = TransferQuerySet.as_manager()

    class Meta:
        verbose_name = "案卷"
        verbose_name_plural = "案卷"
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["enterprise", "-id"], name="transfer_enterprise"),
            models.Index(fields=["authority", "-id"], name="transfer_authority"),
            models.Index(fields=["community", "-id"], name="transfer_community"),
            models.Index(fields=["archive_area", "-id"], name="transfer_archive"),
            models.Index(
                fields=["party_area", "-id"],
                name="transfer_party",
                condition=Q(party_area__isnull=False),
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["retiree"], name="transfer_one_per_retiree", condition=~Q(state="ended")
            ),
            models.CheckConstraint(
                name="transfer_closed_when_over",
                condition=Q(state="open", closed_at=None)
                | Q(state__in=("done", "ended"), closed_at__isnull=False),
            ),
        ]

    class Privacy:
        private: dict[str, str] = {}
        open = {
            "number", "retiree", "enterprise", "authority", "community", "archive_area",
            "party_area", "state", "form_version", "treatment_verified_on",
            "treatment_document", "pension_from", "pension_agency", "batch", "filed_at",
            "filed_by", "closed_at",
        }  # fmt: skip

    def __str__(self) -> str:
        return f"{self.number} {self.retiree.name}"

    def get_absolute_url(self) -> str:
        return reverse("transfers:detail", args=[self.pk])

    @property
    def valid_form(self) -> SignedForm | None:
        """The signed form that still agrees with the data."""
        return self.forms.filter(invalid_since=None).first()

    def fingerprint(self) -> str:
        """Keyed digest of everything that stands on the form: the person and the receivers."""
        receivers = f"{self.community_id}|{self.party_area_id}"
        return blind_index(self.retiree.fingerprint() + receivers, "form")

    def record_treatment(
        self, *, by: User, verified_on: date, document: str, pension_from: date
    ) -> str:
        """第六条第2项: what HR verified (saved with the case by the workflow)."""
        self.treatment_verified_on, self.treatment_document = verified_on, document
        self.pension_from = pension_from
        self.pension_agency = f"{self.authority.name}人社部门"
        return f"自 {pension_from:%Y-%m} 起领取养老金"


class TransferStep(models.Model):
    """Where one step of one case stands. Written by `transfers.workflow` and by nothing else."""

    class State(models.TextChoices):
        BLOCKED = "blocked", "未到"
        OPEN = "open", "待办"
        DONE = "done", "已办"
        SKIPPED = "skipped", "不适用"

    transfer = models.ForeignKey(Transfer, models.CASCADE, related_name="steps")
    step = models.CharField("步骤", max_length=12)
    role = models.CharField(max_length=20)
    area = models.ForeignKey("communities.Area", models.PROTECT, null=True)
    enterprise = models.ForeignKey("enterprises.Enterprise", models.PROTECT, null=True)
    state = models.CharField("状态", max_length=8, choices=State)
    returned = models.BooleanField("被退回", default=False)
    opened_at = models.DateTimeField("转入时间", null=True)
    done_at = models.DateTimeField("办结时间", null=True)
    done_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    done_office = models.ForeignKey("xianning.Office", models.PROTECT, null=True, related_name="+")

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(
                fields=["step", "area", "opened_at", "transfer"], name="step_waiting_area",
                condition=Q(state="open", area__isnull=False),
            ),
            models.Index(
                fields=["enterprise", "step", "opened_at", "transfer"], name="step_waiting_enterprise",
                condition=Q(state="open", enterprise__isnull=False),
            ),
        ]  # fmt: skip
        constraints = [
            models.UniqueConstraint(fields=["transfer", "step"], name="step_once"),
            models.CheckConstraint(
                name="step_done_by_somebody",
                condition=Q(state="done", done_at__isnull=False, done_by__isnull=False)
                | (~Q(state="done") & Q(done_at=None, done_by=None, done_office=None)),
            ),
            models.CheckConstraint(
                name="step_open_since",
                condition=~Q(state="open") | Q(opened_at__isnull=False),
            ),
        ]

    class Privacy:
        private: dict[str, str] = {}
        open = {
            "transfer", "step", "role", "area", "enterprise", "state", "returned", "opened_at",
            "done_at", "done_by", "done_office",
        }  # fmt: skip

    def __str__(self) -> str:
        return f"{self.step}: {self.get_state_display()}"


class StepEvent(Record):
    """What happened in the procedure: who, for which office, when, what, why. Never changed."""

    class Verb(models.TextChoices):
        START = "start", "建案"
        COMPLETE = "complete", "办结"
        SEND_BACK = "send_back", "退回"
        WITHDRAW = "withdraw", "撤回"
        AMEND = "amend", "更改信息"
        INVALIDATE = "invalidate", "签字失效"
        END = "end", "终止"

    transfer = models.ForeignKey(Transfer, models.PROTECT, related_name="events")
    step = models.CharField(max_length=12)
    verb = models.CharField(max_length=10, choices=Verb)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    office = models.ForeignKey("xianning.Office", models.PROTECT, null=True, related_name="+")
    at = models.DateTimeField(default=timezone.now)
    code = models.CharField(max_length=12, blank=True)
    reason = models.CharField(max_length=300, blank=True)
    note = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["transfer", "id"], name="event_transfer")]
        constraints = [
            models.CheckConstraint(
                name="event_return_has_reason",
                condition=~Q(verb__in=("send_back", "withdraw", "end"))
                | (~Q(code="") & ~Q(reason="")),
            ),
        ]

    class Privacy:
        private: dict[str, str] = {}
        open = {"transfer", "step", "verb", "by", "office", "at", "code", "reason", "note"}

    def __str__(self) -> str:
        return f"{self.get_verb_display()} {self.step}"

    @property
    def code_label(self) -> str:
        labels = dict(ReturnReason.choices) | dict(EndReason.choices)
        return str(labels.get(self.code, self.code))


class ScanQuerySet(models.QuerySet["Scan"]):
    def visible_to(self, user: User) -> ScanQuerySet:
        return self.filter(access.cases(user, "transfer__"))


class Scan(Record):
    """An uploaded scan, stored encrypted under a random name outside the web root."""

    transfer = models.ForeignKey(Transfer, models.PROTECT, related_name="scans")
    title = models.CharField("名称", max_length=80)
    file = models.CharField(max_length=100)  # random name below MEDIA_ROOT/scans
    original_name = models.CharField("文件名", max_length=120)
    content_type = models.CharField(max_length=40)
    size = models.PositiveIntegerField("大小（字节）")
    sha256 = models.CharField("SHA-256", max_length=64)
    uploaded_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    uploaded_at = models.DateTimeField("上传时间", default=timezone.now)

    objects = ScanQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        verbose_name = "扫描件"
        verbose_name_plural = "扫描件"

    class Privacy:
        private: dict[str, str] = {}
        open = {
            "transfer", "title", "file", "original_name", "content_type", "size", "sha256",
            "uploaded_by", "uploaded_at",
        }  # fmt: skip

    def __str__(self) -> str:
        return self.title


class SignedForm(Record):
    """第六条第3项: a version of the form, signed by the retiree and the clerk, and sealed."""

    transfer = models.ForeignKey(Transfer, models.PROTECT, related_name="forms")
    version = models.PositiveSmallIntegerField("版本")
    fingerprint = models.CharField(max_length=64)
    scan = models.OneToOneField(Scan, models.PROTECT, related_name="form", verbose_name="扫描件")
    signed_on = models.DateField("签字日期")
    clerk = models.CharField("企业经办人", max_length=50)
    invalid_since = models.DateTimeField("失效时间", null=True, blank=True)
    invalid_reason = models.CharField("失效原因", max_length=200, blank=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = "签字表格"
        verbose_name_plural = "签字表格"
        constraints = [
            models.UniqueConstraint(
                fields=["transfer"], name="form_one_valid", condition=Q(invalid_since=None)
            ),
        ]

    class Privacy:
        private: dict[str, str] = {}
        open = {
            "transfer", "version", "fingerprint", "scan", "signed_on", "clerk", "invalid_since",
            "invalid_reason",
        }  # fmt: skip

    def __str__(self) -> str:
        return f"第 {self.version} 版"

    @classmethod
    def sign(
        cls, case: Transfer, *, by: User, scan: dict[str, Any], signed_on: date, clerk: str,
        version: int, **ticks: bool,
    ) -> str:  # fmt: skip
        """Freeze the present version with its scan. TICKS are what the clerk vouched for."""
        stored = Scan.objects.create(
            transfer=case, title=f"《基本信息表》第 {version} 版", file=scan["file"],
            original_name=scan["name"], content_type=scan["type"], size=scan["size"],
            sha256=scan["sha256"], uploaded_by=by,
        )  # fmt: skip
        cls.objects.create(
            transfer=case, version=version, fingerprint=case.fingerprint(), scan=stored,
            signed_on=signed_on, clerk=clerk,
        )  # fmt: skip
        return f"第 {version} 版，{signed_on:%Y-%m-%d} 签字"

    @classmethod
    def unsign(cls, case: Transfer, *, by: User, reason: str) -> None:
        """The signature no longer holds; the paper stays in the record."""
        for form in cls.objects.filter(transfer=case, invalid_since=None):
            form.invalid_since, form.invalid_reason = timezone.now(), reason[:200]
            form.save()


class ImportBatchQuerySet(models.QuerySet["ImportBatch"]):
    def visible_to(self, user: User) -> ImportBatchQuerySet:
        return self.filter(enterprise_id__in=access.scope(user).enterprises)


class ImportBatch(Record):
    """An uploaded workbook on its way: read, checked, shown, then written or dropped."""

    class State(models.TextChoices):
        READING = "reading", "正在检查"
        CHECKED = "checked", "待确认"
        WRITING = "writing", "正在写入"
        DONE = "done", "已导入"
        DROPPED = "dropped", "已放弃"
        FAILED = "failed", "未成功"

    enterprise = models.ForeignKey(
        "enterprises.Enterprise", models.PROTECT, verbose_name="移交单位"
    )
    uploaded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name="上传人"
    )
    uploaded_at = models.DateTimeField("上传时间", default=timezone.now)
    file_name = models.CharField("文件", max_length=120)
    sha256 = models.CharField(max_length=64)
    file = models.CharField(max_length=100, blank=True)  # encrypted, removed once decided
    state = models.CharField("状态", max_length=10, choices=State, default=State.READING)
    report = EncryptedJSONField(default=dict)  # {rows, new, updated, unchanged, errors, warnings}
    message = models.CharField(max_length=300, blank=True)
    job = models.ForeignKey("xianning.Job", models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField("确认时间", null=True)

    objects = ImportBatchQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        verbose_name = "导入批次"
        verbose_name_plural = "导入批次"
        indexes = [models.Index(fields=["enterprise", "-id"], name="batch_enterprise")]

    class Privacy:
        private = {"report": "hidden"}
        open = {
            "enterprise", "uploaded_by", "uploaded_at", "file_name", "sha256", "file", "state",
            "message", "job", "decided_at",
        }  # fmt: skip

    def __str__(self) -> str:
        return self.file_name

    def get_absolute_url(self) -> str:
        return reverse("transfers:import_detail", args=[self.pk])
