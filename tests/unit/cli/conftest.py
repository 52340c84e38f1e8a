import socket
from collections.abc import Callable, Iterator

import pytest
from click.testing import CliRunner, Result

from cli.client import Api, Retry
from cli.main import main
from tests.unit.cli.fake_api import Fake, Server, serving

IMPATIENT = Retry(times=3, first=0.001, longest=0.001, patience=1)


@pytest.fixture(scope="session")
def _server() -> Iterator[tuple[Server, str]]:
    server = Server()
    with serving(server) as url:
        yield server, url


@pytest.fixture
def fake(_server: tuple[Server, str]) -> Fake:
    server, _ = _server
    server.fake = Fake()
    return server.fake


@pytest.fixture
def url(_server: tuple[Server, str], fake: Fake) -> str:
    del fake  # so that every test has one of its own
    return _server[1]


@pytest.fixture
def api(url: str) -> Iterator[Api]:
    with Api(url, starting=IMPATIENT, following=IMPATIENT) as api:
        yield api


@pytest.fixture
def perdure(url: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run the command against the fake API, with short waits between attempts."""
    monkeypatch.setenv("PERDURE_API_URL", url)
    monkeypatch.delenv("PERDURE_API_KEY", raising=False)

    def invoke(*args: str, stdin: str | None = None) -> Result:
        api = Api(url, starting=IMPATIENT, following=IMPATIENT)
        return CliRunner().invoke(main, args, input=stdin, obj=api, catch_exceptions=False)

    return invoke


@pytest.fixture
def unused_url() -> str:
    """An address where nobody listens: the port was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return f"http://127.0.0.1:{taken.getsockname()[1]}"
