from decimal import Decimal

import pytest

from providers.prices import cost_of, upper_cost_of
from providers.token_prices import find_list_price, find_minute_price
from providers.types import Capability, CostUnit, Offer, QualityTier, TokenPrices, Usage

PRICES = TokenPrices(
    input=Decimal("0.75"),
    cached_input=Decimal("0.075"),
    cache_write_input=None,
    output=Decimal("4.5"),
)
HEARING = TokenPrices(
    input=Decimal("2.5"),
    cached_input=None,
    cache_write_input=None,
    input_audio=Decimal(6),
    output=Decimal(10),
)
LONG = TokenPrices(
    above_input_tokens=1000,
    input=Decimal("1.5"),
    cached_input=Decimal("0.15"),
    cache_write_input=None,
    output=Decimal(9),
)


def offer(
    unit: CostUnit, price: str | None = None, token_prices: tuple[TokenPrices, ...] = ()
) -> Offer:
    return Offer(
        provider="somebody",
        capability=Capability.LLM_GENERATION,
        model="some-model",
        quality_tier=QualityTier.STANDARD,
        cost_unit=unit,
        price=None if price is None else Decimal(price),
        price_source="a test",
        token_prices=token_prices,
    )


def tokens(*token_prices: TokenPrices) -> Offer:
    return offer(CostUnit.TOKEN, "0.00000075", token_prices)


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        (Usage(input_tokens=1000, output_tokens=1), "0.0007545"),
        (Usage(input_tokens=1000, cached_input_tokens=999, output_tokens=0), "0.000075675"),
        (Usage(input_tokens=1, output_tokens=123_456_789), "555.55555125"),
        (Usage(input_tokens=0, output_tokens=0), "0"),
    ],
)
def test_tokens_cost_what_each_kind_costs(usage: Usage, cost: str) -> None:
    assert cost_of(tokens(PRICES), usage) == Decimal(cost)


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        (Usage(input_tokens=1000, input_audio_tokens=1000, output_tokens=200), "0.008"),
        (Usage(input_tokens=1000, input_audio_tokens=900, output_tokens=1), "0.00566"),
        (Usage(input_tokens=7, output_tokens=0), "0.0000175"),
    ],
)
def test_tokens_of_sound_have_their_own_price(usage: Usage, cost: str) -> None:
    assert cost_of(tokens(HEARING), usage) == Decimal(cost)


def test_long_price_holds_above_its_threshold_for_all_tokens() -> None:
    both = tokens(PRICES, LONG)
    assert cost_of(both, Usage(input_tokens=1000, output_tokens=10)) == Decimal("0.000795")
    assert cost_of(both, Usage(input_tokens=1001, output_tokens=10)) == Decimal("0.0015915")


@pytest.mark.parametrize(
    "usage",
    [
        Usage(),
        Usage(input_tokens=10),
        Usage(output_tokens=10),
        Usage(input_tokens=10, cache_write_input_tokens=1, output_tokens=1),
        Usage(input_tokens=10, cached_input_tokens=11, output_tokens=1),
        Usage(input_tokens=10, input_audio_tokens=1, output_tokens=1),
        Usage(input_tokens=10, input_audio_tokens=11, output_tokens=1),
        Usage(audio_seconds=10),
    ],
)
def test_tokens_without_a_matching_price_cost_an_unknown_amount(usage: Usage) -> None:
    assert cost_of(tokens(PRICES), usage) is None


def test_model_without_a_price_costs_an_unknown_amount() -> None:
    assert cost_of(tokens(), Usage(input_tokens=1, output_tokens=1)) is None


def test_kind_that_was_not_used_needs_no_price() -> None:
    usage = Usage(input_tokens=4, cache_write_input_tokens=0, output_tokens=0)
    assert cost_of(tokens(PRICES), usage) == Decimal("0.000003")


def test_minutes_are_exact_where_the_quotient_is_not() -> None:
    # 7 s at 0.0043 a minute; a third of a minute has no finite decimal form.
    by_minute = offer(CostUnit.MINUTE, "0.0060")
    assert cost_of(by_minute, Usage(audio_seconds=7)) == Decimal("0.0007")
    assert cost_of(by_minute, Usage(audio_seconds=20)) == Decimal("0.002")
    assert cost_of(by_minute, Usage(characters=7)) is None


def test_characters_cost_their_number() -> None:
    by_character = offer(CostUnit.CHARACTER, "0.00003")
    assert cost_of(by_character, Usage(characters=1234)) == Decimal("0.03702")
    assert cost_of(by_character, Usage()) is None


def test_free_costs_nothing_and_unknown_is_not_free() -> None:
    assert cost_of(offer(CostUnit.FREE, "0"), Usage()) == 0
    assert cost_of(offer(CostUnit.MINUTE), Usage(audio_seconds=7)) is None


def test_bound_is_priced_by_its_dearest_way() -> None:
    ways = [
        Usage(input_tokens=1000, output_tokens=1),
        Usage(input_tokens=1000, cached_input_tokens=1000, output_tokens=1),
    ]
    assert upper_cost_of(tokens(PRICES), ways) == Decimal("0.0007545")
    # Nobody sells what has no price: this vendor has no cache to write to.
    written = Usage(input_tokens=1000, cache_write_input_tokens=1000, output_tokens=1)
    assert upper_cost_of(tokens(PRICES), [*ways, written]) == Decimal("0.0007545")
    assert upper_cost_of(tokens(PRICES), [written]) is None


def test_bound_covers_shorter_requests_where_those_are_dearer() -> None:
    cheap = LONG.model_copy(update={"input": Decimal("0.1"), "output": Decimal("0.1")})
    bound = [Usage(input_tokens=1001, output_tokens=10)]
    assert upper_cost_of(tokens(PRICES, cheap), bound) == cost_of(tokens(PRICES), bound[0])
    assert upper_cost_of(tokens(PRICES, LONG), bound) == cost_of(tokens(PRICES, LONG), bound[0])
    short = [Usage(input_tokens=1000, output_tokens=10)]
    assert upper_cost_of(tokens(PRICES, LONG), short) == cost_of(tokens(PRICES), short[0])


def test_nothing_is_bound_without_a_bound_or_a_price_but_what_is_free() -> None:
    bound = [Usage(input_tokens=7, output_tokens=7, characters=7)]
    assert upper_cost_of(tokens(PRICES), []) is None
    assert upper_cost_of(tokens(), bound) is None
    assert upper_cost_of(offer(CostUnit.CHARACTER), bound) is None
    assert upper_cost_of(offer(CostUnit.CHARACTER, "0.00003"), bound) == Decimal("0.00021")
    assert upper_cost_of(offer(CostUnit.FREE, "0"), []) == 0


def test_list_price_names_its_source() -> None:
    found = find_list_price("openai", "gpt-5.4-mini")
    assert found.token_prices == (PRICES,)
    assert found.price == Decimal("0.00000075")
    assert found.price_source.startswith("genai-prices ")
    assert "openai/gpt-5.4-mini" in found.price_source
    assert len(found.price_source) <= 200, "the ledger's column"


def test_list_price_has_the_thresholds_of_the_vendor() -> None:
    found = find_list_price("anthropic", "claude-haiku-5-5")
    assert [prices.above_input_tokens for prices in found.token_prices] == [-1, 100_000]
    assert [prices.output for prices in found.token_prices] == [Decimal("0.5"), Decimal("2.5")]


def test_list_price_of_a_model_that_hears_has_sound() -> None:
    found = find_list_price("openai", "gpt-4o-transcribe-diarize")
    assert found.token_prices == (HEARING,)
    assert found.audio_price == Decimal("0.000006")
    assert find_list_price("openai", "gpt-5.4-mini").audio_price is None


def test_minute_price_is_a_sixtieth_of_the_hour() -> None:
    found = find_minute_price("openai", "gpt-transcribe")
    assert (found.price, found.token_prices) == (Decimal("0.0045"), ())
    assert "openai/gpt-transcribe" in found.price_source


@pytest.mark.parametrize("model", ["gpt-99", "gpt-5.4-mini"])
def test_unknown_minute_price_is_null_with_the_reason(model: str) -> None:
    found = find_minute_price("openai", model)
    assert found.price is None
    assert f"openai/{model}" in found.price_source


@pytest.mark.parametrize(
    ("vendor", "model"),
    [("openai", "gpt-99"), ("nobody", "gpt-5.4-mini"), ("openai", "gpt-transcribe")],
)
def test_unknown_list_price_is_null_with_the_reason(vendor: str, model: str) -> None:
    found = find_list_price(vendor, model)
    assert (found.price, found.token_prices) == (None, ())
    assert f"{vendor}/{model}" in found.price_source
