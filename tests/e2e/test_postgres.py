"""The product on PostgreSQL, as an operator starts it: on a database without tables."""

from collections.abc import Iterator

import pytest

from tests.postgres import PASSWORD, USER, PostgresServer
from tests.product import Product, perdure_dev, wait_until

BODY = {"pipeline_name": "pii_detection", "input_data": {"text": "Call me at 415-555-0132."}}


@pytest.fixture(scope="module")
def database(postgres: PostgresServer) -> Iterator[str]:
    """Make a database; API and worker find it empty when they start."""
    with postgres.database(migrated=False) as url:
        yield url.rpartition("/")[2]


@pytest.fixture(scope="module")
def product(
    tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer, database: str
) -> Iterator[Product]:
    folder = tmp_path_factory.mktemp("product")
    with perdure_dev(folder, {"AI_DATABASE_URL": postgres.url(database)}) as running:
        yield running
    assert PASSWORD not in (folder / "dev.log").read_text()


def test_a_run_is_started_once_worked_and_booked(
    product: Product, postgres: PostgresServer, database: str
) -> None:
    key = {"Idempotency-Key": "one run"}
    execution_id = product.http.post("/execute", json=BODY, headers=key).json()["execution_id"]
    result = product.result(execution_id)
    assert result["output"]["redacted"]["text"] == "Call me at [PHONE_NUMBER]."
    again = product.http.post("/execute", json=BODY, headers=key)
    assert (again.status_code, again.json()["execution_id"]) == (200, execution_id)
    found = postgres.run("SELECT execution_id, state FROM reservations", database=database)
    assert (execution_id, "settled") in found
    assert not list(product.data.glob("perdure.db*"))


def test_a_database_that_goes_away_is_told_and_is_back_by_itself(
    product: Product, postgres: PostgresServer, database: str
) -> None:
    postgres.run(f"ALTER DATABASE {database} ALLOW_CONNECTIONS false")
    for user, pid in postgres.run("SELECT usename, pid FROM pg_stat_activity"):
        if user == USER:
            postgres.run(f"SELECT pg_terminate_backend({pid}, 5000)")
    try:
        assert product.http.get("/health").status_code == 503
        assert product.http.post("/execute", json=BODY).status_code == 503
    finally:
        postgres.run(f"ALTER DATABASE {database} ALLOW_CONNECTIONS true")
    wait_until(product.is_healthy, "health")
    answer = product.http.post("/execute", json=BODY, headers={"Prefer": "wait=30"})
    assert answer.json()["success"], answer.text
