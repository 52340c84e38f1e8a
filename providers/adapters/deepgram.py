"""Deepgram: speech by `/v1/listen`; its answer is read in `deepgram_answer`."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from providers.access import why_unset
from providers.adapters.base import ProviderAnswer, ProviderCall, ReportProgress
from providers.adapters.deepgram_answer import Answer, Speakers, billed
from providers.channels import count_channels
from providers.error_table import STATUS_ROWS, ErrorRow, VendorFailure
from providers.errors import (
    InputTooLarge,
    InvalidRequest,
    ProviderError,
    ProviderFault,
    ProviderUnavailable,
    QuotaExhausted,
    RateLimited,
    UnsupportedInput,
)
from providers.http_vendor import Body, Exchange, HttpVendorAdapter
from providers.list_prices import find_unit_price
from providers.recordings import Recordings, survey_within
from providers.types import (
    AudioFile,
    Capability,
    CostUnit,
    Limits,
    Offer,
    QualityTier,
    TranscriptionRequest,
    Usage,
)

DEFAULT_BASE_URL = "https://api.deepgram.com"
# https://developers.deepgram.com/docs/models-languages-overview, read 2026-11: the best model.
MODEL = "nova-3"
# https://developers.deepgram.com/docs/pre-recorded-audio, section "Limits", read 2026-11: 2 GB.
MAX_FILE_BYTES = 2_000_000_000
# The language of `language=multi`, which has another price, is no language.
_NO_LANGUAGE = "multi"
# Channels of a call that was recorded from both ends.
_TWO_SIDES = 2

_CHUNK_BYTES = 1 << 16
# How much of the work the upload is; the recognition does not tell how far it is.
UPLOAD_SHARE = 0.5
_CAVEAT = "Takes each channel of a call that has two for one speaker."

# https://developers.deepgram.com/docs/errors, read 2026-11. All that a caller decides about a
# request is the recording and its language, so that a 400 is about one of these: Deepgram has one
# code for audio that is damaged and for audio or a language that it does not know, and another
# provider may know it. A 422 says that the upload broke off.
ERRORS = (
    ErrorRow(ProviderUnavailable, code="INVALID_AUTH"),
    ErrorRow(ProviderUnavailable, code="INSUFFICIENT_PERMISSIONS"),
    ErrorRow(ProviderUnavailable, code="PROJECT_NOT_FOUND"),
    ErrorRow(QuotaExhausted, code="ASR_PAYMENT_REQUIRED"),
    ErrorRow(ProviderFault, code="ASR_UNPROCESSABLE_ENTITY"),
    ErrorRow(RateLimited, code="TOO_MANY_REQUESTS"),
    ErrorRow(UnsupportedInput, status=400),
    ErrorRow(UnsupportedInput, status=415),
    ErrorRow(ProviderFault, status=422),
    ErrorRow(ProviderFault, status=499),
    *STATUS_ROWS,
)


class DeepgramAdapter(HttpVendorAdapter):
    """Deepgram, or a self-hosted one; the address is without `/v1`."""

    name = "deepgram"
    vendor = "Deepgram"
    scheme = "Token"
    errors = ERRORS

    def __init__(self, api_key: SecretStr | None, base_url: str | None = None) -> None:
        """Take the key and Deepgram's address; connect with the first call."""
        super().__init__(api_key, base_url or DEFAULT_BASE_URL)
        self._recordings = Recordings.where_installed()

    async def close(self) -> None:
        """Close the connections, and end what decodes recordings."""
        await super().close()
        if self._recordings is not None:
            await self._recordings.close()

    def offers(self) -> Sequence[Offer]:
        """List both speech capabilities."""
        return [
            self._offer(Capability.TRANSCRIPTION),
            self._offer(Capability.TRANSCRIPTION_DIARIZATION),
        ]

    def _offer(self, capability: Capability) -> Offer:
        listed = find_unit_price(self.name, MODEL)
        by_speaker = capability is Capability.TRANSCRIPTION_DIARIZATION
        reason = why_unset({"DEEPGRAM_API_KEY": self._key})
        return Offer(
            provider=self.name,
            capability=capability,
            model=MODEL,
            quality_tier=QualityTier.PREMIUM,
            cost_unit=CostUnit.MINUTE,
            price=listed.price,
            diarization_price=listed.diarization_price if by_speaker else None,
            price_source=listed.price_source,
            limits=Limits(max_file_bytes=MAX_FILE_BYTES),
            available=reason is None,
            reason=reason,
            caveat=_CAVEAT if by_speaker else None,
        )

    async def upper_bounds(self, call: ProviderCall) -> Sequence[Usage]:
        """Bound what an attempt can use; see `ProviderAdapter.upper_bounds`."""
        if call.audio is None:
            return (Usage(audio_seconds=0),)  # `call` refuses it before anything is sent
        sound = await survey_within(self._recordings, call.audio.path, call.timeout)
        seconds = None if sound is None else sound.most_seconds
        if sound is None or seconds is None:
            return ()
        ways = [Speakers.UNTOLD]
        if call.capability is Capability.TRANSCRIPTION_DIARIZATION:
            # What the call hears decides; should it fail to listen, channels are sides.
            is_call = await asyncio.to_thread(count_channels, call.audio.path) == _TWO_SIDES
            ways = [Speakers.BY_VOICE, Speakers.BY_CHANNEL] if is_call else [Speakers.BY_VOICE]
        return [billed(seconds, max(sound.channels, _TWO_SIDES), way) for way in ways]

    async def _answer(self, call: ProviderCall, exchange: Exchange) -> ProviderAnswer:
        request, audio = call.request, call.audio
        if not isinstance(request, TranscriptionRequest) or audio is None:
            raise InvalidRequest(f"Deepgram is not offered for {call.capability}.")
        _check(request, audio)
        speakers = await self._speakers(call.capability, audio.path)
        content = await self._post(
            exchange,
            "/v1/listen",
            Body(_read_file(audio, exchange.report_progress), audio.size, _media_type(audio)),
            params=_query(call.model, request.language, speakers),
            timeout=call.timeout,
        )
        answer = self._parse(Answer, content)
        exchange.usage = usage = answer.read_usage(speakers)
        return ProviderAnswer(answer.read_response(request.language, speakers), usage)

    async def _speakers(self, capability: Capability, path: Path) -> Speakers:
        """Decide how speakers are told apart: by channel where there are two, else by voice."""
        if capability is not Capability.TRANSCRIPTION_DIARIZATION:
            return Speakers.UNTOLD
        if await asyncio.to_thread(count_channels, path) != _TWO_SIDES:
            return Speakers.BY_VOICE
        return Speakers.BY_CHANNEL if await self._has_two_sides(path) else Speakers.BY_VOICE

    async def _has_two_sides(self, path: Path) -> bool:
        """Say whether two channels hold two things: one call on both, or in one room, is one thing.

        What can't be decoded here is believed to be a call's two sides.
        """
        if self._recordings is None:
            return True
        try:
            return (await self._recordings.survey(path)).two_sides
        except ProviderError:
            return True

    def _read_failure(self, status: int, body: Mapping[str, Any]) -> VendorFailure:
        # Two forms of error; in one example the first has `error_code` for `err_code`.
        code = body.get("err_code") or body.get("error_code") or body.get("category")
        message = body.get("err_msg") or body.get("message") or ""
        return VendorFailure(status, None, str(code) if code else None, str(message))


def _check(request: TranscriptionRequest, audio: AudioFile) -> None:
    if audio.size > MAX_FILE_BYTES:
        raise InputTooLarge(f"Deepgram takes recordings of up to {MAX_FILE_BYTES:,} bytes.")
    if request.language is not None and request.language.lower() == _NO_LANGUAGE:
        raise UnsupportedInput("Name one language, or none: Deepgram then detects it.")


def _media_type(audio: AudioFile) -> str:
    """Name the type of what is a recording only: JSON would be read as an address to fetch from."""
    is_media = audio.media_type.startswith(("audio/", "video/"))
    return audio.media_type if is_media else "application/octet-stream"


def _query(model: str, language: str | None, speakers: Speakers) -> dict[str, str]:
    """Write the parameters; https://developers.deepgram.com/docs/stt-pre-recorded-feature-overview.

    Channels are only recognised one by one where they tell the speakers apart: each is billed.
    """
    query = {"model": model, "smart_format": "true", "punctuate": "true", "utterances": "true"}
    query |= {"detect_language": "true"} if language is None else {"language": language}
    match speakers:
        case Speakers.BY_CHANNEL:
            query["multichannel"] = "true"
        case Speakers.BY_VOICE:
            query["diarize_model"] = "latest"
        case Speakers.UNTOLD:
            pass
    return query


async def _read_file(
    audio: AudioFile, report_progress: ReportProgress
) -> AsyncGenerator[bytes, None]:
    """Read the recording piece by piece; what the connection has taken is progress."""
    sent = 0
    with await asyncio.to_thread(audio.path.open, "rb") as file:
        while piece := await asyncio.to_thread(file.read, _CHUNK_BYTES):
            yield piece
            sent += len(piece)
            report_progress(min(sent / audio.size, 1) * UPLOAD_SHARE)
