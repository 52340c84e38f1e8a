"""What a span says about a run, and what it keeps to itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from opentelemetry.trace import INVALID_SPAN, Span, Tracer

from observability import get_ai_tracer
from observability.tracing import AITracer
from pipelines.predefined import CALL_ANALYSIS


class Recorder(Tracer):
    """Remembers which spans were open, and what went wrong inside."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, Any]] = []
        self.problems: list[BaseException] = []

    def start_span(self, *_: Any, **__: Any) -> Span:
        raise AssertionError

    @contextmanager
    def start_as_current_span(  # type: ignore[override]
        self, name: str, *, attributes: Any
    ) -> Iterator[Span]:
        self.spans.append((name, attributes))
        try:
            yield INVALID_SPAN
        except BaseException as problem:
            self.problems.append(problem)
            raise


async def test_a_span_names_the_pipeline_and_the_run_and_nothing_that_was_said() -> None:
    recorder = Recorder()
    context = {"execution_id": "exec-1", "tenant_id": "tenant-1", "text": "Jane called"}
    async with AITracer(recorder).pipeline_span(CALL_ANALYSIS, context):
        assert len(recorder.spans) == 1
    assert recorder.spans == [
        (
            "pipeline call_analysis",
            {
                "perdure.pipeline.name": "call_analysis",
                "perdure.pipeline.version": "1.0.0",
                "perdure.execution_id": "exec-1",
                "perdure.tenant_id": "tenant-1",
            },
        )
    ]


async def test_an_exception_reaches_the_span_and_the_caller() -> None:
    recorder = Recorder()
    with pytest.raises(KeyError):
        async with AITracer(recorder).pipeline_span(CALL_ANALYSIS):
            raise KeyError
    assert [type(problem) for problem in recorder.problems] == [KeyError]


@pytest.mark.parametrize("tracer", [AITracer(None), get_ai_tracer()])
async def test_without_a_collector_a_span_is_only_a_block(tracer: AITracer) -> None:
    async with tracer.pipeline_span(CALL_ANALYSIS):
        reached = True
    assert reached
