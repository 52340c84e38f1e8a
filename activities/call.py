"""`call_provider`: one attempt at one candidate."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import structlog
from pydantic import ValidationError
from temporalio import activity

from activities.failures import KNOWN_ERRORS, to_application_error
from activities.heartbeats import Heartbeats
from activities.types import CALL_PROVIDER, CallProviderInput, CallProviderResult
from artifacts.fetch import Fetcher
from artifacts.store import SCHEME, ArtifactStore
from ledger.entries import Entry, Ledger
from observability.metrics import Metrics
from pipelines.requests import build_request
from providers.adapters.base import ProviderAnswer, ProviderCall
from providers.errors import InvalidRequest, OutputTooLarge, ProviderFault
from providers.prices import cost_of
from providers.registry import CapabilityRegistry
from providers.types import REQUESTS, AudioFile, Offer, TranscriptionRequest, Value

# Temporal refuses a payload of 2 MiB and more, as a retryable error that would pay again.
MAX_OUTPUT_BYTES = 1_900_000

log = structlog.get_logger(__name__)


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

        Side effect: the provider's work, and one ledger entry. Idempotency key: `call_id` and the
        attempt. Heartbeat: the fraction that is done. Cancellation: the provider's work is aborted
        within a second.

        Raises:
            ApplicationError: of the error's code, retryable as `providers.errors` says.
        """
        attempt = call.earlier_attempts + activity.info().attempt
        structlog.contextvars.bind_contextvars(
            execution_id=call.execution_id, step=call.step.name, provider=str(call.candidate)
        )
        status = "cancelled"
        try:
            result = await self._attempt(call, attempt)
            status = "success"
        except KNOWN_ERRORS as error:
            status = error.code
            log.warning("provider call failed", code=error.code, error=str(error), attempt=attempt)
            raise to_application_error(error, attempt) from error
        except Exception:
            status = "internal"
            log.exception("provider call crashed", attempt=attempt)
            raise
        finally:
            self._metrics.record_step_execution(
                capability=call.step.capability, provider=call.candidate.provider, status=status
            )
        log.info("provider call answered", attempt=attempt, cost_usd=str(result.cost_usd))
        return result

    async def _attempt(self, call: CallProviderInput, attempt: int) -> CallProviderResult:
        candidate, capability = call.candidate, call.step.capability
        offer = self._registry.find(candidate.provider, capability, candidate.model)
        adapter = self._registry.adapter(candidate.provider)
        request = _typed_request(call)
        async with self._heartbeats.beating() as progress, self._audio(call, request) as audio:
            provider_call = ProviderCall(
                call_id=call.call_id,
                capability=capability,
                model=candidate.model,
                request=request,
                audio=audio,
                timeout=call.step.timeout,
            )
            try:
                async with asyncio.timeout(call.step.timeout):
                    answer = await adapter.call(provider_call, progress.report)
            except TimeoutError:
                raise ProviderFault(f"No answer within {call.step.timeout:g} s.") from None
            return await self._account(call, offer, attempt, answer)

    async def _account(
        self, call: CallProviderInput, offer: Offer, attempt: int, answer: ProviderAnswer
    ) -> CallProviderResult:
        cost = cost_of(offer, answer.usage)
        await self._ledger.record(
            Entry(
                tenant_id=call.tenant_id,
                execution_id=call.execution_id,
                pipeline=call.pipeline,
                step=call.step.name,
                provider=offer.provider,
                model=offer.model,
                call_id=call.call_id,
                attempt=attempt,
                usage=answer.usage.model_dump(mode="json", exclude_none=True),
                cost_usd=cost,
                price_source=offer.price_source,
            )
        )
        output = answer.response.model_dump(mode="json")
        size = len(json.dumps(output, ensure_ascii=False).encode())
        if size > MAX_OUTPUT_BYTES:
            raise OutputTooLarge(
                f"The output of step '{call.step.name}' has {size} bytes; "
                f"the most is {MAX_OUTPUT_BYTES}."
            )
        return CallProviderResult(
            provider=offer.provider,
            model=offer.model,
            usage=answer.usage,
            cost_usd=cost,
            attempt=attempt,
            completed_at=_now(),
            output=output,
        )

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
        async with self._fetcher.fetch(url) as (path, media_type, size):
            yield AudioFile(path=path, media_type=media_type, size=size)


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


def _now() -> datetime:
    """Return the time in whole milliseconds, which survive every encoding."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)
