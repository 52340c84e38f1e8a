"""What every answer of a language model is held against, whoever gave it."""

from typing import Any

import pytest

from providers.errors import InvalidRequest, ProviderFault
from providers.generation import ArrivingAnswer, check_schema, read_data

OBJECT: dict[str, Any] = {"type": "object"}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param('{"a": 1', id="cut off"),
        pytest.param('{"a": NaN}', id="no number"),
        pytest.param('{"a": 1e999}', id="infinite"),
        pytest.param('{"a": "\\ud83d"}', id="half a character"),
        pytest.param('{"a": ' + "9" * 5000 + "}", id="too many digits"),
        pytest.param('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", id="too deep"),
        pytest.param("[]", id="no object"),
    ],
)
def test_what_nobody_could_be_handed_is_a_fault(text: str) -> None:
    with pytest.raises(ProviderFault):
        read_data(text, OBJECT)


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param({**OBJECT, "$ref": "#"}, id="itself"),
        pytest.param({**OBJECT, "$ref": "#/nowhere"}, id="nothing"),
        pytest.param({**OBJECT, "$ref": "http://127.0.0.1:9/schema"}, id="another document"),
    ],
)
def test_reference_that_leads_nowhere_is_the_requests_fault(schema: dict[str, Any]) -> None:
    check_schema(schema)
    with pytest.raises(InvalidRequest):
        read_data("{}", schema)


def test_pattern_that_is_none_is_refused_before_anybody_is_paid() -> None:
    with pytest.raises(InvalidRequest, match=r"\$\.properties\.a\.pattern"):
        check_schema({**OBJECT, "properties": {"a": {"type": "string", "pattern": "("}}})


def test_halves_of_a_character_are_joined_and_lone_ones_replaced() -> None:
    answer = ArrivingAnswer(10, lambda _: None)
    for part in ("a\ud83d", "\ude00b", "\ud800"):
        answer.add(part)
    assert answer.text == "a\U0001f600b\ufffd"
