"""App label."""

from __future__ import annotations

from django.apps import AppConfig


class CommunitiesConfig(AppConfig):
    name = "communities"
