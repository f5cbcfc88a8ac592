"""What every row shares: an id that may stand in a URL."""

from __future__ import annotations

import secrets
import time
import uuid
from typing import Any

from django.db import models, transaction


def new_id() -> uuid.UUID:
    """A UUID of version 7 (RFC 9562): ordered by time for keyset pages, 62 random bits for URLs."""
    now = time.time_ns()
    milliseconds, rest = divmod(now, 1_000_000)
    fraction = rest * 4096 // 1_000_000
    value = (milliseconds & (2**48 - 1)) << 80 | 0x7 << 76 | fraction << 64
    return uuid.UUID(int=value | 0b10 << 62 | secrets.randbits(62))


def label_of(model: type[models.Model], name: str) -> str:
    """What the field is called on paper and page."""
    return str(getattr(model._meta.get_field(name), "verbose_name", name))


class Traced(models.Model):
    """A row that is written together with its history and its event in the audit, or not at all."""

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        with transaction.atomic(savepoint=False):
            super().save(*args, **kwargs)


class Record(Traced):
    """A row whose id may stand in a URL."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)

    class Meta:
        abstract = True
