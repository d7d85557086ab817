from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_cloudact_notify.core.positions import key_lines, line_of, twin

TEXT = """{
  "email": {
    "enabled": true,
    "to_emails": [
      "a@example.com",
      "b@example.com"
    ], "smtp_port":
       587
  },
  "event_triggers": [
    {"event": "x"},
    {
      "event": "y"
    }
  ],
  "a \\"quoted\\" key": [[1], {"deep": {}}]
}
"""


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("", 1),
        ("email", 2),
        ("email.enabled", 3),
        ("email.to_emails", 4),
        ("email.to_emails.0", 5),
        ("email.to_emails.1", 6),
        ("email.smtp_port", 7),
        ("event_triggers", 10),
        ("event_triggers.0", 11),
        ("event_triggers.0.event", 11),
        ("event_triggers.1", 12),
        ("event_triggers.1.event", 13),
        ('a "quoted" key', 16),
        ('a "quoted" key.0.0', 16),
        ('a "quoted" key.1.deep', 16),
    ],
)
def test_every_key_has_its_line(key, line):
    assert key_lines(TEXT)[key] == line


@pytest.mark.parametrize(
    ("key", "line"),
    [("email.smtp_host", 2), ("event_triggers.1.severity", 12), ("slack.webhook_url", 1), ("nonsense", 1)],
)
def test_what_is_missing_has_the_line_of_what_it_would_stand_in(key, line):
    assert line_of(key, key_lines(TEXT)) == line


@pytest.mark.parametrize("after", ["\n}", ',\n"a": 4\n}', ",\n\x00 and what is no JSON"])
def test_of_two_keys_of_one_name_the_second_is_found(after):
    assert twin('{\n"b": {\n"a": 2,\n"a": 3}' + after) == ("b.a", 4)


TEXTS = st.text('ab"\\{[:, \n', max_size=5)
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda children: st.lists(children, max_size=3) | st.dictionaries(TEXTS, children, max_size=3),
    max_leaves=20,
)


def paths(value, path=""):
    yield path
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for name, child in children:
        yield from paths(child, f"{path}.{name}" if path else str(name))


@settings(deadline=None, database=None, derandomize=True)
@given(DOCUMENTS, st.sampled_from([None, 0, 2]))
def test_every_path_of_any_document_is_there(document, indent):
    text = json.dumps(document, indent=indent)
    lines = key_lines(text)
    assert set(paths(document)) <= lines.keys()
    assert all(1 <= line <= text.count("\n") + 1 for line in lines.values())
