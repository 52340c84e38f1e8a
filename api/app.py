"""The application factory."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from activities.estimates import Estimates
from api import (
    artifacts,
    budgets,
    catalog,
    definitions,
    estimates,
    executions,
    health,
    invoices,
    listing,
    problems,
    streams,
)
from api.context import Services
from api.tenant_catalogue import TenantCatalogue
from artifacts.fetch import Fetcher
from artifacts.store import ArtifactStore
from connection import connect
from events.store import EventStore
from ledger.books import Ledger
from ledger.budgets import Budget
from ledger.database import create_engine
from ledger.definitions import RegisteredDefinitions
from pipelines.catalogue import install_catalogue, load_catalogue
from pipelines.vocabulary import vocabulary_of
from providers.registry import build_registry, install_registry
from settings import Settings


def create_app(settings: Settings) -> FastAPI:
    """Build the application on a migrated database; clients live from its start to its stop.

    Raises:
        SettingsError: A definition or an installed package can't be used.
    """
    registry = build_registry(settings)
    catalogue = load_catalogue(settings.ai_pipelines_path, vocabulary_of(registry))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        client = await connect(lazy=True)
        engine = create_engine(settings.database_url)
        install_registry(registry)
        install_catalogue(catalogue)
        ledger = Ledger(engine, Budget.of(settings))
        artifact_store = ArtifactStore(
            engine, settings.ai_data_dir / "artifacts", max_bytes=settings.ai_max_artifact_bytes
        )
        app.state.services = services = Services(
            client=client,
            task_queue=settings.ai_task_queue,
            engine=engine,
            registry=registry,
            catalogue=TenantCatalogue(catalogue, RegisteredDefinitions(engine)),
            artifacts=artifact_store,
            fetcher=Fetcher(
                allowed_hosts=settings.ai_fetch_allowed_hosts,
                max_bytes=settings.ai_max_artifact_bytes,
                folder=settings.ai_data_dir / "downloads",
            ),
            ledger=ledger,
            estimates=Estimates(registry, artifact_store),
            events=EventStore(client),
        )
        try:
            yield
        finally:
            await services.events.close()
            await registry.close()
            await engine.dispose()

    app = FastAPI(
        title="Perdure",
        summary="Durable AI pipelines on Temporal",
        version="1",
        lifespan=lifespan,
        redirect_slashes=False,
    )
    problems.install(app)
    # Paths with fixed names come before those that begin with an execution's id.
    for router in (
        health.router,
        catalog.router,
        definitions.router,
        estimates.router,
        artifacts.router,
        budgets.router,
        listing.router,
        executions.router,
        invoices.router,
        streams.router,
    ):
        app.include_router(router)
    return app
