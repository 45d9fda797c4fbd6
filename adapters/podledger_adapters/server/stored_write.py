"""Storing what a request makes: a new object, or for a PUT and a PATCH another state of the stored one.

That is worked out from what is stored; for large objects in a thread, so that another write may come between. Then it
is worked out again from what that write left, as a real API server does.
"""

from collections.abc import Callable
from functools import partial
from typing import Final

from podledger_adapters.server.call import Call
from podledger_adapters.server.object_size import stored_size_refusal
from podledger_adapters.server.objects import TYPES, encode_object
from podledger_adapters.store.api_error import ApiError
from podledger_adapters.store.kinds import RESOURCES, StoredObject
from podledger_adapters.store.namespaces import admit

__all__ = ["create_prepared", "write_prepared"]

ATTEMPTS: Final = 5
"""How often a thread works it out; then it is done at once, and nothing can come between."""


async def create_prepared(call: Call, size: int, prepare: Callable[[], StoredObject], *, dry_run: bool) -> StoredObject:
    """Create what `prepare` returns; `size` are the bytes it works on. Raises ApiError, InvalidObject."""
    new, refusal = await call.state.large_work.run(size, partial(_measured, prepare))
    return await _store(call, None, new, refusal, dry_run=dry_run)


async def write_prepared(
    call: Call, size: int, prepare: Callable[[StoredObject | None], StoredObject], *, dry_run: bool
) -> tuple[StoredObject, int]:
    """Store what `prepare` makes of the object of the path, of None where there is none; it may be called repeatedly.

    `size` are the bytes of the request. Returns the object and the answer's code: 201 for a new one, else 200. Raises
    ApiError, InvalidObject.
    """
    kind = TYPES[call.resource.kind]
    attempt = 0
    while True:
        attempt += 1
        old = call.store.find(kind, call.key)
        work = size + len(encode_object(old)) if old is not None else size
        work = work if attempt <= ATTEMPTS else 0
        new, refusal = await call.state.large_work.run(work, partial(_measured, partial(prepare, old)))
        # Nothing is awaited between this look and the write.
        if call.store.find(kind, call.key) is old:
            written = await _store(call, old, new, refusal, dry_run=dry_run)
            return written, 201 if old is None else 200


def _measured(prepare: Callable[[], StoredObject]) -> tuple[StoredObject, ApiError | None]:
    """What is to be stored, and whether it is too large: told last, behind all else that may be wrong with it."""
    new = prepare()
    return new, stored_size_refusal(new)


async def _store(
    call: Call, old: StoredObject | None, new: StoredObject, refusal: ApiError | None, *, dry_run: bool
) -> StoredObject:
    """Create the object, or put it in the place of the stored one; of what is refused for its size only a trial."""
    with call.store.batch(dry_run=dry_run or refusal is not None) as batch:
        if old is not None:
            written = batch.update(new, subresource=call.path.subresource)
        else:
            if call.resource.namespaced:
                admit(call.store, RESOURCES[type(new)], new.metadata.namespace, new.metadata.name)
            written = batch.create(new)
    await batch.durable()
    if refusal is not None and not dry_run:
        raise refusal
    return written
