"""What any language model can do besides generating: summaries, moods, personal data.

Each capability is two pure functions: `ask` writes the request to the model, `read` makes our
response of its answer. All prompts are in this package, and `PROMPTS_VERSION` changes with any of
them. To add a capability, write its module and name it in the functions below.
"""

from providers.derived import redaction, sentiment, summary
from providers.derived.documents import texts_of
from providers.errors import InputTooLarge, InvalidRequest, ProviderFault
from providers.types import (
    Capability,
    GenerationRequest,
    GenerationResponse,
    RedactionRequest,
    SentimentRequest,
    SummarizationRequest,
    Value,
)

PROMPTS_VERSION = 1
"""Shown with every offer, so that a change of quality can be traced to a change of words."""

CAVEATS = {
    Capability.PII_REDACTION: (
        "A language model reads the text as it is and names what it finds; it may miss some"
        f" (prompts {PROMPTS_VERSION})."
    ),
    Capability.SENTIMENT_ANALYSIS: (
        f"A language model's impression, not a measurement (prompts {PROMPTS_VERSION})."
    ),
    Capability.SUMMARIZATION: (
        f"Written by a language model, which may err (prompts {PROMPTS_VERSION})."
    ),
}
"""The derived capabilities, and what each is too weak for."""


def ask(request: Value) -> GenerationRequest:
    """Write what the model is asked; a request for generation is that already.

    Raises:
        InvalidRequest: It names what no model could look for. Not retried.
    """
    match request:
        case GenerationRequest():
            return request
        case RedactionRequest():
            return redaction.ask(request)
        case SentimentRequest():
            return sentiment.ask(request)
        case SummarizationRequest():
            return summary.ask(request)
        case _:
            raise _no_use(request)


def read(request: Value, answer: GenerationResponse) -> Value:
    """Make our response of the model's answer, whose data follows the schema.

    Raises:
        InputTooLarge: The answer was cut off. The same question would be cut off again, and paid
            for again, while another candidate may write more. Not retried.
        ProviderFault: The answer does not fit the input. Retried.
    """
    if isinstance(request, GenerationRequest):
        return answer
    if answer.finish_reason == "length":
        raise InputTooLarge("The model's answer was cut off: the text is too long for it.")
    if answer.data is None:
        raise ProviderFault("The model answered without data.")
    match request:
        case RedactionRequest():
            return redaction.read(request, answer.data)
        case SentimentRequest():
            return sentiment.read(request, answer.data)
        case SummarizationRequest():
            return summary.read(answer.data)
        case _:
            raise _no_use(request)


def answer_blank(request: Value) -> Value | None:
    """Answer for a text without a word in it, which nobody needs to be paid for; else None."""
    match request:
        case RedactionRequest() if _is_blank(*texts_of(request)):
            return redaction.read(request, {"found": []})
        case SentimentRequest() if _is_blank(*texts_of(request)):
            return sentiment.read(request, sentiment.neutral(request))
        case SummarizationRequest() if _is_blank(request.text):
            return summary.read({"sentences": []})
        case _:
            return None


def _is_blank(*texts: str) -> bool:
    return not any(text.strip() for text in texts)


def _no_use(request: Value) -> InvalidRequest:
    return InvalidRequest(f"A language model has no use for a {type(request).__name__}.")
