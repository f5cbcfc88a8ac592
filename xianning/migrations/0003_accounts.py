import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import xianning.models.base


class Migration(migrations.Migration):

    dependencies = [
        ("xianning", "0002_walls"),
    ]

    operations = [
        migrations.CreateModel(
            name="GuessBucket",
            fields=[
                ("id", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("free_at", models.BigIntegerField(db_index=True)),
            ],
        ),
        migrations.CreateModel(
            name="PasswordHistory",
            fields=[
                ("id", models.UUIDField(default=xianning.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("hashed", models.CharField(max_length=128)),
                ("set_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("user", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to=settings.AUTH_USER_MODEL)),
            ],
            options={
                "ordering": ["-id"],
            },
        ),
    ]
