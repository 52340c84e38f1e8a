"""`evaluate_expression`: what may have another value in another process is evaluated once."""

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.types import EVALUATE_EXPRESSION, EvaluateExpressionInput, ExpressionAnswer
from pipelines.errors import ExpressionError
from pipelines.expressions import evaluate


@activity.defn(name=EVALUATE_EXPRESSION)
async def evaluate_expression(question: EvaluateExpressionInput) -> ExpressionAnswer:
    """Evaluate a CEL expression; its value is in the run's history from then on.

    No side effect.

    Raises:
        ApplicationError: `expression`, not retryable: its evaluation ends in an error.
    """
    try:
        return ExpressionAnswer(value=evaluate(question.source, question.context))
    except ExpressionError as error:
        raise ApplicationError(str(error), type=error.code, non_retryable=True) from None
