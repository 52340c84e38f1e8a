"""Definitions that are written to keep the checks busy: each must be refused at once."""

import json
from collections.abc import Callable, Mapping

from pipelines.document import Document, read_json, read_yaml


def _steps(*steps: str) -> str:
    return "\n".join(["name: demo", "steps:", *(f"  - {{{step}}}" for step in steps)])


def _broken(write: Callable[[int], str], count: int = 200) -> str:
    return _steps(
        *(f"name: s{n}, capability: summarization, input: t, {write(n)}" for n in range(count))
    )


def _with_schema(schema: str, steps: str = "{name: z, capability: summarization}") -> str:
    return f"name: demo\nsteps: [{steps}]\ninput_schema: {schema}"


_YAML = {
    "aliases": "a: &a [x, x, x, x]\n"
    + "".join(
        f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in ("ab", "bc", "cd", "de", "ef")
    ),
    "depth": "[" * 5000,
    "ten megabytes": "name: " + "a" * 10_000_000,
    "thousands of steps": _broken(lambda _: "when: 'true'", 2000),
    "thousands of keys": "{" + ", ".join(f"k{n}: 1" for n in range(5000)) + "}",
    "a list below one long key": "? " + "k" * 500_000 + "\n:\n" + " - a\n" * 19_000,
    "a list below many long keys": "".join(f"{' ' * n}{'k' * 1000}:\n" for n in range(60))
    + f"{' ' * 60}- a\n" * 10_000,
    "nested comprehensions": _broken(lambda _: f"when: '{'t.all(a, ' * 100}true{')' * 100}'", 20),
    "a long text": _broken(lambda _: f"when: {'a' * 900_000}", 1),
    "digits that are no number": f"[{', '.join(['1' * 400 + 'x'] * 2500)}]",
    "a long prompt": _broken(lambda _: f"params: {{text: '{'${a.} ' * 90_000}'}}", 1),
    "broken expressions": _broken(lambda n: f"when: 'size(s{n}.txt > {n}'"),
    "wrong types": _broken(lambda n: f"when: 'size(s{max(n - 1, 0)}.txt) > {n}'"),
    "unknown functions": _broken(lambda n: f"when: 'f{n}(s_{n}, step{n}) > {n}'"),
    "unreadable characters": _broken(lambda _: "when: '" + "\\\\" * 4_000 + "'", 50),
    "a long list": _broken(lambda n: f"when: '[{f'{n}, ' * 900}1]'", 20),
    "quotes that stay open": _broken(lambda _: "params: {text: '${" + '"\\' * 40_000 + "'}", 9),
    "patterns": _with_schema(
        "{properties: {" + ", ".join(f"a{n}: {{pattern: '(a{n}|b)*c'}}" for n in range(2000)) + "}}"
    ),
    "references": _with_schema(
        "{$defs: {" + ", ".join(f"a{n}: {{$ref: '#/$defs/a{n + 1}'}}" for n in range(2000)) + "}}"
    ),
    "thousands of inputs": _with_schema(
        f"{{additionalProperties: false, required: [{', '.join(f'k{n}' for n in range(5000))}]}}",
        ", ".join(f"{{name: s{n}, capability: summarization, when: x{n}}}" for n in range(200)),
    ),
    "a cycle of all": _broken(lambda n: f"needs: [s{(n + 1) % 200}]"),
}

_JSON = {
    "a list below one long key": json.dumps({"k" * 500_000: ["a"] * 19_000}),
    "thousands of keys": json.dumps({f"k{n}" + "x" * 40: 1 for n in range(10_000)}),
    "thousands of keys and one of them twice": "{"
    + "".join(f'"k{n}": 1, ' for n in range(60_000))
    + '"k59999": 2}',
    "numbers without end": f"[{', '.join(['1e400'] * 19_000)}]",
}

DOCUMENTS: Mapping[str, tuple[Callable[[str], Document], str]] = {
    f"{form}: {name}": (read, text)
    for form, read, texts in (("YAML", read_yaml, _YAML), ("JSON", read_json, _JSON))
    for name, text in texts.items()
}
"""What reads each, and its text."""
