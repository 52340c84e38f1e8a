"""The question that comes before a run: does the tenant's money allow it?

This room owns the question and its answer; who can answer, the ledger's room, is installed by a
composition root. While nobody is installed, no limit is enforced, and the answer says so.
"""

from dataclasses import dataclass
from typing import Protocol


class BudgetExceededException(Exception):
    """The tenant's budget does not allow the run; the message says what is left."""


@dataclass(frozen=True, slots=True)
class BudgetCheck:
    """Whether a run may start, and in one sentence why."""

    allowed: bool
    message: str


class BudgetService(Protocol):
    """Answers for every tenant."""

    async def check_budget(self, tenant_id: str) -> BudgetCheck:
        """Say whether the tenant may start a run now. Reserves nothing."""


class _NoLimits:
    async def check_budget(self, tenant_id: str) -> BudgetCheck:
        return BudgetCheck(
            allowed=True, message=f"No limit is enforced yet for tenant '{tenant_id}'."
        )


_installed: BudgetService = _NoLimits()


def install_budget_service(service: BudgetService) -> None:
    """Make `get_budget_service` return this one; for composition roots."""
    global _installed  # noqa: PLW0603 - the one place where a process keeps its service
    _installed = service


def get_budget_service() -> BudgetService:
    """Return the installed service, or else one that enforces no limit."""
    return _installed
