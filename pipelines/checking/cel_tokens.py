"""The words of an expression, with their places; bounds it before the compiler sees it.

The compiler's time grows with the number of words, and with the number of words that it does not
understand times the length of the text. Both are bounded here.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

MAX_TOKENS = 2_000
"""Words and signs of one expression."""

MAX_NESTED_MACROS = 3
"""`all`, `exists`, `filter` and `map` within one another: each multiplies the work."""

MAX_DEPTH = 24
"""Brackets within one another. The compiler itself gives up at 32 levels of anything."""

MACROS = {
    "all": "list.all(name, condition)",
    "exists": "list.exists(name, condition)",
    "exists_one": "list.exists_one(name, condition)",
    "filter": "list.filter(name, condition)",
    "map": "list.map(name, value)",
    "has": "has(value.field)",
}

ELSEWHERE = {
    "and": "&&",
    "or": "||",
    "not": "!",
    "is": "==",
    "True": "true",
    "False": "false",
    "None": "null",
    "nil": "null",
    "undefined": "null",
}
"""Words of other languages, as they are written here; names only where an input declares them."""

# https://github.com/google/cel-spec/blob/master/doc/langdef.md#syntax (read 2026-11-24).
_TOKEN = re.compile(
    r"""
    (?P<space>[\t\n\f\r ]+|//[^\n]*)
  | (?P<text>[bB]?(?:
        [rR](?:\"\"\"[\s\S]*?\"\"\"|'''[\s\S]*?'''|"[^"\n\r]*"|'[^'\n\r]*')
      | \"\"\"(?:\\[\s\S]|[^\\])*?\"\"\"|'''(?:\\[\s\S]|[^\\])*?'''
      | "(?:\\.|[^"\\\n\r])*"|'(?:\\.|[^'\\\n\r])*'))
  | (?P<number>(?:\d+\.\d+|\.\d+|\d+(?=[eE]))(?:[eE][+-]?\d+)?|0x[0-9a-fA-F]+u?|\d+[uU]?)
  | (?P<name>[A-Za-z_][A-Za-z0-9_]*|`[A-Za-z0-9_.\-/ ]+`)
  | (?P<sign>&&|\|\||==|!=|<=|>=|[][(){}.,\-!+*/%<>?:])
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Token:
    """One word or sign."""

    kind: str
    text: str
    start: int


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with an expression, and at which character of it.

    Attributes:
        offset: Of the character, from 0.
        message: The sentence, or what writes it.
    """

    offset: int
    message: str | Callable[[], str]


def tokens_of(source: str) -> list[Token] | Problem:
    """Split an expression.

    Returns:
        Its words and signs, or what is wrong with them or too much of them.
    """
    tokens: list[Token] = []
    position = 0
    while position < len(source):
        match = _TOKEN.match(source, position)
        if match is None:
            return Problem(position, _unreadable(source[position : position + 2]))
        if match.lastgroup != "space":
            tokens.append(Token(match.lastgroup or "", match[0], position))
            if len(tokens) > MAX_TOKENS:
                message = f"The expression has more than {MAX_TOKENS} words and signs."
                return Problem(position, message)
        position = match.end()
    return next(_too_deep(tokens), tokens)


def free_names(tokens: list[Token]) -> Iterator[Token]:
    """Yield the words that stand for values: no fields, functions or names that a macro binds."""
    bound: list[str] = []
    for place, token in enumerate(tokens):
        before = tokens[place - 1].text if place else ""
        after = tokens[place + 1].text if place + 1 < len(tokens) else ""
        if token.kind == "sign" and token.text in {"(", "[", "{"}:
            bound.append(after if _is_macro(tokens, place) else "")
        elif token.kind == "sign" and token.text in {")", "]", "}"} and bound:
            bound.pop()
        elif token.kind == "name" and before != "." and after != "(" and token.text not in bound:
            yield token


def _unreadable(start: str) -> str:
    character = start[0]
    if start == "${":
        return "'${…}' stands in the texts of 'params'; an expression is written without it."
    if character in "\"'":
        return "The text that begins here is not closed."
    if character == "=":
        return "A single '=' means nothing here; compare with '=='."
    if character in "&|":
        return f"A single '{character}' means nothing here; write '{character * 2}'."
    return f"The character '{character}' means nothing in an expression."


def _too_deep(tokens: list[Token]) -> Iterator[Problem]:
    """Find where brackets or macros are nested too deeply."""
    opened: list[bool] = []
    for place, token in enumerate(tokens):
        if token.text in {"(", "[", "{"} and token.kind == "sign":
            opened.append(_is_macro(tokens, place))
            if sum(opened) > MAX_NESTED_MACROS:
                yield Problem(
                    tokens[place - 1].start,
                    f"'{tokens[place - 1].text}' is nested too deeply: at most "
                    f"{MAX_NESTED_MACROS} of all, exists, exists_one, filter and map may stand "
                    "within one another.",
                )
            if len(opened) > MAX_DEPTH:
                yield Problem(
                    token.start, f"The expression is nested deeper than {MAX_DEPTH} levels."
                )
        elif token.text in {")", "]", "}"} and token.kind == "sign" and opened:
            opened.pop()


def _is_macro(tokens: list[Token], place: int) -> bool:
    return (
        place >= 2  # noqa: PLR2004 - the dot and the name before the bracket
        and tokens[place].text == "("
        and tokens[place - 1].text in MACROS
        and tokens[place - 2].text == "."
    )
