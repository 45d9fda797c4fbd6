"""Watches: the changes of a collection as lines of JSON, for as long as the client wants.

Changes are encoded once and shared (`wire_changes.py`), and as many as there are go out in one write. What waits for
one watcher is bounded: one that does not read is given up and gets 410 Expired when it reads again.
"""

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing
from math import inf
from random import uniform
from typing import Any, Final

import anyio
import msgspec
from msgspec import Struct
from starlette.responses import Response

from podledger_adapters.server.call import Call
from podledger_adapters.server.empty_objects import empty_object
from podledger_adapters.server.forms import Form, form_of
from podledger_adapters.server.list_options import ListOptions, read_options, require_reached
from podledger_adapters.server.negotiation import JSON, Representation, encode
from podledger_adapters.server.objects import TYPES
from podledger_adapters.server.selection import Selection
from podledger_adapters.server.status import status_of
from podledger_adapters.server.streaming import StreamAnswer
from podledger_adapters.server.wire_changes import framed, with_revision
from podledger_adapters.store import ApiError, StoreWatch
from podledger_adapters.store.kinds import StoredObject
from podledger_adapters.store.watch import StoreChange

__all__ = ["BOOKMARK_S", "WATCHER_CHANGES", "watch_objects"]

WATCHER_CHANGES: Final = 20_000
"""Changes of any kind that may wait for one watcher; with more it is ended with 410 Expired."""
BOOKMARK_S: Final = 60.0
"""Seconds between bookmarks, for those who asked for them."""
LAST_BOOKMARK_S: Final = 2.0
"""How long before its end a watch gets a bookmark."""
DEFAULT_TIMEOUT_S: Final = (1800.0, 3600.0)
"""How long a watch lasts that names no timeout: drawn, so that clients do not come back all at once."""
GATHER_S: Final = 0.05
"""Writes to one watcher lie this far apart: a change goes out at once, one that follows soon waits for others."""
WRITE_BYTES: Final = 256 * 1024
"""About as much goes out in one write."""
INITIAL_EVENTS_END: Final = "k8s.io/initial-events-end"


class Opened(Struct):
    """A watch that was opened: where it stands, and what it begins with."""

    watch: StoreWatch
    initial: Sequence[StoredObject] | None
    revision: int


async def watch_objects(call: Call) -> Response:
    """GET of a collection with watch=true. Raises ApiError for what is wrong before anything is sent."""
    options = read_options(call, watch=True)
    form = form_of(call)
    selection = Selection(call)
    require_reached(options.revision, call.store.revision)
    try:
        opened = _open(call, options)
        await call.store.durable()
    except ApiError as error:
        return StreamAnswer(_refused(error), JSON, call.state.stopping)
    watcher = Watcher(call, options, form, selection, opened)
    return StreamAnswer(watcher.lines(), JSON, call.state.stopping)


def _open(call: Call, options: ListOptions) -> Opened:
    """Raises Expired."""
    store, initial = call.store, None
    wanted = options.send_initial_events
    if wanted is None:
        wanted = not options.revision
    after = None if wanted or not options.revision else options.revision
    watch = store.watch(after, limit=WATCHER_CHANGES)
    if wanted:
        initial = store.table(TYPES[call.resource.kind]).sorted(call.namespace or None)
    return Opened(watch, initial, store.revision)


async def _refused(error: ApiError) -> AsyncGenerator[bytes]:
    yield error_line(error)


def error_line(error: Exception) -> bytes:
    """The event that ends a watch."""
    return framed("ERROR", msgspec.json.encode(status_of(error)))


class Watcher:
    """One watch of one client."""

    def __init__(self, call: Call, options: ListOptions, form: Form, selection: Selection, opened: Opened) -> None:
        self._options, self._form, self._selection, self._opened = options, form, selection, opened
        self._kind, self._changes, self._clock = TYPES[call.resource.kind], call.state.changes, call.state.clock
        self._resource = call.resource
        self._encode = form.encoder(self._clock.now, columns=False)
        # Only the first event of a Table watch says what its columns are.
        self._first = form.representation.form == "Table"

    async def lines(self) -> AsyncGenerator[bytes]:
        """What is written, in pieces of several events, until the watch times out or has to be ended."""
        watch = self._opened.watch
        try:
            async with aclosing(self._all(watch)) as pieces:
                async for piece in pieces:
                    yield piece
        except ApiError as error:
            yield error_line(error)
        finally:
            watch.close()

    async def _all(self, watch: StoreWatch) -> AsyncGenerator[bytes]:
        timeout_s = self._options.timeout_s or uniform(*DEFAULT_TIMEOUT_S)
        begun_s = anyio.current_time()
        end_s = begun_s + timeout_s
        bookmark_s = self._bookmark_after(begun_s, end_s)
        written_s = -inf
        for piece in self._initial():
            yield piece
        while (now_s := anyio.current_time()) < end_s:
            if now_s >= bookmark_s:
                bookmark_s = self._bookmark_after(now_s, end_s)
                yield self._bookmark(watch.revision)
            changes: Sequence[StoreChange] = ()
            with anyio.move_on_after(min(bookmark_s, end_s) - now_s):
                changes = await watch.next()
            if changes and (early_s := written_s + GATHER_S - anyio.current_time()) > 0:
                await anyio.sleep(early_s)
                changes = [*changes, *watch.next_nowait()]
            for piece in _pieces(line for change in changes if (line := self._line(change))):
                yield piece
                written_s = anyio.current_time()

    def _bookmark_after(self, now_s: float, end_s: float) -> float:
        """When the next bookmark is due; never, where the client did not ask for any."""
        last_s = end_s - LAST_BOOKMARK_S
        if not self._options.bookmarks or now_s >= last_s:
            return inf
        return min(now_s + BOOKMARK_S, last_s)

    def _initial(self) -> Iterable[bytes]:
        if self._opened.initial is None:
            return
        selected = (stored for stored in self._opened.initial if self._selection.matches(stored))
        yield from _pieces(self._event("ADDED", stored) for stored in selected)
        if self._options.send_initial_events and self._options.bookmarks:
            yield self._bookmark(self._opened.revision, {INITIAL_EVENTS_END: "true"})

    def _line(self, change: StoreChange) -> bytes:
        """What a change is for this watcher, b"" for nothing."""
        seen, before = change.object, change.previous
        if not isinstance(seen, self._kind):
            return b""
        was = before is not None and self._selection.matches(before)
        if not change.removed and self._selection.matches(seen):
            return self._event("MODIFIED" if was else "ADDED", seen)
        if was and before is not None:
            # What is gone, or selected no more, is shown as it was.
            return self._event("DELETED", with_revision(before, seen.metadata.resource_version))
        return b""

    def _event(self, type_: str, stored: StoredObject) -> bytes:
        if self._first:
            self._first = False
            return framed(type_, self._form.encoder(self._clock.now, columns=True)(stored))
        return self._changes.event(type_, stored, self._form.name, self._encode)

    def _bookmark(self, revision: int, annotations: Mapping[str, str] | None = None) -> bytes:
        metadata: dict[str, Any] = {"resourceVersion": str(revision)}
        if annotations:
            metadata["annotations"] = annotations
        resource = self._resource
        head = {"kind": resource.kind, "apiVersion": resource.api_version}
        document = head | empty_object(resource.kind) | {"metadata": metadata}
        shown = self._form.representation
        if shown.form != "object":
            document = self._form.document([document], self._clock.now(), columns=self._first)
            self._first = False
            if shown.form == "Table":
                document["metadata"] = {"resourceVersion": str(revision)}
        return framed("BOOKMARK", encode(document, Representation()).rstrip(b"\n"))


def _pieces(lines: Iterable[bytes]) -> Iterable[bytes]:
    """The lines, several in one write."""
    piece: list[bytes] = []
    size = 0
    for line in lines:
        piece.append(line)
        size += len(line)
        if size >= WRITE_BYTES:
            yield b"".join(piece)
            piece, size = [], 0
    if piece:
        yield b"".join(piece)
