"""OpenAI: language models by the Responses API, through the official SDK.

The SDK is imported with the first call, in a thread: it takes most of a second, and a process that
only lists offers never pays. What its stream brings is read in `openai_answer`.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx2
from pydantic import SecretStr, ValidationError

from providers.access import why_unavailable
from providers.adapters.base import ProviderAdapter, ProviderAnswer, ProviderCall, ReportProgress
from providers.adapters.openai_answer import Answer, AnswerEnded, AnswerError
from providers.error_table import ErrorRow, VendorFailure, translate
from providers.errors import (
    InputTooLarge,
    InvalidRequest,
    ProviderError,
    ProviderFault,
    ProviderUnavailable,
    QuotaExhausted,
    RateLimited,
    Refused,
    UnsupportedInput,
)
from providers.generation import StreamedText, check_schema, read_data
from providers.token_prices import find_list_price
from providers.types import (
    Capability,
    CostUnit,
    GenerationRequest,
    GenerationResponse,
    Limits,
    Offer,
    QualityTier,
)

if TYPE_CHECKING:
    from openai import AsyncOpenAI

# https://developers.openai.com/api/docs/models/gpt-6-luna, read 2026-11: the cheapest current
# model, for focused, high-volume work; 1,050,000 tokens of context, reasoning from none to max.
GENERATION_MODEL = "gpt-6-luna"
_CONTEXT_TOKENS = 1_050_000

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
    ErrorRow(UnsupportedInput, code="invalid_json_schema"),
    ErrorRow(QuotaExhausted, code="insufficient_quota"),
    ErrorRow(QuotaExhausted, code="billing_hard_limit_reached"),
    ErrorRow(QuotaExhausted, code="credit_balance_exhausted"),
    ErrorRow(QuotaExhausted, code="organization_spend_limit_exceeded"),
    ErrorRow(QuotaExhausted, code="organization_usage_limit_exceeded"),
    ErrorRow(QuotaExhausted, code="project_spend_limit_exceeded"),
    ErrorRow(QuotaExhausted, type="insufficient_quota"),
    ErrorRow(RateLimited, code="rate_limit_exceeded"),
    ErrorRow(RateLimited, code="slow_down"),
    ErrorRow(ProviderFault, code="server_error"),
    ErrorRow(ProviderFault, code="server_is_overloaded"),
    ErrorRow(InvalidRequest, status=400),
    ErrorRow(ProviderUnavailable, status=401),
    ErrorRow(QuotaExhausted, status=402),
    ErrorRow(ProviderUnavailable, status=403),
    ErrorRow(ProviderUnavailable, status=404),
    ErrorRow(ProviderFault, status=408),
    ErrorRow(ProviderFault, status=409),
    ErrorRow(InputTooLarge, status=413),
    ErrorRow(InvalidRequest, status=422),
    ErrorRow(RateLimited, status=429),
    ErrorRow(ProviderFault, status=500),
    ErrorRow(ProviderFault, status=502),
    ErrorRow(ProviderFault, status=503),
    ErrorRow(ProviderFault, status=504),
)


class OpenAIAdapter(ProviderAdapter):
    """OpenAI, or a server that speaks its Responses API."""

    name = "openai"

    def __init__(self, api_key: SecretStr | None, base_url: str | None = None) -> None:
        """Take the key and the address, which ends in `/v1`; connect with the first call."""
        self._key = api_key
        self._base_url = base_url
        self._client: AsyncOpenAI | None = None
        self._connecting = asyncio.Lock()

    def offers(self) -> Sequence[Offer]:
        """List the default model of each capability."""
        list_price = find_list_price("openai", GENERATION_MODEL)
        reason = why_unavailable("OPENAI_API_KEY", self._key, "openai")
        return [
            Offer(
                provider=self.name,
                capability=Capability.LLM_GENERATION,
                model=GENERATION_MODEL,
                quality_tier=QualityTier.STANDARD,
                cost_unit=CostUnit.TOKEN,
                price=list_price.price,
                token_prices=list_price.token_prices,
                price_source=list_price.price_source,
                limits=Limits(max_input_tokens=_CONTEXT_TOKENS),
                available=reason is None,
                reason=reason,
            )
        ]

    async def call(self, call: ProviderCall, report_progress: ReportProgress) -> ProviderAnswer:
        """Make one attempt; see `ProviderAdapter.call`."""
        match call.request:
            case GenerationRequest() as request:
                return await self._generate(call, request, report_progress)
            case _:
                raise InvalidRequest(f"OpenAI is not offered for {call.capability}.")

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.close()

    async def _generate(
        self, call: ProviderCall, request: GenerationRequest, report_progress: ReportProgress
    ) -> ProviderAnswer:
        body = _request_body(call.model, request)
        written = StreamedText(request.max_output_tokens, report_progress)
        client = await self._connected()
        async with self._translated_errors():
            stream = await client.responses.create(**body, stream=True, timeout=call.timeout)
            # Leaving early closes the connection, and OpenAI stops writing.
            async with stream:
                answer = await self._follow(stream, written)
        response = self._read(answer, request)
        return ProviderAnswer(response=response, usage=answer.read_usage())

    async def _follow(self, stream: AsyncIterator[Any], written: StreamedText) -> Answer:
        async for event in stream:
            match getattr(event, "type", None):
                case "response.output_text.delta":
                    written.add(str(event.delta))
                case "response.completed" | "response.incomplete" | "response.failed":
                    return AnswerEnded.model_validate(event, from_attributes=True).response
                case "error":
                    raise self._failure(AnswerError.model_validate(event, from_attributes=True))
        raise ProviderFault("OpenAI's answer broke off.")

    async def _connected(self) -> "AsyncOpenAI":
        async with self._connecting:
            if self._client is None:
                self._client = await asyncio.to_thread(self._connect)
            return self._client

    def _connect(self) -> "AsyncOpenAI":
        from openai import AsyncOpenAI  # noqa: PLC0415 - see the module's docstring

        client = AsyncOpenAI(api_key=self._secret, base_url=self._base_url, max_retries=0)
        # Loads the resource's modules now, in this thread.
        _ = client.responses
        return client

    def _read(self, answer: Answer, request: GenerationRequest) -> GenerationResponse:
        if answer.error is not None:
            raise self._failure(answer.error)
        if answer.refused:
            raise Refused("The model declined to answer, or OpenAI's content filter stopped it.")
        if answer.cut_off:
            return GenerationResponse(text=answer.text, finish_reason="length")
        if answer.status != "completed":
            raise ProviderFault(f"OpenAI ended the answer as '{answer.status}'.")
        schema = request.response_schema
        data = None if schema is None else read_data(answer.text, schema)
        return GenerationResponse(text=answer.text, data=data, finish_reason="stop")

    def _failure(self, error: AnswerError) -> ProviderError:
        # The broad class of an error that a stream brings is that of the event: no help.
        failure = VendorFailure(None, None, error.code, error.message)
        return translate("OpenAI", ERRORS, failure, self._secret)

    @property
    def _secret(self) -> str:
        return self._key.get_secret_value() if self._key else ""

    @asynccontextmanager
    async def _translated_errors(self) -> AsyncIterator[None]:
        """Turn what the SDK raises into our errors; the original, which may hold the key, goes."""
        import openai  # noqa: PLC0415 - see the module's docstring

        try:
            yield
        except openai.APITimeoutError:
            raise ProviderFault("OpenAI did not answer in time.") from None
        except openai.APIConnectionError:
            raise ProviderFault("The connection to OpenAI failed.") from None
        except openai.APIError as error:
            response = getattr(error, "response", None)
            failure = VendorFailure(
                status=getattr(error, "status_code", None),
                type=error.type,
                code=error.code,
                message=str(error.body.get("message", "")) if isinstance(error.body, dict) else "",
                headers={} if response is None else response.headers,
            )
            raise translate("OpenAI", ERRORS, failure, self._secret) from None
        except (httpx2.HTTPError, json.JSONDecodeError, UnicodeDecodeError, ValidationError):
            raise ProviderFault("OpenAI's answer can't be read.") from None


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
