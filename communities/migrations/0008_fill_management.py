"""Who was taken in before times were kept has one: from the check-in to the end of the line, if any."""

from django.db import migrations
from django.utils import timezone


def fill(apps, schema_editor):
    entries = apps.get_model("communities", "Reception").objects
    events = apps.get_model("communities", "LifeEvent").objects
    management = apps.get_model("communities", "Management")
    block = []
    for entry in entries.filter(transfer__managements=None).iterator(chunk_size=500):
        until, ended = None, ""
        if not entry.is_active:
            died = events.filter(transfer_id=entry.transfer_id, kind="died", corrected_at=None).first()
            until = max(died.happened_on if died else timezone.localdate(), entry.checked_in_on)
            ended = "died" if died else "withdrawn"
        block.append(management(
            transfer_id=entry.transfer_id, community_id=entry.community_id,
            since=entry.checked_in_on, until=until, began="check_in", ended=ended,
        ))  # fmt: skip
        if len(block) == 500:
            management.objects.bulk_create(block)
            block = []
    management.objects.bulk_create(block)


class Migration(migrations.Migration):
    dependencies = [("communities", "0007_management")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
