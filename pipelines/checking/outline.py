"""What can be told of a document's steps even where other parts of it are broken."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from providers.types import Capability

_CAPABILITIES = {capability.value: capability for capability in Capability}


@dataclass(frozen=True)
class StepOutline:
    """One step as it is written.

    Attributes:
        index: Its place.
        raw: Its settings; those of the wrong type are left out.
    """

    index: int
    raw: dict[str, Any]

    @property
    def name(self) -> str | None:
        """What the step is called."""
        return self.text("name")

    @property
    def output(self) -> str | None:
        """The key of its response in the context."""
        return self.text("output") or self.name

    @property
    def capability(self) -> Capability | None:
        """What it asks for, where there is such a capability."""
        return _CAPABILITIES.get(self.text("capability") or "")

    @property
    def needs(self) -> list[tuple[int, str]] | None:
        """The steps that it names, each with its place in the list."""
        needs = self.raw.get("needs")
        if not isinstance(needs, list):
            return None
        return [(place, name) for place, name in enumerate(needs) if isinstance(name, str)]

    def text(self, key: str) -> str | None:
        """Return a setting that is text."""
        value = self.raw.get(key)
        return value if isinstance(value, str) and value else None

    def mapping(self, key: str) -> dict[str, Any]:
        """Return a setting that is a mapping; empty where it isn't."""
        value = self.raw.get(key)
        return value if isinstance(value, dict) else {}


class Outline:
    """A definition's steps and how they follow one another.

    Attributes:
        steps: In the order in which they are written.
        complete: Whether every step has an output that can be told.
    """

    def __init__(self, value: Any) -> None:
        """Read what has the right shape."""
        raw = value.get("steps") if isinstance(value, dict) else None
        written = raw if isinstance(raw, list) else []
        self.steps = [
            StepOutline(index, step if isinstance(step, dict) else {})
            for index, step in enumerate(written)
        ]
        self.complete = isinstance(raw, list) and all(step.output for step in self.steps)

    @cached_property
    def by_name(self) -> dict[str, StepOutline]:
        """The first step of each name."""
        return {step.name: step for step in reversed(self.steps) if step.name}

    @cached_property
    def makers(self) -> dict[str, StepOutline]:
        """The first step that makes each output."""
        return {step.output: step for step in reversed(self.steps) if step.output}

    @cached_property
    def direct(self) -> list[list[int]]:
        """The places of the steps that come right before each step.

        An unknown need counts as the step that is written before this one, so that one wrong name
        doesn't make every reference wrong.
        """
        return [self._direct(step) for step in self.steps]

    def _direct(self, step: StepOutline) -> list[int]:
        previous = [step.index - 1] if step.index else []
        if step.needs is None:
            return previous
        named = [self.by_name.get(name) or self.makers.get(name) for _, name in step.needs]
        unknown = previous if None in named else []
        return [other.index for other in named if other] + unknown

    @cached_property
    def before(self) -> list[frozenset[int]]:
        """The places of all steps that come before each step, directly or not."""
        sets = [0] * len(self.steps)
        changed = True
        while changed:
            changed = False
            for step in self.steps:
                bits = sets[step.index]
                for index in self.direct[step.index]:
                    bits |= sets[index] | 1 << index
                changed |= bits != sets[step.index]
                sets[step.index] = bits
        every = range(len(self.steps))
        return [frozenset(index for index in every if bits >> index & 1) for bits in sets]

    def cycles(self) -> Iterator[list[StepOutline]]:
        """Yield one cycle for each group of steps that wait for one another."""
        seen: set[int] = set()
        for step in self.steps:
            if step.index in self.before[step.index] and step.index not in seen:
                path = self._way_back(step.index)
                group = {i for i in self.before[step.index] if step.index in self.before[i]}
                seen |= group
                yield [self.steps[index] for index in path]

    def _way_back(self, start: int) -> list[int]:
        """Find the shortest way from a step to itself."""
        ways = [[start]]
        seen: set[int] = set()
        for way in ways:
            for index in self.direct[way[-1]]:
                if index == start:
                    return [*way, start]
                if index not in seen:
                    seen.add(index)
                    ways.append([*way, index])
        raise AssertionError("a step that comes before itself has a way back")
