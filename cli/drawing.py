"""`perdure pipelines show`: a definition as a small graph, for a terminal or for Mermaid."""

from typing import TYPE_CHECKING, Any

import click

from cli.client import Api
from cli.errors import UsageMistakeError
from cli.named import find_definition
from cli.options import json_option, talks_to_api
from cli.output import print_json, show, stdout_width

if TYPE_CHECKING:
    from pipelines.model import PipelineDefinition


@click.command("show", short_help="Draw a pipeline.")
@click.argument("name", metavar="NAME|NAME@VERSION|FILE")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "mermaid"]),
    default="text",
    show_default=True,
    help="A drawing, or a Mermaid flowchart.",
)
@json_option
@talks_to_api
def show_pipeline(api: Api, name: str, form: str, *, as_json: bool) -> None:
    """Draw a pipeline: its steps, in which order they run, what they need and give."""
    if as_json and form != "text":
        raise UsageMistakeError("--json and --format exclude one another")
    definition = find_definition(api, name)
    if as_json:
        print_json(_plain(definition))
    elif form == "mermaid":
        from pipelines.mermaid import to_mermaid  # noqa: PLC0415 - the model takes a while

        click.echo(to_mermaid(definition), nl=False)
    else:
        from cli.rails import drawn  # noqa: PLC0415 - the model takes a while

        show(*drawn(definition, stdout_width()))


def _plain(definition: "PipelineDefinition") -> dict[str, Any]:
    from pipelines.graph import edges, layers  # noqa: PLC0415 - the model takes a while

    written = definition.model_dump(mode="json", exclude_defaults=True)
    named = {"name": definition.name, "version": definition.version} | written
    return {"definition": named, "edges": edges(definition), "layers": layers(definition)}


def asked_for(schema: object) -> str:
    """Return the names that an input schema asks for, optional ones in brackets."""
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(schema, dict) or not isinstance(properties, dict):
        return "any"
    required = schema.get("required") or []
    return ", ".join(name if name in required else f"[{name}]" for name in properties)
