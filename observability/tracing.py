"""Spans in OpenTelemetry's API.

Without OpenTelemetry's SDK, or without its API, a span costs nothing and goes nowhere. Attribute
names are OpenTelemetry's where it has one, else ours, below `perdure.`.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

_NAME = "perdure"
_SHOWN = frozenset({"execution_id", "tenant_id"})


class NamedPipeline(Protocol):
    """What a span says about a pipeline."""

    @property
    def name(self) -> str:
        """What the pipeline is called."""

    @property
    def version(self) -> str:
        """Semantic version."""


class AITracer:
    """Makes spans."""

    def __init__(self, tracer: "Tracer | None") -> None:
        """Take OpenTelemetry's tracer; without one, nothing is traced."""
        self._tracer = tracer

    @asynccontextmanager
    async def pipeline_span(
        self, pipeline: NamedPipeline, context: Mapping[str, Any] | None = None
    ) -> AsyncIterator[None]:
        """Trace what the block does as one run of a pipeline; an exception marks the span.

        Args:
            pipeline: What runs.
            context: `execution_id` and `tenant_id` are shown; whatever else there is may be
                private and is not.
        """
        if self._tracer is None:
            yield
            return
        attributes = {
            "perdure.pipeline.name": pipeline.name,
            "perdure.pipeline.version": pipeline.version,
        }
        for key in _SHOWN.intersection(context or ()):
            attributes[f"perdure.{key}"] = str((context or {})[key])
        with self._tracer.start_as_current_span(f"pipeline {pipeline.name}", attributes=attributes):
            yield


@cache
def get_ai_tracer() -> AITracer:
    """Return the process's tracer."""
    try:
        from opentelemetry.trace import get_tracer  # noqa: PLC0415 - not loaded until it is used
    except ImportError:
        return AITracer(None)
    return AITracer(get_tracer(_NAME))
