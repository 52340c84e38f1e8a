"""People's names, where something announces them: "my name is …", "this is … speaking".

Recognised speech has no capitals, so the announcement has to do: one or two words after it are
taken, unless they are words that follow such phrases in ordinary talk ("this is terrible"). A name
that was announced once is found wherever it is said again.
"""

import re
from collections.abc import Iterator, Sequence

from providers.adapters.local.transcript import Token, Transcript
from providers.masking import Finding

TYPE = "PERSON"
MAX_TOKENS = 3

_ANNOUNCED = re.compile(
    r"\b(?:(?:my|the|his|her)\s+(?:full\s+|first\s+|last\s+)?name(?:'s|\u2019s|\s+is|\s+was)"
    r"|name\s*:|speaking\s+(?:with|to)|(?:mister|missus|mr|mrs|ms)\b\.?)\s+",
    re.IGNORECASE,
)
_INTRODUCED = re.compile(
    r"\b(?:this\s+is|(?:i\s+am|i['\u2019]m|it['\u2019]s|it\s+is))\s+"
    r"((?:[^\W\d_]+\s+){1,3}?)"
    r"(?=(?:speaking|calling|here\b|from\s+(?:the\s+)?\w+))",
    re.IGNORECASE,
)
_ASKED = re.compile(
    r"\b(?:your|full|first|last)\s+(?:\w+\s+)?name\b|\bwho\s+am\s+i\s+speaking\b"
    r"|\bname\s+(?:please|on)\b",
    re.IGNORECASE,
)
_PREFIXES = frozenset(
    {"yes", "sure", "yeah", "okay", "ok", "it's", "it", "is", "my", "name", "um", "uh", "of"}
) | {"course", "certainly", "hi", "hello", "i'm", "i", "am", "this", "that's", "well", "so"}
_NO_NAMES = frozenset(
    """
    a about absolutely account again all already also am an and angry any are as at available back
    bad be because been but by call calling can car card could course day did disappointed do
    email everything excellent fine first for from frustrated fully glad going good great had
    happy has have he hello help her here hi his how i i'm if in interested is it it's its just
    know last later like looking me more most much my name need new no not nothing now number of
    off ok okay on one only or order our out over phone please problem product quite ready really
    ridiculous right she service so some something sorry speaking still such sure tell terrible
    thank thanks that the their them there they thing this time to today too tomorrow true two
    under unacceptable unhappy up upset us very waiting want was we well were what when where
    which who will wonderful working would wrong year yes yesterday you your
    """.split()  # noqa: SIM905 - a table
)
_COMMON_NAMES = frozenset({"will", "mark", "may", "grace", "bill", "rose", "sue", "rob", "art"})
"""Names that are common words: said again, they count only with a capital."""

_TITLES = frozenset({"mr", "mrs", "ms", "dr", "mister", "missus", "miss", "doctor"})
_SENTENCE_END = re.compile(r"[.!?;:\n]|,\s*(?=[a-z])")


def find_names(transcript: Transcript) -> Iterator[Finding]:
    """Find announced names, the answers to "your name?", and both once more."""
    known: set[str] = set()
    for number in range(len(transcript.utterances)):
        for name in _names_in(transcript, number):
            known.update(token.word for token in name)
            yield Finding(name[0].start, name[-1].end, TYPE, 0.7)
    known = {word for word in known if len(word) > MAX_TOKENS - 1 and word not in _NO_NAMES}
    for token in transcript.tokens:
        stem = token.word.removesuffix("'s")
        capital = transcript.text[token.start].isupper()
        if stem in known and (capital or stem not in _COMMON_NAMES):
            yield Finding(token.start, token.start + len(stem), TYPE, 0.6)


def _names_in(transcript: Transcript, number: int) -> Iterator[Sequence[Token]]:
    utterance = transcript.utterances[number]
    tokens = transcript.words(number)
    for match in _ANNOUNCED.finditer(transcript.text, utterance.start, utterance.end):
        yield from _name(transcript, [token for token in tokens if token.start >= match.end()])
    for match in _INTRODUCED.finditer(transcript.text, utterance.start, utterance.end):
        start, end = match.span(1)
        inside = [token for token in tokens if start <= token.start < end]
        if inside and all(token.word not in _NO_NAMES for token in inside):
            yield inside
    if number and _was_asked(transcript, number):
        answer = list(tokens)
        while answer and answer[0].word in _PREFIXES:
            answer.pop(0)
        if 1 <= len(answer) <= MAX_TOKENS and not _NO_NAMES & {token.word for token in answer}:
            yield answer


def _name(transcript: Transcript, following: Sequence[Token]) -> Iterator[Sequence[Token]]:
    """Take the words after an announcement that can be a name, and letters that spell it."""
    name: list[Token] = []
    for token in following[: MAX_TOKENS + 1]:
        if name and _SENTENCE_END.search(transcript.between(name[-1], token)):
            break
        if token.word in _TITLES and not name:
            continue
        capital = transcript.text[token.start].isupper()
        if not token.word[0].isalpha() or (token.word in _NO_NAMES and not capital):
            break
        if name and transcript.text[name[0].start].isupper() and not capital:
            break
        if len(name) == MAX_TOKENS - (not capital):
            break
        name.append(token)
    if name:
        yield name


def _was_asked(transcript: Transcript, number: int) -> bool:
    asked = transcript.utterances[number - 1]
    return _ASKED.search(transcript.text, asked.start, asked.end) is not None
