"""A user of a cluster without kubelets who talks HTTP, plays the kubelets too, and starts and kills the Job controller.

What is written is written as Go programs write it: empty names, null times, whole objects with the resourceVersion
they were read at. What is waited for is a condition, looked at every few milliseconds.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Self

import aiohttp
import anyio
from msgspec.structs import replace
from tests.kubernetes_server import NAMESPACE, TOKEN
from tests.unit.controller_world import Wrapped

from podledger import Controller, ControllerOptions, MemoryLog
from podledger.controller import EVERY_JOB
from podledger.job.command import Command
from podledger.job.limits import Limits
from podledger.job.names import COMPLETION_INDEX, FINALIZER
from podledger.log.memory import MemoryLedger
from podledger.ports import Clock, Outcome
from podledger_adapters.kubernetes.access import Access
from podledger_adapters.kubernetes.cluster import KubernetesCluster

__all__ = [
    "FAST",
    "Dying",
    "Json",
    "User",
    "controlling",
    "dying",
    "eventually",
    "index_of",
    "limited",
    "now_text",
    "phase_status",
]

Json = dict[str, Any]
PATIENCE_S: Final = 20.0
LOOK_S: Final = 0.02
ALL: Final = 100_000
COUNTS: Final = ("active", "ready", "terminating", "succeeded", "failed")
ENDED: Final = ("Succeeded", "Failed")


FAST: Final = ControllerOptions(managed_by=EVERY_JOB, sync_batch_period_s=0.02, limits=Limits(backoff_base_s=0.1))


def limited(limits: Limits) -> ControllerOptions:
    """As `FAST`, but with these limits."""
    return replace(FAST, limits=limits)


# ---- the controller -------------------------------------------------------------------------------------------------


class Dying(Wrapped):
    """A cluster whose controller dies at the first call that `fatal` names, before it is made; `died` says so."""

    def __init__(self, cluster: KubernetesCluster, fatal: Callable[[Command], bool]) -> None:
        super().__init__(cluster)
        self._fatal, self.died = fatal, anyio.Event()

    async def perform(self, commands: Sequence[Command]) -> Sequence[Outcome]:
        """See `Cluster.perform`."""
        outcomes: list[Outcome] = []
        for command in commands:
            if self.died.is_set() or self._fatal(command):
                self.died.set()
                raise ConnectionAbortedError("dead")
            outcomes += await super().perform([command])
        return outcomes


@asynccontextmanager
async def controlling(
    access: Access,
    ledger: MemoryLedger | None = None,
    *,
    options: ControllerOptions = FAST,
    clock: Clock | None = None,
) -> AsyncGenerator[Controller]:
    """A controller of its own connection while inside. Without `ledger` it knows only what the cluster shows."""
    async with (
        KubernetesCluster(access, clock=clock) as cluster,
        MemoryLog(ledger or MemoryLedger()) as log,
        Controller(cluster, log, clock=clock, options=options) as controller,
    ):
        yield controller


@asynccontextmanager
async def dying(
    access: Access,
    fatal: Callable[[Command], bool],
    ledger: MemoryLedger | None = None,
    *,
    options: ControllerOptions = FAST,
) -> AsyncGenerator[Dying]:
    """A controller that does nothing more once it was to make a call that `fatal` names. Leaving waits for that."""
    async with KubernetesCluster(access) as cluster, MemoryLog(ledger or MemoryLedger()) as log:
        mortal = Dying(cluster, fatal)
        async with Controller(mortal, log, options=options):
            yield mortal
            with anyio.fail_after(PATIENCE_S):
                await mortal.died.wait()


async def eventually(look: Callable[[], Awaitable[bool]], said: Callable[[], str]) -> None:
    """Look every few milliseconds until it is so; `said` tells what never was."""
    with anyio.move_on_after(PATIENCE_S):
        while True:
            if await look():
                return
            await anyio.sleep(LOOK_S)
    raise AssertionError(f"never: {said()}")


# ---- the user -------------------------------------------------------------------------------------------------------


def now_text(ago_s: float = 0.0) -> str:
    """A time on the wire."""
    return datetime.fromtimestamp(datetime.now(UTC).timestamp() - ago_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def phase_status(phase: str, code: int | None = None, *, ready: bool = False, **more: Any) -> Json:
    """What Go writes of a pod with one container whose name nobody set."""
    status: Json = {"phase": phase, **more}
    if phase in ENDED:
        exit_code = code if code is not None else 0
        terminated = {"exitCode": exit_code, "startedAt": None, "finishedAt": now_text(), "signal": 0}
        container = {"name": "", "state": {"terminated": terminated}, "lastState": {}, "ready": False}
        status["containerStatuses"] = [{**container, "restartCount": 0, "image": "", "imageID": ""}]
    if ready:
        null_times = {"lastProbeTime": None, "lastTransitionTime": None}
        status["conditions"] = [{"type": "Ready", "status": "True", **null_times}]
    return status


def index_of(pod: Mapping[str, Any]) -> int:
    """A pod's completion index."""
    return int(pod["metadata"]["annotations"][COMPLETION_INDEX])


class User:
    """Calls an API server. All of it is about the Job `name`; `uid` is that of the one created last."""

    def __init__(self, access: Access, name: str = "job") -> None:
        self._server, self.name = access.server, name
        self._session = aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"})
        self.uid = ""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def call(self, method: str, path: str, body: Any = None, kind: str = "json") -> tuple[int, Json]:
        """Code and document. `path` is of the namespace: `jobs/x` or `pods/y/status`, "" for itself."""
        group = "/apis/batch/v1" if path.startswith(("jobs", "cronjobs")) else "/api/v1"
        url = f"{self._server}{group}/namespaces/{NAMESPACE}/{path}".rstrip("/")
        headers = {"Content-Type": f"application/{kind}"}
        async with self._session.request(method, url, json=body, headers=headers) as answer:
            return answer.status, await answer.json()

    async def must(self, method: str, path: str, body: Any = None, kind: str = "json") -> Json:
        """A call that succeeds."""
        code, document = await self.call(method, path, body, kind)
        assert code < 300, f"{method} {path}: {code} {document}"
        return document

    # ---- Jobs ---------------------------------------------------------------------------------------------------

    async def create_job(self, *, template: Json | None = None, restart: str = "Never", **spec: Any) -> Json:
        """Create the Job. `template` may hold the pods' metadata and spec."""
        template = template or {}
        pod = {"restartPolicy": restart, "containers": [{"name": "foo", "image": "bar"}], **template.get("spec", {})}
        body = {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": self.name, "creationTimestamp": None},
            "spec": {"template": {"metadata": template.get("metadata", {}), "spec": pod}, **spec},
            "status": {},
        }
        created = await self.must("POST", "jobs", body)
        self.uid = created["metadata"]["uid"]
        return created

    async def job(self) -> Json:
        """The Job."""
        return await self.must("GET", f"jobs/{self.name}")

    async def patch_job(self, **spec: Any) -> Json:
        """Merge fields into the Job's spec."""
        return await self.must("PATCH", f"jobs/{self.name}", {"spec": spec}, "merge-patch+json")

    async def delete_job(self, propagation: str | None) -> None:
        """Delete the Job."""
        options = {"kind": "DeleteOptions", "apiVersion": "v1"}
        await self.must(
            "DELETE", f"jobs/{self.name}", options | ({"propagationPolicy": propagation} if propagation else {})
        )

    async def check_events(self, *reasons: str) -> None:
        """Fail unless these come to be the reasons of the Kubernetes Events about the Job, each as often as named."""
        told: list[str] = []

        async def look() -> bool:
            found = (await self.must("GET", "events"))["items"]
            about = [each for each in found if each["involvedObject"].get("uid") == self.uid]
            assert all(each["source"]["component"] == "job-controller" for each in about)
            told[:] = sorted(each["reason"] for each in about for _ in range(each.get("count") or 1))
            return told == sorted(reasons)

        await eventually(look, lambda: f"Events {sorted(reasons)}; there are {told}")

    # ---- pods ---------------------------------------------------------------------------------------------------

    async def pods(self, *, live: bool = False, index: int | None = None) -> list[Json]:
        """The Job's pods, those that have not ended only if `live`."""
        found = (await self.must("GET", "pods"))["items"]
        return [
            pod
            for pod in found
            if any(each["uid"] == self.uid for each in pod["metadata"].get("ownerReferences", ()))
            and not (live and pod["status"].get("phase") in ENDED)
            and (index is None or index_of(pod) == index)
        ]

    async def active_pods(self) -> list[Json]:
        """The Job's pods that are alive and not being deleted."""
        return [pod for pod in await self.pods(live=True) if "deletionTimestamp" not in pod["metadata"]]

    async def end(self, phase: str, count: int = 1, code: int | None = None, **where: Any) -> list[Json]:
        """Let pods that are alive end in a phase."""
        return await self.report(phase_status(phase, code), count, **where)

    async def report(self, status: Json, count: int = 1, **where: Any) -> list[Json]:
        """Report a status of so many live pods, as a kubelet does: the whole object, and again after a conflict."""
        chosen = (await self.pods(live=True, **where))[:count]
        assert count == ALL or len(chosen) == count, f"{len(chosen)} pods for {where}, wanted {count}"
        for pod in chosen:
            await self.put_status(pod, status)
        return chosen

    async def put_status(self, pod: Json, status: Json) -> None:
        """Write a pod's status."""
        path = f"pods/{pod['metadata']['name']}"
        while True:
            body = {"apiVersion": "v1", "kind": "Pod", **pod, "status": status}
            code, answer = await self.call("PUT", f"{path}/status", body)
            if code != 409:
                assert code == 200, answer
                return
            pod = await self.must("GET", path)

    async def delete_pod(self, pod: Json, grace_s: int | None = None) -> None:
        """Delete a pod."""
        grace = {} if grace_s is None else {"gracePeriodSeconds": grace_s}
        await self.must("DELETE", f"pods/{pod['metadata']['name']}", {"kind": "DeleteOptions", **grace})

    async def strip(self, pod: Json, *kept: str) -> None:
        """Take a pod's finalizers off by hand, but those `kept`."""
        path = f"pods/{pod['metadata']['name']}"
        await self.must("PATCH", path, {"metadata": {"finalizers": list(kept)}}, "merge-patch+json")

    # ---- waiting ------------------------------------------------------------------------------------------------

    async def until(self, said: str, holds: Callable[[Json], bool]) -> Json:
        """Wait until something holds of the Job; the Job."""
        job: Json = {}

        async def look() -> bool:
            nonlocal job
            job = await self.job()
            return holds(job)

        await eventually(look, lambda: f"{said}; the status is {job.get('status')}")
        return job

    async def check_counts(self, **counts: int) -> Json:
        """Fail unless these counts come, 0 where none is named, and as many pods with finalizer; the Job's status."""
        wanted = {name: counts.get(name, 0) for name in COUNTS}
        job = await self.until(str(wanted), lambda job: {k: job["status"].get(k, 0) for k in COUNTS} == wanted)
        pods: list[Json] = []

        async def look() -> bool:
            pods[:] = await self.active_pods()
            return len(pods) == wanted["active"] and all(FINALIZER in pod["metadata"]["finalizers"] for pod in pods)

        await eventually(look, lambda: f"{wanted['active']} active pods, each with a finalizer, of {len(pods)}")
        return job["status"]  # type: ignore[no-any-return]  # JSON

    async def check_condition(self, type_: str, reason: str | None = None) -> Json:
        """Fail unless a condition comes to be True; the Job's status."""

        def holds(job: Json) -> bool:
            conditions = job["status"].get("conditions", ())
            return any(each["type"] == type_ and each["status"] == "True" for each in conditions)

        job = await self.until(type_, holds)
        found = [each for each in job["status"]["conditions"] if each["type"] == type_]
        assert reason is None or found[0].get("reason") == reason, found
        return job["status"]  # type: ignore[no-any-return]  # JSON

    async def check_free(self) -> None:
        """Fail unless in the end no pod bears the finalizer, whoever owns it."""
        held: list[str] = []

        async def look() -> bool:
            found = (await self.must("GET", "pods"))["items"]
            held[:] = [pod["metadata"]["name"] for pod in found if FINALIZER in pod["metadata"].get("finalizers", ())]
            return not held

        await eventually(look, lambda: f"no pod with a finalizer; left are {held}")

    async def check_gone(self, *, pods: int = 0) -> None:
        """Fail unless in the end there is no Job, and so many pods, whoever owns them."""

        async def look() -> bool:
            left = (await self.must("GET", "pods"))["items"]
            return len(left) == pods and (await self.call("GET", f"jobs/{self.name}"))[0] == 404

        await eventually(look, lambda: f"no Job and {pods} pods")

    async def active_indexes(self) -> list[int]:
        """The indexes of live pods; label, annotation and hostname of each say the same."""
        pods = await self.active_pods()
        for pod in pods:
            assert pod["metadata"]["labels"][COMPLETION_INDEX] == str(index_of(pod))
            assert pod["spec"]["hostname"] == f"{self.name}-{index_of(pod)}"
        return sorted(index_of(pod) for pod in pods)
