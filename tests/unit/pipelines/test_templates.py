from typing import Any

import pytest

from pipelines.errors import ExpressionError
from pipelines.templates import expressions_in, render

CONTEXT: dict[str, Any] = {"name": "Jane", "n": 3, "call": {"text": "hi", "tags": ["a", "é"]}}


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("", ""),
        ("no template", "no template"),
        ("Hello ${name}!", "Hello Jane!"),
        ("${name}${n}", "Jane3"),
        ("${ name } and ${call.text}", "Jane and hi"),
        ("$name {n} $", "$name {n} $"),
        ("cost: $5", "cost: $5"),
        ("$${name}", "${name}"),
        ("$${name} is ${name}", "${name} is Jane"),
        ("a $${ b $${ c", "a ${ b ${ c"),
        ("say ${'}'} now", "say } now"),
        ('say ${"}\\""} now', 'say }" now'),
        ("${{'a': {'b': n}}} x", '{"a": {"b": 3}} x'),
        ("tags: ${call.tags}", 'tags: ["a", "é"]'),
        ("is ${n > 2}", "is true"),
        ("none: ${null}", "none: null"),
        ("line\n${name}\nline", "line\nJane\nline"),
        ("} ${name} {", "} Jane {"),
    ],
)
def test_a_text_is_filled(template: str, value: str) -> None:
    assert render(template, CONTEXT) == value


@pytest.mark.parametrize(
    ("template", "value"),
    [("${n}", 3), ("${call.tags}", ["a", "é"]), ("${n > 5}", False), ("${null}", None)],
)
def test_a_single_expression_keeps_its_type(template: str, value: Any) -> None:
    assert render(template, CONTEXT) == value


def test_templates_are_filled_at_every_depth_and_the_rest_is_left() -> None:
    value = {"a": ["${n}", {"b": "x${name}"}], "c": 1.5, "d": None, "e": True}
    assert render(value, CONTEXT) == {
        "a": [3, {"b": "xJane"}],
        "c": 1.5,
        "d": None,
        "e": True,
    }


def test_a_key_is_no_template() -> None:
    assert render({"${n}": "x"}, CONTEXT) == {"${n}": "x"}


def test_what_was_filled_in_is_not_filled_again() -> None:
    assert render("${x}!", {"x": "${y}"}) == "${y}!"


@pytest.mark.parametrize("template", ["${name", "a ${", "${{'a': 1}", "${name} ${n"])
def test_a_brace_that_is_not_closed_is_an_error_with_its_place(template: str) -> None:
    with pytest.raises(ExpressionError, match=r"at character \d+ .* no closing '}'"):
        render(template, CONTEXT)


@pytest.mark.parametrize("template", ["${}", "${missing}", "x ${name +} y"])
def test_an_expression_that_fails_is_an_error(template: str) -> None:
    with pytest.raises(ExpressionError):
        render(template, CONTEXT)


def test_every_expression_of_a_value_is_found() -> None:
    value = {"a": ["${n} and ${name}", {"b": "$${no}"}], "c": 1, "d": ("${call.text}",)}
    assert list(expressions_in(value)) == ["n", "name", "call.text"]
