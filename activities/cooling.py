"""Providers that nobody is to ask for a while: found out once, by whichever call is first."""

from datetime import UTC, datetime

import structlog
from sqlalchemy.exc import SQLAlchemyError

from ledger.cooldowns import Cooldown, Cooldowns, Target
from observability.metrics import Metrics
from providers.adapters.base import ProviderAdapter
from providers.errors import CoolingDown, ProviderError, ProviderFault, RateLimited
from providers.types import Offer

# A provider that named the time may be waited for; for the others nobody knows whether it helps.
_NAMED = (RateLimited.code, ProviderFault.code)

log = structlog.get_logger(__name__)


class Cooling:
    """Opens cooldowns, and keeps calls from providers that have one."""

    def __init__(self, cooldowns: Cooldowns, metrics: Metrics) -> None:
        """Take where they are kept."""
        self._cooldowns = cooldowns
        self._metrics = metrics

    async def check(self, offer: Offer, adapter: ProviderAdapter) -> None:
        """Keep a call from a provider that nobody is to ask.

        Raises:
            CoolingDown: The next candidate is to be asked.
            RateLimited: The same, or this one is to be waited for, where it has named the time.
        """
        try:
            found = await self._cooldowns.find(target_of(offer, adapter))
        except SQLAlchemyError:
            log.exception("cooldowns not read", provider=offer.provider)
            return  # the ledger, which is asked next, waits for the database
        if found is None:
            return
        message = _message(offer, found)
        if found.code in _NAMED:
            raise RateLimited(message, retry_after=found.until - datetime.now(UTC))
        raise CoolingDown(message)

    async def take_note(self, offer: Offer, adapter: ProviderAdapter, error: ProviderError) -> None:
        """Open a cooldown where the error asks for one; that error goes on all the same."""
        if error.cooldown is None:
            return
        until = datetime.now(UTC) + error.cooldown
        self._metrics.record_provider_cooldown(provider=offer.provider, code=error.code)
        log.warning(
            "provider cools down",
            provider=offer.provider,
            model=offer.model,
            code=error.code,
            until=until.isoformat(timespec="seconds"),
        )
        try:
            await self._cooldowns.open(target_of(offer, adapter), until, error.code)
        except SQLAlchemyError:
            log.exception("cooldown not kept", provider=offer.provider)


def target_of(offer: Offer, adapter: ProviderAdapter) -> Target:
    """Say what a cooldown of an offer is kept for."""
    return Target(offer.provider, offer.model, adapter.credential)


def _message(offer: Offer, found: Cooldown) -> str:
    return (
        f"{offer.provider}/{offer.model} is not asked before {found.until:%Y-%m-%d %H:%M:%S} UTC, "
        f"after an error of the kind {found.code}."
    )
