"""Writes: creating, updating, binding and deleting objects with the API server's preconditions and side effects.

Each write of a batch stands by itself, as requests do: it is applied or raises, whatever became of the others. A batch
only means that watchers get its changes as one list and that it is made durable at once. Reading is `object_store.py`.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar, cast

from msgspec.structs import replace

from podledger.api.job import Job, JobStatus
from podledger.api.meta import ObjectMeta
from podledger.api.namespace import Namespace
from podledger.api.pod import Pod, PodStatus
from podledger_adapters.store import rules
from podledger_adapters.store.api_error import ApiError, already_exists, conflict, not_found
from podledger_adapters.store.deletion import DeleteOptions, deleted_metadata, may_go
from podledger_adapters.store.kinds import RESOURCES, StoredObject
from podledger_adapters.store.table import ObjectKey
from podledger_adapters.store.watch import StoreChange

if TYPE_CHECKING:
    from podledger_adapters.store.object_store import ObjectStore

__all__ = ["Batch"]

T = TypeVar("T", bound=StoredObject)

PLAIN_DELETE = DeleteOptions()

NAME_DRAWS = 8
"""How often a name is drawn for generateName before the create is refused."""

GENERATED_PREFIX = 58
"""Characters that a generated name keeps of generateName; five drawn ones follow."""

MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


class Batch:
    """Writes made together. No await may stand inside its `with` block: the changes are shown when it ends.

    A write raises ApiError or InvalidObject and then changed nothing. After the block, `await durable()` before
    anybody is told that the writes were made. A dry run answers as if the writes were made and makes none of them, so
    each of its writes is judged by what is stored and by none before it.
    """

    def __init__(self, store: "ObjectStore", *, dry_run: bool = False) -> None:
        self._store = store
        self._dry_run = dry_run
        self._changes: list[StoreChange] = []
        self._revision = 0

    def __enter__(self) -> "Batch":
        self._store.begin()
        return self

    def __exit__(self, *_: object) -> None:
        # Also when a write raised: what was written before it stands.
        self._revision = self._store.commit(self._changes)

    async def durable(self) -> None:
        """Wait until all that was written is as safe as the store makes it. Raises StoreUnavailable."""
        await self._store.durable(self._revision)

    def create(self, new: T) -> T:
        """Store a new object; what the server alone decides (uid, times, status) is set, whatever is given.

        Raises ApiError (AlreadyExists, InternalError for a resourceVersion), InvalidObject.
        """
        metadata = new.metadata
        if metadata.resource_version:
            raise ApiError(500, "InternalError", "resourceVersion should not be set on objects to be created")
        if not metadata.name and metadata.generate_name:
            metadata = replace(metadata, name=self._free_name(new, metadata))
        self._require_free(new, metadata)
        named = new if metadata is new.metadata else replace(new, metadata=metadata)
        created = cast("T", rules.prepare_new(named, self._store.new_uid(), self._store.timestamp()))
        if self._dry_run:
            return created
        created = self._numbered(created)
        self._store.table(type(new)).add(created)
        self._changes.append(StoreChange(created, None))
        return created

    def create_valid(self, new: T) -> T:
        """Store a new object that the cluster itself made of what is valid already: as `create`, without the checks."""
        metadata = new.metadata
        self._require_free(new, metadata)
        metadata = replace(
            metadata,
            uid=self._store.new_uid(),
            resource_version=self._store.next_revision(),
            creation_timestamp=self._store.timestamp(),
        )
        created = replace(new, metadata=metadata)
        self._store.table(type(new)).add(created)
        self._changes.append(StoreChange(created, None))
        return created

    def create_pod(self, pod: Pod) -> Pod:
        """Store a pod that the Job controller made of a validated template: as `create`, without the checks."""
        metadata = pod.metadata
        self._require_free(pod, metadata)
        metadata = replace(
            metadata,
            uid=self._store.new_uid(),
            resource_version=self._store.next_revision(),
            creation_timestamp=self._store.timestamp(),
            generation=1,
        )
        spec, status = self._store.templates.fill(pod)
        created = Pod(metadata=metadata, spec=spec, status=status)
        self._store.table(Pod).add(created)
        self._changes.append(StoreChange(created, None))
        return created

    def update(self, new: T, *, subresource: str = "") -> T:
        """Replace an object (PUT), or with `subresource` "status" its status; both may change labels and the like.

        A resourceVersion in `new` is a precondition, and a uid. Raises ApiError (NotFound, Conflict), InvalidObject.
        """
        metadata = new.metadata
        old = self._stored(type(new), (metadata.namespace, metadata.name))
        self._require_version(old, metadata.resource_version)
        if metadata.uid and metadata.uid != old.metadata.uid:
            why = f"Precondition failed: UID in precondition: {metadata.uid}, UID in object meta: {old.metadata.uid}"
            resource = RESOURCES[type(new)]
            raise conflict(resource.label, metadata.name, why, resource=resource)
        return self._update(old, new, subresource)

    def modify(
        self, kind: type[T], key: ObjectKey, change: Callable[[T], T], *, uid: str = "", subresource: str = ""
    ) -> T:
        """Change an object as it is now (PATCH); `uid` is a precondition. Raises as `update`."""
        old = self._stored(kind, key)
        self._require_uid(old, uid)
        return self._update(old, change(old), subresource)

    def set_job_status(self, key: ObjectKey, status: JobStatus, *, uid: str, version: str) -> Job:
        """Write a Job's status and nothing else; `uid` and `version` are preconditions where not "".

        Raises ApiError (NotFound, Conflict), InvalidObject.
        """
        old = self._stored(Job, key)
        self._require_uid(old, uid)
        self._require_version(old, version)
        new = replace(old, status=status)
        rules.check_job_status(old, new)
        return self._replace(old, new) if status != old.status else old

    def set_pod_status(self, key: ObjectKey, status: PodStatus, *, uid: str) -> Pod:
        """Write a pod's status and nothing else; `uid` is a precondition. Raises ApiError (NotFound, Conflict)."""
        old = self._stored(Pod, key)
        self._require_uid(old, uid)
        return self._replace(old, replace(old, status=status)) if status != old.status else old

    def bind(self, key: ObjectKey, node: str, status: PodStatus, *, uid: str = "") -> Pod:
        """Bind a pod to a node (the binding subresource). Raises ApiError (NotFound, Conflict)."""
        old = self._stored(Pod, key)
        self._require_uid(old, uid)
        resource = RESOURCES[Pod]
        name = old.metadata.name
        if old.metadata.deletion_timestamp is not None:
            raise conflict(
                "pods/binding", name, f"pod {name} is being deleted, cannot be assigned to a host", resource=resource
            )
        if old.spec.node_name:
            why = f'pod {name} is already assigned to node "{old.spec.node_name}"'
            raise conflict("pods/binding", name, why, resource=resource)
        return self._replace(old, replace(old, spec=replace(old.spec, node_name=node), status=status))

    def delete(self, kind: type[T], key: ObjectKey, options: DeleteOptions = PLAIN_DELETE) -> T | None:
        """Delete an object: None if it is gone, else the object, which stays for finalizers or its grace period.

        Raises ApiError (NotFound, Conflict).
        """
        old = self._stored(kind, key)
        resource = RESOURCES[kind]
        if options.uid:
            self._require_uid(old, options.uid)
        if options.resource_version and options.resource_version != old.metadata.resource_version:
            why = (
                f"the ResourceVersion in the precondition ({options.resource_version}) does not match the "
                f"ResourceVersion in record ({old.metadata.resource_version}). The object might have been modified"
            )
            raise conflict(resource.kind_label, key[1], why, resource=resource)
        metadata = deleted_metadata(resource, old, options, self._store.timestamp())
        new = old if metadata == old.metadata else rules.prepare_deletion(replace(old, metadata=metadata))
        if _may_go(new):
            self._remove(old)
            return None
        return old if new is old else self._replace(old, new)

    # ---- what the above share --------------------------------------------------------------------------------

    def _stored(self, kind: type[T], key: ObjectKey) -> T:
        old = self._store.table(kind).get(key)
        if old is None:
            raise not_found(RESOURCES[kind], key[1])
        return old

    def _require_free(self, new: StoredObject, metadata: ObjectMeta) -> None:
        holder = self._store.table(type(new)).get((metadata.namespace, metadata.name))
        if holder is not None:
            terminating, generated = holder.metadata.deletion_timestamp is not None, bool(metadata.generate_name)
            resource = RESOURCES[type(new)]
            raise already_exists(resource, metadata.name, terminating=terminating, generated=generated)

    def _require_uid(self, old: StoredObject, uid: str) -> None:
        if uid and uid != old.metadata.uid:
            resource, name = RESOURCES[type(old)], old.metadata.name
            why = (
                f"the UID in the precondition ({uid}) does not match the UID in record ({old.metadata.uid}). "
                "The object might have been deleted and then recreated"
            )
            error = conflict(resource.kind_label, name, why, resource=resource)
            error.stale_uid = True
            raise error

    def _require_version(self, old: StoredObject, version: str) -> None:
        if version and version != old.metadata.resource_version:
            resource = RESOURCES[type(old)]
            raise conflict(resource.label, old.metadata.name, MODIFIED, resource=resource)

    def _update(self, old: T, new: T, subresource: str) -> T:
        """Take in `new`, except for what requests cannot change."""
        before, metadata = old.metadata, new.metadata
        metadata = replace(
            metadata,
            name=before.name,
            namespace=before.namespace,
            uid=before.uid,
            resource_version=before.resource_version,
            generation=before.generation,
            creation_timestamp=before.creation_timestamp,
            deletion_timestamp=before.deletion_timestamp,
            deletion_grace_period_seconds=before.deletion_grace_period_seconds,
        )
        new = cast("T", rules.prepare_update(old, replace(new, metadata=metadata), subresource))
        if new == old:
            return old  # Writing the same again is no write: no new resourceVersion, nothing for watchers.
        if _may_go(new):
            self._remove(old)
            return new
        return self._replace(old, new)

    def _numbered(self, new: T) -> T:
        metadata = replace(new.metadata, resource_version=self._store.next_revision())
        return replace(new, metadata=metadata)

    def _replace(self, old: T, new: T) -> T:
        if self._dry_run:
            return new
        new = self._numbered(new)
        self._store.table(type(old)).put(old, new)
        self._changes.append(StoreChange(new, old))
        return new

    def _remove(self, old: StoredObject) -> None:
        if self._dry_run:
            return
        # A removal has a revision of its own, which its last state bears for watchers.
        self._store.table(type(old)).remove(old)
        self._changes.append(StoreChange(self._numbered(old), old, removed=True))

    def _free_name(self, new: StoredObject, metadata: ObjectMeta) -> str:
        prefix = metadata.generate_name[:GENERATED_PREFIX]
        name = ""
        for _ in range(NAME_DRAWS):
            name = prefix + self._store.name_suffix()
            if self._store.table(type(new)).get((metadata.namespace, name)) is None:
                return name
        raise already_exists(RESOURCES[type(new)], name, generated=True)


def _may_go(stored: StoredObject) -> bool:
    """Whether nothing holds a deleted object any more. A namespace has to be emptied first."""
    return may_go(stored.metadata) and not (isinstance(stored, Namespace) and stored.spec.finalizers)
