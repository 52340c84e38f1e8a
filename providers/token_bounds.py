"""How many tokens a request to a language model can have at most, told without asking anybody.

Vendors don't publish their tokenizers, but all of today's work on the bytes of UTF-8, where
merging is all that happens: a text never has more tokens than bytes. So a text counts with its
bytes, three or four times what it will be billed as, and what a vendor puts around it counts with
a generous margin over what its pages say.

What is bound is what is billed. Words that a vendor adds to its own ends are not: "You are not
billed for system-added tokens" (https://platform.claude.com/docs/en/build-with-claude/token-counting,
read 2026-11), and OpenAI's count of an input has only its messages and the marks between them
(https://developers.openai.com/api/docs/guides/token-counting, read 2026-11).
"""

import json
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from providers.types import Usage

# What a vendor puts around each message. OpenAI's cookbook (How to count tokens with tiktoken, read
# 2026-11) counts three or four tokens, and three more for the answer's beginning; its next format
# (the cookbook's openai-harmony, read 2026-11) has four, and a heading before instructions. For
# Anthropic's (https://platform.claude.com/docs/en/build-with-claude/token-counting, read 2026-11)
# one does not pay. Four times as many, for models to come.
FRAME_TOKENS = 16

# What a vendor says around a schema. Anthropic adds "an additional system prompt explaining the
# expected output format", which costs "like any other system prompt" and makes the input "slightly"
# longer (https://platform.claude.com/docs/en/build-with-claude/structured-outputs, read 2026-11),
# and tells no figure. Its prompts of that kind of which it does, those for tools, have 159 to 804
# tokens (https://platform.claude.com/docs/en/about-claude/pricing, read 2026-11). OpenAI's format
# (the cookbook's openai-harmony, read 2026-11) has two headings, and 9 tokens were measured
# (https://github.com/openai/openai-cookbook/issues/2140). Five times the most of these.
SCHEMA_TOKENS = 4096

# How the schema itself is told is not said either. OpenAI's format has it as JSON, of which some
# keywords were measured to be left out. As JSON it has a token for about three bytes; twice as many
# tokens as bytes leave room for line breaks, for another notation, and for saying it again.
_SCHEMA_TOKENS_PER_BYTE = 2

# With one of these a schema may be longer where it is written out than where it was sent.
_REFERENCES = frozenset({"$ref", "$dynamicRef", "$recursiveRef"})


def most_tokens(text: str) -> int:
    """Bound the tokens of a text.

    A tokenizer may look at its normal form, as the last one that Anthropic published does
    (https://github.com/anthropics/anthropic-tokenizer-typescript, read 2026-11), in which one
    character may become up to 18.
    """
    return max(_size(text), _size(unicodedata.normalize("NFKC", text)))


def most_read(
    messages: Iterable[str], schema: Mapping[str, Any] | None, context_tokens: int | None
) -> int | None:
    """Bound what a model reads of a request.

    Args:
        messages: Everything that is said, message by message, the system's too.
        schema: What the answer has to follow, as it is sent.
        context_tokens: The most that the model reads and writes in one call: a vendor turns down
            what is longer. Nothing less is sure of a schema that refers to parts of itself.

    Returns:
        Tokens; None where nothing is sure.
    """
    read = sum(most_tokens(message) + FRAME_TOKENS for message in messages)
    if schema is None:
        return read
    if _refers(schema):
        return None if context_tokens is None else max(read, context_tokens)
    written = json.dumps(schema, ensure_ascii=False)
    return read + SCHEMA_TOKENS + _SCHEMA_TOKENS_PER_BYTE * most_tokens(written)


def usages_within(read: int, written: int) -> tuple[Usage, ...]:
    """Bound a call by its tokens, in each way in which it may go.

    Some vendors keep prompts by themselves, and have other prices for what they write to their
    cache or read from it.
    """
    plain = Usage(input_tokens=read, output_tokens=written)
    kinds = ("cached_input_tokens", "cache_write_input_tokens")
    return (plain, *(plain.model_copy(update={kind: read}) for kind in kinds))


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _refers(schema: Any) -> bool:
    if isinstance(schema, Mapping):
        return not _REFERENCES.isdisjoint(schema) or any(map(_refers, schema.values()))
    return isinstance(schema, list | tuple) and any(map(_refers, schema))
