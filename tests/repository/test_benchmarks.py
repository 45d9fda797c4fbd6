"""No benchmark rots: each runs at its small size, yields all its figures, and produces the same thing twice."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.harness import (
    DEFAULT_SEED,
    Benchmark,
    Measured,
    at_least,
    at_most,
    benchmark,
    digest_of,
    discover,
    figure,
    judge,
)
from tests.repository.tree import ROOT

BENCHMARKS = discover()


@pytest.mark.parametrize("each", BENCHMARKS.values(), ids=lambda each: each.name)
def test_a_small_run_yields_its_figures_and_the_same_result_twice(each: Benchmark) -> None:
    first, second = each.run("small", DEFAULT_SEED), each.run("small", DEFAULT_SEED)
    assert all(math.isfinite(value) and value >= 0 for value in first.values.values())
    assert first.digest == second.digest
    assert each.about
    assert each.not_shown.endswith(".")


def test_figures_are_held_against_their_budgets() -> None:
    figures = [at_least("a", 100, "x/s"), at_most("a/cost", 2, "ms"), figure("a/n", "x")]
    over, cost, plain = judge(figures, {"a": 50, "a/cost": 1, "a/n": 3})
    assert (over.ratio, over.met) == (0.5, False)
    assert (cost.ratio, cost.met) == (0.5, True)
    assert (plain.budget, plain.ratio, plain.met) == (None, None, None)


def test_a_name_is_registered_once_and_names_its_figures() -> None:
    taken = next(iter(BENCHMARKS))
    with pytest.raises(ValueError, match="already"):
        benchmark(taken, figures=[figure(taken, "x")], small=1, full=2, not_shown="Nothing.")
    with pytest.raises(ValueError, match="figures of new are named"):
        benchmark("new", figures=[figure("old", "x")], small=1, full=2, not_shown="Nothing.")


def test_a_benchmark_that_does_not_yield_its_figures_is_told() -> None:
    liar = Benchmark("liar", "", [figure("liar", "x")], {"small": lambda _: Measured({}, digest_of())}, "Nothing.")
    with pytest.raises(ValueError, match="liar promised"):
        liar.run("small", 1)


def test_the_command_line_writes_results_as_json(tmp_path: Path) -> None:
    name = next(iter(BENCHMARKS))
    out = tmp_path / "results.json"
    command = [sys.executable, "-m", "benchmarks", name, "--size", "small", "--json", str(out)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert f"seed {DEFAULT_SEED}" in ran.stdout
    first = json.loads(out.read_text())["results"][0]
    assert first["name"] == name
    assert set(first) == {"name", "value", "unit", "budget", "ratio", "met"}


def test_an_unknown_name_is_wrong_usage() -> None:
    command = [sys.executable, "-m", "benchmarks", "nonsense"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert "no benchmark is called nonsense" in ran.stderr
