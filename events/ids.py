"""Ids of durable events: `generation.event.index`.

The generation is 1, and for what follows a reset grows with the time of the reset. The event is
Temporal's history event id, the index counts the pipeline events that one history event gives.
All three come from history, so they are equal on every replica and after every restart.
"""

from typing import NamedTuple


class EventId(NamedTuple):
    """Ordered as events are."""

    generation: int
    event: int
    place: int

    def __str__(self) -> str:
        """Return the form in which subscribers see it."""
        return f"{self.generation}.{self.event}.{self.place}"
