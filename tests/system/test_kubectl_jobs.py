"""kubectl, unmodified, with Jobs that run: the commands of Kubernetes' own documentation about Jobs."""

import json
import re
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from tests.system.podledger_command import job
from tests.system.serving import Served, require_kubectl, serve

pytestmark = require_kubectl

PI = """
apiVersion: batch/v1
kind: Job
metadata:
  name: pi
spec:
  template:
    spec:
      containers:
      - name: pi
        image: perl:5.34.0
        command: ["sh", "-c", "echo 3.1415926; sleep 1"]
      restartPolicy: Never
  backoffLimit: 4
"""
SLEEPER = ["sh", "-c", "echo started; exec sleep 600"]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    """One server for all tests here; each works in a namespace of its own."""
    with serve(tmp_path_factory.mktemp("kubectl")) as running:
        yield running


class Namespace:
    """kubectl in one namespace."""

    def __init__(self, served: Served, name: str) -> None:
        self.served, self.name = served, name

    def __call__(self, *words: str, stdin: str | None = None, **environment: str) -> str:
        return self.served.kubectl("--namespace", self.name, *words, stdin=stdin, **environment)

    def get(self, *words: str) -> Any:
        """What `kubectl get WORDS -o json` says."""
        return json.loads(self("get", *words, "-o", "json"))

    def until_running(self, job_name: str, count: int = 1) -> list[dict[str, Any]]:
        """The pods of a Job, once so many of them run."""
        end = time.monotonic() + 30
        while True:
            pods = self.get("pods", "--selector", f"job-name={job_name}")["items"]
            running = [pod for pod in pods if pod["status"]["phase"] == "Running"]
            if len(running) >= count:
                return running
            assert time.monotonic() < end, pods
            time.sleep(0.1)

    def create(self, name: str, command: list[str], **spec: Any) -> None:
        """Create a Job."""
        self("create", "-f", "-", stdin=json.dumps(job(name, command, **spec)))


@pytest.fixture
def kubectl(served: Served, request: pytest.FixtureRequest) -> Namespace:
    name = "t-" + re.sub("[^a-z0-9]+", "-", request.node.name.lower()).strip("-")[-50:]
    served.kubectl("create", "namespace", name)
    return Namespace(served, name)


def test_apply_again_and_changed_then_wait_and_read(kubectl: Namespace) -> None:
    assert kubectl("apply", "-f", "-", stdin=PI) == "job.batch/pi created\n"
    assert kubectl("apply", "-f", "-", stdin=PI) == "job.batch/pi unchanged\n"
    changed = PI.replace("backoffLimit: 4", "backoffLimit: 5")
    assert kubectl("apply", "-f", "-", stdin=changed) == "job.batch/pi configured\n"
    assert kubectl("wait", "--for=condition=complete", "job/pi", "--timeout=30s") == "job.batch/pi condition met\n"
    head, row = kubectl("get", "jobs").splitlines()
    assert head.split() == ["NAME", "STATUS", "COMPLETIONS", "DURATION", "AGE"]
    assert row.split()[:3] == ["pi", "Complete", "1/1"]
    wide = kubectl("get", "jobs", "-o", "wide").splitlines()[1].split()
    assert wide[5:7] == ["pi", "perl:5.34.0"]
    assert "backoffLimit: 5" in kubectl("get", "job", "pi", "-o", "yaml")
    pods = kubectl("get", "pods", "--selector=job-name=pi", "--output=jsonpath={.items[*].metadata.name}")
    assert kubectl("logs", pods) == "3.1415926\n"
    assert kubectl("logs", "job/pi") == "3.1415926\n"
    described = kubectl("describe", "jobs/pi")
    assert re.search(r"Pods Statuses: +0 Active \(0 Ready\) / 1 Succeeded / 0 Failed", described)
    assert re.search(rf"Normal +SuccessfulCreate .* job-controller +Created pod: {pods}", described)
    assert re.search(r"Normal +Completed .* job-controller +Job completed", described)


def test_logs_follow_until_the_end(kubectl: Namespace) -> None:
    kubectl.create("talk", ["sh", "-c", "for i in 1 2 3; do echo $i; sleep 1.1; done"])
    kubectl.until_running("talk")
    assert kubectl("logs", "-f", "job/talk") == "1\n2\n3\n"
    assert kubectl("logs", "job/talk", "--tail=1") == "3\n"
    stamped = kubectl("logs", "job/talk", "--timestamps").splitlines()
    times = [line.partition(" ")[0] for line in stamped]
    assert [line.partition(" ")[2] for line in stamped] == ["1", "2", "3"]
    assert times == sorted(times)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", each) for each in times)
    assert kubectl("logs", "job/talk", "--since=1h") == "1\n2\n3\n"
    assert kubectl("logs", "job/talk", f"--since-time={times[2]}") == "3\n"


def test_a_suspended_job_is_resumed(kubectl: Namespace) -> None:
    kubectl.create("rest", SLEEPER)
    kubectl.until_running("rest")
    assert kubectl("patch", "job/rest", "--type=strategic", "-p", '{"spec":{"suspend":true}}') == (
        "job.batch/rest patched\n"
    )
    kubectl("wait", "--for=condition=Suspended", "job/rest", "--timeout=30s")
    kubectl("wait", "--for=delete", "pod", "--selector=job-name=rest", "--timeout=60s")
    kubectl("patch", "job/rest", "--type=json", "-p", '[{"op":"replace","path":"/spec/suspend","value":false}]')
    kubectl.until_running("rest")
    events = kubectl("events", "--for", "job/rest")
    assert re.search(r"Normal +Suspended +Job/rest +Job suspended", events)
    assert re.search(r"Normal +Resumed +Job/rest +Job resumed", events)
    assert "Suspended" in kubectl("get", "events")
    kubectl("delete", "job", "rest")


def test_watching_shows_each_state(kubectl: Namespace) -> None:
    kubectl.create("seen", ["sh", "-c", "sleep 1"])
    shown = kubectl("get", "job", "seen", "-w", "--request-timeout=6s")
    states = [line.split()[1] for line in shown.splitlines()[1:]]
    assert states[0] == "Running"
    assert states[-1] == "Complete"


def test_edit_label_annotate_and_diff(kubectl: Namespace) -> None:
    kubectl("apply", "-f", "-", stdin=PI)
    assert kubectl("label", "job", "pi", "team=a") == "job.batch/pi labeled\n"
    assert kubectl("annotate", "job", "pi", "note=b") == "job.batch/pi annotated\n"
    editor = "sed -i 's/backoffLimit: 4/backoffLimit: 7/'"
    assert kubectl("edit", "job", "pi", EDITOR=editor) == "job.batch/pi edited\n"
    stored = kubectl.get("job", "pi")
    assert stored["spec"]["backoffLimit"] == 7
    assert stored["metadata"]["labels"]["team"] == "a"
    assert stored["metadata"]["annotations"]["note"] == "b"
    changed = PI.replace("backoffLimit: 4", "backoffLimit: 9")
    words = ("--namespace", kubectl.name, "diff", "-f", "-")
    diff = kubectl.served.try_kubectl(*words, stdin=changed)
    assert diff.returncode == 1, diff.stderr
    assert "+  backoffLimit: 9" in diff.stdout
    assert kubectl.get("job", "pi")["spec"]["backoffLimit"] == 7


def test_server_side_apply_takes_over_from_client_side(kubectl: Namespace) -> None:
    kubectl("apply", "-f", "-", stdin=PI)
    assert kubectl("apply", "--server-side", "-f", "-", stdin=PI) == "job.batch/pi serverside-applied\n"
    other = PI.replace("backoffLimit: 4", "backoffLimit: 8")
    words = ("--namespace", kubectl.name, "apply", "--server-side", "--field-manager=other", "-f", "-")
    refused = kubectl.served.try_kubectl(*words, stdin=other)
    assert refused.returncode == 1
    assert 'conflict with "kubectl": .spec.backoffLimit' in refused.stderr
    kubectl(*words[2:], "--force-conflicts", stdin=other)
    stored = json.loads(kubectl("get", "job", "pi", "-o", "json", "--show-managed-fields"))
    assert stored["spec"]["backoffLimit"] == 8
    owners = [each["manager"] for each in stored["metadata"]["managedFields"] if each["operation"] == "Apply"]
    assert {"kubectl", "other"} <= set(owners)


def test_jobs_made_by_commands(kubectl: Namespace) -> None:
    assert kubectl("create", "job", "hello", "--image=busybox", "--", "echo", "hi") == "job.batch/hello created\n"
    kubectl("wait", "--for=condition=complete", "job/hello", "--timeout=30s")
    assert kubectl("logs", "job/hello") == "hi\n"
    kubectl("create", "cronjob", "echo", "--image=busybox", "--schedule=0 0 1 1 *", "--", "echo", "this a job")
    assert kubectl("create", "job", "manual", "--from=cronjob/echo") == "job.batch/manual created\n"
    kubectl("wait", "--for=condition=complete", "job/manual", "--timeout=30s")
    assert kubectl("logs", "job/manual") == "this a job\n"
    stored = kubectl.get("job", "manual")
    assert stored["metadata"]["annotations"]["cronjob.kubernetes.io/instantiate"] == "manual"
    assert kubectl("get", "cronjobs").splitlines()[1].split()[:6] == ["echo", "0", "0", "1", "1", "*"]


def test_a_bare_pod_is_restarted_and_its_last_run_can_be_read(kubectl: Namespace) -> None:
    kubectl("run", "bare", "--image=busybox", "--command", "--", "sh", "-c", "echo again; sleep 1; exit 3")
    end = time.monotonic() + 30
    while not kubectl.get("pod", "bare")["status"]["containerStatuses"][0]["restartCount"]:
        assert time.monotonic() < end
        time.sleep(0.2)
    assert kubectl("logs", "bare", "--previous") == "again\n"
    assert kubectl("delete", "pod", "bare", "--grace-period=1") == 'pod "bare" deleted\n'


def test_running_pods_are_handed_from_one_job_to_another(kubectl: Namespace) -> None:
    kubectl.create("old", SLEEPER, parallelism=2, completions=2)
    kubectl.until_running("old", 2)
    uid = kubectl.get("job", "old")["metadata"]["uid"]
    assert kubectl("delete", "jobs/old", "--cascade=orphan") == 'job.batch "old" deleted\n'
    before = {pod["metadata"]["uid"] for pod in kubectl.until_running("old", 2)}
    new = job("new", SLEEPER, parallelism=2, completions=2)
    labels = {"batch.kubernetes.io/controller-uid": uid}
    new["spec"] |= {"manualSelector": True, "selector": {"matchLabels": labels}}
    new["spec"]["template"]["metadata"] = {"labels": labels}
    kubectl("create", "-f", "-", stdin=json.dumps(new))
    kubectl("wait", "--for=jsonpath={.status.active}=2", "job/new", "--timeout=30s")
    pods = kubectl.until_running("old", 2)
    assert {pod["metadata"]["uid"] for pod in pods} == before
    assert {pod["metadata"]["ownerReferences"][0]["name"] for pod in pods} == {"new"}
    kubectl("delete", "job", "new")


def test_deletions_take_pods_along_or_wait_for_them(kubectl: Namespace) -> None:
    quick = {"terminationGracePeriodSeconds": 1}
    for name in ("plain", "front"):
        kubectl("create", "-f", "-", stdin=json.dumps(job(name, SLEEPER, pod=quick)))
        kubectl.until_running(name)
    assert kubectl("delete", "job", "plain") == 'job.batch "plain" deleted\n'
    assert kubectl("delete", "job", "front", "--cascade=foreground") == 'job.batch "front" deleted\n'
    assert kubectl.get("pods", "--selector=job-name=front")["items"] == []
    manifest = kubectl.served.write("pi.yaml", job("pi", ["true"]))
    kubectl("apply", "-f", manifest)
    assert kubectl("delete", "-f", manifest) == 'job.batch "pi" deleted\n'


def test_what_kubectl_asks_of_the_server_itself(served: Served) -> None:
    assert "KIND:       Job" in served.kubectl("explain", "job.spec.backoffLimit")
    listed = {line.split()[0] for line in served.kubectl("api-resources", "--api-group=batch").splitlines()[1:]}
    assert listed == {"cronjobs", "jobs"}
    assert served.kubectl("auth", "can-i", "create", "jobs") == "yes\n"
    assert "Server Version: v1.36" in served.kubectl("version")
    missing = served.try_kubectl("get", "job", "nope")
    assert missing.stderr == 'Error from server (NotFound): jobs.batch "nope" not found\n'


def test_waiting_as_newer_kubectls_do(kubectl: Namespace) -> None:
    kubectl.create("new", ["sh", "-c", "sleep 1"])
    streaming = {"KUBE_FEATURE_WatchListClient": "true"}
    words = ("wait", "--for=condition=complete", "job/new", "--timeout=30s")
    assert kubectl(*words, **streaming) == "job.batch/new condition met\n"
    assert kubectl("delete", "job", "new", **streaming) == 'job.batch "new" deleted\n'


def test_a_job_that_is_wrong_is_refused_in_kubernetes_words(kubectl: Namespace) -> None:
    wrong = job("wrong", ["true"])
    wrong["spec"]["template"]["spec"]["restartPolicy"] = "Always"
    words = ("--namespace", kubectl.name, "create", "-f", "-")
    refused = kubectl.served.try_kubectl(*words, stdin=json.dumps(wrong))
    assert refused.stderr == (
        'The Job "wrong" is invalid: spec.template.spec.restartPolicy: Required value: '
        'valid values: "OnFailure", "Never"\n'
    )
    wrong["spec"]["bogus"] = 1
    refused = kubectl.served.try_kubectl(*words, stdin=json.dumps(wrong))
    assert 'strict decoding error: unknown field "spec.bogus"' in refused.stderr


def test_a_namespace_is_emptied_before_it_goes(kubectl: Namespace) -> None:
    kubectl("create", "-f", "-", stdin=json.dumps(job("in", SLEEPER, pod={"terminationGracePeriodSeconds": 1})))
    kubectl.until_running("in")
    assert kubectl("delete", "namespace", kubectl.name) == f'namespace "{kubectl.name}" deleted\n'
    assert kubectl.get("jobs,pods")["items"] == []


def test_the_kubeconfig_is_its_owners_alone(served: Served) -> None:
    assert served.kubeconfig.stat().st_mode & 0o777 == 0o600
    for path in served.kubeconfig.parent.iterdir():
        assert path.stat().st_mode & 0o077 == 0, path
    assert not (Path(served.directory) / ".kube" / "config").exists()
