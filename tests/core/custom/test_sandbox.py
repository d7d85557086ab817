"""What a custom template can do, and that whatever else it tries is refused, shown as unknown, or stopped.

The escapes are the published ones: Jinja's own security advisories (CVE-2014-1402, CVE-2016-10745, CVE-2019-10906,
CVE-2024-22195, CVE-2024-34064, CVE-2024-56201, CVE-2024-56326, CVE-2025-27516), PortSwigger's research on server-side
template injection, PayloadsAllTheThings and HackTricks on Jinja2.
"""

from __future__ import annotations

import contextlib
import html
import threading
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_cloudact_notify.core.custom.meter import MAX_STEPS, MAX_TEXT, Meter
from airflow_cloudact_notify.core.custom.sandbox import MAX_SOURCE, check, render
from airflow_cloudact_notify.core.errors import CustomTemplateError

VARIABLES: dict[str, Any] = {
    "title": "Sales are late",
    "message": "m" * 20_000,
    "task_id": None,
    "details": {"error": "e" * 6_000, "rows": 3, "table": "raw <orders>", "many": list(range(100))},
    "history": ["one", "two"],
}

ESCAPES = [
    # walks over attributes
    "{{ ''.__class__ }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ ''.__class__.mro()[-1].__subclasses__()[40]('/etc/passwd').read() }}",
    "{{ [].__class__.__base__.__subclasses__() }}",
    "{{ ().__class__.__bases__[0] }}",
    "{{ {}.__class__.__base__ }}",
    "{{ title['__class__'] }}",
    "{{ title['__cla' ~ 'ss__'] }}",
    "{{ title['\\x5f\\x5fclass\\x5f\\x5f'] }}",
    "{{ details['__init__']['__globals__'] }}",
    "{{ details.__class__.fromkeys }}",
    "{{ details.get.__self__ }}",
    "{{ history.append }}",
    "{{ (1).__class__ }}",
    "{{ title.__doc__[1] }}",
    "{{ message.__len__ }}",
    # what Jinja, Flask, Django, Tornado and Airflow put into a template's reach
    "{{ self }}",
    "{{ self.__init__.__globals__ }}",
    "{{ self._TemplateReference__context.cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ cycler.__init__.__globals__.os }}",
    "{{ joiner.__init__.__globals__.os }}",
    "{{ namespace.__init__.__globals__.os }}",
    "{{ lipsum.__globals__ }}",
    "{{ lipsum.__globals__['os'].popen('id').read() }}",
    "{{ lipsum | string | list }}",
    "{{ get_flashed_messages.__globals__ }}",
    "{{ url_for.__globals__ }}",
    "{{ request.application.__globals__ }}",
    "{{ request['application']['\\x5f\\x5fglobals\\x5f\\x5f'] }}",
    "{{ request.environ }}",
    "{{ config.items() }}",
    "{{ config.__class__.from_envvar }}",
    "{{ g.pop.__globals__ }}",
    "{{ settings.SECRET_KEY }}",
    "{{ handler.settings }}",
    "{{ dict.__base__ }}",
    "{{ dict(a=1) }}",
    "{{ range.__class__ }}",
    "{{ context }}",
    "{{ environment }}",
    "{{ resolve }}",
    "{{ _ }}",
    "{{ __builtins__ }}",
    "{{ caller.__globals__ }}",
    "{{ varargs }} {{ kwargs }}",
    "{{ super() }}",
    "{{ conn.my_db.password }}",
    "{{ var.value.secret }}",
    "{{ ti.xcom_pull() }}",
    "{{ macros.os }}",
    "{{ env.HOME }} {{ environ }}",
    # loops' and undefined names' own objects
    "{% for x in history %}{{ loop.__class__ }}{% endfor %}",
    "{% for x in history %}{{ loop._iterable.gi_frame.f_back }}{% endfor %}",
    "{% for x in history %}{{ loop._undefined.__globals__ }}{% endfor %}",
    "{% for x in history %}{{ loop.cycle.__globals__ }}{% endfor %}",
    "{% for x in history %}{{ loop.changed(x) }}{% endfor %}",
    "{% for x in history %}{{ loop(history) }}{% endfor %}",
    "{{ nobody.__class__ }}",
    "{{ nobody._fail_with_undefined_error.__globals__ }}",
    "{{ nobody.__init__.__globals__ }}",
    # filters that reach for attributes, or call what they are given
    "{{ title | attr('__class__') }}",
    "{{ title | attr('\\x5f\\x5fclass\\x5f\\x5f') }}",
    "{{ ['__class__'] | map('attr') | list }}",
    "{{ history | map(attribute='__class__') | list }}",
    "{{ history | map('upper') | list }}",
    "{{ history | selectattr('__class__') | list }}",
    "{{ history | rejectattr('__class__') | list }}",
    "{{ history | groupby('__class__') }}",
    "{{ history | sum(attribute='__class__') }}",
    "{{ history | sort(attribute='__class__') }}",
    "{{ history | unique(attribute='__class__') }}",
    "{{ history | min(attribute='__class__') }}",
    "{{ history | join(attribute='__class__') }}",
    "{{ details | dictsort }}",
    "{{ details | xmlattr }}",
    "{{ {'a onmouseover=x': 1} | xmlattr }}",
    "{{ title | pprint }}",
    "{{ title | list }}",
    "{{ history | random }}",
    "{{ title | safe }}",
    "{{ title | forceescape }}",
    "{{ title | striptags }}",
    "{{ title | urlize }}",
    "{{ title | select('callable') }}",
    # str.format and its kin
    "{{ '{0.__class__}'.format(title) }}",
    "{{ '{0.__class__.__init__.__globals__}'.format_map({'0': title}) }}",
    "{{ '{a.__class__}'.format(a=42) }}",
    "{{ ('{a.__class__.mro}').format_map(details) }}",
    "{{ '%s' | format(title) }}",
    "{{ '%(a)s' % {'a': title} }}",
    "{{ '%s' % title }}",
    "{{ title.format.__func__ }}",
    "{{ ''.format.__self__ }}",
    "{{ ['{0.__class__}'.format] | map('call') }}",
    "{% set f = ''.format %}{{ f(title) }}",
    "{{ title.replace('S', 'T') }}",
    "{{ details.update({'a': 1}) }}",
    "{{ details.pop('rows') }}",
    "{{ history.append(1) }}",
    "{{ details.items(1) }}",
    "{{ details.items(*history) }}",
    "{{ details.items.__self__ }}",
    # generators, coroutines, frames
    "{{ (x for x in history).gi_frame }}",
    "{{ history.__iter__().gi_frame }}",
    "{{ coroutine.cr_frame.f_globals }}",
    "{{ generator.gi_code }}",
    "{% for x in history recursive %}{{ loop.depth }}{% endfor %}",
    # the rest of Jinja's language
    "{% import 'os' as os %}{{ os }}",
    "{% from 'os' import popen %}",
    "{% include '/etc/passwd' %}",
    "{% include title %}",
    "{% extends 'base' %}",
    "{% extends '../../acme/templates/other.html.j2' %}",
    "{% block a %}{% endblock %}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{% macro m() %}{{ caller() }}{% endmacro %}{% call m() %}{% endcall %}",
    "{% filter upper %}a{% endfilter %}",
    "{% set x %}a{% endset %}",
    "{% set ns = namespace(a=1) %}{% set ns.a = 2 %}",
    "{% set title.a = 1 %}",
    "{% autoescape false %}{{ title }}{% endautoescape %}",
    "{% with a = title %}{{ a.__class__ }}{% endwith %}",
    "{% do title %}",
    "{% debug %}",
    "{% trans %}a{% endtrans %}",
    "{% python %}import os{% endpython %}",
    "{% raw %}{% endraw %}{{ title.__class__ }}",
    "{% async %}",
    "{{ await title }}",
    "{{ lambda: 1 }}",
    "{{ title := 1 }}",
    "${title.__class__} #{7*7} <%= 7*7 %> {{ 7*'7' }}",
    "{{ title if title is callable }}",
    "{{ title is filter }}",
    "{{ title is sameas title }}",
    "{{ title | default(*history) }}",
    "{{ title | truncate(**details) }}",
    "{{ title | default | _made }}",
    "{{ title | _each }}",
    "{{ [title, [title]] }}",
    "{{ {'a': details} }}",
]

LEAKS = (
    "<class",
    "<module",
    "<function",
    "<bound",
    "<built-in",
    "<method",
    "0x",
    "root:",
    "object at",
    "site-packages",
)


@pytest.mark.parametrize("source", ESCAPES)
def test_an_escape_reaches_nothing(source):
    try:
        text = render(source, VARIABLES, meter()).text
    except CustomTemplateError as error:
        text = str(error)
    assert not [leak for leak in LEAKS if leak in text]
    # What is not refused says so in the message: nothing of Python is known by any name.
    assert text.startswith("line 1: ") or "[unknown: " in text or "Encountered unknown tag" in text


ENDLESS = {
    "range": "{% for x in range(10**9) %}{% endfor %}",
    "text times a number": "{{ 'a' * 10**10 }}",
    "number times a text": "{{ 10000000000 * 'a' }}",
    "list times a number": "{{ [1] * 10000000000 }}",
    "power": "{{ 9 ** 9 ** 9 }}",
    "format": "{{ '%9999999999d' % 1 }}",
    "format as a filter": "{{ '%9999999999d' | format(1) }}",
    "format of text": "{{ '{:>9999999999}'.format(1) }}",
    "center": "{{ 'a' | center(10**9) }}",
    "center, without a power": "{{ 'a' | center(1000000000) }}",
    "indent": "{{ message | indent(1000000000) }}",
    "wordwrap": "{{ message | wordwrap(1) }}",
    "batch": "{{ history | batch(1000000000, 'x') | list }}",
    "slice": "{{ history | slice(1000000000) | list }}",
    "lipsum": "{{ lipsum(n=1000000) }}",
    "cycler": "{% set c = cycler(*history) %}{{ c.next() }}",
    "long join": "{{ message | join(message) }}",
    "long replace": "{{ message | replace('m', message) }}",
    "replace of nothing": "{{ message | replace('', message) }}",
    "long tojson": "{{ [message, message, message, message, message, message] | tojson }}",
    "doubled by ~": "".join(f"{{% set a{n + 1} = a{n} ~ a{n} %}}" for n in range(60)).join(
        ["{% set a0 = 'abc' %}", "{{ a60 }}"]
    ),
    "doubled by +": "{% set a = 'abc' %}" + "{% set a = a + a %}" * 60 + "{{ a }}",
    "doubled by join": "{% set a = 'abc' %}" + "{% set a = [a, a] | join %}" * 60 + "{{ a }}",
    "doubled as a list": "{% set a = ['abc'] %}" + "{% set a = [a, a] %}" * 60 + "{{ a }}",
    "doubled as a list, compared": "{% set a = [1] %}{% set b = [1] %}"
    + "{% set a = [a, a] %}{% set b = [b, b] %}" * 40
    + "{{ a == b }}",
    "doubled by +, as a list": "{% set a = [1] %}" + "{% set a = a + a %}" * 60 + "{{ a }}",
    "doubled as a dict": "{% set a = {'b': 'c'} %}" + "{% set a = {'x': a, 'y': a} %}" * 60 + "{{ a }}",
    "squared": "{% set a = 999999999 %}" + "{% set a = a * a %}" * 60 + "{{ a }}",
    "loops in loops": "{% for a in message %}" * 3 + "{% endfor %}" * 3,
    "loops that put out": "{% for a in message %}{{ message }}{% endfor %}",
    "loops that only say": "{% for a in message %}{% for b in message %}abcdefghij{% endfor %}{% endfor %}",
    "loops with a condition": "{% for a in message if a == 'x' %}{% endfor %}" * 9,
    "loops that look ahead": "{% for a in message %}{% for b in message %}{{ loop.last }}{% endfor %}{% endfor %}",
    "loops that count themselves": "{% for a in message %}{% for b in message if b %}{{ loop.length }}"
    + "{% endfor %}{% endfor %}",
    "loops that compare": "{% for a in message %}{% if message == message[:] %}{% endif %}{% endfor %}",
    "loops that search": "{% for a in message %}{% if 'x' in message %}{% endif %}{% endfor %}",
    "loops that slice": "{% for a in message %}{% set b = message[::-1] %}{% endfor %}",
    "loops that calculate": "{% for a in message %}{% for b in message %}{% set c = 3 * 4 %}{% endfor %}{% endfor %}",
    "slices without a loop": "{% set a = message[1:] %}" * 110,
    "comparisons without a loop": "{% if message == 'x' %}{% endif %}" * 110,
    "searches without a loop": "{% if 'x' in message %}{% endif %}" * 110,
    "recursion by a macro": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "recursion by a loop": "{% for a in history recursive %}{{ loop(history) }}{% endfor %}",
    "recursion by include": "{% include 'me' %}",
    "recursion by import": "{% import 'me' as me %}",
    "recursion by extends": "{% extends 'me' %}",
    "many brackets": "{{ " + "(" * 10_000 + ")" * 10_000 + " }}",
    "many lists": "{{ " + "[" * 10_000 + "]" * 10_000 + " }}",
    "many nots": "{{ " + "not " * 7_000 + "title }}",
    "many minuses": "{{ " + "-" * 30_000 + "1 }}",
    "many plusses": "{{ 1" + "+1" * 15_000 + " }}",
    "many dots": "{{ title" + ".a" * 15_000 + " }}",
    "many filters": "{{ title" + "|e" * 15_000 + " }}",
    "many comparisons": "{{ 1" + "<1" * 15_000 + " }}",
    "many branches": "{% if 0 %}" + "{% elif 0 %}" * 2_500 + "{% endif %}",
    "a hundred and one branches": "{% if 0 %}" + "{% elif 0 %}" * 101 + "{% endif %}",
    "many ifs": "{% if 1 %}" * 100 + "{% endif %}" * 100,
    "many outputs": "{{ title }}" * 2_000,
    "many outputs, of which each is little": "{{a}}" * 1_600,
    "many digits": "{{ " + "9" * 30_000 + " }}",
    "many hexadecimal digits": "{{ 0x" + "f" * 30_000 + " }}",
    "a large source": "a" * (MAX_SOURCE + 1),
}


@pytest.mark.parametrize("source", [pytest.param(source, id=name) for name, source in ENDLESS.items()])
def test_what_would_take_for_ever_is_stopped(source):
    threads = threading.active_count()
    with pytest.raises(CustomTemplateError):
        render(source, VARIABLES, meter(10.0))
    assert threading.active_count() <= threads


def meter(seconds: float = 10.0) -> Meter:
    return Meter(time.monotonic() + seconds)


class Ticking:
    """A clock on which every look takes a millisecond."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 0.001
        return self.now


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{{ a }}",
        "{% set b = a ~ a %}",
        "{% set b = 1 + 1 %}",
        "{% if a == 'x' %}{% endif %}",
        "{% set b = a|upper %}",
    ],
)
def test_the_clock_stops_a_loop_whatever_it_does(body):
    source = "{% for a in message %}" + body + "{% endfor %}"
    with pytest.raises(CustomTemplateError, match="line 1: stopped: it took too long"):
        render(source, VARIABLES, Meter(1.0, Ticking()))


def test_without_a_loop_too_the_clock_stops_a_template():
    with pytest.raises(CustomTemplateError, match="it took too long"):
        render("{{ title }}" * 400, VARIABLES, Meter(0.3, Ticking()))


def test_what_is_stopped_says_where_and_why():
    for source, why in {
        "\n{% for a in message %}{{ a }}{{ a }}{% endfor %}": f"line 2: stopped after {MAX_STEPS:,} steps",
        "\n\n{{ message ~ message ~ message ~ message ~ message ~ title }}": (
            f"line 3: stopped: a text is longer than {MAX_TEXT:,} characters"
        ),
        "{% for a in message %}abcdefghij{% endfor %}": f"stopped: a text is longer than {MAX_TEXT:,} characters",
        "{{ 999999999 * 999999999 * 999 }}": "line 1: stopped: a number has more than 18 digits",
        "{{ 10 / 0 }}": "line 1: ZeroDivisionError: division by zero",
        "\n{% if %}": "line 2: Expected an expression, got 'end of statement block'",
        "\n\n{{ title | attr('x') }}": "line 3: there is no filter attr; there are abs,",
        "{{ title is callable }}": "line 1: there is no test callable; there are boolean,",
        "{% macro m() %}{% endmacro %}": "line 1: custom templates do not have {% macro %}",
        "{{ title() }}": "line 1: custom templates do not have a call; only .items(), .keys() and .values() can be",
    }.items():
        with pytest.raises(CustomTemplateError) as stopped:
            render(source, VARIABLES, meter())
        assert str(stopped.value).startswith(why)


def test_a_check_finds_what_is_refused_without_filling_anything_in():
    check("{% for key, value in details.items() %}{{ key }}{% endfor %}")
    with pytest.raises(CustomTemplateError, match="there is no filter"):
        check("{{ title | nosuch }}")


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("{{ " + "9" * 5_000 + " }}", "ValueError: Exceeds the limit"),
        ("{% for x in history %}" * 22 + "{% endfor %}" * 22, "it is nested too deeply"),
        ("a\n{{ title", "line 2: unexpected end of template"),
    ],
)
def test_what_python_or_jinja_refuse_is_found_by_a_check_as_when_it_is_filled_in(source, why):
    for look in (check, lambda text: render(text, VARIABLES, meter())):
        with pytest.raises(CustomTemplateError, match=why):
            look(source)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ title }} {{ task_id }}.", "Sales are late ."),
        (
            "{{ details.rows + 1 }} {{ details['rows'] * 2 - 1 }} {{ 7 // 2 }} {{ -7 % 3 }} {{ 'a' + 'b' }}",
            "4 5 3 2 ab",
        ),
        ("{% for k, v in details.items() if k == 'rows' %}{{ k }}={{ v }}{% endfor %}", "rows=3"),
        (
            "{% for x in history %}{{ loop.index }}/{{ loop.length }} {{ x }}{{ ', ' if not loop.last }}{% endfor %}",
            "1/2 one, 2/2 two",
        ),
        ("{% for x in [] %}{% else %}none{% endfor %}", "none"),
        ("{% if task_id %}a{% elif 'late' in title %}b{% else %}c{% endif %}", "b"),
        ("{% set a, b = 1, 2 %}{{ b ~ a }} {{ 'y' if a else 'n' }}{{ 'y' if not a }}", "21 y"),
        ("{{ title[:5] }} {{ history[0] }} {{ history[-1] }}", "Sales one two"),
        ("{{ history }} {{ {'a': 1} }} {{ (1, 'b') }}", '["one", "two"] {"a": 1} [1, "b"]'),
        (
            "{{ nobody }} {{ details.owner }} {{ nobody.a.b }}",
            "[unknown: nobody] [unknown: owner] [unknown: nobody]",
        ),
        ("{{ nobody | default('-') }}{% if details.owner %}x{% endif %}{{ nobody is defined }}", "-False"),
        ("{% raw %}{{ title }}{% endraw %}{# nothing #}", "{{ title }}"),
        ("{% if title %}\n  a\n{% endif %}\nb\n", "  a\nb"),
        (
            "{{ details.keys() | length }}{{ details.values() | first | length }}{{ nobody.items() }}",
            "46000[unknown: nobody]",
        ),
    ],
)
def test_ordinary_templates_do_as_their_author_expects(source, text):
    assert render(source, VARIABLES, meter()).text == text


def test_a_name_that_nothing_is_known_by_is_reported_once():
    assert render("{{ nobody }}{{ nobody }}{{ nobody | d('') }}{{ x.y }}", {}, meter()).unknown == (
        "nobody",
        "x",
    )


def test_values_are_escaped_once_and_the_template_is_not():
    source = "<b>{{ title }}</b>{{ '<i>' }}{{ title | e }}{{ title | upper ~ '<' }}"
    text = render(source, {"title": "<a>"}, meter(), html.escape).text
    assert text == "<b>&lt;a&gt;</b>&lt;i&gt;&lt;a&gt;&lt;A&gt;&lt;"


@given(value=st.text(), key=st.text(min_size=1))
def test_no_value_can_become_markup(value, key):
    source = "{{ v }}{{ v|upper }}{{ v|e }}{{ v ~ v }}{{ d }}{{ [v] }}{{ v|tojson }}{{ v|replace('a', v) }}{{ d|join }}"
    source += "{{ v[1:] }}{{ v|e|replace('&lt;', '<') }}{{ (v|e)[:1] ~ v|trim }}"
    text = render(source, {"v": value, "d": {key: value}}, meter(), html.escape).text
    assert not set("<>\"'") & set(text)


@given(source=st.text(alphabet="{}%# abtitle.|()[]'\"-+*~,=<>0123456789\n_"))
def test_any_source_is_filled_in_or_refused(source):
    with contextlib.suppress(CustomTemplateError):
        assert isinstance(render(source, VARIABLES, meter()).text, str)
