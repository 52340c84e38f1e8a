"""Names that a definition may use, names that it may not, and the nearest one to a misspelt one."""

import difflib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from providers.types import Capability


@dataclass(frozen=True)
class Vocabulary:
    """What a definition may name besides its own steps.

    Attributes:
        providers: What each provider offers.
        compensations: The registered ones.
    """

    providers: Mapping[str, frozenset[Capability]]
    compensations: frozenset[str]


class Providers(Protocol):
    """Who there is; the registry is one."""

    @property
    def nameable(self) -> Mapping[str, frozenset[Capability]]:
        """What a definition may prefer each provider for, available or not."""
        ...


def vocabulary_of(providers: Providers) -> Vocabulary:
    """Return the names that a definition may use in this process."""
    return Vocabulary(providers=providers.nameable, compensations=COMPENSATIONS)


COMPENSATIONS = frozenset({"delete_artifact"})
"""What `compensate` may name: `delete_artifact` removes what a step has put into the store."""

FOR_EACH_NAMES = ("item", "index")

# https://github.com/google/cel-spec/blob/master/doc/langdef.md (read 2026-11-24): the literals and
# operators that are words, the reserved identifiers, the names of types, the macros.
_WORDS = """
true false null in
as break const continue else for function if import let loop package namespace return var void while
bool bytes double dyn int list map null_type string type uint
all exists exists_one filter has
"""
RESERVED: frozenset[str] = frozenset(_WORDS.split()).union(FOR_EACH_NAMES)

_LISTED = 12
_CONSIDERED = 500
_COMPARED = 10


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that a misspelt one most likely means, in capitals or not."""
    name = name[:64]
    folded = name.casefold()
    likely = [
        (-likeness, other)
        for other in islice(known, _CONSIDERED)
        if (likeness := _likeness(folded, other.casefold())) > 0 and other != name
    ]
    candidates = {other.casefold(): other for _, other in sorted(likely)[:_COMPARED]}
    close = difflib.get_close_matches(folded, candidates, n=1)
    return candidates[close[0]] if close else None


def hint(name: str, known: Collection[str]) -> str:
    """Write the sentence that helps after an unknown name; it begins with a space, or is empty."""
    if other := nearest(name, known):
        return f" Did you mean '{other}'?"
    if known and len(known) <= _LISTED:
        return f" Known: {', '.join(known)}."
    return ""


def _likeness(name: str, other: str) -> int:
    """Compare the ends of two names: cheap, to leave most of them out."""
    return (
        (name[:1] == other[:1])
        + (name[:3] == other[:3])
        + (name[:6] == other[:6])
        + (name[-1:] == other[-1:])
        + (name[-3:] == other[-3:])
    )
