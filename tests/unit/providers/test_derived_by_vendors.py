"""Summaries, moods and personal data by each vendor of language models."""

import json
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from providers.errors import InputTooLarge, ProviderFault
from providers.language_model import LanguageModelAdapter
from providers.prices import cost_of
from providers.types import (
    RedactionRequest,
    RedactionResponse,
    Segment,
    SegmentSentiment,
    SentimentRequest,
    SentimentResponse,
    SummarizationRequest,
    SummarizationResponse,
    Usage,
    Value,
)
from tests.asking import ask
from tests.dialects import DIALECTS, Dialect
from tests.fake_vendor import FakeVendor, serve_fake_vendor

CALL = (
    Segment(start=0, end=1, text="Hello, I'm Jane Doe.", speaker="customer"),
    Segment(start=1, end=2, text="Hi Jane Doe!", speaker="agent"),
)
NEUTRAL = {"label": "neutral", "score": 0}
MIXED = {"label": "mixed", "score": -0.2}
EXAMPLES: list[tuple[Value, dict[str, Any], Value]] = [
    (
        RedactionRequest(text="I'm Jane Doe."),
        {"found": [{"type": "PERSON", "quote": "Jane Doe"}]},
        RedactionResponse.model_validate(
            {
                "text": "I'm [PERSON].",
                "entities": [{"type": "PERSON", "start": 4, "end": 12, "score": 0.8}],
            }
        ),
    ),
    (
        RedactionRequest(segments=CALL, mode="remove"),
        {"found": [{"type": "PERSON", "quote": "Jane Doe", "n": 0}]},
        RedactionResponse.model_validate(
            {
                "text": "Hello, I'm .\nHi !",
                "segments": [
                    {**CALL[0].model_dump(), "text": "Hello, I'm ."},
                    {**CALL[1].model_dump(), "text": "Hi !"},
                ],
                "entities": [
                    {"type": "PERSON", "start": 11, "end": 19, "score": 0.8, "segment": 0},
                    {"type": "PERSON", "start": 3, "end": 11, "score": 0.8, "segment": 1},
                ],
            }
        ),
    ),
    (SentimentRequest(text="Well."), MIXED, SentimentResponse(label="mixed", score=-0.2)),
    (
        SentimentRequest(segments=CALL),
        {**MIXED, "segments": [{"n": 0, **NEUTRAL}, {"n": 1, **NEUTRAL}]},
        SentimentResponse(
            label="mixed",
            score=-0.2,
            segments=(
                SegmentSentiment(label="neutral", score=0, speaker="customer"),
                SegmentSentiment(label="neutral", score=0, speaker="agent"),
            ),
        ),
    ),
    (
        SummarizationRequest(text="Long.", max_sentences=3),
        {"sentences": ["Short.", "Shorter."]},
        SummarizationResponse(text="Short. Shorter."),
    ),
]


@pytest.fixture
async def vendor() -> AsyncIterator[FakeVendor]:
    async with serve_fake_vendor() as vendor:
        yield vendor


@pytest.fixture(params=DIALECTS, ids=lambda one: one.name)
def dialect(request: pytest.FixtureRequest) -> Dialect[Any]:
    found: Dialect[Any] = request.param
    return found


@pytest.fixture
async def adapter(
    vendor: FakeVendor, dialect: Dialect[Any]
) -> AsyncIterator[LanguageModelAdapter[Any]]:
    adapter = dialect.adapter(vendor.url)
    yield adapter
    await adapter.close()


@pytest.mark.parametrize(("request_", "data", "expected"), EXAMPLES)
async def test_answer_is_read_and_priced(
    vendor: FakeVendor,
    adapter: LanguageModelAdapter[Any],
    dialect: Dialect[Any],
    request_: Value,
    data: dict[str, Any],
    expected: Value,
) -> None:
    vendor.stream(*dialect.told(json.dumps(data)))
    answer = await ask(adapter, request_)
    assert answer.response == expected
    assert cost_of(adapter.offers()[1], answer.usage) == Decimal("0.00011")


@pytest.mark.parametrize(("request_", "data"), [example[:2] for example in EXAMPLES])
async def test_requests_are_those_of_the_api(
    vendor: FakeVendor,
    adapter: LanguageModelAdapter[Any],
    dialect: Dialect[Any],
    request_: Value,
    data: dict[str, Any],
) -> None:
    vendor.stream(*dialect.told(json.dumps(data)))
    await ask(adapter, request_)
    dialect.assert_valid(vendor.asked[0].body)


@pytest.mark.parametrize("dialect", DIALECTS[:1], ids=["openai"])
@pytest.mark.parametrize(("request_", "data"), [example[:2] for example in EXAMPLES])
async def test_schemas_are_strict(
    vendor: FakeVendor,
    adapter: LanguageModelAdapter[Any],
    dialect: Dialect[Any],
    request_: Value,
    data: dict[str, Any],
) -> None:
    vendor.stream(*dialect.told(json.dumps(data)))
    await ask(adapter, request_)
    assert vendor.asked[0].body["text"]["format"]["strict"] is True


@pytest.mark.parametrize("request_", [example[0] for example in EXAMPLES])
async def test_answer_that_was_cut_off_is_too_large_and_paid_for(
    vendor: FakeVendor, adapter: LanguageModelAdapter[Any], dialect: Dialect[Any], request_: Value
) -> None:
    vendor.stream(*dialect.cut_off('{"fou'))
    with pytest.raises(InputTooLarge) as caught:
        await ask(adapter, request_)
    assert caught.value.usage == dialect.used


@pytest.mark.parametrize(
    ("request_", "data"),
    [
        (EXAMPLES[0][0], {"found": [{"type": "PERSON", "quote": "John Roe"}]}),
        (EXAMPLES[0][0], {"found": [{"type": "SECRET", "quote": "Jane Doe"}]}),
        (EXAMPLES[3][0], {**MIXED, "segments": []}),
    ],
)
async def test_answer_that_does_not_fit_is_a_fault_that_was_paid_for(
    vendor: FakeVendor,
    adapter: LanguageModelAdapter[Any],
    dialect: Dialect[Any],
    request_: Value,
    data: dict[str, Any],
) -> None:
    vendor.stream(*dialect.told(json.dumps(data)))
    with pytest.raises(ProviderFault) as caught:
        await ask(adapter, request_)
    assert caught.value.usage == dialect.used
    shown = f"{caught.value}{caught.value.__context__}{caught.value.__cause__}"
    assert not {"Jane", "John"} & set(shown.replace(".", " ").split())


async def test_text_without_a_word_costs_nothing(
    vendor: FakeVendor, adapter: LanguageModelAdapter[Any]
) -> None:
    answer = await ask(adapter, RedactionRequest(segments=()))
    assert answer.usage == Usage(input_tokens=0, output_tokens=0)
    assert cost_of(adapter.offers()[1], answer.usage) == 0
    assert vendor.asked == []


async def test_no_more_is_asked_for_than_the_model_writes(
    vendor: FakeVendor, adapter: LanguageModelAdapter[Any], dialect: Dialect[Any]
) -> None:
    vendor.stream(*dialect.told('{"found": []}'))
    await ask(adapter, RedactionRequest(text="x" * 100_000))
    body = vendor.asked[0].body
    assert body.get("max_output_tokens", body.get("max_tokens")) == 128_000
