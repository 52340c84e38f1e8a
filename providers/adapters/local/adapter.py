"""The adapter of the embedded provider: which child does what, and what comes of its answer."""

import asyncio
import contextlib
import os
from collections.abc import Sequence
from typing import Any

from providers.adapters.base import ProviderAdapter, ProviderAnswer, ProviderCall, ReportProgress
from providers.adapters.local.children import ChildPool
from providers.adapters.local.limits import MAX_TEXT_CHARACTERS
from providers.adapters.local.offers import NAME, build_offers
from providers.adapters.local.speech import transcribe
from providers.errors import InputTooLarge, InvalidRequest, ProviderError, ProviderUnavailable
from providers.types import (
    Capability,
    Offer,
    RedactionRequest,
    RedactionResponse,
    SentimentRequest,
    SentimentResponse,
    SummarizationRequest,
    SummarizationResponse,
    TranscriptionRequest,
    Usage,
    Value,
)

_SPEECH = (Capability.TRANSCRIPTION, Capability.TRANSCRIPTION_DIARIZATION)


class LocalAdapter(ProviderAdapter):
    """Five capabilities on the machine's own processor.

    The work happens in child processes, as many for speech as there are processors and one for
    text. They start with the first call that needs them and stay until `close`.
    """

    name = NAME

    def __init__(self) -> None:
        """Start nothing yet."""
        self._speech = ChildPool("providers.adapters.local.speech_child", size=os.cpu_count() or 1)
        self._text = ChildPool("providers.adapters.local.text_child", size=1)
        self._warming: asyncio.Task[None] | None = None

    def offers(self) -> Sequence[Offer]:
        """List the five capabilities; without the extra `local` none is available."""
        return build_offers()

    async def call(self, call: ProviderCall, report_progress: ReportProgress) -> ProviderAnswer:
        """Make one attempt, in a child process that a cancellation kills.

        Raises:
            ProviderUnavailable: The packages of the extra `local` are missing.
            UnsupportedInput: Another language than English, or speakers on one channel.
            InputTooLarge: The recording or the text is beyond `limits`.
            InvalidMedia: The recording can't be read.
            InvalidRequest: There is no such capability here, or no such entity type.
            ProviderFault: A child process crashed.
        """
        self._check_offer(call)
        try:
            return await self._answer(call, report_progress)
        except asyncio.CancelledError:
            # Who cancels wants the machine back: what is kept for the next call goes too.
            await self._end_warming()
            await asyncio.gather(self._speech.end_idle(), self._text.end_idle())
            raise

    async def _answer(self, call: ProviderCall, report_progress: ReportProgress) -> ProviderAnswer:
        match call.request:
            case TranscriptionRequest() as request:
                if call.audio is None:
                    raise InvalidRequest("Speech recognition needs a recording.")
                by_speaker = call.capability is Capability.TRANSCRIPTION_DIARIZATION
                return await transcribe(
                    self._speech,
                    request,
                    call.audio,
                    by_speaker=by_speaker,
                    report_progress=report_progress,
                    processor_free=self._warm_text,
                )
            case RedactionRequest():
                return await self._ask_text("redact", call, RedactionResponse, report_progress)
            case SentimentRequest():
                return await self._ask_text("sentiment", call, SentimentResponse, report_progress)
            case SummarizationRequest():
                return await self._ask_text(
                    "summarize", call, SummarizationResponse, report_progress
                )
            case _:
                raise InvalidRequest(
                    f"The embedded provider has no use for a {type(call.request).__name__}."
                )

    async def close(self) -> None:
        """End all child processes."""
        await self._end_warming()
        await asyncio.gather(self._speech.close(), self._text.close())

    async def _end_warming(self) -> None:
        warming, self._warming = self._warming, None
        if warming is not None:
            warming.cancel()
            await asyncio.gather(warming, return_exceptions=True)

    def _warm_text(self) -> None:
        """Load the text packages while a processor is free; a transcript is rarely the end."""
        missing = any(
            not offer.available for offer in self.offers() if offer.capability not in _SPEECH
        )
        if self._warming is None and not self._text.pids and not missing:
            self._warming = asyncio.create_task(self._load_text())

    async def _load_text(self) -> None:
        # Nobody waits for this: a call that needs the child meets the same failure itself.
        with contextlib.suppress(ProviderError):
            await self._text.call("warm", {}, lambda _: None)
        self._warming = None

    def _check_offer(self, call: ProviderCall) -> None:
        for offer in self.offers():
            if (offer.capability, offer.model) == (call.capability, call.model):
                if not offer.available:
                    raise ProviderUnavailable(offer.reason or "")
                return
        raise InvalidRequest(
            f"The embedded provider has no model {call.model!r} for {call.capability}."
        )

    async def _ask_text(
        self,
        method: str,
        call: ProviderCall,
        response: type[Value],
        report_progress: ReportProgress,
    ) -> ProviderAnswer:
        params = call.request.model_dump(mode="json")
        characters = _characters(params)
        if characters > MAX_TEXT_CHARACTERS:
            raise InputTooLarge(f"The text is longer than {MAX_TEXT_CHARACTERS:,} characters.")
        answer = await self._text.call(method, params, report_progress)
        return ProviderAnswer(
            response=response.model_validate(answer), usage=Usage(characters=characters)
        )


def _characters(params: dict[str, Any]) -> int:
    if params.get("segments") is not None:
        return sum(len(segment["text"]) for segment in params["segments"])
    return len(params["text"])
