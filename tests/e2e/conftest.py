import json
from collections.abc import Iterator

import pytest

from settings import ROOT
from tests.calls import Call, Turn, synthesise_call
from tests.product import Product, perdure_dev


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with perdure_dev(tmp_path_factory.mktemp("product")) as running:
        yield running


@pytest.fixture(scope="session")
def sample() -> Call:
    """The recorded call that comes with the product."""
    script = json.loads((ROOT / "examples" / "support_call.json").read_text())
    turns = tuple(
        Turn(turn["speaker"], turn["text"], turn["start"], turn["end"]) for turn in script["turns"]
    )
    path = ROOT / "examples" / "support_call.flac"
    return Call(path, turns, tuple(script["channels"]), turns[-1].end)


@pytest.fixture(scope="session")
def other_call(tmp_path_factory: pytest.TempPathFactory) -> Call:
    """A call that nothing was tuned to: other words, other numbers, the voices swapped."""
    return synthesise_call(
        tmp_path_factory.mktemp("call") / "other_call.wav",
        [
            ("agent", "good morning this is the service desk what is the problem"),
            ("customer", "the new machine does not work and i am very disappointed"),
            ("agent", "please give me a number where we can call you back"),
            ("customer", "you can call me at two one two six three nine eight four seven five"),
            ("agent", "and what are the last four digits of your card"),
            ("customer", "they are seven three eight one"),
            ("agent", "we will send a new machine to your office on monday morning"),
            ("customer", "that is wonderful thank you for your help"),
        ],
        voices=("slt", "rms"),
    )
