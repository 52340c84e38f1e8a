"""Whether the API says how it and what it depends on are, also when something is away."""

import re
from pathlib import Path

import httpx2
import pytest

from settings import Settings
from tests.api.conftest import Execute, Remote, Restart
from tests.problems import problem_of
from tests.runs import eventually
from tests.scripted import ScriptedAdapter

TEXT = {"pipeline_name": "pii_detection", "input_data": {"text": "Jane called"}}
OK = {"status": "ok", "detail": None}


def at_root(api: httpx2.AsyncClient, path: str) -> str:
    return str(api.base_url.copy_with(path=path))


async def test_health_is_well_with_a_worker(
    api: httpx2.AsyncClient, working: ScriptedAdapter
) -> None:
    del working

    async def well() -> bool:
        return (await api.get("/health")).status_code == 200

    await eventually(well, "the worker polls")
    assert (await api.get("/health")).json() == {
        "status": "ok",
        "components": {"temporal": OK, "database": OK, "workers": OK, "artifacts": OK},
    }
    assert (await api.get(at_root(api, "/readyz"))).status_code == 200


async def test_health_names_the_queue_that_no_worker_polls(
    api: httpx2.AsyncClient, settings: Settings
) -> None:
    answer = await api.get("/health")
    assert answer.status_code == 503
    components = answer.json()["components"]
    workers = components.pop("workers")
    assert workers["status"] == "unavailable"
    assert settings.ai_task_queue in workers["detail"]
    assert {component["status"] for component in components.values()} == {"ok"}
    assert (await api.get(at_root(api, "/readyz"))).status_code == 503


async def test_health_names_temporal_when_it_is_away_and_again_when_it_is_back(
    remote: Remote,
) -> None:
    async def temporal() -> str:
        status = (await remote.api.get("/health")).json()["components"]["temporal"]["status"]
        return str(status)

    assert await temporal() == "ok"
    await remote.relay.cut()
    assert await temporal() == "unavailable"
    await remote.relay.mend()

    async def back() -> bool:
        return await temporal() == "ok"

    await eventually(back, "Temporal is back")


async def test_health_names_the_artifact_folder_when_it_is_gone(
    api: httpx2.AsyncClient, settings: Settings
) -> None:
    incoming = settings.ai_data_dir / "artifacts" / "incoming"
    incoming.rmdir()
    components = (await api.get("/health")).json()["components"]
    assert components["artifacts"]["status"] == "unavailable"
    assert str(Path(incoming)) not in str(components)


async def test_the_process_lives_whatever_is_away(remote: Remote) -> None:
    await remote.relay.cut()
    answer = await remote.api.get(at_root(remote.api, "/livez"))
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def test_what_needs_temporal_is_unavailable_while_it_was_never_there(
    remote: Remote,
) -> None:
    await remote.relay.cut()
    for answer in (
        await remote.api.post("/execute", json=TEXT),
        await remote.api.get("/exec-01arz3ndektsv4rrffq69g5fav"),
        await remote.api.get("/executions"),
    ):
        problem_of(answer, 503, "unavailable")
        assert int(answer.headers["Retry-After"]) > 0


async def test_what_needs_temporal_is_unavailable_while_it_is_away(remote: Remote) -> None:
    execution_id = (await remote.api.post("/execute", json=TEXT)).json()["execution_id"]
    await remote.relay.cut()
    for answer in (
        await remote.api.post("/execute", json=TEXT),
        await remote.api.get(f"/{execution_id}"),
    ):
        problem_of(answer, 503, "unavailable")
        assert int(answer.headers["Retry-After"]) > 0
    await remote.relay.mend()

    async def back() -> bool:
        return (await remote.api.get(f"/{execution_id}")).status_code == 200

    await eventually(back, "the status is there again")


async def test_the_catalogue_needs_no_temporal(remote: Remote) -> None:
    await remote.relay.cut()
    assert (await remote.api.get("/")).status_code == 200


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_database_that_can_not_be_read_is_unavailable(
    restart: Restart, settings: Settings
) -> None:
    async with restart() as api:
        for file in settings.ai_data_dir.glob("perdure.db*"):
            file.write_bytes(b"no database" * 1000)
        answer = await api.get("/artifacts/" + "0" * 32)
        health = await api.get("/health")
    problem_of(answer, 503, "unavailable")
    assert health.json()["components"]["database"]["status"] == "unavailable"


async def test_metrics_count_runs_and_calls_by_their_names(
    api: httpx2.AsyncClient, execute: Execute, working: ScriptedAdapter
) -> None:
    del working
    before = await metrics_of(api)
    await api.get(f"/{await execute()}/result", params={"wait": 20})
    after = await metrics_of(api)
    run = '{pipeline_name="pii_detection",status="success"}'
    call = '{capability="pii_redaction",provider="scripted",status="success"}'
    for sample in (
        f"ai_pipeline_executions_total{run}",
        f"ai_pipeline_duration_seconds_count{run}",
        'ai_pipeline_cost_usd_count{pipeline_name="pii_detection"}',
        f"ai_step_executions_total{call}",
    ):
        assert after[sample] == before.get(sample, 0) + 1, sample


async def test_metrics_know_the_budget_before_it_was_ever_exceeded(
    door: httpx2.AsyncClient,
) -> None:
    text = (await door.get(at_root(door, "/metrics"))).text
    assert "# TYPE ai_budget_exceeded_total counter" in text


async def metrics_of(api: httpx2.AsyncClient) -> dict[str, float]:
    answer = await api.get(at_root(api, "/metrics"))
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    samples = re.findall(r"^(\w+(?:\{.*\})?) (\S+)$", answer.text, re.MULTILINE)
    return {name: float(value) for name, value in samples}
