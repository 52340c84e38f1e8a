"""List prices of what is not sold by the token, from `prices.toml`."""

import tomllib
from functools import cache
from pathlib import Path

from pydantic import TypeAdapter

from providers.types import CostUnit, Money, Value

_FILE = Path(__file__).with_name("prices.toml")


class UnitPrice(Value):
    """One entry of the file.

    Attributes:
        price: USD per `unit`; absent when the vendor has no list price.
        diarization_price: In the words of `providers.types.Offer`.
        price_source: The vendor's page and the month in which it said so, or why there is no price.
    """

    unit: CostUnit
    price: Money | None = None
    diarization_price: Money | None = None
    price_source: str


def find_unit_price(provider: str, model: str) -> UnitPrice:
    """Look up what a vendor's model is sold at; the file has an entry for each."""
    return _read()[provider][model]


@cache
def _read() -> dict[str, dict[str, UnitPrice]]:
    prices = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    return TypeAdapter(dict[str, dict[str, UnitPrice]]).validate_python(prices)
