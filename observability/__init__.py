"""Logging, metrics, traces and the budget question, usable by every room; knows none of them.

To add a metric: give it a field in `Metrics` and a line in `docs/`; labels are few and bounded
(never an execution, never a tenant).
"""

from observability.budget import (
    BudgetCheck,
    BudgetExceededException,
    BudgetService,
    get_budget_service,
)
from observability.metrics import Metrics, get_ai_metrics
from observability.tracing import AITracer, get_ai_tracer

__all__ = [
    "AITracer",
    "BudgetCheck",
    "BudgetExceededException",
    "BudgetService",
    "Metrics",
    "get_ai_metrics",
    "get_ai_tracer",
    "get_budget_service",
]
