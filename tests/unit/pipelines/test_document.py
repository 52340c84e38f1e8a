"""What no definition's text may hold."""

import pytest

from pipelines.document import read_json, read_yaml
from pipelines.errors import InvalidDefinition


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
