"""The fluent way to write a definition in Python.

pipeline = (
    Pipeline("call_summary")
    .step("transcribe").capability(Capability.TRANSCRIPTION).output_as("transcript").done()
    .step("summarize").capability(Capability.SUMMARIZATION).input_from("transcript").done()
    .build()
)

A condition or a compensation may be a Python function. The definition names it in `code` and keeps
it in `functions`; it never travels, so the worker must have the same definition in its catalogue.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Literal, Self, get_args

from pipelines.check import define
from pipelines.model import CodeSetting, PipelineDefinition
from providers.types import Capability


class Pipeline:
    """Collects what a `PipelineDefinition` needs."""

    def __init__(self, name: str) -> None:
        """Start a definition with this name."""
        self._fields: dict[str, Any] = {"name": name}
        self._steps: list[dict[str, Any]] = []
        self._functions: dict[tuple[str, CodeSetting], Callable[..., Any]] = {}

    def version(self, version: str) -> Self:
        """Set the semantic version."""
        return self._set(version=version)

    def description(self, description: str) -> Self:
        """Say what the pipeline is for."""
        return self._set(description=description)

    def timeout(self, seconds: float) -> Self:
        """Bound the whole run."""
        return self._set(timeout=seconds)

    def max_cost(self, usd: Decimal | str | int) -> Self:
        """Bound what one run may cost, in USD."""
        return self._set(max_cost_usd=usd)

    def on_budget_exceeded(self, action: Literal["fail", "pause"]) -> Self:
        """Say what a run does when the tenant's money is used up."""
        return self._set(on_budget_exceeded=action)

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
            InvalidDefinition: It can never run; lists every mistake.
        """
        definition = define(self._fields | {"steps": self._steps})
        return definition.with_functions(dict(self._functions))

    def _set(self, **fields: Any) -> Self:
        self._fields |= fields
        return self


class Step:
    """Collects what a `StepDefinition` needs."""

    def __init__(self, pipeline: Pipeline, name: str) -> None:
        """Begin a step of the pipeline; `Pipeline.step` is the way to get one."""
        self._pipeline = pipeline
        self._fields: dict[str, Any] = {"name": name}
        self._functions: dict[CodeSetting, Callable[..., Any]] = {}

    def capability(self, capability: Capability) -> Self:
        """Say what the step asks for."""
        return self._set(capability=capability)

    def prefer_providers(self, *providers: str) -> Self:
        """Ask these first, in this order."""
        return self._set(providers=providers)

    def after(self, *steps: str) -> Self:
        """Begin when these steps have ended; with none, at once."""
        return self._set(needs=steps)

    def input_from(self, key: str | Mapping[str, str] | None = None, /, **expressions: str) -> Self:
        """Make the request from one key of the context, or each of its fields from CEL.

        `.input_from("transcript")`, or `.input_from(text="redacted.text", max_sentences="3")`, or
        the latter as a mapping.

        Raises:
            TypeError: Neither is given, or both.
        """
        if (key is None) == (not expressions):
            raise TypeError(
                "input_from takes one key of the context, or fields of the request by keyword: "
                'input_from("transcript") or input_from(text="transcript.text").'
            )
        return self._set(input=expressions or (dict(key) if isinstance(key, Mapping) else key))

    def output_as(self, key: str) -> Self:
        """Give the response this key in the context."""
        return self._set(output=key)

    def params(self, params: Mapping[str, Any] | None = None, /, **more: Any) -> Self:
        """Fix fields of the request; `${CEL}` in strings is interpolated.

        `.params(max_sentences=3)`, or `.params({"max_sentences": 3})`.
        """
        return self._set(params={**(params or {}), **more})

    def with_fallback(self, *, max_fallbacks: int) -> Self:
        """Bound the number of candidates after the first."""
        return self._set(fallback={"max_fallbacks": max_fallbacks})

    def with_retry(self, **policy: Any) -> Self:
        """Set the retry policy for each candidate, in the fields of `RetryPolicy`."""
        return self._set(retry=policy)

    def timeout(self, seconds: float) -> Self:
        """Bound one attempt."""
        return self._set(timeout=seconds)

    def when(self, condition: str | Callable[[dict[str, Any]], object]) -> Self:
        """Skip the step unless this is true: CEL, or a function of the context.

        A function is called once in a run, on the worker; its answer is part of the run's history.
        """
        return self._set_or_keep("when", condition)

    def for_each(
        self,
        items: str,
        *,
        max_parallel: int = 10,
        on_item_error: Literal["fail", "collect"] = "fail",
    ) -> Self:
        """Run the step once for each item of a list that CEL gives."""
        return self._set(for_each=items, max_parallel=max_parallel, on_item_error=on_item_error)

    def optional(self) -> Self:
        """Let the run go on without this step."""
        return self._set(optional=True)

    def compensate_with(self, action: str | Callable[..., Any]) -> Self:
        """Undo the step with this when the run can't finish: a registered name, or a function."""
        return self._set_or_keep("compensate", action)

    def on_refusal(self, action: Literal["fail", "fallback"]) -> Self:
        """Say whether a model's refusal fails the step or goes on to the next candidate."""
        return self._set(on_refusal=action)

    def done(self) -> Pipeline:
        """Add the step and return to the pipeline."""
        code = [name for name in get_args(CodeSetting) if name in self._functions]
        step = self._fields | ({"code": code} if code else {})
        self._pipeline._steps.append(step)  # noqa: SLF001 - one pair
        for setting, function in self._functions.items():
            self._pipeline._functions[step["name"], setting] = function  # noqa: SLF001 - one pair
        return self._pipeline

    def _set(self, **fields: Any) -> Self:
        self._fields |= fields
        return self

    def _set_or_keep(self, setting: CodeSetting, value: str | Callable[..., Any]) -> Self:
        """Write text into the definition, keep a function beside it; the last one counts."""
        self._functions.pop(setting, None)
        if not callable(value):
            return self._set(**{setting: value})
        self._functions[setting] = value
        return self._set(**{setting: None})
