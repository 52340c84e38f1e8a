"""The definition of a pipeline: an immutable, versioned, JSON-serialisable value.

The workflow gets the whole definition in its input, so a running execution never depends on what
is deployed or registered later.
"""

from typing import Annotated, Any, Self

from pydantic import Field, StringConstraints, model_validator

from providers.types import Capability, Value

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
"""The form of pipeline, step and output names."""

Version = Annotated[
    str,
    StringConstraints(
        # Semantic Versioning 2.0.0, the expression suggested at semver.org (read 2026-11-24).
        pattern=(
            r"^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)"
            r"(?:-((?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*))?"
            r"(?:\+([0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*))?$"
        ),
        max_length=64,
    ),
]

MAX_STEPS = 200


class RetryPolicy(Value):
    """How often one candidate is asked, and how long to wait between attempts.

    Attributes:
        initial_interval: Seconds before the second attempt.
        max_interval: Seconds, the longest wait.
    """

    max_attempts: int = Field(default=3, ge=1, le=100)
    initial_interval: float = Field(default=1, gt=0, le=3600)
    backoff_coefficient: float = Field(default=2, ge=1, le=10)
    max_interval: float = Field(default=30, gt=0, le=86400)


class FallbackPolicy(Value):
    """How many candidates may follow the first one."""

    max_fallbacks: int = Field(default=2, ge=0, le=20)


class StepDefinition(Value):
    """One step: a capability, where its request comes from, and what may go wrong.

    Attributes:
        providers: Preference; other providers follow by the registry's rank.
        timeout: Seconds for one attempt.
        input: A key of the context; absent takes the request's fields by their names.
        output: The key under which later steps find the response; default: the step's name.
        params: Fixed fields of the request; `${CEL}` inside strings is interpolated.
        when: CEL over the context; false skips the step.
        optional: Whether the run goes on without this step's output.
    """

    name: Name
    capability: Capability
    providers: tuple[str, ...] = ()
    fallback: FallbackPolicy = FallbackPolicy()
    retry: RetryPolicy = RetryPolicy()
    timeout: float = Field(default=300, gt=0, le=86400)
    input: Name | None = None
    output: Name | None = None
    params: dict[str, Any] = Field(default_factory=dict)
    when: str | None = None
    optional: bool = False

    @property
    def output_key(self) -> str:
        """Key of this step's response in the context."""
        return self.output or self.name


class PipelineDefinition(Value):
    """What runs. `name@version` is immutable.

    Attributes:
        timeout: Seconds for the whole run.
        input_schema: JSON Schema (2020-12) of the run's input.
        output: `{name: CEL}`; absent gives every step's output.
    """

    name: Name
    version: Version = "1.0.0"
    description: str = Field(default="", max_length=2000)
    timeout: float = Field(default=3600, ge=1, le=2_592_000)
    input_schema: dict[str, Any] = Field(default_factory=lambda: {"type": "object"})
    steps: tuple[StepDefinition, ...] = Field(min_length=1, max_length=MAX_STEPS)
    output: dict[Name, str] | None = None

    @property
    def id(self) -> str:
        """`name@version`."""
        return f"{self.name}@{self.version}"

    @model_validator(mode="after")
    def _unique(self) -> Self:
        for what, names in (
            ("step", [step.name for step in self.steps]),
            ("output", [step.output_key for step in self.steps]),
        ):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"{what} names must be unique; used twice: {', '.join(twice)}")
        return self
