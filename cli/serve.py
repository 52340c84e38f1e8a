"""`perdure api` and `perdure worker`: one process each."""

import ipaddress
import os
import socket

import click

from cli.configured import prepare_or_exit, settings_or_exit
from cli.errors import UsageMistakeError
from settings import SettingsError


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65535))
def api(host: str, port: int) -> None:
    """Serve the REST, SSE and WebSocket API."""
    from api.server import create_server  # noqa: PLC0415 - `--help` does not need it
    from observability.logs import configure_logging  # noqa: PLC0415

    settings = settings_or_exit()
    if not _is_loopback(host):
        raise UsageMistakeError(
            f"With AI_AUTH=off the API listens on loopback addresses only, not on {host}. "
            "Use --host 127.0.0.1."
        )
    prepare_or_exit(settings)
    listener = _listen(host, port)
    configure_logging(settings.ai_log_format)
    try:
        server = create_server(settings)
    except SettingsError as error:
        raise UsageMistakeError(str(error)) from None
    server.run(sockets=[listener])


@click.command()
def worker() -> None:
    """Run steps: poll Temporal and call providers."""
    from worker import main  # noqa: PLC0415 - `--help` does not need it

    main()


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server(
            (host, port),
            family=socket.AF_INET6 if ":" in host else socket.AF_INET,
            backlog=2048,
        )
    except OSError as error:
        raise UsageMistakeError(
            f"Port {port} on {host} can't be used ({os.strerror(error.errno or 0)}): "
            "stop what uses it, or choose another with --port."
        ) from None
