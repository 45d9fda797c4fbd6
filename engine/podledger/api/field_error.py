"""One violation of Kubernetes' validation, in the form the API server reports it (a cause of a 422 Status).

The functions below make each kind of violation with Kubernetes' own words; which rule is broken where is
`podledger.api.validation`'s matter.
"""

import json
import re
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from msgspec import Struct, structs

from podledger.api.json_value import is_array, is_object

__all__ = [
    "OMITTED",
    "FieldError",
    "GoStruct",
    "Omitted",
    "duplicate",
    "forbidden",
    "go_quote",
    "invalid",
    "not_found",
    "not_supported",
    "required",
    "too_long",
    "too_many",
]


class FieldError(Struct, frozen=True):
    """`field` is the path, `reason` the cause's type (FieldValueRequired, ...), `message` its text without the path."""

    field: str
    reason: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


class Omitted:
    """The type of OMITTED."""


OMITTED: Final = Omitted()
"""In place of a value: the message does not show one."""

HTML_ESCAPES: Final = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
QUOTE_ESCAPES: Final = {
    '"': '\\"', "\\": "\\\\", "\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v",
}  # fmt: skip


def go_quote(text: str) -> str:
    """A string as Go's %q shows it."""
    return '"' + "".join(QUOTE_ESCAPES.get(char) or printable(char) for char in text) + '"'


def printable(char: str) -> str:
    """One character as Go's %q shows it, quotes and the usual escapes apart."""
    code = ord(char)
    if char == " " or (char.isprintable() and not char.isspace()):
        return char
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def shown(value: object) -> str:
    """A value as Kubernetes' messages show it: scalars bare, strings quoted, times, maps and structures as JSON."""
    if value is None:
        return '"null"'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return go_quote(value)
    if isinstance(value, int | float):
        return str(value)
    text = json.dumps(go_json(value), ensure_ascii=False, separators=(",", ":"))
    return re.sub("[<>&\u2028\u2029]", lambda match: HTML_ESCAPES[match.group()], text)


def go_json(value: object) -> object:
    """A value ready for JSON as Go writes it: maps sorted, structs in their own order."""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, Struct):
        return {field.encode_name: go_json(getattr(value, field.name)) for field in set_fields(value)}
    if isinstance(value, GoStruct):
        return {name: go_json(item) for name, item in value.items()}
    if is_object(value):
        return {str(key): go_json(item) for key, item in sorted(value.items())}
    return [go_json(item) for item in value] if is_array(value) else value


def set_fields(value: Struct) -> list[structs.FieldInfo]:
    """The fields of a struct that are not empty."""
    return [field for field in structs.fields(value) if getattr(value, field.name) not in (None, "", (), {})]


class GoStruct(dict[str, object]):
    """The fields of a Go struct in its own order; a plain dict is taken for a map, whose keys Go sorts."""


def required(field: str, detail: str = "") -> FieldError:
    """A value is missing."""
    return FieldError(field, "FieldValueRequired", f"Required value: {detail}" if detail else "Required value")


def invalid(field: str, value: object, detail: str) -> FieldError:
    """A value breaks a rule; `value` is shown unless it is OMITTED."""
    text = "Invalid value" if isinstance(value, Omitted) else f"Invalid value: {shown(value)}"
    return FieldError(field, "FieldValueInvalid", f"{text}: {detail}")


def not_supported(field: str, value: object, supported: Iterable[str]) -> FieldError:
    """A value is none of those there are."""
    listed = ", ".join(go_quote(each) for each in supported)
    return FieldError(field, "FieldValueNotSupported", f"Unsupported value: {shown(value)}: supported values: {listed}")


def forbidden(field: str, detail: str) -> FieldError:
    """The field may not be set here."""
    return FieldError(field, "FieldValueForbidden", f"Forbidden: {detail}")


def duplicate(field: str, value: object) -> FieldError:
    """The value was there before."""
    return FieldError(field, "FieldValueDuplicate", f"Duplicate value: {shown(value)}")


def not_found(field: str, value: object) -> FieldError:
    """The value names something that does not exist."""
    return FieldError(field, "FieldValueNotFound", f"Not found: {shown(value)}")


def too_long(field: str, limit: int) -> FieldError:
    """The text has more than `limit` bytes."""
    return FieldError(field, "FieldValueTooLong", f"Too long: may not be more than {limit} bytes")


def too_many(field: str, count: int, limit: int) -> FieldError:
    """The list has more than `limit` items."""
    return FieldError(field, "FieldValueTooMany", f"Too many: {count}: must have at most {limit} items")
