"""`call_provider`: one attempt at one candidate."""

import asyncio
import json
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import structlog
from pydantic import ValidationError
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.accounting import AttemptAccount, steadfast
from activities.answers import Answers
from activities.cooling import Cooling
from activities.failures import KNOWN_ERRORS, is_worth_waiting, to_application_error
from activities.heartbeats import Heartbeats, Progress
from activities.types import (
    CALL_PROVIDER,
    MAX_PAYLOAD_BYTES,
    CallProviderInput,
    CallProviderResult,
    whole_ms,
)
from artifacts.fetch import Fetcher
from artifacts.store import SCHEME, ArtifactStore
from ledger.books import Ledger
from ledger.errors import LedgerError
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
from providers.registry import CapabilityRegistry
from providers.types import (
    REQUESTS,
    AudioFile,
    Offer,
    TranscriptionRequest,
    Value,
)

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
        self._answers = Answers(artifacts)
        self._fetcher = fetcher
        self._metrics = metrics
        self._cooling = Cooling(ledger.cooldowns, metrics)
        self._heartbeats = Heartbeats()

    @activity.defn(name=CALL_PROVIDER)
    async def call_provider(self, call: CallProviderInput) -> CallProviderResult:
        """Make one attempt at one call.

        Side effect: the provider's work; in the ledger an intent before it and a receipt after it.
        Idempotency key: `call_id`; a call that has a receipt is not made again. Heartbeat: the
        fraction that is done. Cancellation: the provider's work is aborted within a second; what
        it may have cost is recorded before the activity ends.

        Raises:
            ApplicationError: of the error's code, retryable as `providers.errors` says.
        """
        attempt = call.earlier_attempts + activity.info().attempt
        structlog.contextvars.bind_contextvars(
            execution_id=call.execution_id, step=call.step.name, provider=str(call.candidate)
        )
        status = "cancelled"
        account = None
        try:
            account = AttemptAccount(self._ledger, self._answers, call, self._offer(call), attempt)
            result = await self._attempt(call, account)
            status = "success"
        except KNOWN_ERRORS as error:
            status = error.code
            log.warning("provider call failed", code=error.code, error=str(error), attempt=attempt)
            # Where the offer is not there, or the money is not, nobody was asked.
            refused = isinstance(error, LedgerError) and not (account and account.is_begun)
            nobody = account is None or account.is_kept_away or refused
            raise to_application_error(
                error,
                attempt - 1 if nobody else attempt,
                worth_waiting=is_worth_waiting(error, call),
                cost_usd=await account.total() if account else None,
            ) from error
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
        self, call: CallProviderInput, account: AttemptAccount
    ) -> CallProviderResult:
        async with self._heartbeats.beating() as progress:
            bought = await account.answered()
            if bought is not None:
                return bought
            await self._check_cooldown(account)
            return await self._buy(call, account, progress)

    async def _buy(
        self, call: CallProviderInput, account: AttemptAccount, progress: Progress
    ) -> CallProviderResult:
        offer, request = account.offer, _typed_request(call)
        adapter = self._registry.adapter(offer.provider)
        async with self._audio(call, request) as audio:
            self._check_size(offer, audio)
            provider_call = ProviderCall(
                call_id=call.call_id,
                capability=offer.capability,
                model=offer.model,
                request=request,
                audio=audio,
                timeout=call.step.timeout,
                report_usage=account.take_usage,
            )
            bought = await account.begin(lambda: adapter.upper_bounds(provider_call))
            if bought is not None:
                return bought
            answer = await self._ask(account, provider_call, progress.report)
            return await self._account(call, account, answer)

    async def _check_cooldown(self, account: AttemptAccount) -> None:
        adapter = self._registry.adapter(account.offer.provider)
        account.is_kept_away = True
        await steadfast(self._cooling.check(account.offer, adapter))
        account.is_kept_away = False

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
        self, account: AttemptAccount, call: ProviderCall, report_progress: ReportProgress
    ) -> ProviderAnswer:
        """Ask the provider; what a failure may have cost is recorded before it goes on."""
        adapter = self._registry.adapter(account.offer.provider)
        try:
            async with asyncio.timeout(call.timeout):
                answer = await adapter.call(call, report_progress)
        except ProviderError as error:
            account.usage = error.usage
            await account.fail(error.code)
            await self._cooling.take_note(account.offer, adapter, error)
            raise
        except TimeoutError:
            await account.fail("timeout")
            raise ProviderFault(f"No answer within {call.timeout:g} s.") from None
        except asyncio.CancelledError:
            await account.fail("cancelled", cancelled=True)
            raise
        except Exception:
            await account.fail("internal")
            raise
        account.usage = answer.usage
        return answer

    async def _account(
        self, call: CallProviderInput, account: AttemptAccount, answer: ProviderAnswer
    ) -> CallProviderResult:
        output = answer.response.model_dump(mode="json")
        size = len(json.dumps(output, ensure_ascii=False).encode())
        if size > MAX_PAYLOAD_BYTES:
            await account.fail(OutputTooLarge.code)
            raise OutputTooLarge(
                f"The output of step '{call.step.name}' has {size} bytes; "
                f"the most is {MAX_PAYLOAD_BYTES}."
            )
        return await account.finish(
            CallProviderResult(
                provider=account.offer.provider,
                model=account.offer.model,
                usage=answer.usage,
                cost_usd=None,
                attempt=account.number,
                completed_at=whole_ms(datetime.now(UTC)),
                output=output,
            )
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
        async with self._fetcher.fetch(url, call.step.timeout) as (path, media_type, size):
            yield AudioFile(path=path, media_type=media_type, size=size)


def _typed_request(call: CallProviderInput) -> Value:
    fields = build_request(call.step, call.context)
    try:
        return REQUESTS[call.step.capability].model_validate(fields)
    except ValidationError as error:
        problems = "; ".join(
            ": ".join(filter(None, [".".join(map(str, problem["loc"])), _plain(problem["msg"])]))
            for problem in error.errors(include_input=False, include_url=False)
        )
        raise InvalidRequest(
            f"Step '{call.step.name}' can't ask for {call.step.capability}: {problems}."
        ) from None


def _plain(message: str) -> str:
    """Leave out what is pydantic's own in front of a sentence of ours."""
    return message.removeprefix("Value error, ")
