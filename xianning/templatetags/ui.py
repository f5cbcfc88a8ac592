"""What every template may use without loading it: dates in Chinese, masks, pills, frames."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from django import forms, template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from xianning import privacy

if TYPE_CHECKING:
    from django.forms.boundfield import BoundField
    from django.http import HttpRequest, QueryDict
    from django.template import Context

register = template.Library()


# --- values -------------------------------------------------------------------------------------


@register.filter
def masked(value: Any, kind: str = "id") -> str:
    """A private value as everybody may see it (第十一条); KIND as in `privacy.mask`."""
    return privacy.mask("" if value is None else str(value), kind)


def _day(value: date | datetime | None) -> date | None:
    """The calendar day in our time zone."""
    if isinstance(value, datetime):
        return (timezone.localtime(value) if timezone.is_aware(value) else value).date()
    return value or None


@register.filter
def month(value: date | datetime | None) -> str:
    """2026-11-01 → 2026年11月; nothing for nothing."""
    day = _day(value)
    return f"{day.year}年{day.month}月" if day else ""


@register.filter
def cn_date(value: date | datetime | None) -> str:
    """2026-11-03 → 2026年11月3日; nothing for nothing."""
    day = _day(value)
    return f"{day.year}年{day.month}月{day.day}日" if day else ""


@register.filter
def since(value: date | datetime | None) -> str:
    """How long something waits, in calendar days: `今天`, `3 天`; nothing for nothing."""
    day = _day(value)
    if day is None:
        return ""
    days = (timezone.localdate() - day).days
    return f"{days} 天" if days > 0 else "今天"


# --- states: a word and a sign, never colour alone ------------------------------------------------


class Pill(NamedTuple):
    """How a state looks: class of `.pill-…` in app.css, sign, and its usual word."""

    tone: str
    sign: str
    word: str


_PILLS = {
    "done": Pill("done", "✓", "已办"),
    "open": Pill("open", "●", "待办"),
    "returned": Pill("warn", "!", "被退回"),
    "blocked": Pill("quiet", "○", "未到"),
    "skipped": Pill("quiet", "–", "不适用"),
    "ended": Pill("quiet", "×", "已终止"),
    "confirmed": Pill("done", "✓", "已确认"),
    "unconfirmed": Pill("open", "●", "待确认"),
    "queued": Pill("quiet", "○", "排队中"),
    "running": Pill("open", "●", "进行中"),
    "reading": Pill("open", "●", "正在检查"),
    "checked": Pill("warn", "!", "待确认"),
    "writing": Pill("open", "●", "正在写入"),
    "dropped": Pill("quiet", "×", "已放弃"),
    "failed": Pill("bad", "×", "未完成"),
    "asked": Pill("open", "●", "待核准"),
    "approved": Pill("done", "✓", "已核准"),
    "refused": Pill("bad", "×", "不予核准"),
    "withdrawn": Pill("quiet", "×", "已撤回"),
    "made": Pill("open", "●", "可下载"),
    "fetched": Pill("done", "✓", "已下载"),
    "expired": Pill("quiet", "×", "已过期"),
    "packing": Pill("quiet", "○", "整理中"),
    "sent": Pill("open", "●", "待查收"),
    "closed": Pill("done", "✓", "已办结"),
    "waiting": Pill("open", "●", "待查收"),
    "accepted": Pill("done", "✓", "已接收"),
    "noted": Pill("done", "✓", "附注接收"),
    "late": Pill("warn", "!", "回执逾期"),
}


@register.simple_tag
def state_pill(state: str, word: str = "") -> SafeString:
    """A state as a pill. WORD replaces the usual one; an unknown state is shown plainly."""
    pill = _PILLS.get(str(state), Pill("quiet", "•", str(state)))
    return format_html(
        '<span class="pill pill-{}"><span aria-hidden="true">{}</span> {}</span>',
        pill.tone, pill.sign, word or pill.word,
    )  # fmt: skip


# --- frames -------------------------------------------------------------------------------------


def _article(words: str) -> SafeString:
    return format_html('<span class="article">{}</span>', words) if words else SafeString()


@register.simple_block_tag
def page_header(content: str, title: str, article: str = "", lead: str = "") -> SafeString:
    """The head of a page: h1, the article it serves, a leading sentence; CONTENT are its actions.

    `{% page_header "案卷" "第六条" %}<a class="btn btn-primary" href="…">登记</a>{% endpage_header %}`
    """
    actions = content.strip() and format_html('<div class="actions">{}</div>', content)
    sentence = lead and format_html('<p class="lead-line">{}</p>', lead)
    return format_html(
        '<header class="page-header"><div><h1>{} {}</h1>{}</div>{}</header>',
        title, _article(article), sentence, actions,
    )  # fmt: skip


@register.simple_block_tag
def panel(content: str, title: str = "", article: str = "") -> SafeString:
    """A framed part of a page with its h2: `{% panel "基本情况" %}…{% endpanel %}`."""
    head = title and format_html("<h2>{} {}</h2>", title, _article(article))
    return format_html('<section class="panel">{}{}</section>', head, content)


@register.filter
def crumbs(content: str) -> str:
    """The way back, from `<li>` entries; nothing when there are none (used by base.html)."""
    if not content.strip():
        return SafeString()
    return format_html('<nav class="crumbs" aria-label="所在位置"><ol>{}</ol></nav>', content)


# --- forms --------------------------------------------------------------------------------------


@register.simple_tag
def control(field: BoundField) -> SafeString:
    """The input of FIELD with Bootstrap's class for its kind."""
    widget = field.field.widget
    if isinstance(widget, forms.CheckboxInput | forms.RadioSelect):
        return field.as_widget()
    kind = "form-select" if isinstance(widget, forms.Select) else "form-control"
    classes = [kind, str(widget.attrs.get("class", "")), "is-invalid" if field.errors else ""]
    attrs: dict[str, Any] = {"class": " ".join(filter(None, classes))}
    if isinstance(widget, forms.FileInput):
        attrs["data-file"] = True
    return field.as_widget(attrs=attrs)


@register.filter
def anchor(field: BoundField) -> str:
    """Id of the (first) input of FIELD, for a link in the error summary."""
    return f"{field.auto_id}_0" if field.use_fieldset else field.id_for_label


# --- filters ------------------------------------------------------------------------------------

_CURSORS = ("after", "before")


@dataclass(frozen=True)
class FilterField:
    """One field of a filter form; without choices it is an input of TYPE."""

    name: str
    label: str
    value: str
    type: str
    choices: list[tuple[str, str]]


@dataclass(frozen=True)
class Chip:
    """A filter in force, and the address without it."""

    word: str
    url: str


@register.inclusion_tag("_partials/filters.html", takes_context=True)
def filters(context: Context, *triples: Any, **chips: Any) -> dict[str, Any]:
    """A GET form of filters with removable chips for those in force.

    `{% filters "state" "案卷状态" states "at" "所处步骤" steps q=words waiting=waiting %}`: name,
    label and choices of each field, in turn. Choices are pairs, objects with `key` and `title`, or
    the type of a plain input ("text", "date", "month"). Keyword arguments are chips for parameters
    set elsewhere: what to show for the parameter of that name; an empty one gives no chip.
    """
    request: HttpRequest = context["request"]
    fields = [
        FilterField(name, label, request.GET.get(name, ""), *_kind(choices))
        for name, label, choices in zip(triples[::3], triples[1::3], triples[2::3], strict=True)
    ]
    own = {field.name for field in fields}
    shown = {field.name: f"{field.label}：{_chosen(field)}" for field in fields if field.value}
    shown |= {name: _word(what) for name, what in chips.items() if what}
    return {
        "fields": fields,
        "kept": [
            (name, value)
            for name, values in request.GET.lists()
            for value in values
            if name not in own and name not in _CURSORS
        ],
        "chips": [Chip(word, _without(request.GET, name)) for name, word in shown.items()],
        "clear_url": _without(request.GET, *shown),
    }


def _word(thing: Any) -> str:
    return str(getattr(thing, "title", thing)) if not isinstance(thing, str) else thing


def _kind(choices: Any) -> tuple[str, list[tuple[str, str]]]:
    """Input type and value–label pairs of a filter field."""
    if isinstance(choices, str):
        return choices or "text", []
    pairs = [c if isinstance(c, tuple) else (c.key, c.title) for c in choices]
    return "select", [(str(value), str(label)) for value, label in pairs if value != ""]


def _chosen(field: FilterField) -> str:
    return dict(field.choices).get(field.value, field.value)


def _without(query: QueryDict, *names: str) -> str:
    """The address of this list without the parameters NAMES and from its first page."""
    rest = query.copy()
    for name in (*names, *_CURSORS):
        rest.pop(name, None)
    return f"?{rest.urlencode()}"
