"""examples/ through `podledger run`: the patterns of the Kubernetes documentation, and its first Job."""

import subprocess
from pathlib import Path

import pytest
from tests.system.podledger_command import podledger

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("indexed-static", ["indexed-static", "Complete", "5/5"]),
        ("queue-one-pod-per-item", ["queue-one-pod-per-item", "Complete", "8/8"]),
        ("queue-variable-pods", ["queue-variable-pods", "Complete", "3/1"]),
    ],
)
def test_a_pattern_ends_well(tmp_path: Path, name: str, row: list[str]) -> None:
    ended = podledger("run", str(EXAMPLES / f"{name}.yaml"), cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1].split()[:3] == row


def test_a_job_per_item_is_made_of_the_template(tmp_path: Path) -> None:
    template = (EXAMPLES / "job-template.yaml").read_text(encoding="utf-8")
    items = ("apple", "banana", "cherry")
    manifest = "---\n".join(template.replace("$ITEM", item) for item in items)
    ended = podledger("run", "-", cwd=tmp_path, stdin=manifest)
    assert ended.returncode == 0, ended.stderr
    assert [line.split()[:3] for line in ended.stdout.splitlines()[-3:]] == [
        [f"process-{item}", "Complete", "1/1"] for item in items
    ]
    assert all(f" | Processing item {item}" in ended.stdout for item in items)


def perl_can() -> bool:
    """Whether this machine's perl computes more than about 1,000 digits."""
    try:
        tried = subprocess.run(["perl", "-Mbignum=bpi", "-e", "print bpi(1200)"], capture_output=True, check=False)
    except OSError:
        return False
    return tried.returncode == 0


def test_the_first_job_of_the_documentation_computes_pi(tmp_path: Path) -> None:
    if not perl_can():
        pytest.skip("needs a perl that computes pi to 2000 digits: apt-get install libmath-bigint-perl")
    ended = podledger("run", str(EXAMPLES / "pi-perl.yaml"), cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[0].partition(" | ")[2].startswith("3.14159265358979323846")
    assert ended.stdout.splitlines()[-1].split()[:3] == ["pi", "Complete", "1/1"]
