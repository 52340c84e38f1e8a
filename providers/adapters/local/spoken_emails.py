"""E-mail addresses as people say them: "jane dot doe at example dot com"."""

import re
from collections.abc import Iterator, Sequence

from providers.adapters.local.number_words import HOMOPHONES, is_number
from providers.adapters.local.transcript import Token, Transcript
from providers.masking import Finding

TYPE = "EMAIL_ADDRESS"

_TOP = "com|calm|come|org|net|edu|gov|io|co|info|biz|me|us|uk|de|fr|ca|au|ai|dev|app"
_TAIL = re.compile(
    rf"\b(?:at|@)\s+[\w-]+(?:\s+[\w-]+){{0,2}}?(?:\s+dot\s+|\s*\.\s*)(?:{_TOP})\b"
    r"(?:(?:\s+dot\s+|\.)(?:uk|au|nz|za|in|jp|br)\b)?",
    re.IGNORECASE,
)
_MISHEARD_TAIL = re.compile(rf"\bdot\s+(?:{_TOP})\b(?:\s+dot\s+uk\b)?", re.IGNORECASE)
_CUE = re.compile(r"\be[\s-]?mail\b|\binbox\b|\bwrite\s+(?:to\s+)?(?:me|us)\b", re.IGNORECASE)

_CONNECTORS = frozenset({"dot", "underscore", "dash", "hyphen", "plus", "point", "period"})
_NO_NAMES = frozenset(
    {
        *("look", "looking", "looked", "visit", "shop", "shopping", "us", "me", "online", "was"),
        *("is", "it", "see", "arrived", "order", "ordered", "bought", "purchased", "available"),
        *("found", "here", "go", "website", "site", "store", "page", "account", "work", "working"),
    }
)
_INTRODUCTIONS = frozenset(
    {
        "is",
        "it's",
        "its",
        "it",
        "that's",
        "at",
        "to",
        "me",
        "us",
        "address",
        "yes",
        "sure",
        "okay",
        "yeah",
        "um",
    }
)
MAX_LOCAL_TOKENS = 12


def find_spoken_emails(transcript: Transcript) -> Iterator[Finding]:
    """Find spoken addresses; where one was announced, even with a misheard "at"."""
    for number, utterance in enumerate(transcript.utterances):
        text = transcript.text[utterance.start : utterance.end]
        announced = _is_announced(transcript, number)
        tails = list(_TAIL.finditer(text)) or (
            list(_MISHEARD_TAIL.finditer(text)) if announced else []
        )
        for match in tails:
            start, end = utterance.start + match.start(), utterance.start + match.end()
            left = [token for token in transcript.words(number) if token.end <= start]
            local = _announced_local(left) if announced else _local(left)
            if local:
                yield Finding(local[0].start, end, TYPE, 0.85)


def _is_announced(transcript: Transcript, number: int) -> bool:
    for candidate in (number, *transcript.before(number)):
        utterance = transcript.utterances[candidate]
        if _CUE.search(transcript.text, utterance.start, utterance.end):
            return True
    return False


def _local(left: Sequence[Token]) -> Sequence[Token]:
    """Take the last word and what is joined to it by "dot" and the like, spelled or counted."""
    if not left or left[-1].word in _NO_NAMES:
        return []
    first = len(left) - 1
    while first > 0:
        word, before = left[first].word, left[first - 1].word
        joined = before in _CONNECTORS or word in _CONNECTORS
        spelled = len(before) == 1 and before not in {"a", "i"} and len(word) == 1
        counted = is_number(word) and (is_number(before) or before not in HOMOPHONES)
        if not (joined or spelled or counted) or before in _INTRODUCTIONS:
            break
        first -= 1
    return left[first:]


def _announced_local(left: Sequence[Token]) -> Sequence[Token]:
    """Take everything since the words that introduce the address."""
    recent = left[-MAX_LOCAL_TOKENS:]
    first = 0
    for position, token in enumerate(recent[:-1]):
        if token.word in _INTRODUCTIONS:
            first = position + 1
    return recent[first:]
