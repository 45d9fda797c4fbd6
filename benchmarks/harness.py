"""What a benchmark is, how it is registered, and how its figures are held against their budgets.

A benchmark is one function from (size, seed) to `Measured`: it sets up, measures with `stopwatch` what it is about,
and returns its figures and a digest of what the measured work produced, so that a change of behaviour shows beside a
change of speed. It has a small size, which the tests run so that none rots, and a full one, for which the budgets are
meant. Each states what it does not show. Running them, each in a fresh process, and printing is `__main__.py`.
"""

import hashlib
import importlib
import pkgutil
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Literal, TypeVar

import msgspec
from msgspec import Struct

import benchmarks

__all__ = [
    "DEFAULT_SEED",
    "Benchmark",
    "Elapsed",
    "Figure",
    "Measured",
    "Result",
    "SizeName",
    "at_least",
    "at_most",
    "benchmark",
    "digest_of",
    "discover",
    "figure",
    "judge",
    "stopwatch",
]

DEFAULT_SEED = 7

SizeName = Literal["small", "full"]
S = TypeVar("S")


class Figure(Struct, frozen=True):
    """One number a benchmark yields, and its budget: `limit` in `unit`, None where there is none."""

    name: str
    unit: str
    limit: float | None = None
    sense: Literal["at least", "at most"] = "at least"


def at_least(name: str, limit: float, unit: str) -> Figure:
    """A figure that should not be below its budget."""
    return Figure(name, unit, limit, "at least")


def at_most(name: str, limit: float, unit: str) -> Figure:
    """A figure that should not be above its budget."""
    return Figure(name, unit, limit, "at most")


def figure(name: str, unit: str) -> Figure:
    """A figure without a budget."""
    return Figure(name, unit)


class Measured(Struct, frozen=True):
    """What one run yields: a value for every figure, by the figure's name, and the digest of what was produced.

    `detail` is anything else worth a line in the report.
    """

    values: Mapping[str, float]
    digest: str
    detail: Mapping[str, str] = {}


class Result(Struct, frozen=True):
    """One figure held against its budget. `ratio` is value / budget; all three are None without one.

    A budget of zero has no ratio.
    """

    name: str
    value: float
    unit: str
    budget: float | None
    ratio: float | None
    met: bool | None


class Benchmark:
    """A registered benchmark; made by the decorator `benchmark`. `runs` has what to call with the seed, by size."""

    def __init__(
        self,
        name: str,
        about: str,
        figures: Sequence[Figure],
        runs: Mapping[SizeName, Callable[[int], Measured]],
        not_shown: str,
    ) -> None:
        self.name, self.about, self.figures, self.not_shown = name, about, tuple(figures), not_shown
        self._runs = runs

    @property
    def has_budget(self) -> bool:
        """Whether any figure has a budget."""
        return any(figure.limit is not None for figure in self.figures)

    def run(self, size: SizeName, seed: int) -> Measured:
        """Run it once, here. Raises ValueError if it does not yield exactly the figures it promised."""
        measured = self._runs[size](seed)
        promised = {figure.name for figure in self.figures}
        if set(measured.values) != promised:
            raise ValueError(f"{self.name} promised the figures {promised} and yielded {set(measured.values)}")
        return measured


_registry: dict[str, Benchmark] = {}


def benchmark(
    name: str, *, figures: Sequence[Figure], small: S, full: S, not_shown: str
) -> Callable[[Callable[[S, int], Measured]], Callable[[S, int], Measured]]:
    """Register a function of (size, seed) as a benchmark.

    The first figure has the benchmark's own name, further ones `name/what`. `not_shown` says in a sentence what the
    numbers must not be taken for. Raises ValueError for a name that is taken or figures that are not named so.
    """
    if name in _registry:
        raise ValueError(f"there is a benchmark {name} already")
    if figures[0].name != name or any(not each.name.startswith(f"{name}/") for each in figures[1:]):
        raise ValueError(f"the figures of {name} are named {name}, {name}/...")

    def register(run: Callable[[S, int], Measured]) -> Callable[[S, int], Measured]:
        about = (run.__doc__ or "").strip().partition("\n")[0]
        runs: dict[SizeName, Callable[[int], Measured]] = {"small": partial(run, small), "full": partial(run, full)}
        _registry[name] = Benchmark(name, about, figures, runs, not_shown)
        return run

    return register


def discover() -> Mapping[str, Benchmark]:
    """Import every bench_*.py of this folder; all benchmarks by name, in order of name."""
    for module in pkgutil.iter_modules(benchmarks.__path__):
        if module.name.startswith("bench_"):
            importlib.import_module(f"benchmarks.{module.name}")
    return dict(sorted(_registry.items()))


def judge(figures: Sequence[Figure], values: Mapping[str, float]) -> Sequence[Result]:
    """Hold values against the budgets of their figures."""
    results: list[Result] = []
    for each in figures:
        value = values[each.name]
        if each.limit is None:
            results.append(Result(each.name, value, each.unit, None, None, None))
            continue
        met = value >= each.limit if each.sense == "at least" else value <= each.limit
        results.append(Result(each.name, value, each.unit, each.limit, value / each.limit if each.limit else None, met))
    return results


class Elapsed:
    """What a stopwatch read: seconds of wall time and of this process's CPU time, all threads."""

    wall_s: float = 0.0
    cpu_s: float = 0.0


@contextmanager
def stopwatch() -> Generator[Elapsed]:
    """Measure the block inside; read the result after it."""
    elapsed = Elapsed()
    wall, cpu = time.perf_counter(), time.process_time()
    yield elapsed
    elapsed.wall_s, elapsed.cpu_s = time.perf_counter() - wall, time.process_time() - cpu


def digest_of(*parts: object) -> str:
    """Sixteen hexadecimal digits that stand for these values (anything msgspec can write as JSON)."""
    return hashlib.sha256(msgspec.json.encode(parts, order="deterministic")).hexdigest()[:16]
