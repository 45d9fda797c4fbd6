"""How objects are kept in a ledger: compact, and so that pods read back share what pods of a template shared before.

A pod's row holds what is its own; the spec of its template stands once, in a row of its own that is named by its
digest and goes with the last pod that uses it. Labels, owners and statuses that are alike are decoded once.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Raw, Struct
from msgspec.msgpack import Decoder, Encoder
from msgspec.structs import replace

from podledger.api.meta import ObjectMeta, OwnerReference
from podledger.api.pod import Pod, PodSpec, PodStatus
from podledger.errors import DamagedLog
from podledger.log.objects import ObjectRow, ObjectWrite
from podledger_adapters.store.kinds import RESOURCES, StoredObject
from podledger_adapters.store.watch import StoreChange

__all__ = ["ObjectCodec", "row_fault"]

TEMPLATE_KIND = "PodSpec"
"""The kind under which the specs of templates are kept; no API kind has this name."""

REMEMBERED = 4096
"""Encoded forms of shared objects that are remembered."""

T = TypeVar("T")
Base = Mapping[str, Any]
Writes = dict[tuple[str, str, str], ObjectWrite]


class PodRow(Struct, array_like=True, frozen=True):
    """A pod's row. What pods share is kept as encoded, so that it is decoded once; `template` is a digest."""

    metadata: ObjectMeta
    labels: Raw
    owners: Raw
    template: str
    hostname: str
    node_name: str
    status: Raw


class ObjectCodec:
    """Turns changes into writes of a ledger, and a ledger's rows into objects. One a store: it counts templates."""

    def __init__(self) -> None:
        self._encode = Encoder().encode
        self._shared = _SharedEncoder()
        self._templates = _Templates()

    def writes(self, changes: Iterable[StoreChange]) -> list[ObjectWrite]:
        """What to store for these changes: the last state of each object, and the templates that come and go."""
        last: Writes = {}
        for change in changes:
            stored, before = change.object, change.previous
            metadata, kind = stored.metadata, RESOURCES[type(stored)].kind
            body: bytes | None = None
            if isinstance(stored, Pod):
                if not change.removed:
                    body = self._encode_pod(stored)
                    self._templates.take(stored.spec.base, last)
                if isinstance(before, Pod):
                    # Taken before it is given back, so that a template in use is not stored again.
                    self._templates.give_back(before.spec.base, last)
            elif not change.removed:
                body = self._encode(stored)
            last[kind, metadata.namespace, metadata.name] = ObjectWrite(kind, metadata.namespace, metadata.name, body)
        return list(last.values())

    def objects(self, rows: Sequence[ObjectRow]) -> list[StoredObject]:
        """The objects in these rows, oldest first. Raises DamagedLog."""
        objects: list[StoredObject] = []
        for row, found in self.read(rows):
            if isinstance(found, str):
                way_out = "see `podledger log verify`; restore a copy of it, or use another ledger"
                raise DamagedLog(f"the ledger's {row_fault(row, found)}; {way_out}", 0)
            objects.append(found)
        objects.sort(key=_age)
        return objects

    def read(self, rows: Sequence[ObjectRow]) -> Iterator[tuple[ObjectRow, StoredObject | str]]:
        """Each row with its object, or with what is wrong with it; rows of good templates are left out."""
        reader = _Reader({row.name: row.body for row in rows if row.kind == TEMPLATE_KIND}, self._templates)
        for row in rows:
            if row.kind == TEMPLATE_KIND:
                if _digest(row.body) != row.name:
                    yield row, "is not what was written, its digest says"
                continue
            try:
                yield row, reader.read(row)
            except (LookupError, msgspec.MsgspecError) as error:
                yield row, f"cannot be read: {error}"

    def _encode_pod(self, pod: Pod) -> bytes:
        metadata, spec = pod.metadata, pod.spec
        return self._encode(
            PodRow(
                metadata=replace(metadata, labels={}, owner_references=()),
                labels=self._shared.encode(metadata.labels),
                owners=self._shared.encode(metadata.owner_references),
                template=self._templates.digest(spec.base),
                hostname=spec.hostname,
                node_name=spec.node_name,
                status=self._shared.encode(pod.status),
            )
        )


def row_fault(row: ObjectRow, why: str) -> str:
    """What is wrong with a row of the ledger's table of objects."""
    name = f"{row.namespace}/{row.name}" if row.namespace else row.name
    return f"table object, {row.kind} {name}: {why}"


def _digest(body: bytes) -> str:
    return blake2b(body, digest_size=16).hexdigest()


class _Templates:
    """The pod specs in use: how many pods each has."""

    def __init__(self) -> None:
        # The spec is kept beside its digest, so that its id stays its own.
        self._digests: dict[int, tuple[Base, str, bytes]] = {}
        self._uses: dict[str, int] = {}

    def digest(self, base: Base) -> str:
        return self._known(base)[1]

    def take(self, base: Base, writes: Writes) -> None:
        _, digest, body = self._known(base)
        uses = self._uses[digest] = self._uses.get(digest, 0) + 1
        if uses == 1:
            writes[TEMPLATE_KIND, "", digest] = ObjectWrite(TEMPLATE_KIND, "", digest, body)

    def give_back(self, base: Base, writes: Writes) -> None:
        digest = self.digest(base)
        self._uses[digest] -= 1
        if not self._uses[digest]:
            del self._uses[digest]
            self._digests.pop(id(base), None)
            writes[TEMPLATE_KIND, "", digest] = ObjectWrite(TEMPLATE_KIND, "", digest, None)

    def found(self, base: Base, digest: str, body: bytes) -> None:
        """One more pod of this template was read."""
        self._digests[id(base)] = (base, digest, body)
        self._uses[digest] = self._uses.get(digest, 0) + 1

    def _known(self, base: Base) -> tuple[Base, str, bytes]:
        known = self._digests.get(id(base))
        if known is None:
            if len(self._digests) >= REMEMBERED:
                self._digests.clear()
            body = msgspec.msgpack.encode(base)
            known = self._digests[id(base)] = (base, _digest(body), body)
        return known


class _SharedEncoder:
    """Encodes what many objects share once; it is kept beside its bytes, so that its id stays its own."""

    def __init__(self) -> None:
        self._encode = Encoder().encode
        self._known: dict[int, tuple[object, Raw]] = {}

    def encode(self, thing: object) -> Raw:
        known = self._known.get(id(thing))
        if known is None:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            known = self._known[id(thing)] = (thing, Raw(self._encode(thing)))
        return known[1]


class _SharedDecoder(Generic[T]):
    """Decodes equal bytes once."""

    def __init__(self, decoder: Decoder[T]) -> None:
        self._decode = decoder.decode
        self._known: dict[bytes, T] = {}

    def decode(self, raw: Raw) -> T:
        body = bytes(raw)
        known = self._known.get(body)
        if known is None:
            known = self._known[body] = self._decode(body)
        return known


class _Reader:
    """Reads the rows of one ledger."""

    def __init__(self, templates: Mapping[str, bytes], in_use: _Templates) -> None:
        self._bodies = templates
        self._in_use = in_use
        self._bases: dict[str, Base] = {}
        self._pod = Decoder(PodRow)
        self._others = {one.kind: Decoder(one.type) for one in RESOURCES.values() if one.type is not Pod}
        self._labels = _SharedDecoder(Decoder(dict[str, str]))
        self._owners = _SharedDecoder(Decoder(tuple[OwnerReference, ...]))
        self._statuses = _SharedDecoder(Decoder(PodStatus))

    def read(self, row: ObjectRow) -> StoredObject:
        """The object of a row. Raises LookupError for an unknown kind or template, MsgspecError for damaged bytes."""
        if row.kind == "Pod":
            return self._read_pod(row.body)
        for kind, decoder in self._others.items():
            if kind == row.kind:
                return decoder.decode(row.body)
        raise LookupError("no such kind is known")

    def _read_pod(self, body: bytes) -> Pod:
        kept = self._pod.decode(body)
        template = self._bodies.get(kept.template)
        if template is None:
            raise LookupError(f"its template, {TEMPLATE_KIND} {kept.template}, is missing")
        base = self._bases.get(kept.template)
        if base is None:
            base = self._bases[kept.template] = msgspec.msgpack.decode(template, type=dict[str, Any])
        self._in_use.found(base, kept.template, template)
        labels, owners = self._labels.decode(kept.labels), self._owners.decode(kept.owners)
        return Pod(
            metadata=replace(kept.metadata, labels=labels, owner_references=owners),
            spec=PodSpec(base=base, hostname=kept.hostname, node_name=kept.node_name),
            status=self._statuses.decode(kept.status),
        )


def _age(stored: StoredObject) -> tuple[float, int]:
    """What objects are sorted by to stand as they were made; within a second the first write is not remembered."""
    created = stored.metadata.creation_timestamp
    return (created.timestamp() if created is not None else 0.0, int(stored.metadata.resource_version or 0))
