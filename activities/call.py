"""`call_provider`: one attempt at one candidate."""

import asyncio
import json
import traceback
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal

import structlog
from pydantic import ValidationError
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.failures import KNOWN_ERRORS, is_worth_waiting, to_application_error
from activities.heartbeats import Heartbeats
from activities.types import (
    CALL_PROVIDER,
    MAX_PAYLOAD_BYTES,
    CallProviderInput,
    CallProviderResult,
    whole_ms,
)
from artifacts.fetch import Fetcher
from artifacts.store import SCHEME, ArtifactStore
from ledger.entries import Entry, Ledger
from observability.metrics import Metrics
from pipelines.requests import build_request
from providers.adapters.base import ProviderAnswer, ProviderCall, ReportProgress
from providers.errors import (
    InputTooLarge,
    InvalidRequest,
    OutputTooLarge,
    ProviderError,
    ProviderFault,
)
from providers.prices import cost_of
from providers.registry import CapabilityRegistry
from providers.types import (
    REQUESTS,
    AudioFile,
    CostUnit,
    Offer,
    TranscriptionRequest,
    Usage,
    Value,
)

# s: how long a cancelled activity stays for its entry.
_RECORDING_SECONDS = 5.0
_USAGE_UNKNOWN = "aborted before its usage was known"

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Attempt:
    """One attempt at a call, and what it used.

    Attributes:
        number: From 1, over all workers.
        earlier_cost: Of the attempts before it, USD; None when a part is unknown.
        usage: None when it surely cost nothing. An empty one, as here from the beginning, says
            that it may have been billed, and nobody knows for what.
    """

    call: CallProviderInput
    offer: Offer
    number: int
    earlier_cost: Decimal | None
    usage: Usage | None = field(default_factory=Usage)

    def take_usage(self, usage: Usage | None) -> None:
        """Take what the provider told."""
        self.usage = usage

    @property
    def may_be_billed(self) -> bool:
        """Whether it could have cost anything."""
        return self.usage is not None and self.offer.cost_unit is not CostUnit.FREE

    def entry(self) -> Entry:
        """Account for the attempt."""
        call, offer, usage = self.call, self.offer, self.usage or Usage()
        return Entry(
            tenant_id=call.tenant_id,
            execution_id=call.execution_id,
            pipeline=call.pipeline,
            step=call.step.name,
            provider=offer.provider,
            model=offer.model,
            call_id=call.call_id,
            attempt=self.number,
            usage=usage.model_dump(mode="json", exclude_none=True),
            cost_usd=cost_of(offer, usage),
            price_source=offer.price_source,
        )


class ProviderActivities:
    """Calls providers, and accounts for what they used."""

    def __init__(
        self,
        registry: CapabilityRegistry,
        ledger: Ledger,
        artifacts: ArtifactStore,
        fetcher: Fetcher,
        metrics: Metrics,
    ) -> None:
        """Take the clients of everything that a call touches."""
        self._registry = registry
        self._ledger = ledger
        self._artifacts = artifacts
        self._fetcher = fetcher
        self._metrics = metrics
        self._heartbeats = Heartbeats()

    @activity.defn(name=CALL_PROVIDER)
    async def call_provider(self, call: CallProviderInput) -> CallProviderResult:
        """Make one attempt at one call.

        Side effect: the provider's work, and one ledger entry, unless the attempt surely cost
        nothing. Idempotency key: `call_id` and the attempt. Heartbeat: the fraction that is done.
        Cancellation: the provider's work is aborted within a second; what it may have cost is
        recorded before the activity ends.

        Raises:
            ApplicationError: of the error's code, retryable as `providers.errors` says.
        """
        attempt = call.earlier_attempts + activity.info().attempt
        structlog.contextvars.bind_contextvars(
            execution_id=call.execution_id, step=call.step.name, provider=str(call.candidate)
        )
        status = "cancelled"
        counted = attempt - 1
        try:
            offer = self._offer(call)
            counted = attempt  # where the offer is not there nobody is asked
            result = await self._attempt(call, offer, attempt)
            status = "success"
        except KNOWN_ERRORS as error:
            status = error.code
            log.warning("provider call failed", code=error.code, error=str(error), attempt=attempt)
            waiting = is_worth_waiting(error, call)
            raise to_application_error(error, counted, worth_waiting=waiting) from error
        except Exception as error:  # noqa: BLE001 - told by its kind
            status = "internal"
            kind = type(error).__name__
            # Its own text may hold what people said, and would stand in history and in events.
            where = "".join(traceback.format_tb(error.__traceback__))
            log.error("provider call crashed", error=kind, attempt=attempt, traceback=where)  # noqa: TRY400
            raise ApplicationError(f"The call crashed: {kind}.", type="internal") from None
        finally:
            self._metrics.record_step_execution(
                capability=call.step.capability, provider=call.candidate.provider, status=status
            )
        log.info("provider call answered", attempt=attempt, cost_usd=str(result.cost_usd))
        return result

    def _offer(self, call: CallProviderInput) -> Offer:
        candidate = call.candidate
        return self._registry.find(candidate.provider, call.step.capability, candidate.model)

    async def _attempt(
        self, call: CallProviderInput, offer: Offer, number: int
    ) -> CallProviderResult:
        request = _typed_request(call)
        async with self._heartbeats.beating() as progress, self._audio(call, request) as audio:
            self._check_size(offer, audio)
            earlier = Decimal(0) if number == 1 else await self._earlier_cost(call)
            attempt = _Attempt(call, offer, number, earlier)
            provider_call = ProviderCall(
                call_id=call.call_id,
                capability=offer.capability,
                model=offer.model,
                request=request,
                audio=audio,
                timeout=call.step.timeout,
                report_usage=attempt.take_usage,
            )
            answer = await self._ask(attempt, provider_call, progress.report)
            return await self._account(attempt, answer)

    def _check_size(self, offer: Offer, audio: AudioFile | None) -> None:
        """Keep a recording that is too large from an adapter that could only refuse it."""
        most = offer.limits.max_file_bytes
        if audio is None or most is None or audio.size <= most:
            return
        if not self._registry.adapter(offer.provider).converts_recordings:
            raise InputTooLarge(
                f"The recording has {audio.size:,} bytes; {offer.provider} takes {most:,}."
            )

    async def _ask(
        self, attempt: _Attempt, call: ProviderCall, report_progress: ReportProgress
    ) -> ProviderAnswer:
        """Ask the provider; what a failure may have cost is recorded before it goes on."""
        adapter = self._registry.adapter(attempt.offer.provider)
        try:
            async with asyncio.timeout(call.timeout):
                answer = await adapter.call(call, report_progress)
        except BaseException as error:
            if isinstance(error, ProviderError):
                attempt.usage = error.usage
            if attempt.may_be_billed:
                await self._record_failed(attempt)
            if isinstance(error, TimeoutError):
                raise ProviderFault(f"No answer within {call.timeout:g} s.") from None
            raise
        attempt.usage = answer.usage
        return answer

    async def _account(self, attempt: _Attempt, answer: ProviderAnswer) -> CallProviderResult:
        call, offer, entry = attempt.call, attempt.offer, attempt.entry()
        await self._record(entry)
        output = answer.response.model_dump(mode="json")
        size = len(json.dumps(output, ensure_ascii=False).encode())
        if size > MAX_PAYLOAD_BYTES:
            raise OutputTooLarge(
                f"The output of step '{call.step.name}' has {size} bytes; "
                f"the most is {MAX_PAYLOAD_BYTES}."
            )
        return CallProviderResult(
            provider=offer.provider,
            model=offer.model,
            usage=answer.usage,
            cost_usd=_sum([attempt.earlier_cost, entry.cost_usd]),
            attempt=attempt.number,
            completed_at=whole_ms(datetime.now(UTC)),
            output=output,
        )

    async def _record(self, entry: Entry) -> None:
        """Write the entry of an answer; a cancellation meanwhile waits for it."""
        writing = asyncio.ensure_future(self._ledger.record(entry))
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            await _finish(writing, entry)
            raise

    async def _record_failed(self, attempt: _Attempt) -> None:
        """Write the entry of a failed attempt; the failure goes on whether or not that works."""
        entry = attempt.entry()
        if entry.cost_usd is None and attempt.offer.price is not None:
            entry = replace(entry, price_source=_USAGE_UNKNOWN)
        await _finish(asyncio.ensure_future(self._ledger.record(entry)), entry)

    async def _earlier_cost(self, call: CallProviderInput) -> Decimal | None:
        """Add up what the attempts at the call have cost so far; None when a part is unknown."""
        entries = await self._ledger.of_execution(call.execution_id)
        return _sum([entry.cost_usd for entry in entries if entry.call_id == call.call_id])

    @asynccontextmanager
    async def _audio(
        self, call: CallProviderInput, request: Value
    ) -> AsyncIterator[AudioFile | None]:
        """Bring the recording to local disk, where the request has one."""
        if not isinstance(request, TranscriptionRequest):
            yield None
            return
        url = request.audio_url
        if url.startswith(SCHEME):
            artifact = await self._artifacts.get(call.tenant_id, url.removeprefix(SCHEME))
            yield AudioFile(
                path=self._artifacts.path(artifact),
                media_type=artifact.media_type,
                size=artifact.size,
            )
            return
        async with self._fetcher.fetch(url, call.step.timeout) as (path, media_type, size):
            yield AudioFile(path=path, media_type=media_type, size=size)


async def _finish(writing: asyncio.Future[None], entry: Entry) -> None:
    """Stay for an entry, a few seconds, cancelled or not.

    Its failure is only logged, with all that it says: something else is on its way already.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + _RECORDING_SECONDS
    cancellation: asyncio.CancelledError | None = None
    while not writing.done() and loop.time() < end:
        try:
            await asyncio.wait([writing], timeout=end - loop.time())
        except asyncio.CancelledError as another:
            cancellation = another
    error = writing.exception() if writing.done() else TimeoutError()
    if error is not None:
        log.error("ledger entry not confirmed", entry=asdict(entry), exc_info=error)
    if cancellation is not None:
        raise cancellation


def _sum(costs: Sequence[Decimal | None]) -> Decimal | None:
    known = [cost for cost in costs if cost is not None]
    return sum(known, Decimal(0)) if len(known) == len(costs) else None


def _typed_request(call: CallProviderInput) -> Value:
    fields = build_request(call.step, call.context)
    try:
        return REQUESTS[call.step.capability].model_validate(fields)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, problem['loc'])) or 'request'}: {problem['msg']}"
            for problem in error.errors(include_input=False, include_url=False)
        )
        raise InvalidRequest(
            f"Step '{call.step.name}' can't ask for {call.step.capability}: {problems}."
        ) from None
