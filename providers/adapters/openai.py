"""OpenAI: language models by the Responses API; its stream is read in `openai_answer`.

Speech is in `openai_speech`.
"""

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from providers.adapters.base import ProviderAnswer, ProviderCall, ReportProgress
from providers.adapters.openai_answer import Answer, AnswerEnded, AnswerError
from providers.adapters.openai_speech import OpenAISpeech
from providers.error_table import STATUS_ROWS, ErrorRow, VendorFailure
from providers.errors import (
    InputTooLarge,
    ProviderFault,
    ProviderUnavailable,
    QuotaExhausted,
    RateLimited,
    Refused,
    UnsupportedInput,
)
from providers.generation import ArrivingAnswer, check_schema, read_data, read_end
from providers.language_model import LanguageModel, LanguageModelAdapter
from providers.token_bounds import most_read
from providers.types import (
    GenerationRequest,
    GenerationResponse,
    Offer,
    TranscriptionRequest,
    Usage,
)

if TYPE_CHECKING:
    from openai import AsyncOpenAI

# https://developers.openai.com/api/docs/models/gpt-6-luna and /api/docs/deprecations, read 2026-11:
# the cheapest current model, for focused, high-volume work, which finding, judging, shortening and
# advising in a few sentences are; no day of retirement yet. Terra costs ten times as much, Sol
# twenty.
MODELS = (
    LanguageModel("gpt-6-luna", context_tokens=1_050_000, max_output_tokens=128_000, retires=None),
)

# https://developers.openai.com/api/docs/guides/error-codes and the error codes of a response in the
# API's description (openai/openai-openapi, ResponseErrorCode); both read 2026-11.
ERRORS = (
    ErrorRow(InputTooLarge, code="context_length_exceeded"),
    ErrorRow(InputTooLarge, code="string_above_max_length"),
    ErrorRow(Refused, code="content_filter"),
    ErrorRow(Refused, code="content_policy_violation"),
    ErrorRow(Refused, code="invalid_prompt"),
    ErrorRow(Refused, code="bio_policy"),
    ErrorRow(Refused, code="misalignment_policy_violation"),
    ErrorRow(ProviderUnavailable, code="model_not_found"),
    ErrorRow(ProviderUnavailable, code="data_residency_mismatch"),
    # The project's settings do not allow the standard tier, the only one that we ask for.
    ErrorRow(ProviderUnavailable, status=400, param="service_tier"),
    ErrorRow(UnsupportedInput, code="invalid_json_schema"),
    ErrorRow(QuotaExhausted, code="insufficient_quota"),
    ErrorRow(QuotaExhausted, code="billing_hard_limit_reached"),
    ErrorRow(QuotaExhausted, code="credit_balance_exhausted"),
    ErrorRow(QuotaExhausted, code="organization_spend_limit_exceeded"),
    ErrorRow(QuotaExhausted, code="organization_usage_limit_exceeded"),
    ErrorRow(QuotaExhausted, code="project_spend_limit_exceeded"),
    ErrorRow(QuotaExhausted, type="insufficient_quota"),
    # On no page, and a 429 with or without the code: an account whose billing was stopped
    # (https://github.com/BerriAI/litellm/issues/2743).
    ErrorRow(QuotaExhausted, type="billing_not_active"),
    ErrorRow(RateLimited, code="rate_limit_exceeded"),
    ErrorRow(RateLimited, code="slow_down"),
    ErrorRow(ProviderFault, code="server_error"),
    ErrorRow(ProviderFault, code="server_is_overloaded"),
    *STATUS_ROWS,
)


class OpenAIAdapter(LanguageModelAdapter["AsyncOpenAI"]):
    """OpenAI, or a server that speaks its Responses API; the address ends in `/v1`."""

    name = "openai"
    vendor = "OpenAI"
    key_setting = "OPENAI_API_KEY"
    models = MODELS
    errors = ERRORS
    converts_recordings = True

    def __init__(self, api_key: SecretStr | None, base_url: str | None = None) -> None:
        """Take the key and OpenAI's address; connect with the first call."""
        super().__init__(api_key, base_url)
        self._speech = OpenAISpeech()

    def offers(self) -> Sequence[Offer]:
        """List what the models are offered for, speech last."""
        return [*super().offers(), *self._speech.offers(self._why_unavailable())]

    async def call(self, call: ProviderCall, report_progress: ReportProgress) -> ProviderAnswer:
        """Make one attempt; see `ProviderAdapter.call`."""
        if not isinstance(call.request, TranscriptionRequest):
            return await super().call(call, report_progress)
        return await self._speech.transcribe(
            self._connected, call, call.request, report_progress, self._sending
        )

    async def upper_bounds(self, call: ProviderCall) -> Sequence[Usage]:
        """Bound what an attempt can use; see `ProviderAdapter.upper_bounds`."""
        if isinstance(call.request, TranscriptionRequest):
            return await self._speech.upper_bounds(call)
        return await super().upper_bounds(call)

    async def close(self) -> None:
        """Close the connections, and end what decodes recordings."""
        await super().close()
        await self._speech.close()

    async def _generate(
        self, call: ProviderCall, request: GenerationRequest, answer: ArrivingAnswer
    ) -> GenerationResponse:
        body = _request_body(call.model, request)
        client = await self._connected()
        async with self._sending(answer):
            stream = await client.responses.create(**body, stream=True, timeout=call.timeout)
            # Leaving early closes the connection, and OpenAI stops writing.
            async with stream:
                ended = await self._follow(stream, answer)
                await read_end(stream)
        if ended.error is not None:
            raise self._translate(_failure(ended.error), answer)
        return self._read(ended, request)

    async def _follow(self, stream: AsyncIterator[Any], answer: ArrivingAnswer) -> Answer:
        """Read the stream to its end, which is the one event that tells the usage."""
        async for event in stream:
            match getattr(event, "type", None):
                case "response.output_text.delta":
                    answer.add(str(event.delta))
                case "response.completed" | "response.incomplete" | "response.failed":
                    ended = AnswerEnded.model_validate(event, from_attributes=True).response
                    answer.usage = ended.read_usage()
                    return ended
                case "error":
                    error = AnswerError.model_validate(event, from_attributes=True)
                    raise self._translate(_failure(error), answer)
        raise ProviderFault("OpenAI's answer broke off.")

    def _read(self, ended: Answer, request: GenerationRequest) -> GenerationResponse:
        if ended.refused:
            raise Refused("The model declined to answer, or OpenAI's content filter stopped it.")
        if ended.cut_off:
            return GenerationResponse(text=ended.text, finish_reason="length")
        if ended.status != "completed":
            raise self._unknown_ending(ended.ending)
        schema = request.response_schema
        data = None if schema is None else read_data(ended.text, schema)
        return GenerationResponse(text=ended.text, data=data, finish_reason="stop")

    def _most_read(self, model: LanguageModel, request: GenerationRequest) -> int | None:
        """Bound the input of the request that is sent.

        Its output can't be longer than `max_output_tokens`, which counts reasoning and marks, too
        (https://developers.openai.com/api/docs/guides/reasoning, read 2026-11).
        """
        body = _request_body(model.name, request)
        asked = body["input"]
        turns = [asked] if isinstance(asked, str) else [turn["content"] for turn in asked]
        rules = [body["instructions"]] if "instructions" in body else []
        schema = body["text"]["format"]["schema"] if "text" in body else None
        return most_read([*rules, *turns], schema, model.context_tokens)

    def _connect(self) -> "AsyncOpenAI":
        from openai import AsyncOpenAI  # noqa: PLC0415 - see the base class's module

        client = AsyncOpenAI(api_key=self._secret, base_url=self._base_url, max_retries=0)
        # Loads the resources' modules now, in this thread.
        _ = client.responses, client.audio.transcriptions
        return client

    def _read_failure(self, error: Any) -> VendorFailure:
        response = getattr(error, "response", None)
        return VendorFailure(
            status=getattr(error, "status_code", None),
            type=error.type,
            code=error.code,
            message=str(error.body.get("message", "")) if isinstance(error.body, dict) else "",
            headers={} if response is None else response.headers,
            param=error.param,
        )


def _failure(error: AnswerError) -> VendorFailure:
    # The broad class of an error that a stream brings is that of the event: no help.
    return VendorFailure(None, None, error.code, error.message)


def _request_body(model: str, request: GenerationRequest) -> dict[str, Any]:
    """Write the request.

    Nothing is stored at OpenAI. The standard tier is asked for by name, since a project's settings
    could choose one with other prices. No reasoning: it would use up `max_output_tokens`.
    """
    body: dict[str, Any] = {
        "model": model,
        "input": request.prompt,
        "max_output_tokens": request.max_output_tokens,
        "reasoning": {"effort": "none"},
        "service_tier": "default",
        "store": False,
    }
    if request.messages is not None:
        body["input"] = [message.model_dump() for message in request.messages]
    if request.system is not None:
        body["instructions"] = request.system
    if request.response_schema is not None:
        check_schema(request.response_schema)
        body["text"] = {
            "format": {
                "type": "json_schema",
                "name": "answer",
                "schema": request.response_schema,
                "strict": _is_strict(request.response_schema),
            }
        }
    return body


def _is_strict(schema: Any) -> bool:
    """Say whether OpenAI would take the schema as strict: objects closed, all keys required.

    https://developers.openai.com/api/docs/guides/structured-outputs, read 2026-11. Another schema
    guides the model only, and the answer is checked here as every answer is.
    """
    if isinstance(schema, list):
        return all(_is_strict(part) for part in schema)
    if not isinstance(schema, dict):
        return True
    if schema.get("type") == "object" and (
        schema.get("additionalProperties") is not False
        or set(schema.get("required", ())) != set(schema.get("properties", {}))
    ):
        return False
    return all(_is_strict(part) for part in schema.values())
