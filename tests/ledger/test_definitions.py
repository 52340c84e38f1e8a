"""A definition is kept once and never changes, per tenant."""

import asyncio

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from ledger.database import create_engine
from ledger.definitions import Registered, RegisteredDefinitions, VersionTaken


async def keep(
    store: RegisteredDefinitions,
    document: str = "{}",
    *,
    tenant: str = "t",
    version: str = "1.0.0",
    sha256: str = "0" * 64,
) -> Registered:
    return await store.register(tenant, "calls", version, document=document, sha256=sha256)


async def test_the_first_registration_is_new_and_is_kept(engine: AsyncEngine) -> None:
    store = RegisteredDefinitions(engine)
    assert await keep(store, '{"a": 1}') == Registered('{"a": 1}', is_new=True)
    assert await store.document("t", "calls", "1.0.0") == '{"a": 1}'


async def test_the_same_again_is_not_new_and_changes_nothing(engine: AsyncEngine) -> None:
    store = RegisteredDefinitions(engine)
    await keep(store, '{"a": 1, "b": 2}')
    assert await keep(store, '{"b": 2, "a": 1}') == Registered('{"a": 1, "b": 2}', is_new=False)
    assert await store.documents("t") == ['{"a": 1, "b": 2}']


async def test_other_content_is_refused_and_changes_nothing(engine: AsyncEngine) -> None:
    store = RegisteredDefinitions(engine)
    await keep(store, "first")
    with pytest.raises(VersionTaken):
        await keep(store, "second", sha256="1" * 64)
    assert await store.document("t", "calls", "1.0.0") == "first"


async def test_tenants_do_not_see_each_other(engine: AsyncEngine) -> None:
    store = RegisteredDefinitions(engine)
    await keep(store, "mine")
    assert (await keep(store, "theirs", tenant="u", sha256="1" * 64)).is_new
    assert await store.documents("t") == ["mine"]
    assert await store.names("v") == await store.versions("v", "calls") == []
    assert await store.document("v", "calls", "1.0.0") is None


async def test_names_and_versions_are_listed_without_their_documents(engine: AsyncEngine) -> None:
    store = RegisteredDefinitions(engine)
    for version in ("1.0.0", "2.0.0"):
        await keep(store, version=version)
    assert sorted(await store.versions("t", "calls")) == ["1.0.0", "2.0.0"]
    assert await store.names("t") == ["calls"]


@pytest.mark.parametrize("contents", [1, 4])
async def test_of_many_processes_at_once_one_is_the_first(
    database_url: str, engine: AsyncEngine, contents: int
) -> None:
    engines = [create_engine(database_url) for _ in range(4)]
    answers = await asyncio.gather(
        *(
            keep(
                RegisteredDefinitions(engines[number % 4]),
                str(number % contents),
                sha256=str(number % contents) * 64,
            )
            for number in range(20)
        ),
        return_exceptions=True,
    )
    kept = [answer for answer in answers if isinstance(answer, Registered)]
    assert [answer.is_new for answer in kept].count(True) == 1
    assert len(kept) == 20 / contents
    assert all(isinstance(answer, Registered | VersionTaken) for answer in answers)
    stored = await RegisteredDefinitions(engine).document("t", "calls", "1.0.0")
    assert {answer.document for answer in kept} == {stored}
    for other in engines:
        await other.dispose()
