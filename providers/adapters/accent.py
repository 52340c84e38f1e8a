"""Accent, the internal service for personal data; its answer is read in `accent_answer`."""

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from providers.access import why_unset
from providers.adapters.accent_answer import SEPARATOR, Answer, cut, place
from providers.adapters.base import ProviderAnswer, ProviderCall
from providers.error_table import STATUS_ROWS, VendorFailure
from providers.errors import InvalidRequest
from providers.http_vendor import Body, Exchange, HttpVendorAdapter
from providers.list_prices import find_unit_price
from providers.types import (
    Capability,
    CostUnit,
    Entity,
    Offer,
    QualityTier,
    RedactionRequest,
    RedactionResponse,
    Usage,
)

MODEL = "accent-pii"
"""Our name for whatever the service runs; its answers name the model of the day."""

# The service's problems (RFC 9457) have no types or codes of their own: the status says it all.
ERRORS = STATUS_ROWS


class AccentAdapter(HttpVendorAdapter):
    """Accent; the address, which has no default, is without `/v1`."""

    name = "accent"
    vendor = "Accent"
    scheme = "Bearer"
    errors = ERRORS

    def offers(self) -> Sequence[Offer]:
        """List the one capability."""
        listed = find_unit_price(self.name, MODEL)
        reason = why_unset({"ACCENT_API_KEY": self._key, "ACCENT_BASE_URL": self._base_url})
        return [
            Offer(
                provider=self.name,
                capability=Capability.PII_REDACTION,
                model=MODEL,
                quality_tier=QualityTier.PREMIUM,
                cost_unit=CostUnit.CHARACTER,
                price=listed.price,
                price_source=listed.price_source,
                available=reason is None,
                reason=reason,
            )
        ]

    async def upper_bounds(self, call: ProviderCall) -> Sequence[Usage]:
        """Bound what an attempt can use: the characters that are sent, where there are any."""
        request = call.request
        sent = _text_of(request) if isinstance(request, RedactionRequest) else ""
        return (Usage(characters=len(sent)),)

    async def _answer(self, call: ProviderCall, exchange: Exchange) -> ProviderAnswer:
        request = call.request
        if not isinstance(request, RedactionRequest):
            raise InvalidRequest(f"Accent is not offered for {call.capability}.")
        sent = _text_of(request)
        if not sent:
            nothing = RedactionResponse(text="", segments=request.segments, entities=())
            return ProviderAnswer(nothing, Usage(characters=0))
        content = json.dumps(_question(request, sent)).encode()
        answer = self._parse(
            Answer,
            await self._post(
                exchange,
                "/v1/redact",
                Body(_whole(content), len(content), "application/json"),
                headers={"Idempotency-Key": call.call_id},
                timeout=call.timeout,
            ),
        )
        exchange.usage = usage = Usage(characters=answer.usage.characters)
        answer.check(sent)
        return ProviderAnswer(_response(request, answer), usage)

    def _read_failure(self, status: int, body: Mapping[str, Any]) -> VendorFailure:
        # The title names the kind of problem; the detail may quote what was to be hidden.
        return VendorFailure(status, None, None, str(body.get("title") or ""))


def _text_of(request: RedactionRequest) -> str:
    if request.segments is None:
        return request.text or ""
    return SEPARATOR.join(segment.text for segment in request.segments)


def _question(request: RedactionRequest, text: str) -> dict[str, Any]:
    """Write the request. Entities that are not named are left out, which asks for all of them."""
    question: dict[str, Any] = {"text": text, "mode": request.mode}
    if request.entities is not None:
        question["entities"] = list(request.entities)
    return question


def _response(request: RedactionRequest, answer: Answer) -> RedactionResponse:
    if request.segments is None:
        entities = tuple(
            Entity(type=one.type, start=one.start, end=one.end, score=one.score)
            for one in sorted(answer.entities, key=lambda entity: (entity.start, entity.end))
        )
        return RedactionResponse(text=answer.text, entities=entities)
    texts = [segment.text for segment in request.segments]
    redacted = cut(answer, texts)
    segments = tuple(
        segment.model_copy(update={"text": text})
        for segment, text in zip(request.segments, redacted, strict=True)
    )
    return RedactionResponse(
        text=SEPARATOR.join(redacted),
        segments=segments,
        entities=tuple(place(answer.entities, texts)),
    )


async def _whole(content: bytes) -> AsyncGenerator[bytes, None]:
    yield content
