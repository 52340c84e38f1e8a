"""What is told of a language model's call before it is made."""

import asyncio
import json
from collections.abc import Mapping

import pytest
from pydantic import ValidationError

from pipelines.estimate import estimate
from providers.adapters.base import ProviderAdapter
from providers.prices import cost_of, upper_cost_of
from providers.types import (
    Capability,
    GenerationRequest,
    Message,
    RedactionRequest,
    SummarizationRequest,
    Usage,
    Value,
)
from settings import ROOT
from tests.billing import CONTEXT, STANDS, offer_of, server, to_call
from tests.estimating import pipeline, step
from tests.offers import registry


@pytest.fixture
def adapters() -> Mapping[str, ProviderAdapter]:
    """Make adapters that nobody listens to: to tell a bound asks nobody."""
    return {name: make("http://127.0.0.1:9") for name, (make, _) in STANDS.items()}


def told(adapter: ProviderAdapter, request: Value) -> set[tuple[int | None, int | None]]:
    """Return input and output of each way in which a call may go."""
    bounds = asyncio.run(adapter.upper_bounds(to_call(adapter, request)))
    return {(bound.input_tokens, bound.output_tokens) for bound in bounds}


ASKED = GenerationRequest(prompt="Grüß dich", system="Be brief.", max_output_tokens=400)
CLOSED = {
    "type": "object",
    "properties": {"mood": {"type": "string"}},
    "required": ["mood"],
    "additionalProperties": False,
}


@pytest.mark.parametrize("name", ["openai", "anthropic"])
def test_input_counts_with_its_bytes_and_16_for_each_message(
    adapters: Mapping[str, ProviderAdapter], name: str
) -> None:
    assert told(adapters[name], ASKED) == {(11 + 16 + 9 + 16, 400)}


@pytest.mark.parametrize("name", ["openai", "anthropic"])
def test_input_may_be_written_to_the_cache_or_read_from_it(
    adapters: Mapping[str, ProviderAdapter], name: str
) -> None:
    bounds = asyncio.run(adapters[name].upper_bounds(to_call(adapters[name], ASKED)))
    kinds = [(one.cached_input_tokens, one.cache_write_input_tokens) for one in bounds]
    assert kinds == [(None, None), (52, None), (None, 52)]


@pytest.mark.parametrize("name", ["openai", "anthropic"])
def test_schema_counts_with_twice_its_bytes_and_what_a_vendor_says_around_it(
    adapters: Mapping[str, ProviderAdapter], name: str
) -> None:
    request = ASKED.model_copy(update={"response_schema": CLOSED})
    assert told(adapters[name], request) == {(52 + 4096 + 2 * len(json.dumps(CLOSED)), 400)}


@pytest.mark.parametrize(("name", "context"), [("openai", 1_050_000), ("anthropic", 1_000_000)])
def test_schema_that_refers_to_its_parts_may_fill_the_context(
    adapters: Mapping[str, ProviderAdapter], name: str, context: int
) -> None:
    mood = {"$ref": "#/$defs/mood"}
    whole = CLOSED | {"properties": {"mood": mood}, "$defs": {"mood": {"type": "string"}}}
    request = ASKED.model_copy(update={"response_schema": whole})
    assert told(adapters[name], request) == {(context, 400)}


@pytest.mark.parametrize("name", STANDS)
@pytest.mark.parametrize(
    "request_",
    [
        SummarizationRequest(text=" \n"),
        RedactionRequest(text="Jane", entities=("not a type",)),
        GenerationRequest(prompt="a", response_schema={"type": "string"}),
    ],
    ids=["blank", "no type", "no object"],
)
def test_what_is_never_sent_costs_nothing(
    adapters: Mapping[str, ProviderAdapter], name: str, request_: Value
) -> None:
    assert told(adapters[name], request_) == {(0, 0)}


def test_a_conversation_that_anthropic_does_not_take_costs_nothing(
    adapters: Mapping[str, ProviderAdapter],
) -> None:
    turns = (Message(role="user", content="a"), Message(role="assistant", content="b"))
    assert told(adapters["anthropic"], GenerationRequest(messages=turns)) == {(0, 0)}


def test_a_server_is_bound_by_the_limits_that_the_settings_vouch_for(
    adapters: Mapping[str, ProviderAdapter],
) -> None:
    assert told(adapters["vllm"], ASKED) == {(CONTEXT, 400)}
    summary = SummarizationRequest(text="Long. Longer.")
    ((read, written),) = told(adapters["vllm"], summary)
    assert (read, written) == (CONTEXT, 128 + len(summary.text))


def test_a_server_that_nobody_vouches_for_has_no_bound() -> None:
    assert told(server(keeps_limits=False), ASKED) == set()


def test_limits_that_are_kept_must_be_told() -> None:
    with pytest.raises(ValidationError, match="keeps_limits needs context_tokens"):
        server(context_tokens=None)


@pytest.mark.parametrize("name", ["openai", "anthropic"])
@pytest.mark.parametrize(
    "request_",
    [
        ASKED,
        GenerationRequest(prompt="a" * 99_990),
        GenerationRequest(
            system="Be kind.",
            messages=(
                Message(role="system", content="Be brief."),
                Message(role="user", content="Guten Tag"),
                Message(role="assistant", content="你好"),
                Message(role="user", content="And now?"),
            ),
        ),
    ],
    ids=["prompt", "long prompt", "messages"],
)
def test_the_worst_case_of_an_estimate_covers_the_bound_of_the_call(
    adapters: Mapping[str, ProviderAdapter], name: str, request_: GenerationRequest
) -> None:
    params = request_.model_dump(mode="json", exclude_none=True)
    definition = pipeline(step("one", Capability.LLM_GENERATION, params=params, providers=[name]))
    offer = offer_of(adapters[name], request_)
    found = estimate(definition, {}, registry(offer)).steps[0].worst_case_usd
    bounds = asyncio.run(adapters[name].upper_bounds(to_call(adapters[name], request_)))
    assert found is not None
    assert (upper_cost_of(offer, bounds) or 0) <= found


def test_the_example_of_the_page_about_providers_is_true(
    adapters: Mapping[str, ProviderAdapter],
) -> None:
    adapter, note = adapters["openai"], GenerationRequest(prompt="x" * 9028, max_output_tokens=400)
    bounds = asyncio.run(adapter.upper_bounds(to_call(adapter, note)))
    most = upper_cost_of(offer_of(adapter, note), bounds)
    likely = cost_of(offer_of(adapter, note), Usage(input_tokens=2257, output_tokens=400))
    page = " ".join((ROOT / "docs" / "providers.md").read_text().split())
    assert f"is held with {most:f} USD; it will cost about {likely:f} USD" in page
