"""`perdure pipelines validate | schema | register | export`."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from fastapi.responses import Response

from cli.catalog import pipelines
from pipelines.check import check_document
from pipelines.document import read_json, read_yaml
from pipelines.predefined import CALL_ANALYSIS
from pipelines.text import to_json, to_yaml
from tests.unit.cli.fake_api import Fake, problem

Perdure = Callable[..., Result]
GOOD = "name: call_x\nversion: 1.2.0\nsteps: [{name: b, capability: summarization}]\n"
ADDRESS = "/definitions/call_x/1.2.0"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "call_x.yaml"
    file.write_text(GOOD)
    return file


def run(*arguments: str) -> Result:
    return CliRunner().invoke(pipelines, arguments)


def test_a_valid_file_is_said_to_be(file: Path) -> None:
    done = run("validate", str(file))
    assert (done.exit_code, done.stdout) == (0, f"{file} is valid.\n")


def test_every_mistake_is_a_line_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text("name: A\nsteps: [{name: b, capability: sumarization}]\n")
    done = run("validate", str(file))
    assert done.exit_code == 2
    assert [line.split(": ")[0] for line in done.stderr.splitlines()] == [
        f"{file}:1:7",
        f"{file}:2:31",
    ]


def test_a_provider_that_nobody_has_here_is_a_mistake(file: Path) -> None:
    file.write_text(GOOD.replace("zation", "zation, providers: [opneai, local]"))
    done = run("validate", str(file))
    expected = f"{file}:3:58: Unknown provider 'opneai'. Did you mean 'openai'?\n"
    assert (done.exit_code, done.stderr) == (2, expected)


def test_a_setting_that_can_not_be_used_ends_the_check_of_providers(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "nowhere")
    assert run("validate", str(file)).exit_code == 0
    file.write_text(GOOD.replace("zation", "zation, providers: [local]"))
    done = run("validate", str(file))
    assert (done.exit_code, "OPENAI_BASE_URL" in done.stderr) == (2, True)


def test_a_json_file_is_read_as_json(tmp_path: Path) -> None:
    file = tmp_path / "bad.json"
    file.write_text(json.dumps({"name": "a", "steps": []}))
    done = run("validate", str(file), "--json")
    assert done.exit_code == 2
    assert json.loads(done.stdout)["errors"][0]["pointer"] == "/steps"


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("call_analysis", "/definitions/call_analysis"),
        ("call_analysis@1.0.0+a", "/definitions/call_analysis/1.0.0+a"),
    ],
)
def test_an_exported_pipeline_is_the_apis(
    perdure: Perdure, fake: Fake, name: str, address: str
) -> None:
    text, plain = to_yaml(CALL_ANALYSIS), to_json(CALL_ANALYSIS)
    fake.answers[f"GET {address}"] = [
        Response(text, media_type="application/yaml"),
        Response(plain, media_type="application/json"),
    ]
    assert perdure("pipelines", "export", name).stdout == text
    assert json.loads(perdure("pipelines", "export", name, "--json").stdout) == json.loads(plain)
    accepted = [request.headers["accept"] for request in fake.asked("GET", address)]
    assert accepted == ["application/yaml", "application/json"]


def test_a_pipeline_that_the_api_does_not_have_is_exit_2(perdure: Perdure, fake: Fake) -> None:
    fake.answers["GET /definitions/no_such"] = [
        problem(404, "pipeline_not_found", "There is no pipeline 'no_such'.")
    ]
    done = perdure("pipelines", "export", "no_such")
    assert done.exit_code == 2
    assert done.stderr.startswith("error: There is no pipeline 'no_such'.\n")


@pytest.mark.parametrize(("option", "read"), [([], read_yaml), (["--json"], read_json)])
def test_without_an_api_what_is_installed_is_exported_and_said_so(
    unused_url: str, option: list[str], read: object
) -> None:
    done = run("export", "call_analysis@1.0.0", *option, "--api-url", unused_url)
    assert check_document(read(done.stdout)) == CALL_ANALYSIS  # type: ignore[operator]
    assert done.stderr == f"no Perdure API at {unused_url}: looking at what is installed here\n"


def test_without_an_api_a_folder_of_definitions_is_installed_too(
    unused_url: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AI_PIPELINES_PATH", str(file.parent))
    done = run("export", "call_x", "--api-url", unused_url)
    assert check_document(read_yaml(done.stdout)) == check_document(read_yaml(GOOD))
    monkeypatch.setenv("AI_PIPELINES_PATH", str(file))
    done = run("export", "call_x", "--api-url", unused_url)
    assert (done.exit_code, "AI_PIPELINES_PATH" in done.stderr) == (2, True)


def test_without_an_api_an_unknown_pipeline_is_exit_2(unused_url: str) -> None:
    done = run("export", "cal_analysis", "--api-url", unused_url)
    assert done.exit_code == 2
    assert "There is no pipeline 'cal_analysis'. Did you mean 'call_analysis'?" in done.stderr


@pytest.mark.parametrize(
    ("status", "said"),
    [(201, "call_x@1.2.0 registered\n"), (200, "call_x@1.2.0 is registered already\n")],
)
def test_a_definition_is_registered_under_its_own_name_and_version(
    perdure: Perdure, fake: Fake, file: Path, status: int, said: str
) -> None:
    fake.answers[f"PUT {ADDRESS}"] = [Response("{}", status, media_type="application/json")]
    done = perdure("pipelines", "register", str(file))
    assert (done.exit_code, done.stdout) == (0, said)
    (request,) = fake.asked("PUT", ADDRESS)
    assert (request.headers["content-type"], request.body.decode()) == ("application/yaml", GOOD)


def test_a_registered_json_file_is_sent_as_json_and_answered_in_json(
    perdure: Perdure, fake: Fake, tmp_path: Path
) -> None:
    definition = {"name": "call_x", "steps": [{"name": "b", "capability": "summarization"}]}
    file = tmp_path / "call_x.json"
    file.write_text(json.dumps(definition))
    kept = {"version": "1.0.0"} | definition
    address = "/definitions/call_x/1.0.0"
    fake.answers[f"PUT {address}"] = [Response(json.dumps(kept), 201)]
    done = perdure("pipelines", "register", str(file), "--json")
    assert json.loads(done.stdout) == kept
    (request,) = fake.asked("PUT", address)
    assert (request.headers["content-type"], request.json) == ("application/json", definition)


def test_a_file_with_mistakes_is_not_sent(perdure: Perdure, fake: Fake, file: Path) -> None:
    file.write_text("name: a\nsteps: [{name: b, capability: sumarization}]\n")
    done = perdure("pipelines", "register", str(file))
    assert (done.exit_code, done.stdout, fake.requests) == (2, "", [])
    assert done.stderr.startswith(f"{file}:2:31: ")


def test_mistakes_that_only_the_api_sees_are_told_in_the_same_form(
    perdure: Perdure, fake: Fake, file: Path
) -> None:
    errors = [
        {"pointer": "/steps/0/providers/0", "message": "Unknown.", "line": 3, "column": 9},
        {"pointer": "/name", "message": "Odd."},
    ]
    refusals = [problem(422, "invalid", "Unknown. Odd.", errors=errors) for _ in range(2)]
    fake.answers[f"PUT {ADDRESS}"] = [*refusals]
    done = perdure("pipelines", "register", str(file))
    assert done.exit_code == 2
    assert done.stderr == f"{file}:3:9: Unknown.\n{file}:/name: Odd.\n"
    done = perdure("pipelines", "register", str(file), "--json")
    assert (done.exit_code, json.loads(done.stdout)) == (2, {"valid": False, "errors": errors})


def test_another_definition_of_this_version_is_exit_2(
    perdure: Perdure, fake: Fake, file: Path
) -> None:
    detail = "There is another pipeline call_x@1.2.0."
    fake.answers[f"PUT {ADDRESS}"] = [problem(409, "definition_exists", detail)]
    done = perdure("pipelines", "register", str(file))
    assert (done.exit_code, done.stderr) == (2, f"error: {detail}\n")


def test_registering_without_an_api_is_exit_3(unused_url: str, file: Path) -> None:
    done = run("register", str(file), "--api-url", unused_url)
    assert done.exit_code == 3


@pytest.mark.parametrize("option", [[], ["--json"]])
def test_the_schema_is_printed(option: list[str]) -> None:
    assert json.loads(run("schema", *option).stdout)["title"] == "Pipeline definition"
