"""Field selectors of requests: which fields of a kind can be selected by, and Kubernetes' messages for all others."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from podledger.api.field_error import go_quote
from podledger.api.json_value import is_array, is_object
from podledger_adapters.server.selectors.predicate import Predicate
from podledger_adapters.server.status import bad_request

__all__ = ["FieldTerm", "field_selector"]


class FieldTerm(Struct, frozen=True):
    """One requirement on a field: equal to a text, or not."""

    read: Callable[[Mapping[str, Any]], str]
    value: str
    equal: bool

    def holds(self, document: Mapping[str, Any]) -> bool:
        """Whether a document meets it."""
        return (self.read(document) == self.value) == self.equal


def _path(*names: str) -> Callable[[Mapping[str, Any]], str]:
    """What reads a field: missing is the empty text, booleans and numbers are written as JSON writes them."""

    def read(document: Mapping[str, Any]) -> str:
        value: object = document
        for name in names:
            value = value.get(name) if is_object(value) else None
        if isinstance(value, bool):
            return "true" if value else "false"
        return "" if value is None else str(value)

    return read


def _or(default: str, *names: str) -> Callable[[Mapping[str, Any]], str]:
    read = _path(*names)
    return lambda document: read(document) or default


def _source(document: Mapping[str, Any]) -> str:
    return _path("source", "component")(document) or _path("reportingComponent")(document)


def _first_ip(document: Mapping[str, Any]) -> str:
    addresses: object = document.get("status", {}).get("podIPs")
    first = addresses[0] if is_array(addresses) and addresses else None
    return _path("ip")(first) if is_object(first) else _path("status", "podIP")(document)


_METADATA: Final = {name: _path(*name.split(".")) for name in ("metadata.name", "metadata.namespace")}

FIELDS: Final[Mapping[str, Mapping[str, Callable[[Mapping[str, Any]], str]]]] = {
    "Job": {**_METADATA, "status.successful": _or("0", "status", "succeeded")},
    "CronJob": _METADATA,
    "Lease": _METADATA,
    "Namespace": {"metadata.name": _METADATA["metadata.name"], "status.phase": _path("status", "phase")},
    "Pod": {
        **_METADATA,
        **{
            name: _path(*name.split("."))
            for name in (
                "spec.nodeName",
                "spec.restartPolicy",
                "spec.schedulerName",
                "spec.serviceAccountName",
                "status.phase",
                "status.nominatedNodeName",
            )
        },
        "spec.hostNetwork": _or("false", "spec", "hostNetwork"),
        "status.podIP": _first_ip,
        "status.podIPs": _first_ip,
    },
    "Event": {
        **_METADATA,
        **{
            f"involvedObject.{name}": _path("involvedObject", name)
            for name in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
        },
        "reason": _path("reason"),
        "reportingComponent": _path("reportingComponent"),
        "source": _source,
        "type": _path("type"),
    },
}
"""Which fields of a kind can be selected by, and what reads them."""


def field_selector(kind: str, text: str) -> Predicate:
    """Whether the fields of a document fit `metadata.name=a,status.phase!=Failed`. Raises ApiError (400)."""
    terms = [_field_term(kind, text, term) for term in _split(text) if term]

    def matches(document: Mapping[str, Any]) -> bool:
        return all(term.holds(document) for term in terms)

    return matches


def _split(text: str) -> Sequence[str]:
    """The terms: commas that are not escaped are between them."""
    return re.findall(r"(?:\\.|[^,\\]|\\$)+", text, re.DOTALL)


def _field_term(kind: str, text: str, term: str) -> FieldTerm:
    found = re.search(r"!=|==|=", term)
    if found is None:
        raise bad_request(f"invalid selector: '{text}'; can't understand '{term}'")
    field, value = term[: found.start()], _unescaped(term[found.end() :])
    read = FIELDS[kind].get(field)
    if read is None:
        raise bad_request(_unsupported(kind, field))
    return FieldTerm(read, value, found.group() != "!=")


def _unescaped(value: str) -> str:
    for escape in re.finditer(r"\\(.?)", value, re.DOTALL):
        if escape.group(1) not in ("\\", ",", "="):
            raise bad_request(f"invalid field selector: invalid escape sequence: {escape.group()}")
    plain = re.sub(r"\\.", "", value)
    if "=" in plain:
        raise bad_request(f"invalid field selector: unescaped character in value: {ord('=')}")
    return re.sub(r"\\(.)", r"\1", value)


def _unsupported(kind: str, field: str) -> str:
    if kind == "Job":
        return f"field label {go_quote(field)} not supported for Job"
    if kind in ("CronJob", "Lease"):
        return f'{go_quote(field)} is not a known field selector: only "metadata.name", "metadata.namespace"'
    return f"field label not supported: {field}"
