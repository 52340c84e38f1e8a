"""Hiding personal data: look for it, settle overlaps, write something else in its place.

`mask` writes `[TYPE]`, `remove` nothing, `hash` `[TYPE:xxxxxxxx]`. The digest is keyed with a
random key that lives as long as the call: equal values get equal digests within one answer, so
that a reader can tell two callers apart, and different ones in the next. A lasting key would let
anybody who can call us look up all ten thousand card endings.
"""

import hashlib
import hmac
import secrets
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import Any

from providers.adapters.local import (
    identity_numbers,
    names,
    patterns,
    places_and_dates,
    spoken_emails,
)
from providers.adapters.local.transcript import Finding, Transcript
from providers.errors import InvalidRequest

KNOWN_TYPES = tuple(
    sorted(
        {
            *identity_numbers.TYPES,
            *patterns.TYPES,
            names.TYPE,
            places_and_dates.ADDRESS,
            places_and_dates.BIRTH,
            spoken_emails.TYPE,
        }
    )
)

KEY_BYTES = 32
DIGEST_CHARACTERS = 8

searcher = cache(patterns.Patterns)
"""The written patterns, compiled at the first use and then kept."""

Writer = Callable[[str, str], str]
"""Takes a type and the value found; returns what stands in its place."""


def redact(params: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
    """Answer a redaction request.

    Raises:
        InvalidRequest: `entities` has a type that is not known here.
    """
    wanted = _wanted(params.get("entities"))
    transcript = Transcript.from_params(params)
    found = settle(one for one in find(transcript, report) if one.type in wanted)
    write = _writer(params["mode"])
    if params.get("segments") is None:
        text = _rewrite(transcript.text, found, write)
        return {"text": text, "entities": [_entity(one, 0, None) for one in found]}
    return _redact_segments(params["segments"], transcript, found, write)


FINDERS: tuple[Callable[[Transcript], Iterator[Finding]], ...] = (
    identity_numbers.find_numbers,
    spoken_emails.find_spoken_emails,
    names.find_names,
    places_and_dates.find_addresses,
    places_and_dates.find_births,
)


def find(transcript: Transcript, report: Callable[[float], None]) -> Iterator[Finding]:
    """Look for everything that is known here; findings may overlap."""
    yield from searcher().find(transcript.text, lambda fraction: report(fraction / 2))
    for number, finder in enumerate(FINDERS, start=1):
        yield from finder(transcript)
        report(0.5 + number / len(FINDERS) / 2)


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


def _wanted(entities: Sequence[str] | None) -> frozenset[str]:
    unknown = sorted(set(entities or ()) - set(KNOWN_TYPES))
    if unknown:
        raise InvalidRequest(
            f"Unknown entity types: {', '.join(unknown)}. Known: {', '.join(KNOWN_TYPES)}."
        )
    return frozenset(KNOWN_TYPES if entities is None else entities)


def _writer(mode: str) -> Writer:
    if mode == "remove":
        return lambda _kind, _value: ""
    if mode == "mask":
        return lambda kind, _value: f"[{kind}]"
    key = secrets.token_bytes(KEY_BYTES)

    def digest(kind: str, value: str) -> str:
        canonical = "".join(value.lower().split())
        code = hmac.new(key, canonical.encode(), hashlib.sha256).hexdigest()
        return f"[{kind}:{code[:DIGEST_CHARACTERS]}]"

    return digest


def _rewrite(text: str, findings: Iterable[Finding], write: Writer, offset: int = 0) -> str:
    parts, position = [], 0
    for one in findings:
        start, end = one.start - offset, one.end - offset
        parts += [text[position:start], write(one.type, text[start:end])]
        position = end
    return "".join([*parts, text[position:]])


def _entity(one: Finding, offset: int, segment: int | None) -> dict[str, Any]:
    return {
        "type": one.type,
        "start": one.start - offset,
        "end": one.end - offset,
        "score": round(one.score, 3),
        "segment": segment,
    }


def _redact_segments(
    segments: Sequence[dict[str, Any]],
    transcript: Transcript,
    found: Sequence[Finding],
    write: Writer,
) -> dict[str, Any]:
    by_segment = _split(transcript, found)
    redacted, entities = [], []
    for number, segment in enumerate(segments):
        offset = transcript.parts[number][0]
        pieces = by_segment.get(number, [])
        redacted.append({**segment, "text": _rewrite(segment["text"], pieces, write, offset)})
        entities += [_entity(one, offset, number) for one in pieces]
    text = "\n".join(segment["text"] for segment in redacted)
    return {"text": text, "segments": redacted, "entities": entities}


def _split(transcript: Transcript, found: Iterable[Finding]) -> dict[int, list[Finding]]:
    """Cut findings where segments end; one may reach over several."""
    starts = [start for start, _ in transcript.parts]
    pieces: dict[int, list[Finding]] = {}
    for one in found:
        number = bisect_right(starts, one.start) - 1
        while number < len(starts) and starts[number] < one.end:
            start, end = max(one.start, starts[number]), min(one.end, transcript.parts[number][1])
            if start < end:
                piece = Finding(start, end, one.type, one.score)
                pieces.setdefault(number, []).append(piece)
            number += 1
    return pieces
