"""Anthropic: Claude by the Messages API; its stream is read in `anthropic_answer`."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Self

from providers.adapters.anthropic_answer import (
    AnswerEnding,
    AnswerGrew,
    AnswerStarted,
    UsageSoFar,
)
from providers.adapters.base import ProviderCall
from providers.error_table import STATUS_ROWS, ErrorRow, VendorFailure, showable
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
from providers.generation import ArrivingAnswer, check_schema, may_not_fit, read_data, read_end
from providers.language_model import LanguageModel, LanguageModelAdapter
from providers.token_bounds import most_read
from providers.types import GenerationRequest, GenerationResponse, Message

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic

# https://platform.claude.com/docs/en/models/haiku-5-5/overview and
# https://platform.claude.com/docs/en/about-claude/model-deprecations, read 2026-11: the cheapest
# current model, for high-volume work that must be quick, such as classification and extraction;
# retired "not sooner than October 7, 2027". Sonnet costs twenty times as much, Opus forty.
MODELS = (
    LanguageModel(
        "claude-haiku-5-5",
        context_tokens=1_000_000,
        max_output_tokens=128_000,
        retires=date(2027, 10, 7),
    ),
)

_CONTEXT_TOKENS = {model.name: model.context_tokens or 0 for model in MODELS}

# https://platform.claude.com/docs/en/api/errors and `error.details.error_code` in the official SDK
# (anthropic/types/shared); both read 2026-11. Once a stream has begun there is no status but 200. A
# spend limit that the account has set itself comes as 400 invalid_request_error without a code, and
# can't be told from a wrong request; a tier's limit has its own code.
ERRORS = (
    ErrorRow(QuotaExhausted, code="enforced_spend_limit_reached"),
    ErrorRow(QuotaExhausted, code="contract_spend_limit_reached"),
    ErrorRow(QuotaExhausted, code="linked_organization_spend_limit_reached"),
    ErrorRow(QuotaExhausted, code="linked_organization_billing_unavailable"),
    ErrorRow(ProviderUnavailable, code="organization_on_hold"),
    ErrorRow(ProviderUnavailable, code="organization_type_not_supported"),
    ErrorRow(ProviderUnavailable, code="parent_organization_required"),
    ErrorRow(ProviderUnavailable, code="cmek_key_disabled"),
    ErrorRow(ProviderUnavailable, code="cmek_key_network_blocked"),
    ErrorRow(RateLimited, code="ramp_limit_exceeded"),
    ErrorRow(InputTooLarge, code="request_body_too_large_after_decoding"),
    ErrorRow(InputTooLarge, type="request_too_large"),
    ErrorRow(ProviderUnavailable, type="authentication_error"),
    ErrorRow(QuotaExhausted, type="billing_error"),
    ErrorRow(ProviderUnavailable, type="permission_error"),
    ErrorRow(ProviderUnavailable, type="not_found_error"),
    ErrorRow(ProviderFault, type="conflict_error"),
    ErrorRow(RateLimited, type="rate_limit_error"),
    ErrorRow(ProviderFault, type="timeout_error"),
    ErrorRow(ProviderFault, type="api_error"),
    ErrorRow(ProviderFault, type="overloaded_error"),
    *STATUS_ROWS,
    ErrorRow(ProviderFault, status=529),
    # Also of other statuses, and in a stream.
    ErrorRow(InvalidRequest, type="invalid_request_error"),
)

# https://platform.claude.com/docs/en/build-with-claude/handling-stop-reasons, read 2026-11.
_FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
}


class AnthropicAdapter(LanguageModelAdapter["AsyncAnthropic"]):
    """Anthropic, or a gateway that speaks its Messages API; the address is without `/v1`."""

    name = "anthropic"
    vendor = "Anthropic"
    key_setting = "ANTHROPIC_API_KEY"
    models = MODELS
    errors = ERRORS

    async def _generate(
        self, call: ProviderCall, request: GenerationRequest, answer: ArrivingAnswer
    ) -> GenerationResponse:
        conversation = _Conversation.of(request)
        client = await self._connected()
        body = _request_body(call.model, request, conversation)
        try:
            async with self._sending(answer):
                stream = await client.messages.create(**body, stream=True, timeout=call.timeout)
                # Leaving early closes the connection, and Anthropic stops writing.
                async with stream:
                    ending = await _follow(stream, answer)
                    await read_end(stream)
        except InvalidRequest as error:
            # A prompt that is too long has no code of its own.
            if may_not_fit(conversation.texts, body["max_tokens"], _CONTEXT_TOKENS[call.model]):
                raise InputTooLarge(error.message) from None
            raise
        return self._read(answer.text, ending, request)

    def _read(
        self, text: str, ending: AnswerEnding, request: GenerationRequest
    ) -> GenerationResponse:
        reason, details = ending.delta.stop_reason, ending.delta.stop_details
        if reason == "refusal":
            category = showable(details.category or "", self._secret) if details else ""
            raise Refused(f"The model declined to answer{f' ({category})' if category else ''}.")
        finish_reason = _FINISH_REASONS.get(reason or "")
        if finish_reason is None:
            raise self._unknown_ending(reason)
        schema = request.response_schema
        data = None if schema is None or finish_reason == "length" else read_data(text, schema)
        return GenerationResponse(text=text, data=data, finish_reason=finish_reason)

    def _most_read(self, model: LanguageModel, request: GenerationRequest) -> int | None:
        """Bound the input of the request that is sent.

        Its output can't be longer than `max_tokens`, "the absolute maximum number of tokens to
        generate" (https://platform.claude.com/docs/en/api/messages, read 2026-11).
        """
        body = _request_body(model.name, request, _Conversation.of(request))
        rules = [body["system"]] if "system" in body else []
        turns = [turn["content"] for turn in body["messages"]]
        schema = body["output_config"]["format"]["schema"] if "output_config" in body else None
        return most_read([*rules, *turns], schema, model.context_tokens)

    def _connect(self) -> "AsyncAnthropic":
        from anthropic import AsyncAnthropic  # noqa: PLC0415 - see the base class's module

        client = AsyncAnthropic(
            api_key=self._secret,
            base_url=self._base_url,
            max_retries=0,
            # Spans are ours to make; a variable would let the SDK's hold what people said.
            open_telemetry={"traces": False, "propagation": False},
        )
        # Loads the resource's modules now, in this thread.
        _ = client.messages
        return client

    def _read_failure(self, error: Any) -> VendorFailure:
        # A failed stream has the status of its good beginning: no status at all.
        return VendorFailure(
            status=None if error.response.is_success else error.status_code,
            type=error.type,
            code=error.error_code,
            message=str(error.api_message or ""),
            headers=error.response.headers,
        )


@dataclass(frozen=True, slots=True)
class _Conversation:
    """A request in Anthropic's form: what the system says stands apart from the turns."""

    system: str | None
    turns: tuple[Message, ...]

    @classmethod
    def of(cls, request: GenerationRequest) -> Self:
        messages = request.messages or (Message(role="user", content=request.prompt or ""),)
        rules = [request.system] if request.system is not None else []
        rules += [message.content for message in messages if message.role == "system"]
        turns = tuple(message for message in messages if message.role != "system")
        if not turns or turns[-1].role != "user":
            # https://platform.claude.com/docs/en/api/errors, read 2026-11: no answer is continued.
            raise UnsupportedInput("Anthropic only answers a conversation that ends with the user.")
        return cls("\n\n".join(rules) or None, turns)

    @property
    def texts(self) -> Sequence[str]:
        return [self.system or "", *(turn.content for turn in self.turns)]


def _request_body(
    model: str, request: GenerationRequest, conversation: _Conversation
) -> dict[str, Any]:
    """Write the request.

    Standard capacity is asked for by name: priority has other prices. No thinking: it is on by
    default and would use up `max_tokens`. Sampling is the model's own: the API refuses any other.
    """
    body: dict[str, Any] = {
        "model": model,
        "max_tokens": request.max_output_tokens,
        "messages": [turn.model_dump() for turn in conversation.turns],
        "service_tier": "standard_only",
        "thinking": {"type": "disabled"},
    }
    if conversation.system is not None:
        body["system"] = conversation.system
    if request.response_schema is not None:
        check_schema(request.response_schema)
        schema = _to_supported_schema(request.response_schema)
        body["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
    return body


def _to_supported_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """Close the objects, and move keywords that Anthropic refuses into descriptions."""
    from anthropic import transform_schema  # noqa: PLC0415 - see the base class's module

    try:
        return transform_schema(schema)
    except (AssertionError, AttributeError, TypeError, ValueError):
        # What the SDK does with a form of schema that it does not know.
        raise UnsupportedInput("Anthropic can't follow this response_schema.") from None


async def _follow(stream: AsyncIterator[Any], answer: ArrivingAnswer) -> AnswerEnding:
    """Read the answer to its end."""
    usage = UsageSoFar()
    ending: AnswerEnding | None = None
    async for event in stream:
        match getattr(event, "type", None):
            case "message_start":
                started = AnswerStarted.model_validate(event, from_attributes=True)
                answer.usage = usage.update(started.message.usage)
            case "content_block_delta":
                answer.add(AnswerGrew.model_validate(event, from_attributes=True).delta.text)
            case "message_delta":
                ending = AnswerEnding.model_validate(event, from_attributes=True)
                answer.usage = usage.update(ending.usage)
            case "message_stop" if ending is not None:
                return ending
    raise ProviderFault("Anthropic's answer broke off.")
