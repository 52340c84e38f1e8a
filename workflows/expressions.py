"""The values of expressions, the same in every replay."""

from collections.abc import Mapping
from typing import Any

from temporalio import workflow
from temporalio.exceptions import FailureError

from activities.types import EVALUATE_EXPRESSION, EvaluateExpressionInput, ExpressionAnswer
from pipelines.errors import ExpressionError
from pipelines.expressions import evaluate, may_differ, names_in
from workflows.calls import LOCAL_RETRY, LOCAL_TIMEOUT, error_of
from workflows.stopping import Stopping


async def value_of(source: str, context: Mapping[str, Any], stopping: Stopping) -> Any:
    """Evaluate an expression: here, or in a local activity where its value may differ.

    Raises:
        ExpressionError: It does not compile, or its evaluation ends in an error.
        Stopped: The run must not go on.
    """
    if not may_differ(source):
        return evaluate(source, context)
    named = {name: context[name] for name in names_in(source, context)}
    stopping.check()
    try:
        answer = await stopping.watch(
            workflow.start_local_activity(
                EVALUATE_EXPRESSION,
                EvaluateExpressionInput(source=source, context=named),
                result_type=ExpressionAnswer,
                start_to_close_timeout=LOCAL_TIMEOUT,
                retry_policy=LOCAL_RETRY,
                summary="an expression over a mapping",
            )
        )
    except FailureError as problem:
        stopping.check()
        raise ExpressionError(error_of(problem).message) from None
    return answer.value
