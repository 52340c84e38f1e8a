"""List prices by the token and by the minute, from the data in the `genai-prices` package.

The package's own calculation is not used: asked for a unit that a model is not sold by, it answers
0. Here a price that it does not have is null, with the reason.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from providers.types import TokenPrices

if TYPE_CHECKING:
    from genai_prices.types import ModelPrice

# Our kinds of tokens and the names that genai-prices has for their prices, in USD per million.
_KINDS: Mapping[str, str] = {
    "input": "input_mtok",
    "cached_input": "cache_read_mtok",
    "cache_write_input": "cache_write_mtok",
    "input_audio": "input_audio_mtok",
    "output": "output_mtok",
}
_MILLION = 1_000_000
_MINUTES = 60
_EVERY_REQUEST = -1


@dataclass(frozen=True, slots=True)
class ListPrice:
    """What a model costs, in the words of `providers.types.Offer`."""

    price: Decimal | None
    token_prices: tuple[TokenPrices, ...]
    price_source: str

    @property
    def audio_price(self) -> Decimal | None:
        """USD for one input token that stands for sound."""
        first = self.token_prices[0].input_audio if self.token_prices else None
        return None if first is None else first / _MILLION


def find_list_price(vendor: str, model: str) -> ListPrice:
    """Look up today's standard prices of a vendor's model.

    Args:
        vendor: The vendor's id in genai-prices, such as `openai`.
        model: The model's name as requests have it.
    """
    data, sold_as, prices = _look_up(vendor, model)
    if prices is None:
        return ListPrice(None, (), f"{data} has no price of {vendor}/{model}")
    if getattr(prices, _KINDS["input"]) is None or getattr(prices, _KINDS["output"]) is None:
        return ListPrice(None, (), f"{data} has no price per token of {vendor}/{model}")
    lists = tuple(_price_list(prices, threshold) for threshold in _thresholds(prices))
    first = lists[0].input
    price = None if first is None else first / _MILLION
    return ListPrice(price, lists, f"{data}: list price of {sold_as}, standard tier")


def find_minute_price(vendor: str, model: str) -> ListPrice:
    """Look up what a vendor's model asks today for a minute of sound that it hears.

    The package keeps hours. Where sixty minutes don't add up to the hour again, since a sixtieth of
    its price has no end, there is no exact price per minute, and the price counts as unknown.
    """
    data, sold_as, prices = _look_up(vendor, model)
    hour = None if prices is None else _price_above(prices.input_audio_hours, _EVERY_REQUEST)
    if hour is None or (minute := hour / _MINUTES) * _MINUTES != hour:
        return ListPrice(None, (), f"{data} has no price per minute of {vendor}/{model}")
    return ListPrice(minute, (), f"{data}: list price of {sold_as}, standard tier")


def _look_up(vendor: str, model: str) -> "tuple[str, str, ModelPrice | None]":
    """Return the name of the data, whose price it is, and the prices as of now."""
    # 80 ms: the prices of a thousand models are Python objects, and not every process lists offers.
    import genai_prices  # noqa: PLC0415
    from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415

    data = f"genai-prices {genai_prices.__version__}"
    try:
        _, found = get_snapshot().find_provider_model(model, None, vendor, None)
    except LookupError:
        return data, "", None
    return data, f"{vendor}/{found.id}", found.get_prices(datetime.now(UTC))


def _thresholds(prices: "ModelPrice") -> list[int]:
    """List the input lengths above which some kind of token has another price."""
    tiers = (getattr(getattr(prices, name), "tiers", ()) for name in _KINDS.values())
    return [_EVERY_REQUEST, *sorted({tier.start for kind in tiers for tier in kind})]


def _price_list(prices: "ModelPrice", threshold: int) -> TokenPrices:
    kinds = {kind: _price_above(getattr(prices, name), threshold) for kind, name in _KINDS.items()}
    return TokenPrices(above_input_tokens=threshold, **kinds)


def _price_above(price: object, threshold: int) -> Decimal | None:
    """Read one kind's price; like the package, the last tier that begins by then holds."""
    if price is None or isinstance(price, Decimal):
        return price
    reached = [tier.price for tier in getattr(price, "tiers", ()) if tier.start <= threshold]
    found = reached[-1] if reached else getattr(price, "base", None)
    return found if isinstance(found, Decimal) else None
