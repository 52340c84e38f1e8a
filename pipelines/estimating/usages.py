"""What one call uses of what is sold, in the best, the expected and the worst case."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from providers.types import CostUnit, Usage


@dataclass(frozen=True, slots=True)
class Usages:
    """The cases, as amounts of what is sold.

    Attributes:
        cheapest: The least that is likely, in each way in which the call may go; no bound.
        expected: Null when unknown; then there are no others.
        dearest: Upper bounds, in each way in which the call may go; empty when there are none.
        reason: Why something is unknown.
    """

    cheapest: tuple[Usage, ...]
    expected: Usage | None
    dearest: tuple[Usage, ...]
    reason: str | None = None

    @classmethod
    def unknown(cls, reason: str | None) -> "Usages":
        """Stand for a call of which nothing is known."""
        return cls((), None, (), reason)

    @classmethod
    def exact(cls, usage: Usage) -> "Usages":
        """Stand for a call of which everything is known."""
        return cls((usage,), usage, (usage,))


@dataclass(frozen=True, slots=True)
class Work:
    """One call.

    Attributes:
        usages: What it uses, by what a provider may charge for.
        response: What is foreseen of the response.
    """

    usages: Mapping[CostUnit, Usages]
    response: Mapping[str, Any]

    def sold_by(self, unit: CostUnit) -> Usages:
        """Return what the call uses of a unit."""
        other = f"How much work this is by the {unit} can't be told."
        return self.usages.get(unit, Usages.unknown(other))
