"""The fluent way to write a definition in Python.

pipeline = (
    Pipeline("call_summary")
    .step("transcribe").capability(Capability.TRANSCRIPTION).output_as("transcript").done()
    .step("summarize").capability(Capability.SUMMARIZATION).input_from("transcript").done()
    .build()
)
"""

from typing import Any, Self

from pipelines.model import FallbackPolicy, PipelineDefinition, RetryPolicy, StepDefinition
from providers.types import Capability


class Pipeline:
    """Collects what a `PipelineDefinition` needs."""

    def __init__(self, name: str) -> None:
        """Start a definition with this name."""
        self._fields: dict[str, Any] = {"name": name}
        self._steps: list[StepDefinition] = []

    def version(self, version: str) -> Self:
        """Set the semantic version."""
        return self._set(version=version)

    def description(self, description: str) -> Self:
        """Say what the pipeline is for."""
        return self._set(description=description)

    def timeout(self, seconds: float) -> Self:
        """Bound the whole run."""
        return self._set(timeout=seconds)

    def input_schema(self, schema: dict[str, Any]) -> Self:
        """Describe the input as JSON Schema."""
        return self._set(input_schema=schema)

    def output(self, **expressions: str) -> Self:
        """Choose the run's output: name and CEL over the context."""
        return self._set(output=expressions)

    def step(self, name: str) -> "Step":
        """Begin the next step; `.done()` comes back here."""
        return Step(self, name)

    def build(self) -> PipelineDefinition:
        """Check everything and return the definition.

        Raises:
            pydantic.ValidationError: listing every mistake.
        """
        return PipelineDefinition(steps=tuple(self._steps), **self._fields)

    def _set(self, **fields: Any) -> Self:
        self._fields |= fields
        return self


class Step:
    """Collects what a `StepDefinition` needs."""

    def __init__(self, pipeline: Pipeline, name: str) -> None:
        """Begin a step of the pipeline; `Pipeline.step` is the way to get one."""
        self._pipeline = pipeline
        self._fields: dict[str, Any] = {"name": name}

    def capability(self, capability: Capability) -> Self:
        """Say what the step asks for."""
        return self._set(capability=capability)

    def prefer_providers(self, *providers: str) -> Self:
        """Ask these first, in this order."""
        return self._set(providers=providers)

    def input_from(self, key: str) -> Self:
        """Make the request from this key of the context."""
        return self._set(input=key)

    def output_as(self, key: str) -> Self:
        """Give the response this key in the context."""
        return self._set(output=key)

    def params(self, **params: Any) -> Self:
        """Fix fields of the request; `${CEL}` in strings is interpolated."""
        return self._set(params=params)

    def with_fallback(self, *, max_fallbacks: int) -> Self:
        """Bound the number of candidates after the first."""
        return self._set(fallback=FallbackPolicy(max_fallbacks=max_fallbacks))

    def with_retry(self, **policy: Any) -> Self:
        """Set the retry policy for each candidate, in the fields of `RetryPolicy`."""
        return self._set(retry=RetryPolicy(**policy))

    def timeout(self, seconds: float) -> Self:
        """Bound one attempt."""
        return self._set(timeout=seconds)

    def when(self, expression: str) -> Self:
        """Skip the step unless this CEL expression is true."""
        return self._set(when=expression)

    def optional(self) -> Self:
        """Let the run go on without this step."""
        return self._set(optional=True)

    def done(self) -> Pipeline:
        """Add the step and return to the pipeline.

        Raises:
            pydantic.ValidationError: listing every mistake.
        """
        self._pipeline._steps.append(StepDefinition(**self._fields))  # noqa: SLF001 - one pair
        return self._pipeline

    def _set(self, **fields: Any) -> Self:
        self._fields |= fields
        return self
