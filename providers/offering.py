"""What must hold of an adapter's name and of its offers, whoever wrote it.

Looked at when a process starts, for adapters of installed packages, and by `providers.contract`.
"""

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal

from providers.adapters.base import ProviderAdapter
from providers.types import CostUnit, Offer, TokenPrices

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_MILLION = 1_000_000


def check_offering(adapter: ProviderAdapter) -> tuple[Sequence[Offer], Sequence[str]]:
    """Return the offers, and what is wrong with them and the name, each in a sentence."""
    name = getattr(adapter, "name", None)
    faults = []
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        faults.append(
            "The name must be a letter and up to 63 letters, digits or '_', all in lower case; "
            f"found {name!r}."
        )
    try:
        offers = list(adapter.offers())
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what is reported
        fault = f"offers() must list the offers; it raised {type(error).__name__}: {error}."
        return [], [*faults, fault]
    strangers = [type(offer).__name__ for offer in offers if not isinstance(offer, Offer)]
    if strangers:
        return [], [*faults, f"offers() must list Offers only; found a {strangers[0]}."]
    for offer in offers:
        faults += [f"Offer {title(offer)}: {fault}" for fault in _faults_of(offer, name)]
    return offers, [*faults, *_duplicates(offers)]


def title(offer: Offer) -> str:
    """Name an offer within its provider."""
    return f"{offer.capability}/{offer.model}"


def _duplicates(offers: Sequence[Offer]) -> Iterator[str]:
    titles = [title(offer) for offer in offers]
    for one in dict.fromkeys(titles):
        if titles.count(one) > 1:
            yield f"Offer {one}: there is more than one of this capability and model."


def _faults_of(offer: Offer, name: object) -> Iterator[str]:
    if offer.provider != name:
        yield f"provider must be the adapter's name, {name!r}; found {offer.provider!r}."
    if not offer.model:
        yield "model must have a name."
    if offer.available and offer.reason is not None:
        yield "an offer that is available has no reason why it is not."
    if not offer.available and not offer.reason:
        yield "an offer that is not available needs a reason, which says how to mend that."
    if not offer.price_source:
        yield "price_source must say where the price comes from, or why there is none."
    yield from _price_faults(offer)


def _price_faults(offer: Offer) -> Iterator[str]:
    if offer.price is not None and offer.price < 0:
        yield f"price must be a number from 0 upwards; found {offer.price}."
        return
    if offer.cost_unit is CostUnit.FREE and offer.price != 0:
        yield f"what is free has the price 0; found {offer.price}."
    if offer.cost_unit is CostUnit.TOKEN:
        yield from _token_price_faults(offer)
    elif offer.token_prices:
        yield f"token_prices are for offers that are sold by the token, not by {offer.cost_unit}."


def _token_price_faults(offer: Offer) -> Iterator[str]:
    if offer.price is None:
        return
    thresholds = [prices.above_input_tokens for prices in offer.token_prices]
    if thresholds[:1] != [-1] or thresholds != sorted(set(thresholds)):
        yield (
            "token_prices must begin with the list for all requests (above_input_tokens=-1), lists "
            f"for longer ones after it; found thresholds {thresholds}."
        )
        return
    if any(not _inputs(prices) or prices.output is None for prices in offer.token_prices):
        yield "every list in token_prices needs a price for input and one for output."
    elif offer.price * _MILLION not in (first := _inputs(offer.token_prices[0])):
        expected = f"{first[0] / _MILLION:f}"
        yield f"price must be that of one input token, {expected}; found {offer.price}."


def _inputs(prices: TokenPrices) -> Sequence[Decimal]:
    """List what a million input tokens cost: of text, of sound."""
    return [price for price in (prices.input, prices.input_audio) if price is not None]
