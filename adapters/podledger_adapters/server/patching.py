"""PATCH of an object or its status: what the patch makes of the stored object is written as a PUT would be."""

from msgspec.structs import replace
from starlette.responses import Response

from podledger_adapters.server.call import Call
from podledger_adapters.server.forms import object_answer, read_form
from podledger_adapters.server.negotiation import APPLY_PATCH, media_type
from podledger_adapters.server.objects import TYPES, document_of, object_of
from podledger_adapters.server.patch import PatchRequest, apply_patch
from podledger_adapters.server.stored_write import write_prepared
from podledger_adapters.server.write_options import read_write_options
from podledger_adapters.server.writing import managed, rfc3339, warnings_of
from podledger_adapters.store.api_error import not_found
from podledger_adapters.store.kinds import RESOURCES, StoredObject
from podledger_adapters.store.rules import with_kind_defaults

__all__ = ["patch_object"]


async def patch_object(call: Call) -> Response:
    """PATCH in any of its four forms; an apply creates what is not there."""
    form = read_form(call)
    options = read_write_options(call, "PatchOptions")
    media = media_type(call.content_type, patch=True)
    applying = media == APPLY_PATCH
    data = await call.body()
    resource, kind = call.resource, TYPES[call.resource.kind]
    request = PatchRequest(
        kind=resource.kind,
        api_version=resource.api_version,
        media_type=media,
        data=data,
        name=call.name,
        namespace=call.namespace,
        subresource=call.path.subresource,
        manager=call.query.get("fieldManager", "") if applying else options.manager,
        force=call.flag("force") if "force" in call.query else None,
        validation=options.validation,
        now=rfc3339(call.store.timestamp()),
    )
    warnings: tuple[str, ...] = ()

    def prepare(old: StoredObject | None) -> StoredObject:
        nonlocal warnings
        if old is None and not (applying and not call.path.subresource):
            raise not_found(RESOURCES[kind], call.name)
        patched = apply_patch(request, None if old is None else document_of(old))
        warnings = patched.warnings
        new = object_of(resource.kind, patched.document)
        if old is None:
            return with_kind_defaults(replace(new, metadata=replace(new.metadata, self_link="")))
        return with_kind_defaults(new) if applying else managed(call, old, new, options.manager, request.now)

    written, code = await write_prepared(call, len(data), prepare, dry_run=options.dry_run)
    return await object_answer(call, form, written, code=code, warnings=(*warnings, *warnings_of(written)))
