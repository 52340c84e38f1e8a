"""What a call cost: units that were used times the price of the unit, exactly."""

from decimal import Decimal

from providers.types import CostUnit, Offer, Usage

_SECONDS_PER_MINUTE = 60


def cost_of(offer: Offer, usage: Usage) -> Decimal | None:
    """Return USD, or None when the price or the amount is unknown."""
    if offer.price is None:
        return None
    match offer.cost_unit:
        case CostUnit.FREE:
            return Decimal(0)
        case CostUnit.MINUTE:
            units = _decimal(usage.audio_seconds)
            return None if units is None else units / _SECONDS_PER_MINUTE * offer.price
        case CostUnit.CHARACTER:
            units = _decimal(usage.characters)
            return None if units is None else units * offer.price
        case CostUnit.TOKEN:
            return None


def _decimal(amount: float | None) -> Decimal | None:
    return None if amount is None else Decimal(str(amount))
