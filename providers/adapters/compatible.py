"""Servers that speak OpenAI's Chat Completions API: vLLM, Ollama, llama.cpp, gateways.

One instance for each entry of `AI_COMPATIBLE_PROVIDERS`. What such servers have in common is the
form of the request and of the stream; usage, errors and answers by a schema are up to each. The
stream is read in `compatible_answer`.
"""

import json
from collections.abc import AsyncIterator, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from providers.access import why_unavailable
from providers.adapters.base import ProviderCall
from providers.adapters.compatible_answer import Answer
from providers.compatible_server import CompatibleServer
from providers.error_table import STATUS_ROWS, ErrorRow, VendorFailure
from providers.errors import (
    InputTooLarge,
    InvalidRequest,
    ProviderFault,
    ProviderUnavailable,
    QuotaExhausted,
    RateLimited,
    Refused,
    UnsupportedInput,
)
from providers.generation import ArrivingAnswer, check_schema, may_not_fit, read_data
from providers.language_model import LanguageModel, LanguageModelAdapter
from providers.token_prices import ListPrice
from providers.types import CostUnit, GenerationRequest, GenerationResponse, Offer

if TYPE_CHECKING:
    from openai import AsyncOpenAI

# https://developers.openai.com/api/docs/guides/error-codes for what gateways pass on; the types of
# llama.cpp (tools/server/server-common.cpp, format_error_response); the parameter that vLLM names
# when a prompt is too long (VLLMValidationError). All read 2026-11.
ERRORS = (
    ErrorRow(InputTooLarge, code="context_length_exceeded"),
    ErrorRow(InputTooLarge, code="string_above_max_length"),
    ErrorRow(InputTooLarge, type="exceed_context_size_error"),
    ErrorRow(InputTooLarge, status=400, param="input_tokens"),
    ErrorRow(Refused, code="content_filter"),
    ErrorRow(Refused, code="content_policy_violation"),
    ErrorRow(ProviderUnavailable, code="model_not_found"),
    ErrorRow(UnsupportedInput, code="invalid_json_schema"),
    ErrorRow(UnsupportedInput, type="not_supported_error"),
    ErrorRow(QuotaExhausted, code="insufficient_quota"),
    ErrorRow(QuotaExhausted, type="insufficient_quota"),
    ErrorRow(RateLimited, code="rate_limit_exceeded"),
    *STATUS_ROWS,
    ErrorRow(UnsupportedInput, status=501),
    # Also in a stream, which has no status.
    ErrorRow(InvalidRequest, type="invalid_request_error"),
)

_PACKAGE = "openai"
_SETTING = "AI_COMPATIBLE_PROVIDERS"
# The SDK wants a key, and without one takes OpenAI's from the environment.
_NO_KEY = SecretStr("no-key-needed")
_PER_MILLION = 1_000_000


class CompatibleAdapter(LanguageModelAdapter["AsyncOpenAI"]):
    """A server of the settings block, under the name that it has there."""

    errors = ERRORS

    def __init__(self, server: CompatibleServer, api_key: SecretStr | None) -> None:
        """Take the server's entry, and the key that its `api_key_env` names."""
        super().__init__(api_key if server.api_key_env else _NO_KEY, server.base_url)
        self._server = server
        self.name = self.vendor = server.name
        self.key_setting = server.api_key_env or ""
        self.models = (_model_of(server),)

    def offers(self) -> Sequence[Offer]:
        """List the model once for each capability that the entry names."""
        if not self._server.is_free:
            return super().offers()
        # Not sold by the token: nothing is what it costs, also where no tokens are told.
        free = {"cost_unit": CostUnit.FREE, "token_prices": ()}
        return [offer.model_copy(update=free) for offer in super().offers()]

    def _list_price(self, model: LanguageModel) -> ListPrice:
        prices = self._server.token_prices
        if prices is None or prices.input is None:
            return ListPrice(None, (), f"{_SETTING} has no price of {self.name}/{model.name}")
        return ListPrice(prices.input / _PER_MILLION, (prices,), _SETTING)

    def _why_unavailable(self) -> str | None:
        return why_unavailable(self.key_setting, self._key, _PACKAGE)

    async def _generate(
        self, call: ProviderCall, request: GenerationRequest, answer: ArrivingAnswer
    ) -> GenerationResponse:
        body = _request_body(call.model, request, structured=self._server.structured_output)
        client = await self._connected()
        try:
            async with self._sending(answer):
                stream = await client.chat.completions.create(
                    **body, stream=True, timeout=call.timeout
                )
                # Leaving early closes the connection, and the server stops writing.
                async with stream:
                    told = await self._follow(stream, answer)
        except InvalidRequest as error:
            # Most servers have no code for a prompt that is too long.
            texts = [message["content"] for message in body["messages"]]
            if may_not_fit(texts, body["max_tokens"], self._server.context_tokens):
                raise InputTooLarge(error.message) from None
            raise
        return self._read(answer.text, told, request)

    async def _follow(self, stream: AsyncIterator[Any], answer: ArrivingAnswer) -> Answer:
        """Read the stream to its end, beyond the end of the text: the usage comes last."""
        told = Answer()
        async for chunk in stream:
            text = told.take(chunk)
            if told.usage is not None:
                answer.usage = told.usage
            if text:
                answer.add(text)
        if told.finish_reason is None:
            raise ProviderFault(f"The answer of {self.name} broke off.")
        return told

    def _read(self, text: str, told: Answer, request: GenerationRequest) -> GenerationResponse:
        if told.refused or told.finish_reason == "content_filter":
            raise Refused(f"The model declined to answer, or a filter of {self.name} stopped it.")
        if told.finish_reason == "length":
            return GenerationResponse(text=text, finish_reason="length")
        if told.finish_reason != "stop":
            raise self._unknown_ending(told.finish_reason)
        schema = request.response_schema
        if schema is None:
            return GenerationResponse(text=text, finish_reason="stop")
        data = read_data(text if self._server.structured_output else _object_in(text), schema)
        return GenerationResponse(text=text, data=data, finish_reason="stop")

    def _most_read(self, model: LanguageModel, request: GenerationRequest) -> int | None:
        """Bound the input by the model's context, where the settings vouch for the server.

        Nothing else is sure: a server puts the messages into a template of its own, and there are
        servers that write on for ever, whatever `max_tokens` says
        (https://github.com/ollama/ollama/issues/18575, read 2026-11).
        """
        _request_body(model.name, request, structured=self._server.structured_output)
        return model.context_tokens if self._server.keeps_limits else None

    def _sdk(self) -> Any:
        return import_module(_PACKAGE)

    def _connect(self) -> "AsyncOpenAI":
        from openai import AsyncOpenAI  # noqa: PLC0415 - see the base class's module

        client = AsyncOpenAI(api_key=self._secret, base_url=self._base_url, max_retries=0)
        # The SDK has read these from the environment, where they are for OpenAI.
        client.organization = client.project = None
        client._custom_headers = {}  # noqa: SLF001 - there is no other way to leave them out
        # Loads the resource's modules now, in this thread.
        _ = client.chat.completions
        return client

    def _read_failure(self, error: Any) -> VendorFailure:
        response = getattr(error, "response", None)
        status, code = getattr(error, "status_code", None), error.code
        if code is not None and code.isdecimal():
            # vLLM and llama.cpp repeat the status as the code, also in a stream.
            status, code = status or int(code), None
        return VendorFailure(
            status=status,
            type=error.type,
            code=code,
            message=str(error.body.get("message", "")) if isinstance(error.body, dict) else "",
            headers={} if response is None else response.headers,
            param=error.param,
        )


def _model_of(server: CompatibleServer) -> LanguageModel:
    context = server.context_tokens
    return LanguageModel(
        server.model,
        context_tokens=context,
        # Servers refuse a bound that leaves the prompt no room.
        max_output_tokens=None if context is None else max(1, context // 2),
        retires=None,
        tier=server.quality_tier,
        capabilities=sorted(server.capabilities),
    )


def _request_body(model: str, request: GenerationRequest, *, structured: bool) -> dict[str, Any]:
    """Write the request; `max_tokens` is the one name for the bound that all servers know.

    What the system says is one message, the first: the templates of many models take no other.
    """
    turns = [message.model_dump() for message in request.messages or ()]
    if request.prompt is not None:
        turns = [{"role": "user", "content": request.prompt}]
    rules = [request.system] if request.system is not None else []
    rules += [turn["content"] for turn in turns if turn["role"] == "system"]
    body: dict[str, Any] = {
        "model": model,
        "max_tokens": request.max_output_tokens,
        "stream_options": {"include_usage": True},
    }
    if request.response_schema is not None:
        check_schema(request.response_schema)
        if structured:
            schema = {"name": "answer", "schema": request.response_schema}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        else:
            rules.append(
                "Answer with one JSON object that follows this JSON Schema, and nothing else: "
                f"{json.dumps(request.response_schema)}"
            )
    system = [{"role": "system", "content": "\n\n".join(rules)}] if rules else []
    body["messages"] = [*system, *(turn for turn in turns if turn["role"] != "system")]
    return body


def _object_in(text: str) -> str:
    """Return the JSON object of an answer that nothing but instructions held to one."""
    return text[text.find("{") : text.rfind("}") + 1]
