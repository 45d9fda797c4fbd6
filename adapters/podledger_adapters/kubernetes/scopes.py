"""Several namespaces shown as one: their lists as one list, their streams as one stream.

The Cluster port knows one list a kind. So the list begins with the first namespace's and ends with the last one's,
as of the oldest of their revisions; and when one of them must be listed again, all are.
"""

from collections.abc import Sequence

import anyio

from podledger.freshness import version_of
from podledger.ports import Bookmark, Change, Kind, ListBegan, ListEnded

__all__ = ["Scopes"]


class Scopes:
    """Puts the changes of the namespaces of one kind together."""

    def __init__(self, kind: Kind, namespaces: Sequence[str]) -> None:
        self._kind: Kind = kind
        self._namespaces = tuple(namespaces)
        self._begun: set[str] = set()
        self._revisions: dict[str, int] = {}
        """How far each namespace has come; only those whose list has ended."""
        self._shown = 0
        self._cancel: dict[str, anyio.CancelScope] = {}

    def begin(self, namespace: str, scope: anyio.CancelScope) -> None:
        """A namespace's watch begins; cancelling `scope` makes it begin anew."""
        self._cancel[namespace] = scope

    def take(self, namespace: str, changes: Sequence[Change]) -> Sequence[Change]:
        """What the changes of one namespace are for the kind as a whole."""
        shown: list[Change] = []
        for change in changes:
            match change:
                case ListBegan():
                    shown += self._list_began(namespace)
                case ListEnded():
                    self._revisions[namespace] = version_of(change.resource_version)
                    if self._complete:
                        self._shown = min(self._revisions.values())
                        shown.append(ListEnded(self._kind, str(self._shown)))
                case Bookmark():
                    self._revisions[namespace] = version_of(change.resource_version)
                    if self._complete and (oldest := min(self._revisions.values())) > self._shown:
                        self._shown = oldest
                        shown.append(Bookmark(self._kind, str(oldest)))
                case _:
                    shown.append(change)
        return shown

    @property
    def _complete(self) -> bool:
        return len(self._revisions) == len(self._namespaces)

    def _list_began(self, namespace: str) -> Sequence[Change]:
        began = ListBegan(self._kind, self._namespaces)
        if namespace not in self._begun:
            self._begun.add(namespace)
            return [began] if len(self._begun) == 1 else ()
        # What was listed before, of this namespace, may be gone by now: only a list from the beginning shows that.
        self._begun = {namespace}
        self._revisions.clear()
        for other, scope in self._cancel.items():
            if other != namespace:
                scope.cancel()
        return [began]
