"""What calls cost with one candidate: in the best, the expected and the worst case."""

from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple, Protocol

from pipelines.estimating.usages import Usages, Work
from providers.types import Capability, CostUnit, Offer, Usage


class Pricing(Protocol):
    """Who is asked, and what that costs: `providers.registry.CapabilityRegistry`."""

    def build_fallback_chain(
        self, capability: Capability, *, max_fallbacks: int, preferred: Sequence[str]
    ) -> Sequence[Offer]:
        """List the available offers in the order in which they are asked."""

    def get_providers_for_capability(self, capability: Capability) -> Sequence[Offer]:
        """List the offers of a capability, unavailable ones too."""

    def estimate_cost(self, offer: Offer, usage: Usage) -> Decimal | None:
        """Price a usage in USD; None when the price is unknown."""


class Costs(NamedTuple):
    """USD in the three cases; null is explained by `reason`."""

    best: Decimal | None
    expected: Decimal | None
    worst: Decimal | None
    reason: str | None = None

    @classmethod
    def unknown(cls, reason: str | None) -> "Costs":
        """Stand for what nobody can tell."""
        return cls(None, None, None, reason)


NO_COST = Costs(Decimal(0), Decimal(0), Decimal(0))


def costs_of(offer: Offer, works: Sequence[Work], pricing: Pricing) -> Costs:
    """Add up what calls cost with one candidate."""
    if offer.cost_unit is CostUnit.FREE:
        return NO_COST
    if offer.price is None:
        return _no_price(offer)
    usages = Counter(work.sold_by(offer.cost_unit) for work in works)
    calls = [(_costs_of_call(offer, each, pricing), n) for each, n in usages.items()]
    return Costs(
        best=total((costs.best, n) for costs, n in calls),
        expected=total((costs.expected, n) for costs, n in calls),
        worst=total((costs.worst, n) for costs, n in calls),
        reason=next((costs.reason for costs, _ in calls if costs.reason), None),
    )


def total(costs: Iterable[tuple[Decimal | None, int]]) -> Decimal | None:
    """Add up costs, each so many times; unknown when one of them is."""
    found = Decimal(0)
    for cost, times in costs:
        if cost is None:
            return None
        found += cost * times
    return found


def _costs_of_call(offer: Offer, usages: Usages, pricing: Pricing) -> Costs:
    def price(usage: Usage) -> Decimal | None:
        if offer.diarization_price is None:  # it is no extra
            usage = usage.model_copy(update={"diarized_seconds": None})
        return pricing.estimate_cost(offer, usage)

    if usages.expected is None:
        return Costs.unknown(usages.reason)
    expected = price(usages.expected)
    if expected is None:
        return _no_price(offer)
    # A kind of token without a price is one that is not sold.
    cheapest = [cost for cost in map(price, usages.cheapest) if cost is not None]
    dearest = [cost for cost in map(price, usages.dearest) if cost is not None]
    return Costs(
        best=min(cheapest, default=None),
        expected=expected,
        worst=max(dearest, default=None),
        reason=usages.reason,
    )


def _no_price(offer: Offer) -> Costs:
    return Costs.unknown(f"Its price is not known: {offer.price_source}.")
