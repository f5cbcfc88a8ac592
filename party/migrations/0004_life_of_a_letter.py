"""How long a letter is valid, why it is void, how its receipt came, when both sides were reminded."""

import datetime
import django.db.models.deletion
import xianning.models.base
from django.db import migrations, models


def fill(apps, schema_editor):
    for name in ("PartyMove", "HistoricalPartyMove"):
        rows = apps.get_model("party", name).objects
        for pk, issued_on, days in rows.values_list("pk", "issued_on", "valid_days"):
            until = issued_on + datetime.timedelta(days=days)
            rows.filter(pk=pk).update(expires_on=until)
    move = apps.get_model("party", "PartyMove").objects
    move.filter(receipt_on__isnull=False).update(receipt_way="hand")
    schema_editor.connection.check_constraints()


class Migration(migrations.Migration):

    dependencies = [
        ('enterprises', '0002_initial'),
        ('party', '0003_organizations'),
        ('transfers', '0007_handover_letters'),
    ]

    operations = [
        migrations.CreateModel(
            name='LetterReminder',
            fields=[
                ('id', models.UUIDField(default=xianning.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('on', models.DateField(verbose_name='催办日期')),
            ],
            options={
                'verbose_name': '介绍信催办',
                'verbose_name_plural': '介绍信催办',
            },
        ),
        migrations.AddField(
            model_name='historicalpartymove',
            name='expires_on',
            field=models.DateField(default=datetime.date(2000, 1, 1), verbose_name='有效期至'),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='historicalpartymove',
            name='receipt_way',
            field=models.CharField(blank=True, choices=[('hand', '人工登记'), ('page', '回执页')], max_length=4, verbose_name='回执途径'),
        ),
        migrations.AddField(
            model_name='historicalpartymove',
            name='void_reason',
            field=models.CharField(blank=True, max_length=200, verbose_name='作废原因'),
        ),
        migrations.AddField(
            model_name='partymove',
            name='expires_on',
            field=models.DateField(default=datetime.date(2000, 1, 1), verbose_name='有效期至'),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='partymove',
            name='receipt_way',
            field=models.CharField(blank=True, choices=[('hand', '人工登记'), ('page', '回执页')], max_length=4, verbose_name='回执途径'),
        ),
        migrations.AddField(
            model_name='partymove',
            name='void_reason',
            field=models.CharField(blank=True, max_length=200, verbose_name='作废原因'),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
        migrations.AddIndex(
            model_name='partymove',
            index=models.Index(condition=models.Q(('receipt_on', None), ('voided_at', None)), fields=['expires_on'], name='letter_without_receipt'),
        ),
        migrations.AddConstraint(
            model_name='partymove',
            constraint=models.CheckConstraint(condition=models.Q(('receipt_on', None), ('accepted_on__isnull', False), _connector='OR'), name='letter_receipt_after_acceptance'),
        ),
        migrations.AddField(
            model_name='letterreminder',
            name='letter',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='reminders', to='party.partymove'),
        ),
        migrations.AddConstraint(
            model_name='letterreminder',
            constraint=models.UniqueConstraint(fields=('letter', 'on'), name='letter_reminded_once_a_day'),
        ),
    ]
