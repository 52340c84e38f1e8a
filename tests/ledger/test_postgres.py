"""What only PostgreSQL can do to us: be away, be busy, be silent, be somebody else's."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from devserver import free_port
from ledger.database import Migrated, create_engine, find_revision, migrate, reading
from ledger.postgres import Patience, wait_for_migrations
from settings import SettingsError
from tests.postgres import PASSWORD, PostgresServer
from tests.relay import Relay

SHORT = Patience(connection=1, lock=0.2, statement=0.5, idle=0.1, answer=1)


@pytest.fixture
def url(postgres: PostgresServer) -> Iterator[str]:
    with postgres.database() as url:
        yield url


@asynccontextmanager
async def engine_at(url: str, patience: Patience | None = None) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(url, patience)
    try:
        yield engine
    finally:
        await engine.dispose()


async def value(connection: AsyncConnection, query: str) -> object:
    return (await connection.execute(text(query))).scalar_one()


async def ask(engine: AsyncEngine, query: str = "SELECT 1") -> object:
    async with reading(engine) as connection:
        return await value(connection, query)


async def test_a_session_is_ours_whatever_the_servers_defaults_are(url: str) -> None:
    async with engine_at(url) as engine:
        for isolation in ("transaction_isolation", "default_transaction_isolation"):
            assert await ask(engine, f"SHOW {isolation}") == "read committed"
        assert await ask(engine, "SHOW timezone") == "UTC"
        assert await ask(engine, "SELECT CAST(DATE '2026-11-28' AS text)") == "2026-11-28"
        assert await ask(engine, "SHOW statement_timeout") == "30s"
        assert await ask(engine, "SHOW application_name") == "perdure"
        async with engine.begin() as connection:
            assert await value(connection, "SHOW transaction_isolation") == "read committed"


async def test_a_read_waits_for_no_writer_and_is_no_transaction(url: str) -> None:
    async with engine_at(url, SHORT) as engine, engine.begin() as writer:
        await writer.execute(text("DELETE FROM alembic_version"))
        assert await ask(engine, "SELECT version_num FROM alembic_version")
        async with reading(engine) as connection:
            first = await value(connection, "SELECT CAST(now() AS text)")
            assert await value(connection, "SELECT CAST(now() AS text)") != first


@pytest.mark.parametrize(
    ("mistake", "reason"),
    [
        ({"password": "wrong-password"}, "InvalidPasswordError: password authentication failed"),
        ({"database": "nowhere"}, "InvalidCatalogNameError: database"),
        ({"port": 1}, "ConnectionRefusedError: "),
    ],
    ids=["password", "database", "port"],
)
async def test_a_database_that_can_not_be_opened_is_one_line_without_the_password(
    postgres: PostgresServer, mistake: dict[str, str], reason: str
) -> None:
    port = str(mistake.pop("port", postgres.port))
    url = postgres.url(**({"database": "postgres"} | mistake))
    engine = create_engine(url.replace(str(postgres.port), port))
    with pytest.raises(SettingsError) as caught:
        await migrate(engine)
    line = str(caught.value)
    assert line.startswith(f"AI_DATABASE_URL: the database can't be opened ({reason}")
    assert "Example: AI_DATABASE_URL=postgresql+asyncpg://" in line
    assert "\n" not in line
    assert not any(secret in line for secret in (PASSWORD, "wrong-password"))
    await engine.dispose()


async def test_a_password_may_be_in_the_environment_instead(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    async with engine_at(url.replace(f":{PASSWORD}", "")) as engine:
        assert await ask(engine) == 1


async def test_a_server_may_be_reached_by_its_socket(url: str, postgres: PostgresServer) -> None:
    address = url.replace(f"127.0.0.1:{postgres.port}", "") + f"?host={postgres.folder}"
    # The socket's name has the port, which is no other than the usual one in production.
    async with engine_at(address.replace("@", f"@:{postgres.port}")) as engine:
        assert await ask(engine) == 1


async def test_a_server_without_tls_is_refused_where_tls_is_asked_for(url: str) -> None:
    async with engine_at(f"{url}?ssl=require") as engine:
        with pytest.raises(SettingsError, match="rejected SSL"):
            await migrate(engine)


async def test_a_server_that_is_away_is_an_operational_error_until_it_is_back(
    postgres: PostgresServer, url: str
) -> None:
    async with Relay(f"127.0.0.1:{postgres.port}", free_port()) as relay:
        address = url.replace(f"127.0.0.1:{postgres.port}", relay.address)
        async with engine_at(address) as engine:
            async with reading(engine) as connection:
                await relay.cut()
                with pytest.raises(OperationalError):
                    await value(connection, "SELECT 1")
            with pytest.raises(OperationalError):
                await ask(engine)
            await relay.mend()
            assert await ask(engine) == 1


async def test_a_connection_that_the_server_ended_is_not_used_again(
    postgres: PostgresServer, url: str
) -> None:
    async with engine_at(url) as engine:
        pid = await ask(engine, "SELECT pg_backend_pid()")
        ending = f"SELECT pg_terminate_backend({pid}, 5000)"
        await asyncio.to_thread(postgres.run, ending)
        assert await ask(engine, "SELECT pg_backend_pid()") != pid


@asynccontextmanager
async def stopped(pid: object) -> AsyncIterator[None]:
    """Stop a process of the server: its connection says nothing, and is not closed."""
    assert isinstance(pid, int)
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def test_a_server_that_says_nothing_is_given_up(url: str) -> None:
    async with engine_at(url, SHORT) as engine, AsyncExitStack() as until_then:

        async def ask_in_silence() -> None:
            async with engine.begin() as connection:
                pid = await value(connection, "SELECT pg_backend_pid()")
                await until_then.enter_async_context(stopped(pid))
                await value(connection, "SELECT 1")

        begun = time.monotonic()
        with pytest.raises(OperationalError, match="no answer"):
            await ask_in_silence()
        assert time.monotonic() - begun < 5
        assert await ask(engine) == 1


async def test_an_idle_connection_that_says_nothing_is_not_used_again(url: str) -> None:
    async with engine_at(url, Patience(trial=0.1)) as engine:
        pid = await ask(engine, "SELECT pg_backend_pid()")
        async with stopped(pid):
            await asyncio.sleep(0.1)
            assert await ask(engine, "SELECT pg_backend_pid()") != pid


async def test_a_lock_is_not_waited_for_for_ever(url: str) -> None:
    patient = Patience(idle=60)
    async with engine_at(url, patient) as holding, engine_at(url, SHORT) as engine:
        async with holding.begin() as holder:
            await holder.execute(text("UPDATE alembic_version SET version_num = '1'"))
            with pytest.raises(OperationalError, match="lock timeout"):
                async with engine.begin() as connection:
                    await connection.execute(text("UPDATE alembic_version SET version_num = '2'"))
        assert await ask(engine) == 1


async def test_a_statement_ends_after_its_time(url: str) -> None:
    async with engine_at(url, SHORT) as engine:
        with pytest.raises(OperationalError, match="statement timeout"):
            await ask(engine, "SELECT pg_sleep(20)")
        assert await ask(engine) == 1


async def test_a_transaction_that_was_left_alone_gives_its_locks_back(url: str) -> None:
    change = text("UPDATE alembic_version SET version_num = :number")
    async with engine_at(url, SHORT) as stopped, engine_at(url) as engine:
        async with stopped.connect() as alone:
            await alone.execute(change, {"number": "1"})
            async with engine.begin() as other:
                await other.execute(change, {"number": "2"})
            with pytest.raises(OperationalError):
                await alone.execute(change, {"number": "3"})
        assert await ask(engine, "SELECT version_num FROM alembic_version") == "2"


async def test_an_error_that_will_not_pass_is_told_apart_and_shows_no_value(url: str) -> None:
    async with engine_at(url) as engine:
        with pytest.raises(DBAPIError) as caught:
            async with reading(engine) as connection:
                await connection.execute(text("SELECT :it FROM no_table"), {"it": "Jane's"})
    assert not isinstance(caught.value, OperationalError)
    assert "Jane" not in str(caught.value)


async def test_who_may_not_change_tables_can_start_on_those_that_are_up_to_date(
    postgres: PostgresServer, url: str
) -> None:
    name = url.rpartition("/")[2]
    postgres.run(f"CREATE ROLE clerk LOGIN PASSWORD '{PASSWORD}'")
    try:
        grants = ("SELECT, INSERT, UPDATE, DELETE ON ALL TABLES", "USAGE ON ALL SEQUENCES")
        for grant in grants:
            postgres.run(f"GRANT {grant} IN SCHEMA public TO clerk", database=name)
        async with engine_at(postgres.url(name, user="clerk")) as engine:
            before, after = await migrate(engine)
            assert before == after
            assert await ask(engine, "SELECT nextval('entries_id_seq')") == 1
            postgres.run("DROP OWNED BY clerk", "DROP TABLE alembic_version", database=name)
            with pytest.raises(SettingsError, match="Run `perdure db upgrade` as a user who may"):
                await migrate(engine)
    finally:
        postgres.run("DROP OWNED BY clerk", database=name)
        postgres.run("DROP ROLE clerk")


MIGRATING = """
import asyncio, sys
from ledger.database import prepare_database

print("ready", flush=True)
sys.stdin.readline()
print(*asyncio.run(prepare_database(sys.argv[1])))
"""


async def test_processes_that_migrate_at_once_do_it_once(postgres: PostgresServer) -> None:
    command = [sys.executable, "-c", MIGRATING]
    with postgres.database(migrated=False) as url:
        processes = [
            await asyncio.create_subprocess_exec(
                *command, url, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
            )
            for _ in range(3)
        ]
        for process in processes:
            assert process.stdout is not None
            assert await process.stdout.readline() == b"ready\n"
        ended = await asyncio.gather(*(process.communicate(b"\n") for process in processes))
        newest = await find_revision(url)
    assert [process.returncode for process in processes] == [0] * 3
    outputs = [output.decode().split() for output, _ in ended]
    assert sorted(outputs) == sorted([["None", newest], [newest, newest], [newest, newest]])


async def test_who_migrates_waits_for_others_who_do_longer_than_for_a_table(url: str) -> None:
    async with engine_at(url, Patience(lock=0.1)) as engine:

        async def take_turn() -> object:
            async with engine.begin() as connection:
                await connection.run_sync(wait_for_migrations)
                return await value(connection, "SHOW lock_timeout")

        async with engine.begin() as first:
            await first.run_sync(wait_for_migrations)
            second = asyncio.create_task(take_turn())
            done, _ = await asyncio.wait([second], timeout=0.4)
            assert not done
        assert await second == "100ms"


async def test_a_migrated_database_says_so(url: str) -> None:
    async with engine_at(url) as engine:
        revision = await find_revision(url)
        assert revision is not None
        assert await migrate(engine) == Migrated(revision, revision)
