"""What is read of an answer of Anthropic's Messages API, event by event.

The SDK's own models fill themselves with whatever arrives, complete or not, and its strict mode
would refuse a stream for one new kind of event, which Anthropic says to expect. These ask for what
they need and ignore the rest; an answer that lacks something is a `pydantic.ValidationError`.
"""

from pydantic import BaseModel, NonNegativeInt

from providers.types import Usage


class _InputUsage(BaseModel):
    """Tokens as Anthropic counts them: cached and written ones stand beside the input.

    The figures of a later event are totals, and replace the earlier ones.
    """

    input_tokens: NonNegativeInt | None = None
    cache_read_input_tokens: NonNegativeInt | None = None
    cache_creation_input_tokens: NonNegativeInt | None = None


class _Usage(_InputUsage):
    output_tokens: NonNegativeInt | None = None


class _Message(BaseModel):
    """The output tokens that it has already are those of the first word: not read."""

    usage: _InputUsage


class AnswerStarted(BaseModel):
    """`message_start`: the tokens of the input are known."""

    message: _Message


class _BlockDelta(BaseModel):
    """`text_delta`, or another kind without text."""

    type: str
    text: str = ""


class AnswerGrew(BaseModel):
    """`content_block_delta`: the next part."""

    delta: _BlockDelta


class _Details(BaseModel):
    category: str | None = None


class _MessageDelta(BaseModel):
    stop_reason: str | None = None
    stop_details: _Details | None = None


class AnswerEnding(BaseModel):
    """`message_delta`: why the model stopped, and the usage in the end."""

    delta: _MessageDelta
    usage: _Usage


class UsageSoFar:
    """The usage that the events have told so far."""

    def __init__(self) -> None:
        """Begin with nothing known."""
        self._told = _Usage()

    def update(self, usage: _InputUsage) -> Usage:
        """Take the figures that an event has, keep the others, and return them in our terms.

        Our input tokens include the cached and the written ones.
        """
        told = self._told = self._told.model_copy(update=usage.model_dump(exclude_none=True))
        cached, written = told.cache_read_input_tokens, told.cache_creation_input_tokens
        plain = told.input_tokens
        return Usage(
            input_tokens=None if plain is None else plain + (cached or 0) + (written or 0),
            cached_input_tokens=cached,
            cache_write_input_tokens=written,
            output_tokens=told.output_tokens,
        )
