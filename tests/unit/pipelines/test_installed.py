"""Definitions that installed packages bring."""

from pathlib import Path

import pytest

from pipelines import catalogue as module
from pipelines import get_pipeline
from pipelines.catalogue import load_catalogue
from pipelines.errors import NotExportable
from pipelines.text import to_yaml
from pipelines.vocabulary import Vocabulary
from providers.types import Capability
from settings import SettingsError
from tests.packages import Packages

GROUP = "perdure.pipelines"
SOURCE = """
from pipelines.builder import Pipeline
from providers.types import Capability

def pipeline(name):
    return Pipeline(name).step("short").capability(Capability.SUMMARIZATION)

one = pipeline("one").done().build()
"""
WHO = r"^The installed package perdure-demo 1\.0 can't be used: its entry point 'demo' "
MEND = r"Correct the package, or remove it: pip uninstall perdure-demo$"
TWO_IN_FOLDER = "name: {name}\nsteps: [{{name: long, capability: summarization}}]\n"


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Packages:
    return Packages(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("more", "value", "names"),
    [
        ("", "one", ["one"]),
        ("value = [one, pipeline('two').done().build()]", "value", ["one", "two"]),
        ("value = (pipeline(name).done().build() for name in ('a', 'b'))", "value", ["a", "b"]),
        (
            "two = pipeline('two').done().build()\n_hidden = pipeline('no').done().build()",
            "",
            ["one", "two"],
        ),
        ("again = one\nfrom pipelines.predefined import CALL_ANALYSIS", "", ["one"]),
    ],
    ids=["a definition", "a list", "a generator", "a module", "a module that imports"],
)
def test_a_packages_definitions_are_in_the_catalogue(
    packages: Packages, more: str, value: str, names: list[str]
) -> None:
    predefined = {definition.name for definition in load_catalogue(None).all()}
    packages.add(GROUP, SOURCE + more, value)
    found = [definition.name for definition in load_catalogue(None).all()]
    assert [name for name in found if name not in predefined] == names
    assert predefined <= set(found)


@pytest.mark.parametrize(
    ("source", "value", "problem"),
    [
        ("import nothing_of_this_name", "value", r"can't be imported \(ModuleNotFoundError: .*\)"),
        ("", "value", r"can't be imported \(AttributeError: .*'value'\)"),
        ("value = 1 /", "value", r"can't be imported \(SyntaxError: .*\)"),
        ("raise RuntimeError('two\\nlines')", "value", r"\(RuntimeError: two lines\)"),
        (
            SOURCE,
            "pipeline",
            "holds something of type function: expected a PipelineDefinition, which .*build",
        ),
        ("value = 'call_analysis'", "value", "holds something of type str: expected"),
        ("value = [1]", "value", "holds something of type int: expected"),
        ("value = []", "value", "holds no pipeline: expected"),
        ("value = (1 / 0 for _ in 'a')", "value", r"can't be read \(ZeroDivisionError: .*\)"),
        ("", "", "holds no pipeline: expected"),
        (
            SOURCE + "value = pipeline('Bad').done().build()",
            "value",
            r"\(InvalidDefinition: .*'Bad'.*\)",
        ),
        (
            SOURCE + "value = one.model_copy(update={'output': {'a': 'short.nothing'}})",
            "value",
            r"holds one@1\.0\.0, which can never run \(/output/a: .*nothing.*\)",
        ),
        (
            SOURCE + "value = pipeline('two').prefer_providers('nobdy').done().build()",
            "value",
            r"which can never run \(/steps/0/providers/0: .*nobdy.*Did you mean 'nobody'\?\)",
        ),
    ],
)
def test_what_can_not_be_used_stops_the_start_with_one_clear_line(
    packages: Packages, source: str, value: str, problem: str
) -> None:
    summarization = frozenset({Capability.SUMMARIZATION})
    packages.add(GROUP, source, value)
    with pytest.raises(SettingsError, match=f"{WHO}.*{problem}.*{MEND}") as caught:
        load_catalogue(None, Vocabulary({"nobody": summarization}, frozenset()))
    assert "\n" not in str(caught.value)


def test_a_version_of_two_sources_names_both(packages: Packages, tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    packages.add(GROUP, SOURCE, "one")
    (folder / "a.yaml").write_text(TWO_IN_FOLDER.format(name="one"))
    with pytest.raises(SettingsError) as caught:
        load_catalogue(folder)
    assert str(caught.value) == (
        "Two different pipelines are called one@1.0.0, one from entry point 'demo' of the package "
        f"perdure-demo 1.0, one from the folder {folder} (AI_PIPELINES_PATH): a version never "
        "changes, give one of them another or remove it."
    )


@pytest.mark.parametrize(
    ("source", "other"),
    [
        ("one = pipeline('one').timeout(9).done().build()", "'other' of the package perdure-other"),
        ("one = pipeline('call_analysis').done().build()", "the predefined pipelines"),
    ],
)
def test_packages_do_not_take_each_others_versions(
    packages: Packages, source: str, other: str
) -> None:
    packages.add(GROUP, SOURCE, "one", name="other")
    packages.add(GROUP, SOURCE + source, "one")
    with pytest.raises(SettingsError, match=other) as caught:
        load_catalogue(None)
    assert "entry point 'demo' of the package perdure-demo 1.0" in str(caught.value)


def test_two_functions_make_two_definitions(packages: Packages) -> None:
    with_function = SOURCE + "one = pipeline('one').when(lambda context: True).done().build()"
    packages.add(GROUP, with_function, "one", name="other")
    packages.add(GROUP, with_function, "one")
    with pytest.raises(SettingsError, match=r"Two different pipelines are called one@1\.0\.0"):
        load_catalogue(None)


def test_a_function_comes_with_its_definition_and_keeps_it_from_being_written(
    packages: Packages,
) -> None:
    packages.add(GROUP, SOURCE + "two = pipeline('two').when(bool).done().build()", "two")
    catalogue = load_catalogue(None)
    assert catalogue.functions["two@1.0.0"] == {("short", "when"): bool}
    with pytest.raises(NotExportable, match="'short'"):
        to_yaml(catalogue.get("two"))


def test_without_an_installed_catalogue_the_environments_is_built(
    packages: Packages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_installed", None)
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "a.yaml").write_text(TWO_IN_FOLDER.format(name="of_folder"))
    monkeypatch.setenv("AI_PIPELINES_PATH", str(folder))
    packages.add(GROUP, SOURCE, "one")
    names = ("call_analysis", "one", "of_folder")
    assert [get_pipeline(name).name for name in names] == [*names]
