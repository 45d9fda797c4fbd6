"""The body of a POST, PUT or DELETE to a document: JSON, YAML or protobuf, bounded, of the kind its path asks for.

Faults are Kubernetes' 400s, word for word where its decoder's words are known. Fields are not looked at here; that is
`field_validation.py`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from podledger.api.field_error import go_quote
from podledger.api.json_value import is_array, is_object, json_kind
from podledger_adapters.manifest.fault import ManifestError
from podledger_adapters.manifest.yaml_text import read_documents
from podledger_adapters.server import protobuf
from podledger_adapters.server.json_text import MalformedJson, duplicates, read_json
from podledger_adapters.server.negotiation import JSON, PROTOBUF
from podledger_adapters.server.resource import RESOURCES
from podledger_adapters.server.status import bad_request, too_large
from podledger_adapters.store.api_error import ApiError

__all__ = ["MAX_BYTES", "Body", "check_size", "decode_body", "decode_patch_text", "unregistered"]

MAX_BYTES: Final = 3 * 1024 * 1024
"""The largest body, as for a real API server."""
MAX_VALUES: Final = 500_000
"""The most values of a document, what YAML aliases repeat counted each time."""
SUMMARY: Final = 30
"""How much of an unreadable body a message shows."""
SCHEME: Final = "pkg/api/legacyscheme/scheme.go:30"
"""What real API servers call their registry of kinds; it is part of their messages."""

OTHER_VERSIONS: Final[Mapping[str, Sequence[str]]] = {
    "CronJob": ("batch/v1beta1",),
    "Event": ("events.k8s.io/v1", "events.k8s.io/v1beta1"),
    "Lease": ("coordination.k8s.io/v1beta1",),
}
"""Versions that a real API server still knows of a kind, but serves no more or elsewhere."""


class Body(Struct, frozen=True):
    """A decoded body. `duplicates` are the paths of keys that were given twice; the last value stands."""

    document: dict[str, Any]
    duplicates: Sequence[str] = ()


def check_size(length: int) -> None:
    """Refuse a body that is too large; call it while reading. Raises ApiError (413)."""
    if length > MAX_BYTES:
        raise too_large(f"limit is {MAX_BYTES}")


def decode_body(kind: str, api_version: str, media_type: str, data: bytes) -> Body:
    """The document of a body that must be of this kind and version; missing ones are filled in from them.

    Raises ApiError (400, 413).
    """
    check_size(len(data))
    repeated: Sequence[str] = ()
    try:
        if media_type == PROTOBUF:
            value: object = protobuf.decode(data, kind)
        elif media_type == JSON:
            value = read_json(data)
            repeated = duplicates(value)
        else:
            value, repeated = _read_yaml(data)
    except MalformedJson as error:
        raise unrecognized(kind, f"couldn't get version/kind; json parse error: {error}", data) from None
    except protobuf.MalformedProtobuf as error:
        raise unrecognized(kind, str(error), data) from None
    except ManifestError as error:
        raise unrecognized(kind, f"yaml: {error}", data) from None
    if not is_object(value):
        if value is None:
            value = {}
        else:
            what = "json: cannot unmarshal {} into Go value of type struct {{ APIVersion string; Kind string }}"
            named = "array" if is_array(value) else "string" if isinstance(value, str) else "number"
            raise unrecognized(kind, f"couldn't get version/kind; json parse error: {what.format(named)}", data)
    return Body(_of_kind(kind, api_version, {str(key): item for key, item in value.items()}, data), repeated)


def decode_patch_text(media_type: str, data: bytes) -> tuple[object, Sequence[str]]:
    """The value of a patch's body, and the keys given twice in it.

    Raises ApiError (400, 413), MalformedJson or ManifestError.
    """
    check_size(len(data))
    if media_type.endswith("+json"):
        value = read_json(data)
        return value, duplicates(value)
    return _read_yaml(data)


def _read_yaml(data: bytes) -> tuple[object, Sequence[str]]:
    """YAML, of which JSON is a part; kubectl sends JSON by this name."""
    if data.lstrip()[:1] == b"{":
        try:
            value = read_json(data)
        except MalformedJson:
            pass  # It may still be YAML's flow style.
        else:
            return value, duplicates(value)
    documents = read_documents("body", data)
    value = documents[0].value if documents else None
    _count(value, [MAX_VALUES])
    return value, ()


def _count(value: object, left: list[int]) -> None:
    """Refuse what is too much, or no number that can be sent."""
    left[0] -= 1
    if left[0] < 0:
        raise bad_request(f"yaml: document has more than {MAX_VALUES} values, aliases followed")
    if isinstance(value, int | float) and not -(2**63) <= value < 2**63:
        raise bad_request("yaml: a number is too large; put the value in quotes")
    if is_object(value):
        for item in value.values():
            _count(item, left)
    elif is_array(value):
        for item in value:
            _count(item, left)


def unrecognized(kind: str, why: str, data: bytes) -> ApiError:
    """400: what came is nothing that could be an object."""
    return bad_request(f"the object provided is unrecognized (must be of type {kind}): {why} ({_summary(data)})")


def _summary(data: bytes) -> str:
    if not data:
        return "<empty>"
    start = data[:SUMMARY]
    shown = start.decode("utf-8", errors="replace") if data[:1] == b"{" else start.hex()
    return f"{shown} ..." if len(data) > SUMMARY else shown


def unregistered(kind: str, api_version: str) -> str:
    """What a real API server says of a kind or version it never heard of."""
    return f"no kind {go_quote(kind)} is registered for version {go_quote(api_version)} in scheme {go_quote(SCHEME)}"


def _of_kind(kind: str, api_version: str, document: dict[str, object], data: bytes) -> dict[str, Any]:
    found, version = document.get("kind"), document.get("apiVersion")
    for name, value in (("kind", found), ("apiVersion", version)):
        if value is not None and not isinstance(value, str):
            named = {"kind": "Kind", "apiVersion": "APIVersion"}[name]
            what = json_kind(value)
            why = f"json: cannot unmarshal {what} into Go struct field .{named} of type string"
            raise unrecognized(kind, f"couldn't get version/kind; json parse error: {why}", data)
    found_kind, found_version = str(found or kind), str(version or api_version)
    # Options of a deletion bear the version of whatever is deleted.
    if (found_kind, found_version) != (kind, api_version) and not found_kind == kind == "DeleteOptions":
        raise _other_kind(kind, api_version, found_kind, found_version)
    return {**document, "kind": kind, "apiVersion": api_version}


def _other_kind(kind: str, api_version: str, found_kind: str, found_version: str) -> ApiError:
    """400: the body holds something else than its path says."""
    short = found_version.rpartition("/")[2]
    if found_kind == kind and found_version in OTHER_VERSIONS.get(kind, ()):
        return bad_request(
            f"the API version in the data ({found_version}) does not match the expected API version ({api_version})"
        )
    known = any(one.kind == found_kind and one.api_version == found_version for one in RESOURCES)
    if known:
        group = api_version.rpartition("/")[0].partition(".")[0] or "core"
        why = f"converting ({short}.{found_kind}) to ({group}.{kind}): unknown conversion"
    else:
        why = unregistered(found_kind, found_version)
    return bad_request(f"{found_kind} in version {go_quote(short)} cannot be handled as a {kind}: {why}")
