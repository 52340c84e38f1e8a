"""What is read of an answer of OpenAI's Responses API.

The SDK's own models fill themselves with whatever arrives, complete or not, and its strict mode
would refuse a stream for one new kind of event. These ask for what they need and ignore the rest;
an answer that lacks something is a `pydantic.ValidationError`.
"""

from collections.abc import Sequence

from pydantic import BaseModel, NonNegativeInt

from providers.generation import WrittenText
from providers.types import Usage


class _InputDetails(BaseModel):
    cached_tokens: NonNegativeInt | None = None
    cache_write_tokens: NonNegativeInt | None = None


class _Usage(BaseModel):
    """Tokens as OpenAI counts them: cached and written ones are part of the input."""

    input_tokens: NonNegativeInt
    output_tokens: NonNegativeInt
    input_tokens_details: _InputDetails | None = None


class _Content(BaseModel):
    """`output_text` or `refusal`."""

    type: str
    text: WrittenText = ""


class _Item(BaseModel):
    """A `message`, or something on the way to it, such as `reasoning`."""

    type: str
    content: list[_Content] | None = None


class _Incomplete(BaseModel):
    """`max_output_tokens` or `content_filter`."""

    reason: str | None = None


class AnswerError(BaseModel):
    """Why an answer that had begun failed."""

    code: str | None = None
    message: str = ""


class Answer(BaseModel):
    """An answer that has ended, well or not."""

    status: str
    output: list[_Item]
    usage: _Usage | None = None
    incomplete_details: _Incomplete | None = None
    error: AnswerError | None = None

    @property
    def text(self) -> str:
        """All that the model wrote."""
        return "".join(content.text for content in self._contents)

    @property
    def refused(self) -> bool:
        """Whether the model declined, or a filter stopped it."""
        return self._incomplete_reason == "content_filter" or any(
            content.type == "refusal" for content in self._contents
        )

    @property
    def cut_off(self) -> bool:
        """Whether `max_output_tokens` ended it."""
        return self._incomplete_reason == "max_output_tokens"

    @property
    def ending(self) -> str:
        """How it ended, in OpenAI's words."""
        return self._incomplete_reason or self.status

    def read_usage(self) -> Usage:
        """Translate the usage; without one nothing is known."""
        if self.usage is None:
            return Usage()
        details = self.usage.input_tokens_details or _InputDetails()
        return Usage(
            input_tokens=self.usage.input_tokens,
            cached_input_tokens=details.cached_tokens,
            cache_write_input_tokens=details.cache_write_tokens,
            output_tokens=self.usage.output_tokens,
        )

    @property
    def _contents(self) -> Sequence[_Content]:
        messages = (item for item in self.output if item.type == "message")
        return [content for message in messages for content in message.content or ()]

    @property
    def _incomplete_reason(self) -> str | None:
        return self.incomplete_details.reason if self.incomplete_details else None


class AnswerEnded(BaseModel):
    """The last event of a stream."""

    response: Answer
