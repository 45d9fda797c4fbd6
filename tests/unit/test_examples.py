"""The manifests in examples/ are ones Kubernetes takes, and what their containers run does what they say."""

import subprocess
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from podledger.api import Job
from podledger.api.decode import decode_cronjob, decode_job
from podledger.api.defaults import prepare_for_create, with_cronjob_defaults
from podledger.api.document import job_document
from podledger.api.validation import validate_cronjob, validate_job

EXAMPLES = Path(__file__).parents[2] / "examples"
MANIFESTS = sorted(path.name for path in EXAMPLES.glob("*.yaml"))
PATTERNS = {
    "cron.yaml",
    "indexed-static.yaml",
    "job-template.yaml",
    "pi-perl.yaml",
    "pi.yaml",
    "queue-one-pod-per-item.yaml",
    "queue-variable-pods.yaml",
}
NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


def documents(name: str) -> list[dict[str, Any]]:
    """The documents of an example; a template is expanded for one item."""
    text = (EXAMPLES / name).read_text(encoding="utf-8").replace("$ITEM", "apple")
    return [document for document in yaml.safe_load_all(text) if document["kind"] == "Job"]


def created(document: dict[str, Any]) -> Job:
    """The Job of a document as it reaches validation."""
    return prepare_for_create(decode_job(document), uid="u-1", now=NOW)


def run(name: str, folder: Path, **environment: str) -> str:
    """What the only container of an example prints, run in a folder."""
    (container,) = job_document(created(documents(name)[0]))["spec"]["template"]["spec"]["containers"]
    command = [*container["command"], *container.get("args", ())]
    path = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
    done = subprocess.run(
        command, cwd=folder, env=path | environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_examples_are_all_there() -> None:
    assert set(MANIFESTS) >= PATTERNS


@pytest.mark.parametrize("name", MANIFESTS)
def test_an_example_is_valid(name: str) -> None:
    text = (EXAMPLES / name).read_text(encoding="utf-8")
    assert text.startswith("# "), "an example opens with a comment that says what it shows"
    for document in documents(name):
        assert validate_job(created(document)) == []


def test_the_cronjob_is_valid_and_is_no_job() -> None:
    (document,) = yaml.safe_load_all((EXAMPLES / "cron.yaml").read_text(encoding="utf-8"))
    assert validate_cronjob(with_cronjob_defaults(decode_cronjob(document))) == []
    assert documents("cron.yaml") == []


def test_the_template_becomes_one_job_per_item() -> None:
    text = (EXAMPLES / "job-template.yaml").read_text(encoding="utf-8")
    names = [decode_job(yaml.safe_load(text.replace("$ITEM", item))).key.name for item in ("apple", "banana")]
    assert names == ["process-apple", "process-banana"]


def test_pi_prints_2000_digits_in_one_line(tmp_path: Path) -> None:
    lines = run("pi.yaml", tmp_path).splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("3.14159265358979323846264338327950288419716939937510")
    # Decimals 991 to 1000 and the end, rounded, as `perl -MMath::BigFloat` has them.
    assert lines[0][2:][990:1000] == "2164201989"
    assert lines[0].endswith("780275901")
    assert len(lines[0]) == 2001


@pytest.mark.parametrize(("index", "said"), [("0", "foo backwards is oof"), ("4", "xyz backwards is zyx")])
def test_an_indexed_pod_finds_its_part(index: str, said: str, tmp_path: Path) -> None:
    assert said in run("indexed-static.yaml", tmp_path, JOB_COMPLETION_INDEX=index)


def test_each_pod_of_the_queue_takes_one_item_and_no_two_take_the_same(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        said = list(pool.map(run, ["queue-one-pod-per-item.yaml"] * 8, [tmp_path] * 8))
    taken = [line for text in said for line in text.splitlines() if line.startswith("processing ")]
    assert len(taken) == len(set(taken)) == 8
    assert sorted(path.name for path in (tmp_path / "queue-of-items" / "done").iterdir())[0] == "apple"


def test_workers_drain_the_queue_together(tmp_path: Path) -> None:
    with ThreadPoolExecutor(3) as pool:
        said = "".join(pool.map(run, ["queue-variable-pods.yaml"] * 3, [tmp_path] * 3))
    squares = [line for line in said.splitlines() if " squared is " in line]
    assert len(squares) == len(set(squares)) == 30
    assert said.count("the queue is empty") == 3
