"""Jobs on an API server while the controller is started anew again and again: pods are replaced, counted, told once."""

import pytest
from tests.kubernetes_server import api_server
from tests.system.kubernetes_user import ALL, User, controlling, dying, limited, phase_status

from podledger.job.command import Command, CreatePod, PublishStatus, ReleasePod
from podledger.job.limits import Limits
from podledger.log.memory import MemoryLedger

MANY = 620
"""Pods of a Job whose results do not fit into the lists of one status."""


@pytest.mark.asyncio
@pytest.mark.parametrize("kept", [True, False], ids=["ledger kept", "ledger lost"])
async def test_each_life_of_the_controller_goes_on_where_the_last_one_ended(kept: bool) -> None:
    ledger = MemoryLedger() if kept else None
    async with api_server() as (_, access), User(access) as user:
        async with controlling(access, ledger):
            await user.create_job()
            first = await user.check_counts(active=1)
        async with controlling(access, ledger):
            await user.end("Failed")
            await user.check_counts(active=1, failed=1)
        async with controlling(access, ledger):
            await user.end("Succeeded")
            done = await user.check_condition("Complete", "CompletionsReached")
            assert done["startTime"] == first["startTime"]
            await user.check_counts(succeeded=1, failed=1)
        async with controlling(access, ledger):
            await user.check_free()
            assert (await user.job())["status"] == done
            assert len(await user.pods()) == 2
        await user.check_events("Completed", "SuccessfulCreate", "SuccessfulCreate")


@pytest.mark.asyncio
async def test_a_work_queue_replaces_failed_pods_until_one_succeeds() -> None:
    async with api_server() as (_, access), User(access) as user, controlling(access):
        await user.create_job(parallelism=5)
        await user.check_counts(active=5)
        await user.report(phase_status("", ready=True), 2)
        await user.check_counts(active=5, ready=2)
        await user.end("Failed", 2)
        await user.check_counts(active=5, failed=2)
        await user.end("Succeeded")
        await user.check_counts(active=4, failed=2, succeeded=1)
        await user.end("Failed", 2)
        await user.check_counts(active=2, failed=4, succeeded=1)
        await user.end("Succeeded", 2)
        await user.check_condition("Complete")
        await user.check_counts(failed=4, succeeded=3)
        await user.check_free()


@pytest.mark.asyncio
async def test_pods_that_a_lower_parallelism_removes_are_no_failures() -> None:
    async with api_server() as (_, access), User(access) as user, controlling(access):
        await user.create_job(parallelism=5, backoffLimit=2)
        await user.check_counts(active=5)
        await user.patch_job(parallelism=2)
        await user.check_counts(active=2)
        await user.patch_job(parallelism=4)
        await user.check_counts(active=4)
        await user.end("Succeeded", 4)
        await user.check_condition("Complete")
        await user.check_counts(succeeded=4)
        await user.check_free()
        await user.check_events(*["SuccessfulCreate"] * 7, *["SuccessfulDelete"] * 3, "Completed")


@pytest.mark.asyncio
async def test_results_are_counted_in_shares_of_a_sync() -> None:
    options = limited(Limits(uncounted_pods=10, pod_changes=10, backoff_base_s=0.1))
    async with api_server() as (_, access), User(access) as user, controlling(access, options=options):
        await user.create_job(completions=56, parallelism=54)
        await user.check_counts(active=54)
        await user.report(phase_status("", ready=True), 52)
        await user.check_counts(active=54, ready=52)
        await user.end("Failed", 2)
        await user.check_counts(active=54, ready=50, failed=2)
        await user.end("Succeeded", 53)
        await user.check_counts(active=3, failed=2, succeeded=53)
        await user.end("Succeeded", 3)
        await user.check_condition("Complete")
        await user.check_counts(failed=2, succeeded=56)
        await user.check_free()


@pytest.mark.asyncio
async def test_one_failure_among_successes_fails_the_job_although_the_controller_stopped_meanwhile() -> None:
    async with api_server() as (_, access), User(access) as user:
        async with controlling(access):
            await user.create_job(completions=10, parallelism=10, backoffLimit=0)
            await user.check_counts(active=10)
        await user.end("Failed")
        await user.end("Succeeded", 9)
        async with controlling(access):
            await user.check_condition("Failed", "BackoffLimitExceeded")
            await user.check_counts(failed=1, succeeded=9)
            await user.check_free()


# ---- more results than one status holds, and deaths between the writes ----------------------------------------------


class Nth:
    """Whether this is the n-th command of a kind."""

    def __init__(self, kind: type[Command], number: int) -> None:
        self._kind, self._left = kind, number

    def __call__(self, command: Command) -> bool:
        self._left -= isinstance(command, self._kind)
        return self._left <= 0


@pytest.mark.asyncio
@pytest.mark.parametrize("mode", ["NonIndexed", "Indexed"])
async def test_no_result_is_lost_or_counted_twice_wherever_controllers_die(mode: str) -> None:
    """Each life knows only what the cluster shows: the lists, the counters and the pods that are still held."""
    async with api_server() as (_, access), User(access) as user:
        async with dying(access, Nth(CreatePod, MANY // 2)):
            await user.create_job(completions=MANY, parallelism=MANY, completionMode=mode, backoffLimit=1)
        async with controlling(access):
            await user.check_counts(active=MANY)
        await user.end("Failed")
        await user.end("Succeeded", ALL)
        for kind, number in ((PublishStatus, 1), (ReleasePod, 1), (ReleasePod, 200), (ReleasePod, 150)):
            async with dying(access, Nth(kind, number)):
                pass
        for pod in (await user.pods())[::7]:
            # Whoever takes finalizers off by hand may do so for what a status lists; others would lose the result.
            listed = (await user.job())["status"].get("uncountedTerminatedPods", {})
            if pod["metadata"]["uid"] in (*listed.get("succeeded", ()), *listed.get("failed", ())):
                await user.strip(pod)
                await user.delete_pod(pod, 0)
        async with controlling(access):
            await user.check_counts(active=1, failed=1, succeeded=MANY - 1)
            await user.end("Succeeded")
            await user.check_condition("Complete", "CompletionsReached")
            await user.check_counts(failed=1, succeeded=MANY)
            await user.check_free()
