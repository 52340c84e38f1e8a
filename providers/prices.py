"""What a call cost: units that were used times the price of the unit, exactly."""

from collections.abc import Iterator, Sequence
from decimal import Decimal

from providers.types import CostUnit, Offer, TokenPrices, Usage

_SECONDS_PER_MINUTE = 60
_MILLION = 1_000_000
_SMALLEST = Decimal("1e-12")


def cost_of(offer: Offer, usage: Usage) -> Decimal | None:
    """Return USD to 12 places, as the ledger keeps it; None when price or amount is unknown."""
    cost = _unrounded(offer, usage)
    if cost is None:
        return None
    return Decimal(f"{cost.quantize(_SMALLEST).normalize():f}")


def unit_prices_of(offer: Offer, usage: Usage) -> dict[str, str]:
    """Return what `cost_of` multiplies by: USD by the unit, tokens by the million."""
    match offer.cost_unit:
        case CostUnit.FREE:
            return {}
        case CostUnit.TOKEN:
            prices = _prices_for(offer, usage.input_tokens or 0)
            lists = {} if prices is None else prices.model_dump(exclude={"above_input_tokens"})
            found = {f"{kind}_mtok": price for kind, price in lists.items()}
        case CostUnit.MINUTE:
            found = {"minute": offer.price, "diarized_minute": offer.diarization_price}
        case CostUnit.CHARACTER:
            found = {"character": offer.price}
    return {name: f"{price:f}" for name, price in found.items() if price is not None}


def upper_cost_of(offer: Offer, bounds: Sequence[Usage]) -> Decimal | None:
    """Return the most that a call can cost, by the bounds of its usage; None when unknown.

    A kind of token without a price is one that is not sold. A request that turns out shorter than
    its bound may be sold by another of the price lists: the dearest that it can reach counts.
    """
    if offer.cost_unit is CostUnit.FREE:
        return Decimal(0)
    costs = [
        cost_of(at_one_list, usage)
        for usage in bounds
        for at_one_list in _by_price_list(offer, usage)
    ]
    return max((cost for cost in costs if cost is not None), default=None)


def _by_price_list(offer: Offer, usage: Usage) -> Iterator[Offer]:
    """Yield the offer with each price list that holds up to the usage's input, by itself."""
    if offer.cost_unit is not CostUnit.TOKEN:
        yield offer
    for prices in offer.token_prices:
        if (usage.input_tokens or 0) > prices.above_input_tokens:
            alone = prices.model_copy(update={"above_input_tokens": -1})
            yield offer.model_copy(update={"token_prices": (alone,)})


def _unrounded(offer: Offer, usage: Usage) -> Decimal | None:
    if offer.cost_unit is CostUnit.TOKEN:
        return _cost_of_tokens(offer, usage)
    if offer.price is None:
        return None
    match offer.cost_unit:
        case CostUnit.FREE:
            return Decimal(0)
        case CostUnit.MINUTE:
            return _cost_of_minutes(offer.price, offer.diarization_price, usage)
        case CostUnit.CHARACTER:
            units = _decimal(usage.characters)
            return None if units is None else units * offer.price


def _cost_of_minutes(price: Decimal, diarization: Decimal | None, usage: Usage) -> Decimal | None:
    """Add what telling voices apart costs, where that happened and is sold by itself."""
    heard, diarized = _decimal(usage.audio_seconds), _decimal(usage.diarized_seconds)
    if heard is None or (diarized and diarization is None):
        return None
    total = heard * price + (diarized or 0) * (diarization or 0)
    return total / _SECONDS_PER_MINUTE


def _cost_of_tokens(offer: Offer, usage: Usage) -> Decimal | None:
    """Add up what each kind of token cost; unknown when one that was used has no price."""
    if usage.input_tokens is None or usage.output_tokens is None:
        return None
    prices = _prices_for(offer, usage.input_tokens)
    cached = usage.cached_input_tokens or 0
    written = usage.cache_write_input_tokens or 0
    sound = usage.input_audio_tokens or 0
    plain = usage.input_tokens - cached - written - sound
    if prices is None or plain < 0:
        return None
    total = Decimal(0)
    for tokens, price in (
        (plain, prices.input),
        (cached, prices.cached_input),
        (written, prices.cache_write_input),
        (sound, prices.input_audio),
        (usage.output_tokens, prices.output),
    ):
        if tokens and price is None:
            return None
        total += tokens * (price or 0)
    return total / _MILLION


def _prices_for(offer: Offer, input_tokens: int) -> TokenPrices | None:
    """Find the price list with the highest threshold that the request exceeds."""
    lists = [prices for prices in offer.token_prices if input_tokens > prices.above_input_tokens]
    return max(lists, key=lambda prices: prices.above_input_tokens, default=None)


def _decimal(amount: float | None) -> Decimal | None:
    return None if amount is None else Decimal(str(amount))
