"""Create and update: from a body to what the store keeps, and back to the client. Patches are `patching.py`.

The order is the API server's: decode, check the fields, put the object in its place, note who manages which field,
admit, validate, store. Between what is read and what is written nothing is awaited, so no write can come between.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
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
from podledger_adapters.server.body import decode_body
from podledger_adapters.server.call import Call
from podledger_adapters.server.field_validation import checked
from podledger_adapters.server.forms import object_answer, read_form
from podledger_adapters.server.negotiation import media_type, negotiate
from podledger_adapters.server.objects import TYPES, document_of, object_of
from podledger_adapters.server.patch.managed import managed_fields_of_create, managed_fields_of_update
from podledger_adapters.server.status import bad_request
from podledger_adapters.server.write_options import WriteOptions, read_write_options
from podledger_adapters.store import Batch
from podledger_adapters.store.api_error import not_found
from podledger_adapters.store.kinds import RESOURCES, StoredObject
from podledger_adapters.store.namespaces import admit
from podledger_adapters.store.rules import with_kind_defaults

__all__ = ["create_object", "create_stored", "managed", "review_access", "rfc3339", "update_object", "warnings_of"]

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
    new, warnings = await _read_object(call, options)
    with call.store.batch(dry_run=options.dry_run) as batch:
        created = create_stored(call, batch, new, options.manager)
    await batch.durable()
    return object_answer(call, form, created, code=201, warnings=(*warnings, *warnings_of(created)))


async def update_object(call: Call) -> Response:
    """PUT of an object, or of its status or finalizers."""
    form = read_form(call)
    options = read_write_options(call, "UpdateOptions")
    new, warnings = await _read_object(call, options)
    kind, name = TYPES[call.resource.kind], new.metadata.name
    if not name:
        why = f"the name of the object ({call.name} based on URL) was undeterminable: name must be provided"
        raise bad_request(why)
    if name != call.name:
        raise bad_request(f"the name of the object ({name}) does not match the name on the URL ({call.name})")
    code = 200
    with call.store.batch(dry_run=options.dry_run) as batch:
        old = call.store.find(kind, call.key)
        if old is None and kind in CREATED_BY_UPDATE:
            written, code = create_stored(call, batch, new, options.manager), 201
        elif old is None:
            raise not_found(RESOURCES[kind], call.name)
        else:
            if isinstance(new, Lease) and not new.metadata.resource_version:
                cause = invalid("metadata.resourceVersion", 0, "must be specified for an update")
                raise InvalidObject("Lease", name, [cause])
            written = batch.update(managed(call, old, new, options.manager), subresource=call.path.subresource)
    await batch.durable()
    return object_answer(call, form, written, code=code, warnings=(*warnings, *warnings_of(written)))


def create_stored(
    call: Call, batch: Batch, new: StoredObject, manager: str, *, keep_managed: bool = False
) -> StoredObject:
    """Create an object that was decoded; its managedFields stay with `keep_managed`. Raises ApiError, InvalidObject."""
    metadata = new.metadata
    if call.resource.namespaced:
        admit(call.store, RESOURCES[type(new)], metadata.namespace, metadata.name)
    new = with_kind_defaults(replace(new, metadata=replace(metadata, self_link="")))
    if keep_managed:
        return batch.create(new)
    now = rfc3339(call.store.timestamp())
    fields = managed_fields_of_create(call.resource.kind, document_of(new), manager, now)
    return batch.create(replace(new, metadata=replace(new.metadata, managed_fields=tuple(fields))))


def managed(call: Call, old: StoredObject, new: StoredObject, manager: str) -> StoredObject:
    """The new object with its defaults, and with who manages what once it is written."""
    new = with_kind_defaults(new)
    fields = managed_fields_of_update(
        call.resource.kind,
        document_of(old),
        document_of(new),
        manager,
        rfc3339(call.store.timestamp()),
        subresource=call.path.subresource,
    )
    return replace(new, metadata=replace(new.metadata, managed_fields=tuple(fields)))


async def _read_object(call: Call, options: WriteOptions) -> tuple[StoredObject, Sequence[str]]:
    """The object in a body, in its namespace, and the warnings its fields deserve. Raises ApiError."""
    resource = call.resource
    media = media_type(call.content_type)
    body = decode_body(resource.kind, resource.group_version, media, await call.body())
    document, warnings = checked(resource.kind, resource.version, body.document, options.validation, body.duplicates)
    new = object_of(resource.kind, document)
    namespace = new.metadata.namespace
    if resource.namespaced and namespace != call.namespace:
        if namespace and call.name:
            why = f"the namespace of the object ({namespace}) does not match the namespace on the request "
            raise bad_request(f"{why}({call.namespace})")
        if namespace:
            raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
        new = replace(new, metadata=replace(new.metadata, namespace=call.namespace))
    return new, warnings


async def review_access(call: Call) -> Response:
    """POST of a SelfSubjectAccessReview: whoever has the token may do everything."""
    options = read_write_options(call, "CreateOptions")
    resource = call.resource
    media = media_type(call.content_type)
    body = decode_body(resource.kind, resource.group_version, media, await call.body())
    document, warnings = checked(resource.kind, resource.version, body.document, options.validation, body.duplicates)
    head = {"kind": resource.kind, "apiVersion": resource.group_version, "metadata": document.get("metadata", {})}
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
