"""Objects and shorthands for the tests of the object store."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from msgspec.structs import replace

from podledger.api.job import Job, JobSpec, PodTemplateSpec
from podledger.api.meta import ObjectMeta, OwnerReference
from podledger.api.pod import Pod, PodSpec, PodStatus
from podledger.clock import VirtualClock
from podledger.job.names import FINALIZER
from podledger_adapters.store import Batch, ObjectStore, StoreChange, StoreWatch
from podledger_adapters.store.kinds import StoredObject

R = TypeVar("R")
T = TypeVar("T", bound=StoredObject)

START_S = 1_000_000_000.0
NAMESPACE = "ns"
CONTAINERS = [{"name": "main", "image": "busybox:1.36"}]


def new_store(clock: VirtualClock | None = None) -> ObjectStore:
    """A store in memory whose every draw and time is known."""
    return ObjectStore(clock or VirtualClock(START_S), seed=1)


def new_pod(name: str = "pod", *, owner: Job | Pod | None = None, finalizers: Sequence[str] = (), **base: Any) -> Pod:
    """A pod to be created; keyword arguments are fields of its spec."""
    owners = () if owner is None else (reference_to(owner),)
    metadata = ObjectMeta(name=name, namespace=NAMESPACE, owner_references=owners, finalizers=tuple(finalizers))
    return Pod(metadata=metadata, spec=PodSpec(base={"containers": CONTAINERS, "restartPolicy": "Never", **base}))


def tracked_pod(name: str, owner: Job, **base: Any) -> Pod:
    """A pod as the Job controller makes it."""
    return new_pod(name, owner=owner, finalizers=[FINALIZER], **base)


def new_job(name: str = "job", **spec: Any) -> Job:
    """A Job to be created; keyword arguments are fields of its spec."""
    template = PodTemplateSpec(spec={"containers": CONTAINERS, "restartPolicy": "Never"})
    return Job(metadata=ObjectMeta(name=name, namespace=NAMESPACE), spec=JobSpec(template=template, **spec))


def reference_to(owner: Job | Pod, *, blocking: bool = True) -> OwnerReference:
    """A controller reference."""
    version, kind = ("batch/v1", "Job") if isinstance(owner, Job) else ("v1", "Pod")
    metadata = owner.metadata
    return OwnerReference(
        api_version=version,
        kind=kind,
        name=metadata.name,
        uid=metadata.uid,
        controller=True,
        block_owner_deletion=blocking,
    )


def write(store: ObjectStore, call: Callable[[Batch], R]) -> R:
    """One write, a batch of its own."""
    with store.batch() as batch:
        return call(batch)


def create(store: ObjectStore, new: T) -> T:
    """Create an object."""
    return write(store, lambda batch: batch.create(new))


def bound(store: ObjectStore, pod: Pod, node: str = "node") -> Pod:
    """Bind a pod."""
    return write(store, lambda batch: batch.bind(key_of(pod), node, pod.status))


def with_phase(store: ObjectStore, pod: Pod, phase: str) -> Pod:
    """Give a pod a phase."""
    return write(store, lambda batch: batch.set_pod_status(key_of(pod), PodStatus(phase=phase), uid=""))


def with_finalizers(store: ObjectStore, stored: T, *finalizers: str) -> T:
    """Set an object's finalizers."""

    def change(now: T) -> T:
        return replace(now, metadata=replace(now.metadata, finalizers=finalizers))

    return write(store, lambda batch: batch.modify(type(stored), key_of(stored), change))


def key_of(stored: StoredObject) -> tuple[str, str]:
    """Namespace and name."""
    return (stored.metadata.namespace, stored.metadata.name)


def pending(watch: StoreWatch) -> list[StoreChange]:
    """What waits for a watcher, without waiting."""
    taken: list[StoreChange] = []
    while watch.size:
        taken += watch.next_nowait()
    return taken
