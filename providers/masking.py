"""Hiding what was found: settle overlaps, write something else in its place.

`mask` writes `[TYPE]`, `remove` nothing, `hash` `[TYPE:xxxxxxxx]`. The digest is keyed with a
random key that lives as long as the call: equal values get equal digests within one answer, so
that a reader can tell two callers apart, and different ones in the next. A lasting key would let
anybody who can call us look up all ten thousand card endings.
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Mode = Literal["mask", "remove", "hash"]

_KEY_BYTES = 32
_DIGEST_CHARACTERS = 8

_Writer = Callable[[str, str], str]
"""Takes a type and the value found; returns what stands in its place."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A stretch of text that is personal data, in code points; `end` is exclusive."""

    start: int
    end: int
    type: str
    score: float


def settle(findings: Iterable[Finding]) -> list[Finding]:
    """Merge what overlaps into one finding: all of the text, the type with the best score."""
    settled: list[Finding] = []
    best: list[tuple[float, int]] = []
    for one in sorted(findings, key=lambda finding: (finding.start, -finding.end)):
        rank = (one.score, one.end - one.start)
        if not settled or one.start >= settled[-1].end:
            settled.append(one)
            best.append(rank)
            continue
        last = settled[-1]
        winner = one if rank > best[-1] else last
        settled[-1] = Finding(last.start, max(last.end, one.end), winner.type, winner.score)
        best[-1] = max(best[-1], rank)
    return settled


def hide(texts: Sequence[str], found: Sequence[Sequence[Finding]], mode: Mode) -> list[str]:
    """Rewrite the texts of one answer, each by its own settled findings."""
    write = _writer(mode)
    return [_rewrite(text, own, write) for text, own in zip(texts, found, strict=True)]


def _writer(mode: Mode) -> _Writer:
    if mode == "remove":
        return lambda _kind, _value: ""
    if mode == "mask":
        return lambda kind, _value: f"[{kind}]"
    key = secrets.token_bytes(_KEY_BYTES)

    def digest(kind: str, value: str) -> str:
        canonical = "".join(value.lower().split())
        code = hmac.new(key, canonical.encode(), hashlib.sha256).hexdigest()
        return f"[{kind}:{code[:_DIGEST_CHARACTERS]}]"

    return digest


def _rewrite(text: str, findings: Sequence[Finding], write: _Writer) -> str:
    parts, position = [], 0
    for one in findings:
        parts += [text[position : one.start], write(one.type, text[one.start : one.end])]
        position = one.end
    return "".join([*parts, text[position:]])
