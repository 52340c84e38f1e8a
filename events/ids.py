"""Ids of durable events: `generation.event.index`.

The generation is the run's place in its chain: 1, and one more for every reset. The event is
Temporal's history event id, the index counts the pipeline events that one history event gives.
All three come from history, so they are equal on every replica and after every restart.
"""

from typing import NamedTuple, Self


class EventId(NamedTuple):
    """Ordered as events are."""

    generation: int
    event: int
    place: int

    def __str__(self) -> str:
        """Return the form in which subscribers see it."""
        return f"{self.generation}.{self.event}.{self.place}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an id.

        Raises:
            ValueError: It does not have the form.
        """
        parts = text.split(".")
        if len(parts) != len(cls._fields) or not all(
            part.isascii() and part.isdigit() for part in parts
        ):
            raise ValueError(f"'{text}' is not an event id: expected generation.event.index")
        return cls(*(int(part) for part in parts))
