from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import DATABASES, PostgresServer


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run every test that talks to a database on both."""
    for fixture in ("database_url", "new_database_url"):
        if fixture in metafunc.fixturenames:
            metafunc.parametrize(fixture, DATABASES, indirect=True)


@pytest.fixture
def new_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database that nobody has migrated yet."""
    if request.param == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path / 'new' / 'ledger.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    with server.database(migrated=False) as url:
        yield url
