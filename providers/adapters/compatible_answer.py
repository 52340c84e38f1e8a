"""What is read of an answer of a Chat Completions API, chunk by chunk.

Servers differ in what they leave out. These ask for what is needed and ignore the rest; a chunk
that lacks something is a `pydantic.ValidationError`. Usage comes in the last chunk, or in every one
as it grows, or not at all.
"""

from collections.abc import Sequence

from pydantic import BaseModel, NonNegativeInt

from providers.types import Usage


class _InputDetails(BaseModel):
    cached_tokens: NonNegativeInt | None = None


class _Usage(BaseModel):
    """Tokens as OpenAI counts them: cached ones are part of the input."""

    prompt_tokens: NonNegativeInt
    completion_tokens: NonNegativeInt | None = None
    prompt_tokens_details: _InputDetails | None = None


class _Delta(BaseModel):
    content: str | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    delta: _Delta = _Delta()
    finish_reason: str | None = None


class _Chunk(BaseModel):
    choices: Sequence[_Choice]
    usage: _Usage | None = None


class Answer:
    """What the chunks have told so far.

    Attributes:
        finish_reason: None until the model has ended.
        refused: Whether the model declined in words of its own.
        usage: None where the server has told none. The output's grows until the model has ended,
            and is left out before.
    """

    def __init__(self) -> None:
        """Begin with nothing told."""
        self.finish_reason: str | None = None
        self.refused = False
        self.usage: Usage | None = None

    def take(self, event: object) -> str:
        """Read the next chunk and return the text that it brings."""
        chunk = _Chunk.model_validate(event, from_attributes=True)
        for choice in chunk.choices:
            self.finish_reason = choice.finish_reason or self.finish_reason
            self.refused = self.refused or bool(choice.delta.refusal)
        if chunk.usage is not None:
            self.usage = self._read(chunk.usage)
        return "".join(choice.delta.content or "" for choice in chunk.choices)

    def _read(self, usage: _Usage) -> Usage:
        details = usage.prompt_tokens_details or _InputDetails()
        return Usage(
            input_tokens=usage.prompt_tokens,
            cached_input_tokens=details.cached_tokens,
            output_tokens=usage.completion_tokens if self.finish_reason else None,
        )
