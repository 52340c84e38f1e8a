"""Events: read from a run's Temporal history, never emitted.

Owns the event types, the projection of history to events and the subscription hub. Knows
workflows by their public types only; never asks a worker. To add an event: a member of `EventType`,
its place in `projection`, a recorded history in the tests, and a line in the docs.
"""

from events.store import EventStore, get_event_store
from events.types import EventType, PipelineEvent

__all__ = ["EventStore", "EventType", "PipelineEvent", "get_event_store"]
