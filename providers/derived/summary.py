"""A shorter text by a language model, sentence by sentence, so that their number can be bounded."""

from typing import Any

from providers.derived.documents import RULES, fence
from providers.types import GenerationRequest, SummarizationRequest, SummarizationResponse

DEFAULT_SENTENCES = 5

# Tokens of the answer: a long sentence has about 60. No summary is longer than its text, which has
# less than a token for each character.
_TOKENS_BEFORE = 128
_TOKENS_PER_SENTENCE = 96

_TASK = """\
Summarise the document in at most {sentences}, fewer where fewer do. Say what it is about, what was
decided or found, and what is left to do. Keep to what the document says; add nothing, judge
nothing. Write in the document's language. Keep placeholders in brackets, such as [PERSON], as they
stand. "sentences" lists your sentences, one in each place."""


def ask(request: SummarizationRequest) -> GenerationRequest:
    """Write what the model is asked."""
    sentences = request.max_sentences or DEFAULT_SENTENCES
    task = _TASK.format(sentences="one sentence" if sentences == 1 else f"{sentences} sentences")
    expected = min(_TOKENS_PER_SENTENCE * sentences, len(request.text))
    return GenerationRequest(
        system=f"{task}\n\n{RULES}",
        prompt=fence(request.text),
        max_output_tokens=_TOKENS_BEFORE + expected,
        response_schema={
            "type": "object",
            "properties": {
                "sentences": {
                    "type": "array",
                    "items": {"type": "string"},
                    "minItems": 1,
                    "maxItems": sentences,
                }
            },
            "required": ["sentences"],
            "additionalProperties": False,
        },
    )


def read(data: dict[str, Any]) -> SummarizationResponse:
    """Take the sentences."""
    return SummarizationResponse(text=" ".join(data["sentences"]))
