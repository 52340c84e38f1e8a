"""Which names an expression may use, and why it may not use another."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from cel_expr_python import cel

from pipelines.checking.cel_tokens import ELSEWHERE
from pipelines.checking.cel_types import response_type
from pipelines.checking.input_schemas import InputKeys
from pipelines.checking.outline import Outline, StepOutline
from pipelines.vocabulary import FOR_EACH_NAMES, RESERVED, nearest

_LISTED = 12
_CONSIDERED = 300


@dataclass(frozen=True)
class Scope:
    """The names at one place of a definition.

    Attributes:
        outline: The definition.
        inputs: The keys of the run's input.
        before: Places of the steps whose outputs are there.
        step: The step that the place belongs to; none for the pipeline's own output.
        binds: Whether `item` and `index` are there.
    """

    outline: Outline
    inputs: InputKeys
    before: frozenset[int]
    step: StepOutline | None
    binds: bool = False

    def has(self, name: str) -> bool:
        """Tell whether a name may be used here."""
        if name in FOR_EACH_NAMES:
            return self.binds
        if name in self.inputs.types:
            return True
        if maker := self.outline.makers.get(name):
            return maker.index in self.before
        # Where the input may have any key, these still mean something else.
        others = (self.outline.by_name, RESERVED, ELSEWHERE)
        return self.is_open and not any(name in other for other in others)

    def explain(self, name: str) -> str:
        """Say why a name is not to be used."""
        maker, step = self.outline.makers.get(name), self.outline.by_name.get(name)
        if maker is not None and maker == self.step:
            return f"'{name}' is the output of this very step."
        if maker is not None:
            made = f"'{name}' is the output of step '{maker.name}'"
            return f"{made}, which does not come before this one."
        if step is not None:
            return f"'{name}' is a step; its output is called '{step.output}'."
        return self._unmade(name)

    def _unmade(self, name: str) -> str:
        """Say why a name that no step has anything to do with is not to be used."""
        if name in FOR_EACH_NAMES:
            return f"'{name}' exists only in a step with 'for_each'."
        if name in RESERVED:
            return f"'{name}' is reserved in expressions and can't be a key of the context."
        if name in ELSEWHERE:
            return f"'{name}' is written '{ELSEWHERE[name]}'."
        return f"Unknown name '{name[:40]}'.{self._hint(name)}"

    def _hint(self, name: str) -> str:
        known = list(islice(self.known(), _CONSIDERED))
        if other := nearest(name, [*known, *self.outline.makers]):
            return f" Did you mean '{other}'?"
        return f" Known here: {', '.join(known)}." if 0 < len(known) <= _LISTED else ""

    def known(self) -> Iterable[str]:
        """Yield the names that may be used."""
        yield from self.inputs.types
        for step in self.outline.steps:
            if step.index in self.before and step.output:
                yield step.output
        yield from FOR_EACH_NAMES if self.binds else ()

    @property
    def is_open(self) -> bool:
        """Whether there may be more names than are known."""
        return self.inputs.open or not self.outline.complete


def type_of(name: str, outline: Outline, inputs: InputKeys) -> cel.Type:
    """Return the type of a context key; dynamic where it is not known."""
    if name in inputs.types:
        return inputs.types[name]
    step = outline.makers.get(name)
    if step is None:
        return cel.Type.DYN
    return response_type(
        step.capability,
        many="for_each" in step.raw,
        collects=step.raw.get("on_item_error") == "collect",
    )


def step_scope(
    step: StepOutline, outline: Outline, inputs: InputKeys, *, binds: bool = True
) -> Scope:
    """Return what a step's settings may use; its `for_each` itself binds no names yet."""
    before = outline.before[step.index] - {step.index}
    return Scope(outline, inputs, before, step, binds and "for_each" in step.raw)


def output_scope(outline: Outline, inputs: InputKeys) -> Scope:
    """Return what the pipeline's output may use."""
    return Scope(outline, inputs, frozenset(range(len(outline.steps))), None)
