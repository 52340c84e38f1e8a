"""`perdure pipelines validate | schema | export`: no API needed."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.catalog import pipelines
from pipelines.check import check_document
from pipelines.document import read_json, read_yaml
from pipelines.predefined import CALL_ANALYSIS


def run(*arguments: str) -> Result:
    return CliRunner().invoke(pipelines, arguments)


def test_a_valid_file_is_said_to_be(tmp_path: Path) -> None:
    file = tmp_path / "good.yaml"
    file.write_text("name: a\nsteps: [{name: b, capability: summarization}]\n")
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


def test_a_json_file_is_read_as_json(tmp_path: Path) -> None:
    file = tmp_path / "bad.json"
    file.write_text(json.dumps({"name": "a", "steps": []}))
    done = run("validate", str(file), "--json")
    assert done.exit_code == 2
    assert json.loads(done.stdout)["errors"][0]["pointer"] == "/steps"


@pytest.mark.parametrize(("option", "read"), [([], read_yaml), (["--json"], read_json)])
def test_an_exported_pipeline_reads_back_as_the_same(option: list[str], read: object) -> None:
    done = run("export", "call_analysis@1.0.0", *option)
    assert check_document(read(done.stdout)) == CALL_ANALYSIS  # type: ignore[operator]


def test_an_unknown_pipeline_is_exit_2() -> None:
    done = run("export", "cal_analysis")
    assert done.exit_code == 2
    assert "There is no pipeline 'cal_analysis'" in done.stderr


def test_the_schema_is_printed() -> None:
    assert json.loads(run("schema").stdout)["title"] == "Pipeline definition"
