"""`evaluate_predicate`: the Python function of a step's `when`, asked once.

The answer is in the run's history. A replay reads it there, so a running execution does not notice
when the function changes later.
"""

import asyncio
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.types import (
    EVALUATE_PREDICATE,
    FUNCTION_NOT_FOUND,
    ErrorInfo,
    EvaluatePredicateInput,
    PredicateAnswer,
)
from pipelines.errors import ExpressionError
from pipelines.model import CodeSetting

Functions = Mapping[str, Mapping[tuple[str, CodeSetting], Callable[..., Any]]]
"""The functions of pipelines that were defined in code, by `name@version`."""

_TIMEOUT = 5.0  # s; a condition looks at what is there, it does not go and ask

log = structlog.get_logger(__name__)


class PredicateActivities:
    """Asks the functions that this worker has."""

    def __init__(self, functions: Functions) -> None:
        """Take the functions; more may be added to the mapping while the worker runs."""
        self._functions = functions

    @activity.defn(name=EVALUATE_PREDICATE)
    async def evaluate_predicate(self, question: EvaluatePredicateInput) -> PredicateAnswer:
        """Ask one function. It runs in a thread; a function that fails or hangs says no.

        Side effect: the function's own. Cancellation: the answer is not waited for.

        Raises:
            ApplicationError: not retryable, when this worker has no such function.
        """
        function = self._functions.get(question.pipeline, {}).get((question.step, "when"))
        if function is None:
            raise ApplicationError(
                f"This worker has no Python condition for step '{question.step}' of "
                f"{question.pipeline}: register the pipeline with the worker (entry point group "
                "'perdure.pipelines') and start it again, or write the condition in CEL.",
                type=FUNCTION_NOT_FOUND,
                non_retryable=True,
            )
        try:
            async with asyncio.timeout(_TIMEOUT):
                wanted, problem = await asyncio.to_thread(_ask, function, question.context)
        except TimeoutError:
            wanted, problem = False, f"gave no answer within {_TIMEOUT:g} s"
        if problem is None:
            return PredicateAnswer(wanted=wanted)
        # Without the reason: an exception's text may hold what people said.
        log.warning("condition failed", pipeline=question.pipeline, step=question.step)
        message = f"The condition of step '{question.step}' {problem}."
        error = ErrorInfo(code=ExpressionError.code, message=message, step=question.step)
        return PredicateAnswer(wanted=False, error=error)


def _ask(
    function: Callable[[dict[str, Any]], object], context: dict[str, Any]
) -> tuple[bool, str | None]:
    """Return the answer, or what went wrong.

    Everything is caught on this side: a `StopIteration` can't leave a thread through a future.
    """
    try:
        answer = function(context)
        if inspect.iscoroutine(answer):
            answer.close()
            return False, "is a coroutine function; it must be a plain one"
        return bool(answer), None
    except Exception as error:  # noqa: BLE001 - the function is the user's
        return False, f"raised {type(error).__name__}: {error}"
