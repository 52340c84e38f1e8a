"""Checks expressions against the types of the names that they use."""

from collections.abc import Mapping
from dataclasses import dataclass

from cel_expr_python import cel

from pipelines.checking.cel_messages import Complaint, complaints_in, problem_with
from pipelines.checking.cel_tokens import Problem, Token
from pipelines.checking.cel_types import descriptor_pool
from pipelines.vocabulary import FOR_EACH_NAMES


@dataclass(frozen=True, slots=True)
class Checked:
    """What is known of an expression.

    Attributes:
        type: Of its value; dynamic where that is not known.
        problems: What is wrong with it.
    """

    type: cel.Type
    problems: tuple[Problem, ...] = ()


class ExpressionChecker:
    """Checks the expressions of one definition, each one once.

    The compiler takes ten times as long to make an environment as to compile an expression, so all
    expressions share one that has every name; whether a name may be used at a place is not looked
    at here. Only `item` has another type in each step, and makes an environment for each type.
    """

    def __init__(self, types: Mapping[str, cel.Type]) -> None:
        """Take every name that occurs in an expression, with its type."""
        self._types = dict.fromkeys(FOR_EACH_NAMES, cel.Type.DYN) | dict(types)
        self._environments: dict[str, cel.Env] = {}
        self._checked: dict[tuple[str, str], Checked] = {}
        self._items: dict[str, cel.Type] = {}

    def check(self, source: str, tokens: list[Token], item: cel.Type | None) -> Checked:
        """Check one expression.

        Args:
            source: The expression.
            tokens: Its words.
            item: The type of `item`, where there is one.
        """
        bound = item if any(token.text in FOR_EACH_NAMES for token in tokens) else None
        key = (source, bound.name() if bound else "")
        if key not in self._checked:
            self._checked[key] = self._compile(source, tokens, bound)
        return self._checked[key]

    def item_type(self, source: str) -> cel.Type:
        """Return the type of the items of a list that an expression gives."""
        if source not in self._items:
            try:
                kind = self._environment(None).compile(f"({source}\n)[0]").return_type()
            except RuntimeError:
                kind = cel.Type.DYN
            self._items[source] = kind
        return self._items[source]

    def _compile(self, source: str, tokens: list[Token], item: cel.Type | None) -> Checked:
        kind, complaints = _complaints(self._environment(item), source)
        if any(complaint.may_be_right for complaint in complaints):
            certain = [one for one in complaints if not one.may_be_right]
            kind, again = _complaints(self._loose, source)
            complaints = certain + [one for one in again if one not in certain]
        return Checked(kind, tuple(problem_with(complaint, tokens) for complaint in complaints))

    @property
    def _loose(self) -> cel.Env:
        """The environment that a run evaluates in: it knows no types."""
        if "loose" not in self._environments:
            loose = dict.fromkeys(self._types, cel.Type.DYN)
            self._environments["loose"] = cel.NewEnv(variables=loose)
        return self._environments["loose"]

    def _environment(self, item: cel.Type | None) -> cel.Env:
        key = f"item {item.name()}" if item else ""
        if key not in self._environments:
            bound = dict(zip(FOR_EACH_NAMES, (item, cel.Type.INT), strict=True)) if item else {}
            variables = self._types | bound
            self._environments[key] = cel.NewEnv(descriptor_pool(), variables=variables)
        return self._environments[key]


def _complaints(environment: cel.Env, source: str) -> tuple[cel.Type, list[Complaint]]:
    try:
        return environment.compile(source).return_type(), []
    except RuntimeError as error:
        return cel.Type.DYN, complaints_in(str(error), source)
