"""The fields that Kubernetes 1.36 knows, and the check of a document against them: unknown fields, wrong JSON types.

The tree is data (`fields.json`, written by tests/repository/write_field_tree.py, which also explains its notation).
This is the only place of the pure half that reads anything: one file of its own package, when it is imported.
What becomes of a document that passes is `podledger.api.decode`.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.resources import files
from typing import Final

from msgspec import Struct

from podledger.api.json_value import is_array, is_object, json_kind
from podledger.api.quantity import InvalidQuantity, Quantity

__all__ = ["RFC3339", "TYPES", "FieldReport", "UnknownField", "WrongType", "inspect_fields"]


def load_types() -> dict[str, dict[str, str]]:
    """The field tree: type name to field name to the notation of the field's type."""
    tree = json.loads(files(__name__).joinpath("fields.json").read_text(encoding="utf-8"))
    types: dict[str, dict[str, str]] = tree["types"]
    return types


TYPES: Final = load_types()
"""Type name (`JobSpec`) to JSON field name to its type (`int32`, `[]Container`, `map[]string`, ...)."""

INTEGER_BITS: Final = {"int32": 32, "int64": 64}
# Strings with a Go type of their own, as the decoder's messages name it; by field name, the same in all types.
NAMED_STRINGS: Final = {
    "action": "v1.PodFailurePolicyAction",
    "completionMode": "v1.CompletionMode",
    "concurrencyPolicy": "v1.ConcurrencyPolicy",
    "dnsPolicy": "v1.DNSPolicy",
    "imagePullPolicy": "v1.PullPolicy",
    "podReplacementPolicy": "v1.PodReplacementPolicy",
    "preemptionPolicy": "v1.PreemptionPolicy",
    "protocol": "v1.Protocol",
    "restartPolicy": "v1.RestartPolicy",
    "terminationMessagePolicy": "v1.TerminationMessagePolicy",
    "uid": "types.UID",
}
RFC3339: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d([.,]\d+)?([Zz]|[+-]\d\d:\d\d)")
RFC3339_MICRO: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d[.,]\d{6}([Zz]|[+-]\d\d:\d\d)")
# What is read; Go's name of the layout, which its messages show; and ours. A MicroTime has six digits exactly.
TIME_LAYOUTS: Final = {
    "Time": (RFC3339, "2006-01-02T15:04:05Z07:00", "%Y-%m-%dT%H:%M:%SZ"),
    "MicroTime": (RFC3339_MICRO, "2006-01-02T15:04:05.000000Z07:00", "%Y-%m-%dT%H:%M:%S.%fZ"),
}
MAX_SHOWN: Final = 60
"""How many characters of a wrong value a message shows."""


class UnknownField(Struct, frozen=True):
    """A field Kubernetes does not know: its path, its own name, and the type that does not have it."""

    path: str
    name: str
    owner: str


class WrongType(Struct, frozen=True):
    """A value that cannot be what its field needs: `text` is for people, `message` is what Kubernetes' decoder says."""

    path: str
    text: str
    message: str


class FieldReport(Struct):
    """What a document breaks: paths of unknown fields, and values of a wrong type, both in the document's order."""

    unknown: list[UnknownField]
    wrong: list[WrongType]


def inspect_fields(kind: str, document: Mapping[str, object]) -> tuple[dict[str, object], FieldReport]:
    """Check a parsed document against the type `kind` (a key of TYPES), and copy it.

    The copy lacks what Kubernetes would not store: nulls, empty lists and maps, zero values of plain scalars, and
    fields it does not know; quantities are canonical. The input is left as it is. Where the report names a wrong type,
    the copy is not usable.
    """
    report = FieldReport([], [])
    return Inspection(report).struct(kind, document, "", ""), report


class Inspection:
    """One walk through a document.

    `path` is for people (`spec.containers[0].name`), `trail` is how Go's decoder says it (no list indexes), `owner`
    the type that has the field.
    """

    def __init__(self, report: FieldReport) -> None:
        self.report = report

    def struct(self, kind: str, value: Mapping[str, object], path: str, trail: str) -> dict[str, object]:
        """Check and copy an object whose fields are those of the type `kind`."""
        fields = TYPES[kind]
        copy: dict[str, object] = {}
        for name, item in value.items():
            here = f"{path}.{name}" if path else str(name)
            declared = fields.get(name)
            if declared is None:
                self.report.unknown.append(UnknownField(here, str(name), kind))
            elif item is not None:
                copied = self.value(declared, item, here, f"{trail}.{name}" if trail else name, kind)
                if not dropped(declared, copied):
                    copy[name] = copied
        return copy

    def value(self, declared: str, value: object, path: str, trail: str, owner: str) -> object:
        """Check and copy one value of the type `declared`."""
        declared = declared.removeprefix("*")
        if declared.startswith("[]"):
            if is_array(value):
                return [
                    self.value(declared[2:], item, f"{path}[{number}]", trail, owner)
                    for number, item in enumerate(value)
                ]
        elif declared.startswith("map[]"):
            if is_object(value):
                return {
                    str(key): self.value(declared[5:], item, f"{path}[{key}]", trail, owner)
                    for key, item in value.items()
                }
        elif declared in TYPES:
            if is_object(value):
                return self.struct(declared, value, path, trail)
        else:
            return self.scalar(declared, value, path, trail, owner)
        self.wrong_type(declared, value, path, trail, owner)
        return None

    def scalar(self, declared: str, value: object, path: str, trail: str, owner: str) -> object:
        """Check and copy a value that is neither object, list nor map."""
        match declared, value:
            case "any", _:
                return value
            case "string", str():
                return value
            case "bool", bool():
                return value
            case "Quantity", str() | int() | float() if not isinstance(value, bool):
                return self.quantity(str(value), path)
            case "Quantity", _:
                return self.quantity(json.dumps(value, default=str), path)
            case (("Time" | "MicroTime"), str()):
                return self.time(declared, value, path)
            case (("Time" | "MicroTime"), _):
                message = f"json: cannot unmarshal {json_kind(value)} into Go value of type string"
                self.refuse(path, f"must be a time, is {shown(value)}", message)
            case "IntOrString", str():
                return value
            case (("int32" | "int64" | "IntOrString"), int()) if not isinstance(value, bool):
                bits = INTEGER_BITS.get(declared, 32)
                if -(1 << (bits - 1)) <= value < 1 << (bits - 1):
                    return value
            case _:
                pass
        self.wrong_type(declared, value, path, trail, owner)
        return None

    def quantity(self, text: str, path: str) -> str | None:
        """The canonical form of a quantity such as 500m or 1Gi."""
        try:
            return str(Quantity.parse(text))
        except InvalidQuantity as error:
            self.refuse(path, f"{shown(text)} is no quantity such as 500m or 128Mi", str(error))
            return None

    def time(self, declared: str, text: str, path: str) -> str | None:
        """A timestamp as Kubernetes stores it: UTC, whole seconds or, a MicroTime, with microseconds."""
        pattern, layout, shape = TIME_LAYOUTS[declared]
        try:
            if pattern.fullmatch(text):
                return datetime.fromisoformat(text.upper()).astimezone(UTC).strftime(shape)
        except (ValueError, OverflowError):
            pass
        message = f'parsing time "{text}" as "{layout}": cannot parse "{text}" as "2006"'
        micros = ".000000" if declared == "MicroTime" else ""
        self.refuse(path, f"{shown(text)} is no time such as 2026-01-31T12:00:00{micros}Z", message)
        return None

    def wrong_type(self, declared: str, value: object, path: str, trail: str, owner: str) -> None:
        """Note a wrong JSON type, in the words of Go's decoder."""
        found = json_kind(value)
        if found == "number" and declared in INTEGER_BITS:
            found = f"number {json.dumps(value)}"
        go = go_type(declared, trail)
        message = f"json: cannot unmarshal {found} into Go struct field {owner}.{trail} of type {go}"
        self.refuse(path, f"must be {wanted(declared)}, is {shown(value)}", message)

    def refuse(self, path: str, text: str, message: str) -> None:
        """Note a value of a wrong type."""
        self.report.wrong.append(WrongType(path, text, message))


def dropped(declared: str, value: object) -> bool:
    """Whether Kubernetes leaves the field out: an empty list or map, or the zero value of a plain scalar."""
    if declared.startswith(("[]", "map[]")):
        return not value
    return declared in ("string", "bool", "int32", "int64") and not value


def shown(value: object) -> str:
    """A value for a message, shortened."""
    text = json.dumps(value, default=str, ensure_ascii=False)
    return f"{json_kind(value)} {text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + '…'}"


def wanted(declared: str) -> str:
    """What a field needs, for people."""
    if declared.startswith("[]"):
        return f"a list of {declared[2:]}"
    if declared.startswith("map[]"):
        return f"a map of strings to {declared[5:]}"
    return {"bool": "true or false", "string": "a string", "IntOrString": "an integer or a string"}.get(
        declared, f"an object ({declared})" if declared in TYPES else f"an integer ({declared})"
    )


def go_type(declared: str, trail: str) -> str:
    """What Go calls the type of a field."""
    if declared.startswith("[]"):
        return "[]" + go_type(declared[2:], trail)
    if declared.startswith("map[]"):
        return "map[string]" + ("resource.Quantity" if declared.endswith("Quantity") else "string")
    if declared == "string":
        return NAMED_STRINGS.get(trail.rsplit(".", 1)[-1], "string")
    return f"v1.{declared}" if declared in TYPES else declared
