"""The project's own app: accounts, offices, shared pieces."""

from __future__ import annotations

from django.apps import AppConfig


class XianningConfig(AppConfig):
    name = "xianning"
    verbose_name = "咸宁市国有企业退休人员社会化管理移交系统"

    def ready(self) -> None:
        from django.db.models.signals import post_migrate, pre_migrate
        from django.forms import BooleanField, ChoiceField, Field, FileField

        from xianning import audit_hooks, checks, triggers

        # Django's own word, 这个字段是必填项, tells nobody what to do.
        Field.default_error_messages["required"] = "请填写此项。"
        # Its own table: what it has inherited is that of every field.
        BooleanField.default_error_messages = {"required": "请核实后勾选。"}
        ChoiceField.default_error_messages["required"] = "请选择。"
        FileField.default_error_messages["required"] = "请选择文件。"
        checks.register_all()
        # Groups are reference data that the table of roles owns.
        post_migrate.connect(checks.write_groups, sender=self)
        audit_hooks.connect()
        pre_migrate.connect(triggers.before_migrate, sender=self)
        post_migrate.connect(triggers.after_migrate, sender=self)
