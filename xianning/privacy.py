"""Private values: encrypted fields, blind indexes, masks, and who declares what (第十一条).

How a value is sealed stands in `xianning.sealing`; its names are importable from here as well.

An encrypted field binds what it stores to its table, row and field (see `EncryptedField`). So a
value can only be sealed for a known row, and is opened when somebody first asks the row for it:
lists that never show a private value never decrypt one.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NoReturn
from uuid import UUID

from django import forms
from django.core import checks
from django.core.exceptions import FieldError
from django.core.validators import MaxLengthValidator
from django.db import models
from django.db.models.expressions import Case, F, Value, When
from django.db.models.fields.mixins import CheckFieldDefaultMixin
from django.db.models.functions import Cast
from django.db.models.lookups import Exact, Lookup
from django.db.models.query_utils import DeferredAttribute
from django.db.models.sql import Query

from xianning import standards
from xianning.sealing import (
    PROVIDERS,
    AesGcm,
    NotReadable,
    Sm4Gcm,
    blind_index,
    blind_indexes,
    head,
    indexes_are_current,
    key_check_fits,
    keys,
    load_keys,
    make_key_check,
    new_keys,
    seal,
    seal_bytes,
    unseal,
    unseal_bytes,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = [
    "PROVIDERS",
    "AesGcm",
    "BlindIndexField",
    "EncryptedField",
    "EncryptedJSONField",
    "EncryptedTextField",
    "NotReadable",
    "Sealed",
    "Sm4Gcm",
    "blind_index",
    "blind_indexes",
    "head",
    "indexes_are_current",
    "key_check_fits",
    "keys",
    "load_keys",
    "make_key_check",
    "mask",
    "new_keys",
    "private_fields",
    "seal",
    "seal_bytes",
    "undeclared_fields",
    "unseal",
    "unseal_bytes",
]


# --- fields ---------------------------------------------------------------------------------------


class _NoLookup(Lookup):
    """Stands for every comparison that the database cannot make on sealed values."""

    def __init__(self, lhs: Any, rhs: Any) -> None:
        raise FieldError(
            f"{lhs.output_field}：不支持 {self.lookup_name} 查询。加密字段只能查是否为空，"
            "盲索引只能查是否相等；请用 blind_index() 的结果查 BlindIndexField。"
        )


@lru_cache
def _refuse(name: str) -> type[Lookup]:
    """A class and not an exception, because tools ask for lookups that nobody runs."""
    return type("NoLookup", (_NoLookup,), {"lookup_name": name})


class _ExactlyEmpty(Exact):
    """``field=""`` is the one comparison an encrypted text allows: empty is stored as empty."""

    def get_prep_lookup(self) -> Any:
        if self.rhs is None or self.rhs == "":  # None becomes isnull
            return self.rhs
        return _refuse("exact")(self.lhs, self.rhs)


class Sealed:
    """A stored value nobody has opened yet, or one that is sealed and ready to be stored.

    The descriptor of its field opens it for the row it stands in. Anywhere else (raw queries,
    annotations) it can be handed on but not looked into.
    """

    __slots__ = ("label", "text")

    def __init__(self, text: str, label: str) -> None:
        self.text = text
        self.label = label

    def __repr__(self) -> str:
        return f"<Sealed {self.label}>"

    def _refuse(self, *_: Any) -> NoReturn:
        raise FieldError(
            f"{self.label}：加密值只能从它所在的记录读取，例如 only() 后取属性，"
            "不能用 values()、annotate() 或原始查询单独取出。"
        )

    __str__ = __bool__ = __len__ = __iter__ = __eq__ = _refuse
    __hash__ = None  # type: ignore[assignment]


class _OpenedOnAccess(DeferredAttribute):
    """Opens a stored value when the attribute is first read, for the row of the instance.

    Whoever changes what a row is known by (its key) reads the private values before.
    """

    field: EncryptedField

    def __get__(self, instance: Any, cls: Any = None) -> Any:
        value = super().__get__(instance, cls)
        if isinstance(value, Sealed):
            value = instance.__dict__[self.field.attname] = self.field.open(value, instance)
        return value

    def __set__(self, instance: Any, value: Any) -> None:
        instance.__dict__[self.field.attname] = value


class _EachRow:
    """What `update(field=value)` writes: one sealed value for each row that the query meets."""

    MOST = 5000  # rows; each takes two parameters of the statement

    def __init__(self, field: EncryptedField, value: Any) -> None:
        self.field, self.value = field, value

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        """A CASE over the rows; a row that appears meanwhile keeps what it has."""
        field = self.field
        rows = field.rows_met(compiler)
        if len(rows) > self.MOST:
            raise FieldError(f"{field}：update() 一次最多写 {self.MOST} 行加密值，请分批。")
        whens = [
            When(pk=pk, then=Value(field.seal_for(self.value, row), models.TextField()))
            for pk, row in rows.items()
        ]
        case = Case(*whens, default=F(field.attname), output_field=models.TextField())
        return compiler.compile(case.resolve_expression(compiler.query, False, None, False, True))


class EncryptedField(models.TextField):
    """What the encrypted fields share: what they bind a value to, and what they refuse.

    LABEL is ``app.Model.field`` of the model that declares the field. A historical copy keeps the
    label of its original. Whoever renames a model or field gives the old one: ``label="..."``.
    The row is its primary key; a historical row is the original's key and the time it was written,
    because its own number comes from the database when it is too late.
    """

    non_db_attrs = (*models.TextField.non_db_attrs, "label", "max_length")
    descriptor_class = _OpenedOnAccess

    def __init__(self, *args: Any, label: str | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.label = label

    def contribute_to_class(
        self, cls: type[models.Model], name: str, private_only: bool = False
    ) -> None:
        super().contribute_to_class(cls, name, private_only)
        if self.label is None and not cls._meta.abstract:
            self.label = f"{cls._meta.label}.{name}"

    def deconstruct(self) -> Any:
        """A label of another place (history, rename) goes into the migration; keys never do."""
        name, path, args, kwargs = super().deconstruct()
        model = getattr(self, "model", None)
        if self.label is not None and (
            model is None or self.label != f"{model._meta.label}.{name}"
        ):
            kwargs["label"] = self.label
        return name, path, args, kwargs

    def check(self, **kwargs: Any) -> list[checks.CheckMessage]:
        found = super().check(**kwargs)
        if self.unique or getattr(self, "db_index", False):
            text = "加密字段不能设唯一或索引，请另设盲索引（BlindIndexField）。"
            found.append(checks.Error(text, obj=self, id="xianning.E010"))
        key = self.model._meta.pk
        if isinstance(key, models.AutoField) and self.row_columns == (key.attname,):
            text = "加密值与所在行绑定，主键须在保存之前就有（用 default=new_id）。"
            found.append(checks.Error(text, obj=self, id="xianning.E011"))
        return found

    def get_lookup(self, lookup_name: str) -> Any:
        """Only isnull; the others raise FieldError when a query uses them."""
        return super().get_lookup(lookup_name) if lookup_name == "isnull" else _refuse(lookup_name)

    def value_to_string(self, obj: models.Model) -> str:
        """Serializers write files in plain text, so they get nothing. Raises FieldError."""
        raise FieldError(f"{self}：加密字段不能用 dumpdata 导出，请备份数据库。")

    # What a value is to the text that is sealed, and back. None and "" of a text are stored as is.

    def to_text(self, value: Any) -> str | None:
        return super().get_prep_value(value)

    def from_text(self, text: str) -> Any:
        return text

    # The row.

    @property
    def row_columns(self) -> tuple[str, ...]:
        """The attributes that say which row it is."""
        key = self.model._meta.pk
        return ("id", "history_date") if key.name == "history_id" else (key.attname,)

    def row_of(self, values: Iterable[Any]) -> str:
        """The row in writing; VALUES are those of `row_columns`. Raises FieldError without a key."""
        words = []
        for name, value in zip(self.row_columns, values, strict=True):
            known = value
            if not isinstance(value, UUID):  # the usual key needs no second look
                column: Any = self.model._meta.get_field(name)
                known = column.get_prep_value(value)
            if known is None:
                raise FieldError(f"{self}：加密值与所在行绑定，保存之前须先有 {name}。")
            if isinstance(known, datetime):
                known = known.astimezone(UTC).isoformat(timespec="microseconds")
            words.append(str(known))
        # The time also tells a history's table from that of its original, whose label it carries.
        return "@".join(words)

    def _row(self, instance: models.Model) -> str:
        return self.row_of(getattr(instance, name) for name in self.row_columns)

    def rows_met(self, compiler: Any) -> dict[Any, str]:
        """Primary key → row of everything the UPDATE of this compiler meets (asked once)."""
        known: dict[Any, str] | None = compiler.__dict__.get("_rows_met")
        if known is None:
            query = compiler.query.chain(klass=Query)
            rows: Any = models.QuerySet(self.model, query, using=compiler.connection.alias)
            found = rows.order_by().values_list("pk", *self.row_columns)
            known = compiler._rows_met = {pk: self.row_of(row) for pk, *row in found}
        return known

    def seal_for(self, value: Any, row: str) -> str | None:
        """What the database stores for VALUE in ROW."""
        assert self.label is not None, "an encrypted field works on a model only"
        text = self.to_text(value)
        return seal(text, self.label, row) if text else text

    def open(self, sealed: Sealed, instance: models.Model) -> Any:
        """The plain value of what INSTANCE holds in this field. Raises NotReadable."""
        assert self.label is not None, "an encrypted field works on a model only"
        return self.from_text(unseal(sealed.text, self.label, self._row(instance)))

    # Reading and writing.

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> Any:
        return Sealed(value, self.label or "") if value else value

    def select_format(self, compiler: Any, sql: str, params: Any) -> Any:
        """Refuses values() and values_list(): what they give has no row to be opened for."""
        if not compiler.query.default_cols:
            Sealed("", self.label or "")._refuse()
        return super().select_format(compiler, sql, params)

    def pre_save(self, instance: models.Model, add: bool) -> Any:
        value = getattr(instance, self.attname)
        if hasattr(value, "resolve_expression"):
            self._refuse_expression()
        text = self.seal_for(value, self._row(instance))
        return Sealed(text, self.label or "") if text else text

    def get_prep_value(self, value: Any) -> Any:
        """Sealed values as they are; a plain one is sealed when the rows are known."""
        if isinstance(value, Sealed):
            return value.text
        return _EachRow(self, value) if self.to_text(value) else self.to_text(value)

    def get_placeholder(self, value: Any, compiler: Any, connection: Any) -> str:
        """Sees each expression an UPDATE writes here. Those of bulk_update() are sealed, row by row."""
        if hasattr(value, "resolve_expression"):
            case = value.get_source_expressions()[0] if isinstance(value, Cast) else value
            self._seal_case(case, compiler)
        return "%s"

    def _seal_case(self, case: Any, compiler: Any) -> None:
        rows = self.rows_met(compiler) if isinstance(case, Case) else {}
        for when in case.cases if isinstance(case, Case) else [None]:
            if not isinstance(when, When) or not isinstance(when.result, Value):
                self._refuse_expression()
            [condition] = when.condition.children
            # A row that is gone is not written: what stands in its branch does not matter.
            row = rows.get(condition.rhs, "gone")
            when.result = Value(self.seal_for(when.result.value, row), models.TextField())

    def _refuse_expression(self) -> NoReturn:
        raise FieldError(f"{self}：加密字段只能写入值，不能由表达式或其他列算出。")


class EncryptedTextField(EncryptedField):
    """Text that the database sees encrypted only; an empty text is stored as empty.

    ``max_length`` bounds the plain text, in characters, and makes the form field a single line.
    Reading the attribute raises NotReadable when the stored value was altered or belongs elsewhere.
    """

    description = "加密文本"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.max_length is not None:
            self.validators.append(MaxLengthValidator(self.max_length))

    def get_lookup(self, lookup_name: str) -> Any:
        return _ExactlyEmpty if lookup_name == "exact" else super().get_lookup(lookup_name)

    def formfield(self, **kwargs: Any) -> Any:
        if self.max_length is not None and self.choices is None:
            kwargs.setdefault("widget", forms.TextInput)
        return super().formfield(**kwargs)


class EncryptedJSONField(CheckFieldDefaultMixin, EncryptedField):
    """A list or dict, stored as encrypted JSON text; an empty one is encrypted too.

    Reading the attribute raises NotReadable when the stored value was altered or belongs elsewhere.
    """

    description = "加密的 JSON"
    empty_strings_allowed = False
    _default_hint = ("list", "[]")

    def to_python(self, value: Any) -> Any:
        return value

    def to_text(self, value: Any) -> str | None:
        if value is None:
            return None
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    def from_text(self, text: str) -> Any:
        return json.loads(text)

    def formfield(self, **kwargs: Any) -> Any:
        # Not TextField's form field: the value is a list or dict.
        return models.Field.formfield(self, **{"form_class": forms.JSONField, **kwargs})


class BlindIndexField(models.CharField):
    """A `blind_index` beside an encrypted field. Anything else is refused, so is half a value.

    OF names that field, or a property made of several; it is the purpose of the index too.
    `rotate_keys` makes it anew from there.
    """

    description = "盲索引"
    _SHAPE = re.compile(r"[0-9a-f]{64}")
    _LOOKUPS = frozenset({"exact", "in", "isnull"})

    def __init__(self, *args: Any, of: str = "", **kwargs: Any) -> None:
        kwargs["max_length"] = 64
        super().__init__(*args, **kwargs)
        self.of = of

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        del kwargs["max_length"]
        return name, path, args, kwargs

    def get_lookup(self, lookup_name: str) -> Any:
        """Equality only; the others raise FieldError when a query uses them."""
        known = lookup_name in self._LOOKUPS
        return super().get_lookup(lookup_name) if known else _refuse(lookup_name)

    def get_prep_value(self, value: Any) -> Any:
        """Raises ValueError (without the value) for text that is no blind index."""
        text = super().get_prep_value(value)
        if text and not self._SHAPE.fullmatch(text):
            raise ValueError(f"{self}：盲索引只能存放 blind_index() 的结果。")
        return text


# --- masks ----------------------------------------------------------------------------------------

REGISTERED, NOT_REGISTERED, NOT_SHOWN = "已登记", "未登记", "不显示"
_MOBILE = re.compile("1[3-9][0-9]{9}")


def _mask_phone(number: str) -> str:
    """Only of a single mobile number the last two digits.

    They let a clerk recognise a number, and leave some 10^4 numbers even to somebody who knows the
    prefixes sold in the city. The usual first three and last four leave a few dozen. A landline's
    last two leave about a hundred, because the exchange follows from the address: it shows nothing.
    """
    return f"{'*' * 9}{number[-2:]}" if _MOBILE.fullmatch(number) else REGISTERED


def _mask_text(_text: str) -> str:
    """Nothing: a part of an address, a diagnosis or a name of kin is already the fact."""
    return REGISTERED


_MASKS: dict[str, Callable[[str], str]] = {
    # First and last character: with the birth date beside it, any more leaves too few numbers.
    "id": standards.mask_id,
    "phone": _mask_phone,
    "address": _mask_text,
    "text": _mask_text,
}


def mask(value: str, kind: str) -> str:
    """What of a private VALUE may be shown without a reason on record.

    KIND is ``id``, ``phone``, ``address``, ``text`` (已登记 or 未登记 only) or ``hidden`` (not even
    whether there is one). Raises KeyError for another kind. Names of retirees are open: without
    them an office cannot work, so there is no mask for them.
    """
    if kind == "hidden":
        return NOT_SHOWN
    show = _MASKS[kind]
    return show(value) if value else NOT_REGISTERED


# --- declarations ---------------------------------------------------------------------------------


def _declarations(model: type[models.Model]) -> tuple[dict[str, str], set[str]]:
    """The ``class Privacy`` of a model; a historical model answers with its original's."""
    declared = getattr(getattr(model, "instance_type", model), "Privacy", None)
    return dict(getattr(declared, "private", {})), set(getattr(declared, "open", ()))


def private_fields(model: type[models.Model]) -> dict[str, str]:
    """Private field → kind of mask, as the model (or the original of a history) declares."""
    return _declarations(model)[0]


def undeclared_fields(model: type[models.Model]) -> set[str]:
    """Columns not declared either private or open: in neither, in both, or encrypted yet open.

    Left out are keys without meaning (automatic and UUID) and the columns a history adds itself.
    """
    private, open_fields = _declarations(model)
    original = getattr(model, "instance_type", model)
    columns = {
        field.name
        for field in original._meta.concrete_fields
        if not (field.primary_key and isinstance(field, (models.AutoField, models.UUIDField)))
    }
    encrypted = {f.name for f in original._meta.concrete_fields if isinstance(f, EncryptedField)}
    return columns - (private.keys() ^ open_fields) | (encrypted - private.keys())
