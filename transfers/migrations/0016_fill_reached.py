"""Cases that were there before say which stages they reached."""

from collections import defaultdict

from django.db import migrations

from transfers.stages import bits

BLOCK = 500


def fill(apps, schema_editor):
    cases = apps.get_model("transfers", "Transfer").objects
    steps = apps.get_model("transfers", "TransferStep").objects
    cards = apps.get_model("communities", "ContactCard").objects
    keys = list(cases.order_by("pk").values_list("pk", flat=True))
    for start in range(0, len(keys), BLOCK):
        block = keys[start : start + BLOCK]
        states = defaultdict(dict)
        for case, step, state in steps.filter(transfer__in=block).values_list(
            "transfer_id", "step", "state"
        ):
            states[case][step] = state
        valid = cards.filter(voided_on=None, reception__transfer__in=block)
        carried = set(valid.values_list("reception__transfer_id", flat=True))
        same = defaultdict(list)
        for case, known in states.items():
            same[bits(known, has_card=case in carried)].append(case)
        for found, those in same.items():
            cases.filter(pk__in=those).update(reached=found)


class Migration(migrations.Migration):
    dependencies = [("transfers", "0015_reached"), ("communities", "0008_fill_management")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
