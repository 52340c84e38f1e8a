"""Why the ledger says no.

    LedgerError
    ├── BudgetExceeded      budget_exceeded      stop    the month, or the run's own cap
    ├── UnboundedCall       unbounded_call       next    nobody knows the most that it may cost
    ├── NotAdmitted         not_admitted         stop    the run was never admitted
    ├── AnswerNotKept       answer_not_kept      stop    it was bought, and can't be stored
    └── LedgerUnavailable   ledger_unavailable   retry   the database is away

`UnboundedCall` goes on to the next candidate, which may be sold at a known price. `BoundNeeded` is
no failure: it asks the caller to work the bound out and come again.
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
        limit = _usd(self.limit_usd)
        wanted = "This"
        if self.needed_usd is not None:
            wanted = f"This needs {_usd(self.needed_usd)}, which"
        taken = f"{_usd(self.spent_usd)} are spent and {_usd(self.reserved_usd)} reserved"
        if self.policy == "max_cost_usd":
            return f"{wanted} does not fit into the run's cap of {limit}: {taken}."
        return (
            f"{wanted} does not fit into the month's budget of {limit}: {taken}. "
            f"The next month begins at {self.resets_at:%Y-%m-%d %H:%M} UTC."
        )


def _usd(amount: Decimal) -> str:
    """Write an amount without trailing zeros."""
    return f"{amount.normalize():f} USD"


class UnboundedCall(LedgerError):
    """A hard limit is to be kept, and there is no upper bound of what this call may cost."""

    code, fallback = "unbounded_call", True


class NotAdmitted(LedgerError):
    """There is no reservation for the run."""

    code = "not_admitted"


class AnswerNotKept(LedgerError):
    """What was bought can't be stored, and would be bought again for nothing."""

    code = "answer_not_kept"


class LedgerUnavailable(LedgerError):
    """The database is away; nothing was asked, or what was bought can't be booked."""

    code, retryable = "ledger_unavailable", True


class AttemptTaken(Exception):
    """An attempt of this number has ended already; begin another one."""


class BoundNeeded(Exception):
    """The attempt may begin only with an upper bound, and the caller did not work one out."""
