"""One attempt's account: intent before the call, cost and answer after it.

A cancellation never comes between the provider's answer and its receipt: what is being written is
written to its end, and the cancellation goes on then.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, TypeVar

import structlog
from sqlalchemy.exc import SQLAlchemyError

from activities.answers import Answers
from activities.types import LEDGER_PATIENCE, CallProviderInput, CallProviderResult
from artifacts.errors import ArtifactError
from ledger.books import Ledger
from ledger.calls import Intent, Receipt, Sale
from ledger.database import is_passing
from ledger.errors import AnswerNotKept, AttemptTaken, BoundNeeded, LedgerUnavailable
from providers.prices import cost_of, unit_prices_of, upper_cost_of
from providers.types import CostUnit, Offer, Usage

# s: how long a cancelled activity stays for what it writes.
_RECORDING_SECONDS = 5.0

# s: between two tries while the database is away.
_FIRST_DELAY, _LONGEST_DELAY = 0.1, 2.0

_Written = TypeVar("_Written")

log = structlog.get_logger(__name__)


class AttemptAccount:
    """Accounts for one attempt at a call.

    Attributes:
        offer: Who is asked.
        number: The attempt's, from 1 over all workers.
        usage: What it used; None when it surely cost nothing. An empty one, as from the beginning,
            says that it may have been billed, and nobody knows for what.
        is_begun: Whether its intent is recorded: the provider may have been asked.
        is_kept_away: Whether nobody was asked, since the provider is not to be.
        cost_so_far: Over all attempts at the call, USD; None when a part is unknown.
    """

    def __init__(
        self, ledger: Ledger, answers: Answers, call: CallProviderInput, offer: Offer, number: int
    ) -> None:
        """Take what to ask whom; nothing is recorded yet."""
        self.offer = offer
        self.number = number
        self.usage: Usage | None = Usage()
        self.cost_so_far: Decimal | None = None
        self.is_begun = False
        self.is_kept_away = False
        self._calls = ledger.calls
        self._answers = answers
        self._call = call
        self._intent = Intent(
            execution_id=call.execution_id,
            tenant_id=call.tenant_id,
            step=call.step.name,
            provider=offer.provider,
            model=offer.model,
            call_id=call.call_id,
            attempt=number,
            candidate=call.position,
            item=call.item,
            bound_usd=upper_cost_of(offer, ()),
        )

    def take_usage(self, usage: Usage | None) -> None:
        """Take what the provider told."""
        self.usage = usage

    async def answered(self) -> CallProviderResult | None:
        """Return the answer that an earlier attempt has bought, if there is one."""
        if self._intent.attempt == 1:
            return None
        call_id = self._call.call_id
        receipt = await steadfast(persistently(lambda: self._calls.receipt(call_id)))
        return await self._read(receipt)

    async def begin(
        self, bounds: Callable[[], Awaitable[Sequence[Usage]]]
    ) -> CallProviderResult | None:
        """Record the intent; returns the answer if there turns out to be one.

        Args:
            bounds: Tells what the attempt can use at most; asked when a hard limit holds.

        Raises:
            LedgerError: The attempt must not be made.
        """
        if self._call.needs_bound:
            await self._find_bound(bounds)
        while True:
            try:
                receipt = await self._begin()
            except BoundNeeded:  # the limit has become a hard one since the run was admitted
                await self._find_bound(bounds)
            except AttemptTaken:  # of a run that was reset
                number = await self._calls.next_attempt(self._call.call_id)
                self._intent = replace(self._intent, attempt=number)
            else:
                self.is_begun = receipt is None
                answer = await self._read(receipt)
                if receipt is None or answer is not None:
                    return answer
                await persistently(lambda: self._calls.void(self._call.call_id))

    async def total(self) -> Decimal | None:
        """Return the cost of all attempts at the call so far; None when a part is unknown."""
        if self.cost_so_far is not None:
            return self.cost_so_far
        if self._intent.attempt == 1:
            return None if self.is_begun else Decimal(0)
        try:
            return await self._calls.cost(self._call.call_id)
        except SQLAlchemyError:
            log.exception("cost of earlier attempts not read", call_id=self._call.call_id)
            return None

    async def finish(self, result: CallProviderResult) -> CallProviderResult:
        """Commit cost and answer together; returns the answer with the cost of all attempts."""
        sale = self._sale()
        result = result.model_copy(update={"cost_usd": sale.cost_usd})
        cost = await steadfast(self._commit(sale, result))
        return result.model_copy(update={"cost_usd": cost})

    async def fail(self, code: str, *, cancelled: bool = False) -> None:
        """Record how a failed attempt ended; that failure goes on whether or not this works."""
        try:
            await steadfast(self._record_failure(code, cancelled=cancelled))
        except Exception:
            log.exception("ledger not told of a failed attempt", intent=self._intent, code=code)

    async def _record_failure(self, code: str, *, cancelled: bool) -> None:
        sale = None
        if self.usage is not None and self.offer.cost_unit is not CostUnit.FREE:
            sale = self._sale()
            if sale.cost_usd is None and self.offer.price is not None:
                await self._calls.doubt(self._intent, code)
                return
        self.cost_so_far = await self._calls.close(self._intent, sale, code, cancelled=cancelled)

    async def _begin(self) -> Receipt | None:
        beginning = asyncio.ensure_future(persistently(lambda: self._calls.begin(self._intent)))
        try:
            return await steadfast(beginning)
        except asyncio.CancelledError:
            if beginning.done() and not beginning.cancelled() and beginning.exception() is None:
                self.usage = None
                await self.fail("cancelled", cancelled=True)
            raise

    async def _commit(self, sale: Sale, result: CallProviderResult) -> Decimal | None:
        answer, tenant = result.model_dump(mode="json"), self._call.tenant_id
        try:
            receipt = await persistently(lambda: self._answers.write(tenant, answer))
        except (ArtifactError, OSError) as error:
            await persistently(lambda: self._calls.close(self._intent, sale, AnswerNotKept.code))
            raise AnswerNotKept(f"The answer can't be stored: {type(error).__name__}.") from error
        cost = await persistently(
            lambda: self._calls.close(self._intent, sale, "success", receipt=receipt)
        )
        await self._forget_unless_kept(receipt)
        return cost

    async def _forget_unless_kept(self, receipt: Receipt) -> None:
        """Delete a large answer that came too late for anybody to want it."""
        if receipt.artifact_id is None:
            return
        kept = await persistently(lambda: self._calls.receipt(self._call.call_id))
        if kept is None or kept.artifact_id != receipt.artifact_id:
            await self._answers.delete(self._call.tenant_id, [receipt.artifact_id])

    async def _find_bound(self, bounds: Callable[[], Awaitable[Sequence[Usage]]]) -> None:
        if self._intent.bound_usd is None:
            bound = upper_cost_of(self.offer, await bounds())
            self._intent = replace(self._intent, bound_usd=bound)
        self._intent = replace(self._intent, bound_tried=True)

    async def _read(self, receipt: Receipt | None) -> CallProviderResult | None:
        if receipt is None:
            return None
        answer = await self._answers.read(self._call.tenant_id, receipt)
        if answer is None:
            return None
        cost = await self._calls.cost(self._call.call_id)
        return CallProviderResult.model_validate(answer | {"cost_usd": cost})

    def _sale(self) -> Sale:
        offer, usage = self.offer, self.usage or Usage()
        return Sale(
            usage=usage.model_dump(mode="json", exclude_none=True),
            unit_prices=unit_prices_of(offer, usage),
            cost_usd=cost_of(offer, usage),
            price_source=offer.price_source,
        )


async def persistently(write: Callable[[], Awaitable[_Written]]) -> _Written:
    """Write, again and again while the database is away: what was bought is in memory only.

    Raises:
        LedgerUnavailable: It was away for too long.
    """
    loop = asyncio.get_running_loop()
    end, delay = loop.time() + LEDGER_PATIENCE, _FIRST_DELAY
    while True:
        try:
            return await write()
        except SQLAlchemyError as error:
            if not is_passing(error):
                raise
            log.warning("ledger away", error=type(error).__name__)
            if loop.time() + delay > end:
                raise LedgerUnavailable("The ledger's database does not answer.") from None
        await asyncio.sleep(delay)
        delay = min(2 * delay, _LONGEST_DELAY)


async def steadfast(writing: Awaitable[_Written]) -> _Written:
    """Wait for what is being written to be written; a cancellation goes on after that.

    Raises:
        asyncio.CancelledError: It came meanwhile; it waits a few seconds at most.
    """
    task = asyncio.ensure_future(writing)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if not task.cancelled():
            await _stay(task)
        raise


async def _stay(task: "asyncio.Future[Any]") -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + _RECORDING_SECONDS
    while not task.done() and loop.time() < end:
        try:
            await asyncio.wait([task], timeout=end - loop.time())
        except asyncio.CancelledError:
            continue  # the first one goes on already
    error = task.exception() if task.done() and not task.cancelled() else None
    if error is not None or not task.done():
        log.error("ledger not written", exc_info=error)
