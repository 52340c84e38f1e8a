"""Prices of a user's own, from a file: what was agreed with a vendor, or what nobody lists.

They take the place of the list prices everywhere: in chains, estimates, budgets and the ledger.
"""

import difflib
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from providers.types import CostUnit, Money, Offer, TokenPrices, Value
from settings import SettingsError

_MILLION = 1_000_000
_Price = Annotated[Money, Field(ge=0)]


class OwnPrice(Value):
    """What one model of one provider costs, in USD; the keys are those of its unit.

    Attributes:
        per_minute: Of sound.
        diarization_per_minute: What telling voices apart costs more.
        per_character: A code point of text.
        input_per_mtok: A million input tokens; with `output_per_mtok`.
        cached_input_per_mtok: Absent, those cost what other input costs.
        cache_write_per_mtok: Likewise.
        input_audio_per_mtok: Tokens that stand for sound.
        output_per_mtok: A million output tokens, reasoning included.
        source: Where the price comes from, for ledger entries.
    """

    per_minute: _Price | None = None
    diarization_per_minute: _Price | None = None
    per_character: _Price | None = None
    input_per_mtok: _Price | None = None
    cached_input_per_mtok: _Price | None = None
    cache_write_per_mtok: _Price | None = None
    input_audio_per_mtok: _Price | None = None
    output_per_mtok: _Price | None = None
    source: str = Field(default="the price file", min_length=1, max_length=150)

    def apply(self, offer: Offer) -> Offer:
        """Return the offer at this price."""
        changed: dict[str, object] = {"price_source": self.source}
        match offer.cost_unit:
            case CostUnit.MINUTE:
                changed["price"] = self.per_minute
                changed["diarization_price"] = self.diarization_per_minute
            case CostUnit.CHARACTER:
                changed["price"] = self.per_character
            case CostUnit.TOKEN:
                tokens = self._token_prices()
                first = tokens.input if tokens.input_audio is None else tokens.input_audio
                changed["token_prices"] = (tokens,)
                changed["price"] = None if first is None else first / _MILLION
        return offer.model_copy(update=changed)

    def _token_prices(self) -> TokenPrices:
        def or_input(price: Decimal | None) -> Decimal | None:
            return self.input_per_mtok if price is None else price

        return TokenPrices(
            input=self.input_per_mtok,
            cached_input=or_input(self.cached_input_per_mtok),
            cache_write_input=or_input(self.cache_write_per_mtok),
            input_audio=self.input_audio_per_mtok,
            output=self.output_per_mtok,
        )


OwnPrices = Mapping[str, Mapping[str, OwnPrice]]
"""By provider and model."""

# Which keys an offer's unit takes, those that it needs first.
_KEYS: Mapping[CostUnit, tuple[frozenset[str], frozenset[str]]] = {
    CostUnit.MINUTE: (frozenset({"per_minute"}), frozenset({"diarization_per_minute"})),
    CostUnit.CHARACTER: (frozenset({"per_character"}), frozenset()),
    CostUnit.TOKEN: (
        frozenset({"input_per_mtok", "output_per_mtok"}),
        frozenset({"cached_input_per_mtok", "cache_write_per_mtok", "input_audio_per_mtok"}),
    ),
    CostUnit.FREE: (frozenset(), frozenset()),
}


def load_own_prices(path: Path | None) -> OwnPrices:
    """Read the file; nothing where none is named.

    Raises:
        SettingsError: It can't be read, or a price has not the form.
    """
    if path is None:
        return {}
    try:
        found = tomllib.loads(path.read_text("utf-8"))
        return TypeAdapter(dict[str, dict[str, OwnPrice]]).validate_python(found)
    except OSError as error:
        raise _wrong(f"{path} can't be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _wrong(f"{path} is not TOML: {error}") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise _wrong(f"{path}, {place}: {first['msg'].lower()}") from None


def with_own_prices(offers: Iterable[Offer], prices: OwnPrices) -> Sequence[Offer]:
    """Return the offers at the prices that a user has of their own.

    Raises:
        SettingsError: A price is for something that nobody offers, or in another unit.
    """
    offered = list(offers)
    for provider, models in prices.items():
        for model, price in models.items():
            _check(provider, model, price, offered)
    return [
        own.apply(offer)
        if (own := prices.get(offer.provider, {}).get(offer.model)) is not None
        else offer
        for offer in offered
    ]


def _check(provider: str, model: str, price: OwnPrice, offered: Sequence[Offer]) -> None:
    units = {
        offer.cost_unit for offer in offered if (offer.provider, offer.model) == (provider, model)
    }
    name = f"{provider}.{model}"
    if not units:
        known = sorted({f"{offer.provider}.{offer.model}" for offer in offered})
        near = difflib.get_close_matches(name, known, n=1)
        hint = f" Did you mean {near[0]}?" if near else f" Known: {', '.join(known)}."
        raise _wrong(f"nobody offers {name}.{hint}")
    given = price.model_fields_set - {"source"}
    for unit in units:
        needed, more = _KEYS[unit]
        if not needed <= given or given - needed - more:
            expected = " and ".join(sorted(needed)) or "no price: it is free"
            raise _wrong(f"{name} is sold by the {unit} and takes {expected}")


def _wrong(what: str) -> SettingsError:
    return SettingsError(f"AI_PRICES_PATH: {what}. Example: AI_PRICES_PATH=prices.toml")
