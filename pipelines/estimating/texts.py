"""How much a call on a text uses, and how long its answer will be.

A bound is given only where it holds whatever is written: for what a language model is asked as it
stands. For summaries, moods and redactions a provider instructs its model with words of its own.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import PositiveInt, TypeAdapter, ValidationError

from pipelines.estimating.foresight import Segments, size_as_text
from pipelines.estimating.sizes import (
    BYTES_PER_TOKEN,
    CHARACTERS_PER_SENTENCE,
    LONGEST_NUMBER,
    NOTHING,
    Length,
    Size,
)
from pipelines.estimating.usages import Usages, Work
from providers.token_bounds import FRAME_TOKENS, usages_within
from providers.types import CostUnit, GenerationRequest, RedactionRequest, Usage

# Tokens of what our own prompts say besides the text (`providers.derived`; a test compares), and
# of the line that each segment becomes there.
REDACTION_PROMPT, SENTIMENT_PROMPT, SUMMARY_PROMPT = 750, 460, 280
TOKENS_PER_SEGMENT = 10

# From the same prompts: the sentences that are asked for, and the tokens of a verdict.
SENTENCES = 5
TOKENS_PER_VERDICT = 20

_LONGEST_LABEL = 8  # "positive"

_WHOLE = TypeAdapter[int](PositiveInt)
_INSTRUCTED = "No upper bound: a provider may add instructions of its own."
_SCHEMA = "No upper bound: a provider adds words of its own for 'response_schema'."
_LENGTH = "No upper bound: a token may have any number of characters."
_MASKS = "No upper bound: a mask may be longer than what it hides."
_SUMMARY = "No upper bound: its provider decides how long a summary is."


def generate(request: Mapping[str, Any]) -> Work:
    """Measure a generation; it is expected to write all that it may."""
    default = GenerationRequest.model_fields["max_output_tokens"].default
    most = _whole(request.get("max_output_tokens", default))
    if most is None:
        reason = "'max_output_tokens' is known in the run only."
        usages, written = Usages.unknown(reason), Size.unknown(reason)
    else:
        usages = _generated(request, most)
        written = _open(Length.ascii(most * BYTES_PER_TOKEN), _LENGTH)
    return Work({CostUnit.TOKEN: usages}, {"text": written, "data": written})


def _generated(request: Mapping[str, Any], most: int) -> Usages:
    """Return what is used when as many tokens as may be are written."""
    messages, schema = _messages(request), request.get("response_schema")
    texts = messages if schema is None else [*messages, schema]
    asked = sum(map(size_as_text, texts), NOTHING)
    if asked.expected is None:
        return Usages.unknown(asked.reason)
    read = _tokens(asked.expected)
    return Usages(
        cheapest=(Usage(input_tokens=read, output_tokens=1),),
        expected=Usage(input_tokens=read, output_tokens=most),
        dearest=_bounds(asked.most, len(messages), most) if schema is None else (),
        reason=asked.reason if schema is None else _SCHEMA,
    )


def redact(request: Mapping[str, Any]) -> Work:
    """Measure a redaction; its result is expected to be about as long as the text."""
    text, segments = _read(request)
    mode = request.get("mode", RedactionRequest.model_fields["mode"].default)
    hidden = text if mode == "remove" or text.expected is None else _open(text.expected, _MASKS)
    answer = 0 if text.expected is None else _tokens(text.expected)
    usages = _usages(text, REDACTION_PROMPT + TOKENS_PER_SEGMENT * segments, answer)
    return Work(usages, {"text": hidden, "segments": Segments(hidden, segments or None)})


def judge(request: Mapping[str, Any]) -> Work:
    """Measure a request for a mood: one verdict on the whole, one on each segment."""
    text, segments = _read(request)
    prompt = SENTIMENT_PROMPT + TOKENS_PER_SEGMENT * segments
    usages = _usages(text, prompt, TOKENS_PER_VERDICT * (1 + segments))
    label, score = Size.within(_LONGEST_LABEL), Size.within(LONGEST_NUMBER)
    return Work(usages, {"label": label, "score": score})


def summarize(request: Mapping[str, Any]) -> Work:
    """Measure a request for a summary."""
    text = size_as_text(request.get("text"))
    sentences = _whole(request.get("max_sentences")) or SENTENCES
    length = Length.ascii(sentences * CHARACTERS_PER_SENTENCE)
    if text.expected is not None and text.expected.size < length.size:
        length = text.expected
    usages = _usages(text, SUMMARY_PROMPT, _tokens(length))
    return Work(usages, {"text": _open(length, _SUMMARY)})


def _usages(text: Size, prompt: int, answer: int) -> Mapping[CostUnit, Usages]:
    """Return what a call on a text uses; `prompt` and `answer` are tokens."""
    if text.expected is None:
        unknown = Usages.unknown(text.reason)
        return {CostUnit.CHARACTER: unknown, CostUnit.TOKEN: unknown}
    characters = Usage(characters=text.expected.characters)
    tokens = prompt + _tokens(text.expected)
    return {
        CostUnit.CHARACTER: Usages(
            cheapest=(characters,),
            expected=characters,
            dearest=() if text.most is None else (Usage(characters=text.most.characters),),
            reason=text.reason,
        ),
        CostUnit.TOKEN: Usages(
            cheapest=(Usage(input_tokens=tokens, output_tokens=1),),
            expected=Usage(input_tokens=tokens, output_tokens=answer),
            dearest=(),
            reason=_INSTRUCTED,
        ),
    }


def _bounds(asked: Length | None, messages: int, written: int) -> tuple[Usage, ...]:
    """Bound a generation, as the adapters of language models bound the call itself."""
    if asked is None:
        return ()
    return usages_within(asked.size + FRAME_TOKENS * messages, written)


def _messages(request: Mapping[str, Any]) -> Sequence[Any]:
    """List the texts that a model is asked with."""
    messages = request.get("messages")
    turns = (
        [_part(one, "content") for one in messages] if isinstance(messages, list) else [messages]
    )
    texts = [request.get("system"), request.get("prompt"), *turns]
    return [text for text in texts if text is not None]


def _read(request: Mapping[str, Any]) -> tuple[Size, int]:
    """Return how long the text is that is read, and how many segments it has: joined, if any."""
    segments = request.get("segments")
    if isinstance(segments, Segments):
        return segments.size, segments.count or 0
    if isinstance(segments, list):
        texts = (size_as_text(_part(one, "text")) for one in segments)
        return sum(texts, Size.within(max(len(segments) - 1, 0))), len(segments)
    return size_as_text(request.get("text") if segments is None else segments), 0


def _part(value: Any, key: str) -> Any:
    return value.get(key, "") if isinstance(value, Mapping) else value


def _open(expected: Length, reason: str) -> Size:
    return Size(expected, None, reason)


def _tokens(length: Length) -> int:
    return math.ceil(length.size / BYTES_PER_TOKEN)


def _whole(value: Any) -> int | None:
    """Read a number as the request's model will; null where it can't."""
    try:
        return _WHOLE.validate_python(value)
    except ValidationError:
        return None
