"""How runs end, on a real server with scripted providers."""

from decimal import Decimal
from typing import Any

import pytest
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError

from events.store import EventStore, StoreClosed
from providers.errors import (
    InvalidRequest,
    ProviderError,
    ProviderFault,
    ProviderUnavailable,
    RateLimited,
    Refused,
    UnsupportedInput,
)
from providers.types import Capability, QualityTier
from tests.runs import StartWorker, plain, progress, redact_then_summarize, start
from tests.scripted import Hang, ScriptedAdapter, answer, fail
from workflows.types import RunResult, RunStatus, StepState


async def failure_of(handle: WorkflowHandle[Any, Any]) -> ApplicationError:
    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result()
    assert isinstance(caught.value.cause, ApplicationError)
    return caught.value.cause


async def test_a_run_completes_with_every_steps_output(start_worker: StartWorker) -> None:
    worker = await start_worker(ScriptedAdapter())
    handle = await start(worker, redact_then_summarize())
    result = await handle.result()
    assert RunResult.model_validate(result).output == {
        "redacted": {"text": "[NAME] called", "segments": None, "entities": []},
        "summary": {"text": "in short"},
    }


async def test_a_step_gets_the_output_of_an_earlier_one(start_worker: StartWorker) -> None:
    adapter = ScriptedAdapter()
    worker = await start_worker(adapter)
    handle = await start(worker, redact_then_summarize())
    await handle.result()
    assert adapter.calls[1].request.model_dump()["text"] == "[NAME] called"


async def test_an_output_mapping_chooses_what_the_run_returns(start_worker: StartWorker) -> None:
    worker = await start_worker(ScriptedAdapter())
    definition = redact_then_summarize().model_copy(update={"output": {"short": "summary.text"}})
    handle = await start(worker, definition)
    assert (await handle.result())["output"] == {"short": "in short"}


async def test_a_params_template_reaches_the_provider(start_worker: StartWorker) -> None:
    adapter = ScriptedAdapter()
    worker = await start_worker(adapter)
    definition = redact_then_summarize(params={"text": "Short, please: ${redacted.text}"})
    handle = await start(worker, definition)
    await handle.result()
    assert adapter.calls[1].request.model_dump()["text"] == "Short, please: [NAME] called"


async def test_a_three_step_run_stays_within_its_history_budget(start_worker: StartWorker) -> None:
    worker = await start_worker(ScriptedAdapter())
    two = redact_then_summarize()
    third = two.steps[1].model_copy(update={"name": "again", "output": "again"})
    handle = await start(worker, two.model_copy(update={"steps": (*two.steps, third)}))
    await handle.result()
    assert len((await handle.fetch_history()).events) <= 6 * 3 + 12


async def test_a_false_condition_skips_the_step(start_worker: StartWorker) -> None:
    adapter = ScriptedAdapter()
    worker = await start_worker(adapter)
    handle = await start(worker, redact_then_summarize(when="size(redacted.text) > 500"))
    assert (await handle.result())["output"]["summary"] is None
    assert [call.capability for call in adapter.calls] == [Capability.PII_REDACTION]
    assert (await progress(handle)).steps[1].status == StepState.SKIPPED


@pytest.mark.parametrize(
    ("when", "reason"),
    [
        ("redacted.nothing > 1", "nothing"),
        ("redacted.text", "it gives a text, expected true or false"),
    ],
)
async def test_a_condition_that_cannot_be_evaluated_skips_and_says_why(
    start_worker: StartWorker, when: str, reason: str
) -> None:
    worker = await start_worker(ScriptedAdapter())
    handle = await start(worker, redact_then_summarize(when=when))
    await handle.result()
    step = (await progress(handle)).steps[1]
    assert step.status == StepState.SKIPPED
    assert step.error is not None
    assert reason in step.error.message


async def test_an_expression_that_goes_over_a_mapping_is_evaluated_once(
    start_worker: StartWorker,
) -> None:
    """Its keys come in an order that is drawn anew for each process: the first one counts."""
    names = dict.fromkeys("abcdefgh", 1)
    definition = redact_then_summarize().model_copy(
        update={"output": {"names": "names.map(name, name)", "text": "summary.text"}}
    )
    worker = await start_worker(ScriptedAdapter())
    handle = await start(worker, definition, input_data={"text": "Jane", "names": names})
    output = (await handle.result())["output"]
    assert sorted(output["names"]) == sorted(names)
    assert output["text"] == "in short"
    history = await handle.fetch_history()
    assert sum(b"evaluate_expression" in event.SerializeToString() for event in history.events) == 1


async def test_a_retryable_error_is_retried_at_the_same_candidate(
    start_worker: StartWorker,
) -> None:
    adapter = ScriptedAdapter(fail(ProviderFault("busy")), fail(RateLimited("slow")), answer())
    other = ScriptedAdapter(name="other", tier=QualityTier.BASIC)
    worker = await start_worker(adapter, other)
    handle = await start(worker, redact_then_summarize())
    await handle.result()
    step = (await progress(handle)).steps[0]
    assert (step.provider, step.attempts) == ("scripted", 3)
    assert other.calls == []


async def test_a_used_up_candidate_is_followed_by_the_next(start_worker: StartWorker) -> None:
    adapter = ScriptedAdapter(fail(ProviderFault("down")))
    other = ScriptedAdapter(name="other", tier=QualityTier.BASIC)
    worker = await start_worker(adapter, other)
    handle = await start(worker, redact_then_summarize())
    await handle.result()
    step = (await progress(handle)).steps[0]
    assert (step.provider, step.attempts) == ("other", 4)
    assert [len(adapter.calls), len(other.calls)] == [3 + 2, 2]


@pytest.mark.parametrize("error", [ProviderUnavailable("no key"), UnsupportedInput("one channel")])
async def test_what_only_this_provider_cannot_do_goes_to_the_next_at_once(
    start_worker: StartWorker, error: ProviderError
) -> None:
    adapter = ScriptedAdapter(fail(error))
    other = ScriptedAdapter(name="other", tier=QualityTier.BASIC)
    worker = await start_worker(adapter, other)
    handle = await start(worker, redact_then_summarize())
    await handle.result()
    assert [len(adapter.calls), len(other.calls)] == [2, 2]


async def test_a_wrong_input_is_offered_to_nobody_else(start_worker: StartWorker) -> None:
    adapter = ScriptedAdapter(fail(InvalidRequest("too odd")))
    other = ScriptedAdapter(name="other", tier=QualityTier.BASIC)
    worker = await start_worker(adapter, other)
    handle = await start(worker, redact_then_summarize())
    failure = await failure_of(handle)
    assert (failure.type, failure.message) == ("invalid_request", "too odd")
    assert [len(adapter.calls), len(other.calls)] == [1, 0]


async def test_a_refusal_goes_to_the_next_where_the_step_says_so(
    start_worker: StartWorker,
) -> None:
    adapter = ScriptedAdapter(answer(), fail(Refused("the model declined")))
    other = ScriptedAdapter(name="other", tier=QualityTier.BASIC)
    worker = await start_worker(adapter, other)
    handle = await start(worker, redact_then_summarize(on_refusal="fallback"))
    assert (await handle.result())["output"]["summary"] == {"text": "in short"}
    assert [len(adapter.calls), len(other.calls)] == [2, 1]


async def test_a_refusal_fails_the_step_otherwise(start_worker: StartWorker) -> None:
    adapter = ScriptedAdapter(answer(), fail(Refused("the model declined")))
    other = ScriptedAdapter(name="other", tier=QualityTier.BASIC)
    worker = await start_worker(adapter, other)
    handle = await start(worker, redact_then_summarize())
    assert (await failure_of(handle)).type == "refused"
    assert other.calls == []


async def test_preferred_providers_are_asked_first(start_worker: StartWorker) -> None:
    better = ScriptedAdapter(name="better", tier=QualityTier.PREMIUM)
    wanted = ScriptedAdapter(name="wanted", tier=QualityTier.BASIC)
    worker = await start_worker(better, wanted)
    handle = await start(worker, redact_then_summarize(providers=("wanted",)))
    await handle.result()
    assert [len(better.calls), len(wanted.calls)] == [1, 1]


async def test_a_run_whose_providers_all_fail_names_each_last_error(
    start_worker: StartWorker,
) -> None:
    first = ScriptedAdapter(fail(ProviderFault("down")))
    second = ScriptedAdapter(fail(ProviderUnavailable("no key")), name="other")
    worker = await start_worker(first, second)
    handle = await start(worker, redact_then_summarize())
    failure = await failure_of(handle)
    assert failure.type == "all_providers_failed"
    status = await progress(handle)
    assert status.status == RunStatus.FAILED
    assert status.error is not None
    assert {(error.provider, error.code) for error in status.error.candidates or ()} == {
        ("scripted", "provider_fault"),
        ("other", "provider_unavailable"),
    }
    assert [step.status for step in status.steps] == [StepState.FAILED, StepState.PENDING]


async def test_an_optional_step_may_fail(start_worker: StartWorker) -> None:
    worker = await start_worker(ScriptedAdapter(answer(), fail(InvalidRequest("too odd"))))
    handle = await start(worker, redact_then_summarize(optional=True))
    assert (await handle.result())["output"]["summary"] is None
    status = await progress(handle)
    assert [step.status for step in status.steps] == [StepState.COMPLETED, StepState.FAILED]
    assert status.status == RunStatus.COMPLETED


async def test_an_optional_step_without_a_provider_is_skipped_with_the_reason(
    start_worker: StartWorker,
) -> None:
    available = ScriptedAdapter(capabilities=[Capability.PII_REDACTION])
    unavailable = ScriptedAdapter(name="keyless", available=False)
    worker = await start_worker(available, unavailable)
    handle = await start(worker, redact_then_summarize(optional=True))
    await handle.result()
    step = (await progress(handle)).steps[1]
    assert step.status == StepState.SKIPPED
    assert step.error is not None
    assert step.error.code == "no_provider_available"
    assert "keyless has no key." in step.error.message


async def test_a_needed_step_without_a_provider_fails_the_run(start_worker: StartWorker) -> None:
    worker = await start_worker(ScriptedAdapter(available=False))
    handle = await start(worker, redact_then_summarize())
    assert (await failure_of(handle)).type == "no_provider_available"


async def test_a_run_that_takes_too_long_is_stopped_and_settled(
    start_worker: StartWorker, hang: Hang
) -> None:
    worker = await start_worker(ScriptedAdapter(hang))
    definition = redact_then_summarize().model_copy(update={"timeout": 1})
    handle = await start(worker, definition)
    assert (await failure_of(handle)).type == "timed_out"
    assert hang.cancelled.is_set()
    assert (await progress(handle)).steps[0].status == StepState.CANCELLED


async def test_an_attempt_that_takes_too_long_is_a_provider_fault(
    start_worker: StartWorker, hang: Hang
) -> None:
    worker = await start_worker(ScriptedAdapter(hang, answer()))
    definition = redact_then_summarize()
    first = definition.steps[0].model_copy(update={"timeout": 0.3})
    handle = await start(
        worker, definition.model_copy(update={"steps": (first, definition.steps[1])})
    )
    await handle.result()
    assert (await progress(handle)).steps[0].attempts == 2


async def test_every_answer_has_its_entry_and_the_total_is_theirs(
    start_worker: StartWorker,
) -> None:
    worker = await start_worker(ScriptedAdapter(answer(characters=7), answer(characters=5)))
    handle = await start(worker, redact_then_summarize())
    await handle.result()
    lines = await worker.lines_of(handle.id)
    assert [(line.step, line.cost_usd) for line in lines] == [
        ("redact", Decimal("0.007")),
        ("summarize", Decimal("0.005")),
    ]
    assert (await progress(handle)).total_cost_usd == Decimal("0.012")


async def test_an_unknown_price_makes_the_total_unknown_never_zero(
    start_worker: StartWorker,
) -> None:
    worker = await start_worker(ScriptedAdapter(price=None))
    handle = await start(worker, redact_then_summarize())
    await handle.result()
    status = await progress(handle)
    assert status.total_cost_usd is None
    assert status.known_cost_usd == 0


async def test_the_query_and_the_projection_are_one_model(start_worker: StartWorker) -> None:
    adapter = ScriptedAdapter(fail(ProviderFault("busy")), answer(), fail(InvalidRequest("odd")))
    worker = await start_worker(adapter)
    handle = await start(worker, redact_then_summarize(optional=True), tags={"team": "support"})
    await handle.result()
    projection, _ = await EventStore(worker.client).read(handle.id)
    assert plain(projection.status) == plain(await progress(handle))


async def test_operators_read_pipeline_step_and_provider(start_worker: StartWorker) -> None:
    worker = await start_worker(ScriptedAdapter())
    handle = await start(worker, redact_then_summarize(), tags={"team": "support"})
    await handle.result()
    description = await handle.describe()
    assert description.status == WorkflowExecutionStatus.COMPLETED
    assert await description.static_summary() == "two_steps@1.0.0"
    attributes = {pair.key.name: pair.value for pair in description.typed_search_attributes}
    assert attributes.pop("BuildIds")
    assert attributes == {
        "PipelineName": "two_steps",
        "PipelineVersion": "1.0.0",
        "TenantId": "tenant-1",
        "PipelineTags": ["team:support"],
    }
    summaries = [
        worker.client.data_converter.payload_converter.from_payload(event.user_metadata.summary)
        for event in (await handle.fetch_history()).events
        if event.HasField("activity_task_scheduled_event_attributes")
    ]
    assert summaries == ["redact · scripted/model-1", "summarize · scripted/model-1"]


async def test_a_store_that_is_closed_lets_a_late_listener_go(
    start_worker: StartWorker, hang: Hang
) -> None:
    worker = await start_worker(ScriptedAdapter(hang))
    handle = await start(worker, redact_then_summarize())
    store = EventStore(worker.client)
    await store.close()
    with pytest.raises(StoreClosed):
        await anext(store.subscribe(handle.id))
