"""An installed package that can't be used stops the start of every process."""

from pathlib import Path

import pytest

from api.app import create_app
from settings import Settings, SettingsError
from tests.packages import Packages
from worker import run_worker


@pytest.fixture(params=["perdure.pipelines", "perdure.providers"])
def told(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Install a package that can't be imported; return what the error begins with."""
    Packages(tmp_path, monkeypatch).add(request.param, "import nothing_of_this_name")
    return r"^The installed package perdure-demo 1\.0 can't be used: its entry point 'demo'"


def test_the_api_does_not_start(told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        create_app(Settings())


async def test_a_worker_does_not_start(told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        await run_worker(Settings())
