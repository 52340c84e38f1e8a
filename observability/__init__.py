"""Logging and metrics, usable by every room; knows none of them.

To add a metric: give it a field in `Metrics` and a line in `docs/`; labels are few and bounded
(never an execution, never a tenant).
"""

from observability.metrics import Metrics, get_ai_metrics

__all__ = ["Metrics", "get_ai_metrics"]
