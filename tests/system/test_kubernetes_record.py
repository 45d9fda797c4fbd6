"""`podledger record` beside controllers at work: what its ledger comes to, and what an API server saw of it."""

import signal
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qs

import anyio
import msgspec
import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from tests.kubernetes_server import api_server
from tests.log_events import stored_rows
from tests.system.podledger_command import job, podledger, start_podledger
from tests.system.serving import Served, serve
from tests.system.test_serve import ask, until
from tests.unit.controller_world import make_job

from podledger import Controller, MemoryLog
from podledger.api.job import JobKey, JobStatus
from podledger.api.kubernetes_event import KubernetesEvent
from podledger.event import Event, ListGap
from podledger.job.event import KubernetesEventSeen
from podledger.log.codec import decode_batch
from podledger.projection import Projection
from podledger_adapters.cli.record import run_recorder
from podledger_adapters.local import LocalCluster
from podledger_adapters.workspace import Workspace

JOBS = "/apis/batch/v1/namespaces/default/jobs"
PODS = "/api/v1/namespaces/default/pods"
EVENTS = "/api/v1/namespaces/default/events"
LOOKS = 600
LOOK_S = 0.05

E = TypeVar("E", bound=Event)


def recorded(ledger: Path) -> list[Event]:
    """Everything that is in a ledger by now, whoever is writing it."""
    return [event for row in stored_rows(ledger) for event in decode_batch(row).events] if ledger.exists() else []


def of_kind(events: Sequence[Event], kind: type[E]) -> list[E]:
    return [event for event in events if isinstance(event, kind)]


def told_in(events: Sequence[Event]) -> Counter[tuple[str, str, int]]:
    """How often a pod's name ("" for a Job itself), an Event's name and a count were written down."""
    seen = of_kind(events, KubernetesEventSeen)
    return Counter((event.pod_name, event.content.name, event.content.count) for event in seen)


# ---- a server and a recorder as processes ---------------------------------------------------------------------------


class RecordProcess:
    """`podledger record` over HTTPS, as a process."""

    def __init__(self, served: Served) -> None:
        words = ("record", "--kubeconfig", str(served.kubeconfig), "--db", "prod.db")
        self.process = start_podledger(*words, cwd=served.directory)
        assert self.process.stderr is not None
        while "listed:" not in (line := self.process.stderr.readline()):
            assert line, "it ended"

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        self.process.communicate(timeout=60)
        return self.process.returncode


def run_job(served: Served, name: str, **spec: Any) -> None:
    """Submit a Job and wait for its end."""
    code, _ = ask(served, JOBS, job(name, ["true"], **spec))
    assert code == 201
    until(lambda: any(each["status"] == "True" for each in status_of(served, name).get("conditions", ())))


def status_of(served: Served, name: str) -> Any:
    return ask(served, f"{JOBS}/{name}")[1]["status"]


def tell_of_pods(served: Served) -> None:
    """What a kubelet tells of each pod; a pod of whom it was told before is told of again."""
    _, pods = ask(served, PODS)
    for pod in pods["items"]:
        meta = pod["metadata"]
        about = {"kind": "Pod", "apiVersion": "v1", **{key: meta[key] for key in ("name", "namespace", "uid")}}
        event = {
            "metadata": {"name": f"{meta['name']}.18e9"},
            "involvedObject": about,
            "reason": "Started",
            "message": "Started container main",
            "source": {"component": "kubelet", "host": "n1"},
            "count": 1,
            "type": "Normal",
        }
        code, _ = ask(served, EVENTS, event)
        if code == 409:
            _, stored = ask(served, f"{EVENTS}/{meta['name']}.18e9")
            code, _ = ask(served, f"{EVENTS}/{meta['name']}.18e9", {**stored, "count": 2}, method="PUT")
        assert code in (200, 201)


def events_on(served: Served) -> set[tuple[str, str, int]]:
    """As `told_in`, of what the server has."""
    _, found = ask(served, EVENTS)
    return {
        (about["name"] if about["kind"] == "Pod" else "", each["metadata"]["name"], each["count"])
        for each in found["items"]
        if (about := each["involvedObject"])["kind"] in ("Pod", "Job")
    }


def test_a_recording_has_each_event_once_and_comes_to_the_published_counts_though_it_was_killed(
    tmp_path: Path,
) -> None:
    ledger = tmp_path / "prod.db"
    with serve(tmp_path, "--cluster", "memory") as served:
        first = RecordProcess(served)
        try:
            run_job(served, "first", completions=3, parallelism=2)
            tell_of_pods(served)
            before = events_on(served)
            assert {pod != "" for pod, _, _ in before} == {True, False}
            until(lambda: not before - told_in(recorded(ledger)).keys())
        finally:
            assert first.end(signal.SIGKILL) == -signal.SIGKILL
        run_job(served, "between", completions=4, parallelism=4, completionMode="Indexed")
        tell_of_pods(served)
        between = events_on(served)
        assert {count for _, _, count in between} == {1, 2}, "some of it was told again"
        second = RecordProcess(served)
        try:
            until(lambda: not between - told_in(recorded(ledger)).keys())
            run_job(served, "after", completions=5, parallelism=2)
            tell_of_pods(served)
            after = events_on(served)
            until(lambda: not after - told_in(recorded(ledger)).keys())
            until(lambda: all(found(ledger, status_of(served, name), name) for name in ("first", "between", "after")))
        finally:
            assert second.end(signal.SIGTERM) == 143
    events = recorded(ledger)
    told = told_in(events)
    assert set(told.values()) == {1}, "nothing twice"
    assert told.keys() == before | between | after
    gaps = of_kind(events, ListGap)
    assert sorted(gap.kind for gap in gaps) == ["CronJob", "Event", "Job", "Pod"]
    (missed,) = [gap for gap in gaps if gap.kind == "Event"]
    assert missed.reason == "recording was interrupted; what expired meanwhile was not seen"
    assert podledger("log", "verify", "prod.db", cwd=tmp_path).returncode == 0


def found(ledger: Path, status: dict[str, Any], name: str) -> bool:
    """Whether the fold of a recording has come to a Job's published status, counts and all."""
    projection = Projection()
    projection.apply_all(recorded(ledger))
    state = projection.find(JobKey("default", name))
    if state is None or state.published != msgspec.convert(status, JobStatus):
        return False
    assert (state.succeeded, state.failed) == (status.get("succeeded", 0), status.get("failed", 0))
    assert state.uncounted_succeeded == state.uncounted_failed == {}
    assert state.completed.format() == status.get("completedIndexes", "")
    return True


# ---- what a server sees of a recorder, and what it sees of a broken watch ------------------------------------------


class Listener:
    """Goes around an application: notes what is asked, and makes watches deaf and then ends them as outdated."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self._deaf: set[str] = set()
        self._ends: dict[str, anyio.Event] = {}

    def around(self, app: ASGIApp) -> ASGIApp:
        async def listening(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            self.asked.append((scope["method"], scope["path"]))
            resource = scope["path"].rpartition("/")[2]
            query = parse_qs(scope["query_string"])
            # A watch of one second only asks whether watching is allowed.
            if b"watch" not in query or query[b"timeoutSeconds"] == [b"1"]:
                await app(scope, receive, send)
                return
            end = self._ends[resource] = anyio.Event()

            async def heard(message: Message) -> None:
                if message["type"] == "http.response.body" and (resource in self._deaf or end.is_set()):
                    return  # neither what happens while it is deaf, nor any of that before its end
                await send(message)

            async with anyio.create_task_group() as tasks:

                async def cut() -> None:
                    await end.wait()
                    tasks.cancel_scope.cancel()

                tasks.start_soon(cut)
                await app(scope, receive, heard)
                tasks.cancel_scope.cancel()
            if end.is_set():
                status = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}
                line = msgspec.json.encode({"type": "ERROR", "object": status}) + b"\n"
                await send({"type": "http.response.body", "body": line, "more_body": False})

        return listening

    def deafen(self, resource: str) -> None:
        """What happens from now on is not shown to those who watch this resource."""
        self._deaf.add(resource)

    def break_watch(self, resource: str) -> None:
        """End the watch; whoever comes again is shown everything."""
        self._deaf.discard(resource)
        self._ends.pop(resource).set()


@asynccontextmanager
async def recording(listener: Listener, ledger: Path) -> AsyncGenerator[LocalCluster]:
    """A cluster with a controller, and `podledger record` before it, over HTTP."""
    async with (
        api_server(simulated=True, around=listener.around) as (local, access),
        MemoryLog() as log,
        Controller(local, log),
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(run_recorder, access, Workspace(str(ledger)), ())
        yield local
        tasks.cancel_scope.cancel()


async def until_recorded(ledger: Path, wanted: set[str]) -> list[Event]:
    """Wait until Events of these names are in the ledger; all that is in it then."""
    for _ in range(LOOKS):
        events = recorded(ledger)
        if wanted <= {name for _, name, _ in told_in(events)}:
            return events
        await anyio.sleep(LOOK_S)
    raise AssertionError(f"{wanted} never came")


async def run_jobs(local: LocalCluster, *names: str) -> set[str]:
    """Run Jobs to their end; the names of the Events about them."""
    told: set[str] = set()
    for name in names:
        submitted = await local.submit(make_job(name, completions=2))
        events: Sequence[KubernetesEvent] = ()
        for _ in range(LOOKS):
            events = await local.kubernetes_events(submitted.key)
            if any(event.reason == "Completed" for event in events):
                break
            await anyio.sleep(LOOK_S)
        told |= {event.metadata.name for event in events}
    return told


@pytest.mark.asyncio
async def test_a_recorder_only_reads_and_marks_a_gap_of_the_kind_whose_watch_broke(tmp_path: Path) -> None:
    ledger, listener = tmp_path / "prod.db", Listener()
    async with recording(listener, ledger) as local:
        told = await run_jobs(local, "first")
        events = await until_recorded(ledger, told)
        assert of_kind(events, ListGap) == []
        listener.deafen("jobs")
        told |= await run_jobs(local, "unseen")
        listener.break_watch("jobs")
        events = await until_recorded(ledger, told)
        assert [gap.kind for gap in of_kind(events, ListGap)] == ["Job"]
        listener.deafen("events")
        told |= await run_jobs(local, "untold")
        listener.break_watch("events")
        events = await until_recorded(ledger, told)
        assert [gap.kind for gap in of_kind(events, ListGap)] == ["Job", "Event"]
        stored = {event.metadata.name for event in local.store.table(KubernetesEvent)}
    assert told == stored
    assert set(told_in(recorded(ledger)).values()) == {1}
    assert {method for method, _ in listener.asked} == {"GET"}
    places = {path.removeprefix("/apis/batch/v1").removeprefix("/api/v1") for _, path in listener.asked}
    probes = {f"/namespaces/default/{kind}/any" for kind in ("jobs", "cronjobs", "pods", "events")}
    assert places == {"/version", "/namespaces/kube-system", "/jobs", "/cronjobs", "/pods", "/events", *probes}
