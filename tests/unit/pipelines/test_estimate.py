"""What a run will cost: chains, conditions, items, totals, in exact figures."""

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipelines.builder import Pipeline
from pipelines.check import check_document
from pipelines.document import read_yaml
from pipelines.estimate import estimate, is_charged, recordings_of
from pipelines.estimating.plan import MAX_CALLS
from pipelines.estimating.speech import Recording
from providers.types import Capability, CostUnit, Offer, TokenPrices
from tests.estimating import Figures, costs, of_one, pipeline, step
from tests.offers import free, minutes, offer, prices, registry, tokens

LLM, REDACT, SUMMARY = (
    Capability.LLM_GENERATION,
    Capability.PII_REDACTION,
    Capability.SUMMARIZATION,
)
SPEECH = Capability.TRANSCRIPTION

RECORDINGS = {"artifact://one": Recording(60)}
SPOKEN = {"audio_url": "artifact://one"}  # 900 characters


@pytest.mark.parametrize("unit", [CostUnit.CHARACTER, CostUnit.TOKEN])
def test_an_unknown_price_is_told_with_its_source(unit: CostUnit) -> None:
    sold = offer(REDACT, unit, price_source="there is no list price")
    found = of_one({}, {"text": "abc"}, sold)
    assert found == ((None, None, None), "Its price is not known: there is no list price.")


def test_a_kind_of_token_without_a_price_is_an_unknown_price() -> None:
    lacking = TokenPrices(
        input=Decimal("0.1"), cached_input=None, cache_write_input=None, output=None
    )
    found = of_one({"params": {"prompt": "abc"}}, {}, tokens(LLM, lacking))
    assert found == ((None, None, None), "Its price is not known: a test.")


def test_a_unit_that_says_nothing_of_the_work_leaves_it_unknown() -> None:
    found = of_one({}, {"text": "abc"}, minutes(REDACT))
    assert found == ((None, None, None), "How much work this is by the minute can't be told.")


def test_what_is_free_costs_nothing_whatever_is_unknown() -> None:
    assert of_one({}, None, free(SPEECH)) == (("0", "0", "0"), None)
    items = {"for_each": "items", "input": {"text": "item"}}
    assert of_one(items, None, free(REDACT)) == (("0", "0", "0"), None)


CHEAP = offer(REDACT, CostUnit.CHARACTER, "0.001", provider="cheap", model="c")
DEAR = offer(REDACT, CostUnit.CHARACTER, "0.002", provider="dear", model="d")
UNPRICED = offer(REDACT, CostUnit.CHARACTER, provider="unpriced", model="u", price_source="none")
SHUT = offer(
    REDACT, CostUnit.CHARACTER, "0.1", provider="shut", available=False, reason="Set SHUT_KEY."
)
TEN = {"text": "0123456789"}


@pytest.mark.parametrize(
    ("fields", "offers", "figures", "reason"),
    [
        ({}, (CHEAP, DEAR), ("0.01", "0.01", "0.02"), None),
        ({"providers": ["dear"]}, (CHEAP, DEAR), ("0.01", "0.02", "0.02"), None),
        ({"fallback": {"max_fallbacks": 0}}, (CHEAP, DEAR), ("0.01", "0.01", "0.01"), None),
        ({}, (CHEAP, free(REDACT)), ("0", "0.01", "0.01"), None),
        ({}, (CHEAP, SHUT), ("0.01", "0.01", "0.01"), None),
        ({"optional": True}, (CHEAP, DEAR), ("0", "0.01", "0.02"), None),
        (
            {},
            (CHEAP, UNPRICED),
            (None, "0.01", None),
            "unpriced/u: Its price is not known: none.",
        ),
        (
            {"providers": ["unpriced"]},
            (CHEAP, UNPRICED),
            (None, None, None),
            "Its price is not known: none.",
        ),
        ({}, (SHUT,), (None, None, None), "No provider of pii_redaction is available."),
        (
            {"optional": True},
            (SHUT,),
            ("0", "0", "0"),
            "It is skipped: No provider of pii_redaction is available.",
        ),
        ({"when": "size(text) > 9"}, (CHEAP,), ("0.01", "0.01", "0.01"), None),
        (
            {"when": "size(text) > 10"},
            (CHEAP,),
            ("0", "0", "0"),
            "It is skipped: its 'when' is false for this input.",
        ),
        (
            {"when": "text.absent > 1"},
            (CHEAP,),
            ("0", "0", "0"),
            "It is skipped: its 'when' is false for this input.",
        ),
    ],
)
def test_a_step_costs_what_its_chain_costs(
    fields: dict[str, Any], offers: tuple[Offer, ...], figures: Figures, reason: str | None
) -> None:
    assert of_one(fields, TEN, *offers) == (figures, reason)


def test_the_chain_is_listed_in_order_and_who_is_not_available_after_it() -> None:
    found = estimate(
        pipeline(step("one", REDACT, providers=["dear"])), TEN, registry(SHUT, CHEAP, DEAR)
    )
    chain = found.steps[0].chain
    assert [(one.provider, one.model, one.available, one.reason) for one in chain] == [
        ("dear", "d", True, None),
        ("cheap", "c", True, None),
        ("shut", "m", False, "Set SHUT_KEY."),
    ]
    assert [costs(one) for one in chain] == [
        ("0.02",) * 3,
        ("0.01",) * 3,
        (None,) * 3,
    ]
    assert (chain[2].price, chain[2].cost_unit) == (Decimal("0.1"), "character")
    assert chain[2].price_basis.model_dump(mode="json") == {
        "token_prices": [],
        "diarization_usd": None,
        "source": "a test",
    }


def test_without_the_input_what_does_not_depend_on_it_is_known() -> None:
    found = of_one({"params": {"text": "abc"}, "when": "size(text) > 2"}, None, CHEAP)
    assert found == (("0", "0.003", "0.003"), None)


def test_without_the_input_a_schema_that_names_nothing_does_not_make_it_cheap() -> None:
    assert of_one({}, None, CHEAP) == ((None, None, None), "It depends on the run's input.")
    assert of_one({"input": "letter"}, None, CHEAP)[0] == (None, None, None)


def test_a_condition_on_an_output_may_skip_the_step() -> None:
    definition = pipeline(
        step("first", REDACT, output="hidden"),
        step("second", SUMMARY, input="hidden", when="size(hidden.text) > 5"),
    )
    paid = offer(SUMMARY, CostUnit.CHARACTER, "0.001")
    found = estimate(definition, TEN, registry(free(REDACT), paid)).steps[1]
    assert costs(found) == ("0", "0.01", None)
    assert found.reason == "No upper bound: a mask may be longer than what it hides."


def test_a_condition_in_python_may_skip_the_step() -> None:
    build = Pipeline("coded").step("one").capability(REDACT).when(lambda _context: True)
    (found,) = estimate(build.done().build(), TEN, registry(CHEAP)).steps
    assert costs(found) == ("0", "0.01", "0.01")


def test_what_was_skipped_is_null_for_the_steps_after_it() -> None:
    definition = pipeline(
        step("first", REDACT, when="false", output="hidden"),
        step("second", SUMMARY, when="hidden != null", params={"text": "abc"}),
    )
    offers = registry(free(REDACT), offer(SUMMARY, CostUnit.CHARACTER, "0.001"))
    assert costs(estimate(definition, TEN, offers).steps[1]) == ("0", "0", "0")


ITEMS = {"for_each": "items", "input": {"text": "item"}}


@pytest.mark.parametrize(
    ("items", "calls", "figures", "reason"),
    [
        (["ab", "abc"], 2, ("0.005", "0.005", "0.005"), None),
        (["ab", "ab", "ab"], 3, ("0.006", "0.006", "0.006"), None),
        ([], 0, ("0", "0", "0"), None),
        ("ab", None, (None, None, None), "'for_each' gives no list."),
        (
            ["a"] * (MAX_CALLS + 1),
            None,
            (None, None, None),
            "More than 1000 calls of one run are not estimated.",
        ),
    ],
)
def test_each_item_costs_what_it_is(
    items: Any, calls: int | None, figures: Figures, reason: str | None
) -> None:
    found = estimate(pipeline(step("one", REDACT, **ITEMS)), {"items": items}, registry(CHEAP))
    assert found.steps[0].calls == calls
    assert (costs(found.steps[0]), found.steps[0].reason) == (figures, reason)


def test_the_bound_on_calls_is_that_of_the_whole_run() -> None:
    definition = pipeline(step("one", REDACT, **ITEMS), step("two", REDACT, **ITEMS))
    found = estimate(definition, {"items": ["a"] * (MAX_CALLS - 1)}, registry(CHEAP))
    assert [one.calls for one in found.steps] == [MAX_CALLS - 1, None]


def test_items_of_an_output_are_counted_in_the_run_only() -> None:
    definition = pipeline(
        step("first", REDACT, output="hidden"),
        step("second", SUMMARY, for_each="hidden.segments", input={"text": "item.text"}),
    )
    offers = registry(free(REDACT), offer(SUMMARY, CostUnit.CHARACTER, "0.001"))
    found = estimate(definition, TEN, offers).steps[1]
    assert (found.calls, costs(found)) == (None, (None, None, None))
    assert found.reason == "How many items 'for_each' has is known in the run only."


def test_steps_are_looked_at_in_the_order_of_their_needs() -> None:
    definition = pipeline(
        step("last", LLM, needs=["first"], params={"prompt": "${hidden.text}"}),
        step("first", REDACT, needs=[], output="hidden"),
    )
    found = estimate(definition, TEN, registry(free(REDACT), tokens()))
    assert [one.name for one in found.steps] == ["last", "first"]
    assert found.steps[0].estimated_cost_usd == Decimal("0.0005123")


def test_a_total_is_the_sum_and_what_is_unknown_is_told_by_step() -> None:
    definition = pipeline(
        step("hear", SPEECH, output="heard"),
        step("hide", REDACT, params={"text": "0123456789"}),
        step("ask", LLM, params={"prompt": "${heard.text}"}),
    )
    offers = registry(minutes(), CHEAP, tokens())
    known = estimate(definition, SPOKEN, offers, RECORDINGS)
    assert costs(known) == ("0.016023", "0.0165345", None)
    assert known.reason == "ask: No upper bound: nobody knows how much is said in a recording."
    unknown = estimate(definition, {"audio_url": "https://example.com/a"}, offers)
    assert costs(unknown) == (None, None, None)
    assert unknown.known_cost_usd == Decimal("0.01")
    assert unknown.reason == (
        "hear, ask: The recording is fetched in the run only, so its length is not known before."
    )


def test_money_is_written_as_plain_decimals() -> None:
    found = estimate(
        pipeline(step("one", LLM, params={"prompt": "x"})),
        {},
        registry(tokens(LLM, prices("0.0001", "0"))),
    )
    body = json.loads(found.model_dump_json())
    assert body["estimated_cost_usd"] == "0.0000000001"
    asked = body["steps"][0]["chain"][0]
    assert asked["price"] == "0.0000001"
    assert asked["price_basis"]["token_prices"][0]["input"] == "0.0001"


def test_a_pipeline_is_charged_when_anybody_who_may_be_asked_charges() -> None:
    definition = pipeline(step("one", REDACT))
    assert is_charged(definition, registry(free(REDACT), CHEAP))
    assert not is_charged(definition, registry(free(REDACT), SHUT))


def test_the_recordings_of_a_run_are_found_wherever_the_input_names_them() -> None:
    definition = pipeline(
        step("one", SPEECH, output="first"),
        step("two", SPEECH, input="other", output="second"),
        step("three", SPEECH, for_each="more", input={"audio_url": "item.url"}),
        step("four", SPEECH, input={"audio_url": "second.text"}, output="fourth"),
    )
    data = {"audio_url": "a", "other": "b", "more": [{"url": "c"}, {"url": "d"}, {"url": 5}]}
    assert list(recordings_of(definition, data)) == ["a", "b", "c", "d"]


def test_the_documented_example_is_what_comes_out() -> None:
    text = Path("docs/estimates.md").read_text()
    written = dict(re.findall(r"```(yaml|json)\n(.*?)```", text, re.DOTALL))
    definition = check_document(read_yaml(written["yaml"]))
    offers = registry(offer(SPEECH, CostUnit.MINUTE, "0.0043"), tokens())
    found = estimate(
        definition, {"audio_url": "artifact://x"}, offers, {"artifact://x": Recording(600)}
    )
    assert json.loads(found.model_dump_json(exclude={"steps"})) == json.loads(written["json"])
