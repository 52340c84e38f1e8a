"""Fills the parts of the page that are made from code."""

import re
from collections.abc import Callable, Mapping

from pipelines.model import FallbackPolicy, PipelineDefinition, RetryPolicy, StepDefinition
from pipelines.reference.bounds import bounds, compensations, not_yet, reserved_words
from pipelines.reference.capabilities import capabilities
from pipelines.reference.expressions import context, functions, macros, operators
from pipelines.reference.tables import keys_of

PARTS: Mapping[str, Callable[[], str]] = {
    "pipeline": lambda: keys_of(PipelineDefinition),
    "step": lambda: keys_of(StepDefinition),
    "retry": lambda: keys_of(RetryPolicy),
    "fallback": lambda: keys_of(FallbackPolicy),
    "context": context,
    "operators": operators,
    "functions": functions,
    "macros": macros,
    "reserved words": reserved_words,
    "capabilities": capabilities,
    "compensations": compensations,
    "bounds": bounds,
    "not yet": not_yet,
}
_PART = re.compile(r"(<!-- made from code: (.+?) -->\n).*?(<!-- end -->\n)", re.DOTALL)


def refreshed(page: str) -> str:
    """Return the page with every such part as the code is now.

    Raises:
        ValueError: The page lacks a part, has one twice, or one that nothing makes.
    """
    named = [match[2] for match in _PART.finditer(page)]
    if sorted(named) != sorted(PARTS):
        expected = ", ".join(PARTS)
        raise ValueError(f"the page must have each of these parts once: {expected}; it has {named}")
    return _PART.sub(lambda match: f"{match[1]}\n{PARTS[match[2]]()}\n\n{match[3]}", page)
