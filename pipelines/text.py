"""Writes a definition as the YAML or JSON that reads back as the same definition."""

import json
import re
from typing import Any

import yaml

from pipelines.errors import NotExportable
from pipelines.model import PipelineDefinition

# What YAML 1.2 reads as something else than text and YAML 1.1, which the library writes, does not.
_NOT_TEXT = re.compile(r"0o[0-7]+|[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
# Line breaks of YAML 1.1 that only double quotes keep.
_BREAKS = re.compile("[\x85\u2028\u2029\ufeff]")
_BLOCK = re.compile(r"(?![ \t\n])[\t\n -~]*(?<![ \t\n])\n?")


def to_yaml(definition: PipelineDefinition) -> str:
    """Write YAML, without what is the default anyway.

    Raises:
        NotExportable: A setting of a step is a Python function.
    """
    text: str = yaml.dump(
        _written(definition),
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=False,
        width=10_000,
    )
    return text


def to_json(definition: PipelineDefinition) -> str:
    """Write JSON, without what is the default anyway.

    Raises:
        NotExportable: A setting of a step is a Python function.
    """
    return json.dumps(_written(definition), indent=2, ensure_ascii=False) + "\n"


def _written(definition: PipelineDefinition) -> dict[str, Any]:
    for step in definition.steps:
        if step.code:
            settings = " and ".join(f"'{setting}'" for setting in step.code)
            raise NotExportable(
                f"Step '{step.name}' can't be written as text: its {settings} "
                f"{'is a Python function' if len(step.code) == 1 else 'are Python functions'}."
            )
    value = definition.model_dump(mode="json", exclude_defaults=True)
    head = {"name": definition.name, "version": definition.version}
    steps = [_plain_numbers(step) for step in value.pop("steps")]
    output = {"output": value.pop("output")} if "output" in value else {}
    return head | _plain_numbers(value) | {"steps": steps} | output


def _plain_numbers(settings: dict[str, Any]) -> dict[str, Any]:
    """Write 600 for 600.0 where a setting is a number; what users wrote stays as it is."""
    plain: dict[str, Any] = {}
    for key, value in settings.items():
        if key == "retry":
            plain[key] = _plain_numbers(value)
        else:
            whole = isinstance(value, float) and value.is_integer()
            plain[key] = int(value) if whole else value
    return plain


class _Dumper(yaml.SafeDumper):
    """Indents lists, writes long text as a block, and quotes what would not read as text."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        del indentless
        super().increase_indent(flow, indentless=False)

    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None
    if _NOT_TEXT.fullmatch(text) or _BREAKS.search(text):
        style = '"'
    elif "\n" in text and _BLOCK.fullmatch(text) and not re.search(r"[ \t]\n", text):
        style = "|"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)
