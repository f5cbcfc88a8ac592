"""档案转递单 becomes a delivery like every other: its numbers, counts and dates move there."""

import django.db.models.deletion
from django.db import migrations, models
from django.utils import timezone

COUNTS = {"volumes": "originals", "duplicates": "duplicates", "pieces": "items", "pages": "pages"}


def move(apps, schema_editor):
    """A delivery for each note, an item for each file, as the steps of the case tell."""
    Note = apps.get_model("archives", "DeliveryNote")
    Handover = apps.get_model("transfers", "Handover")
    Item = apps.get_model("transfers", "HandoverItem")
    Step = apps.get_model("transfers", "TransferStep")
    Event = apps.get_model("transfers", "StepEvent")
    Office = apps.get_model("xianning", "Office")
    for note in Note.objects.select_related("enterprise", "receiver").iterator():
        files = list(note.files.order_by("pk"))
        if not files:
            continue  # its only file was delivered anew under another number
        firm = note.enterprise
        gone = firm.status in ("bankrupt", "restructured", "deregistered")
        office = Office.objects.filter(role="insurance", area=note.receiver).first()
        sent = Event.objects.filter(
            transfer=files[0].transfer_id, step="deliver", verb="complete"
        ).order_by("-pk").first()
        if sent is None:
            continue
        handover = Handover.objects.create(
            kind="personnel", from_role="enterprise", from_enterprise=firm, to_role="insurance",
            to_area=note.receiver, sender_name=firm.department if gone else firm.name,
            receiver_name=office.name if office else f"{note.receiver.name}社会保险经办机构",
            year=note.year, serial=note.serial, state="sent", carrier=note.carrier,
            handed_on=note.delivered_on, packed_at=sent.at, packed_by_id=sent.by_id, sent_at=sent.at,
            sent_by_id=sent.by_id, due_on=note.delivered_on + timezone.timedelta(days=30),
        )
        for position, file in enumerate(files, start=1):
            counts = {name: getattr(file, old) or 0 for name, old in COUNTS.items()}
            file.item = Item.objects.create(
                handover=handover, kind="personnel", position=position, transfer=file.transfer,
                **counts, **_settled(file, counts, Step, Event),
            )
            file.save(update_fields=["item"])
        if not handover.items.filter(state="waiting").exists():
            handover.state, handover.closed_at = "closed", timezone.now()
            handover.save()
    # PostgreSQL alters no table whose foreign keys wait to be checked at the commit.
    schema_editor.connection.check_constraints()


def _settled(file, counts, Step, Event):
    """How far the file is: accepted, returned, or waiting."""
    steps = {row.step: row for row in Step.objects.filter(transfer=file.transfer_id)}
    taken, sent = steps.get("archives"), steps.get("deliver")
    if taken is not None and taken.state == "done":
        got = {f"got_{name}": count for name, count in counts.items()}
        words = {"state": "noted", "reason": file.remarks} if file.remarks else {"state": "accepted"}
        by = {"settled_at": taken.done_at, "settled_by_id": taken.done_by_id}
        return got | words | by | {"settled_name": file.accepted_by or "—"}
    if sent is not None and sent.state == "done":
        return {}
    back = Event.objects.filter(
        transfer=file.transfer_id, verb__in=("send_back", "withdraw"), step__in=("archives", "deliver")
    ).order_by("-pk").first()
    if back is None:
        return {}
    state = "returned" if back.verb == "send_back" else "withdrawn"
    return {"state": state, "code": back.code, "reason": back.reason, "settled_at": back.at,
            "settled_by_id": back.by_id, "settled_name": back.by.full_name or back.by.username}


class Migration(migrations.Migration):
    dependencies = [
        ("archives", "0004_number_of_its_agency"),
        ("transfers", "0010_handovers"),
        ("xianning", "0003_accounts"),
    ]

    operations = [
        migrations.AddField(
            model_name="personnelfile",
            name="item",
            field=models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name="file", to="transfers.handoveritem", verbose_name="交接明细"),
        ),
        migrations.AddField(
            model_name="historicalpersonnelfile",
            name="item",
            field=models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name="+", to="transfers.handoveritem", verbose_name="交接明细"),
        ),
        migrations.RunPython(move, migrations.RunPython.noop),
        migrations.AlterField(
            model_name="personnelfile",
            name="item",
            field=models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name="file", to="transfers.handoveritem", verbose_name="交接明细"),
        ),
        *(
            migrations.RemoveField(model_name=model, name=name)
            for model in ("personnelfile", "historicalpersonnelfile")
            for name in ("note", "originals", "duplicates", "items", "pages")
        ),
        migrations.DeleteModel(name="DeliveryNote"),
        migrations.DeleteModel(name="HistoricalDeliveryNote"),
    ]
