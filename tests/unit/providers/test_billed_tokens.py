"""What a language model bills never exceeds what was told before it was asked."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.adapters.base import ProviderAdapter
from providers.errors import ProviderError
from providers.prices import cost_of, upper_cost_of
from providers.types import (
    GenerationRequest,
    Message,
    Offer,
    RedactionRequest,
    Segment,
    SentimentRequest,
    SummarizationRequest,
    Usage,
    Value,
)
from tests.billing import STANDS, Bill, Share, offer_of, to_call
from tests.fake_vendor import Asked, FakeVendor, serve_fake_vendor

texts = st.text(max_size=60) | st.sampled_from(["How are you?", "ﷺ" * 9, "好" * 99, "a" * 300_000])
segments = st.builds(
    Segment,
    start=st.just(0.0),
    end=st.just(1.0),
    text=texts,
    speaker=st.none() | st.text(max_size=9),
)
leaves = st.sampled_from([{"type": "string"}, {"type": "integer", "minimum": 3}, {"enum": ["é"]}])
schemas = st.recursive(
    leaves,
    lambda inner: (
        st.builds(lambda items: {"type": "array", "items": items}, inner)
        | st.builds(
            lambda fields: {
                "type": "object",
                "properties": fields,
                "required": list(fields),
                "additionalProperties": False,
            },
            st.dictionaries(st.text(min_size=1, max_size=8), inner, max_size=3),
        )
    ),
    max_leaves=6,
).map(
    lambda inner: {
        "type": "object",
        "properties": {"found": inner},
        "required": ["found"],
        "additionalProperties": False,
    }
)
messages = st.lists(
    st.builds(Message, role=st.sampled_from(["system", "user", "assistant"]), content=texts),
    max_size=4,
).map(lambda turns: (*turns, Message(role="user", content="And now?")))
written = st.sampled_from([1, 16, 400, 128_000])
rules = st.none() | texts
schema = st.none() | schemas
generations = st.builds(
    GenerationRequest,
    prompt=texts,
    system=rules,
    max_output_tokens=written,
    response_schema=schema,
) | st.builds(
    GenerationRequest,
    messages=messages,
    system=rules,
    max_output_tokens=written,
    response_schema=schema,
)
parts = st.lists(segments, max_size=4).map(tuple)
types = st.none() | st.just(("PERSON", "URL"))
requests: st.SearchStrategy[Value] = st.one_of(
    generations,
    st.builds(RedactionRequest, text=texts, entities=types),
    st.builds(RedactionRequest, segments=parts),
    st.builds(SentimentRequest, text=texts),
    st.builds(SentimentRequest, segments=parts),
    st.builds(SummarizationRequest, text=texts, max_sentences=st.none() | st.integers(1, 50)),
)
shares = st.tuples(st.floats(0, 1), st.floats(0, 1)).filter(lambda share: sum(share) <= 1)


@dataclass
class Stand:
    """A vendor that is asked, and who asks it."""

    runner: asyncio.Runner
    vendor: FakeVendor
    adapter: ProviderAdapter
    bill: Bill

    def ask(self, request: Value, share: Share = (0, 0)) -> tuple[Offer, Sequence[Usage], Usage]:
        """Return the offer, the bounds that were told before, and what was billed."""
        return self.runner.run(self._ask(request, share))

    async def _ask(self, request: Value, share: Share) -> tuple[Offer, Sequence[Usage], Usage]:
        self.bill.share = share
        call = to_call(self.adapter, request)
        bounds = await self.adapter.upper_bounds(call)
        try:
            used = (await self.adapter.call(call, lambda _: None)).usage
        except ProviderError as error:  # an answer of no use is billed, too
            used = error.usage or Usage(input_tokens=0, output_tokens=0)
        return offer_of(self.adapter, request), bounds, used


@pytest.fixture(scope="module", params=STANDS)
def stand(request: pytest.FixtureRequest) -> Iterator[Stand]:
    make, bill = STANDS[request.param]
    with ExitStack() as stack:
        runner = stack.enter_context(asyncio.Runner())
        serving = serve_fake_vendor()
        vendor = runner.run(serving.__aenter__())
        stack.callback(lambda: runner.run(serving.__aexit__(None, None, None)))
        stand = Stand(runner, vendor, make(vendor.url), bill())
        stack.callback(lambda: runner.run(stand.adapter.close()))

        def think(asked: Asked) -> None:
            vendor.stream(*stand.bill.events(asked.body))

        vendor.think = think
        yield stand


@settings(max_examples=60, deadline=None)
@given(request=requests, share=shares)
def test_nothing_that_is_billed_exceeds_its_bound(
    stand: Stand, request: Value, share: Share
) -> None:
    offer, bounds, used = stand.ask(request, share)
    cost, most = cost_of(offer, used), upper_cost_of(offer, bounds)
    assert cost is not None
    assert most is not None
    assert cost <= most
    assert (used.input_tokens or 0) <= (bounds[0].input_tokens or 0)
    assert (used.output_tokens or 0) <= (bounds[0].output_tokens or 0)
