"""What the routes share: clients, and who is asking."""

import asyncio
import re
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Header
from fastapi.requests import HTTPConnection
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client, WorkflowExecutionDescription

from activities.estimates import Estimates
from api.problems import Problem, not_found
from api.tenant_catalogue import TenantCatalogue
from artifacts.fetch import Fetcher
from artifacts.store import ArtifactStore
from connection import ensure_connected
from events.store import EventStore
from ledger.books import Ledger
from providers.registry import CapabilityRegistry
from workflows.search_attributes import TENANT_ID
from workflows.types import WORKFLOW_TYPE

_EXECUTION_ID = re.compile(r"exec-[0-9a-hjkmnp-tv-z]{26}")
_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
TENANT_HEADER = "X-Tenant-ID"
DEFAULT_TENANT = "default"


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that a route may use; built once by the application factory."""

    client: Client
    task_queue: str
    engine: AsyncEngine
    registry: CapabilityRegistry
    catalogue: TenantCatalogue
    artifacts: ArtifactStore
    fetcher: Fetcher
    ledger: Ledger
    estimates: Estimates
    events: EventStore
    _connected: asyncio.Event = field(default_factory=asyncio.Event)

    async def temporal(self) -> Client:
        """Return the client, connected; the first call connects it.

        Raises:
            TemporalUnreachable: It was never connected, and nothing answers now.
        """
        if not self._connected.is_set():
            await ensure_connected(self.client)
            self._connected.set()
        return self.client


def get_services(connection: HTTPConnection) -> Services:
    """Return the application's services."""
    services: Services = connection.app.state.services
    return services


def get_tenant(
    x_tenant_id: Annotated[str, Header(alias=TENANT_HEADER)] = DEFAULT_TENANT,
) -> str:
    """Return who is asking; with authentication off, whoever they say they are.

    Raises:
        Problem: 400 when the name does not have the form.
    """
    if not _TENANT.fullmatch(x_tenant_id):
        raise Problem(
            400,
            "malformed",
            f"{TENANT_HEADER} takes 1 to 64 letters, digits, '.', '_' or '-', "
            "beginning with a letter or digit.",
        )
    return x_tenant_id


ServicesOf = Annotated[Services, Depends(get_services)]
Tenant = Annotated[str, Depends(get_tenant)]
Admin = Tenant
"""Who is asking, and must be an admin: with authentication off everyone is."""


@dataclass(frozen=True, slots=True)
class Execution:
    """An execution that belongs to the tenant who asks."""

    id: str
    description: WorkflowExecutionDescription


def get_execution_id(execution_id: str) -> str:
    """Return what the path names.

    Raises:
        Problem: 404 when it can't be an execution's id.
    """
    if not _EXECUTION_ID.fullmatch(execution_id):
        raise not_found()
    return execution_id


ExecutionId = Annotated[str, Depends(get_execution_id)]


async def get_execution(
    execution_id: ExecutionId, services: ServicesOf, tenant: Tenant
) -> Execution:
    """Find an execution of the tenant.

    Raises:
        Problem: 404 when there is none, or it is another tenant's.
    """
    client = await services.temporal()
    description = await client.get_workflow_handle(execution_id).describe()
    owner = description.typed_search_attributes.get(TENANT_ID)
    if description.workflow_type != WORKFLOW_TYPE or owner != tenant:
        raise not_found("There is no such execution.")
    return Execution(execution_id, description)


ExecutionOf = Annotated[Execution, Depends(get_execution)]
