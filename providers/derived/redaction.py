"""Personal data by a language model: the model names it, we hide it.

The model never rewrites the text. It lists what it found as exact quotes; every occurrence of each
is looked up here and hidden, so that not a word changes that was not quoted. A quote that is not in
the text makes the whole answer a fault: it may stand for data that would stay.
"""

import re
from collections.abc import Sequence
from typing import Any

from providers.derived.documents import rules_for, texts_of, write_document
from providers.derived.quotes import find_quote
from providers.errors import InvalidRequest, ProviderFault
from providers.masking import Finding, hide, settle
from providers.types import Entity, GenerationRequest, RedactionRequest, RedactionResponse

SCORE = 0.8
"""Of every finding: a model's own estimate of how sure it is says little, so it is not asked."""

TYPES = {
    "ACCOUNT_NUMBER": "a customer, account, order, booking, contract or policy number",
    "ADDRESS": "a postal address or a part that tells where somebody lives, a postcode too",
    "CREDIT_CARD": "a card's number, also its last digits, its expiry date or security code",
    "CRYPTO": "the address of a wallet",
    "DATE_OF_BIRTH": "a date of birth",
    "EMAIL_ADDRESS": "an e-mail address, also one that is spelt out in words",
    "IBAN_CODE": "an international bank account number",
    "IP_ADDRESS": "an address of a computer in a network",
    "MAC_ADDRESS": "an address of a network device",
    "NATIONAL_ID": "a number of a passport, driving licence, tax or health record",
    "PASSWORD": "a password, PIN, one-time code or secret key",
    "PERSON": "a person's name, first or last, or a user name",
    "PHONE_NUMBER": "a telephone number, also one that is spoken as words",
    "URL": "a web address that leads to a person's own page",
    "US_SSN": "a social security number of the USA, also its last digits",
}
"""What is looked for unless the request says otherwise. Where the embedded provider knows the type
too, it has the same name."""

_TYPE = re.compile(r"[A-Z][A-Z0-9_]{0,63}")

# Tokens of the answer: a finding takes about 25, so that even a list of names, with one every dozen
# characters, fits.
_TOKENS_BEFORE = 1024
_TOKENS_PER_CHARACTER = 2

_TASK = """\
Find personal data in the document. List every stretch of it that is of one of these types:

{types}

Rules for "quote":
- Copy the characters of the document exactly as they stand: same spelling, case, spaces and
  punctuation, mistakes included. Never correct, translate, shorten or complete them.
- Quote the value only, without the words that introduce it.
- Where the same person or number appears in another form, quote that form too. The same form needs
  to be listed once only.
- A number that is spoken as words is one quote, from its first word to its last.{segments}

Names of companies, products and public places, and amounts of money, are no personal data. Where
you are not sure, list it. An empty list is right where there is nothing."""
_SEGMENTS = """
- "n" is the number of the segment that the quote stands in. A value that goes on in the next
  segment is quoted in parts, one for each segment."""


def ask(request: RedactionRequest) -> GenerationRequest:
    """Write what the model is asked.

    Raises:
        InvalidRequest: `entities` has a name of another form than a type's. Not retried.
    """
    types = _wanted(request.entities)
    task = _TASK.format(
        types="\n".join(
            f"- {name}: {TYPES[name]}" if name in TYPES else f"- {name}" for name in types
        ),
        segments="" if request.segments is None else _SEGMENTS,
    )
    characters = sum(map(len, texts_of(request)))
    return GenerationRequest(
        system=f"{task}\n\n{rules_for(request)}",
        prompt=write_document(request),
        max_output_tokens=_TOKENS_BEFORE + _TOKENS_PER_CHARACTER * characters,
        response_schema=_schema(types, numbered=request.segments is not None),
    )


def read(request: RedactionRequest, data: dict[str, Any]) -> RedactionResponse:
    """Hide what the model quoted.

    Raises:
        ProviderFault: A quote is not in the text. Retried.
    """
    texts = texts_of(request)
    found = _locate(texts, data["found"])
    hidden = hide(texts, found, request.mode)
    if request.segments is None:
        return RedactionResponse(text=hidden[0], entities=_entities(found[0], None))
    segments = zip(request.segments, hidden, strict=True)
    return RedactionResponse(
        text="\n".join(hidden),
        segments=tuple(segment.model_copy(update={"text": text}) for segment, text in segments),
        entities=tuple(one for n, own in enumerate(found) for one in _entities(own, n)),
    )


def _entities(found: Sequence[Finding], segment: int | None) -> tuple[Entity, ...]:
    return tuple(
        Entity(type=one.type, start=one.start, end=one.end, score=one.score, segment=segment)
        for one in found
    )


def _locate(texts: Sequence[str], quotes: Sequence[dict[str, Any]]) -> list[list[Finding]]:
    found: list[list[Finding]] = [[] for _ in texts]
    for kind, quote, number in dict.fromkeys(
        (one["type"], one["quote"], one.get("n", 0)) for one in quotes
    ):
        places = find_quote(quote, texts, number)
        if not places:
            raise ProviderFault(f"The model quoted a {kind} that is not in the text.")
        for place in places:
            found[place.text].append(Finding(place.start, place.end, kind, SCORE))
    return [settle(own) for own in found]


def _wanted(entities: Sequence[str] | None) -> list[str]:
    if entities is None:
        return list(TYPES)
    if not entities or not all(map(_TYPE.fullmatch, entities)):
        raise InvalidRequest(
            "entities must name one type or more, each in capital letters, digits and underscores."
            f" Usual ones: {', '.join(TYPES)}."
        )
    return list(dict.fromkeys(entities))


def _schema(types: Sequence[str], *, numbered: bool) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "type": {"type": "string", "enum": list(types)},
        "quote": {"type": "string"},
    }
    if numbered:
        fields["n"] = {"type": "integer"}
    item = {
        "type": "object",
        "properties": fields,
        "required": list(fields),
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {"found": {"type": "array", "items": item}},
        "required": ["found"],
        "additionalProperties": False,
    }
