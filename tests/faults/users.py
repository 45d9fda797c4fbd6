"""What users do to Jobs while they run over HTTP: they suspend, resume, scale, delete pods, and recreate Jobs."""

import anyio
from msgspec.structs import replace

from podledger.api.job import Job, JobKey, JobSpec, PodTemplateSpec
from podledger.api.meta import ObjectMeta
from podledger.api.pod import Pod
from podledger_adapters.local import LocalCluster
from podledger_adapters.store.deletion import DeleteOptions
from tests.faults.fault import Fault, Faults

__all__ = ["Users"]

PAUSE_S = 0.4
"""The longest between two deeds, in real seconds."""
MOST_PARALLEL = 12


class Users:
    """Work on the cluster itself, where no fault strikes. `disturbed` has the Jobs whose pods they took, by uid."""

    def __init__(self, cluster: LocalCluster, faults: Faults) -> None:
        self._cluster, self._faults = cluster, faults
        self._recreated: list[Job] = []
        self.disturbed: dict[str, None] = {}

    async def work(self) -> None:
        """Do something now and then, for ever; nothing once the faults have stopped."""
        while self._faults.active:
            await anyio.sleep(self._faults.seconds(PAUSE_S))
            await self._create_again()
            job = self._any_job()
            if job is None:
                continue
            match self._faults.first_of(Fault.SCALED, Fault.SUSPENDED, Fault.POD_DELETED, Fault.RECREATED):
                case Fault.SCALED:
                    parallelism = self._faults.draw.randint(0, MOST_PARALLEL)
                    await self._change(job, replace(job.spec, parallelism=parallelism))
                case Fault.SUSPENDED:
                    await self._change(job, replace(job.spec, suspend=not job.spec.suspend))
                case Fault.POD_DELETED:
                    self._delete_pod(job)
                case Fault.RECREATED:
                    self._recreated.append(job)
                    foreground = self._faults.draw.random() < 0.5
                    await self._cluster.delete_job(job.key, propagation="Foreground" if foreground else "Background")
                case _:
                    pass

    async def undo(self) -> None:
        """Let every Job go on: resume, give room, and create again what was deleted for that."""
        while self._recreated:
            await self._create_again()
            await anyio.sleep(0.01)
        for job in await self._cluster.list_jobs():
            if not job.status.finished and (job.spec.suspend or not job.spec.parallelism):
                await self._change(job, replace(job.spec, suspend=False, parallelism=job.spec.parallelism or 1))

    def _any_job(self) -> Job | None:
        jobs = [job for job in self._cluster.store.table(Job) if not job.status.finished]
        jobs = [job for job in jobs if job.metadata.deletion_timestamp is None]
        return self._faults.draw.choice(jobs) if jobs else None

    async def _change(self, job: Job, spec: JobSpec) -> None:
        self.disturbed[job.metadata.uid] = None
        await self._cluster.update_job_spec(job.key, lambda _: spec)

    def _delete_pod(self, job: Job) -> None:
        pods = self._cluster.store.table(Pod).dependents(job.metadata.uid)
        if pods:
            self.disturbed[job.metadata.uid] = None
            metadata = self._faults.draw.choice(pods).metadata
            with self._cluster.store.batch() as batch:
                batch.delete(Pod, (metadata.namespace, metadata.name), DeleteOptions(grace_s=None))

    async def _create_again(self) -> None:
        """Create the Jobs whose namesake is gone by now."""
        for former in tuple(self._recreated):
            key = JobKey(former.metadata.namespace, former.metadata.name)
            if self._cluster.store.find(Job, key) is None:
                self._recreated.remove(former)
                spec = replace(former.spec, selector=None, template=_unlabelled(former))
                await self._cluster.submit(Job(metadata=ObjectMeta(namespace=key.namespace, name=key.name), spec=spec))


def _unlabelled(job: Job) -> PodTemplateSpec:
    """The template as the user wrote it: without the labels that name the former Job."""
    return replace(job.spec.template, metadata=ObjectMeta())
