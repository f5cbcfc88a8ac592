"""Form fields that read what people really type; page, workbook and command use the same ones."""

from __future__ import annotations

import re
from datetime import date
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django import forms
from django.core.exceptions import ValidationError
from django.urls import reverse
from django.utils.html import format_html

from xianning import standards

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from django.utils.safestring import SafeString

    from communities.directory import Directory
    from communities.models import Area


class StandardField(forms.CharField):
    """A text field whose value is read by a function of `xianning.standards`.

    The length is that of what is stored: +86 and blanks around a number do not count.
    """

    default_error_messages = {
        "required": "请填写此项。",
        "max_length": "不能超过 %(limit_value)d 个字，现为 %(show_value)d 个字。",
    }
    parse: Callable[[str], Any] = staticmethod(standards.plain)

    def __init__(self, *args: Any, parse: Callable[[str], Any] | None = None, **kw: Any) -> None:
        super().__init__(*args, **kw)
        if parse is not None:
            self.parse = parse

    def clean(self, value: Any) -> Any:
        # Only the function that knows the standard may change widths: an address stays as typed.
        text = standards.plain(str(value)) if value not in self.empty_values else ""
        self.validate(text)
        if not text:
            return self.empty_value
        try:
            found = self.parse(text)
        except standards.NotValid as reason:
            raise ValidationError(str(reason)) from None
        if isinstance(found, str):
            self.run_validators(found)
        return found


class WorkbookField(forms.FileField):
    """A workbook to upload; the browser offers .xlsx alone, what it is is looked at on arrival."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(widget=forms.FileInput(attrs={"accept": ".xlsx"}), **kwargs)


_BRACKETS = str.maketrans("()", "（）")


def body_name(text: str) -> str:
    """The name of an enterprise or office with full-width brackets, as it stands on its seal."""
    return standards.fold(text).translate(_BRACKETS)


class _DateText(StandardField):
    """A date typed as text: 1965.3, 1965年3月, 1965-03-01 …; empty is None."""

    shown = "%Y-%m-%d"

    def clean(self, value: Any) -> Any:
        return (value if isinstance(value, date) else super().clean(value)) or None

    def prepare_value(self, value: Any) -> Any:
        return value.strftime(self.shown) if isinstance(value, date) else value

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool(self.clean(data) != initial)
        except ValidationError:
            return True


class DayField(_DateText):
    parse = staticmethod(standards.parse_date)
    widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")


class MonthField(_DateText):
    """The first day of a month."""

    parse = staticmethod(standards.parse_month)
    shown = "%Y-%m"
    widget = forms.TextInput(attrs={"placeholder": "例如 1965-03", "inputmode": "numeric"})


_SEPARATORS = "、,，;；/+ "
_BETWEEN = re.compile(f"[{_SEPARATORS}\\s]+")
_TICKED = re.compile(r"[☑☒√✓✔■]")
_BOXES = re.compile(r"[□☐☑☒√✓✔■]")
_IN_BRACKETS = re.compile(r"\( ?([□☐☑☒√✓✔■]?) ?\)|\[ ?([□☐☑☒√✓✔■]?) ?\]|【 ?([□☐☑☒√✓✔■]?) ?】")
_NOTHING = frozenset({"", "无", "否", "0", "没有", "暂无", "不是"})
_UNCLEAR = "看不出哪个方框属于哪一项。请把勾写在每一项的前面（☑孤寡 □重病），或只写要选的词。"


def _ticked(text: str) -> list[str] | None:
    """The words of folded TEXT that are ticked; None when no boxes are printed.

    Each box stands before its word, or each behind it. Raises ValidationError for anything else:
    a tick that is read for the wrong word would be a silent change.
    """
    if not _BOXES.search(text):
        return None
    if _TICKED.search(text):  # beside a tick empty brackets are a box, too
        text = _IN_BRACKETS.sub(lambda match: "".join(filter(None, match.groups())) or "□", text)
    pieces = [piece for piece in re.split(r"([□☐☑☒√✓✔■])", text) if _BETWEEN.sub("", piece)]
    boxes = [bool(_BOXES.fullmatch(piece)) for piece in pieces]
    if all(boxes) and not any(map(_TICKED.match, pieces)):
        return []
    first, second = (pieces[::2], pieces[1::2]) if boxes[0] else (pieces[1::2], pieces[::2])
    if len(pieces) % 2 or any(a == b for a, b in pairwise(boxes)):
        raise ValidationError(_UNCLEAR)
    return [
        word.strip(_SEPARATORS)
        for box, word in zip(first, second, strict=True)
        if _TICKED.match(box)
    ]


def _words_of(choices: Any) -> dict[str, str]:
    """Code → word of a code list, the words folded as what is compared with them."""
    return {str(code): standards.fold(str(label)) for code, label in choices if code != ""}


class _Words(forms.Field):
    """Reads words of a code list; a word that was read once is remembered with the field.

    REFUSED maps a part of a word to the sentence with which any word holding it is turned down.
    """

    def __init__(
        self,
        *,
        aliases: Mapping[str, str] | None = None,
        refused: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.aliases, self.refused = dict(aliases or {}), dict(refused or {})
        self._read: tuple[Any, dict[str, str], dict[str, str]] | None = None

    def _tables(self, choices: Any) -> tuple[dict[str, str], dict[str, str]]:
        """Code → word, and word → code of what was read, for the present choices."""
        if self._read is None or self._read[0] is not choices:
            self._read = choices, _words_of(choices), {}
        return self._read[1], self._read[2]

    def _code_of(self, word: str, choices: Any) -> str:
        """Raises ValidationError with what may be written."""
        codes, known = self._tables(choices)
        if (code := known.get(word)) is not None:
            return code
        for part, sentence in self.refused.items():
            if part in word:
                raise ValidationError(sentence)
        try:
            code = standards.lookup(codes, word, self.aliases)
        except standards.NotValid as reason:
            raise ValidationError(str(reason)) from None
        if len(known) < 1000:
            known[word] = code
        return code


class WordField(_Words, forms.ChoiceField):
    """One of a code list, given as its code, its word, or a usual other word."""

    def to_python(self, value: Any) -> str:
        text = standards.fold(str(value)) if value not in self.empty_values else ""
        if _TICKED.fullmatch(text):
            text = "√"  # a tick alone means something in some columns (是否享受低保)
        elif (words := _ticked(text)) is not None:
            if len(words) > 1:
                raise ValidationError("只能勾选一项。")
            text = "".join(words)
        return self._code_of(text, self.choices) if text else ""

    def valid_value(self, value: Any) -> bool:
        return str(value) in self._tables(self.choices)[0]


class WordsField(_Words, forms.MultipleChoiceField):
    """Several of a code list: ticks on the page, words with separators or boxes in a workbook."""

    widget = forms.CheckboxSelectMultiple

    def to_python(self, value: Any) -> list[str]:
        if value in self.empty_values:
            return []
        words: Iterable[str] = value if isinstance(value, list | tuple) else self._split(value)
        found = {self._code_of(word, self.choices) for word in words if word}
        return [code for code in self._tables(self.choices)[0] if code in found]

    @staticmethod
    def _split(value: Any) -> list[str]:
        """Words of one cell; when boxes are printed, only the ticked ones count."""
        text = standards.fold(str(value or ""))
        ticked = _ticked(text)
        if ticked is not None:
            return ticked
        return [word for word in _BETWEEN.split(text) if word not in _NOTHING]


class AreaInput(forms.TextInput):
    """A text input that offers matching divisions while one types; without scripts a plain one."""

    def __init__(self, level: str, receiving: bool) -> None:
        self.level, self.receiving = level, receiving
        super().__init__({"maxlength": 100})

    def render(
        self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None
    ) -> SafeString:
        options = f"{(attrs or {}).get('id', name)}_options"
        wanted = {"field": name, "level": self.level, "receiving": int(self.receiving)}
        more = {
            "list": options,
            "hx-get": f"{reverse('communities:area_choices')}?{urlencode(wanted)}",
            "hx-trigger": "input changed delay:250ms",
            "hx-target": "next datalist",
            "hx-sync": "this:replace",
        }
        control = super().render(name, value, {**(attrs or {}), **more}, renderer)
        return format_html('{}<datalist id="{}"></datalist>', control, options)


class AreaField(forms.CharField):
    """A division given by code, full name, or any part of the name that only one has.

    With SUGGEST the input offers divisions as one types, to users who may read the choices
    (`communities:area_choices` in access.REGISTRY).
    """

    def __init__(
        self, *, level: str = "", receiving: bool = False, suggest: bool = False, **kwargs: Any
    ) -> None:
        self.level, self.receiving = level, receiving
        if suggest:
            kwargs.setdefault("widget", AreaInput(level, receiving))
        super().__init__(**kwargs)
        self.directory: Directory | None = None
        self.widget.attrs.setdefault("autocomplete", "off")

    def clean(self, value: Any) -> Area | None:
        from communities.directory import Directory
        from communities.models import Area

        if isinstance(value, Area):
            return value
        text = super().clean(value)
        if text in self.empty_values:
            return None
        directory = self.directory or Directory()
        try:
            return directory.find(text, level=self.level, receiving=self.receiving)
        except standards.NotValid as reason:
            raise ValidationError(str(reason)) from None

    def prepare_value(self, value: Any) -> Any:
        from communities.models import Area

        if isinstance(value, Area):
            return value.full_name
        if isinstance(value, str) and len(value) == 12 and value.isdigit():
            area = Area.objects.filter(pk=value).first()
            return area.full_name if area else value
        return value

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            area = self.clean(data)
        except ValidationError:
            return True
        return (area.pk if area else None) != (getattr(initial, "pk", initial) or None)
