"""Jobs that are suspended, handed over, deleted and made anew on an API server, also while no controller runs."""

from typing import Any

import pytest
from tests.kubernetes_server import api_server
from tests.system.kubernetes_user import Json, User, controlling, eventually, now_text, phase_status

from podledger import Controller, ControllerOptions
from podledger.controller import EVERY_JOB
from podledger.job.names import FINALIZER
from podledger.log.memory import MemoryLedger

OTHER = "example.com/other-controller"
SLOW = ControllerOptions(managed_by=EVERY_JOB, sync_batch_period_s=0.5)
"""A result is still waiting to be counted when what follows it happens."""


# ---- suspension -----------------------------------------------------------------------------------------------------


def suspended(status: Json) -> str | None:
    """The Suspended condition's status."""
    found = [each["status"] for each in status.get("conditions", ()) if each["type"] == "Suspended"]
    return found[0] if found else None


@pytest.mark.asyncio
@pytest.mark.parametrize("kept", [True, False], ids=["ledger kept", "ledger lost"])
async def test_a_job_is_suspended_and_resumed_by_different_lives_of_the_controller(*, kept: bool) -> None:
    ledger = MemoryLedger() if kept else None
    async with api_server() as (_, access), User(access) as user:
        async with controlling(access, ledger):
            await user.create_job(completions=4, parallelism=2)
            status = await user.check_counts(active=2)
            assert (suspended(status), "startTime" in status) == (None, True)
        await user.patch_job(suspend=True)
        async with controlling(access, ledger):
            job = await user.until("Suspended", lambda job: suspended(job["status"]) == "True")
            assert "startTime" not in job["status"]
            await user.check_counts()
        async with controlling(access, ledger):
            await user.patch_job(suspend=False)
            await user.until("resumed", lambda job: suspended(job["status"]) == "False")
            status = await user.check_counts(active=2)
            assert [each["reason"] for each in status["conditions"]] == ["JobResumed"]
            await user.end("Succeeded", 2)
            await user.check_counts(active=2, succeeded=2)
            await user.end("Succeeded", 2)
            await user.check_condition("Complete")
        made = ["SuccessfulCreate"] * 6 + ["SuccessfulDelete"] * 2
        await user.check_events(*made, "Suspended", "Resumed", "Completed")


@pytest.mark.asyncio
async def test_a_job_created_suspended_takes_new_directives_and_resources_until_it_is_resumed() -> None:
    async with api_server() as (_, access), User(access) as user, controlling(access):
        await user.create_job(suspend=True, template={"spec": {"nodeSelector": {"kind": "any"}}})
        job = await user.until("Suspended", lambda job: suspended(job["status"]) == "True")
        assert ("startTime" in job["status"], await user.pods()) == (False, [])
        await user.check_events("Suspended")
        template = job["spec"]["template"]
        template["spec"]["nodeSelector"] = {"kind": "fast"}
        template["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "2"}}
        await user.patch_job(suspend=False, template=template)
        await user.check_counts(active=1)
        (pod,) = await user.pods()
        assert pod["spec"]["nodeSelector"] == {"kind": "fast"}
        assert pod["spec"]["containers"][0]["resources"] == {"requests": {"cpu": "2"}}
        for change in ({"nodeSelector": {"kind": "any"}}, {"containers": [{"name": "foo", "image": "other"}]}):
            patch = {"spec": {"template": {"spec": change}}}
            code, answer = await user.call("PATCH", "jobs/job", patch, "merge-patch+json")
            assert (code, answer["reason"]) == (422, "Invalid")
            assert "spec.template: Invalid value" in answer["message"]
            assert "field is immutable" in answer["message"]


@pytest.mark.asyncio
async def test_a_deadline_runs_from_the_resumption() -> None:
    async with api_server() as (_, access), User(access) as user, controlling(access):
        await user.create_job(suspend=True, activeDeadlineSeconds=1)
        await user.until("Suspended", lambda job: suspended(job["status"]) == "True")
        await user.patch_job(suspend=False)
        status = await user.check_condition("Failed", "DeadlineExceeded")
        times = {each["type"]: each["lastTransitionTime"] for each in status["conditions"]}
        assert times["FailureTarget"] > status["startTime"]
        assert "completionTime" not in status


# ---- managedBy ------------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
@pytest.mark.parametrize("spec", [{}, {"managedBy": "kubernetes.io/job-controller"}], ids=["unset", "reserved"])
async def test_jobs_of_the_built_in_controller_are_ours_where_we_stand_in_for_it(spec: dict[str, Any]) -> None:
    async with api_server() as (_, access), User(access) as user, controlling(access):
        await user.create_job(**spec)
        await user.check_counts(active=1)


@pytest.mark.asyncio
@pytest.mark.parametrize("suspend", [False, True])
async def test_a_job_of_another_controller_is_not_touched_nor_are_its_pods(*, suspend: bool) -> None:
    async with api_server() as (_, access), User(access) as user, controlling(access) as controller:
        job = await user.create_job(suspend=suspend, managedBy=OTHER)
        owner = {"apiVersion": "batch/v1", "kind": "Job", "name": "job", "uid": user.uid, "controller": True}
        meta = {"name": "pod", "labels": job["spec"]["template"]["metadata"]["labels"], "finalizers": [FINALIZER]}
        pod = {"metadata": {**meta, "ownerReferences": [owner]}, "spec": job["spec"]["template"]["spec"]}
        created = await user.must("POST", "pods", {"apiVersion": "v1", "kind": "Pod", **pod})
        await user.put_status(created, phase_status("Succeeded"))
        met = {"type": "SuccessCriteriaMet", "status": "True", "lastTransitionTime": now_text()}
        status = {"conditions": [met], "startTime": now_text()}
        await user.must("PATCH", "jobs/job/status", {"status": status}, "merge-patch+json")
        before = [await user.job(), await user.pods()]
        await until_settled(user, controller)
        assert [await user.job(), await user.pods()] == before


async def until_settled(user: User, controller: Controller) -> None:
    """Wait until the controller has done what it does for a Job that was created after all else."""
    job = {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "foo", "image": "bar"}]}}}
    body = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "last"}, "spec": {**job, "completions": 0}}
    await user.must("POST", "jobs", body)

    async def look() -> bool:
        status = (await user.must("GET", "jobs/last"))["status"]
        return "completionTime" in status and controller.queue_depth == 0

    await eventually(look, lambda: f"settled; there is {controller!r}")


@pytest.mark.asyncio
async def test_a_job_made_anew_for_another_controller_is_not_taken_for_the_old_one() -> None:
    """The old one's last result waits to be counted when the new one is there."""
    async with api_server() as (_, access), User(access) as user, controlling(access, options=SLOW) as controller:
        await user.create_job()
        await user.check_counts(active=1)
        await user.end("Succeeded")
        await user.delete_job("Background")
        await user.create_job(managedBy=OTHER)
        await user.check_free()
        await until_settled(user, controller)
        assert (await user.job())["status"] == {}
        assert await user.pods() == []


@pytest.mark.asyncio
@pytest.mark.parametrize("kept", [True, False], ids=["ledger kept", "ledger lost"])
async def test_a_job_made_anew_under_its_name_inherits_neither_counts_nor_back_off(*, kept: bool) -> None:
    ledger = MemoryLedger() if kept else None
    long = ControllerOptions(managed_by=EVERY_JOB, sync_batch_period_s=0.02)
    async with api_server() as (_, access), User(access) as user:
        async with controlling(access, ledger, options=long):
            await user.create_job(backoffLimit=3)
            await user.check_counts(active=1)
            await user.end("Failed")
            await user.check_counts(failed=1)
        await user.delete_job("Background")
        await user.create_job(backoffLimit=0)
        async with controlling(access, ledger, options=long):
            await user.check_counts(active=1)
            await user.end("Succeeded")
            await user.check_condition("Complete")
            await user.check_counts(succeeded=1)
            await user.check_free()


# ---- deletion -------------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
@pytest.mark.parametrize("down", [False, True], ids=["", "while no controller runs"])
@pytest.mark.parametrize("propagation", ["Orphan", "Background", "Foreground", None])
async def test_no_pod_of_a_deleted_job_is_held(propagation: str | None, *, down: bool) -> None:
    async with api_server() as (_, access), User(access) as user:
        async with controlling(access):
            await user.create_job(parallelism=2)
            await user.check_counts(active=2)
            if not down:
                await user.delete_job(propagation)
                await user.check_free()
        if down:
            await user.delete_job(propagation)
        async with controlling(access):
            await user.check_free()
            await user.check_gone(pods=2 if propagation in ("Orphan", None) else 0)


@pytest.mark.asyncio
async def test_pods_are_freed_when_a_job_fails_while_they_are_still_being_created() -> None:
    async with api_server() as (_, access), User(access) as user, controlling(access):
        await user.create_job(completions=100, parallelism=100, completionMode="Indexed", backoffLimit=0)

        async def look() -> bool:
            return bool(await user.pods())

        await eventually(look, lambda: "a pod")
        await user.end("Failed")
        await user.check_condition("Failed", "BackoffLimitExceeded")
        await user.check_free()


@pytest.mark.asyncio
async def test_a_finished_job_without_time_to_live_goes_with_its_pods() -> None:
    async with api_server() as (_, access), User(access) as user, controlling(access):
        await user.create_job(ttlSecondsAfterFinished=0, template={"spec": {"nodeName": "node-1"}})
        await user.check_counts(active=1)
        await user.end("Succeeded")
        await user.check_free()
        await user.check_gone()
