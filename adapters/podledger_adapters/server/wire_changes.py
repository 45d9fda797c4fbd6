"""Changes as they are sent to watchers: each is encoded once in each form and shared by all who get it.

A change is known by its revision, which no other write has. What is kept is bounded in bytes; what was dropped is
encoded again when somebody asks for it.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec.structs import replace

from podledger_adapters.server.objects import document_of, encode_object
from podledger_adapters.store.kinds import StoredObject

__all__ = ["SHARED_BYTES", "WireChanges", "framed", "with_revision"]

SHARED_BYTES: Final = 64 * 1024 * 1024
"""Bytes of encoded changes that are kept for other watchers, and for those who resume."""
DOCUMENT_BYTES: Final = 4096
"""What a document that is kept counts as."""

Key = tuple[str, str, str]


class WireChanges:
    """The encoded changes, by revision, event type and form."""

    def __init__(self) -> None:
        self._encoded: OrderedDict[Key, bytes] = OrderedDict()
        self._documents: OrderedDict[str, Mapping[str, Any]] = OrderedDict()
        self._size = 0
        self.encodings = 0
        """How often something was encoded, for those who measure."""

    def document(self, stored: StoredObject) -> Mapping[str, Any]:
        """The object as a document, shared: it must not be changed."""
        revision = stored.metadata.resource_version
        found = self._documents.get(revision)
        if found is None:
            found = self._documents[revision] = document_of(stored)
            self._grow(DOCUMENT_BYTES)
        return found

    def event(
        self,
        type_: str,
        stored: StoredObject,
        form: str = "",
        encode: Callable[[StoredObject], bytes] = encode_object,
    ) -> bytes:
        """The line of a watch: `encode` makes its object, in the form that `form` names."""
        key = (stored.metadata.resource_version, type_, form)
        found = self._encoded.get(key)
        if found is None:
            self.encodings += 1
            found = self._encoded[key] = framed(type_, encode(stored))
            self._grow(len(found))
        return found

    def _grow(self, size: int) -> None:
        self._size += size
        while self._size > SHARED_BYTES and (self._encoded or self._documents):
            if self._documents and len(self._documents) * DOCUMENT_BYTES > self._size // 2:
                self._documents.popitem(last=False)
                self._size -= DOCUMENT_BYTES
            elif self._encoded:
                self._size -= len(self._encoded.popitem(last=False)[1])
            else:
                self._documents.popitem(last=False)
                self._size -= DOCUMENT_BYTES


def framed(type_: str, body: bytes) -> bytes:
    """One line of a watch."""
    return b'{"type":"%b","object":%b}\n' % (type_.encode(), body)


def with_revision(stored: StoredObject, revision: str) -> StoredObject:
    """The object as it was, with the revision of what became of it."""
    return replace(stored, metadata=replace(stored.metadata, resource_version=revision))
