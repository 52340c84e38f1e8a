"""Names and payloads of the activities. Wire names never change."""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from pipelines.model import PipelineDefinition, StepDefinition
from providers.types import Money, Usage, Value

MAX_PAYLOAD_BYTES = 1_900_000
"""Temporal refuses a payload of 2 MiB and more, as an error that is retried and paid for again."""

LEDGER_PATIENCE = 60.0
"""Seconds for which a call waits for the ledger's database to come back."""

ADMIT = "admit"
CALL_PROVIDER = "call_provider"
SETTLE = "settle"
REQUEST_CANCELLATION = "request_cancellation"
EVALUATE_PREDICATE = "evaluate_predicate"
EVALUATE_EXPRESSION = "evaluate_expression"
SWEEP = "sweep_reservations"
PROBE_RECORDINGS = "probe_recordings"

FUNCTION_NOT_FOUND = "function_not_found"
"""Type of the error of a worker that has not the function which a definition names."""


class Candidate(Value):
    """Who may be asked for a step."""

    provider: str
    model: str

    def __str__(self) -> str:
        """`provider/model`, as operators read it."""
        return f"{self.provider}/{self.model}"


class CandidateError(Value):
    """The last error of one candidate."""

    provider: str
    model: str
    code: str
    message: str


class ErrorInfo(Value):
    """What went wrong: the same object in a step, a run, an event and a result."""

    code: str
    message: str
    retryable: bool = False
    step: str | None = None
    provider: str | None = None
    candidates: tuple[CandidateError, ...] | None = None


class CallFailure(Value):
    """The details of a failed provider call.

    Attributes:
        attempt: Which attempt this was, from 1; 0 where nobody has been asked.
        fallback: Whether the next candidate may be asked.
        cost_usd: Over all attempts at this call; null when unknown.
    """

    code: str
    message: str
    retryable: bool
    fallback: bool
    attempt: int
    cost_usd: Money | None = None


Outcome = Literal["skipped", "failed", "completed", "item_failed"]


class StepNote(Value):
    """A decision of the interpreter that no Temporal event shows by itself.

    Notes travel with the next command (a call's input, the settlement), so that history holds
    them at no event of their own and the projection only has to read.

    Attributes:
        item: Which item of the step's `for_each`, from 0; null for the step as a whole.
        items: How many there are.
    """

    step: str
    outcome: Outcome
    error: ErrorInfo | None
    message: str
    item: int | None = None
    items: int | None = None
    at: datetime


class RecordingLength(Value):
    """What a remote recording says of itself; channels are null where it does not say."""

    seconds: float
    channels: int | None


class ProbeInput(Value):
    """Ask what recordings at remote addresses say of themselves."""

    urls: tuple[str, ...]


class Probed(Value):
    """What they say, by their addresses; null where one could not be had or does not tell."""

    recordings: dict[str, RecordingLength | None]


class AdmitInput(Value):
    """Ask for a run to be admitted.

    Attributes:
        probed: What the remote recordings say, once somebody has looked.
        input_data: What the run is estimated by.
        max_cost_usd: The most that the run may spend, where it has a cap.
    """

    tenant_id: str
    execution_id: str
    definition: PipelineDefinition
    input_data: dict[str, Any]
    tags: dict[str, str] = Field(default_factory=dict)
    max_cost_usd: Money | None = None
    probed: Probed | None = None


class StepPlan(Value):
    """Who will be asked for a step, in order; nobody, with the reason."""

    candidates: tuple[Candidate, ...]
    reason: str | None = None


class Admission(Value):
    """What was decided when the run was admitted.

    Attributes:
        plans: The plan of every step, by its name.
        needs_bounds: Whether a hard limit holds, so that each call needs an upper bound.
        to_probe: Remote recordings whose length decides what is reserved: the run is to be admitted
            again when they have been looked at.
    """

    plans: dict[str, StepPlan]
    needs_bounds: bool = False
    to_probe: tuple[str, ...] = ()


class CallProviderInput(Value):
    """One call of one step to one candidate.

    Attributes:
        call_id: Idempotency key, equal for every attempt at this call.
        earlier_attempts: Attempts at this call before Temporal's count began anew.
        context: The values that the step's request is made from.
        position: The candidate's place in the chain, from 0.
        is_last: Whether no other candidate follows.
        item: Which item of the step's `for_each` this is for, from 0; null without.
        items: How many there are.
        needs_bound: Whether a hard limit held when the run was admitted.
        deadline: When the run's time is up; nobody waits longer for a provider.
        scheduled_at: When the interpreter decided to make the call.
        notes: Decisions since the previous command.
    """

    tenant_id: str
    execution_id: str
    pipeline: str
    step: StepDefinition
    candidate: Candidate
    call_id: str
    earlier_attempts: int
    context: dict[str, Any]
    position: int
    is_last: bool = False
    item: int | None = None
    items: int | None = None
    needs_bound: bool = False
    deadline: datetime | None = None
    scheduled_at: datetime
    notes: tuple[StepNote, ...] = ()


class CallProviderResult(Value):
    """The envelope of an answer.

    Attributes:
        cost_usd: Over all attempts at this call; null when unknown.
        attempt: The attempt that was answered.
        output: The capability's response.
    """

    provider: str
    model: str
    usage: Usage
    cost_usd: Money | None
    attempt: int
    completed_at: datetime
    output: dict[str, Any]


class EvaluatePredicateInput(Value):
    """Ask the Python function of a step's `when`.

    Attributes:
        pipeline: `name@version`, under which the worker has the functions.
        context: The run's input and the outputs so far.
    """

    pipeline: str
    step: str
    context: dict[str, Any]


class EvaluateExpressionInput(Value):
    """Ask for the value of an expression that may differ from process to process.

    Attributes:
        context: The values that it names.
    """

    source: str
    context: dict[str, Any]


class ExpressionAnswer(Value):
    """The value, as it is from then on."""

    value: Any


class PredicateAnswer(Value):
    """What a predicate said; with an error, why it could not."""

    wanted: bool
    error: ErrorInfo | None = None


class SettleInput(Value):
    """Ask for the final account of a run."""

    tenant_id: str
    execution_id: str
    pipeline_name: str
    status: Literal["completed", "failed", "cancelled"]
    error: ErrorInfo | None
    started_at: datetime
    notes: tuple[StepNote, ...] = ()


class Settlement(Value):
    """How a run ended and what it cost, as the ledger has it.

    Attributes:
        total_cost_usd: Null when a part is unknown.
        known_cost_usd: The part that is known.
        completed_at: When the account was made.
        notes: Those of the input, so that they are in history.
    """

    status: Literal["completed", "failed", "cancelled"]
    error: ErrorInfo | None
    total_cost_usd: Money | None
    known_cost_usd: Money
    completed_at: datetime
    notes: tuple[StepNote, ...] = Field(default=())


class Swept(Value):
    """How many reservations were looked at, by what was done with them.

    Attributes:
        extended: Their runs are under way.
        released: Their runs are closed, or were never started.
        kept: Temporal did not tell.
    """

    extended: int
    released: int
    kept: int


def whole_ms(moment: datetime) -> datetime:
    """Cut a time to whole milliseconds, which survive every encoding."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
