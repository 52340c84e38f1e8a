"""Which providers there are for a capability, and in which order they are asked.

Rank: offers that are preferred by the step, in its order; then by quality tier, best first; then by
price, cheapest first, unknown last; then by name.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal

import structlog

from providers.adapters.base import ProviderAdapter
from providers.builtin import build_adapters
from providers.errors import ProviderUnavailable
from providers.own_prices import OwnPrices, load_own_prices, with_own_prices
from providers.prices import cost_of
from providers.types import Capability, Offer, QualityTier, Usage
from settings import Settings

_TIERS = {QualityTier.PREMIUM: 0, QualityTier.STANDARD: 1, QualityTier.BASIC: 2}

log = structlog.get_logger(__name__)


class CapabilityRegistry:
    """Adapters and their offers."""

    def __init__(
        self, adapters: Iterable[ProviderAdapter], own_prices: OwnPrices | None = None
    ) -> None:
        """Take the adapters, whose offers are read once, and prices that win over theirs.

        Raises:
            SettingsError: A price is for something that nobody offers, or in another unit.
        """
        self._adapters = {adapter.name: adapter for adapter in adapters}
        listed = (offer for adapter in self._adapters.values() for offer in adapter.offers())
        self._offers = tuple(with_own_prices(listed, own_prices or {}))
        _warn_of_retired(self._offers)

    @property
    def offers(self) -> Sequence[Offer]:
        """All offers, available or not, by capability and rank."""
        return [
            offer
            for capability in Capability
            for offer in self.get_providers_for_capability(capability)
        ]

    @property
    def nameable(self) -> Mapping[str, frozenset[Capability]]:
        """What a definition may prefer each provider for, available or not."""
        providers: dict[str, frozenset[Capability]] = {}
        for offer in self._offers:
            known = providers.get(offer.provider, frozenset())
            providers[offer.provider] = known | {offer.capability}
        return providers

    def get_providers_for_capability(self, capability: Capability) -> Sequence[Offer]:
        """List the offers of a capability by rank, unavailable ones last."""
        offers = (offer for offer in self._offers if offer.capability == capability)
        return sorted(offers, key=lambda offer: (not offer.available, *_rank(offer)))

    def build_fallback_chain(
        self,
        capability: Capability,
        primary_provider: str | None = None,
        max_fallbacks: int = 2,
        preferred: Sequence[str] = (),
    ) -> Sequence[Offer]:
        """List the available offers in the order in which they are asked.

        Args:
            capability: What is asked for.
            primary_provider: Asked first, where it is available.
            max_fallbacks: How many may follow the first.
            preferred: Asked after the primary one, in this order, before all others.
        """
        wish = [*([primary_provider] if primary_provider else []), *preferred]
        places = {name: place for place, name in reversed(list(enumerate(wish)))}
        available = [
            offer for offer in self.get_providers_for_capability(capability) if offer.available
        ]
        available.sort(key=lambda offer: places.get(offer.provider, len(wish)))
        return available[: max_fallbacks + 1]

    def why_none(self, capability: Capability) -> str:
        """Explain why a chain is empty: the reason of every offer of the capability."""
        reasons = [
            f"{offer.provider}/{offer.model}: {offer.reason}"
            for offer in self.get_providers_for_capability(capability)
        ]
        what = f"No provider of {capability} is available"
        return f"{what}. {' '.join(reasons)}" if reasons else f"{what}: none is registered."

    def estimate_cost(self, offer: Offer, usage: Usage) -> Decimal | None:
        """Price an expected usage in USD; None when the price is unknown."""
        return cost_of(offer, usage)

    def find(self, provider: str, capability: Capability, model: str) -> Offer:
        """Return one available offer.

        Raises:
            ProviderUnavailable: This process does not have it; the message says why.
        """
        for offer in self._offers:
            if (offer.provider, offer.capability, offer.model) == (provider, capability, model):
                if not offer.available:
                    raise ProviderUnavailable(offer.reason or f"{provider} is not available.")
                return offer
        raise ProviderUnavailable(f"This worker does not know {provider}/{model}.")

    def adapter(self, provider: str) -> ProviderAdapter:
        """Return a provider's adapter.

        Raises:
            ProviderUnavailable: This process has no such provider.
        """
        if provider not in self._adapters:
            raise ProviderUnavailable(f"This worker does not know the provider '{provider}'.")
        return self._adapters[provider]

    async def close(self) -> None:
        """Close every adapter."""
        for adapter in self._adapters.values():
            await adapter.close()


def _rank(offer: Offer) -> tuple[int, bool, Decimal, str, str]:
    price = offer.price
    return (
        _TIERS[offer.quality_tier],
        price is None,
        Decimal(0) if price is None else price,
        offer.provider,
        offer.model,
    )


def _warn_of_retired(offers: Iterable[Offer]) -> None:
    """Tell the operator, once for a model, that calls to it may fail from some day on."""
    today = datetime.now(UTC).date()
    for provider, model, day in {
        (offer.provider, offer.model, offer.retires)
        for offer in offers
        if offer.available and offer.retires is not None and offer.retires <= today
    }:
        log.warning("model may be retired", provider=provider, model=model, retires=day.isoformat())


def build_registry(settings: Settings) -> CapabilityRegistry:
    """Build what the settings ask for; for composition roots.

    Raises:
        SettingsError: An installed package or a price can't be used, or a key can't be sent.
    """
    return CapabilityRegistry(build_adapters(settings), load_own_prices(settings.ai_prices_path))


_installed: CapabilityRegistry | None = None


def install_registry(registry: CapabilityRegistry) -> None:
    """Make `get_registry` return this one; for composition roots."""
    global _installed  # noqa: PLW0603 - the one place where a process keeps its registry
    _installed = registry


def get_registry() -> CapabilityRegistry:
    """Return the installed registry, or else one that is built from the environment."""
    return _installed or build_registry(Settings.load())
