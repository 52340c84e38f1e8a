"""The compiler's complaints in plain words.

The compiler gives line, column and a text for each. Its well-known texts are taken apart and said
anew; one that is not known is shown as it is.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pipelines.checking.cel_tokens import MACROS, Problem, Token
from pipelines.checking.cel_types import PACKAGE, describe, fields_of
from pipelines.vocabulary import RESERVED, hint

# https://github.com/google/cel-spec/blob/master/doc/langdef.md (read 2026-11-24).
_STANDARD = """
bool bytes contains double duration dyn endsWith getDate getDayOfMonth getDayOfWeek getDayOfYear
getFullYear getHours getMilliseconds getMinutes getMonth getSeconds int matches size startsWith
string timestamp type uint
"""
FUNCTIONS = tuple(_STANDARD.split())

_ERROR = re.compile(r"^(?:\w+: )?ERROR: <input>:(-?\d+):(-?\d+): (.*)$", re.MULTILINE)
_UNDECLARED = re.compile(r"undeclared reference to '([^']+)'")
_FIELD = re.compile(r"undefined field '([^']+)' not found in struct '([^']+)'")
_OVERLOAD = re.compile(r"found no matching overload for '([^']+)' applied to '\((.*)\)'")
_SELECT = re.compile(r"expression of type '(.+)' cannot be the operand of a select")
_RANGE = re.compile(r"expression of type '(.+)' cannot be the range")
_RESERVED = re.compile(r"reserved identifier: (\w+)")
_MACRO = re.compile(r"(\w+)\(\) (?:argument|variable name|accumulat)")
_NUMBER = re.compile(r"invalid \w+ literal")
_SYNTAX = re.compile(r"Syntax error: (.*)")
_UNEXPECTED = re.compile(r"(?:mismatched|extraneous) input '(.*?)' expecting (.*)")
_MISSING = re.compile(r"missing '(.)' at '(.*)'")
_TOO_DEEP = re.compile(r"recursion (?:depth|limit)")

# What other languages call them.
_FOREIGN = {"len": "size", "length": "size", "count": "size", "str": "string", "float": "double"}

_LOGIC = {"_&&_", "_||_", "!_", "_?_:_"}
_NUMBERS = {"int", "uint", "double"}
_COMPARISONS = {"_<_", "_<=_", "_>_", "_>=_", "_==_", "_!=_"}


@dataclass(frozen=True, slots=True)
class Complaint:
    """What the compiler says about one character."""

    offset: int
    text: str

    @property
    def may_be_right(self) -> bool:
        """Whether a run may well do what the compiler, who only sees types, refuses.

        A run compares numbers of any kind, and any value that may be absent with null; the
        branches of a condition and the parts of a list may differ.
        """
        match = _OVERLOAD.search(self.text)
        if match is None:
            return False
        operator, types = match[1], [_unwrapped(part) for part in split_types(match[2])]
        if operator in {"_==_", "_!=_"} and "null_type" in types:
            return True
        if operator in _COMPARISONS and set(types) <= _NUMBERS:
            return True
        if operator == "@in":
            inner = types[1][5:-1] if types[1].startswith("list(") else types[1]
            return {types[0], _unwrapped(inner)} <= _NUMBERS
        if operator == "_?_:_":
            return types[0] in {"bool", "dyn"}
        return operator == "_+_" and all(part.startswith("list(") for part in types)

    @property
    def is_consequence(self) -> bool:
        """Whether another complaint is the reason for this one."""
        return "*error*" in self.text or "parsetree" in self.text


def complaints_in(error: str, source: str) -> list[Complaint]:
    """Take the compiler's error apart; of mistakes in the syntax only the first one counts."""
    found = [
        Complaint(_offset(source, int(line), int(column)), text.removesuffix(" [INVALID_ARGUMENT]"))
        for line, column, text in _ERROR.findall(error)
    ] or [Complaint(0, error)]
    syntax = [complaint for complaint in found if _SYNTAX.match(complaint.text)]
    others = (complaint for complaint in found if not complaint.is_consequence)
    return syntax[:1] or list(dict.fromkeys(others))


def _offset(source: str, line: int, column: int) -> int:
    if line < 1:
        return 0
    lines = source.split("\n")
    return sum(len(earlier) + 1 for earlier in lines[: line - 1]) + column - 1


def problem_with(complaint: Complaint, tokens: list[Token]) -> Problem:
    """Say a complaint in plain words."""
    for pattern, say in _SENTENCES:
        if match := pattern.search(complaint.text):
            return say(complaint.offset, match, tokens)
    return Problem(complaint.offset, f"The expression is not valid: {complaint.text[:200]}.")


def _undeclared(offset: int, match: re.Match[str], tokens: list[Token]) -> Problem:
    """Names are looked at before the compiler sees them; what is left are functions."""
    name = match[1].rpartition(".")[2]
    starts = [token.start for token in tokens if token.text == name and token.start <= offset]
    start = starts[-1] if starts else offset
    if name in MACROS:
        return Problem(start, f"'{name}' is written {MACROS[name]}.")
    if name in FUNCTIONS:
        return Problem(start, f"{name}() does not take this number of values.")
    known = (*FUNCTIONS, *MACROS)
    if meant := _FOREIGN.get(name):
        return Problem(start, f"Unknown function '{name}'. Did you mean '{meant}'?")
    return Problem(start, lambda: f"Unknown function '{name}'.{hint(name, known)}")


def _field(offset: int, match: re.Match[str], tokens: list[Token]) -> Problem:
    name, owner = match[1], match[2]
    start = next((t.start for t in tokens if t.text == name and t.start >= offset), offset)
    return Problem(start, lambda: f"Undefined field '{name}'.{hint(name, fields_of(owner))}")


def _overload(offset: int, match: re.Match[str], tokens: list[Token]) -> Problem:
    operator, types = match[1], split_types(match[2])
    said = [describe(part) for part in types]
    at = next((token.text for token in tokens if token.start == offset), "")
    return Problem(offset, _no_overload(operator, types, said, at))


def _no_overload(operator: str, types: list[str], said: list[str], at: str) -> str:
    sign = operator.strip("_")
    if operator in _LOGIC:
        return _no_logic(operator, types, said, at)
    if operator == "_[_]" and types[0].startswith(f"{PACKAGE}."):
        return f"{_upper(said[0])} has fields: write '.name' instead of '[…]'."
    if operator == "_[_]":
        return f"'[…]' does not go with {said[0]} and {said[1]}."
    if operator in _COMPARISONS:
        return f"'{sign}' does not compare {said[0]} with {said[1]}."
    if operator == "@in":
        return f"'in' does not look for {said[0]} in {said[1]}."
    called = f"'{sign}' does not go with" if "_" in operator else f"{operator}() does not take"
    return f"{called} {' and '.join(said)}."


def _no_logic(operator: str, types: list[str], said: list[str], at: str) -> str:
    if at == "(":
        return "The condition in these brackets must be true or false."
    if operator != "_?_:_":
        wrong = next((s for t, s in zip(types, said, strict=True) if t != "bool"), said[0])
        return f"'{operator.strip('_')}' takes only what is true or false, found {wrong}."
    if types[0] in {"bool", "dyn"}:
        return f"Both branches of '? :' must be of one kind, found {said[1]} and {said[2]}."
    return f"What stands before '?' must be true or false, found {said[0]}."


def _select(offset: int, match: re.Match[str], tokens: list[Token]) -> Problem:
    field = next((token for token in tokens if token.kind == "name" and token.start > offset), None)
    start = field.start if field else offset
    name = f" '{field.text}'" if field else ""
    return Problem(start, f"There is no field{name} in {describe(match[1])}.")


def _range(offset: int, match: re.Match[str], tokens: list[Token]) -> Problem:
    del tokens
    return Problem(offset, f"Only a list has items to go through, found {describe(match[1])}.")


def _reserved(offset: int, match: re.Match[str], tokens: list[Token]) -> Problem:
    del tokens
    return Problem(offset, f"'{match[1]}' is reserved and can't be used as a name.")


def _macro(offset: int, match: re.Match[str], tokens: list[Token]) -> Problem:
    del tokens
    return Problem(offset, f"'{match[1]}' is written {MACROS.get(match[1], 'in another way')}.")


def _number(offset: int, match: re.Match[str], tokens: list[Token]) -> Problem:
    del match, tokens
    return Problem(offset, "The number is too large.")


def _too_deep(offset: int, match: re.Match[str], tokens: list[Token]) -> Problem:
    del match, tokens
    return Problem(
        offset, "The expression is nested too deeply, or has too many operators in a row."
    )


def _syntax(offset: int, match: re.Match[str], tokens: list[Token]) -> Problem:
    text = match[1]
    if text.startswith("token recognition error"):
        return Problem(offset, "The text that begins here has an escape that does not exist.")
    if missing := _MISSING.search(text):
        before = "at the end" if missing[2] == "<EOF>" else f"before '{missing[2][:40]}'"
        return Problem(offset, f"A '{missing[1]}' is missing {before}.")
    if (unexpected := _UNEXPECTED.search(text)) is None:
        word = next((token.text for token in tokens if token.start >= offset), None)
        return Problem(offset, f"Unexpected '{word[:40]}'." if word else _incomplete(""))
    word, wanted = unexpected[1], unexpected[2]
    if word == "<EOF>":
        return Problem(offset, _incomplete(wanted))
    if word in RESERVED:
        return Problem(offset, f"'{word}' is reserved and can't be used as a name.")
    after = "an operator or the end" if wanted == "<EOF>" else "a value"
    brackets = re.findall(r"'([])},:])'", wanted)
    if brackets and "IDENTIFIER" not in wanted:
        after = " or ".join(f"'{sign}'" for sign in brackets)
    return Problem(offset, f"Unexpected '{word[:40]}', expected {after}.")


def _incomplete(wanted: str) -> str:
    brackets = re.findall(r"'([])},:])'", wanted)
    if brackets and "IDENTIFIER" not in wanted:
        return f"The expression ends before its '{brackets[0]}'."
    return "The expression ends where a value is expected."


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _unwrapped(type_name: str) -> str:
    return type_name[8:-1] if type_name.startswith("wrapper(") else type_name


def split_types(text: str) -> list[str]:
    """Split `map(string, dyn), int` at the commas that aren't in brackets."""
    return list(_parts(text))


def _parts(text: str) -> Iterator[str]:
    depth, start = 0, 0
    for place, character in enumerate(text):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and depth == 0:
            yield text[start:place].strip()
            start = place + 1
    if text[start:].strip():
        yield text[start:].strip()


_SENTENCES: tuple[
    tuple[re.Pattern[str], Callable[[int, re.Match[str], list[Token]], Problem]], ...
] = (
    (_SYNTAX, _syntax),
    (_FIELD, _field),
    (_OVERLOAD, _overload),
    (_SELECT, _select),
    (_RANGE, _range),
    (_RESERVED, _reserved),
    (_UNDECLARED, _undeclared),
    (_TOO_DEEP, _too_deep),
    (_MACRO, _macro),
    (_NUMBER, _number),
)
