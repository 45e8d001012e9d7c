"""Reading the members of a JSON body or a query string into a struct, with all faults at once.

The struct is the one description of what an endpoint takes: its annotations check the values here and make
the OpenAPI schema. A field's `Meta(extra=...)` may hold:

- `must`: how the value has to be, as the end of a sentence that begins with "must";
- `parse`: a function from the checked value to the value to be used; it raises `ValueError` to refuse it.

Messages never show a value: it may be a password.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, TypeVar, get_args, get_origin

import msgspec

MAX_FAULTS = 20
MAX_NAME_SHOWN = 64

Given = TypeVar("Given", bound=msgspec.Struct)


class FieldFault(msgspec.Struct, frozen=True):
    """One field that is wrong, and how it has to be."""

    field: str
    detail: str


class InvalidFields(Exception):
    """What was sent does not fit; `faults` has at least one entry."""

    def __init__(self, faults: Sequence[FieldFault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(f"{fault.field} {fault.detail}" for fault in self.faults) + ".")


def read_json(kind: type[Given], body: bytes) -> Given:
    """Read a JSON object. Raises `InvalidFields`."""
    try:
        values = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise InvalidFields([FieldFault("body", "must be a JSON object")]) from None
    if not isinstance(values, dict):
        raise InvalidFields([FieldFault("body", "must be a JSON object")])
    return _read(kind, values, strict=True)


def read_query(kind: type[Given], pairs: Iterable[tuple[str, str]]) -> Given:
    """Read a query string's pairs; an empty value counts as not given. Raises `InvalidFields`."""
    values: dict[str, str] = {}
    repeated: dict[str, FieldFault] = {}
    for name, value in pairs:
        if name in values:
            repeated[name] = FieldFault(_shown(name), "is given more than once")
        values[name] = value
    if repeated:
        raise InvalidFields(list(repeated.values())[:MAX_FAULTS])
    known = {field.encode_name for field in msgspec.structs.fields(kind)}
    return _read(kind, {name: v for name, v in values.items() if v or name not in known}, strict=False)


def _read(kind: type[Given], values: Mapping[str, Any], *, strict: bool) -> Given:
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    faults = [_unknown(name, fields) for name in values if name not in fields]
    good: dict[str, Any] = {}
    for name, field in fields.items():
        extra = _extra(field.type)
        if name not in values:
            if field.required:
                faults.append(FieldFault(name, f"is required: it must {extra.get('must', 'be given')}"))
            continue
        try:
            value = msgspec.convert(values[name], field.type, strict=strict)
            parse: Callable[[Any], Any] | None = extra.get("parse")
            good[field.name] = value if parse is None or value is None else parse(value)
        except (ValueError, RecursionError) as error:
            faults.append(FieldFault(name, f"must {extra['must']}" if "must" in extra else _plain(error)))
    if faults:
        raise InvalidFields(faults[:MAX_FAULTS])
    return kind(**good)


def _unknown(name: str, fields: Mapping[str, Any]) -> FieldFault:
    known = f"known are {', '.join(fields)}" if fields else "nothing is taken here"
    return FieldFault(_shown(name), f"is not known: {known}")


def _shown(name: str) -> str:
    return name[:MAX_NAME_SHOWN].encode(errors="replace").decode() if name.isprintable() else repr(name)[:64]


def _extra(annotation: Any) -> Mapping[str, Any]:
    """What the outermost `Meta` of a field, or of a member of its union, says beyond the schema."""
    arguments = get_args(annotation)
    if get_origin(annotation) is Annotated:
        metas = (meta for meta in arguments[1:] if isinstance(meta, msgspec.Meta))
        return next((meta.extra for meta in metas if meta.extra), {})
    return next((extra for argument in arguments if (extra := _extra(argument))), {})


def _plain(error: Exception) -> str:
    text = str(error).replace("`", "").replace("Expected ", "must be ", 1)
    return text if text.startswith("must ") else "is not valid"
