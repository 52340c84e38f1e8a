"""Which definition a name stands for, and where definitions come from."""

from pathlib import Path

import pytest

from pipelines.builder import Pipeline
from pipelines.catalogue import Catalogue
from pipelines.errors import DefinitionExists, PipelineNotFound
from pipelines.folder import load_folder
from pipelines.model import PipelineDefinition
from providers.types import Capability
from settings import SettingsError


def demo(version: str, description: str = "") -> PipelineDefinition:
    return (
        Pipeline("demo")
        .version(version)
        .description(description)
        .step("summarize")
        .capability(Capability.SUMMARIZATION)
        .done()
        .build()
    )


@pytest.mark.parametrize(
    ("versions", "newest"),
    [
        (["1.10.0", "1.9.0"], "1.10.0"),
        (["1.0.0", "2.0.0-rc.1"], "1.0.0"),
        (["1.0.0-rc.2", "1.0.0-rc.10", "1.0.0-beta"], "1.0.0-rc.10"),
        (["1.0.0-1", "1.0.0-a"], "1.0.0-a"),
        (["1.0.0+b", "1.0.0+a"], "1.0.0+a"),  # equal by precedence: always the same one
    ],
)
def test_without_a_version_the_newest_release_is_taken(versions: list[str], newest: str) -> None:
    for order in (versions, versions[::-1]):
        assert Catalogue([demo(version) for version in order]).get("demo").version == newest


def test_an_error_lists_the_newest_versions_and_not_all_of_many() -> None:
    catalogue = Catalogue([demo(f"1.{minor}.0") for minor in range(15)])
    with pytest.raises(PipelineNotFound, match=r"Known: 1\.14\.0, .*, 1\.3\.0 and 3 more\."):
        catalogue.get("demo", "2.0.0")


def test_a_version_never_changes() -> None:
    Catalogue([demo("1.0.0"), demo("1.0.0")])
    with pytest.raises(DefinitionExists, match=r"demo@1\.0\.0"):
        Catalogue([demo("1.0.0"), demo("1.0.0", "another")])


def test_a_folder_gives_its_yaml_and_json_files(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("name: a\nsteps: [{name: s, capability: summarization}]\n")
    (tmp_path / "b.json").write_text(
        '{"name": "b", "steps": [{"name": "s", "capability": "summarization"}]}'
    )
    (tmp_path / "notes.txt").write_text("not one")
    assert [definition.name for definition in load_folder(tmp_path, None)] == ["a", "b"]


def test_every_mistake_of_every_file_is_told_with_its_place(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text("name: A\nsteps: []\n")
    with pytest.raises(SettingsError) as caught:
        load_folder(tmp_path, None)
    text = str(caught.value)
    assert text.startswith("AI_PIPELINES_PATH: ")
    for place in ("a.yaml:1:7:", "a.yaml:2:8:", "b.yaml:1:7:", "b.yaml:2:8:"):
        assert place in text


def test_a_folder_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="is no folder"):
        load_folder(tmp_path / "nowhere", None)
