"""The budget question as the seed's programs ask it; `observability` has its words."""

from decimal import Decimal

from ledger.books import Ledger
from ledger.budgets import Account, Budget, Budgets
from ledger.database import create_engine, prepare_database
from observability.budget import BudgetCheck
from settings import BudgetPolicy, Settings


class LedgerBudgets:
    """Answers by a ledger that is open."""

    def __init__(self, budgets: Budgets) -> None:
        """Take the ledger's budgets."""
        self._budgets = budgets

    async def check_budget(self, tenant_id: str) -> BudgetCheck:
        """Say whether the tenant may start a run that costs something. Reserves nothing."""
        return _judge(await self._budgets.account(tenant_id))


class EnvironmentBudgets:
    """Answers by the database that the environment's settings name, opened for each question."""

    async def check_budget(self, tenant_id: str) -> BudgetCheck:
        """Say whether the tenant may start a run that costs something. Reserves nothing.

        Raises:
            SettingsError: A setting is wrong, or the database can't be opened.
        """
        settings = Settings.load()
        await prepare_database(settings.database_url)
        engine = create_engine(settings.database_url)
        try:
            budgets = Ledger(engine, Budget.of(settings)).budgets
            return await LedgerBudgets(budgets).check_budget(tenant_id)
        finally:
            await engine.dispose()


def _judge(account: Account) -> BudgetCheck:
    left, limit = account.remaining_usd, account.budget.limit_usd
    allowed = left > Decimal(0) or account.budget.policy is BudgetPolicy.WARN
    if left > Decimal(0):
        found = f"has {left:f} of {limit:f} USD left"
    else:
        found = f"has nothing left of {limit:f} USD"
    return BudgetCheck(
        allowed=allowed,
        message=f"Tenant '{account.tenant_id}' {found} until {account.resets_at:%Y-%m-%d} (UTC); "
        f"{account.spent_usd:f} USD are spent and {account.reserved_usd:f} USD reserved.",
    )
