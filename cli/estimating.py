"""`perdure pipelines estimate`: what a run would cost, step by step."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from rich.cells import cell_len
from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from cli.client import Api
from cli.definitions import definition_in, refuse_file
from cli.errors import ApiProblemError
from cli.figures import ABSENT, clean, count, decimal, money
from cli.inputs import takes_input
from cli.named import find_file
from cli.options import json_option, talks_to_api
from cli.output import print_json, show, stdout_width
from cli.steps import with_note
from cli.uploading import upload

_CASES = {
    "best": "best_case_usd",
    "expected": "estimated_cost_usd",
    "worst": "worst_case_usd",
}
_DEFINITION = "/definition"
_FIGURE = 11  # cells: `<$0.000001` and a space before it
_WIDEST = 100  # where the output has no edge
_MILLION = 1_000_000


@click.command("estimate", short_help="Tell what a run would cost, step by step.")
@click.argument("name", metavar="NAME|NAME@VERSION|FILE")
@takes_input
@json_option
@talks_to_api
def estimate_pipeline(
    api: Api, name: str, data: dict[str, Any], files: dict[str, Path], *, as_json: bool
) -> None:
    """Tell what a run would cost, step by step, without running it.

    \b
      perdure pipelines estimate call_analysis --file audio_url=call.wav
      perdure pipelines estimate mine.yaml --set text="call me at 415 555 2671"
    """  # noqa: D301 - the backspace is how click is told to keep lines
    file = find_file(name)
    pipeline = _pipeline(name, file, as_json=as_json)
    for key, path in files.items():
        data[key] = upload(api, key, path, quiet=as_json)
    try:
        found = api.estimate({**pipeline, "input_data": data})
    except ApiProblemError as problem:
        if file is not None and (errors := _of_definition(problem)):
            refuse_file(file, errors, as_json=as_json)
        raise
    if as_json:
        print_json(found)
    else:
        show(*estimate_lines(found, min(stdout_width(), _WIDEST)))


def _of_definition(problem: ApiProblemError) -> list[dict[str, Any]]:
    """Return the mistakes in the definition that was sent, with pointers into it."""
    return [
        {**error, "pointer": pointer.removeprefix(_DEFINITION)}
        for error in problem.mistakes()
        if (pointer := str(error.get("pointer"))).startswith(_DEFINITION)
    ]


def _pipeline(name: str, file: Path | None, *, as_json: bool) -> dict[str, Any]:
    """Return the part of the request that says what would run."""
    if file is not None:
        from pipelines.text import to_json  # noqa: PLC0415 - the model takes a while

        return {"definition": json.loads(to_json(definition_in(file, as_json=as_json)))}
    wanted, _, version = name.partition("@")
    return {"pipeline_name": wanted} | ({"pipeline_version": version} if version else {})


def estimate_lines(found: Mapping[str, Any], width: int) -> list[RenderableType]:
    """Return the lines: a table of what each candidate of each step costs, and its total."""
    head = Text(_plain(found.get("pipeline_name")), "bold")
    head.append(f"@{_plain(found.get('pipeline_version'))}", "not bold")
    lines: list[RenderableType] = [_row(head, list(_CASES), width, "dim")]
    for step in found.get("steps") or []:
        lines += [Text(), *_step_lines(step, width)]
    return [*lines, Text(), *_total_lines(found, width)]


def _step_lines(step: Mapping[str, Any], width: int) -> Iterator[RenderableType]:
    label = Text(_plain(step.get("name")), "bold")
    label.append(f"  {_plain(step.get('capability'))}{_calls(step)}", "not bold dim")
    yield _row(label, _figures(step), width, "bold")
    chain = step.get("chain") or []
    reasons = {_plain(one.get("reason") or "") for one in chain}
    reason = _plain(step.get("reason") or "")
    if not any(one and reason.endswith(one) for one in reasons):
        yield from _note(reason, "yellow")
    for place, candidate in enumerate(chain, 1):
        yield from _candidate_lines(candidate, place, reasons, width)


def _candidate_lines(
    candidate: Mapping[str, Any], place: int, reasons: set[str], width: int
) -> Iterator[RenderableType]:
    """Return a candidate's lines; of the step's `reasons` each is told once and taken away."""
    who = _plain(f"{candidate.get('provider')}/{candidate.get('model')}")
    reason = _plain(candidate.get("reason") or "")
    if not candidate.get("available"):
        line = Text(f"  {ABSENT} {who}", "dim", no_wrap=True, overflow="ellipsis")
        yield from with_note(line, Text(reason, "not dim yellow"), width, wrap=True)
        return
    label, price = Text(f"  {place} {who}"), _price(candidate)
    fits = label.cell_len + 2 + cell_len(price) <= _room(width)
    if fits:
        label.append(f"  {price}", "dim")
    yield _row(label, _figures(candidate), width)
    if not fits:
        yield from _note(price, "dim")
    if reason in reasons:
        reasons.remove(reason)
        yield from _note(reason, "yellow")


def _total_lines(found: Mapping[str, Any], width: int) -> Iterator[RenderableType]:
    yield _row(Text("total", "bold"), _figures(found), width, "bold")
    known = decimal(found.get("known_cost_usd"))
    if found.get("estimated_cost_usd") is None and known:
        yield from _note(f"{money(known)} of the expected cost is known", "dim")


def _row(label: Text, figures: Sequence[str], width: int, style: str = "") -> Text:
    """Return a line with its figures in three columns at the right."""
    line = Text(no_wrap=True, overflow="ellipsis")
    label.truncate(_room(width), overflow="ellipsis", pad=True)
    line.append_text(label)
    for figure in figures:
        line.append(f"{figure:>{_FIGURE}}", style)
    return line


def _room(width: int) -> int:
    """Return how many cells stand before the figures."""
    return max(10, width - _FIGURE * len(_CASES))


def _figures(costs: Mapping[str, Any]) -> list[str]:
    return [
        ABSENT if decimal(costs.get(key)) is None else money(costs[key]) for key in _CASES.values()
    ]


def _calls(step: Mapping[str, Any]) -> str:
    calls = step.get("calls")
    if calls == 1:
        return ""
    return f"  {count(calls, 'item')}" if isinstance(calls, int) else "  items unknown"


def _price(candidate: Mapping[str, Any]) -> str:
    """Return what is charged; nothing for what is free, or of unknown price."""
    unit, basis = _plain(candidate.get("cost_unit")), candidate.get("price_basis") or {}
    if unit == "free":
        return ""
    if lists := basis.get("token_prices"):
        return _of_tokens(lists)
    amount = decimal(candidate.get("price"))
    if amount is None:
        return ""
    if unit == "character":
        return f"{money(amount * _MILLION)}/1M characters"
    extra = basis.get("diarization_usd")
    return f"{money(amount)}/{unit}" + (f" + {money(extra)} for speakers" if decimal(extra) else "")


def _of_tokens(lists: Sequence[Mapping[str, Any]]) -> str:
    """Return the prices of a short request, and from which length on there are others."""
    first = lists[0]
    kind = "input" if decimal(first.get("input_audio")) is None else "input_audio"
    text = f"{_rate(first, kind)} in, {_rate(first, 'output')} out/1M tokens"
    above = lists[1].get("above_input_tokens") if len(lists) > 1 else None
    return f"{text}, more above {above:,}" if isinstance(above, int) else text


def _rate(prices: Mapping[str, Any], kind: str) -> str:
    return ABSENT if decimal(prices.get(kind)) is None else money(prices[kind])


def _note(text: str, style: str) -> Iterator[RenderableType]:
    if text:
        yield Padding(Text(text, style), (0, 0, 0, 4), expand=False)


def _plain(value: object) -> str:
    return clean(value, one_line=True)
