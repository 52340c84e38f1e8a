"""Finding personal data: look for all that is known here; `providers.masking` hides it."""

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
from providers.adapters.local.transcript import Transcript
from providers.errors import InvalidRequest
from providers.masking import Finding, Mode, hide, settle

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

searcher = cache(patterns.Patterns)
"""The written patterns, compiled at the first use and then kept."""


def redact(params: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
    """Answer a redaction request.

    Raises:
        InvalidRequest: `entities` has a type that is not known here.
    """
    wanted = _wanted(params.get("entities"))
    transcript = Transcript.from_params(params)
    found = settle(one for one in find(transcript, report) if one.type in wanted)
    if params.get("segments") is None:
        (text,) = hide([transcript.text], [found], params["mode"])
        return {"text": text, "entities": [_entity(one, None) for one in found]}
    return _redact_segments(params["segments"], _split(transcript, found), params["mode"])


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


def _wanted(entities: Sequence[str] | None) -> frozenset[str]:
    unknown = sorted(set(entities or ()) - set(KNOWN_TYPES))
    if unknown:
        raise InvalidRequest(
            f"Unknown entity types: {', '.join(unknown)}. Known: {', '.join(KNOWN_TYPES)}."
        )
    return frozenset(KNOWN_TYPES if entities is None else entities)


def _entity(one: Finding, segment: int | None) -> dict[str, Any]:
    return {
        "type": one.type,
        "start": one.start,
        "end": one.end,
        "score": round(one.score, 3),
        "segment": segment,
    }


def _redact_segments(
    segments: Sequence[dict[str, Any]], found: Sequence[Sequence[Finding]], mode: Mode
) -> dict[str, Any]:
    texts = hide([segment["text"] for segment in segments], found, mode)
    return {
        "text": "\n".join(texts),
        "segments": [
            {**segment, "text": text} for segment, text in zip(segments, texts, strict=True)
        ],
        "entities": [_entity(one, number) for number, own in enumerate(found) for one in own],
    }


def _split(transcript: Transcript, found: Iterable[Finding]) -> list[list[Finding]]:
    """Cut findings where segments end, and count from there; one may reach over several."""
    starts = [start for start, _ in transcript.parts]
    pieces: list[list[Finding]] = [[] for _ in starts]
    for one in found:
        number = bisect_right(starts, one.start) - 1
        while number < len(starts) and starts[number] < one.end:
            first, last = transcript.parts[number]
            start, end = max(one.start, first), min(one.end, last)
            if start < end:
                piece = Finding(start - first, end - first, one.type, one.score)
                pieces[number].append(piece)
            number += 1
    return pieces
