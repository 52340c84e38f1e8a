"""Offers made by hand, in a real registry."""

from collections.abc import Sequence
from typing import Any

from providers.adapters.base import ProviderAdapter, ProviderAnswer, ProviderCall, ReportProgress
from providers.registry import CapabilityRegistry
from providers.types import Capability, CostUnit, Offer, QualityTier, TokenPrices


class Shelf(ProviderAdapter):
    """Offers what it is given; is never called."""

    def __init__(self, name: str, offers: Sequence[Offer]) -> None:
        self.name = name
        self._offers = offers

    def offers(self) -> Sequence[Offer]:
        return self._offers

    async def call(self, call: ProviderCall, report_progress: ReportProgress) -> ProviderAnswer:
        raise AssertionError(call, report_progress)


def offer(capability: Capability, unit: CostUnit, price: str | None = None, **fields: Any) -> Offer:
    return Offer.model_validate(
        {
            "provider": "a",
            "capability": capability,
            "model": "m",
            "quality_tier": QualityTier.STANDARD,
            "cost_unit": unit,
            "price": price,
            "price_source": "a test",
            **fields,
        }
    )


def free(capability: Capability, provider: str = "free") -> Offer:
    tier = QualityTier.BASIC
    return offer(capability, CostUnit.FREE, "0", provider=provider, quality_tier=tier)


def tokens(
    capability: Capability = Capability.LLM_GENERATION, *lists: TokenPrices, **fields: Any
) -> Offer:
    lists = lists or (prices("0.1", "0.5"),)
    return offer(capability, CostUnit.TOKEN, "0.0000001", token_prices=lists, **fields)


def prices(read: str, written: str, *, above: int = -1, **others: str) -> TokenPrices:
    fields = {"cached_input": None, "cache_write_input": None, **others}
    return TokenPrices.model_validate(
        {"above_input_tokens": above, "input": read, "output": written, **fields}
    )


def minutes(capability: Capability = Capability.TRANSCRIPTION, **fields: Any) -> Offer:
    return offer(capability, CostUnit.MINUTE, "0.006", **fields)


def registry(*offers: Offer) -> CapabilityRegistry:
    names = dict.fromkeys(one.provider for one in offers)
    return CapabilityRegistry(
        [Shelf(name, [one for one in offers if one.provider == name]) for name in names]
    )
