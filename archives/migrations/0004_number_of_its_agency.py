"""An archive number is unique within the agency that gave it, not across all agencies."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import OuterRef, Q, Subquery
from django.db.models.functions import Coalesce


def fill(apps, schema_editor):
    """The agency of the case; where a case names none any more, the receiver of the note."""
    file = apps.get_model("archives", "PersonnelFile")
    case = apps.get_model("transfers", "Transfer").objects.filter(pk=OuterRef("transfer_id"))
    note = apps.get_model("archives", "DeliveryNote").objects.filter(pk=OuterRef("note_id"))
    receiver = Coalesce(
        Subquery(case.values("archive_area_id")[:1]), Subquery(note.values("receiver_id")[:1])
    )
    file.objects.filter(area=None).update(area_id=receiver)
    # PostgreSQL alters no table whose foreign keys wait to be checked at the commit.
    schema_editor.connection.check_constraints()


class Migration(migrations.Migration):
    dependencies = [
        ("archives", "0003_initial"),
        ("communities", "0003_walls"),
        ("transfers", "0003_walls"),
    ]

    operations = [
        migrations.AddField(
            model_name="historicalpersonnelfile",
            name="area",
            field=models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name="+", to="communities.area", verbose_name="接收地"),
        ),
        migrations.AddField(
            model_name="personnelfile",
            name="area",
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="communities.area", verbose_name="接收地"),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
        migrations.AlterField(
            model_name="personnelfile",
            name="area",
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="communities.area", verbose_name="接收地"),
        ),
        migrations.RemoveConstraint(model_name="personnelfile", name="archive_number_once"),
        migrations.AddConstraint(
            model_name="personnelfile",
            constraint=models.UniqueConstraint(condition=Q(("archive_number", ""), _negated=True), fields=("area", "archive_number"), name="archive_number_once"),
        ),
    ]
