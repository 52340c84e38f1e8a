"""The types that expressions are checked against.

The responses of the capabilities become protobuf messages, made in memory, so that the checker
knows their fields. They are for checking only: a run evaluates over plain dictionaries. The package
is called by a word that no expression can write, so that nobody builds such a message by hand.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from cel_expr_python import cel
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.struct_pb2 import DESCRIPTOR as STRUCT
from google.protobuf.wrappers_pb2 import DESCRIPTOR as WRAPPERS

from providers.types import RESPONSES, Capability, Value

PACKAGE = "package"
_COLLECTED = "Collected"
# Lists within lists whose items have a type. The checker itself knows no more than twelve, and each
# type of `item` costs an environment of its own.
_TYPED_LISTS = 3

# Each scalar as a field that is always there, and as one that may be null.
_SCALARS: dict[Any, tuple[FieldDescriptorProto.Type.ValueType, str]] = {
    str: (FieldDescriptorProto.TYPE_STRING, "StringValue"),
    float: (FieldDescriptorProto.TYPE_DOUBLE, "DoubleValue"),
    int: (FieldDescriptorProto.TYPE_INT64, "Int64Value"),
    bool: (FieldDescriptorProto.TYPE_BOOL, "BoolValue"),
}


def response_type(
    capability: Capability | None, *, many: bool = False, collects: bool = False
) -> cel.Type:
    """Return the type of a step's output; an unknown capability's is dynamic.

    Args:
        capability: Of the step.
        many: Whether the step runs for each item of a list.
        collects: Whether a failed item stands as `{error}` among the others.
    """
    if capability is None:
        return cel.Type.DYN
    name = RESPONSES[capability].__name__
    one = cel.Type(f"{PACKAGE}.{_COLLECTED if many and collects else ''}{name}")
    return cel.Type.List(one) if many else one


def schema_type(schema: Any, lists: int = 0) -> cel.Type:
    """Return the type of a value that follows a JSON Schema; dynamic where that isn't simple.

    Args:
        schema: Of the value.
        lists: How many lists the value stands in.
    """
    kind = schema.get("type") if isinstance(schema, dict) else None
    match kind:
        case "string":
            return cel.Type.STRING
        case "integer":
            return cel.Type.INT
        case "boolean":
            return cel.Type.BOOL
        case "array" if lists < _TYPED_LISTS:
            return cel.Type.List(schema_type(schema.get("items"), lists + 1))
        case "object":
            return cel.Type.Map(cel.Type.STRING, cel.Type.DYN)
    return cel.Type.DYN


def fields_of(type_name: str) -> tuple[str, ...]:
    """List the fields of a message by its full name; none when it is no message of ours."""
    return _fields().get(type_name, ())


def model_of(type_name: str) -> type[Value] | None:
    """Return the model behind a message's full name; none where a failed item may stand for it."""
    return {f"{PACKAGE}.{model.__name__}": model for model in _models()}.get(type_name)


def describe(type_name: str) -> str:
    """Say a type's name, as the checker writes it, in plain words."""
    if type_name.startswith("wrapper("):
        return describe(type_name[8:-1])
    if type_name.startswith(f"{PACKAGE}."):
        name = type_name.rpartition(".")[2].removeprefix(_COLLECTED)
        words = re.sub("(?<!^)(?=[A-Z])", " ", name).lower()
        return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"
    known = {
        "bool": "true or false",
        "bytes": "bytes",
        "double": "a decimal number",
        "dyn": "any value",
        "int": "a whole number",
        "null": "null",
        "null_type": "null",
        "string": "text",
        "uint": "an unsigned number",
    }
    kinds = {"list": "a list", "map": "a mapping", "type": "a type"}
    name = type_name.lower()
    return known.get(name) or kinds.get(re.split("[<(]", name)[0]) or f"a {name.rsplit('.')[-1]}"


@lru_cache(maxsize=1)
def descriptor_pool() -> DescriptorPool:
    """Return the messages of every response."""
    pool = DescriptorPool()
    file = FileDescriptorProto(name="responses.proto", package=PACKAGE, syntax="proto3")
    for known in (STRUCT, WRAPPERS):
        pool.AddSerializedFile(known.serialized_pb)
        file.dependency.append(known.name)
    for message in _messages():
        file.message_type.append(message)
    pool.AddSerializedFile(file.SerializeToString())
    return pool


@lru_cache(maxsize=1)
def _fields() -> dict[str, tuple[str, ...]]:
    return {
        f"{PACKAGE}.{message.name}": tuple(field.name for field in message.field)
        for message in _messages()
    }


@lru_cache(maxsize=1)
def _models() -> tuple[type[Value], ...]:
    """Return the responses, and the values inside them."""
    models = list(dict.fromkeys(RESPONSES.values()))
    for model in models:
        for info in model.model_fields.values():
            inner = _of_list(_without_none(info.annotation)[0])
            if is_value(inner) and inner not in models:
                models.append(inner)
    return tuple(models)


def _messages() -> Iterator[DescriptorProto]:
    for model in _models():
        message = _message(model)
        yield message
        if model in RESPONSES.values():
            collected = DescriptorProto()
            collected.CopyFrom(message)
            collected.name = _COLLECTED + message.name
            number = max(field.number for field in message.field) + 1
            _dynamic(collected.field.add(name="error", number=number))
            yield collected


def _message(model: type[Value]) -> DescriptorProto:
    message = DescriptorProto(name=model.__name__)
    for number, (name, info) in enumerate(model.model_fields.items(), 1):
        _describe_field(message.field.add(name=name, number=number), info.annotation)
    return message


def _describe_field(field: FieldDescriptorProto, annotation: Any) -> None:
    inner, nullable = _without_none(annotation)
    field.label = FieldDescriptorProto.LABEL_OPTIONAL
    if get_origin(inner) is tuple:
        inner, nullable = _of_list(inner), False
        field.label = FieldDescriptorProto.LABEL_REPEATED
    if get_origin(inner) is Literal:
        inner = str
    if inner in _SCALARS:
        plain, wrapper = _SCALARS[inner]
        if nullable:
            field.type = FieldDescriptorProto.TYPE_MESSAGE
            field.type_name = f".google.protobuf.{wrapper}"
        else:
            field.type = plain
    elif is_value(inner):
        field.type = FieldDescriptorProto.TYPE_MESSAGE
        field.type_name = f".{PACKAGE}.{inner.__name__}"
    else:
        _dynamic(field)


def _of_list(annotation: Any) -> Any:
    return get_args(annotation)[0] if get_origin(annotation) is tuple else annotation


def is_value(annotation: Any) -> bool:
    """Tell whether a field holds an object of its own."""
    return isinstance(annotation, type) and issubclass(annotation, Value)


def _dynamic(field: FieldDescriptorProto) -> None:
    field.type = FieldDescriptorProto.TYPE_MESSAGE
    field.type_name = ".google.protobuf.Value"


def _without_none(annotation: Any) -> tuple[Any, bool]:
    if get_origin(annotation) not in {Union, UnionType}:
        return annotation, False
    others: Sequence[Any] = [part for part in get_args(annotation) if part is not NoneType]
    return (others[0] if len(others) == 1 else Any), True
