"""What can be asked for, and what comes back."""

import re
from collections.abc import Iterator
from typing import Any, get_args

from pipelines.reference.tables import about, fields_of, keys_of
from providers.types import REQUESTS, RESPONSES, Capability, Value


def capabilities() -> str:
    """Return each capability with its request and its response, then what those hold."""
    parts = [_capability(capability) for capability in Capability]
    return "\n\n".join([*parts, *(_inner(model) for model in _inner_models())])


def _capability(capability: Capability) -> str:
    request, response = REQUESTS[capability], RESPONSES[capability]
    twin = next(other for other in Capability if REQUESTS[other] is request)
    if twin is not capability:
        return (
            f"### {capability}\n\nRequest and response are those of [{twin}](#{twin}), "
            "and each segment has its `speaker`."
        )
    return (
        f"### {capability}\n\n{about(request)} A request takes:\n\n{keys_of(request)}\n\n"
        f"The response:\n\n{fields_of(response)}"
    )


def _inner(model: type[Value]) -> str:
    heading = re.sub("(?<!^)(?=[A-Z])", " ", model.__name__).capitalize()
    return f"### {heading}\n\n{about(model)}\n\n{fields_of(model)}"


def _inner_models() -> list[type[Value]]:
    """List the values inside requests and responses, each once."""
    models = [*REQUESTS.values(), *RESPONSES.values()]
    found = (
        inner
        for model in models
        for info in model.model_fields.values()
        for inner in _values_in(info.annotation)
    )
    return list(dict.fromkeys(found))


def _values_in(annotation: Any) -> Iterator[type[Value]]:
    if isinstance(annotation, type) and issubclass(annotation, Value):
        yield annotation
    for part in get_args(annotation):
        yield from _values_in(part)
