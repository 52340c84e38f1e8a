"""What the runtime says of an expression that fails, in plain words.

Its well-known texts are said anew; one that is not known is shown without its status code. None of
them repeats a value of the context, which may be private.
"""

import re
from collections.abc import Callable

_CODE = re.compile(r"^[A-Z_]+: | \[[A-Z_]+\]$")
_COMPLAINT = re.compile(r"ERROR: <input>:-?\d+:-?\d+: (.*)")
_UNDECLARED = re.compile(r"undeclared reference to '([^'.]+)")
_NO_KEY = re.compile(r'Key not found in map : "?(.*?)"?', re.DOTALL)
_LONGEST = 200  # characters that are shown

_TYPES = {
    "bool": "true or false",
    "double": "a decimal number",
    "int": "a whole number",
    "int64": "a whole number",
    "list": "a list",
    "map": "a mapping",
    "null_type": "null",
    "string": "text",
    "uint64": "an unsigned number",
}
_UNNAMED = {
    "<iter_range>": "only a list or a mapping has items to go through",
    "<jump_condition>": "what stands before '?' is neither true nor false",
    "@in": "'in' looks for an item of a list or a key of a mapping",
}


def shown(source: str) -> str:
    """Return an expression as a message repeats it."""
    return source if len(source) <= _LONGEST else f"{source[:_LONGEST]}…"


def missing_names(error: str) -> list[str]:
    """List the names that the compiler does not know."""
    return list(dict.fromkeys(_UNDECLARED.findall(error)))


def complaint(error: str) -> str:
    """Return the compiler's first complaint, without the lines that point into the expression."""
    match = _COMPLAINT.search(error)
    return shown(_CODE.sub("", match[1] if match else error))


def failure(error: str, source: str) -> str:
    """Say why an evaluation ended in an error; a key is named where the expression has it."""
    text = _CODE.sub("", _CODE.sub("", error))
    if match := _NO_KEY.fullmatch(text):
        return f"there is no '{match[1]}'" if match[1] in source else "there is no such key"
    for pattern, say in _SENTENCES:
        if match := pattern.fullmatch(text):
            return say(match)
    return shown(text)


def _no_overload(match: re.Match[str]) -> str:
    function, types = match[1], match[2]
    if function in _UNNAMED:
        return _UNNAMED[function]
    called = function.strip("_") if "_" in function else f"{function}()"
    if not types:
        return f"'{called}' takes only what is true or false"
    named = [_TYPES.get(name, name) for name in types.split(", ")]
    return f"'{called}' does not go with {' and '.join(named)}"


_SENTENCES: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    (
        re.compile("Applying SELECT to non-message type"),
        lambda _: "a field is asked of something that has none, such as null",
    ),
    (
        re.compile(r"Invalid container type: '(\w+)'"),
        lambda m: f"an item is asked of {_TYPES.get(m[1], m[1])}",
    ),
    (
        re.compile(r"Index error: index=(-?\d+) size=(\d+)"),
        lambda m: f"there is no item {m[1]} in a list of {m[2]}",
    ),
    (
        re.compile(r"Index error: expected integer type, got (\w+)"),
        lambda m: f"the number of an item can't be {_TYPES.get(m[1], m[1])}",
    ),
    (re.compile(r"No matching overloads found : ([^(]+)(?:\((.*)\))?"), _no_overload),
    (re.compile("(?:divide|modulus) by zero"), lambda _: "a number is divided by zero"),
    (re.compile(".*(?:overflow|out of .*range).*"), lambda _: "a number is out of range"),
    (re.compile("invalid regular expression.*"), lambda _: "a regular expression is not valid"),
    (re.compile("basic_string.*"), lambda _: "a text holds half a character"),
    (re.compile("Iteration budget exceeded"), lambda _: "it takes too many turns"),
)
