import json
import subprocess
import sys
from typing import Any

import pytest

from pipelines.errors import ExpressionError
from pipelines.expressions import evaluate, names_in

CONTEXT: dict[str, Any] = {
    "text": "hello",
    "count": 3,
    "ratio": 0.5,
    "nothing": None,
    "items": [{"name": "a", "n": 1}, {"name": "b", "n": 2}],
    "redacted": {"text": "x" * 600, "segments": None},
}


def failure(source: str) -> str:
    with pytest.raises(ExpressionError) as caught:
        evaluate(source, CONTEXT)
    return str(caught.value)


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("text", "hello"),
        ("size(redacted.text) > 500", True),
        ("count + 1", 4),
        ("ratio * 2.0", 1.0),
        ("nothing == null", True),
        ("redacted.segments", None),
        ("items.map(i, i.n * 10)", [10, 20]),
        ("items.filter(i, i.n > 1)", [{"n": 2, "name": "b"}]),
        ("has(redacted.text) && !has(redacted.other)", True),
        ("text.startsWith('he') ? 'yes' : 'no'", "yes"),
        ("{'a': count, 'b': [text]}", {"a": 3, "b": ["hello"]}),
        ("'text'", "text"),
        ("size('é𝄞')", 2),
    ],
)
def test_an_expression_has_its_value(source: str, value: Any) -> None:
    found = evaluate(source, CONTEXT)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("source", ["", "1 +", "text.", "(", "'open", "text text", "for x in y"])
def test_what_does_not_parse_is_an_error_that_shows_it(source: str) -> None:
    assert failure(source).startswith(f"'{source}' is not a valid expression: ")
    assert "<input>" not in failure(source)


@pytest.mark.parametrize(
    ("source", "missing"),
    [
        ("missing", "no 'missing'"),
        ("missing.text.size", "no 'missing'"),
        ("text + other + missing + other", "no 'other' and no 'missing'"),
    ],
)
def test_a_name_that_is_not_in_the_context_is_an_error(source: str, missing: str) -> None:
    assert failure(source) == f"'{source}' can't be evaluated: there is {missing}"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("redacted.other", "there is no 'other'"),
        ("items[9]", "there is no item 9 in a list of 2"),
        ("items['a']", "the number of an item can't be text"),
        ("1 / 0", "a number is divided by zero"),
        ("9223372036854775807 + count", "a number is out of range"),
        ("nothing.text", "a field is asked of something that has none, such as null"),
        ("redacted.segments[0].text", "an item is asked of null"),
        ("count + 'a'", "'+' does not go with a whole number and text"),
        ("size(nothing)", "'size()' does not go with null"),
        ("text && true", "'&&' takes only what is true or false"),
        ("text ? 1 : 2", "what stands before '?' is neither true nor false"),
        ("count.all(i, true)", "only a list or a mapping has items to go through"),
        ("int(text)", "cannot convert string to int"),
    ],
)
def test_an_evaluation_that_fails_says_why_in_plain_words(source: str, reason: str) -> None:
    assert failure(source) == f"'{source}' can't be evaluated: {reason}"


@pytest.mark.parametrize("source", ["redacted[text]", "text.matches(pattern)"])
def test_a_value_is_not_repeated_when_an_evaluation_fails(source: str) -> None:
    context = CONTEXT | {"text": "Jane-4111", "pattern": "Jane-4111("}
    with pytest.raises(ExpressionError) as caught:
        evaluate(source, context)
    assert "Jane" not in str(caught.value)


def test_an_error_does_not_repeat_a_whole_page() -> None:
    assert len(failure("missing + " * 900 + "text")) < 300


def test_an_expression_that_would_take_forever_is_stopped() -> None:
    numbers = {"n": list(range(100))}
    bomb = "n.all(a, n.all(b, n.all(c, n.all(d, n.all(e, a + b + c + d + e >= 0)))))"
    with pytest.raises(ExpressionError):
        evaluate(bomb, numbers)


@pytest.mark.parametrize(
    "source",
    [
        "0.0 / 0.0",
        "1.0 / 0.0",
        "type(count)",
        "b'bytes'",
        "duration('1s')",
        "timestamp('2026-01-01T00:00:00Z')",
        "{1: 'one'}",
        "[{'deep': type(1)}]",
    ],
)
def test_a_value_that_json_can_not_hold_is_an_error(source: str) -> None:
    with pytest.raises(ExpressionError, match="JSON"):
        evaluate(source, CONTEXT)


@pytest.mark.parametrize("value", [2**64, -(2**63) - 1, "\ud800"])
def test_a_context_that_cel_can_not_hold_is_an_error(value: Any) -> None:
    with pytest.raises(ExpressionError):
        evaluate("value", {"value": value})


def test_the_keys_of_a_map_are_in_order_at_every_depth() -> None:
    found = evaluate("[{'b': {'z': 1, 'a': 2}, 'a': 3}]", {})
    assert json.dumps(found) == '[{"a": 3, "b": {"a": 2, "z": 1}}]'


def test_a_map_is_in_the_same_order_in_every_process() -> None:
    source = "{" + ", ".join(f"'key{number}': {number}" for number in range(20)) + "}"
    program = (
        "import json; from pipelines.expressions import evaluate;"
        f'print(json.dumps(evaluate("""{source}""", {{}})))'
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program], check=True, capture_output=True, text=True
        ).stdout
        for _ in range(3)
    }
    assert len(outputs) == 1


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("a + b", ("a", "b")),
        ("b.a", ("a", "b")),
        ("ab", ()),
        ("size(a)", ("a",)),
        ("'a'", ("a",)),
        ("_a1", ()),
        ("", ()),
    ],
)
def test_the_names_in_an_expression_are_found(source: str, names: tuple[str, ...]) -> None:
    assert names_in(source, ["b", "a"]) == names
