"""SQLite's writers queue up: within a process, and between processes."""

import asyncio
import fcntl
from pathlib import Path

import pytest

from ledger.turns import Turns
from tests.runs import eventually


@pytest.fixture
def database(tmp_path: Path) -> str:
    return str(tmp_path / "ledger.db")


def is_locked(path: str) -> bool:
    with Path(path).open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


async def is_at_the_gate(database: str) -> None:
    async def is_closed() -> bool:
        return is_locked(f"{database}-gate")

    await eventually(is_closed, "somebody at the gate")


async def write(name: str, turns: Turns, order: list[str]) -> None:
    async with turns.turn():
        order.append(name)


async def test_in_a_process_writers_come_in_their_order(database: str) -> None:
    turns, order = Turns(database), list[str]()
    names = [str(number) for number in range(20)]
    await asyncio.gather(*(write(name, turns, order) for name in names))
    assert order == names


async def test_who_has_just_written_lets_another_process_write_first(database: str) -> None:
    busy, other, order = Turns(database), Turns(database), list[str]()
    async with busy.turn():
        waiting = asyncio.create_task(write("other", other, order))
        await is_at_the_gate(database)
    for _ in range(3):
        await write("busy", busy, order)
    await waiting
    assert order == ["other", "busy", "busy", "busy"]


async def test_one_writer_at_a_time_whichever_process_it_is_in(database: str) -> None:
    processes = [Turns(database) for _ in range(4)]
    inside = 0

    async def write(turns: Turns) -> None:
        nonlocal inside
        async with turns.turn():
            inside += 1
            assert inside == 1
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(write(turns) for turns in processes * 10))


async def test_behind_a_process_that_is_stopped_writers_go_on(database: str) -> None:
    stopped, hasty = Turns(database), Turns(database, patience=0.02)
    async with stopped.turn(), asyncio.timeout(5), hasty.turn():
        pass


async def test_a_writer_that_no_longer_waits_keeps_nobody_waiting(database: str) -> None:
    busy, other = Turns(database), Turns(database)
    async with busy.turn():
        waiting = asyncio.create_task(write("other", other, []))
        await is_at_the_gate(database)
        waiting.cancel()
        await asyncio.wait([waiting])
    for turns in (busy, other):
        async with asyncio.timeout(1), turns.turn():
            pass


@pytest.mark.parametrize("database", [None, ":memory:", "/nowhere/ledger.db"])
async def test_where_there_is_no_file_writers_go_on(database: str | None) -> None:
    async with Turns(database).turn():
        pass
    assert not Path(":memory:-turn").exists()
