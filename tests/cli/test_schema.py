from __future__ import annotations

import json
from pathlib import Path

import pytest

from airflow_cloudact_notify.core.schema import FILE, json_schema, schema_text

HERE = Path(__file__).parent.parent.parent
COMMITTED = HERE / "configs" / FILE


def test_the_committed_schema_is_that_of_the_models():
    assert COMMITTED.read_text() == schema_text(), (
        "run: cloudact-notify schema --out configs/notifications.schema.json"
    )


def test_it_can_be_printed_and_written(run):
    assert run("schema").out == schema_text()
    run("schema", "--out", "here.json")
    assert Path("here.json").read_text() == schema_text()


def properties() -> list[tuple[str, dict]]:
    schema = json_schema()
    models = {"": schema, **schema["$defs"]}
    return [
        (f"{m}.{key}", found)
        for m, model in models.items()
        for key, found in model.get("properties", {}).items()
    ]


@pytest.mark.parametrize(("name", "found"), properties(), ids=[name for name, _ in properties()])
def test_every_key_is_explained(name, found):
    """A docstring below the model's field does."""
    assert found.get("description", "").endswith("."), name
    assert "``" not in found["description"]


@pytest.mark.parametrize(
    "file", sorted((HERE / "configs").glob("*/*.json")), ids=lambda f: f"{f.parent.name}/{f.name}"
)
def test_the_examples_point_at_it(file):
    assert (file.parent / json.loads(file.read_text())["$schema"]).resolve() == COMMITTED


try:
    import jsonschema
except ImportError:  # Airflow brings it
    jsonschema = None

if jsonschema:
    VALIDATOR = jsonschema.validators.validator_for(json_schema())(json_schema())
    GOOD = sorted((HERE / "configs").glob("*/*.json"))
    # What a schema can see of a document: not its syntax, nor what lies beyond the document or between its keys.
    EXPECTED = json.loads((Path(__file__).parent / "bad_configs" / "expected.json").read_text())
    SEEN = {
        *(
            "unknown_section",
            "unknown_key",
            "unknown_key_of_trigger",
            "unknown_key_of_retry",
            "switch_in_words",
        ),
        *("port_out_of_range", "port_with_fraction", "recipients_as_text", "unknown_event", "no_event"),
        *("unknown_severity", "unknown_provider", "no_providers", "negative_cooldown", "unknown_scope"),
        *(
            "escalates_at_once",
            "timeout_too_short",
            "no_attempts",
            "section_is_no_object",
            "extends_a_stranger",
        ),
    }

    def test_it_is_a_schema():
        VALIDATOR.check_schema(json_schema())

    @pytest.mark.parametrize("file", GOOD, ids=lambda f: f"{f.parent.name}/{f.name}")
    def test_an_editor_finds_nothing_wrong_with_the_examples(file):
        assert [e.message for e in VALIDATOR.iter_errors(json.loads(file.read_text()))] == []

    @pytest.mark.parametrize("case", sorted(SEEN))
    def test_an_editor_sees_the_mistake(case):
        document = json.loads(
            (Path(__file__).parent / "bad_configs" / case / "notifications.json").read_text()
        )
        assert not VALIDATOR.is_valid(document)

    @pytest.mark.parametrize("case", [n for n, e in EXPECTED.items() if e["level"] == "warning"])
    def test_an_editor_does_not_call_a_doubt_a_mistake(case):
        document = json.loads(
            (Path(__file__).parent / "bad_configs" / case / "notifications.json").read_text()
        )
        assert VALIDATOR.is_valid(document)

    def test_a_variable_may_stand_for_a_number_or_a_switch():
        email = {"enabled": "${CLOUDACT_NOTIFY_MAIL}", "smtp_port": "${CLOUDACT_NOTIFY_PORT}"}
        assert VALIDATOR.is_valid({"email": email})
        assert not VALIDATOR.is_valid({"email": {"smtp_port": "587 or so"}})
