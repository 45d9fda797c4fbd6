"""The RBAC manifests of examples/kubernetes, enforced: what they grant is enough, and nothing of it is too much.

A gate before the API server refuses what they do not grant, as Kubernetes' authoriser does.
"""

import subprocess
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import aiohttp
import anyio
import pytest
import yaml
from starlette.types import ASGIApp
from tests.api_gate import ApiGate, grants_of
from tests.kubernetes_server import NAMESPACE, TOKEN, api_server
from tests.system.podledger_command import start_podledger

from podledger.api.pod import Pod
from podledger.errors import ClusterError
from podledger_adapters.cli.controller_run import ControllerSettings, run_controller
from podledger_adapters.cli.exit_code import ExitCode
from podledger_adapters.cli.explain import explain
from podledger_adapters.cli.record import run_recorder
from podledger_adapters.kubernetes.access import Access, Identity
from podledger_adapters.nodes.behaviour import Draws, PodRun
from podledger_adapters.server.kubeconfig import kubeconfig
from podledger_adapters.workspace import Workspace

EXAMPLES = Path(__file__).parents[2] / "examples" / "kubernetes"
CONTROLLER = "system:serviceaccount:podledger:podledger-controller"
RECORDER = "system:serviceaccount:podledger:podledger-recorder"
MARK = {"managedBy": "podledger.io/job-controller"}
PATIENCE_S = 30.0
LOOK_S = 0.05
LOOKS = int(PATIENCE_S / LOOK_S)

Documents = list[dict[str, Any]]


def manifests(*names: str) -> Documents:
    return [each for name in names for each in yaml.safe_load_all((EXAMPLES / name).read_text(encoding="utf-8"))]


def of_one_namespace(documents: Documents) -> Documents:
    """What the comment in rbac.yaml says for one namespace."""
    kept = deepcopy(documents)
    for each in kept:
        if each["kind"] in ("ClusterRole", "ClusterRoleBinding"):
            each["kind"] = each["kind"].removeprefix("Cluster")
            each["metadata"]["namespace"] = NAMESPACE
            if "roleRef" in each:
                each["roleRef"]["kind"] = "Role"
    return kept


class Guarded:
    """An API server behind a gate: the token "sa" is a service account's, "root" may do everything."""

    def __init__(self, gate: ApiGate, url: str, user: str, documents: Iterable[Mapping[str, Any]]) -> None:
        self.gate, self.url, self.user = gate, url, user
        self.grant(documents)

    def grant(self, documents: Iterable[Mapping[str, Any]]) -> None:
        """Let the service account do what these bindings give it."""
        self.gate.grants[self.user] = list(grants_of(documents, self.user))

    @property
    def access(self) -> Access:
        """The service account's."""
        return Access(self.url, "a test", identity=Identity(token="sa"))

    async def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """By whoever may do everything."""
        headers = {"Authorization": "Bearer root"}
        if method == "PATCH":
            headers["Content-Type"] = "application/merge-patch+json"
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.request(method, self.url + path, json=body) as answer,
        ):
            answer.raise_for_status()
            return await answer.json()

    async def until(self, path: str, holds: Callable[[Any], bool]) -> Any:
        """Wait until what is at a path is as wanted."""
        found: Any = None
        for _ in range(LOOKS):
            if holds(found := await self.call("GET", path)):
                return found
            await anyio.sleep(LOOK_S)
        raise AssertionError(f"{path} stays {found}")


def behaviour(pod: Pod, _draws: Draws) -> PodRun:
    return PodRun(duration_s=3600.0 if pod.metadata.name.startswith("long") else 0.01)


@asynccontextmanager
async def guarded(user: str, documents: Iterable[Mapping[str, Any]]) -> AsyncGenerator[Guarded]:
    gates: list[ApiGate] = []

    def around(app: ASGIApp) -> ASGIApp:
        gates.append(ApiGate(app, TOKEN, {"sa": user, "root": "root"}))
        return gates[0]

    async with api_server(simulated=True, behaviour=behaviour, around=around) as (_, access):
        server = Guarded(gates[0], access.server, user, documents)
        await server.call("POST", "/api/v1/namespaces", {"metadata": {"name": "podledger"}})
        yield server


@asynccontextmanager
async def running(server: Guarded, directory: Path, *words: str) -> AsyncGenerator["subprocess.Popen[str]"]:
    """`podledger WORDS` as a process while inside; then it is told to end, and must."""
    (directory / "kubeconfig").write_bytes(kubeconfig(server.url, "sa", None))
    with (directory / "said").open("w", encoding="utf-8") as said:
        process = start_podledger(*words, "--kubeconfig", "kubeconfig", cwd=directory, stdout=said, stderr=said)
    try:
        yield process
        process.terminate()
        assert await anyio.to_thread.run_sync(process.wait, 30) == ExitCode.TERMINATED, (directory / "said").read_text()
    finally:
        process.kill()
        process.wait()


def job(name: str, **spec: Any) -> dict[str, Any]:
    pod = {"restartPolicy": "Never", "containers": [{"name": "main", "image": "x"}]}
    return {"metadata": {"name": name}, "spec": {"completions": 3, "parallelism": 2, "template": {"spec": pod}, **spec}}


def complete(found: Any) -> bool:
    return any(each["type"] == "Complete" for each in found["status"].get("conditions", ()))


JOBS = f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs"
CRONJOBS = f"/apis/batch/v1/namespaces/{NAMESPACE}/cronjobs"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("words", "documents"),
    [
        (("--manage", "marked"), manifests("rbac.yaml")),
        (("--manage", "all"), manifests("rbac.yaml")),
        (("--namespace", NAMESPACE), of_one_namespace(manifests("rbac.yaml"))),
    ],
    ids=["marked", "all", "namespace"],
)
async def test_the_controller_runs_with_what_its_manifest_grants(
    tmp_path: Path, words: Sequence[str], documents: Documents
) -> None:
    async with guarded(CONTROLLER, documents) as server:
        await server.call("POST", JOBS, job("plain", **({} if "all" in words else MARK)))
        await server.call("POST", JOBS, job("long", **MARK))
        async with running(server, tmp_path, "controller", *words, "--lease-namespace", "podledger"):
            await server.until(f"{JOBS}/plain", complete)
            await server.until(f"{JOBS}/long", lambda found: found["status"].get("ready") == 2)
            await server.call("PATCH", f"{JOBS}/long", {"spec": {"suspend": True}})
            await server.until(f"{JOBS}/long", lambda found: found["status"].get("active", 0) == 0)
            wanted = {"SuccessfulCreate", "SuccessfulDelete", "Completed", "Suspended"}
            await server.until(
                f"/api/v1/namespaces/{NAMESPACE}/events",
                lambda found: wanted <= {each["reason"] for each in found["items"]},
            )
        assert server.gate.refused == []


@pytest.mark.asyncio
async def test_cronjobs_need_their_manifest_besides(tmp_path: Path) -> None:
    async with guarded(CONTROLLER, manifests("rbac.yaml", "rbac-cronjobs.yaml")) as server:
        spec = {"schedule": "* * * * *", "successfulJobsHistoryLimit": 0, "jobTemplate": {"spec": job("x")["spec"]}}
        await server.call("POST", CRONJOBS, {"metadata": {"name": "tick"}, "spec": spec})
        # A run was missed, so the next one is due now.
        await server.call("PATCH", f"{CRONJOBS}/tick/status", {"status": {"lastScheduleTime": "2026-01-01T00:00:00Z"}})
        words = ("controller", "--manage", "all", "--cronjobs", "--lease-namespace", "podledger")
        async with running(server, tmp_path, *words):
            await server.until(f"{CRONJOBS}/tick", lambda found: "lastSuccessfulTime" in found["status"])
            await server.until(JOBS, lambda found: not found["items"])
        assert server.gate.refused == []


@pytest.mark.asyncio
@pytest.mark.parametrize("documents", [manifests("rbac-record.yaml"), of_one_namespace(manifests("rbac-record.yaml"))])
async def test_the_recorder_runs_with_what_its_manifest_grants(tmp_path: Path, documents: Documents) -> None:
    async with guarded(RECORDER, documents) as server:
        await server.call("POST", JOBS, job("seen"))
        where = () if any(each["kind"] == "ClusterRole" for each in documents) else ("--namespace", NAMESPACE)
        async with running(server, tmp_path, "record", "--db", "prod.db", *where):
            for _ in range(LOOKS):
                if "listed:" in (tmp_path / "said").read_text():
                    break
                await anyio.sleep(LOOK_S)
            assert "listed:" in (tmp_path / "said").read_text()
        assert server.gate.refused == []


# ---- nothing too much -----------------------------------------------------------------------------------------------


def without_each_verb(documents: Documents) -> Iterator[tuple[Documents, str]]:
    """The manifests without one verb of one resource, each in turn, and the rule that grants just that."""
    for at, document in enumerate(documents):
        for number, rule in enumerate(document.get("rules", ())):
            for resource in rule["resources"]:
                for verb in rule["verbs"]:
                    less = deepcopy(documents)
                    others = {**rule, "resources": [each for each in rule["resources"] if each != resource]}
                    rest = {**rule, "resources": [resource], "verbs": [each for each in rule["verbs"] if each != verb]}
                    less[at]["rules"][number : number + 1] = [others, rest]
                    names = f', resourceNames: ["{rule["resourceNames"][0]}"]' if "resourceNames" in rule else ""
                    group = rule["apiGroups"][0]
                    yield less, f'{{apiGroups: ["{group}"], resources: ["{resource}"]{names}, verbs: ["{verb}"]}}'


@pytest.mark.asyncio
async def test_without_any_one_right_the_controller_names_it_and_ends(tmp_path: Path) -> None:
    documents = manifests("rbac.yaml", "rbac-cronjobs.yaml")
    settings = ControllerSettings(manage="all", cronjobs=True, lease=("podledger", "lease"), db=str(tmp_path / "db"))
    async with guarded(CONTROLLER, documents) as server:
        for less, rule in without_each_verb(documents):
            server.grant(less)
            assert await refusal(run_controller, server.access, settings) == rule


@pytest.mark.asyncio
async def test_without_any_one_right_the_recorder_names_it_and_ends(tmp_path: Path) -> None:
    documents = manifests("rbac-record.yaml")
    async with guarded(RECORDER, documents) as server:
        for less, rule in without_each_verb(documents):
            server.grant(less)
            ledger = tmp_path / "db"
            assert await refusal(run_recorder, server.access, Workspace(str(ledger)), ()) == rule
            assert "kube-system" in rule or not ledger.exists(), "nothing is recorded, so there is no ledger"
            ledger.unlink(missing_ok=True)


async def refusal(run: Callable[..., Any], *arguments: object) -> str:
    """The rule that is named in the one error by which a command ends."""
    with anyio.fail_after(PATIENCE_S), pytest.raises((ClusterError, ExceptionGroup)) as raised:
        await run(*arguments)
    code, (line,) = explain(raised.value)
    assert code == ExitCode.UNREACHABLE
    return line[line.index("{") : line.rindex("}") + 1]


@pytest.mark.asyncio
async def test_what_is_missing_in_several_namespaces_is_named_for_each() -> None:
    documents = of_one_namespace(manifests("rbac.yaml"))
    async with guarded(CONTROLLER, documents) as server:
        settings = ControllerSettings(namespaces=(NAMESPACE, "elsewhere"))
        with pytest.raises((ClusterError, ExceptionGroup)) as raised:
            await run_controller(server.access, settings)
        _, (line,) = explain(raised.value)
    assert "in a Role of namespace elsewhere" in line
    assert f"namespace {NAMESPACE}" not in line
