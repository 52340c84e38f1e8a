"""Street addresses and dates of birth."""

import re
from collections.abc import Callable, Iterator, Sequence

from providers.adapters.local.number_words import (
    AMOUNT_UNITS,
    TEENS,
    TENS,
    is_number,
)
from providers.adapters.local.transcript import Token, Transcript
from providers.masking import Finding

ADDRESS, BIRTH = "ADDRESS", "DATE_OF_BIRTH"

STREETS = frozenset({"street", "avenue", "road", "lane", "boulevard", "highway", "crescent"})
_SHORT_STREETS = frozenset(
    {"st", "ave", "rd", "ln", "blvd", "hwy", "dr", "ct", "drive", "court", "place", "square"}
) | {"terrace", "circle", "way", "parkway", "close", "gardens"}
"""Streets too, but other words as well: they need a capital, or that an address was announced."""

_UNIT = re.compile(
    r"[\s,]*(?:(?:apartment|apt|suite|unit|flat|number|floor|#)\.?\s*[\w-]+)?"
    r"(?:,\s*[A-Z][\w .'-]{1,40}?)?(?:,?\s+[A-Z]{2}\b)?(?:,?\s+\d{5}(?:-\d{4})?\b)?"
)
_PO_BOX = re.compile(r"\bp\.?\s?o\.?\s+box\s+\w+", re.IGNORECASE)
_ADDRESS_STATED = re.compile(
    r"\b(?:address|live|living|reside)(?:'s|\u2019s|\s+is|\s+at|\s*:)\s+", re.IGNORECASE
)
_ADDRESS_ASKED = re.compile(
    r"\b(?:your|the|shipping|mailing|billing|home|delivery|street)\s+address\b"
    r"|\bwhere do you live\b",
    re.IGNORECASE,
)
_MAX_ADDRESS, _MAX_TOWN = 16, 3
_AFTER_ADDRESS = frozenset(
    """and but so can could please i we you it is that which where when if because thank thanks
    for to my the near""".split()  # noqa: SIM905 - a table
)

MONTHS = frozenset(
    """january february march april may june july august september october november december
    jan feb mar apr jun jul aug sep sept oct nov dec""".split()  # noqa: SIM905 - a table
)
_ORDINALS = frozenset(
    """first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth
    fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth thirtieth st nd rd
    th""".split()  # noqa: SIM905 - a table
)
_BIRTH = re.compile(
    r"\bdate\s+of\s+birth\b|\bbirth\s?(?:date|day)\b|\bborn\b|\bd\.?o\.?b\b\.?", re.IGNORECASE
)
_MAX_DATE, _SHORT_ANSWER = 9, 10
_LEAD_IN = frozenset(
    """is was are on in it it's its that's the my date of birth birthday birthdate born i yes sure
    okay um uh yeah""".split()  # noqa: SIM905 - a table
)


def find_addresses(transcript: Transcript) -> Iterator[Finding]:
    """Find "number, name, street", what follows "my address is", and boxes."""
    for number, utterance in enumerate(transcript.utterances):
        tokens = transcript.words(number)
        start, end = utterance.start, utterance.end
        stated = _ADDRESS_STATED.search(transcript.text, start, end)
        asked = number > 0 and _says(transcript, number - 1, _ADDRESS_ASKED)
        for position, token in enumerate(tokens):
            first = _house_number(transcript, tokens, position, announced=bool(stated or asked))
            if first is not None:
                unit = _UNIT.match(transcript.text, token.end, end)
                last = unit.end() if unit and unit.group().strip(" ,") else token.end
                yield Finding(tokens[first].start, last, ADDRESS, 0.7)
        if stated:
            following = [token for token in tokens if token.start >= stated.end()]
            yield from _whole(following[:_MAX_ADDRESS], ADDRESS, _looks_like_address, _MAX_TOWN)
        elif asked and len(tokens) <= _MAX_ADDRESS:
            answer = [t for i, t in enumerate(tokens) if not _leads_in(tokens, i)]
            yield from _whole(answer, ADDRESS, _looks_like_address, _MAX_TOWN)
        for box in _PO_BOX.finditer(transcript.text, start, end):
            yield Finding(box.start(), box.end(), ADDRESS, 0.8)


def find_births(transcript: Transcript) -> Iterator[Finding]:
    """Find dates after "date of birth" and "born", also as the answer to the question."""
    for number, utterance in enumerate(transcript.utterances):
        tokens = transcript.words(number)
        for cue in _BIRTH.finditer(transcript.text, utterance.start, utterance.end):
            following = [token for token in tokens if token.start >= cue.end()]
            while following and following[0].word in _LEAD_IN:
                following.pop(0)
            yield from _whole(following[:_MAX_DATE], BIRTH, _looks_like_date)
        asked = number > 0 and _says(transcript, number - 1, _BIRTH)
        if asked and len(tokens) <= _SHORT_ANSWER:
            answer = [t for i, t in enumerate(tokens) if not _leads_in(tokens, i)]
            yield from _whole(answer, BIRTH, _looks_like_date)


def _house_number(
    transcript: Transcript, tokens: Sequence[Token], street: int, *, announced: bool
) -> int | None:
    """Return where the address that ends with the street at `street` begins."""
    word = tokens[street].word
    capital = transcript.text[tokens[street].start].isupper()
    if word not in STREETS and not (word in _SHORT_STREETS and (announced or capital)):
        return None
    for names in (1, 2, 3):
        position = street - names - 1
        if position < 0 or tokens[position + 1].word in AMOUNT_UNITS:
            return None
        if not _is_house(tokens[position].word):
            continue
        while position > 0 and _is_house(tokens[position - 1].word):
            position -= 1
        digits = tokens[position].word.isdecimal() or street - names - position > 1
        certain = digits or announced or tokens[position].word in TEENS | TENS
        return position if certain else None
    return None


def _is_house(word: str) -> bool:
    return is_number(word) or word == "oh"


def _looks_like_address(token: Token) -> bool:
    return is_number(token.word) or token.word in STREETS or token.word in _SHORT_STREETS


def _looks_like_date(token: Token) -> bool:
    word = token.word
    return is_number(word) or word in MONTHS or word in _ORDINALS


def _leads_in(tokens: Sequence[Token], position: int) -> bool:
    return all(token.word in _LEAD_IN for token in tokens[: position + 1])


def _says(transcript: Transcript, number: int, cue: re.Pattern[str]) -> bool:
    utterance = transcript.utterances[number]
    return cue.search(transcript.text, utterance.start, utterance.end) is not None


def _whole(
    tokens: Sequence[Token], kind: str, belongs: Callable[[Token], bool], tail: int = 0
) -> Iterator[Finding]:
    """Take all up to the last token that belongs, misheard words too, and `tail` words more."""
    last = max((i for i, token in enumerate(tokens) if belongs(token)), default=None)
    if last is None or sum(belongs(token) for token in tokens) <= 1:
        return
    for token in tokens[last + 1 : last + 1 + tail]:
        if token.word in _AFTER_ADDRESS:
            break
        last += 1
    yield Finding(tokens[0].start, tokens[last].end, kind, 0.7)
