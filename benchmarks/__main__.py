"""`python -m benchmarks [NAME...]`: runs benchmarks, each in a fresh process, and prints figures beside their budgets.

Exit status: 0 all ran (and with --budgets at full size all budgets are met), 1 one did not, 2 wrong usage.
"""

import argparse
import importlib.metadata
import os
import platform
import sqlite3
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO

import msgspec

from benchmarks.harness import DEFAULT_SEED, Benchmark, Measured, Result, SizeName, discover, judge

EXAMPLES = """examples:
  python -m benchmarks --budgets                  everything that has a budget, at full size
  python -m benchmarks job-100k --size small      one benchmark, in seconds
  python -m benchmarks --json results.json        everything, and the results as JSON (- for standard output)

ratio is value / budget; compare ratios and not values between machines."""


def parse_arguments(arguments: Sequence[str], names: Sequence[str]) -> argparse.Namespace:
    """The command line; argparse exits with status 2 when it is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Run benchmarks. There are: " + ", ".join(names) + ".",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="which to run; all without one")
    parser.add_argument(
        "--size", choices=("small", "full"), default="full", help="budgets are meant for full (default)"
    )
    parser.add_argument("--budgets", action="store_true", help="only those with a budget; exit 1 if one is not met")
    parser.add_argument("--json", metavar="FILE", help="write the results to FILE, or - for standard output")
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, help=f"of all that is drawn (default {DEFAULT_SEED})")
    parser.add_argument("--here", action="store_true", help="run one benchmark in this process, as for a profiler")
    parsed = parser.parse_args(arguments)
    unknown = [name for name in parsed.names if name not in names]
    if unknown:
        parser.error(f"no benchmark is called {unknown[0]}; there are: {', '.join(names)}")
    if parsed.here and len(parsed.names) != 1:
        parser.error("--here runs exactly one benchmark: name it")
    return parsed


def measure_in_fresh_process(name: str, size: SizeName, seed: int) -> Measured:
    """Run one benchmark where no other has left its garbage. Raises CalledProcessError if it fails."""
    command = [sys.executable, "-m", "benchmarks", name, "--here", "--size", size, "--seed", str(seed)]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=Path(__file__).parent.parent)
    return msgspec.json.decode(answer.stdout, type=Measured)


def environment() -> Sequence[str]:
    """What the figures depend on besides the code: machine, versions, load."""
    packages = ("podledger", "anyio", "aiosqlite", "msgspec", "uvloop")
    versions: list[str] = []
    for package in packages:
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            versions.append(f"no {package}")
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    return [
        f"{platform.python_implementation()} {platform.python_version()}, {platform.platform()}, "
        f"{os.cpu_count()} cores, load {load}",
        ", ".join([*versions, f"sqlite {sqlite3.sqlite_version}"]),
    ]


def number(value: float) -> str:
    """Four significant digits at least, thousands apart."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def row(result: Result, sense: str) -> str:
    """One line of the table."""
    text = f"{result.name:<28}{number(result.value):>12}  {result.unit:<34}"
    if result.budget is None:
        return text.rstrip()
    ratio = f"x{result.ratio:.2f}" if result.ratio is not None else ""
    return f"{text}{sense} {number(result.budget):>7}  {ratio:<7} {'met' if result.met else 'NOT MET'}"


def run_all(chosen: Mapping[str, Benchmark], size: SizeName, seed: int, out: TextIO) -> tuple[list[Result], bool]:
    """Run and print one after the other; the results, and whether all ran."""
    results: list[Result] = []
    all_ran = True
    for name, each in chosen.items():
        try:
            measured = measure_in_fresh_process(name, size, seed)
        except subprocess.CalledProcessError as error:
            print(f"{name}: failed with exit status {error.returncode}", file=sys.stderr)
            all_ran = False
            continue
        judged = judge(each.figures, measured.values)
        results += judged
        for result, its in zip(judged, each.figures, strict=True):
            print(row(result, its.sense), file=out)
        detail = "".join(f"; {key} {value}" for key, value in measured.detail.items())
        print(f"    {each.about} digest {measured.digest}{detail}", file=out)
        print(f"    Not shown: {each.not_shown}", file=out, flush=True)
    return results, all_ran


def main(arguments: Sequence[str]) -> int:
    """The whole run; the exit status."""
    known = discover()
    parsed = parse_arguments(arguments, list(known))
    size: SizeName = "small" if parsed.size == "small" else "full"
    if parsed.here:
        sys.stdout.buffer.write(msgspec.json.encode(known[parsed.names[0]].run(size, parsed.seed)) + b"\n")
        return 0
    chosen = {
        name: each
        for name, each in known.items()
        if (not parsed.names or name in parsed.names) and (each.has_budget or not parsed.budgets)
    }
    out = sys.stderr if parsed.json == "-" else sys.stdout
    print(f"seed {parsed.seed}, size {size}", *environment(), sep="\n", file=out, flush=True)
    results, all_ran = run_all(chosen, size, parsed.seed, out)
    document = msgspec.json.format(msgspec.json.encode({"results": results}), indent=2) + b"\n"
    if parsed.json == "-":
        sys.stdout.buffer.write(document)
    elif parsed.json:
        Path(parsed.json).write_bytes(document)
    judged = parsed.budgets and size == "full"
    return 0 if all_ran and not (judged and any(result.met is False for result in results)) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
