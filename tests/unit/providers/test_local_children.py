import asyncio
import contextlib
import os
import select
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from providers.adapters.local.children import ChildPool
from providers.errors import InvalidMedia, ProviderFault

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]

ORPHAN_MAKER = """
import asyncio
from providers.adapters.local.children import ChildPool

async def main():
    pool = ChildPool("misbehaving_child", size=1)
    report = lambda _: print(*pool.pids, flush=True)
    await pool.call("compute_forever", {}, report)

asyncio.run(main())
"""


def ignore_progress(_fraction: float) -> None:
    pass


def is_gone(pid: int) -> bool:
    """Neither running nor a zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.fixture
async def pool(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ChildPool]:
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    pool = ChildPool("misbehaving_child", size=1)
    yield pool
    await pool.close()


async def start_endless_call(pool: ChildPool) -> tuple[asyncio.Task[object], int]:
    """Return a call that is certainly being computed, and its child."""
    working = asyncio.Event()
    task = asyncio.create_task(pool.call("compute_forever", {}, lambda _: working.set()))
    async with asyncio.timeout(20):
        await working.wait()
    (pid,) = pool.pids
    return task, pid


async def test_cancelling_a_call_kills_and_reaps_its_child(pool: ChildPool) -> None:
    task, pid = await start_endless_call(pool)
    started = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - started < 1
    assert is_gone(pid)
    assert not pool.pids


async def test_a_second_cancellation_does_not_keep_the_child_from_being_reaped(
    pool: ChildPool,
) -> None:
    task, pid = await start_endless_call(pool)
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert is_gone(pid)


async def test_a_pool_works_on_after_a_cancelled_call(pool: ChildPool) -> None:
    task, pid = await start_endless_call(pool)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    answer = await pool.call("describe", {}, ignore_progress)
    assert answer["pid"] != pid


async def test_closing_the_pool_ends_idle_and_working_children(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    pool = ChildPool("misbehaving_child", size=2)
    task, _ = await start_endless_call(pool)
    await pool.call("describe", {}, ignore_progress)
    pids = pool.pids
    assert len(pids) == 2
    await pool.close()
    assert all(is_gone(pid) for pid in pids)
    with pytest.raises(ProviderFault):
        await task
    assert not pool.pids


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="waits for a process by its pidfd")
def test_a_parent_killed_in_mid_call_leaves_no_orphan() -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(HERE)])}
    with subprocess.Popen(
        [sys.executable, "-c", ORPHAN_MAKER], env=environment, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        handle = os.pidfd_open(pid)
        try:
            parent.kill()
            ended, _, _ = select.select([handle], [], [], 10)
        finally:
            os.close(handle)
    assert ended


@pytest.mark.parametrize(
    ("method", "cause"), [("crash", "was killed by SIGSEGV"), ("leave", "ended with status 3")]
)
async def test_a_child_that_dies_is_a_fault_that_says_how(
    pool: ChildPool, method: str, cause: str
) -> None:
    with pytest.raises(ProviderFault, match=cause):
        await pool.call(method, {}, ignore_progress)
    assert not pool.pids
    assert await pool.call("print_a_lot", {}, ignore_progress) == {"printed": True}


async def test_a_child_that_was_killed_while_idle_is_replaced(pool: ChildPool) -> None:
    first = await pool.call("describe", {}, ignore_progress)
    os.kill(first["pid"], 9)
    async with asyncio.timeout(20):
        while any(child.alive for child in pool._idle):  # noqa: ASYNC110 - no event tells of another's child
            await asyncio.sleep(0.01)
    second = await pool.call("describe", {}, ignore_progress)
    assert second["pid"] != first["pid"]


async def test_what_libraries_print_does_not_disturb_the_protocol(pool: ChildPool) -> None:
    assert await pool.call("print_a_lot", {}, ignore_progress) == {"printed": True}


async def test_an_error_of_ours_crosses_the_process_boundary(pool: ChildPool) -> None:
    with pytest.raises(InvalidMedia, match="This is no recording"):
        await pool.call("refuse", {}, ignore_progress)


async def test_any_other_error_is_a_fault_without_the_callers_data(pool: ChildPool) -> None:
    with pytest.raises(ProviderFault) as caught:
        await pool.call("stumble", {"secret": "4155552671"}, ignore_progress)
    assert "ValueError at misbehaving_child.py" in caught.value.message
    assert "4155552671" not in caught.value.message


async def test_an_idle_child_is_used_again(pool: ChildPool) -> None:
    answers = [await pool.call("describe", {}, ignore_progress) for _ in range(3)]
    assert len({answer["pid"] for answer in answers}) == 1


async def test_no_more_children_run_than_the_pool_has_places(pool: ChildPool) -> None:
    answers = await asyncio.gather(*(pool.call("describe", {}, ignore_progress) for _ in range(3)))
    assert len({answer["pid"] for answer in answers}) == 1


async def test_a_child_sees_no_secret_and_gives_way(
    pool: ChildPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy")
    answer = await pool.call("describe", {}, ignore_progress)
    assert not {"OPENAI_API_KEY", "HTTPS_PROXY"} & set(answer["environment"])
    assert answer["nice"] > os.nice(0)


async def test_progress_comes_while_the_child_works(pool: ChildPool) -> None:
    fractions: list[float] = []
    await pool.call("report_in_steps", {}, fractions.append)
    assert len(fractions) >= 3
    assert fractions == sorted(fractions)
    assert 0 <= fractions[0] < fractions[-1] <= 1
