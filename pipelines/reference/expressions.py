"""What expressions can say, shown by examples that are evaluated when the page is made."""

import json
from collections.abc import Iterable

import yaml

from pipelines.checking.cel_tokens import MACROS
from pipelines.expressions import evaluate
from pipelines.reference.tables import table

CONTEXT = {
    "called_at": "2026-11-24T10:30:15Z",
    "calls": 3,
    "tags": ["billing", "urgent"],
    "redacted": {
        "text": "Hello, my name is [PERSON].",
        "entities": [{"type": "PERSON", "score": 0.85}],
        "segments": None,
    },
    "mood": {"label": "negative", "score": -0.4},
    "summary": None,
}
"""What the examples are evaluated over."""

OPERATORS = {
    "redacted.text": "a field",
    "tags[0]": "an item, counted from 0",
    "{'label': mood.label, 'tags': tags}": "a mapping of your own",
    "[mood.score, 1.5]": "a list of your own",
    "mood.score < 0.0 && calls >= 3": "and; `<` `<=` `>` `>=` `==` `!=`",
    "mood.label == 'negative' || calls > 10": "or",
    "!('vip' in tags)": "not; `in` looks for an item of a list, or for a key of a mapping",
    "calls > 1 ? 'again' : 'first'": "if, then, else",
    "summary == null": "whether a step was skipped, or failed and was optional",
    "mood.label + '!'": "`+` joins texts, and lists",
    "calls / 2": "`+` `-` `*` `/` `%`; whole numbers give a whole one",
    "double(calls) / 2.0": "numbers of two kinds are compared, but not added: convert one",
}
FUNCTIONS = {
    "size(redacted.text)": "characters of a text, items of a list, keys of a mapping",
    "redacted.text.contains('[PERSON]')": "",
    "redacted.text.startsWith('Hello')": "",
    "redacted.text.endsWith('.')": "",
    "redacted.text.matches('name is [^ ]+')": "a regular expression of RE2, anywhere in the text",
    "string(calls)": "as text",
    "int('42')": "as a whole number",
    "uint('42') == 42u": "as a number that is not negative",
    "double('1.5')": "as a decimal number",
    "bool('true')": "as true or false",
    "size(bytes('né'))": "as bytes of UTF-8",
    "type(calls) == int": "what a value is",
    "dyn(calls) == 'three'": "compares what the check would not let you",
    "timestamp(called_at) < timestamp('2027-01-01T00:00:00Z')": "a time, from text (RFC 3339)",
    "duration('90s') < duration('2m')": "a span of time: `h` `m` `s` `ms`",
    "timestamp(called_at).getFullYear()": "all of these in UTC, or with `('Europe/Rome')`",
    "timestamp(called_at).getMonth()": "from 0",
    "timestamp(called_at).getDate()": "day of the month, from 1",
    "timestamp(called_at).getDayOfMonth()": "the same, from 0",
    "timestamp(called_at).getDayOfWeek()": "from 0, which is Sunday",
    "timestamp(called_at).getDayOfYear()": "from 0",
    "timestamp(called_at).getHours()": "of a duration: all of it in hours, as with the next three",
    "timestamp(called_at).getMinutes()": "",
    "timestamp(called_at).getSeconds()": "",
    "timestamp(called_at).getMilliseconds()": "",
}
_MACROS = {
    "all": "tags.all(tag, size(tag) > 3)",
    "exists": "redacted.entities.exists(e, e.type == 'PERSON' && e.score > 0.5)",
    "exists_one": "tags.exists_one(tag, tag == 'urgent')",
    "filter": "tags.filter(tag, tag != 'urgent')",
    "map": "tags.map(tag, tag + '!')",
    "has": "has(redacted.language)",
}


def context() -> str:
    """Return what the examples are evaluated over."""
    text = yaml.safe_dump(CONTEXT, sort_keys=False, default_flow_style=None, width=100)
    return f"```yaml\n{text}```"


def operators() -> str:
    """Return what can be written without calling anything."""
    return _examples(OPERATORS.items(), "what it shows")


def functions() -> str:
    """Return every function."""
    return _examples(FUNCTIONS.items(), "what it is")


def macros() -> str:
    """Return every macro, with how it is written."""
    examples = [(_MACROS[name], f"`{form}`") for name, form in MACROS.items()]
    return _examples(examples, "written")


def _examples(examples: Iterable[tuple[str, str]], said: str) -> str:
    rows = [
        [f"`{source}`", f"`{json.dumps(evaluate(source, CONTEXT), ensure_ascii=False)}`", note]
        for source, note in examples
    ]
    return table(["expression", "gives", said], rows)
