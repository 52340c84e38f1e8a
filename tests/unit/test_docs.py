"""What a user can name is in the documentation."""

import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from artifacts.errors import ArtifactError
from cli.main import COMMANDS
from events.types import EventType
from observability.metrics import Metrics
from providers.errors import PROVIDER_ERRORS
from settings import ROOT, Settings

DOCS = ROOT / "docs"


def text_of(name: str) -> str:
    return (DOCS / name).read_text()


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_every_setting_is_described(name: str) -> None:
    assert f"| `{name.upper()}` |" in text_of("settings.md")
    assert Settings.model_fields[name].description
    assert Settings.model_fields[name].examples


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_every_setting_that_people_change_is_in_the_example(name: str) -> None:
    internal = {"ai_auth"}
    assert (f"#{name.upper()}=" in (ROOT / ".env.example").read_text()) == (name not in internal)


@pytest.mark.parametrize("event_type", EventType)
def test_every_event_type_is_described(event_type: EventType) -> None:
    assert f"`{event_type}`" in text_of("api.md")


@pytest.mark.parametrize("code", sorted({error.code for error in PROVIDER_ERRORS}))
def test_every_provider_error_is_described(code: str) -> None:
    assert f"`{code}`" in text_of("api.md")


def test_every_artifact_error_that_ends_a_step_is_described() -> None:
    codes = {error.code for error in ArtifactError.__subclasses__()}
    assert codes <= set(re.findall(r"`([a-z_]+)`", text_of("api.md")))


def test_every_metric_is_described() -> None:
    registry = CollectorRegistry()
    Metrics(registry)
    for metric in registry.collect():
        name = f"{metric.name}_total" if metric.type == "counter" else metric.name
        assert f"`{name}`" in text_of("settings.md")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_in_the_changelog_or_the_readme(command: str) -> None:
    written = (ROOT / "README.md").read_text() + (ROOT / "CHANGELOG.md").read_text()
    assert re.search(rf"`(perdure )?{command}\b|perdure {command}\b", written)


@pytest.mark.parametrize(
    "document", sorted([ROOT / "README.md", *DOCS.rglob("*.md")]), ids=lambda path: path.name
)
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text()):
        assert (document.parent / target).exists(), target


def test_the_readmes_map_names_every_room() -> None:
    rooms = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    readme = (ROOT / "README.md").read_text()
    assert {room for room in rooms if f"`{room}/`" not in readme} == set()
