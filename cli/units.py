"""What an attempt used, at which price: `1,200 in x $0.10/1M + 400 out x $0.50/1M`.

The products add up to what it cost. Usage and prices have the names that the API gives them.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from cli.figures import ABSENT, decimal, exact

_TIMES = "\N{MULTIPLICATION SIGN}"
_MILLION = 1_000_000
_TOKENS = {
    "input_tokens": ("input_mtok", "in"),
    "cached_input_tokens": ("cached_input_mtok", "from cache"),
    "cache_write_input_tokens": ("cache_write_input_mtok", "to cache"),
    "input_audio_tokens": ("input_audio_mtok", "of sound"),
    "output_tokens": ("output_mtok", "out"),
}
_PARTS_OF_INPUT = ("cached_input_tokens", "cache_write_input_tokens", "input_audio_tokens")


_Product = tuple[Decimal, str, object, str]


def units_of(line: Mapping[str, Any]) -> str:
    """Return the units of each kind times their price; nothing where nothing was used.

    Args:
        line: One of the lines of `GET /{execution_id}/costs`.
    """
    usage, prices = line.get("usage") or {}, line.get("unit_prices") or {}
    used = [*_tokens(usage, prices), *_speech(usage, prices), *_characters(usage, prices)]
    if used and not prices and decimal(line.get("cost_usd")) == 0:
        return ", ".join([*(f"{number:,f} {called}" for number, called, _, _ in used), "free"])
    return " + ".join(
        f"{number:,f} {called} {_TIMES} {_rate(price)}/{unit}"
        for number, called, price, unit in used
    )


def _tokens(usage: Mapping[str, Any], prices: Mapping[str, Any]) -> Iterator[_Product]:
    amounts = {kind: decimal(usage.get(kind)) for kind in _TOKENS}
    if amounts["input_tokens"] is not None:
        amounts["input_tokens"] -= sum(amounts[part] or 0 for part in _PARTS_OF_INPUT)
    for kind, (price, called) in _TOKENS.items():
        number = amounts[kind]
        if number:
            yield number, called, prices.get(price), "1M"


def _speech(usage: Mapping[str, Any], prices: Mapping[str, Any]) -> Iterator[_Product]:
    heard, apart = decimal(usage.get("audio_seconds")), decimal(usage.get("diarized_seconds"))
    if heard is not None:
        yield heard, "s", prices.get("minute"), "min"
    if apart is not None and "diarized_minute" in prices:
        yield apart, "s", prices["diarized_minute"], "min for speakers"


def _characters(usage: Mapping[str, Any], prices: Mapping[str, Any]) -> Iterator[_Product]:
    number, price = decimal(usage.get("characters")), decimal(prices.get("character"))
    if number is not None:
        yield number, "characters", None if price is None else price * _MILLION, "1M"


def _rate(price: object) -> str:
    return ABSENT if decimal(price) is None else exact(price)
