"""`perdure pipelines show`: what is drawn, and where the definition comes from."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from fastapi.responses import Response
from rich.cells import cell_len

from cli.catalog import pipelines
from cli.rails import drawn
from pipelines.check import check_document
from pipelines.document import read_yaml
from pipelines.mermaid import to_mermaid
from pipelines.model import PipelineDefinition
from pipelines.predefined import CALL_ANALYSIS
from pipelines.text import to_json
from tests.unit.cli.fake_api import Fake, problem

Perdure = Callable[..., Result]
INSIGHTS = """
name: call_insights
description: Full call analysis
timeout: 600
max_cost_usd: "0.50"
on_budget_exceeded: pause
input_schema: {required: [audio_url], properties: {audio_url: {}, language: {}}}
steps:
  - {name: transcribe, capability: transcription, providers: [deepgram, openai], output: transcript}
  - {name: redact, capability: pii_redaction, input: transcript}
  - name: summarize
    capability: summarization
    when: size(redact.text) > 500
    input: redact
    optional: true
  - name: coach
    capability: llm_generation
    needs: [redact]
    optional: true
    params: {prompt: "${redact.text}"}
    compensate: delete_artifact
output: {summary: summarize, length: size(redact.text)}
"""
DRAWING = """\
call_insights@1.0.0
  Full call analysis
  input     audio_url, [language]
  timeout   10 min
  cost cap  $0.50 a run; pauses when the budget is used up

  ●    transcribe  transcription   deepgram, openai
  │
  ●    redact      pii_redaction
  ├─╮
  │ ◇  summarize   summarization
  │      when size(redact.text) > 500
  │      optional
  │
  ○    coach       llm_generation
         optional
         undone by delete_artifact

  output    summary = summarize
            length = size(redact.text)
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "insights.yaml"
    file.write_text(INSIGHTS)
    return file


def lines(definition: PipelineDefinition, width: int) -> list[str]:
    return [line.plain for line in drawn(definition, width)]


def many(count: int, needs: str = "[]") -> PipelineDefinition:
    step = "{{name: s{n}, capability: summarization, input: t, needs: {needs}}}"
    steps = ", ".join(step.format(n=n, needs=needs if n else "[]") for n in range(count))
    return check_document(read_yaml(f"name: many\nsteps: [{steps}]"))


def test_a_file_is_drawn(perdure: Perdure, fake: Fake, file: Path) -> None:
    done = perdure("pipelines", "show", str(file))
    assert (done.exit_code, done.stdout) == (0, DRAWING)
    assert fake.requests == []


@pytest.mark.parametrize("name", ["call_analysis", "call_analysis@1.0.0"])
def test_a_pipeline_of_the_api_is_drawn(perdure: Perdure, fake: Fake, name: str) -> None:
    address = f"/definitions/{name.replace('@', '/')}"
    answers = [Response(to_json(CALL_ANALYSIS), media_type="application/json") for _ in range(3)]
    fake.answers[f"GET {address}"] = [*answers]
    assert "◇  summarize" in perdure("pipelines", "show", name).stdout
    mermaid = perdure("pipelines", "show", name, "--format", "mermaid").stdout
    assert mermaid == to_mermaid(CALL_ANALYSIS)
    body = json.loads(perdure("pipelines", "show", name, "--json").stdout)
    assert body["definition"] == json.loads(to_json(CALL_ANALYSIS))
    assert body["edges"][0] == ["transcribe", "redact"]
    assert body["layers"][-1] == ["coach"]


def test_one_form_is_asked_for(perdure: Perdure, file: Path) -> None:
    done = perdure("pipelines", "show", str(file), "--json", "--format", "mermaid")
    assert (done.exit_code, done.stdout) == (2, "")


def test_without_an_api_what_is_installed_is_drawn_and_said_so(unused_url: str) -> None:
    done = CliRunner().invoke(pipelines, ["show", "call_analysis", "--api-url", unused_url])
    assert done.exit_code == 0
    assert done.stdout.startswith("call_analysis@1.0.0\n")
    assert done.stderr == f"no Perdure API at {unused_url}: looking at what is installed here\n"


def test_an_unknown_pipeline_is_exit_2(perdure: Perdure, fake: Fake, tmp_path: Path) -> None:
    refusal = problem(404, "pipeline_not_found", "There is no pipeline 'no_such'.")
    fake.answers["GET /definitions/no_such"] = [refusal]
    done = perdure("pipelines", "show", "no_such")
    assert (done.exit_code, done.stdout) == (2, "")
    assert perdure("pipelines", "show", str(tmp_path / "no.yaml")).exit_code == 2


def test_mistakes_in_a_file_are_told_with_their_places(perdure: Perdure, file: Path) -> None:
    file.write_text("name: a\nsteps: [{name: b, capability: sumarization}]\n")
    done = perdure("pipelines", "show", str(file))
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(f"{file}:2:31: ")


@pytest.mark.parametrize("width", [30, 40, 80])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    definition = check_document(read_yaml(INSIGHTS.replace("size(redact", f"size({' ' * 9}redact")))
    assert max(map(cell_len, lines(definition, width))) <= width


def test_a_graph_with_too_many_rails_is_a_list() -> None:
    steps = many(11).steps
    last = steps[0].model_copy(update={"name": "last", "needs": tuple(s.name for s in steps)})
    listed = lines(many(11).model_copy(update={"steps": (*steps, last)}), 80)
    assert "   1  s0    summarization" in listed
    assert "        starts at once" in listed
    assert "        after: s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10" in listed
    assert not any("●" in line for line in listed)


def test_a_pipeline_of_many_steps_is_a_list_with_what_they_need() -> None:
    listed = lines(many(61, "[s0]"), 80)
    place = listed.index("  61  s60  summarization")
    assert listed[place + 1] == "        after: s0"


def test_what_a_definition_says_can_not_steer_the_terminal() -> None:
    text = INSIGHTS.replace("Full call analysis", '"\\e[31mred\\u202e"')
    shown = "\n".join(lines(check_document(read_yaml(text)), 80))
    assert "\x1b" not in shown
    assert "\u202e" not in shown
