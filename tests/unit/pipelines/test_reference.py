"""The reference page of the definition language says what the code does."""

import re

import pytest

from pipelines.check import check_document
from pipelines.checking.cel_messages import FUNCTIONS
from pipelines.checking.cel_tokens import MACROS
from pipelines.document import read_yaml
from pipelines.reference import expressions
from pipelines.reference.page import PARTS, refreshed
from pipelines.vocabulary import RESERVED
from settings import ROOT

PAGE = (ROOT / "docs/reference/definition.md").read_text("utf-8")


def test_the_page_is_what_the_code_makes() -> None:
    assert refreshed(PAGE) == PAGE, "docs/reference/definition.md is out of date: run `make docs`"


def test_what_was_changed_by_hand_is_written_anew() -> None:
    assert refreshed(PAGE.replace("**required**", "yes")) == PAGE


@pytest.mark.parametrize("wrong", [PAGE.replace("code: step", "code: stepp"), PAGE * 2, ""])
def test_a_page_has_each_part_once(wrong: str) -> None:
    with pytest.raises(ValueError, match="each of these parts once"):
        refreshed(wrong)


@pytest.mark.parametrize("text", re.findall(r"(?s)```yaml\n(.*?)```", PAGE))
def test_every_definition_on_the_page_is_right(text: str) -> None:
    if "steps:" in text:
        assert check_document(read_yaml(text)).steps
    else:
        assert read_yaml(text).value == expressions.CONTEXT


def test_every_function_and_macro_has_an_example() -> None:
    assert [f for f in FUNCTIONS if not any(f"{f}(" in e for e in expressions.FUNCTIONS)] == []
    assert [m for m in MACROS if f"{m}(" not in PARTS["macros"]()] == []
    assert RESERVED.intersection(expressions.CONTEXT) == set()


@pytest.mark.parametrize("anchor", sorted(set(re.findall(r"\]\(#([^)]+)\)", PAGE))))
def test_every_link_within_the_page_leads_somewhere(anchor: str) -> None:
    headings = re.findall(r"(?m)^#+ (.+)$", PAGE)
    assert anchor in {heading.lower().replace(" ", "-") for heading in headings}
