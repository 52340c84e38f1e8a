"""Answers as Accent's `/v1/redact` gives them."""

from typing import Any

Found = tuple[str, str, str]
"""Type, value, and what the service writes in its stead."""


def answer_to(text: str, *found: Found) -> dict[str, Any]:
    """Redact a text as the service does; the values are found in their order."""
    entities, written, position = [], "", 0
    for kind, value, instead in found:
        start = text.index(value, position)
        written += text[position:start] + instead
        position = start + len(value)
        entities.append({"type": kind, "start": start, "end": position, "score": 0.9})
    return body(written + text[position:], entities, len(text))


def body(text: str, entities: list[dict[str, Any]], characters: int = 1) -> dict[str, Any]:
    return {
        "text": text,
        "entities": entities,
        "model": "accent-2026-10",
        "request_id": "req-1",
        "usage": {"characters": characters},
    }


def entity(start: int, end: int) -> dict[str, Any]:
    return {"type": "NAME", "start": start, "end": end, "score": 0.9}
