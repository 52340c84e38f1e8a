"""Log lines and metrics, as operators get them."""

import json
import socket
import subprocess
import sys
import urllib.request
from decimal import Decimal

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from observability.metrics import Metrics
from observability.server import serve_metrics

LOGGING = """
import logging, structlog
from observability.logs import configure_logging
configure_logging("{form}")
structlog.contextvars.bind_contextvars(execution_id="exec-1", step="redact")
structlog.get_logger("ours").info("call answered", attempt=2)
logging.getLogger("theirs").warning("slow %s", "disk")
said = "my name is " + "Anna"
try:
    1 / 0
except ZeroDivisionError:
    structlog.get_logger("ours").exception("crashed")
"""


def lines(form: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", LOGGING.format(form=form)],
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout == ""
    return done.stderr.splitlines()


def test_every_json_line_is_one_object_with_its_context() -> None:
    ours, theirs, crashed = (json.loads(line) for line in lines("json"))
    assert (ours["event"], ours["level"], ours["logger"]) == ("call answered", "info", "ours")
    assert (ours["execution_id"], ours["step"], ours["attempt"]) == ("exec-1", "redact", 2)
    assert (theirs["event"], theirs["level"]) == ("slow disk", "warning")
    assert theirs["execution_id"] == "exec-1"
    assert crashed["exception"][0]["exc_type"] == "ZeroDivisionError"


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_traceback_shows_no_local_variables(form: str) -> None:
    text = "\n".join(lines(form))
    assert "ZeroDivisionError" in text
    assert "Anna" not in text


def test_a_console_line_has_its_context_and_no_colour_in_a_pipe() -> None:
    first = lines("console")[0]
    assert "call answered" in first
    assert "execution_id=exec-1" in first
    assert "\x1b" not in first


def test_every_metric_is_counted_under_its_name() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    metrics.record_pipeline_execution(
        pipeline_name="p", status="success", duration_seconds=3, total_cost_usd=Decimal("0.02")
    )
    metrics.record_step_execution(capability="c", provider="v", status="success")
    metrics.record_budget_exceeded(policy="hard_block")
    text = generate_latest(registry).decode()
    for sample in (
        'ai_pipeline_executions_total{pipeline_name="p",status="success"} 1.0',
        'ai_pipeline_duration_seconds_sum{pipeline_name="p",status="success"} 3.0',
        'ai_pipeline_cost_usd_sum{pipeline_name="p"} 0.02',
        'ai_step_executions_total{capability="c",provider="v",status="success"} 1.0',
        'ai_budget_exceeded_total{policy="hard_block"} 1.0',
    ):
        assert sample in text


def read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - ours, on this machine
        return str(answer.read().decode())


def test_metrics_are_served_until_the_block_ends() -> None:
    with serve_metrics(0) as address:
        assert "ai_step_executions_total" in read(address)
    with pytest.raises(OSError, match="refused"):
        read(address)


def test_a_metrics_port_that_is_taken_is_replaced() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with serve_metrics(port) as address:
            assert f":{port}/" not in address
            assert "ai_step_executions_total" in read(address)
