"""Create and update: from a body to what the store keeps, and back to the client. Patches are `patching.py`.

The order is the API server's: decode, check the fields, put the object in its place, note who manages which field,
admit, validate, store. How no other write comes between what is read and what is written is `stored_write.py`.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from msgspec.structs import replace
from starlette.responses import Response

from podledger.api.cronjob import CronJob
from podledger.api.field_error import invalid
from podledger.api.job import Job
from podledger.api.kubernetes_event import KubernetesEvent
from podledger.api.lease import Lease
from podledger.api.pod import Pod
from podledger.api.validation.names import dns_label_faults
from podledger.errors import InvalidObject
from podledger_adapters.server.answer import document_answer
from podledger_adapters.server.call import Call
from podledger_adapters.server.decoding import read_document
from podledger_adapters.server.forms import object_answer, read_form
from podledger_adapters.server.negotiation import negotiate
from podledger_adapters.server.objects import TYPES, document_of, object_of
from podledger_adapters.server.patch.managed import managed_fields_of_create, managed_fields_of_update
from podledger_adapters.server.status import bad_request
from podledger_adapters.server.stored_write import create_prepared, write_prepared
from podledger_adapters.server.write_options import WriteOptions, read_write_options
from podledger_adapters.store.api_error import not_found
from podledger_adapters.store.kinds import RESOURCES, StoredObject
from podledger_adapters.store.rules import with_kind_defaults

__all__ = ["create_object", "managed", "review_access", "rfc3339", "update_object", "warnings_of"]

CREATED_BY_UPDATE: Final = (KubernetesEvent, Lease)
"""Kinds that a PUT creates where there is none of that name."""
POD_HOSTNAME: Final = (
    "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is "
    "recommended: "
)
POD_NAMES: Final = (
    "metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is "
    "recommended: "
)


async def create_object(call: Call) -> Response:
    """POST to a collection."""
    form = read_form(call)
    options = read_write_options(call, "CreateOptions")
    new, warnings, size = await _read_object(call, options)
    now = rfc3339(call.store.timestamp())
    prepare = partial(first_managed, call, new, options.manager, now)
    created = await create_prepared(call, size, prepare, dry_run=options.dry_run)
    return await object_answer(call, form, created, code=201, warnings=(*warnings, *warnings_of(created)))


async def update_object(call: Call) -> Response:
    """PUT of an object, or of its status or finalizers."""
    form = read_form(call)
    options = read_write_options(call, "UpdateOptions")
    new, warnings, size = await _read_object(call, options)
    kind, name = TYPES[call.resource.kind], new.metadata.name
    if not name:
        why = f"the name of the object ({call.name} based on URL) was undeterminable: name must be provided"
        raise bad_request(why)
    if name != call.name:
        raise bad_request(f"the name of the object ({name}) does not match the name on the URL ({call.name})")
    now = rfc3339(call.store.timestamp())

    def prepare(old: StoredObject | None) -> StoredObject:
        if old is None and kind in CREATED_BY_UPDATE:
            return first_managed(call, new, options.manager, now)
        if old is None:
            raise not_found(RESOURCES[kind], call.name)
        if isinstance(new, Lease) and not new.metadata.resource_version:
            cause = invalid("metadata.resourceVersion", 0, "must be specified for an update")
            raise InvalidObject("Lease", name, [cause])
        return managed(call, old, new, options.manager, now)

    written, code = await write_prepared(call, size, prepare, dry_run=options.dry_run)
    return await object_answer(call, form, written, code=code, warnings=(*warnings, *warnings_of(written)))


def first_managed(call: Call, new: StoredObject, manager: str, now: str) -> StoredObject:
    """An object to create with its defaults, and with who manages its fields; `now` is RFC 3339."""
    new = with_kind_defaults(replace(new, metadata=replace(new.metadata, self_link="")))
    fields = managed_fields_of_create(call.resource.kind, document_of(new), manager, now)
    return replace(new, metadata=replace(new.metadata, managed_fields=tuple(fields)))


def managed(call: Call, old: StoredObject, new: StoredObject, manager: str, now: str) -> StoredObject:
    """The new object with its defaults, and with who manages what once it is written; `now` is RFC 3339."""
    new = with_kind_defaults(new)
    fields = managed_fields_of_update(
        call.resource.kind, document_of(old), document_of(new), manager, now, subresource=call.path.subresource
    )
    return replace(new, metadata=replace(new.metadata, managed_fields=tuple(fields)))


async def _read_object(call: Call, options: WriteOptions) -> tuple[StoredObject, Sequence[str], int]:
    """The object in a body, in its namespace, the warnings its fields deserve, the body's bytes. Raises ApiError."""
    resource = call.resource
    document, warnings, size = await read_document(call, resource.kind, resource.api_version, options.validation)
    new = object_of(resource.kind, document)
    namespace = new.metadata.namespace
    if resource.namespaced and namespace != call.namespace:
        if namespace and call.name:
            why = f"the namespace of the object ({namespace}) does not match the namespace on the request "
            raise bad_request(f"{why}({call.namespace})")
        if namespace:
            raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
        new = replace(new, metadata=replace(new.metadata, namespace=call.namespace))
    return new, warnings, size


async def review_access(call: Call) -> Response:
    """POST of a SelfSubjectAccessReview: whoever has the token may do everything."""
    options = read_write_options(call, "CreateOptions")
    resource = call.resource
    document, warnings, _ = await read_document(call, resource.kind, resource.api_version, options.validation)
    head = {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": document.get("metadata", {})}
    answer: dict[str, Any] = {**head, "spec": document.get("spec", {}), "status": {"allowed": True}}
    return document_answer(answer, negotiate(call.accept), code=201, pretty=call.pretty, warnings=warnings)


def warnings_of(stored: StoredObject) -> Sequence[str]:
    """What is accepted, and yet better done otherwise."""
    if not isinstance(stored, Job | CronJob | Pod):
        return ()
    faults = dns_label_faults(stored.metadata.name)
    if not faults:
        return ()
    return [f"{POD_HOSTNAME if isinstance(stored, Pod) else POD_NAMES}[{' '.join(faults)}]"]


def rfc3339(time: datetime) -> str:
    """A time of whole seconds as the API writes it."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
