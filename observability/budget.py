"""The question that comes before a run: does the tenant's money allow it?

This room owns the question and the form of its answer. Who answers, the ledger, is installed by a
composition root; without one it is opened by the environment's settings.
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


_installed: BudgetService | None = None


def install_budget_service(service: BudgetService | None) -> BudgetService | None:
    """Make `get_budget_service` return this one, and return the one before; for composition."""
    global _installed
    before, _installed = _installed, service
    return before


def get_budget_service() -> BudgetService:
    """Return the installed service, or else one by the settings in the environment."""
    if _installed is not None:
        return _installed
    # The one way from here to the ledger: a program that composes nothing has no other.
    from ledger.service import EnvironmentBudgets  # noqa: PLC0415

    return EnvironmentBudgets()
