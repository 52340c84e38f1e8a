"""The evaluation: its texts, and that its figures mean what they say."""

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from benchmarks import quality
from benchmarks.quality import is_hidden, measure, places_of, word_errors
from providers.adapters.base import ProviderAnswer, ProviderCall, ReportProgress
from providers.errors import ProviderFault
from providers.types import (
    Capability,
    Entity,
    RedactionRequest,
    RedactionResponse,
    SentimentResponse,
    TranscriptionResponse,
    Usage,
    Value,
)
from tests.scripted import ScriptedAdapter, answer, fail

TEXTS = Path(quality.__file__).with_name("quality")


def load(name: str) -> Any:
    return json.loads((TEXTS / f"{name}.json").read_text())


@pytest.mark.parametrize(
    ("said", "heard", "errors"),
    [
        ("one two three", "One, two three!", 0),
        ("one two three", "one three", 1),
        ("one two three", "one two two three", 1),
        ("one two three", "won two free", 2),
        ("one two three", "", 3),
        ("", "a b", 2),
        ("it's here", "its here", 1),
    ],
)
def test_errors_are_words_put_in_left_out_or_replaced(said: str, heard: str, errors: int) -> None:
    assert word_errors(said, heard) == errors


def test_value_is_hidden_when_all_its_letters_and_digits_are() -> None:
    text = "Jane Doe, 12-34"
    (name,) = places_of(["Jane Doe"], text)
    assert is_hidden(text, name, [(0, 4), (5, 8)])
    assert not is_hidden(text, name, [(0, 4), (5, 7)])
    (number,) = places_of(["12-34"], text)
    assert is_hidden(text, number, [(10, 12), (13, 15)])


def test_labelled_values_stand_in_their_texts_once() -> None:
    examples = load("personal_data")
    assert len(examples) == 30
    for example in examples:
        assert [example["text"].count(value) for value in example["values"]] == [
            1 for _ in example["values"]
        ]
    assert any(not example["values"] for example in examples)


def test_sentiments_are_of_every_kind() -> None:
    labels = [example["label"] for example in load("sentiment")]
    assert len(labels) == 30
    assert set(labels) == {"positive", "neutral", "negative", "mixed"}


class Perfect:
    """Answers as the labels say, but for what the test takes away."""

    def __init__(self, *, blind: int = 0) -> None:
        self._values = {one["text"]: one["values"] for one in load("personal_data")}
        self._blind = blind

    async def __call__(self, call: ProviderCall, report_progress: ReportProgress) -> ProviderAnswer:
        del report_progress
        assert isinstance(call.request, RedactionRequest)
        text = call.request.text or ""
        entities = [
            Entity(type="X", start=start, end=end, score=1)
            for start, end in places_of(self._values[text], text)
        ]
        if self._blind and entities:
            self._blind -= 1
            entities[0] = Entity(type="X", start=entities[0].end, end=entities[0].end, score=1)
        response = RedactionResponse(text="", entities=tuple(entities))
        return ProviderAnswer(response, Usage(characters=1))


@pytest.mark.parametrize("blind", [0, 3])
def test_recall_and_precision_count_values_and_stretches(blind: int) -> None:
    adapter = ScriptedAdapter(Perfect(blind=blind), capabilities=[Capability.PII_REDACTION])
    ((asked, figures),) = asyncio.run(measure([adapter]))
    labelled = sum(len(one["values"]) for one in load("personal_data"))
    right = (labelled - blind) / labelled
    assert figures == {"PII recall": right, "PII precision": right}
    assert str(asked.cost) == "0.030"


def test_accuracy_is_the_part_of_right_labels_and_failures_count_as_wrong() -> None:
    positive: Value = SentimentResponse(label="positive", score=1)
    unpaid = fail(ProviderFault("No."))
    adapter = ScriptedAdapter(
        unpaid, answer(positive), capabilities=[Capability.SENTIMENT_ANALYSIS]
    )
    ((asked, figures),) = asyncio.run(measure([adapter]))
    labels = [example["label"] for example in load("sentiment")]
    assert labels[0] == "positive"
    assert figures == {"sentiment accuracy": (labels.count("positive") - 1) / 30}
    assert asked.failed == 1


def test_provider_that_is_not_wanted_or_not_available_is_not_measured() -> None:
    other = ScriptedAdapter(name="other")
    shut = ScriptedAdapter(name="shut", available=False)
    assert asyncio.run(measure([other, shut], "shut")) == []
    assert other.calls == []


def test_texts_are_measured_where_nobody_can_speak(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    both = [Capability.TRANSCRIPTION, Capability.PII_REDACTION]
    adapter = ScriptedAdapter(Perfect(), capabilities=both)
    ((_, figures),) = asyncio.run(measure([adapter]))
    assert set(figures) == {"PII recall", "PII precision"}


def test_each_question_has_an_id_of_its_own() -> None:
    adapter = ScriptedAdapter(Perfect(), capabilities=[Capability.PII_REDACTION])
    asyncio.run(measure([adapter]))
    assert len({call.call_id for call in adapter.calls}) == len(adapter.calls) == 30


@pytest.mark.skipif(shutil.which("flite") is None, reason="the flite binary is not installed")
def test_word_error_rate_is_over_all_words_that_were_said() -> None:
    silence = TranscriptionResponse(text="", language="en", duration_seconds=1, segments=None)
    adapter = ScriptedAdapter(answer(silence), capabilities=[Capability.TRANSCRIPTION])
    ((_, figures),) = asyncio.run(measure([adapter]))
    assert figures == {"word error rate": 1.0}
    assert {call.audio.media_type for call in adapter.calls if call.audio} == {"audio/wav"}
