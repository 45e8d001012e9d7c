"""Decoding of a JSON body or a query string into a struct, with all errors reported together.

The struct is the only description of the input: its annotations validate the values here and generate the OpenAPI
schema. The `Meta(extra=...)` of a field may contain:

- `must`: the requirement, as the end of a sentence that begins with "must";
- `parse`: a function from the validated value to the value to use; it raises `ValueError` to reject it.

The fields of a struct within a struct are decoded in the same way, and named as in `policy.calls_per_day`.

Messages never contain a value, because it may be a password.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, TypeVar, get_args, get_origin

import msgspec

MAX_FAULTS = 20
MAX_NAME_IN_ERROR = 64

Params = TypeVar("Params", bound=msgspec.Struct)


class FieldFault(msgspec.Struct, frozen=True):
    """An invalid field, and what it must be."""

    field: str
    detail: str


class InvalidFields(Exception):
    """The input is invalid; `faults` has at least one entry."""

    def __init__(self, faults: Sequence[FieldFault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(f"{fault.field} {fault.detail}" for fault in self.faults) + ".")


def decode_json(struct: type[Params], body: bytes) -> Params:
    """Decode a JSON object. Raises `InvalidFields`."""
    try:
        values = _with_whole_numbers(msgspec.json.decode(body))
        json.loads(body, object_pairs_hook=_without_repeated, parse_int=str, parse_float=str)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise InvalidFields([FieldFault("body", "must be a JSON object")]) from None
    if not isinstance(values, dict):
        raise InvalidFields([FieldFault("body", "must be a JSON object")])
    return _convert(struct, values, strict=True)


def _with_whole_numbers(value: Any) -> Any:
    """Return a JSON value in which numbers such as `3.0` are integers, as JSON Schema has it."""
    match value:
        case dict():
            return {name: _with_whole_numbers(member) for name, member in value.items()}
        case list():
            return [_with_whole_numbers(item) for item in value]
        case float() if value.is_integer():
            return int(value)
    return value


def _without_repeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the members of a JSON object. Raises `InvalidFields` for repeated names: parsers differ in their value."""
    repeated = [name for name, count in Counter(name for name, _ in pairs).items() if count > 1]
    if repeated:
        raise InvalidFields([FieldFault(_printable(name), "must not be repeated") for name in repeated[:MAX_FAULTS]])
    return dict(pairs)


def decode_query(struct: type[Params], pairs: Iterable[tuple[str, str]]) -> Params:
    """Decode the pairs of a query string; an empty value counts as absent. Raises `InvalidFields`."""
    values: dict[str, str] = {}
    repeated: dict[str, FieldFault] = {}
    for name, value in pairs:
        if name in values:
            repeated[name] = FieldFault(_printable(name), "must not be repeated")
        values[name] = value
    if repeated:
        raise InvalidFields(list(repeated.values())[:MAX_FAULTS])
    known = {field.encode_name for field in msgspec.structs.fields(struct)}
    return _convert(struct, {name: v for name, v in values.items() if v or name not in known}, strict=False)


def _convert(struct: type[Params], values: Mapping[str, Any], *, strict: bool) -> Params:
    fields = {field.encode_name: field for field in msgspec.structs.fields(struct)}
    faults = [_unknown(name, fields) for name in values if name not in fields]
    decoded: dict[str, Any] = {}
    for name, field in fields.items():
        extra = _extra(field.type)
        if name not in values:
            if field.required:
                faults.append(FieldFault(name, f"is required: it must {extra.get('must', 'be given')}"))
            continue
        try:
            decoded[field.name] = _decode(field.type, values[name], strict=strict)
        except InvalidFields as error:
            faults += [FieldFault(f"{name}.{fault.field}", fault.detail) for fault in error.faults]
        except (ValueError, RecursionError) as error:
            faults.append(FieldFault(name, f"must {extra['must']}" if "must" in extra else _message(error)))
    if faults:
        raise InvalidFields(faults[:MAX_FAULTS])
    return struct(**decoded)


def _decode(annotation: Any, value: Any, *, strict: bool) -> Any:
    struct = _struct(annotation)
    if struct is not None and isinstance(value, dict):
        return _convert(struct, value, strict=strict)
    decoded = msgspec.convert(value, annotation, strict=strict)
    parse: Callable[[Any], Any] | None = _extra(annotation).get("parse")
    return decoded if parse is None or decoded is None else parse(decoded)


def _struct(annotation: Any) -> type[msgspec.Struct] | None:
    """Return the struct that a field has, perhaps as a member of a union."""
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return annotation
    return next((struct for argument in get_args(annotation) if (struct := _struct(argument))), None)


def _unknown(name: str, fields: Mapping[str, Any]) -> FieldFault:
    required_first = sorted(fields, key=lambda known: not fields[known].required)
    known = f"known fields are {', '.join(required_first)}" if fields else "this endpoint takes no fields"
    return FieldFault(_printable(name), f"is not known: {known}")


def _printable(name: str) -> str:
    return name[:MAX_NAME_IN_ERROR].encode(errors="replace").decode() if name.isprintable() else repr(name)[:64]


def _extra(annotation: Any) -> Mapping[str, Any]:
    """Return the `extra` of the outermost `Meta` of a field, or of a member of its union."""
    arguments = get_args(annotation)
    if get_origin(annotation) is Annotated:
        metas = (meta for meta in arguments[1:] if isinstance(meta, msgspec.Meta))
        return next((meta.extra for meta in metas if meta.extra), {})
    return next((extra for argument in arguments if (extra := _extra(argument))), {})


def _message(error: Exception) -> str:
    text = str(error).replace("`", "").replace("Expected ", "must be ", 1)
    return text if text.startswith("must ") else "is not valid"
