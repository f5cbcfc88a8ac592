from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("communities", "0011_card_life")]

    operations = [
        migrations.AddConstraint(
            model_name='contactcard',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('voided_by', None), ('voided_on', None), ('why', '')), models.Q(('voided_on__isnull', False), models.Q(('why', ''), _negated=True)), _connector='OR'), name='card_void_with_reason'),
        ),
        migrations.AddConstraint(
            model_name='contactcard',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('lost_by', None), ('lost_on', None)), models.Q(('lost_by__isnull', False), ('lost_on__isnull', False)), _connector='OR'), name='card_lost_by_somebody'),
        ),
    ]
