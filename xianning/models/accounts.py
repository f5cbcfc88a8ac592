"""People, the offices they act for, their sessions and second factors."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractUser, Group
from django.db import models, transaction
from django.db.models import F, Q
from django.utils import timezone
from django_otp.models import Device, ThrottlingMixin
from django_otp.oath import TOTP
from guardian.shortcuts import assign_perm, remove_perm
from simple_history.models import HistoricalRecords

from xianning import access
from xianning.models.base import Record, Traced, new_id
from xianning.privacy import EncryptedTextField
from xianning.roles import ROLES, permission, why_not_together


class GrantRefused(Exception):
    """A grant that may not be asked for or decided; the text is a sentence for the user."""


class User(Traced, AbstractUser):  # type: ignore[django-manager-missing]  # otp is untyped
    """A person with an account. What he may do comes from the offices he belongs to."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    full_name = models.CharField("姓名", max_length=50)
    first_name = None  # type: ignore[assignment]
    last_name = None  # type: ignore[assignment]
    offices = models.ManyToManyField(
        "xianning.Office",
        through="xianning.Membership",
        through_fields=("user", "office"),
        related_name="users",
        verbose_name="机构",
    )
    must_change_password = models.BooleanField("首次登录须改密码", default=False)
    password_changed_at = models.DateTimeField("密码修改时间", default=timezone.now)
    large_type = models.BooleanField("大字号", default=False)
    history = HistoricalRecords(excluded_fields=["password", "last_login"])
    _password: str | None  # Django's: what set_password was given, until it is saved

    class Meta:
        verbose_name = "用户"
        verbose_name_plural = "用户"

    class Privacy:
        about, kept = "staff", "account"
        purpose = "识别办理人员，落实谁办理谁负责（第十一条）"
        private: dict[str, str] = {}
        open = {
            "username", "full_name", "email", "password", "last_login", "is_superuser", "is_staff",
            "is_active", "date_joined", "must_change_password", "password_changed_at",
            "large_type",
        }  # fmt: skip

    def __str__(self) -> str:
        return self.full_name or self.username

    def get_full_name(self) -> str:
        return self.full_name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """The time of a new password is saved with it, also into the history."""
        if self._password is not None:  # a new one; the same one hashed anew leaves nothing here
            self.password_changed_at = timezone.now()
            if kwargs.get("update_fields") is not None:
                kwargs["update_fields"] = {*kwargs["update_fields"], "password_changed_at"}
        super().save(*args, **kwargs)

    def roles_held(self) -> set[str]:
        """Slugs of the roles of the offices this user acts for."""
        return set(Office.objects.filter(membership__user=self).values_list("role", flat=True))


class OfficeQuerySet(models.QuerySet["Office"]):
    def visible_to(self, user: User) -> OfficeQuerySet:
        """Administrators of system and security keep the offices inside their area."""
        held = access.scope(user).areas
        mine = held.get("system_admin", frozenset()) | held.get("security_admin", frozenset())
        return self.filter(
            access.within("area_id", mine) | access.within("enterprise__authority_id", mine)
        )

    def at_desk(self, role: str, *, area_id: str | None, enterprise_id: Any) -> OfficeQuerySet:
        """The offices that may act at a desk, the one at the desk's own place first."""
        if ROLES[role].place == "enterprise":
            return self.filter(role=role, enterprise_id=enterprise_id)
        places = access.ancestors_of(area_id or "") if ROLES[role].acts_below else [area_id]
        return self.filter(role=role, area_id__in=places).order_by("-area_id")


class Office(Record):
    """A body that takes part: one role at one place, with the name and address on its papers."""

    role = models.CharField(
        "职责", max_length=20, choices=[(r.slug, r.name) for r in ROLES.values()]
    )
    name = models.CharField("机构名称", max_length=80)
    area = models.ForeignKey(
        "communities.Area", models.PROTECT, null=True, blank=True, verbose_name="辖区"
    )
    enterprise = models.ForeignKey(
        "enterprises.Enterprise", models.PROTECT, null=True, blank=True, verbose_name="移交单位",
        related_name="offices",
    )  # fmt: skip
    address = models.CharField("地址", max_length=120, blank=True)
    postcode = models.CharField("邮政编码", max_length=6, blank=True)
    phone = models.CharField("联系电话", max_length=40, blank=True)
    fax = models.CharField("传真", max_length=40, blank=True)
    contact = models.CharField("联系人", max_length=50, blank=True)
    closed_on = models.DateField("撤销日期", null=True, blank=True)
    history = HistoricalRecords()

    objects = OfficeQuerySet.as_manager()

    class Meta:
        verbose_name = "机构"
        verbose_name_plural = "机构"
        ordering = ["role", "name"]
        constraints = [
            models.UniqueConstraint(
                fields=["role", "area", "name"], name="office_once", condition=Q(enterprise=None)
            ),
            models.UniqueConstraint(
                fields=["role", "enterprise", "name"],
                name="office_once_at_enterprise",
                condition=Q(area=None),
            ),
            models.CheckConstraint(
                name="office_has_one_place",
                condition=Q(role="enterprise", enterprise__isnull=False, area__isnull=True)
                | (~Q(role="enterprise") & Q(enterprise__isnull=True, area__isnull=False)),
            ),
        ]

    class Privacy:
        about, kept = "office", "permanent"
        purpose = "确定各单位的职责和辖区（第四条、第五条）"
        private: dict[str, str] = {}
        open = {
            "role", "name", "area", "enterprise", "address", "postcode", "phone", "fax",
            "contact", "closed_on",
        }  # fmt: skip

    def __str__(self) -> str:
        return self.name

    @property
    def place(self) -> Any:
        """The Area or Enterprise at which the role holds."""
        return self.enterprise if ROLES[self.role].place == "enterprise" else self.area

    @transaction.atomic
    def admit(self, user: User, *, by: User | None = None) -> Membership:
        """Let USER act for this office from now on. The only giver of groups and permissions.

        Raises GrantRefused when a role of his excludes this one (a trigger says so too).
        """
        User.objects.select_for_update().get(pk=user.pk)
        if refusal := why_not_together(user.roles_held(), self.role):
            raise GrantRefused(refusal)
        membership, is_new = Membership.objects.get_or_create(
            user=user, office=self, defaults={"added_by": by}
        )
        user.groups.add(Group.objects.get(name=self.role))
        assign_perm(permission(self.role), user, self.place)
        self._forget(user)
        if is_new:
            self._tell_audit("admitted", user, by)
        return membership

    @transaction.atomic
    def dismiss(self, user: User) -> None:
        """End USER's part in this office; what another office of his gives stays."""
        Membership.objects.filter(user=user, office=self).delete()
        others = Office.objects.filter(membership__user=user, role=self.role)
        if not others.filter(area=self.area, enterprise=self.enterprise).exists():
            remove_perm(permission(self.role), user, self.place)
        if not others.exists():
            user.groups.remove(Group.objects.get(name=self.role))
        self._forget(user)
        self._tell_audit("dismissed", user, None)

    def _forget(self, user: User) -> None:
        """What was read of USER's offices before is no longer so."""
        for name in ("_scope", "_audit_desk"):
            user.__dict__.pop(name, None)

    def _tell_audit(self, action: str, user: User, by: User | None) -> None:
        from xianning import audit  # the audit is written with these models

        audit.write(
            action, user=by, object=user, area=self.area_id,
            facts={"office": str(self.pk), "role": self.role},
        )  # fmt: skip


class Membership(Traced):
    """A user belongs to an office."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)
    office = models.ForeignKey(Office, models.PROTECT)
    added_at = models.DateTimeField(auto_now_add=True)
    added_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    history = HistoricalRecords()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "office"], name="membership_once")]

    class Privacy:
        about, kept = "staff", "account"
        purpose = "确定人员代表哪个机构办事"
        private: dict[str, str] = {}
        open = {"user", "office", "added_at", "added_by"}

    def __str__(self) -> str:
        return f"{self.user}（{self.office}）"


class GrantQuerySet(models.QuerySet["Grant"]):
    def visible_to(self, user: User) -> GrantQuerySet:
        """The two administrators who ask and decide, inside their area."""
        held = access.scope(user).areas
        mine = held.get("system_admin", frozenset()) | held.get("security_admin", frozenset())
        return self.filter(
            access.within("office__area_id", mine)
            | access.within("office__enterprise__authority_id", mine)
        )

    def waiting(self) -> GrantQuerySet:
        return self.filter(state=Grant.State.ASKED)


class Grant(Record):
    """A wish to let a user act for an office: asked by one administrator, decided by another."""

    class State(models.TextChoices):
        ASKED = "asked", "待核准"
        APPROVED = "approved", "已核准"
        REFUSED = "refused", "不予核准"
        WITHDRAWN = "withdrawn", "已撤回"

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="grants", verbose_name="人员"
    )
    office = models.ForeignKey(Office, models.PROTECT, verbose_name="机构")
    reason = models.CharField("理由", max_length=200)
    state = models.CharField("状态", max_length=10, choices=State, default=State.ASKED)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name="申请人"
    )
    asked_at = models.DateTimeField("申请时间", default=timezone.now)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", verbose_name="核准人"
    )
    decided_at = models.DateTimeField("核准时间", null=True)
    answer = models.CharField("核准意见", max_length=200, blank=True)
    history = HistoricalRecords()

    objects = GrantQuerySet.as_manager()

    class Meta:
        verbose_name = "授权申请"
        verbose_name_plural = "授权申请"
        ordering = ["-id"]
        indexes = [models.Index(fields=["state", "-id"], name="grant_state")]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "office"], name="grant_one_waiting", condition=Q(state="asked")
            ),
            # 等保 L3-CES1-08: nobody decides what he asked for, and nobody decides about himself.
            models.CheckConstraint(
                name="grant_second_person",
                condition=Q(decided_by=None)
                | (~Q(decided_by=F("asked_by")) & ~Q(decided_by=F("user"))),
            ),
        ]

    class Privacy:
        about, kept = "staff", "audit"
        purpose = "授权须由第二人核准"
        private: dict[str, str] = {}
        open = {
            "user", "office", "reason", "state", "asked_by", "asked_at", "decided_by",
            "decided_at", "answer",
        }  # fmt: skip

    def __str__(self) -> str:
        return f"{self.user}：{self.office}"

    @classmethod
    def why_not_ask(cls, user: User, office: Office, *, by: User) -> str | None:
        """Why BY cannot ask to let USER act for OFFICE, as a sentence; None when he can."""
        if user == by:
            return "不能为自己申请授权，请由另一名系统管理员办理。"
        if office.closed_on:
            return f"{office}已撤销。"
        if office.users.filter(pk=user.pk).exists():
            return f"{user}已在{office}。"
        waiting = cls.objects.waiting().filter(user=user).select_related("office")
        if any(grant.office_id == office.pk for grant in waiting):
            return f"{user}加入{office}的申请正等待核准。"
        return why_not_together(
            {*user.roles_held(), *(g.office.role for g in waiting)}, office.role
        )

    @classmethod
    @transaction.atomic
    def ask(cls, user: User, office: Office, *, by: User, reason: str) -> Grant:
        """Ask the security administrator. Raises GrantRefused."""
        user = User.objects.select_for_update().get(pk=user.pk)
        if refusal := cls.why_not_ask(user, office, by=by):
            raise GrantRefused(refusal)
        return cls.objects.create(user=user, office=office, asked_by=by, reason=reason)

    def why_not_decide(self, *, by: User) -> str | None:
        """Why BY cannot decide this, as a sentence; None when he can."""
        if self.state != self.State.ASKED:
            return f"此申请{self.get_state_display()}，无须再办。"
        if by in (self.asked_by, self.user):
            return "授权须由另一人核准：申请人和被授权人不能核准。"
        return None

    @transaction.atomic
    def decide(self, *, approve: bool, answer: str, by: User) -> Grant:
        """Approve, which lets the user act from the next request on, or refuse with an answer.

        Raises GrantRefused.
        """
        user = User.objects.select_for_update().get(pk=self.user_id)
        grant = Grant.objects.select_for_update().get(pk=self.pk)
        if refusal := grant.why_not_decide(by=by):
            raise GrantRefused(refusal)
        if approve:
            if not user.is_active:
                raise GrantRefused(f"{user}的账号已停用。")
            grant.office.admit(user, by=by)  # refuses roles that exclude each other
        grant.state = self.State.APPROVED if approve else self.State.REFUSED
        grant.decided_by, grant.decided_at, grant.answer = by, timezone.now(), answer
        grant.save()
        return grant

    @transaction.atomic
    def withdraw(self, *, by: User) -> None:
        """Who asked, asks no more. Raises GrantRefused."""
        grant = Grant.objects.select_for_update().get(pk=self.pk)
        if grant.state != self.State.ASKED or grant.asked_by != by:
            raise GrantRefused("只能撤回自己申请、尚未核准的授权。")
        grant.state = self.State.WITHDRAWN
        grant.save()


class SignInSessionQuerySet(models.QuerySet["SignInSession"]):
    def visible_to(self, user: User) -> SignInSessionQuerySet:
        """One's own."""
        return self.filter(user=user) if user.is_active else self.none()

    def running(self) -> SignInSessionQuerySet:
        return self.filter(ended_at=None)


class SignInSession(Record):
    """One sign-in of one browser: listed for its owner, endable by him."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, verbose_name="人员")
    key_digest = models.CharField(max_length=64, unique=True)  # SHA-256 of the session key
    started_at = models.DateTimeField("登录时间", default=timezone.now)
    seen_at = models.DateTimeField("最近使用", default=timezone.now)
    address = models.CharField("来源地址", max_length=45, blank=True)
    device = models.CharField("浏览器", max_length=120, blank=True)
    ended_at = models.DateTimeField("结束时间", null=True)
    end_reason = models.CharField("结束原因", max_length=40, blank=True)

    objects = SignInSessionQuerySet.as_manager()

    class Meta:
        verbose_name = "登录会话"
        verbose_name_plural = "登录会话"
        ordering = ["-id"]
        indexes = [models.Index(fields=["user", "-id"], name="sign_in_user")]

    class Privacy:
        about, kept = "staff", "audit"
        purpose = "登录会话的查看和结束"
        private: dict[str, str] = {}
        open = {
            "user", "key_digest", "started_at", "seen_at", "address", "device", "ended_at",
            "end_reason",
        }  # fmt: skip

    def __str__(self) -> str:
        return f"{self.user} {self.started_at:%F %T}"


class GuessBucketQuerySet(models.QuerySet["GuessBucket"]):
    def plus(self, milliseconds: int) -> int:
        """Move the moment at which the buckets are empty again; returns how many there were."""
        return self.update(free_at=F("free_at") + milliseconds)

    def sweep(self) -> None:
        """Forget the buckets that are empty: they count nothing."""
        self.filter(free_at__lt=int(timezone.now().timestamp() * 1000)).delete()


class GuessBucket(models.Model):
    """Tries of one account, address or browser, as a bucket that leaks (see accounts/guard.py)."""

    id = models.CharField(primary_key=True, max_length=64)  # keyed digest of what is counted
    free_at = models.BigIntegerField(db_index=True)  # milliseconds since 1970: empty from then on

    objects = GuessBucketQuerySet.as_manager()

    class Privacy:
        about, kept = "system", "account"
        purpose = "限制猜测密码的次数"
        private: dict[str, str] = {}
        open = {"id", "free_at"}

    def __str__(self) -> str:
        return self.pk[:8]


class PasswordHistory(Record):
    """A former password, so that 等保 mode can refuse it; only its slow hash is kept."""

    KEPT = 5

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)
    hashed = models.CharField(max_length=128)
    set_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-id"]

    class Privacy:
        about, kept = "staff", "account"
        purpose = "等保模式下不得重复使用密码"
        private: dict[str, str] = {}
        open = {"user", "hashed", "set_at"}

    def __str__(self) -> str:
        return f"{self.user} {self.set_at:%F}"


class TotpDevice(ThrottlingMixin, Device):
    """A phone that shows one-time codes (RFC 6238); the secret is stored encrypted."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    secret = EncryptedTextField(max_length=80)  # hexadecimal
    last_step = models.BigIntegerField(default=-1)  # a code is good once: steps only go forward
    made_at = models.DateTimeField("登记时间", default=timezone.now)

    class Meta(Device.Meta):
        verbose_name = "动态口令"
        verbose_name_plural = "动态口令"
        constraints = [models.UniqueConstraint(fields=["user"], name="totp_one_a_user")]

    class Privacy:
        about, kept = "staff", "account"
        purpose = "第二重身份验证"
        private = {"secret": "hidden"}
        open = {
            "user", "name", "confirmed", "last_step", "made_at", "throttling_failure_timestamp",
            "throttling_failure_count",
        }  # fmt: skip

    STEP = 30  # seconds
    # Now and one step of delay, for who types while the code changes (RFC 6238, 5.2); none ahead.
    DELAYS = (0, -1)
    LONGEST_WAIT = timedelta(minutes=15)  # whoever knows the password must not lock the owner out

    def __str__(self) -> str:
        return f"动态口令（{self.user}）"

    @property
    def persistent_id(self) -> str:
        """django-otp reads the part after the slash as a number."""
        return f"{self.model_label()}/{self.pk.int}"

    @staticmethod
    def step_of(secret: str, code: str, after: int = -1) -> int | None:
        """The step whose code is CODE, later than AFTER; None when neither of the two that fit is.

        SECRET is hexadecimal; CODE six digits (RFC 6238: SHA-1, 30 s).
        """
        if not (code.isascii() and code.isdigit() and len(code) == 6):
            return None
        now = timezone.now().timestamp()
        for delay in TotpDevice.DELAYS:
            totp = TOTP(bytes.fromhex(secret), step=TotpDevice.STEP, drift=delay)
            totp.time = now
            if totp.verify(int(code), min_t=after + 1):
                return int(totp.t())
        return None

    def get_throttle_factor(self) -> int:
        return 1

    def verify_is_allowed(self) -> tuple[bool, dict[str, Any] | None]:
        """After each wrong code the wait doubles, up to LONGEST_WAIT."""
        failed_at = self.throttling_failure_timestamp
        if failed_at is not None and timezone.now() - failed_at >= self.LONGEST_WAIT:
            return True, None
        return super().verify_is_allowed()

    @transaction.atomic
    def verify_token(self, token: str) -> bool:
        """Whether TOKEN is the phone's code now; each code fits once, also for parallel requests."""
        device = TotpDevice.objects.select_for_update().get(pk=self.pk)
        if not device.verify_is_allowed()[0]:
            return False
        step = self.step_of(device.secret, token, after=device.last_step)
        if step is None:
            device.throttle_increment()
            return False
        device.last_step = step
        device.throttle_reset(commit=False)
        device.save()
        return True


class RecoveryCode(Record):
    """A code on paper that stands in for the phone once; only its digest is kept."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)
    digest = models.CharField(max_length=64)
    used_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "备用码"
        verbose_name_plural = "备用码"
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["user", "digest"], name="recovery_code_once")
        ]

    class Privacy:
        about, kept = "staff", "account"
        purpose = "手机遗失时的身份验证"
        private: dict[str, str] = {}
        open = {"user", "digest", "used_at"}

    def __str__(self) -> str:
        return "备用码"
