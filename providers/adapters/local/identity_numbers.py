"""Phone, card and account numbers: runs of digits, judged by what is said around them.

- Seven digits or more are somebody's number wherever they stand.
- Four or more are, after words like "phone", "card", "account", "number" or "digits": said before
  in the same utterance, just after, or in one of the two utterances before (the question).
- Three are, directly after such words and "is" or "are", or as the whole answer to such a
  question.
- Whatever was found once is found again where it is repeated without an announcement.

Amounts ("forty nine dollars", "five business days") and years are left alone.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from providers.adapters.local.number_runs import Run, RunFinder, is_years, read_digits
from providers.adapters.local.number_words import HOMOPHONES, SCALES, SINGLES, TEENS, TENS
from providers.adapters.local.transcript import Token, Transcript
from providers.masking import Finding

ACCOUNT, CARD, PHONE, SSN = "ACCOUNT_NUMBER", "CREDIT_CARD", "PHONE_NUMBER", "US_SSN"
TYPES = (PHONE, CARD, ACCOUNT, SSN)

ANYWHERE, ANNOUNCED, STATED = 7, 4, 3
"""Digits that make a number somebody's: anywhere, near its name, directly after its name."""

SAME_UTTERANCE, WEAK_CUE, AFTERWARDS, ACROSS = 14, 6, 6, 30
"""Words between the name of a number and the number."""

_NAMES = {
    **dict.fromkeys(("phone", "telephone", "mobile", "cell", "cellphone", "fax"), PHONE),
    **dict.fromkeys(("card", "credit", "debit", "visa", "mastercard", "amex", "cvv"), CARD),
    **dict.fromkeys(("ssn", "social"), SSN),
    **dict.fromkeys(("account", "iban", "routing", "passport"), ACCOUNT),
    **dict.fromkeys(("number", "numbers", "digit", "digits"), ""),
}
"""What a number is called, and which type that makes it; "" leaves it to other words."""

_WEAK_NAMES = {
    **dict.fromkeys(("order", "reference", "confirmation", "policy", "member"), ACCOUNT),
    **dict.fromkeys(("ticket", "case", "tracking", "invoice", "license", "licence", "id"), ACCOUNT),
    **dict.fromkeys(("pin", "zip", "postcode", "identification"), ACCOUNT),
    **dict.fromkeys(("call", "reach", "text", "extension", "area"), PHONE),
    "code": "",
    **dict.fromkeys(("ending", "ends"), CARD),
}
"""The same, for words that mean other things too: they must stand close by."""

_STATING = frozenset(
    {"is", "are", "was", "at", "in", "with", "it's", "its", "number", "digits", "no"}
)
_OF_TIME = frozenset({"in", "at", "was", "with"})
_LEAD_IN = frozenset({"yes", "sure", "yeah", "okay", "ok", "yep", "um", "uh"})
_PHONE_LENGTHS = frozenset({7, 10, 11, 12})
_CARD_LENGTHS = frozenset(range(13, 20))
_USUAL_LENGTHS = _PHONE_LENGTHS | {4, 16}


@dataclass(frozen=True, slots=True)
class _Cue:
    """A word that announces a number, and how.

    Attributes:
        stated: The number follows at once: "my account number is".
        asked: It stands in one of the utterances before.
        certain: What follows can't be a year: "number is", not "my phone in".
    """

    type: str
    stated: bool = False
    asked: bool = False
    certain: bool = False


def find_numbers(transcript: Transcript) -> Iterator[Finding]:
    """Find numbers of people, phones, cards and accounts."""
    finder = RunFinder(transcript)
    unclear: list[Run] = []
    known: dict[str, str] = {}
    for chain in transcript.chains():
        for run in (*finder.find(chain, tolerance=1), *finder.find(chain, tolerance=2)):
            wide = _widened(run)
            cue = _cue(transcript, wide)
            verdict = _anywhere(run) if cue is None else _announced(transcript, wide, cue)
            if verdict is None:
                unclear.append(run)
                continue
            taken = run if cue is None else wide
            known[taken.digits] = verdict[0]
            yield from _findings(transcript, taken.tokens, *verdict)
    for run in unclear:
        repeated = _repeated(run, known)
        if repeated is not None:
            yield from _findings(transcript, run.tokens, repeated, 0.6)


def _anywhere(run: Run) -> tuple[str, float] | None:
    """Return the type and the score of a run that nothing announces."""
    return (_type("", run.digits), 0.45) if _is_long(run, _certain_digits(run)) else None


def _announced(transcript: Transcript, run: Run, cue: _Cue) -> tuple[str, float] | None:
    """Return the type and the score of a run after a cue; None where it is an amount or a year."""
    count = _certain_digits(run)
    if run.is_cardinal or (run.is_years and not cue.certain):
        return None
    answer = cue.asked and _fills(transcript, run)
    if count >= ANNOUNCED or (count >= STATED and (cue.stated or answer)):
        return _type(cue.type, run.digits), 0.9 if cue.stated else 0.75
    return None


def _certain_digits(run: Run) -> int:
    """Count digits, without the number at the end where that counts something."""
    tokens = _without_amount(run.tokens) if run.counts_something else run.tokens
    return len(read_digits([token.word for token in tokens]))


def _is_long(run: Run, count: int) -> bool:
    if count < ANYWHERE or run.is_years:
        return False
    words = {token.word for token in run.tokens}
    sure = sum(token.word not in HOMOPHONES for token in run.tokens)
    return "thousand" not in words and count >= ANYWHERE and sure >= len(run.tokens) / 2


def _without_amount(tokens: Sequence[Token]) -> Sequence[Token]:
    """Drop the last number of a run: "… seven six five two [weeks ago]" loses the "two"."""
    end = len(tokens) - 1
    while end > 0 and tokens[end].word in SCALES:
        end -= 1
    if end > 0 and tokens[end].word in SINGLES and tokens[end - 1].word in TENS | TEENS:
        end -= 1
    return tokens[:end]


def _cue(transcript: Transcript, run: Run) -> _Cue | None:
    """Find the word that announces a run, the nearest first."""
    near = _named(reversed(run.previous[-SAME_UTTERANCE:]))
    if near is not None:
        verb = run.previous[-1].word
        kind = near or _asked_type(transcript, run) or ""
        return _Cue(kind, stated=verb in _STATING, certain=verb in _STATING - _OF_TIME)
    asked = _asked_type(transcript, run)
    if asked is not None:
        return _Cue(asked, asked=True)
    behind = _named(run.following[:AFTERWARDS])
    return None if behind is None else _Cue(behind)


def _asked_type(transcript: Transcript, run: Run) -> str | None:
    """Look for the question in the two utterances before; None where there is none."""
    head = run.tokens[0]
    for number in transcript.before(head.utterance):
        words = transcript.words(number)
        if words and head.index - words[-1].index <= ACROSS:
            found = _named(reversed(words[-ACROSS:]))
            if found is not None:
                return found
    return None


def _named(tokens: Iterable[Token]) -> str | None:
    """Return the type that the nearest names give, "" when they leave it open, None if none."""
    found: str | None = None
    after = ""
    for distance, token in enumerate(tokens):
        word, neighbour, after = token.word, after, token.word
        kind = _NAMES.get(word)
        if kind is None and distance < WEAK_CUE:
            kind = _WEAK_NAMES.get(word)
        if kind is None or (word in {"number", "numbers", "order"} and neighbour in {"of", "to"}):
            continue
        if kind:
            return kind
        found = ""
    return found


def _type(named: str, digits: str) -> str:
    if named:
        return named
    if len(digits) in _PHONE_LENGTHS:
        return PHONE
    return CARD if len(digits) in _CARD_LENGTHS or len(digits) <= ANNOUNCED else ACCOUNT


def _fills(transcript: Transcript, run: Run) -> bool:
    """Tell whether a run is most of what its utterances say."""
    utterances = {token.utterance for token in run.tokens}
    said = sum(len(transcript.words(number)) for number in utterances)
    return len(run.tokens) >= 0.6 * said


def _widened(run: Run) -> Run:
    """Add homophones at the ends that must be digits: "is [for] one five …", "… seven [too]"."""
    first = last = 0
    before = [token.word for token in run.previous]
    while before and before[-1] in HOMOPHONES:
        before.pop()
        first += 1
    if before and before[-1] not in _STATING | _LEAD_IN:
        first = 0
    rest = run.following
    unusual = len(run.widened(first, 0).digits) not in _USUAL_LENGTHS
    if rest and len(rest) <= STATED and rest[0].word in HOMOPHONES and unusual:
        last = len(rest)
    return run.widened(first, last)


def _repeated(run: Run, known: dict[str, str]) -> str | None:
    """Return the type of a known number that this run says again, in whole or in part."""
    digits = run.digits
    if run.counts_something or len(digits) < STATED or run.singles < STATED:
        return None
    if is_years([token.word for token in run.tokens]):
        return None
    return next((kind for number, kind in known.items() if digits in number), None)


def _findings(
    transcript: Transcript, tokens: Sequence[Token], kind: str, score: float
) -> Iterator[Finding]:
    """Yield one finding for each stretch of tokens that nothing else stands between."""
    start = 0
    for position in range(1, len(tokens) + 1):
        if position == len(tokens) or not transcript.adjoin(*tokens[position - 1 : position + 1]):
            yield Finding(tokens[start].start, tokens[position - 1].end, kind, score)
            start = position
