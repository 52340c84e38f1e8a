"""What a room pulls in when it is imported, each looked at in a fresh process."""

import subprocess
import sys

import pytest

HEAVY = {
    "alembic",
    "anthropic",
    "fastapi",
    "numpy",
    "openai",
    "pocketsphinx",
    "presidio_analyzer",
    "soundfile",
    "spacy",
    "sqlalchemy",
    "uvicorn",
}


def imported_with(module: str) -> set[str]:
    program = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "module",
    [
        "workflows",
        "workflows.pipeline",
        "events",
        "events.store",
        "activities",
        "activities.types",
        "pipelines",
        "pipelines.predefined",
        "providers",
        "providers.types",
        "artifacts",
        "ledger",
        "settings",
        "observability",
    ],
)
def test_importing_this_stays_light(module: str) -> None:
    assert imported_with(module) & HEAVY == set()


def test_the_check_sees_what_is_imported() -> None:
    assert {"fastapi", "sqlalchemy"} <= imported_with("api.app")
