"""What is found before anything is submitted: all faults of all documents, each with its place and a way out."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from podledger.api.field_error import FieldError
from podledger_adapters.cli.manifest import read_manifests
from podledger_adapters.cli.preflight import PodCheck, Submission, check_jobs
from podledger_adapters.nodes.process.check import check_pod_spec

GOOD = """\
apiVersion: batch/v1
kind: Job
metadata:
  name: a
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
      - name: main
        image: busybox
        command: [echo, hello]
"""


RESTART_POLICY = (
    'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"; '
    "a Job's pods run to an end: write restartPolicy: Never, or OnFailure to restart in place"
)


def check(
    path: Path, *texts: str, namespace: str | None = None, check_pod: PodCheck | None = None
) -> tuple[list[Submission], list[str]]:
    files: list[str] = []
    for i, text in enumerate(texts):
        file = path / f"{i}.yaml"
        file.write_text(text)
        files.append(str(file))
    objects, unread = read_manifests(files)
    submissions, faults = check_jobs(objects, namespace=namespace, check_pod=check_pod)
    return list(submissions), [str(fault).removeprefix(f"{path}/") for fault in (*unread, *faults)]


def test_a_good_job_is_taken_and_goes_to_the_namespace_asked_for(tmp_path: Path) -> None:
    submissions, faults = check(tmp_path, GOOD, namespace="team")
    assert faults == []
    assert [str(submission.job.key) for submission in submissions] == ["team/a"]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "restartPolicy: Never",
            "restartPolicy: Always",
            f"0.yaml: document 1, line 8, column 7: {RESTART_POLICY}",
        ),
        (
            "      restartPolicy: Never\n",
            "",
            f"0.yaml: document 1, line 7, column 5: {RESTART_POLICY}",
        ),
        (
            "spec:\n  template",
            "spec:\n  parallelism: -1\n  template",
            "0.yaml: document 1, line 6, column 3: spec.parallelism: Invalid value: -1: "
            "must be greater than or equal to 0",
        ),
        (
            "spec:\n  template",
            "spec:\n  paralelism: 1\n  template",
            '0.yaml: document 1, line 6, column 3: unknown field "spec.paralelism"; did you mean parallelism?',
        ),
        (
            "spec:\n  template",
            "spec:\n  zzz: 1\n  template",
            '0.yaml: document 1, line 6, column 3: unknown field "spec.zzz"; remove it',
        ),
        (
            "spec:\n  template",
            "spec:\n  managedBy: kueue.x-k8s.io/multikueue\n  template",
            "0.yaml: document 1, line 6, column 3: spec.managedBy: kueue.x-k8s.io/multikueue manages this Job, "
            "so that a run would wait for ever; take the field out",
        ),
        (
            "kind: Job",
            "kind: Pod",
            "0.yaml: document 1, line 2, column 1: kind: Pod cannot be run, only batch/v1 Jobs can; "
            "take this document out",
        ),
        (
            "kind: Job",
            "kind: job",
            "0.yaml: document 1, line 2, column 1: kind: job cannot be run, only batch/v1 Jobs can; did you mean Job?",
        ),
        (
            "kind: Job",
            "kind: CronJob",
            "0.yaml: document 1, line 2, column 1: kind: CronJob runs for good; say for how long with "
            "--for 5m, or keep it running with podledger serve",
        ),
        (
            "batch/v1",
            "batch/v1beta1",
            "0.yaml: document 1, line 1, column 1: apiVersion: batch/v1beta1 is not served; write apiVersion: batch/v1",
        ),
    ],
)
def test_a_fault_names_its_place_and_the_way_out(tmp_path: Path, old: str, new: str, expected: str) -> None:
    submissions, faults = check(tmp_path, GOOD.replace(old, new))
    assert submissions == []
    assert faults == [expected]


def test_a_wrong_type_is_told_at_its_field(tmp_path: Path) -> None:
    _, (fault,) = check(tmp_path, GOOD.replace("spec:\n  template", "spec:\n  completions: many\n  template"))
    assert fault.startswith("0.yaml: document 1, line 6, column 3: spec.completions: ")


def test_all_faults_of_all_files_are_found(tmp_path: Path) -> None:
    bad = GOOD.replace("name: a", "name: b").replace("kind: Job", "kind: Pod")
    submissions, faults = check(tmp_path, f"{GOOD}---\n{bad}", "a: [", "", GOOD.replace("name: a", "name: A_b"))
    assert len(submissions) == 1
    assert [fault.partition(":")[0] for fault in faults] == ["1.yaml", "2.yaml", "0.yaml", "3.yaml"]
    assert "document 2, line 15, column 1: kind" in faults[2]


def test_a_list_is_unfolded_and_its_paths_begin_with_the_item(tmp_path: Path) -> None:
    item = GOOD.replace("restartPolicy: Never", "restartPolicy: Never\n      nope: 1")
    indented = "".join(f"  {line}\n" for line in item.splitlines())
    text = "apiVersion: v1\nkind: List\nitems:\n- " + indented[2:]
    _, faults = check(tmp_path, text)
    assert faults == [
        '0.yaml: document 1, line 12, column 9: unknown field "items[0].spec.template.spec.nope"; did you mean name?'
    ] or faults == [
        '0.yaml: document 1, line 12, column 9: unknown field "items[0].spec.template.spec.nope"; remove it'
    ]


def test_one_name_given_twice_is_refused_and_the_first_place_named(tmp_path: Path) -> None:
    submissions, faults = check(tmp_path, GOOD, GOOD)
    assert len(submissions) == 1
    assert faults == [
        f"1.yaml: document 1, line 4, column 3: metadata.name: Job default/a is given twice "
        f"(first in {tmp_path}/0.yaml: document 1, line 1, column 1); rename one"
    ]


def test_another_namespace_than_asked_for_is_refused(tmp_path: Path) -> None:
    text = GOOD.replace("name: a", "name: a\n  namespace: prod")
    assert check(tmp_path, text)[1] == []
    _, (fault,) = check(tmp_path, text, namespace="test")
    assert "line 5, column 3: metadata.namespace: prod is not the namespace asked for" in fault


def test_the_node_is_asked_last_and_its_paths_are_the_jobs(tmp_path: Path) -> None:
    no_command = GOOD.replace("        command: [echo, hello]\n", "")
    _, (fault,) = check(tmp_path, no_command, check_pod=check_pod_spec)
    assert "line 10, column 9: spec.template.spec.containers[0].command: Required value" in fault

    def never(spec: Mapping[str, Any], path: str) -> list[FieldError]:
        raise AssertionError("an invalid Job was shown to the node")

    _, faults = check(tmp_path, GOOD.replace("Never", "Always"), check_pod=never)
    assert len(faults) == 1


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "0.yaml: holds no object; write a batch/v1 Job into it"),
        ("# only a comment\n", "0.yaml: holds no object; write a batch/v1 Job into it"),
        ("- a\n", "0.yaml: document 1, line 1, column 1: is a list, but must be an object"),
        ("just text\n", "0.yaml: document 1, line 1, column 1: is a text, but must be an object"),
        ("kind: List\nitems: 3\n", "0.yaml: document 1, line 2, column 1: items: must be the list of the objects"),
        (
            "kind: List\nitems: [3]\n",
            "0.yaml: document 1, line 2, column 9: items[0]: is a number, but must be an object",
        ),
        ("metadata: {}\n", "0.yaml: document 1, line 1, column 1: kind: missing; write kind: Job"),
    ],
)
def test_what_is_no_object_is_told(tmp_path: Path, text: str, fault: str) -> None:
    _, (told,) = check(tmp_path, text)
    assert told.startswith(fault)


def test_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    objects, faults = read_manifests([str(tmp_path / "none.yaml"), str(tmp_path)])
    assert objects == []
    assert [str(fault).removeprefix(str(tmp_path)) for fault in faults] == [
        "/none.yaml: cannot be read: No such file or directory; check the path",
        ": is a directory; name the files in it",
    ]
