"""What no definition's text may hold."""

from collections.abc import Callable

import pytest

from pipelines.document import Document, read_json, read_yaml
from pipelines.errors import InvalidDefinition, Mistake


@pytest.mark.parametrize("text", ["a: !!set {b}", "a: !mine [1]", "a: !!python/name:os.system x"])
def test_a_tag_is_refused_wherever_it_stands(text: str) -> None:
    with pytest.raises(InvalidDefinition, match="is not supported: write plain data") as caught:
        read_yaml(text)
    assert (caught.value.mistakes[0].line, caught.value.mistakes[0].column) == (1, 4)


def test_a_number_with_thousands_of_digits_is_refused() -> None:
    with pytest.raises(InvalidDefinition, match="too many digits"):
        read_json('{"a": ' + "1" * 5000 + "}")


def test_text_that_looks_like_yes_and_no_stays_text() -> None:
    assert read_yaml("a: yes\nb: off\nc: true").value == {"a": "yes", "b": "off", "c": True}


def test_a_key_that_stands_twice_is_refused() -> None:
    with pytest.raises(InvalidDefinition, match="'a'"):
        read_yaml("a: 1\na: 2")
    with pytest.raises(InvalidDefinition, match="'a'"):
        read_json('{"a": 1, "a": 2}')


@pytest.mark.parametrize(
    ("read", "text", "place"),
    [(read_yaml, "b: 1\n{}: 2", (2, 1)), (read_json, '{{"b": 1, "{}": 2}}', (None, None))],
)
def test_a_key_is_bounded(
    read: Callable[[str], Document], text: str, place: tuple[int | None, int | None]
) -> None:
    assert read(text.format("k" * 1000)).value == {"b": 1, "k" * 1000: 2}
    with pytest.raises(InvalidDefinition) as caught:
        read(text.format("k" * 1001))
    (mistake,) = caught.value.mistakes
    assert mistake.message == f"A key has at most 1000 characters; '{'k' * 80}…' has 1001."
    assert (mistake.line, mistake.column) == place


@pytest.mark.parametrize(
    ("pointer", "place"),
    [
        ("", (1, 1)),
        ("/a~1b/~0/1", (2, 10)),
        ("/a~1b/~0/1/x", (2, 10)),
        ("/a~1b/nothing/1", (2, 3)),
        ("/nothing", (1, 1)),
    ],
)
def test_a_mistake_is_placed_by_its_pointer(pointer: str, place: tuple[int, int]) -> None:
    mistake = read_yaml("a/b:\n  ~: [1, 2]").locate(Mistake(pointer, "Wrong."))
    assert (mistake.line, mistake.column) == place
