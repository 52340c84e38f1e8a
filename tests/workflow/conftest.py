import pytest
from scripted import Hang


@pytest.fixture
async def hang() -> Hang:
    return Hang()
