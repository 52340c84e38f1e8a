"""`/metrics` of a process that serves nothing else."""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from prometheus_client import start_http_server

from observability.metrics import exposed_registry

_HOST = "127.0.0.1"

log = structlog.get_logger(__name__)


@contextmanager
def serve_metrics(port: int) -> Iterator[str]:
    """Serve until the block ends; yields the address. A port that is taken is replaced."""
    registry = exposed_registry()
    try:
        server, thread = start_http_server(port, _HOST, registry)
    except OSError:
        server, thread = start_http_server(0, _HOST, registry)
        log.warning("metrics port is taken, using another", wanted=port, mend="set AI_METRICS_PORT")
    try:
        yield f"http://{_HOST}:{server.server_port}/metrics"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
