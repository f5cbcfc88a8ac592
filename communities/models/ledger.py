"""Views of the ledger that a user keeps for himself."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from django.conf import settings
from django.db import models
from django.urls import reverse

from xianning.models import Record

if TYPE_CHECKING:
    from xianning.models import User


class SavedViewQuerySet(models.QuerySet["SavedView"]):
    def visible_to(self, user: User) -> SavedViewQuerySet:
        """One's own and nobody else's."""
        return self.filter(user=user)


class SavedView(Record):
    """Which entries and which columns of the ledger somebody wants to see again.

    `query` holds chosen filters only: a name that was looked for is never kept.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", verbose_name="所有人",
        db_index=False,
    )  # fmt: skip
    name = models.CharField("名称", max_length=30)
    query = models.CharField("筛选条件", max_length=400, blank=True)
    columns = models.JSONField("列", default=list, blank=True)

    objects = SavedViewQuerySet.as_manager()

    class Meta:
        verbose_name = "台账视图"
        verbose_name_plural = "台账视图"
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["user", "name"], name="ledger_view_once")]

    class Privacy:
        about, kept = "staff", "account"
        purpose = "记住工作人员常用的台账筛选和列（第六条第5项）"
        private: dict[str, str] = {}
        open = {"user", "name", "query", "columns"}

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        parts = [self.query, urlencode({"col": self.columns}, doseq=True)]
        return f"{reverse('communities:ledger')}?{'&'.join(filter(None, parts))}"
