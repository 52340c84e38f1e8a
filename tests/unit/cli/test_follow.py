import json
from collections.abc import Callable

import pytest
from click.testing import Result

from cli.client import Api, Retry
from cli.errors import ApiProblemError, FollowLostError
from cli.follow import follow
from cli.screens import Silent
from tests.unit.cli import scripts
from tests.unit.cli.conftest import IMPATIENT
from tests.unit.cli.fake_api import Fake
from tests.unit.cli.scripts import ID

Perdure = Callable[..., Result]


def test_watch_prints_a_line_for_each_durable_event_and_the_result(perdure: Perdure) -> None:
    done = perdure("watch", ID)
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    durable = [event for event in scripts.call_analysis().events if event["event_id"]]
    assert lines[0] == f"call_analysis@1.0.0  {ID}"
    assert [line.split()[1] for line in lines[1 : len(durable) + 1]] == [
        event["event_type"] for event in durable
    ]
    assert (
        "01:29:04Z  step_retrying       transcribe  embedded/pocketsphinx  "
        "instead of deepgram/nova-3: 429 too many requests"
    ) in lines
    assert "of 57 s" not in done.stdout
    assert lines[-1].endswith(ID)


def test_watch_as_json_gives_every_event_as_it_was_sent(perdure: Perdure) -> None:
    done = perdure("watch", ID, "--json")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert events == scripts.call_analysis().events


def test_watch_of_a_failed_run_exits_with_1(perdure: Perdure, fake: Fake) -> None:
    fake.script = scripts.failing()
    assert perdure("watch", ID).exit_code == 1


@pytest.mark.parametrize("code", [1001, 1011, 1012, 4008])
def test_a_lost_connection_is_resumed_after_the_last_durable_event(
    perdure: Perdure, fake: Fake, code: int
) -> None:
    fake.closes = [(0, code), (3, code), (5, code)]  # the third ends among hints
    done = perdure("watch", ID, "--json")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    durable = [event for event in events if event["event_id"]]
    assert durable == [event for event in scripts.call_analysis().events if event["event_id"]]
    assert fake.resumed_after == [None, None, "0.3.0", "0.3.0"]
    assert done.exit_code == 0


def test_plain_lines_tell_of_the_loss(perdure: Perdure, fake: Fake) -> None:
    fake.closes = [(3, 1012)]
    lines = perdure("watch", ID).stdout.splitlines()
    assert "connection lost (the API restarts), trying again" in lines
    assert "connected again" in lines


def test_an_api_that_does_not_come_back_is_exit_3_and_says_how_to_go_on(
    perdure: Perdure, fake: Fake
) -> None:
    fake.closes = [(3, 1012)]
    fake.handshakes = [101, 503, 503, 503, 503]
    done = perdure("run", "call_analysis")
    assert done.exit_code == 3
    assert f"follow it again with `perdure watch {ID}`" in done.stderr
    assert fake.handshakes == [503]


def test_progress_gives_new_attempts(api: Api, fake: Fake) -> None:
    losses = 3 * IMPATIENT.times
    fake.closes = [(1, 1012)] * losses
    assert follow(api, ID, Silent()).status == "completed"
    assert len(fake.resumed_after) == losses + 1


def test_an_unknown_run_is_not_asked_for_again(perdure: Perdure, fake: Fake) -> None:
    done = perdure("watch", ID[:-1] + "z")
    assert (done.exit_code, done.stderr) == (2, f"error: there is no /{ID[:-1]}z\n")
    assert fake.resumed_after == []


def test_a_refused_handshake_is_the_apis_problem(api: Api, fake: Fake) -> None:
    fake.handshakes = [404]
    with pytest.raises(ApiProblemError, match="no such execution"):
        follow(api, ID, Silent())
    assert len(fake.resumed_after) == 1


def test_the_key_is_sent_with_every_request_and_handshake(url: str, fake: Fake) -> None:
    with Api(url, "secret", following=IMPATIENT) as api:
        follow(api, ID, Silent())
        assert api.headers == {"Authorization": "Bearer secret"}
    assert fake.requests[0].headers["authorization"] == "Bearer secret"
    assert fake.handshake_headers[0]["authorization"] == "Bearer secret"


def test_a_pause_is_found_out_when_nothing_is_heard(api: Api, fake: Fake) -> None:
    class Heard(Silent):
        statuses: list[str] = []  # noqa: RUF012 - one test, one instance

        def status(self, status: str) -> None:
            self.statuses.append(status)
            fake.script.snapshot["status"] = "running"
            if status == "running":
                fake.release()

    fake.script.snapshot["status"] = "paused"
    fake.hold_after = 4
    screen = Heard()
    follow(api, ID, screen, quiet_s=0.01)
    assert screen.statuses == ["paused", "running"]


def test_following_gives_up_with_the_reason(url: str, fake: Fake) -> None:
    fake.handshakes = [503]
    with Api(url, following=Retry(times=0)) as api, pytest.raises(FollowLostError, match="503"):
        follow(api, ID, Silent())
