"""Delete one object, or all that are selected. What a deletion does to an object is the store's matter."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from msgspec import Struct
from starlette.responses import Response

from podledger.api.field_error import FieldError, invalid, not_supported
from podledger.api.job import Job
from podledger.api.namespace import Namespace
from podledger.api.pod import Pod
from podledger_adapters.server.answer import document_answer
from podledger_adapters.server.body import decode_body
from podledger_adapters.server.call import Call
from podledger_adapters.server.field_validation import checked
from podledger_adapters.server.forms import list_answer, object_answer, read_form
from podledger_adapters.server.list_options import read_options
from podledger_adapters.server.negotiation import media_type, negotiate
from podledger_adapters.server.objects import TYPES
from podledger_adapters.server.selection import Selection
from podledger_adapters.server.status import deleted
from podledger_adapters.server.status import invalid as invalid_options
from podledger_adapters.store import ApiError
from podledger_adapters.store.api_error import not_found
from podledger_adapters.store.deletion import DeleteOptions
from podledger_adapters.store.kinds import RESOURCES, Propagation, StoredObject
from podledger_adapters.store.namespaces import admit_deletion
from podledger_adapters.store.table import ObjectKey

__all__ = ["DeleteRequest", "delete_object", "delete_request", "delete_selected", "read_delete_request"]

PROPAGATIONS: Final[dict[str, Propagation]] = {
    "Background": "Background",
    "Foreground": "Foreground",
    "Orphan": "Orphan",
}
ORPHANING: Final = (
    "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or "
    "set propagationPolicy=Orphan to suppress this warning"
)


class DeleteRequest(Struct, frozen=True):
    """What a request to delete says. `orphan_dependents` is the old form of a propagation policy."""

    options: DeleteOptions
    dry_run: bool
    orphan_dependents: bool | None

    @property
    def says_propagation(self) -> bool:
        """Whether it says what becomes of dependents."""
        return self.options.propagation is not None


async def delete_object(call: Call) -> Response:
    """DELETE of one object."""
    form = read_form(call)
    request = await read_delete_request(call)
    kind = TYPES[call.resource.kind]
    with call.store.batch(dry_run=request.dry_run) as batch:
        old = call.store.find(kind, call.key)
        if old is None:
            raise not_found(RESOURCES[kind], call.name)
        if kind is Namespace:
            admit_deletion(call.name)
        left = batch.delete(kind, call.key, request.options)
    await batch.durable()
    warnings = _warnings(kind, request)
    if left is not None:
        # 202 is what the API server says where the old parameter orphanDependents=false cannot be done at once.
        code = 202 if request.orphan_dependents is False else 200
        return await object_answer(call, form, left, code=code, warnings=warnings)
    if kind in (Pod, Namespace):
        return await object_answer(call, form, old, warnings=warnings)
    status = deleted(call.resource, old.metadata.name, old.metadata.uid)
    return document_answer(status, negotiate(None), pretty=call.pretty, warnings=warnings)


async def delete_selected(call: Call) -> Response:
    """DELETE of a collection: every selected object. Those that are gone meanwhile are passed over."""
    options = read_options(call, watch=False)
    request = await read_delete_request(call)
    form = read_form(call, collection=True)
    selection = Selection(call)
    kind = TYPES[call.resource.kind]
    found: list[StoredObject] = []
    with call.store.batch(dry_run=request.dry_run) as batch:
        for stored in call.store.table(kind).sorted(call.namespace or None):
            if options.limit and len(found) == options.limit:
                break
            if selection.matches(stored):
                found.append(stored)
                key: ObjectKey = (stored.metadata.namespace, stored.metadata.name)
                batch.delete(kind, key, request.options)
    await batch.durable()
    metadata = {"resourceVersion": str(call.store.revision)}
    return await list_answer(call, form, found, metadata, _warnings(kind, request))


def _warnings(kind: type[StoredObject], request: DeleteRequest) -> Sequence[str]:
    return [ORPHANING] if kind is Job and not request.says_propagation else ()


async def read_delete_request(call: Call) -> DeleteRequest:
    """The DeleteOptions in the body, or, only where there is no body, in the query. Raises ApiError (400, 422)."""
    data = await call.body()
    if not data:
        return delete_request(_query_options(call))
    return delete_request(await call.state.large_work.run(len(data), partial(_body_options, call, data)))


def _body_options(call: Call, data: bytes) -> dict[str, Any]:
    """DeleteOptions are of every group: clients write the resource's version, v1 or that of the options themselves."""
    media = media_type(call.content_type)
    refusal: ApiError | None = None
    for version in dict.fromkeys(("v1", call.resource.api_version, "meta.k8s.io/v1")):
        try:
            body = decode_body("DeleteOptions", version, media, data)
        except ApiError as error:
            refusal = refusal or error
        else:
            document, _ = checked("DeleteOptions", "v1", body.document, "Ignore", body.duplicates)
            return document
    assert refusal is not None, "there is no version to try"
    raise refusal


def _query_options(call: Call) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if (grace := call.integer("gracePeriodSeconds")) is not None:
        options["gracePeriodSeconds"] = grace
    if "orphanDependents" in call.query:
        options["orphanDependents"] = call.flag("orphanDependents")
    if policy := call.query.get("propagationPolicy"):
        options["propagationPolicy"] = policy
    if dry_run := call.query.get("dryRun"):
        options["dryRun"] = [dry_run]
    return options


def delete_request(options: dict[str, Any]) -> DeleteRequest:
    """What DeleteOptions say. Raises ApiError (422)."""
    policy: str | None = options.get("propagationPolicy")
    orphan: bool | None = options.get("orphanDependents")
    dry_run: Sequence[str] = options.get("dryRun") or ()
    causes: list[FieldError] = []
    if policy is not None and orphan is not None:
        why = "orphanDependents and deletionPropagation cannot be both set"
        causes.append(invalid("propagationPolicy", policy, why))
    if policy is not None and policy not in PROPAGATIONS:
        causes.append(not_supported("propagationPolicy", policy, [*_SHOWN_PROPAGATIONS]))
    if set(dry_run) - {"All"}:
        causes.append(not_supported("dryRun", dry_run, ["All"]))
    if causes:
        raise _refused(causes)
    propagation = PROPAGATIONS.get(policy or "")
    if orphan is not None:
        propagation = "Orphan" if orphan else "Background"
    preconditions: dict[str, str] = options.get("preconditions") or {}
    return DeleteRequest(
        options=DeleteOptions(
            uid=preconditions.get("uid", ""),
            resource_version=preconditions.get("resourceVersion", ""),
            propagation=propagation,
            grace_s=options.get("gracePeriodSeconds"),
        ),
        dry_run=bool(dry_run),
        orphan_dependents=orphan,
    )


_SHOWN_PROPAGATIONS: Final = ("Foreground", "Background", "Orphan", "nil")


def _refused(causes: Sequence[FieldError]) -> ApiError:
    return invalid_options("DeleteOptions.meta.k8s.io", "meta.k8s.io", "DeleteOptions", "", causes)
