"""Lists in pages: the objects as they were when the first page was read, kept for those who come for the next ones.

Stored objects are immutable, so a snapshot is a list of references. The snapshots are bounded in number and age; who
comes later gets 410 and a token to go on with what there is then, as with a real API server.
"""

import base64
import binascii
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct

from podledger.ports import Clock
from podledger_adapters.server.status import bad_request, gone, status_of
from podledger_adapters.store.kinds import StoredObject
from podledger_adapters.store.table import ObjectKey

__all__ = ["NEWEST", "ContinueToken", "ListSnapshots", "behind", "expired_token", "key_of", "read_token", "write_token"]

SNAPSHOTS: Final = 128
"""Snapshots that are kept."""
SNAPSHOT_LIFE_S: Final = 300.0
"""Seconds they are kept: as long as a real API server keeps old revisions."""
NEWEST: Final = -1
"""The revision of a token that goes on with what there is now."""


class ContinueToken(Struct, frozen=True):
    """Where the next page begins: behind `start`, as of `revision`."""

    revision: int
    start: ObjectKey


class _Token(Struct):
    v: str = ""
    rv: int = 0
    start: str = ""


def write_token(revision: int, last: ObjectKey) -> str:
    """The token of the page behind the object `last`; shaped as the real ones, which clients must not read."""
    start = "/".join(part for part in last if part) + "\0"
    body = msgspec.json.encode(_Token("meta.k8s.io/v1", revision, start))
    return base64.urlsafe_b64encode(body).rstrip(b"=").decode()


def read_token(text: str, *, namespaced: bool) -> ContinueToken:
    """Raises ApiError (400) for a text that is no token."""
    try:
        body = base64.urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4))
        token = msgspec.json.decode(body, type=_Token)
    except (binascii.Error, msgspec.MsgspecError, UnicodeError, ValueError):
        raise bad_request("continue key is not valid: invalid continue token") from None
    if token.v != "meta.k8s.io/v1":
        raise bad_request(f"continue key is not valid: server does not recognize this encoded version {token.v!r}")
    namespace, _, name = token.start.rpartition("/") if namespaced else ("", "", token.start)
    if not name or (token.rv <= 0 and token.rv != NEWEST):
        raise bad_request("continue key is not valid: incorrect encoded start resourceVersion (version meta.k8s.io/v1)")
    return ContinueToken(token.rv, (namespace, name))


def key_of(stored: StoredObject) -> ObjectKey:
    """What an object is called within its kind."""
    return (stored.metadata.namespace, stored.metadata.name)


def expired_token(token: ContinueToken) -> dict[str, object]:
    """The 410 Status of a page whose snapshot is gone; its token goes on with what there is now."""
    status: dict[str, object] = status_of(gone())
    namespace, name = token.start
    return status | {"metadata": {"continue": write_token(NEWEST, (namespace, name.rstrip("\0")))}}


Place = tuple[str, str, int]


class ListSnapshots:
    """Snapshots by kind, namespace ("" for all) and revision, the one used last kept longest."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: OrderedDict[Place, tuple[float, Sequence[StoredObject]]] = OrderedDict()

    def keep(self, kind: str, namespace: str, revision: int, objects: Sequence[StoredObject]) -> None:
        """Keep what was listed at a revision."""
        self._forget_old()
        self._kept[kind, namespace, revision] = (self._clock.monotonic(), objects)
        self._kept.move_to_end((kind, namespace, revision))
        while len(self._kept) > SNAPSHOTS:
            self._kept.popitem(last=False)

    def find(self, kind: str, namespace: str, revision: int) -> Sequence[StoredObject] | None:
        """What was listed at this revision, None if it is not kept any more."""
        self._forget_old()
        found = self._kept.get((kind, namespace, revision))
        return None if found is None else found[1]

    def clear(self) -> None:
        """Forget all of them."""
        self._kept.clear()

    def _forget_old(self) -> None:
        now = self._clock.monotonic()
        for place, (since, _) in list(self._kept.items()):
            if now - since > SNAPSHOT_LIFE_S:
                del self._kept[place]


def behind(objects: Sequence[StoredObject], start: ObjectKey) -> int:
    """The index of the first object at or behind `start`, which no object's key need be."""
    return bisect_left(objects, start, key=key_of)
