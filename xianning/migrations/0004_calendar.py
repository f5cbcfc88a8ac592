import datetime

import chinese_calendar
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

NOTICE = "国务院办公厅放假安排通知"
NAMES = {
    "New Year's Day": "元旦", "Spring Festival": "春节", "Tomb-sweeping Day": "清明节",
    "Labour Day": "劳动节", "Dragon Boat Festival": "端午节", "Mid-autumn Festival": "中秋节",
    "National Day": "国庆节", "Anti-Fascist 70th Day": "抗战胜利纪念日",
}  # fmt: skip
SINCE, UNTIL = 2020, 2026  # the notices that are known
# 全国年节及纪念日放假办法 (2024): the statutory days of years without a notice. New Year's Eve of
# the lunar year, 清明, 端午, 中秋.
ESTIMATED = {
    2027: ("02-05", "04-05", "06-09", "09-15"),
    2028: ("01-25", "04-04", "05-28", "10-03"),
    2029: ("02-12", "04-04", "06-16", "09-22"),
    2030: ("02-02", "04-05", "06-05", "09-12"),
}


def seed(apps, schema_editor):
    """Days of the known notices, and the statutory days of the years after them."""
    days = {}
    for works, table in (
        (False, chinese_calendar.constants.holidays), (True, chinese_calendar.constants.workdays),
    ):
        for day, name in table.items():
            if SINCE <= day.year <= UNTIL:
                known = NAMES.get(getattr(name, "value", name), "调休")
                days[day] = (works, known, NOTICE)
    for year, (eve, qingming, dragon, moon) in ESTIMATED.items():
        for first, length, name in (
            ("01-01", 1, "元旦"), (eve, 4, "春节"), (qingming, 1, "清明节"), ("05-01", 2, "劳动节"),
            (dragon, 1, "端午节"), (moon, 1, "中秋节"), ("10-01", 3, "国庆节"),
        ):
            start = datetime.date.fromisoformat(f"{year}-{first}")
            for offset in range(length):
                days.setdefault(start + datetime.timedelta(days=offset), (False, name, ""))
    model = apps.get_model("xianning", "CalendarDay")
    model.objects.bulk_create(
        model(day=day, works=works, name=name, notice=notice)
        for day, (works, name, notice) in sorted(days.items())
    )


class Migration(migrations.Migration):

    dependencies = [
        ("xianning", "0003_accounts"),
    ]

    operations = [
        migrations.CreateModel(
            name="CalendarDay",
            fields=[
                ("day", models.DateField(primary_key=True, serialize=False, verbose_name="日期")),
                ("works", models.BooleanField(verbose_name="上班")),
                ("name", models.CharField(max_length=20, verbose_name="节日")),
                ("notice", models.CharField(blank=True, max_length=80, verbose_name="依据")),
                ("set_at", models.DateTimeField(null=True, verbose_name="导入时间")),
                ("set_by", models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL)),
            ],
            options={
                "verbose_name": "工作日历",
                "verbose_name_plural": "工作日历",
                "ordering": ["day"],
                "constraints": [models.CheckConstraint(condition=models.Q(models.Q(("set_at", None), ("set_by", None)), models.Q(("set_at__isnull", False), ("set_by__isnull", False)), _connector="OR"), name="calendar_set_by_somebody")],
            },
        ),
        migrations.RunPython(seed, migrations.RunPython.noop),
    ]
