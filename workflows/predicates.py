"""Conditions that are Python functions, as a local activity: the answer is in the run's history."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

from activities.types import (
    EVALUATE_PREDICATE,
    EvaluatePredicateInput,
    PredicateAnswer,
)

_TIMEOUT = timedelta(seconds=10)
_RETRY = RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_attempts=3)


def start_predicate(
    question: EvaluatePredicateInput,
) -> workflow.ActivityHandle[PredicateAnswer]:
    """Ask a step's function; it fails for good where the worker has no such function."""
    return workflow.start_local_activity(
        EVALUATE_PREDICATE,
        question,
        result_type=PredicateAnswer,
        start_to_close_timeout=_TIMEOUT,
        retry_policy=_RETRY,
        summary=f"{question.step} · when",
    )
