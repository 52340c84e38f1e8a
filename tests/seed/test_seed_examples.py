"""Every Python example of the architecture document runs, adapted only in its import lines.

Names that an example leaves open are bound here, and its example recording is a local one. The one
block that does not run is the legacy "Before".
"""

import http.server
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from devserver import DevServerDescription
from observability import BudgetExceededException
from orchestrator import InstrumentedOrchestrator, get_instrumented_orchestrator
from pipelines import get_pipeline
from pipelines.predefined import CALL_ANALYSIS
from providers.registry import CapabilityRegistry
from providers.types import Capability
from settings import ROOT
from tests.snippets import python_blocks, run_snippet

DOCUMENT = ROOT.parent / "shared" / "seed" / "ai-pipeline-architecture.md"
SAMPLE = ROOT / "examples" / "support_call.flac"

pytestmark = pytest.mark.skipif(
    not DOCUMENT.exists(), reason=f"the seed document is not here: {DOCUMENT.name}"
)

# The document's import lines, and ours.
IMPORTS = {
    """\
from example_service.infra.ai.capabilities import (
    Capability,
    CapabilityRegistry,
    get_registry,
)
""": """\
from providers.registry import CapabilityRegistry, get_registry
from providers.types import Capability
""",
    "from example_service.infra.ai.pipelines.builder import Pipeline\n": (
        "from pipelines.builder import Pipeline\n"
    ),
    "from example_service.infra.ai.capabilities.types import Capability\n": (
        "from providers.types import Capability\n"
    ),
    "from example_service.infra.ai.events import (": "from events import (",
    "from example_service.infra.ai.observability import (": "from observability import (",
    "from example_service.infra.ai import InstrumentedOrchestrator\n": (
        "from orchestrator import InstrumentedOrchestrator\n"
    ),
    "from example_service.infra.ai.pipelines import get_pipeline\n": (
        "from pipelines import get_pipeline\n"
    ),
}

# What only this block says.
REGISTRY = "get_registry()"
BUILDER = 'Pipeline("call_analysis")'
EVENTS = "store.subscribe("
OBSERVABILITY = "tracer.pipeline_span("
ORCHESTRATOR = "api_keys={"
COSTS = "# LLM costs (per token)"
BEFORE = "WorkflowType."
AFTER = "get_instrumented_orchestrator()"


async def run(mark: str, audio_url: str = "", **names: Any) -> dict[str, Any]:
    """Run the one block that holds the mark; return its names."""
    (source,) = [block for block in python_blocks(DOCUMENT) if mark in block]
    for theirs, ours in IMPORTS.items():
        source = source.replace(theirs, ours)
    assert "example_service" not in source
    source = re.sub(r'(?<="audio_url": )"(https://)?\.\.\."', repr(audio_url), source)
    return await run_snippet(source, **names)


@dataclass
class Server:
    """Serves the sample call; as a vendor, refuses every key and remembers it."""

    url: str
    keys: list[str] = field(default_factory=list)


@pytest.fixture
def server() -> Iterator[Server]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(200, "audio/flac", SAMPLE.read_bytes())

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            known = self.headers["x-api-key"] or self.headers["Authorization"].split()[-1]
            state.keys.append(known)
            self._answer(401, "application/json", b'{"error": {"message": "unknown key"}}')

        def _answer(self, status: int, media_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http_server:
        state = Server(f"http://127.0.0.1:{http_server.server_port}")
        thread = threading.Thread(target=http_server.serve_forever, args=(0.05,))
        thread.start()
        yield state
        http_server.shutdown()
        thread.join()


@pytest.fixture
def recording(
    tmp_path: Path,
    temporal: DevServerDescription,
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
) -> str:
    """An address of the sample call; the environment is that of a product of its own."""
    monkeypatch.chdir(tmp_path)
    environment = {
        "TEMPORAL_ADDRESS": temporal.target,
        "TEMPORAL_NAMESPACE": temporal.namespace,
        "AI_DATA_DIR": str(tmp_path / "data"),
        "AI_TASK_QUEUE": f"seed-{tmp_path.name}",
        "AI_FETCH_ALLOWED_HOSTS": server.url.removeprefix("http://"),
        "OPENAI_BASE_URL": f"{server.url}/v1",
        "ANTHROPIC_BASE_URL": server.url,
        "DEEPGRAM_BASE_URL": server.url,
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return f"{server.url}/support_call.flac"


async def test_the_registry_finds_providers_and_builds_a_chain() -> None:
    names = await run(REGISTRY)
    assert isinstance(names["registry"], CapabilityRegistry)
    assert {offer.capability for offer in names["providers"]} == {Capability.TRANSCRIPTION}
    assert "local" in {offer.provider for offer in names["chain"]}


async def test_the_builder_builds_the_example() -> None:
    pipeline = (await run(BUILDER))["pipeline"]
    assert (pipeline.id, pipeline.timeout) == ("call_analysis@1.0.0", 600)
    transcribe, redact, summarize = pipeline.steps
    assert transcribe.providers == ("deepgram", "openai")
    assert (redact.input, redact.output) == ("transcript", "redacted")
    assert (summarize.code, summarize.optional) == (("when",), True)
    condition = pipeline.functions["summarize", "when"]
    assert condition({"redacted": {"text": "a" * 501}})
    assert not condition({})


async def test_a_run_can_be_followed_after_the_migration(
    recording: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with InstrumentedOrchestrator(own_worker=True):
        names = await run(
            AFTER,
            recording,
            get_instrumented_orchestrator=get_instrumented_orchestrator,
            get_pipeline=get_pipeline,
        )
        result = names["result"]
        assert result.success, result.error
        assert result.total_cost_usd == 0
        assert set(result.output) == set(CALL_ANALYSIS.output or ())
        await run(EVENTS, execution_id=result.execution_id)
    lines = capsys.readouterr().out.splitlines()
    assert "Step transcribe completed" in lines
    assert "Progress: 99.9%" in lines
    assert lines.count("Cost: $0") == 4


async def test_the_observability_names_do_what_they_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = await run(
        OBSERVABILITY,
        pipeline=CALL_ANALYSIS,
        context={"execution_id": "exec-1", "tenant_id": "tenant-123"},
        tenant_id="tenant-123",
        Decimal=Decimal,
        BudgetExceededException=BudgetExceededException,
    )
    assert names["check"].allowed
    assert "100 of 100 USD left" in names["check"].message


async def test_an_orchestrator_with_keys_runs_on_a_worker_of_its_own(
    recording: str, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    result = (await run(ORCHESTRATOR, recording))["result"]
    assert result.success, result.error
    assert {"sk-...", "sk-ant-..."} <= set(server.keys)
    lines = capsys.readouterr().out.splitlines()
    assert "Success: True" in lines
    assert f"Cost: ${result.total_cost_usd}" in lines
    assert f"Duration: {result.total_duration_ms}ms" in lines
    assert result.total_duration_ms > 0


async def test_the_cost_formulas_are_expressions() -> None:
    names = await run(
        COSTS,
        input_tokens=Decimal(1000),
        output_tokens=Decimal(500),
        input_cost_per_1k=Decimal("0.01"),
        output_cost_per_1k=Decimal("0.02"),
        duration_seconds=90,
        cost_per_minute=2,
        character_count=1000,
        cost_per_char=Decimal("0.001"),
    )
    assert names["cost"] == 1


def test_every_example_but_the_legacy_one_is_run() -> None:
    marks = {REGISTRY, BUILDER, EVENTS, OBSERVABILITY, ORCHESTRATOR, COSTS, BEFORE, AFTER}
    assert [[mark for mark in marks if mark in block] for block in python_blocks(DOCUMENT)] == [
        [REGISTRY],
        [BUILDER],
        [EVENTS],
        [OBSERVABILITY],
        [ORCHESTRATOR],
        [COSTS],
        [BEFORE],
        [AFTER],
    ]
