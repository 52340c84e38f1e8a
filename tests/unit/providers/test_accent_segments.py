"""A text that Accent redacted as a whole becomes the segments that it was made of."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.adapters.accent_answer import SEPARATOR, Answer, cut, place
from tests.accent_answers import Found, answer_to, body, entity


def read(answer: dict[str, Any]) -> Answer:
    return Answer.model_validate_json(json.dumps(answer))


@pytest.mark.parametrize(
    ("texts", "found", "expected"),
    [
        pytest.param(["a", "b"], [], ["a", "b"], id="nothing found"),
        pytest.param(["", "", ""], [], ["", "", ""], id="nothing said"),
        pytest.param(
            ["Jane Doe here", "Hi Jane"],
            [("N", "Jane", "[FIRST NAME]"), ("N", "Doe", "[LAST NAME]"), ("N", "Jane", "")],
            ["[FIRST NAME] [LAST NAME] here", "Hi "],
            id="longer and shorter than it was",
        ),
        pytest.param(
            ["Jane", "Jane", "Jane"],
            [("N", "Jane", "[A B]"), ("N", "Jane", "[A]"), ("N", "Jane", "[]")],
            ["[A B]", "[A]", "[]"],
            id="whole segments",
        ),
        pytest.param(
            ["one\ntwo Jane", "three\n", "\nJane four"],
            [("N", "Jane", "[N]"), ("N", "Jane", "[N]")],
            ["one\ntwo [N]", "three\n", "\n[N] four"],
            id="segments with line ends of their own",
        ),
        pytest.param(
            ["call 555", "1234 now"],
            [("P", "555\n1234", "[PHONE]")],
            ["call [PHONE]", " now"],
            id="over a boundary",
        ),
        pytest.param(
            ["call 555", "12", "34 or Jane", "bye"],
            [("P", "555\n12\n34", "[PHONE NUMBER]"), ("N", "Jane", "[N]")],
            ["call [PHONE NUMBER]", "", " or [N]", "bye"],
            id="over two boundaries",
        ),
        pytest.param(["a", "b"], [("X", "\nb", "[X]")], ["a[X]", ""], id="from the line end on"),
        pytest.param(["a", "b"], [("X", "a\n", "[X]")], ["[X]", "b"], id="up to the line end"),
        pytest.param(
            ["a", "bc"], [("X", "a\n", "[X]"), ("Y", "b", "[Y]")], ["[X][Y]", "c"], id="adjacent"
        ),
        pytest.param(
            ["Zoë 😀 Jane", "naïve 😀"],
            [("N", "Zoë", "[N]"), ("N", "Jane", "[N]")],
            ["[N] 😀 [N]", "naïve 😀"],
            id="code points",
        ),
    ],
)
def test_redacted_text_is_cut_into_the_segments_again(
    texts: list[str], found: list[Found], expected: list[str]
) -> None:
    assert cut(read(answer_to(SEPARATOR.join(texts), *found)), texts) == expected


@given(st.data())
def test_line_ends_that_were_kept_are_cut_exactly(data: st.DataObject) -> None:
    word, instead = st.text("ab []\n", max_size=6), st.text("ab []", max_size=6)
    texts, expected, joined, entities = [], [], "", []
    for _ in range(data.draw(st.integers(1, 4))):
        text = redacted = ""
        for kept in data.draw(st.lists(word, max_size=3)):
            value = data.draw(st.text("abc", min_size=1, max_size=3))
            start = len(joined) + len(text) + len(kept)
            entities.append(entity(start, start + len(value)))
            text, redacted = text + kept + value, redacted + kept + data.draw(instead)
        texts.append(text)
        expected.append(redacted)
        joined += text + SEPARATOR
    answer = read(body(SEPARATOR.join(expected), entities))
    assert cut(answer, texts) == expected


def test_entity_over_a_boundary_is_one_in_each_segment() -> None:
    texts = ["call 555", "12", "34 or Jane"]
    answer = read(answer_to(SEPARATOR.join(texts), ("P", "555\n12\n34", "[P]")))
    assert [(one.segment, one.start, one.end) for one in place(answer.entities, texts)] == [
        (0, 5, 8),
        (1, 0, 2),
        (2, 0, 2),
    ]


def test_entities_may_overlap_and_come_in_any_order() -> None:
    texts = ["I am Jane Doe", "Hello"]
    last_name, whole_name, first_name = entity(10, 13), entity(5, 13), entity(5, 9)
    answer = read(body("I am [NAME]\nHello", [last_name, whole_name, first_name]))
    assert cut(answer, texts) == ["I am [NAME]", "Hello"]
    found = [(one.segment, one.start, one.end) for one in place(answer.entities, texts)]
    assert found == [(0, 5, 9), (0, 5, 13), (0, 10, 13)]
