"""The definition of a pipeline: an immutable, versioned, JSON-serialisable value.

The workflow gets the whole definition in its input, so a running execution never depends on what
is deployed or registered later.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import Field, PrivateAttr, StringConstraints
from pydantic.json_schema import SkipJsonSchema

from providers.types import Capability, Money, Value

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
"""The form of pipeline, step and output names."""

ContextKey = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]
"""A key of a run's context: an output, or a key of the input, which may have capitals."""

SEMANTIC_VERSION = (
    r"^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)"
    r"(?:-((?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*))?"
    r"(?:\+([0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*))?$"
)
"""Semantic Versioning 2.0.0, the expression suggested at semver.org (read 2026-11-24)."""

Version = Annotated[str, StringConstraints(pattern=SEMANTIC_VERSION, max_length=64)]

Cel = Annotated[str, StringConstraints(min_length=1, max_length=10_000)]
"""An expression in the Common Expression Language over the run's context."""

MAX_STEPS = 200

CodeSetting = Literal["when", "compensate"]
"""A setting of a step that may be a Python function, in pipelines that are defined in code."""


class RetryPolicy(Value):
    """How often one candidate is asked, and how long to wait between attempts.

    Attributes:
        max_attempts: How often the candidate is asked, the first time included; 1 never retries.
        initial_interval: Seconds before the second attempt.
        backoff_coefficient: How many times longer each wait is than the one before.
        max_interval: Seconds, the longest wait; not shorter than `initial_interval`.
    """

    max_attempts: int = Field(default=3, ge=1, le=100)
    initial_interval: float = Field(default=1, gt=0, le=3600)
    backoff_coefficient: float = Field(default=2, ge=1, le=10)
    max_interval: float = Field(default=30, gt=0, le=86400)


class FallbackPolicy(Value):
    """How many candidates may follow the first one.

    Attributes:
        max_fallbacks: Candidates that are asked after the first has failed; 0 asks nobody else.
    """

    max_fallbacks: int = Field(default=2, ge=0, le=20)


class StepDefinition(Value):
    """One step: a capability, where its request comes from, and what may go wrong.

    Attributes:
        name: Unique within the pipeline.
        capability: What the step asks for.
        needs: Steps that must have ended before; absent means the step before this one, an empty
            list that the step may start at once.
        providers: Whom to ask first, in this order; the other providers follow by their rank.
        fallback: How many candidates may follow the first.
        retry: How often one candidate is asked, and how long to wait in between.
        timeout: Seconds for one attempt.
        input: A key of the context, or `{field: CEL}`; absent takes the request's fields by their
            names from the context.
        output: The key under which later steps find the response; absent, the step's name.
        params: Fixed fields of the request; `${CEL}` inside a text is filled in. They win over
            `input`.
        when: A condition; false skips the step.
        optional: Whether the run goes on without this step's output when the step fails.
        for_each: A list; the step runs once for each of its items, with `item` and `index`.
        max_parallel: How many items are worked on at a time.
        on_item_error: Whether a failed item fails the step, or stands as `{error}` in its output.
        compensate: A registered compensation that undoes the step when the run can't finish.
        on_refusal: Whether a model's refusal fails the step or goes on to the next candidate.
        code: Which settings are Python functions; set by the builder, never written in a document.
    """

    name: Name
    capability: Capability
    needs: tuple[Name, ...] | None = None
    providers: tuple[str, ...] = ()
    fallback: FallbackPolicy = FallbackPolicy()
    retry: RetryPolicy = RetryPolicy()
    timeout: float = Field(default=300, gt=0, le=86400)
    input: ContextKey | dict[Name, Cel] | None = None
    output: Name | None = None
    params: dict[str, Any] = Field(default_factory=dict)
    when: Cel | None = None
    optional: bool = False
    for_each: Cel | None = None
    max_parallel: int = Field(default=10, ge=1, le=1000)
    on_item_error: Literal["fail", "collect"] = "fail"
    compensate: str | None = None
    on_refusal: Literal["fail", "fallback"] = "fail"
    code: SkipJsonSchema[tuple[CodeSetting, ...]] = ()

    @property
    def output_key(self) -> str:
        """Key of this step's response in the context."""
        return self.output or self.name


class PipelineDefinition(Value):
    """What runs. `name@version` is immutable.

    Attributes:
        name: What the pipeline is called.
        version: `name@version` never changes: new content needs a new version.
        description: What it is for, in a sentence.
        timeout: Seconds for the whole run, without paused time.
        max_cost_usd: Hard bound of what one run may cost, such as `"0.50"`.
        on_budget_exceeded: What a run does when the tenant's money is used up.
        input_schema: JSON Schema (2020-12) of the run's input.
        steps: In the order in which they run, unless `needs` says otherwise.
        output: What the run gives, `{name: CEL}`; absent gives every step's output.
    """

    name: Name
    version: Version = "1.0.0"
    description: str = Field(default="", max_length=2000)
    timeout: float = Field(default=3600, ge=1, le=2_592_000)
    max_cost_usd: Annotated[Money, Field(gt=Decimal(0))] | None = None
    on_budget_exceeded: Literal["fail", "pause"] = "fail"
    input_schema: dict[str, Any] = Field(default_factory=lambda: {"type": "object"})
    steps: tuple[StepDefinition, ...] = Field(min_length=1, max_length=MAX_STEPS)
    output: dict[Name, Cel] | None = None

    _functions: dict[tuple[str, CodeSetting], Callable[..., Any]] = PrivateAttr(
        default_factory=dict
    )

    @property
    def id(self) -> str:
        """`name@version`."""
        return f"{self.name}@{self.version}"

    @property
    def functions(self) -> dict[tuple[str, CodeSetting], Callable[..., Any]]:
        """The Python functions of a pipeline that was defined in code, by step and setting."""
        return self._functions

    def with_functions(
        self, functions: dict[tuple[str, CodeSetting], Callable[..., Any]]
    ) -> "PipelineDefinition":
        """Return the same definition with the functions that its steps name."""
        copy = self.model_copy()
        copy._functions = functions  # noqa: SLF001 - our own copy
        return copy

    @property
    def runs_side_by_side(self) -> bool:
        """Whether steps, or items of one, may run at the same time."""
        before: tuple[str, ...] = ()
        for step in self.steps:
            if step.for_each is not None or step.needs not in (None, before):
                return True
            before = (step.name,)
        return False

    def needs_of(self, step: StepDefinition) -> tuple[str, ...]:
        """Return the steps that come right before a step."""
        if step.needs is not None:
            return step.needs
        place = self.steps.index(step)
        return (self.steps[place - 1].name,) if place else ()
