"""`perdure db upgrade`, on both databases."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.database import newest_revision
from tests.postgres import DATABASES, PASSWORD, PostgresServer
from tests.unit.cli.surroundings import run_perdure, surroundings


@pytest.fixture(autouse=True)
def _nothing_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with surroundings(tmp_path, monkeypatch):
        yield


@pytest.fixture(params=DATABASES)
def url(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """Set AI_DATABASE_URL to a database without tables."""
    if request.param == "sqlite":
        address = f"sqlite+aiosqlite:///{tmp_path / 'new' / 'ledger.db'}"
        monkeypatch.setenv("AI_DATABASE_URL", address)
        yield address
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    with server.database(migrated=False) as address:
        monkeypatch.setenv("AI_DATABASE_URL", address)
        yield address


@pytest.mark.usefixtures("url")
def test_it_tells_from_which_revision_to_which() -> None:
    newest = newest_revision()
    assert run_perdure("db", "upgrade").stdout == f"from an empty database to {newest}\n"
    assert run_perdure("db", "upgrade").stdout == f"at revision {newest} already\n"


@pytest.mark.usefixtures("url")
def test_it_tells_so_in_json_too() -> None:
    newest = newest_revision()
    for before in (None, newest):
        done = run_perdure("db", "upgrade", "--json")
        assert (done.exit_code, json.loads(done.stdout)) == (0, {"from": before, "to": newest})


def test_the_database_in_the_data_folder_is_the_default(tmp_path: Path) -> None:
    assert run_perdure("db", "upgrade").exit_code == 0
    assert (tmp_path / ".perdure" / "perdure.db").exists()


def test_a_data_folder_that_can_not_be_written_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AI_DATA_DIR", "/proc/nowhere")
    done = run_perdure("db", "upgrade")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("error: AI_DATA_DIR: ")


def test_no_data_folder_is_needed_where_the_database_is_elsewhere(tmp_path: Path, url: str) -> None:
    assert run_perdure("db", "upgrade").exit_code == 0
    assert not (tmp_path / ".perdure").exists(), url


def test_a_database_that_can_not_be_opened_is_one_line_without_the_password(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AI_DATABASE_URL", postgres.url("nowhere"))
    done = run_perdure("db", "upgrade")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("error: AI_DATABASE_URL: ")
    assert len(done.stderr.splitlines()) == 1
    assert PASSWORD not in done.stderr


def doctor() -> dict[str, str]:
    checks = json.loads(run_perdure("doctor", "--json").stdout)["checks"]
    return next(check for check in checks if check["name"] == "database")


def test_the_doctor_looks_at_postgresql_and_makes_nothing(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with postgres.database(migrated=False) as url:
        monkeypatch.setenv("AI_DATABASE_URL", url)
        for _ in range(2):
            check = doctor()
            assert (check["status"], check["found"].partition(", ")[2]) == (
                "note",
                "without tables",
            )
            assert "perdure db upgrade" in check["mend"]
        run_perdure("db", "upgrade")
        check = doctor()
        assert check["status"] == "ok"
        assert check["found"] == f"{url.replace(PASSWORD, '***')}, at migration {newest_revision()}"


def test_the_doctor_tells_why_postgresql_can_not_be_opened(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AI_DATABASE_URL", postgres.url("nowhere"))
    check = doctor()
    assert check["status"] == "problem"
    assert "InvalidCatalogNameError" in check["found"]
    assert PASSWORD not in str(check)
