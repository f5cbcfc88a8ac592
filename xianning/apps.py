"""The project's own app: accounts, offices, shared pieces."""

from __future__ import annotations

from django.apps import AppConfig


class XianningConfig(AppConfig):
    name = "xianning"
    verbose_name = "咸宁市国有企业退休人员社会化管理移交系统"

    def ready(self) -> None:
        from django.db.models.signals import post_migrate

        from xianning import checks

        checks.register_all()
        # Groups are reference data that the table of roles owns.
        post_migrate.connect(checks.write_groups, sender=self)
