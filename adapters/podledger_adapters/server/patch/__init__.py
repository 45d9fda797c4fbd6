"""PATCH: the four types of patches, from a request's body and the stored document to the new document.

What the server does with the new document (defaults, validation, storing, managedFields of patches that are no apply)
is the same as for a PUT.
"""

import json
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from podledger.api.field_error import forbidden, required
from podledger.api.json_value import is_object, json_kind
from podledger_adapters.manifest.fault import ManifestError
from podledger_adapters.server.body import decode_patch_text, unregistered
from podledger_adapters.server.field_validation import FieldValidation, checked_patch, patch_error
from podledger_adapters.server.json_text import MalformedJson
from podledger_adapters.server.negotiation import APPLY_PATCH, JSON_PATCH, STRATEGIC_MERGE_PATCH
from podledger_adapters.server.patch.apply import apply_configuration
from podledger_adapters.server.patch.go_text import go_text
from podledger_adapters.server.patch.json_patch import apply_operations, merge_json
from podledger_adapters.server.patch.managed import (
    managed_fields_of_create,
    managed_fields_of_update,
)
from podledger_adapters.server.patch.strategic import merge_strategically
from podledger_adapters.server.status import bad_request, invalid, invalid_unnamed

__all__ = [
    "PatchRequest",
    "Patched",
    "apply_patch",
    "check_options",
    "managed_fields_of_create",
    "managed_fields_of_update",
]

Json = dict[str, Any]


class PatchRequest(Struct, frozen=True):
    """A PATCH. `manager` is the parameter fieldManager as given, `force` None where it is not; `now` is RFC 3339."""

    kind: str
    api_version: str
    media_type: str
    data: bytes
    name: str
    namespace: str = ""
    subresource: str = ""
    manager: str = ""
    force: bool | None = None
    validation: FieldValidation = "Warn"
    now: str = ""


class Patched(Struct, frozen=True):
    """The new document, without unknown fields, and the warnings that the request deserves."""

    document: Json
    warnings: tuple[str, ...] = ()


def apply_patch(request: PatchRequest, old: Mapping[str, Any] | None) -> Patched:
    """What a patch makes of the stored document; only an apply may make one of nothing (`old` None).

    An apply's document comes with its managedFields. Raises ApiError: 400, 409, 413, 422, and 500 where Kubernetes
    answers so to an apply with unknown fields.
    """
    check_options(request)
    patch, repeated = _decoded(request)
    if request.media_type == APPLY_PATCH:
        document = apply_configuration(
            request.kind,
            request.api_version,
            old,
            _object(patch),
            manager=request.manager,
            force=bool(request.force),
            now=request.now,
            subresource=request.subresource,
        )
        return _finished(request, document, json.dumps(patch), ())
    assert old is not None, "only an apply creates"
    if request.media_type == JSON_PATCH:
        patched = apply_operations(old, patch)
        shown = json.dumps(patched, separators=(",", ":"))
    elif request.media_type == STRATEGIC_MERGE_PATCH:
        patched = merge_strategically(request.kind, old, _object(patch))
        shown = go_text(patch)
    else:
        patched = merge_json(old, _object(patch))
        shown = json.dumps(patched, separators=(",", ":"))
    if not is_object(patched):
        why = f"json: cannot unmarshal {json_kind(patched)} into Go value of type {request.kind}"
        raise invalid_unnamed([patch_error(shown, why)])
    return _finished(request, {str(key): value for key, value in patched.items()}, shown, tuple(repeated))


def check_options(request: PatchRequest) -> None:
    """Whether the parameters fit the type of the patch. Raises ApiError (422)."""
    if request.media_type == APPLY_PATCH:
        causes = [] if request.manager else [required("fieldManager", "is required for apply patch")]
    else:
        causes = [] if request.force is None else [forbidden("force", "may not be specified for non-apply patch")]
    if causes:
        raise invalid("PatchOptions.meta.k8s.io", "meta.k8s.io", "PatchOptions", "", causes)


def _decoded(request: PatchRequest) -> tuple[object, list[str]]:
    try:
        patch, repeated = decode_patch_text(request.media_type, request.data)
    except MalformedJson as error:
        raise bad_request(f"error decoding patch: {error}") from None
    except ManifestError as error:
        raise bad_request(f"error decoding YAML: {error}") from None
    return patch, list(repeated)


def _object(patch: object) -> Mapping[str, Any]:
    if is_object(patch):
        return patch
    kind = "null" if patch is None else json_kind(patch)
    raise bad_request(
        f"error decoding patch: json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}"
    )


def _finished(request: PatchRequest, document: Json, shown: str, repeated: tuple[str, ...]) -> Patched:
    """The document as it can go on, if it still is the object that was patched."""
    kind = document.get("kind") or request.kind
    version = document.get("apiVersion") or request.api_version
    if (kind, version) != (request.kind, request.api_version):
        raise invalid_unnamed([patch_error(shown, unregistered(str(kind), str(version)))])
    document = {**document, "kind": kind, "apiVersion": version}
    metadata: object = document.get("metadata")
    named: Mapping[str, object] = metadata if is_object(metadata) else {}
    name, namespace = named.get("name") or "", named.get("namespace") or ""
    if request.media_type == APPLY_PATCH:
        # A configuration may leave them to the path.
        name, namespace = name or request.name, namespace or request.namespace
        document = {**document, "metadata": {**named, "name": name, **({"namespace": namespace} if namespace else {})}}
    kept, warnings = checked_patch(request.kind, document, request.validation, shown, repeated)
    if name != request.name:
        raise bad_request(f"the name of the object ({name}) does not match the name on the URL ({request.name})")
    if namespace != request.namespace:
        raise bad_request(
            f"the namespace of the object ({namespace}) does not match the namespace on the URL ({request.namespace})"
        )
    return Patched(kept, tuple(warnings))
