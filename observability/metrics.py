"""The product's metrics.

With `PROMETHEUS_MULTIPROC_DIR` set (as `perdure dev` does), every process of the machine writes to
that folder and each `/metrics` shows the sum; without it, each process shows its own.
"""

import os
from decimal import Decimal
from functools import cache

from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
    multiprocess,
)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_DURATIONS = (0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)  # s
_COSTS = (0.0001, 0.001, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 50)  # USD


class Metrics:
    """What is counted. `status` is how a run or a step ended."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        """Register every metric."""
        self._executions = Counter(
            "ai_pipeline_executions_total",
            "Pipeline executions that ended",
            ["pipeline_name", "status"],
            registry=registry,
        )
        self._duration = Histogram(
            "ai_pipeline_duration_seconds",
            "Duration of pipeline executions in seconds",
            ["pipeline_name", "status"],
            buckets=_DURATIONS,
            registry=registry,
        )
        self._cost = Histogram(
            "ai_pipeline_cost_usd",
            "Known cost of a pipeline execution in USD",
            ["pipeline_name"],
            buckets=_COSTS,
            registry=registry,
        )
        self._steps = Counter(
            "ai_step_executions_total",
            "Provider calls of steps that ended",
            ["capability", "provider", "status"],
            registry=registry,
        )
        self._budget = Counter(
            "ai_budget_exceeded_total",
            "Executions refused or stopped for lack of budget",
            ["policy"],
            registry=registry,
        )
        self._threshold = Counter(
            "ai_budget_threshold_total",
            "Months of a tenant in which four fifths of the limit were spent or reserved",
            ["policy"],
            registry=registry,
        )

        self._cooldowns = Counter(
            "ai_provider_cooldowns_total",
            "Times that a provider was found not to be worth asking for a while",
            ["provider", "code"],
            registry=registry,
        )

    def record_provider_cooldown(self, *, provider: str, code: str) -> None:
        """Count a provider that nobody is to ask for a while, by the error that said so."""
        self._cooldowns.labels(provider, code).inc()

    def record_pipeline_execution(
        self, *, pipeline_name: str, status: str, duration_seconds: float, total_cost_usd: Decimal
    ) -> None:
        """Count an execution that ended; the cost is the part that is known."""
        self._executions.labels(pipeline_name, status).inc()
        self._duration.labels(pipeline_name, status).observe(duration_seconds)
        self._cost.labels(pipeline_name).observe(float(total_cost_usd))

    def record_step_execution(self, *, capability: str, provider: str, status: str) -> None:
        """Count an attempt at a provider call that ended."""
        self._steps.labels(capability, provider, status).inc()

    def record_budget_exceeded(self, *, policy: str) -> None:
        """Count an execution that was refused or stopped for lack of budget."""
        self._budget.labels(policy).inc()

    def record_budget_threshold(self, *, policy: str) -> None:
        """Count a tenant's month that has come near its limit; once for each."""
        self._threshold.labels(policy).inc()


@cache
def get_ai_metrics() -> Metrics:
    """Return the process's metrics; the first call registers them."""
    return Metrics()


def exposed_registry() -> CollectorRegistry:
    """Return what `/metrics` shows: this process's metrics, or the machine's."""
    get_ai_metrics()
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return REGISTRY
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return registry


def render_metrics() -> bytes:
    """Return everything in Prometheus' text format."""
    return generate_latest(exposed_registry())
