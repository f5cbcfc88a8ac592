"""The shared pieces of pages: what they say, and that they say it to everybody."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Any

import pytest
from django import forms
from django.template import engines
from django.template.loader import render_to_string
from django.test import RequestFactory

from xianning.templatetags import ui


def render(source: str, query: str = "", **context: Any) -> str:
    request = RequestFactory().get(f"/{query}")
    return engines["django"].from_string(source).render(context, request)


class Page(HTMLParser):
    """Start tags of a page by name, and the text between them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.extend(data.split())

    def having(self, attribute: str) -> list[str]:
        return [attrs[attribute] or "" for _, attrs in self.tags if attribute in attrs]


# --- values -------------------------------------------------------------------------------------


def test_dates_are_written_as_in_chinese_papers() -> None:
    # 23:30 UTC is already the next day in Xianning.
    late = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)
    assert ui.cn_date(late) == "2026年11月23日"
    assert ui.cn_date(date(2026, 1, 3)) == "2026年1月3日"
    assert ui.month(date(1965, 3, 1)) == "1965年3月"
    assert ui.month(None) == ui.cn_date(None) == ui.since(None) == ""


def test_waiting_is_counted_in_local_calendar_days(time_machine: Any) -> None:
    time_machine.move_to(datetime(2026, 11, 23, 1, 0, tzinfo=UTC))  # 09:00 here
    assert ui.since(datetime(2026, 11, 22, 16, 30, tzinfo=UTC)) == "今天"  # 00:30 here
    assert ui.since(datetime(2026, 11, 22, 15, 30, tzinfo=UTC)) == "1 天"  # 23:30 the day before
    assert ui.since(date(2026, 10, 24)) == "30 天"


def test_templates_mask_without_loading_anything() -> None:
    html = render("{{ n|masked }} {{ a|masked:'address' }} {{ none|masked }}",
                  n="421299196503210018", a="桂花路 1 号", none=None)  # fmt: skip
    assert html == "4****************8 已登记 未登记"


@pytest.mark.parametrize(
    "state", ["done", "open", "returned", "blocked", "skipped", "failed", "？"]
)
def test_a_state_is_a_sign_and_a_word_not_only_a_colour(state: str) -> None:
    sign, word = Page(ui.state_pill(state)).words
    assert sign
    assert word
    assert "办理中" in ui.state_pill(state, "办理中")


def test_frames_escape_what_they_are_given() -> None:
    html = render("{% page_header name '第六条' %}<a>改</a>{% endpage_header %}", name="<b>王</b>")
    assert "&lt;b&gt;王&lt;/b&gt;" in html
    assert '<div class="actions"><a>改</a></div>' in html
    assert "<h2>" not in render("{% panel %}x{% endpanel %}")


# --- forms --------------------------------------------------------------------------------------


class EveryKind(forms.Form):
    """One field of each kind that our forms use."""

    name = forms.CharField(label="姓名", help_text="与身份证一致")
    born = forms.DateField(label="出生日期", widget=forms.DateInput(attrs={"type": "date"}))
    kind = forms.ChoiceField(label="类别", choices=[("a", "甲"), ("b", "乙")])
    means = forms.ChoiceField(label="方式", choices=[("a", "甲")], widget=forms.RadioSelect)
    groups = forms.MultipleChoiceField(
        label="特殊人员", choices=[("ill", "重病")], widget=forms.CheckboxSelectMultiple
    )
    sealed = forms.BooleanField(label="已盖章")
    scan = forms.FileField(label="扫描件")
    version = forms.IntegerField(widget=forms.HiddenInput)
    remarks = forms.CharField(label="备注", required=False)

    def clean(self) -> None:
        raise forms.ValidationError("数量不符。")


class InGroups(EveryKind):
    @property
    def fieldsets(self) -> list[tuple[str, list[forms.BoundField]]]:
        return [("基本情况", [self["name"], self["groups"]]), ("其他", [self["remarks"]])]


FORM = '{% include "_partials/form.html" %}'


def test_every_error_stands_on_top_and_leads_to_its_field() -> None:
    page = Page(render(FORM, form=EveryKind({})))
    targets = [href[1:] for href in page.having("href")]
    ids = page.having("id")
    shown = ["name", "born", "kind", "means", "groups", "sealed", "scan"]
    assert [t.removeprefix("id_").removesuffix("_0") for t in targets] == shown
    assert set(targets) <= set(ids)
    assert "数量不符。" in page.words
    assert page.having("data-focus") == [""]


def test_help_and_errors_are_tied_to_the_input() -> None:
    page = Page(render(FORM, form=EveryKind({})))
    tied = {part for value in page.having("aria-describedby") for part in value.split()}
    assert {"id_name_helptext", "id_name_error", "id_groups_error", "id_scan_error"} <= tied
    assert tied <= set(page.having("id"))


@pytest.mark.parametrize(
    ("field", "words"),
    [
        (forms.CharField(), "请填写此项。"),
        (forms.IntegerField(), "请填写此项。"),
        (forms.DateField(), "请填写此项。"),
        (forms.BooleanField(), "请核实后勾选。"),
        (forms.ChoiceField(choices=[("1", "一")]), "请选择。"),
        (forms.FileField(), "请选择文件。"),
    ],
)
def test_what_is_missing_is_asked_for_in_its_own_words(field: forms.Field, words: str) -> None:
    with pytest.raises(forms.ValidationError) as missing:
        field.clean("" if not isinstance(field, forms.BooleanField) else False)
    assert missing.value.messages == [words]


def test_required_fields_say_so_in_words() -> None:
    assert Page(render(FORM, form=EveryKind())).words.count("必填") == 7


def test_a_form_sends_files_and_what_it_carries() -> None:
    page = Page(render(FORM, form=EveryKind(), cases=[SimpleNamespace(pk="c-1")], button="核定"))
    form = next(attrs for tag, attrs in page.tags if tag == "form")
    inputs = {a.get("name"): a.get("value") for tag, a in page.tags if tag == "input"}
    assert form["enctype"] == "multipart/form-data"
    assert inputs["case"] == "c-1"
    assert inputs["answered"] == "1"
    assert {"csrfmiddlewaretoken", "version"} <= inputs.keys()
    assert "核定" in page.words


def test_a_form_with_groups_shows_them_as_fieldsets() -> None:
    page = Page(render(FORM, form=InGroups()))
    assert [word for word in page.words if word in {"基本情况", "姓名", "其他", "备注"}] == [
        "基本情况", "姓名", "其他", "备注",
    ]  # fmt: skip
    assert sum(attrs.get("class") == "group" for tag, attrs in page.tags if tag == "fieldset") == 2


def test_the_final_button_sends_the_answers_again() -> None:
    source = '{% include "_partials/confirm.html" with button="接收" %}'
    page = Page(render(source, answers=[("备注", "")], hidden=[("remarks", "<x>")]))
    names = {a.get("name"): a.get("value") for _, a in page.tags if "name" in a}
    assert names["remarks"] == "<x>"
    assert {"confirmed", "change"} <= names.keys()
    assert {"确认接收", "未填"} <= set(page.words)


# --- lists --------------------------------------------------------------------------------------

STATES = [("", "未选"), ("open", "办理中"), ("done", "已完成移交")]
STEPS = [SimpleNamespace(key="verify", title="核定退休待遇")]


def test_filters_in_force_are_chips_that_can_be_taken_away() -> None:
    page = Page(
        render('{% filters "state" "状态" states "at" "步骤" steps q=words extra=none %}',
               "?state=open&q=sealed&after=x&at=", states=STATES, steps=STEPS, words="查找：王",
               none=None)
    )  # fmt: skip
    assert page.having("href") == ["?q=sealed&at=", "?state=open&at=", "?at="]
    assert {"状态：办理中", "查找：王"} <= set(page.words)
    kept = [a["name"] for tag, a in page.tags if tag == "input" and a["type"] == "hidden"]
    assert kept == ["q"]  # the cursor is not: a new filter starts at the first page
    chosen = [a["value"] for tag, a in page.tags if tag == "option" and "selected" in a]
    assert chosen == ["open"]


def test_filters_without_choices_are_inputs() -> None:
    page = Page(render('{% filters "q" "名称" "" "since" "起始" "date" %}', "?q=星河"))
    inputs = [(a["name"], a["type"], a["value"]) for tag, a in page.tags if tag == "input"]
    assert inputs == [("q", "text", "星河"), ("since", "date", "")]


def test_pager_leads_to_both_neighbours_and_says_what_is_counted() -> None:
    both = SimpleNamespace(previous_url="?before=1", next_url="?after=2", count_text="1000+")
    page = Page(render('{% include "_partials/pager.html" %}', page=both))
    assert page.having("href") == ["?before=1", "?after=2"]
    assert {"1000+", "人"} <= set(page.words)
    alone = SimpleNamespace(previous_url="", next_url="", count_text="")
    assert render('{% include "_partials/pager.html" %}', page=alone).strip() == ""


def job(**facts: Any) -> SimpleNamespace:
    usual = {
        "state": "running", "get_state_display": "进行中", "title": "导入 60 人", "done": 24,
        "total": 60, "message": "", "is_over": False, "get_absolute_url": "/jobs/1/",
        "back_url": "/transfers/",
    }  # fmt: skip
    return SimpleNamespace(**usual | facts)


def test_progress_asks_again_only_while_the_job_runs() -> None:
    source = '{% include "_partials/progress.html" %}'
    running = Page(render(source, job=job()))
    assert running.having("hx-get") == ["/jobs/1/"]
    assert running.having("href") == ["/jobs/1/"]  # the way without scripts
    assert Page(render(source, job=job(), poll_url="/b/")).having("hx-get") == ["/b/"]
    over = Page(render(source, job=job(is_over=True, state="failed", message="文件读不出来。")))
    assert over.having("hx-get") == []
    assert over.having("href") == ["/transfers/"]
    assert "文件读不出来。" in over.words


def test_steps_show_buttons_only_where_there_is_an_address() -> None:
    row = {"label": "接收人事档案", "who": "社保", "when": None, "reason": ""}
    rows = [
        SimpleNamespace(**row, state="open", url="/act/", button="接收", back_url="/back/"),
        SimpleNamespace(**row | {"reason": "尚未移交。"}, state="blocked", url="", button="接收"),
        SimpleNamespace(**row, state="done", url="", withdraw_url="/withdraw/"),
    ]
    step = SimpleNamespace(number=4, title="人事档案移交", article="第六条第4项", rows=rows)
    page = Page(render('{% include "_partials/steps.html" %}', steps=[step]))
    assert page.having("href") == ["/act/", "/back/", "/withdraw/"]
    assert {"第六条第4项", "尚未移交。"} <= set(page.words)


def test_import_errors_name_sheet_row_and_column() -> None:
    errors = [
        {"sheet": "全民", "row": 7, "column": "身份证号", "message": "校验码不符。"},
        {"sheet": "", "row": None, "column": "", "message": "文件读不出来。"},
    ]
    source = '{% include "_partials/errors_table.html" with caption="错误 2 处" %}'
    words = Page(render(source, errors=errors)).words
    assert {"全民", "7", "身份证号", "校验码不符。", "整个文件", "文件读不出来。"} <= set(words)


# --- the frame ----------------------------------------------------------------------------------


def test_the_way_back_is_there_only_when_a_page_gives_one() -> None:
    child = '{% extends "base.html" %}{% block breadcrumb %}<li>案卷</li>{% endblock %}'
    assert 'aria-label="所在位置"' in render(child)
    assert 'aria-label="所在位置"' not in render('{% extends "base.html" %}')


def test_a_page_whose_form_has_errors_says_so_in_the_title() -> None:
    child = '{% extends "base.html" %}{% block title %}退回{% endblock %}'
    title = re.compile(r"<title>\s*(\S+)")
    assert title.findall(render(child, form=EveryKind({}))) == ["错误：退回"]
    assert title.findall(render(child, form=EveryKind())) == ["退回"]


@pytest.mark.parametrize(
    "name", ["400.html", "403.html", "403_csrf.html", "404.html", "500.html", "lockout.html"]
)
def test_error_pages_need_neither_user_nor_database(name: str) -> None:
    """No database is allowed in this test, and no context is given."""
    page = Page(render_to_string(name))
    assert sum(tag == "h1" for tag, _ in page.tags) == 1
    assert page.having("href")
    assert not page.having("style")
    assert not any(tag == "style" for tag, _ in page.tags)
    assert all("src" in attrs for tag, attrs in page.tags if tag == "script")
