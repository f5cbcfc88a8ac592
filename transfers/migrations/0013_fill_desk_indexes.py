"""People filed before the desk had its indexes are found by it too."""

from django.db import migrations

from xianning.privacy import blind_index


def fill(apps, schema_editor):
    retirees = apps.get_model("transfers", "Retiree").objects
    for person in retirees.filter(erased_at=None, tail_index="").iterator(chunk_size=500):
        phone = person.home_phone or person.household_phone or person.away_phone
        digits = "".join(filter(str.isdigit, phone.partition("、")[0])) or str(person.pk)
        retirees.filter(pk=person.pk).update(
            tail_index=blind_index(person.id_number[-4:], "id_tail"),
            phone_index=blind_index(digits, "phone_text"),
        )


class Migration(migrations.Migration):
    dependencies = [("transfers", "0012_desk_indexes")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
