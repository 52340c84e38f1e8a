"""Why the ledger says no.

    LedgerError
    ├── BudgetExceeded   budget_exceeded   stop   the tenant's month, or the run's own cap
    ├── UnboundedCall    unbounded_call    next   nobody can say what the call may cost at most
    └── NotAdmitted      not_admitted      stop   a call of a run that was never admitted

None is retried by itself. `UnboundedCall` goes on to the next candidate, which may be sold at a
known price. `BoundNeeded` is no failure: it asks the caller to work the bound out and come again.
"""

from datetime import datetime
from decimal import Decimal
from typing import ClassVar


class LedgerError(Exception):
    """The ledger refuses; a run is admitted or stopped by it."""

    code: ClassVar[str]
    retryable: ClassVar[bool] = False
    fallback: ClassVar[bool] = False


class BudgetExceeded(LedgerError):
    """What is asked for does not fit into what is left.

    Attributes:
        policy: The tenant's, or `max_cost_usd` where it is the run's own cap that is too low.
        needed_usd: What was asked for; null when that is unknown and nothing is left.
        resets_at: When the tenant's next month begins.
    """

    code = "budget_exceeded"

    def __init__(
        self,
        *,
        policy: str,
        limit_usd: Decimal,
        spent_usd: Decimal,
        reserved_usd: Decimal,
        needed_usd: Decimal | None,
        resets_at: datetime,
    ) -> None:
        """Take the figures that explain it."""
        self.policy = policy
        self.limit_usd = limit_usd
        self.spent_usd = spent_usd
        self.reserved_usd = reserved_usd
        self.needed_usd = needed_usd
        self.resets_at = resets_at
        super().__init__(self._message())

    def _message(self) -> str:
        wanted = "This" if self.needed_usd is None else f"This needs {self.needed_usd:f} USD, which"
        taken = f"{self.spent_usd:f} USD are spent and {self.reserved_usd:f} USD reserved"
        if self.policy == "max_cost_usd":
            return f"{wanted} does not fit into the run's cap of {self.limit_usd:f} USD: {taken}."
        return (
            f"{wanted} does not fit into the month's budget of {self.limit_usd:f} USD: {taken}. "
            f"The next month begins at {self.resets_at:%Y-%m-%d %H:%M} UTC."
        )


class UnboundedCall(LedgerError):
    """A hard limit is to be kept, and there is no upper bound of what this call may cost."""

    code, fallback = "unbounded_call", True


class NotAdmitted(LedgerError):
    """There is no reservation for the run."""

    code = "not_admitted"


class BoundNeeded(Exception):
    """The attempt may begin only with an upper bound, and the caller did not work one out."""
