"""The command as its users start it: a process, its exit code, its signals, a terminal."""

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.unit.cli.fake_api import Fake
from tests.unit.cli.scripts import ID

PERDURE = [sys.executable, "-c", "from cli.main import main; main(prog_name='perdure')"]
DEADLINE_S = 20


def environment(url: str = "", **values: str) -> dict[str, str]:
    kept = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    pinned = {
        "PERDURE_API_URL": url,
        "PYTHONUTF8": "1",
        "TERM": "xterm",
        "PYTHONPATH": str(Path.cwd()),
    }
    return kept | pinned | values


@dataclass
class Terminal:
    """A process on a terminal of its own."""

    process: subprocess.Popen[bytes]
    side: int
    seen: str = ""

    def read_until(self, text: str) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while text not in self.seen:
            ready, _, _ = select.select([self.side], [], [], deadline - time.monotonic())
            assert ready, f"{text!r} never came after {self.seen!r}"
            self.seen += os.read(self.side, 65536).decode(errors="replace")

    def read_rest(self) -> int:
        with contextlib.suppress(OSError):  # the other side is closed
            while True:
                ready, _, _ = select.select([self.side], [], [], DEADLINE_S)
                assert ready, f"nothing more came after {self.seen!r}"
                self.seen += os.read(self.side, 65536).decode(errors="replace")
        return self.process.wait(DEADLINE_S)

    def type(self, text: str) -> None:
        os.write(self.side, text.encode())


@contextmanager
def terminal(args: list[str], env: dict[str, str]) -> Iterator[Terminal]:
    side, other = pty.openpty()
    fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = subprocess.Popen(
        [*PERDURE, *args], stdin=other, stdout=other, stderr=other, env=env, start_new_session=True
    )
    os.close(other)
    try:
        yield Terminal(process, side)
    finally:
        process.kill()
        process.wait()
        os.close(side)


def run(args: list[str], env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PERDURE, *args], env=env, capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )


def test_help_imports_nothing_heavy_and_names_every_command() -> None:
    heavy = ["rich", "httpx2", "websockets", "temporalio", "pydantic", "fastapi", "asyncio"]
    code = (
        "import sys\nfrom cli.main import COMMANDS, main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        f"print([name for name in {heavy} if name in sys.modules], list(COMMANDS))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment()
    )
    *help_lines, last = done.stdout.splitlines()
    assert last.startswith("[] ")
    for name in ("run", "watch", "status", "result", "cancel", "list", "pipelines", "providers"):
        assert any(line.split()[:1] == [name] for line in help_lines)


def test_help_answers_within_0_3_seconds() -> None:
    def once() -> float:
        start = time.perf_counter()
        assert run(["--help"], environment()).returncode == 0
        return time.perf_counter() - start

    assert min(once() for _ in range(5)) < 0.3


def test_version() -> None:
    assert run(["--version"], environment()).stdout.startswith("perdure 0.")


def test_an_unknown_command_is_answered_with_the_nearest() -> None:
    done = run(["statsu"], environment())
    assert done.returncode == 2
    assert "Did you mean" in done.stderr
    assert "'status'" in done.stderr


def test_a_reader_that_leaves_is_no_traceback(url: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*PERDURE, "watch", ID],
        env=environment(url),
        stdout=writing,
        stderr=subprocess.PIPE,
        timeout=DEADLINE_S,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


def test_an_encoding_without_our_marks_still_works(url: str) -> None:
    env = environment(url, PYTHONUTF8="0", PYTHONIOENCODING="ascii", LC_ALL="C")
    done = run(["result", ID], env)
    assert done.returncode == 0
    assert "completed in 4.2 s" in done.stdout


def test_a_terminal_gets_colour_and_the_result_without_the_display(url: str) -> None:
    with terminal(["run", "call_analysis"], environment(url)) as shell:
        assert shell.read_rest() == 0
    assert "\x1b[32m✓ completed" in shell.seen
    assert "\x1b[?25h" in shell.seen  # the cursor is back


def test_no_color_is_respected(url: str) -> None:
    with terminal(["run", "call_analysis"], environment(url, NO_COLOR="1")) as shell:
        assert shell.read_rest() == 0
    assert "✓ completed" in shell.seen
    assert "\x1b[32m" not in shell.seen


def test_a_dumb_terminal_gets_lines(url: str) -> None:
    with terminal(["run", "call_analysis"], environment(url, TERM="dumb")) as shell:
        assert shell.read_rest() == 0
    assert "01:29:03Z  workflow_started" in shell.seen
    assert "\x1b[?25l" not in shell.seen


def test_the_display_is_shown_while_the_result_goes_to_a_file(url: str, fake: Fake) -> None:
    side, other = pty.openpty()
    done = subprocess.run(
        [*PERDURE, "run", "call_analysis"],
        env=environment(url),
        stdout=subprocess.PIPE,
        stderr=other,
        stdin=subprocess.DEVNULL,
        timeout=DEADLINE_S,
        check=False,
    )
    os.close(other)
    os.close(side)
    assert done.returncode == 0
    assert b"\x1b" not in done.stdout
    assert fake.resumed_after == [None]


@pytest.mark.parametrize(("answer", "deletions"), [("y\n", 1), ("n\n", 0), ("\n", 0), ("\x04", 0)])
def test_ctrl_c_asks_whether_to_cancel(url: str, fake: Fake, answer: str, deletions: int) -> None:
    fake.hold_after = 6
    with terminal(["run", "call_analysis"], environment(url)) as shell:
        shell.read_until("6 of 57 s")
        shell.process.send_signal(signal.SIGINT)
        shell.read_until(f"Cancel the run {ID}? [y/N]")
        shell.type(answer)
        assert shell.read_rest() == 130
    assert len(fake.asked("DELETE", f"/{ID}")) == deletions
    assert ("cancelled\x1b[0m in" in shell.seen) == bool(deletions)
    assert ("goes on without you" in shell.seen) != bool(deletions)


def test_ctrl_c_without_a_terminal_leaves_the_run_alone(url: str, fake: Fake) -> None:
    fake.hold_after = 4
    process = subprocess.Popen(
        [*PERDURE, "run", "call_analysis"],
        env=environment(url),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    while "step_retrying" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, out) == (130, "")
    assert f"`perdure watch {ID}` follows it again" in err
    assert fake.asked("DELETE", f"/{ID}") == []


def test_ctrl_c_during_watch_only_stops_watching(url: str, fake: Fake) -> None:
    fake.hold_after = 6
    with terminal(["watch", ID], environment(url)) as shell:
        shell.read_until("6 of 57 s")
        shell.process.send_signal(signal.SIGINT)
        assert shell.read_rest() == 130
    assert "[y/N]" not in shell.seen
    assert fake.asked("DELETE", f"/{ID}") == []
