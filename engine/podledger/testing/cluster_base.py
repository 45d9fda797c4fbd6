"""The Cluster suite's ground: the driver it needs, the objects it makes, and how it waits for changes."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar

import anyio
from msgspec.structs import replace

from podledger.api.job import Job, JobKey, JobSpec, PodTemplateSpec
from podledger.api.meta import ObjectMeta, OwnerReference
from podledger.api.pod import Pod, PodSpec, PodStatus
from podledger.job.command import Command, CreatePod
from podledger.job.names import FINALIZER, INTENT_ANNOTATION, PODLEDGER_CONTROLLER
from podledger.ports import Change, Cluster, Created, Outcome

__all__ = [
    "ANNOTATION",
    "ClusterDriver",
    "ClusterTests",
    "create_pod",
    "current",
    "only",
    "orphan_pod",
    "owned_pod",
    "owner_reference",
    "perform_one",
    "sample_job",
    "take_until",
]

PATIENCE_S = 60.0
"""A guard against hanging only: nothing is judged by how long it took."""

ANNOTATION = "example.com/kept"

C = TypeVar("C", bound=Change)


class ClusterDriver(Protocol):
    """The cluster under test, and hands. All calls return when the cluster has taken the change in."""

    @property
    def cluster(self) -> Cluster:
        """What the suite tests."""
        ...

    @property
    def namespace(self) -> str:
        """An existing namespace that nobody else uses."""
        ...

    async def create_job(self, job: Job) -> Job:
        """As a user does; the Job as stored."""
        ...

    async def delete_job(self, key: JobKey) -> None:
        """As a user does, with propagation policy Background."""
        ...

    async def hold_job(self, key: JobKey, finalizer: str) -> None:
        """Put a finalizer on the Job, so that a deletion does not end it."""
        ...

    async def create_pod(self, pod: Pod) -> Pod:
        """As a user does; the pod as stored."""
        ...

    async def get_pod(self, namespace: str, name: str) -> Pod | None:
        """The pod as it is now."""
        ...

    async def set_pod_status(self, pod: Pod, status: PodStatus) -> Pod:
        """As a kubelet does."""
        ...


class ClusterTests:
    """Base of the suite's parts."""

    def open_cluster(self) -> AbstractAsyncContextManager[ClusterDriver]:
        """The cluster of one test, and hands. To be overridden."""
        raise NotImplementedError


def sample_job(driver: ClusterDriver, name: str = "suite") -> Job:
    """A Job that no built-in controller touches."""
    template = PodTemplateSpec(
        spec={
            "restartPolicy": "Never",
            "containers": [{"name": "main", "image": "registry.k8s.io/pause:3.10", "command": ["/pause"]}],
        }
    )
    return Job(
        metadata=ObjectMeta(name=name, namespace=driver.namespace, annotations={ANNOTATION: "yes"}),
        spec=JobSpec(template=template, managed_by=PODLEDGER_CONTROLLER),
    )


def owner_reference(job: Job) -> OwnerReference:
    """The reference by which a Job's pods name it as their controller."""
    return OwnerReference(
        api_version="batch/v1",
        kind="Job",
        name=job.metadata.name,
        uid=job.metadata.uid,
        controller=True,
        block_owner_deletion=True,
    )


def owned_pod(job: Job, name: str, intent: str) -> CreatePod:
    """The command that creates a pod of a stored Job."""
    template = job.spec.template
    metadata = ObjectMeta(
        name=name,
        namespace=job.metadata.namespace,
        generate_name=f"{job.metadata.name}-",
        labels=template.metadata.labels,
        annotations={INTENT_ANNOTATION: intent},
        owner_references=(owner_reference(job),),
        finalizers=(FINALIZER,),
    )
    return CreatePod(job.metadata.uid, intent, Pod(metadata=metadata, spec=PodSpec(base=template.spec)))


def orphan_pod(job: Job, name: str) -> Pod:
    """A pod as a user makes it by hand that matches a Job's selector and belongs to nobody."""
    pod = owned_pod(job, name, "").pod
    return replace(pod, metadata=replace(pod.metadata, owner_references=(), finalizers=(), annotations={}))


async def perform_one(driver: ClusterDriver, command: Command) -> Outcome:
    """Perform a single command."""
    outcomes = await driver.cluster.perform([command])
    assert len(outcomes) == 1, "one outcome a command"
    return outcomes[0]


async def create_pod(driver: ClusterDriver, job: Job, name: str = "suite-aaaaa", intent: str = "i-0") -> Pod:
    """Create a pod of the Job through the port; the pod as stored."""
    outcome = await perform_one(driver, owned_pod(job, name, intent))
    assert isinstance(outcome, Created), outcome
    return outcome.pod


async def current(driver: ClusterDriver, pod: Pod) -> Pod:
    """The pod as it is now; it must be there."""
    stored = await driver.get_pod(pod.metadata.namespace, pod.metadata.name)
    assert stored is not None, f"pod {pod.metadata.name} is gone"
    return stored


async def take_until(
    changes: AsyncIterator[Sequence[Change]], done: Callable[[Change], bool], *, why: str
) -> list[Change]:
    """Everything the watch says up to the change that is waited for; `why` names it when it never comes."""
    taken: list[Change] = []
    with anyio.move_on_after(PATIENCE_S):
        async for batch in changes:
            taken += batch
            if any(done(change) for change in batch):
                return taken
    raise AssertionError(f"the watch did not say: {why}; it said {taken}")


def only(changes: Sequence[Change], kind: type[C]) -> list[C]:
    """The changes of one type."""
    return [change for change in changes if isinstance(change, kind)]
