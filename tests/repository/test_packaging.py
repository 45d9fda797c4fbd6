"""What ships: the wheel and the source distribution hold what they need and nothing else."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from tests.repository.tree import ROOT, tracked_files

SHIPPED_TOPS = {
    ".ci", ".gitignore", "CHANGELOG.md", "LICENSE", "Makefile", "PKG-INFO", "README.md",
    "adapters", "benchmarks", "engine", "examples", "pyproject.toml", "tests",
}  # fmt: skip


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> tuple[set[str], set[str]]:
    """The names of the files in the source distribution and in the wheel, built as for a release."""
    out = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(out)], cwd=ROOT, check=True, capture_output=True
    )
    sdist, wheel = next(out.glob("*.tar.gz")), next(out.glob("*.whl"))
    with tarfile.open(sdist) as archive:
        in_sdist = {str(Path(*Path(name).parts[1:])) for name in archive.getnames()}
    with zipfile.ZipFile(wheel) as archive:
        in_wheel = set(archive.namelist())
    return in_sdist, in_wheel


def test_the_wheel_holds_every_file_of_the_two_packages(distributions: tuple[set[str], set[str]]) -> None:
    _, wheel = distributions
    roots = ("engine/podledger/", "adapters/podledger_adapters/")
    tracked = {str(path).split("/", 1)[1] for path in tracked_files() if str(path).startswith(roots)}
    if not tracked:
        pytest.skip("no git checkout: what belongs to the packages is unknown")
    assert tracked - wheel == set()


@pytest.mark.parametrize(
    "file",
    [
        "podledger/py.typed",
        "podledger_adapters/py.typed",
        "podledger/log/schema.sql",
        "podledger/api/fields/fields.json",
        "podledger_adapters/server/openapi/descriptions/batch.json",
        "podledger_adapters/server/openapi/required.json",
    ],
)
def test_the_wheel_holds_what_is_no_python(distributions: tuple[set[str], set[str]], file: str) -> None:
    assert file in distributions[1]


def test_the_wheel_holds_nothing_else(distributions: tuple[set[str], set[str]]) -> None:
    tops = {name.split("/")[0] for name in distributions[1]}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"podledger", "podledger_adapters"}


def test_the_source_distribution_holds_what_building_and_testing_need(
    distributions: tuple[set[str], set[str]],
) -> None:
    sdist, _ = distributions
    assert {name.split("/")[0] for name in sdist} <= SHIPPED_TOPS
    assert {
        "tests/conftest.py",
        "benchmarks/__main__.py",
        "examples/pi.yaml",
        "LICENSE",
        "Makefile",
        ".ci/venv",
    } <= sdist
    assert not [name for name in sdist if name.endswith((".pyc", ".db"))]
