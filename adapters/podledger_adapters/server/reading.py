"""Get and list. Whoever is answered sees only what is durable; watches are `watching.py`."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from starlette.responses import Response

from podledger_adapters.server.answer import document_answer
from podledger_adapters.server.call import Call
from podledger_adapters.server.forms import list_answer, object_answer, read_form
from podledger_adapters.server.list_options import ListOptions, read_options, require_reached
from podledger_adapters.server.list_snapshots import (
    NEWEST,
    ContinueToken,
    behind,
    expired_token,
    key_of,
    read_token,
    write_token,
)
from podledger_adapters.server.objects import TYPES
from podledger_adapters.server.selection import Selection
from podledger_adapters.server.status import gone
from podledger_adapters.store.api_error import not_found
from podledger_adapters.store.kinds import RESOURCES, StoredObject

__all__ = ["TOO_OLD", "get_object", "list_objects"]

TOO_OLD = "The resourceVersion for the provided list is too old."


async def get_object(call: Call) -> Response:
    """GET of one object."""
    form = read_form(call)
    options = read_options(call, watch=False)
    require_reached(options.revision, call.store.revision)
    kind = TYPES[call.resource.kind]
    stored = call.store.find(kind, call.key)
    await call.store.durable()
    if stored is None:
        raise not_found(RESOURCES[kind], call.name)
    return await object_answer(call, form, stored)


class Listed(NamedTuple):
    """What a list is made of: all objects there were at a revision, and where the page begins."""

    revision: int
    objects: Sequence[StoredObject]
    start: int = 0


async def list_objects(call: Call) -> Response:
    """GET of a collection: what is selected, in pages where a limit is given."""
    options = read_options(call, watch=False)
    form = read_form(call, collection=True)
    selection = Selection(call)
    require_reached(options.revision, call.store.revision)
    token = read_token(options.token, namespaced=call.resource.namespaced) if options.token else None
    listed = _listed(call, options, token)
    if listed is None:
        if token is None:
            raise gone(TOO_OLD)
        return document_answer(expired_token(token), code=410)
    page: list[StoredObject] = []
    metadata: dict[str, Any] = {"resourceVersion": str(listed.revision)}
    for stored in listed.objects[listed.start :]:
        if selection.matches(stored):
            if options.limit and len(page) == options.limit:
                metadata["continue"] = write_token(listed.revision, key_of(page[-1]))
                if selection.everything:
                    metadata["remainingItemCount"] = len(listed.objects) - listed.start - len(page)
                call.state.lists.keep(call.resource.kind, call.namespace, listed.revision, listed.objects)
                break
            page.append(stored)
    await call.store.durable()
    return await list_answer(call, form, page, metadata)


def _listed(call: Call, options: ListOptions, token: ContinueToken | None) -> Listed | None:
    """None for a revision that is not kept any more."""
    revision = call.store.revision
    if token is not None and token.revision != NEWEST:
        revision = token.revision
        objects = call.state.lists.find(call.resource.kind, call.namespace, revision)
    elif options.exact and options.revision is not None and options.revision != revision:
        revision = options.revision
        objects = call.state.lists.find(call.resource.kind, call.namespace, revision)
    else:
        objects = call.store.table(TYPES[call.resource.kind]).sorted(call.namespace or None)
    if objects is None:
        return None
    return Listed(revision, objects, 0 if token is None else behind(objects, token.start))
