"""`podledger controller` as a process: its metrics are those of the built-in controller, and kill -9 loses no count."""

import json
import re
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.request import urlopen

import anyio
import pytest
from anyio import to_thread
from prometheus_client.parser import text_string_to_metric_families
from tests.kubernetes_server import TOKEN, api_server
from tests.system.kubernetes_user import ALL, User, eventually, phase_status
from tests.system.podledger_command import start_podledger

from podledger_adapters.kubernetes.access import Access

FLAGS = ("--manage", "all", "--pod-failure-backoff", "100ms", "--sync-batch-period", "50ms")
PODS = 120
LIVES = 2


class Process:
    """A controller that runs as a process; its log is `controller.log` in the directory."""

    def __init__(self, directory: Path, process: "subprocess.Popen[str]") -> None:
        self._log, self.process = directory / "controller.log", process

    async def said(self, pattern: str) -> str:
        """Wait until it says something; the first group."""

        async def look() -> bool:
            assert self.process.poll() is None, self._log.read_text(encoding="utf-8")
            return re.search(pattern, self._log.read_text(encoding="utf-8")) is not None

        await eventually(look, lambda: f"it said {pattern}")
        found = re.search(pattern, self._log.read_text(encoding="utf-8"))
        assert found is not None
        return found[1]


@asynccontextmanager
async def running(access: Access, directory: Path, *words: str) -> AsyncGenerator[Process]:
    """Run `podledger controller` while inside; it is killed, if it still runs then."""
    named = {"cluster": {"server": access.server}, "user": {"token": TOKEN}, "context": {"cluster": "c", "user": "u"}}
    document = {
        "clusters": [{"name": "c", "cluster": named["cluster"]}],
        "users": [{"name": "u", "user": named["user"]}],
        "contexts": [{"name": "x", "context": named["context"]}],
        "current-context": "x",
    }
    (directory / "kubeconfig").write_text(json.dumps(document))
    with (directory / "controller.log").open("w", encoding="utf-8") as log:
        flags = ("--kubeconfig", "kubeconfig", "--no-leader-elect", "--log-format", "text", *FLAGS, *words)
        process = start_podledger("controller", *flags, cwd=directory, stdout=log, stderr=log)
    try:
        yield Process(directory, process)
    finally:
        process.kill()
        await to_thread.run_sync(process.wait)


Counters = dict[tuple[str, frozenset[str]], float]


def read_counters(url: str) -> Counters:
    """The Job controller's counters: names, without what all begin and end with, and the labels' values."""
    with urlopen(f"{url}/metrics", timeout=20) as answer:
        text = answer.read().decode()
    found: Counters = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name.startswith("job_controller_") and sample.name.endswith("_total"):
                name = sample.name.removeprefix("job_controller_").removesuffix("_total")
                found[name, frozenset(sample.labels.values())] = sample.value
            elif sample.name == "job_controller_job_sync_duration_seconds_count":
                found["took", frozenset(sample.labels.values())] = sample.value
    return found


WANTED = {
    # A work queue: two pods fail, three succeed.
    ("jobs_finished", "NonIndexed", "succeeded", "CompletionsReached"): 1,
    ("job_pods_finished", "NonIndexed", "succeeded"): 3,
    # An Indexed Job with an index that fails for good, and one that is retried.
    ("jobs_finished", "Indexed", "failed", "FailedIndexes"): 1,
    ("job_pods_finished", "Indexed", "succeeded"): 1,
    ("job_pods_finished", "Indexed", "failed"): 3,
    ("job_finished_indexes", "succeeded", "perIndex"): 1,
    ("job_finished_indexes", "failed", "perIndex"): 1,
    # A failure policy: an ignored failure, one that no rule matches, and one that fails the Job.
    ("jobs_finished", "NonIndexed", "failed", "PodFailurePolicy"): 1,
    ("pod_failures_handled_by_failure_policy", "Ignore"): 1,
    ("pod_failures_handled_by_failure_policy", "FailJob"): 1,
    ("job_pods_finished", "NonIndexed", "failed"): 4,
    # All of them.
    ("terminated_pods_tracking_finalizer", "add"): 12,
    ("terminated_pods_tracking_finalizer", "delete"): 12,
    ("job_pods_creation", "new", "succeeded"): 7,
    ("job_pods_creation", "recreate_terminating_or_failed", "succeeded"): 4,
    ("job_pods_creation", "recreate_failed", "succeeded"): 1,
    ("jobs_by_external_controller", "example.com/other"): 1,
}


@pytest.mark.asyncio
async def test_the_metrics_are_those_of_the_built_in_controller(tmp_path: Path) -> None:
    async with api_server() as (_, access), running(access, tmp_path, "--metrics-listen", "127.0.0.1:0") as process:
        await process.said("(listed:)")
        async with User(access, "queue") as user:
            await user.create_job(parallelism=3)
            await user.check_counts(active=3)
            await user.end("Failed", 2)
            await user.check_counts(active=3, failed=2)
            await user.end("Succeeded", 3)
            await user.check_condition("Complete")
        async with User(access, "indexed") as user:
            await user.create_job(completions=2, parallelism=2, completionMode="Indexed", backoffLimitPerIndex=1)
            await user.check_counts(active=2)
            await user.end("Failed", 2)
            await user.check_counts(active=2, failed=2)
            await user.end("Failed", index=0)
            await user.check_counts(active=1, failed=3)
            await user.end("Succeeded", index=1)
            await user.check_condition("Failed", "FailedIndexes")
        async with User(access, "policy") as user:
            ignore = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}
            fail = {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [5]}}
            await user.create_job(podFailurePolicy={"rules": [ignore, fail]})
            await user.check_counts(active=1)
            (first,) = await user.report(
                phase_status("Failed", conditions=[{"type": "DisruptionTarget", "status": "True"}])
            )

            ended = {first["metadata"]["uid"]}

            async def replaced() -> bool:
                return bool({pod["metadata"]["uid"] for pod in await user.active_pods()} - ended)

            await eventually(replaced, lambda: "a replacement")
            await user.end("Failed", code=1)
            await user.check_counts(active=1, failed=1)
            await user.end("Failed", code=5)
            await user.check_condition("Failed", "PodFailurePolicy")
            await user.check_free()
        async with User(access, "foreign") as user:
            await user.create_job(managedBy="example.com/other")
        url = await process.said(r"metrics at (http\S+)")
        wanted = {(name, frozenset(labels)): count for (name, *labels), count in WANTED.items()}
        found: Counters = {}

        async def counted() -> bool:
            found.clear()
            found.update(await to_thread.run_sync(read_counters, url))
            return {key: value for key, value in found.items() if key[0] not in ("job_syncs", "took")} == wanted

        await eventually(counted, lambda: f"{wanted}; there is {found}")
        syncs = {labels: value for (name, labels), value in found.items() if name == "job_syncs"}
        assert {labels: value for (name, labels), value in found.items() if name == "took"} == syncs
        assert syncs[frozenset({"NonIndexed", "success", "pods_created"})] >= 4
        assert syncs[frozenset({"Indexed", "success", "tracking"})] >= 1


@pytest.mark.asyncio
@pytest.mark.parametrize("words", [(), ("--db", "ledger.db")], ids=["ledger lost", "ledger kept"])
async def test_no_count_is_lost_or_made_twice_by_kill_9(tmp_path: Path, words: tuple[str, ...]) -> None:
    async with api_server() as (_, access), User(access) as user:
        await user.create_job(completions=PODS, parallelism=60, completionMode="Indexed")
        failures = 0
        for life in range(LIVES):
            async with running(access, tmp_path, *words) as process:
                await process.said("(listed:)")
                done = PODS * (life + 1) // LIVES
                while (await user.job())["status"].get("succeeded", 0) < done:
                    if failures <= life and await user.pods(live=True):
                        await user.end("Failed")
                        failures += 1
                    await user.end("Succeeded", ALL)
                    await anyio.sleep(0.05)
        async with running(access, tmp_path, *words):
            await user.check_condition("Complete")
            await user.check_counts(succeeded=PODS, failed=failures)
            await user.check_free()
