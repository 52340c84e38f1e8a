import pytest

from tests.scripted import Hang


@pytest.fixture
async def hang() -> Hang:
    return Hang()
