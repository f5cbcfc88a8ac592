"""Party organisations; each letter belongs to the committee that issued it."""

import django.db.models.deletion
import simple_history.models
import xianning.models.base
from django.conf import settings
from django.db import migrations, models


def fill(apps, schema_editor):
    """Letters written before become those of one committee of their enterprise, numbers kept."""
    move = apps.get_model("party", "PartyMove")
    organization = apps.get_model("party", "PartyOrganization")
    sequence = apps.get_model("xianning", "Sequence")
    latest = dict(move.objects.order_by("id").values_list("enterprise_id", "from_committee"))
    for enterprise, name in latest.items():
        issuer = organization.objects.create(
            enterprise_id=enterprise, name=name, kind="committee", may_transfer=True
        )
        move.objects.filter(enterprise_id=enterprise).update(issuer=issuer)
        for row in sequence.objects.filter(key__startswith=f"letter/{enterprise}/"):
            year = row.key.rpartition("/")[2]
            sequence.objects.create(key=f"letter/{issuer.pk}/{year}", last=row.last)
            row.delete()
    schema_editor.connection.check_constraints()


class Migration(migrations.Migration):

    dependencies = [
        ('communities', '0003_walls'),
        ('enterprises', '0002_initial'),
        ('party', '0002_initial'),
        ('transfers', '0007_handover_letters'),
        ('xianning', '0003_accounts'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='HistoricalPartyOrganization',
            fields=[
                ('id', models.UUIDField(db_index=True, default=xianning.models.base.new_id, editable=False)),
                ('kind', models.CharField(choices=[('committee', '基层党委'), ('general', '党总支'), ('branch', '党支部')], max_length=10, verbose_name='类别')),
                ('name', models.CharField(max_length=80, verbose_name='党组织名称')),
                ('may_transfer', models.BooleanField(default=False, verbose_name='有审批预备党员权限')),
                ('address', models.CharField(blank=True, max_length=120, verbose_name='通讯地址')),
                ('phone', models.CharField(blank=True, max_length=40, verbose_name='联系电话')),
                ('fax', models.CharField(blank=True, max_length=40, verbose_name='传真')),
                ('postcode', models.CharField(blank=True, max_length=6, verbose_name='邮编')),
                ('closed_on', models.DateField(blank=True, null=True, verbose_name='撤销日期')),
                ('history_id', models.AutoField(primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_change_reason', models.TextField(null=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
            ],
            options={
                'verbose_name': 'historical 党组织',
                'verbose_name_plural': 'historical 党组织',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='PartyOrganization',
            fields=[
                ('id', models.UUIDField(default=xianning.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(choices=[('committee', '基层党委'), ('general', '党总支'), ('branch', '党支部')], max_length=10, verbose_name='类别')),
                ('name', models.CharField(max_length=80, verbose_name='党组织名称')),
                ('may_transfer', models.BooleanField(default=False, verbose_name='有审批预备党员权限')),
                ('address', models.CharField(blank=True, max_length=120, verbose_name='通讯地址')),
                ('phone', models.CharField(blank=True, max_length=40, verbose_name='联系电话')),
                ('fax', models.CharField(blank=True, max_length=40, verbose_name='传真')),
                ('postcode', models.CharField(blank=True, max_length=6, verbose_name='邮编')),
                ('closed_on', models.DateField(blank=True, null=True, verbose_name='撤销日期')),
            ],
            options={
                'verbose_name': '党组织',
                'verbose_name_plural': '党组织',
                'ordering': ['-id'],
            },
        ),
        migrations.RemoveConstraint(
            model_name='partymove',
            name='letter_number_once',
        ),
        migrations.AddField(
            model_name='historicalpartymove',
            name='outside_number',
            field=models.CharField(blank=True, max_length=40, verbose_name='其他系统编号'),
        ),
        migrations.AddField(
            model_name='partymove',
            name='outside_number',
            field=models.CharField(blank=True, max_length=40, verbose_name='其他系统编号'),
        ),
        migrations.AlterField(
            model_name='historicalpartymove',
            name='means',
            field=models.CharField(choices=[('here', '本系统'), ('paper', '纸质介绍信'), ('province', '省系统'), ('nation', '全国系统')], default='paper', max_length=10, verbose_name='转接方式'),
        ),
        migrations.AlterField(
            model_name='partymove',
            name='means',
            field=models.CharField(choices=[('here', '本系统'), ('paper', '纸质介绍信'), ('province', '省系统'), ('nation', '全国系统')], default='paper', max_length=10, verbose_name='转接方式'),
        ),
        migrations.AddField(
            model_name='historicalpartyorganization',
            name='area',
            field=models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='communities.area', verbose_name='所在街道、社区'),
        ),
        migrations.AddField(
            model_name='historicalpartyorganization',
            name='enterprise',
            field=models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='enterprises.enterprise', verbose_name='所属企业'),
        ),
        migrations.AddField(
            model_name='historicalpartyorganization',
            name='history_user',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='partyorganization',
            name='area',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='communities.area', verbose_name='所在街道、社区'),
        ),
        migrations.AddField(
            model_name='partyorganization',
            name='enterprise',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='enterprises.enterprise', verbose_name='所属企业'),
        ),
        migrations.AddField(
            model_name='partyorganization',
            name='parent',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='below', to='party.partyorganization', verbose_name='上级党组织'),
        ),
        migrations.AddField(
            model_name='historicalpartyorganization',
            name='parent',
            field=models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='party.partyorganization', verbose_name='上级党组织'),
        ),
        migrations.AddField(
            model_name='historicalpartymove',
            name='issuer',
            field=models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='party.partyorganization', verbose_name='开具介绍信的党委'),
        ),
        migrations.AddField(
            model_name='historicalpartymove',
            name='receiver',
            field=models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='party.partyorganization', verbose_name='接收党委（咸宁市外的为空）'),
        ),
        migrations.AddField(
            model_name='partymove',
            name='issuer',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='issued', to='party.partyorganization', verbose_name='开具介绍信的党委'),
        ),
        migrations.AddField(
            model_name='partymove',
            name='receiver',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='received', to='party.partyorganization', verbose_name='接收党委（咸宁市外的为空）'),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
        migrations.AlterField(
            model_name='partymove',
            name='issuer',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='issued', to='party.partyorganization', verbose_name='开具介绍信的党委'),
        ),
        migrations.AddConstraint(
            model_name='partymove',
            constraint=models.UniqueConstraint(fields=('issuer', 'year', 'serial'), name='letter_number_once'),
        ),
        migrations.AddConstraint(
            model_name='partyorganization',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('area__isnull', False), ('enterprise', None)), models.Q(('area', None), ('enterprise__isnull', False)), _connector='OR'), name='party_organization_at_one_place'),
        ),
        migrations.AddConstraint(
            model_name='partyorganization',
            constraint=models.CheckConstraint(condition=models.Q(('may_transfer', False), ('kind', 'committee'), _connector='OR'), name='party_only_committees_transfer', violation_error_message='只有基层党委可以有审批预备党员的权限。'),
        ),
        migrations.AddConstraint(
            model_name='partyorganization',
            constraint=models.UniqueConstraint(fields=('enterprise', 'name'), name='party_name_once_in_enterprise', violation_error_message='本单位已登记同名的党组织。'),
        ),
        migrations.AddConstraint(
            model_name='partyorganization',
            constraint=models.UniqueConstraint(fields=('area', 'name'), name='party_name_once_in_area', violation_error_message='此地已登记同名的党组织。'),
        ),
    ]
