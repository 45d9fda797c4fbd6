"""`podledger log`: looks after a ledger. What each command does is in `podledger.log`; this is flags and printing.

With `-o json` stdout is exactly one JSON document; otherwise a few lines for people.
"""

import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from cyclopts import App, Parameter

from podledger.log.backup import copy_ledger
from podledger.log.compaction import Compaction, compact_ledger
from podledger.log.inspection import LedgerInfo, inspect_ledger
from podledger.log.verification import Verification, verify_ledger
from podledger_adapters.cli.exit_code import ExitCode
from podledger_adapters.cli.writer import print_result
from podledger_adapters.store.object_check import check_objects

__all__ = ["app"]

Format = Annotated[Literal["text", "json"], Parameter(name=["--output", "-o"], help="How to print: text or json.")]
Ledger = Annotated[Path, Parameter(name=["--db"], help="The ledger, a file that --db made.")]
Target = Annotated[Path, Parameter(name=["--target"], help="Where the copy shall be; nothing may be there.")]

EXAMPLES = {
    "info": "podledger log info jobs.db            where its streams end, what is in it",
    "verify": "podledger log verify jobs.db          is it as it was written? (1: no)",
    "compact": "podledger log compact jobs.db         blank the events of deleted Jobs",
    "copy": "podledger log copy jobs.db new.db     a copy, also while it is written",
}
"""An example of each command, no wider than a narrow terminal."""


def _epilogue(*commands: str) -> str:
    return "\n".join(["Examples:", *(f"  {EXAMPLES[command]}" for command in commands)])


app = App(
    name="log",
    help="Look after a ledger.",
    help_format="plaintext",
    help_epilogue=_epilogue(*EXAMPLES),
)


@app.command(help_epilogue=_epilogue("info"))
def info(db: Ledger, *, output: Format = "text") -> ExitCode:
    """Say what is in a ledger, and where its streams end."""
    found = inspect_ledger(db)
    return _print(_json(found) if output == "json" else _info_lines(found))


@app.command(help_epilogue=_epilogue("verify"))
def verify(db: Ledger, *, output: Format = "text") -> ExitCode:
    """Check that all is as it was written; exit code 1 if not.

    File, events, chain, positions, snapshots and objects are looked at.
    """
    found = verify_ledger(db, check_objects=check_objects)
    code = ExitCode.OK if found.sound else ExitCode.FAILED
    if output == "json":
        return _print(_json({"sound": found.sound, **msgspec.to_builtins(found)}), code)
    for fault in found.faults:
        print(f"fault: {db}: {fault.text}", file=sys.stderr)
    return _print(_verification_lines(found), code)


@app.command(help_epilogue=_epilogue("compact"))
def compact(db: Ledger, *, output: Format = "text") -> ExitCode:
    """Blank the events of deleted Jobs and make the file smaller.

    Nobody may write the ledger meanwhile. Counts and everything about other
    Jobs stay; the blanked events can no longer be replayed.
    """
    done = compact_ledger(db, now_s=time.time())
    return _print(_json(done) if output == "json" else _compaction_lines(done))


@app.command(help_epilogue=_epilogue("copy"))
def copy(db: Ledger, target: Target, *, output: Format = "text") -> ExitCode:
    """Copy a ledger to a new file, also while it is written.

    The copy is checked before it gets its name.
    """
    done = copy_ledger(db, target)
    if output == "json":
        return _print(_json(done))
    ends = ", ".join(f"{name} at position {position}" for name, position in done.positions.items())
    return _print([f"{done.path}: {size(done.bytes)}, {ends or 'no stream'}"])


def _print(lines: Iterable[str], code: ExitCode = ExitCode.OK) -> ExitCode:
    return print_result("".join(f"{line}\n" for line in lines), code)


def _json(document: object) -> list[str]:
    """One JSON document."""
    return [msgspec.json.format(msgspec.json.encode(document), indent=2).decode()]


def _info_lines(found: LedgerInfo) -> Iterator[str]:
    """A ledger in a few lines."""
    wal = f" and {size(found.wal_bytes)} in its WAL" if found.wal_bytes else ""
    yield f"{found.path}: {size(found.bytes)}{wal}, schema version {found.schema_version}"
    yield f"cluster: {found.cluster or 'none yet'}"
    if found.writer is not None:
        yield f"last written by: {found.writer}"
    for stream in found.streams:
        yield f"stream {stream.name}: {stream.position} events in {stream.batches} batches, chain {stream.chain}"
        yield f"  epoch {stream.epoch}, taken by {stream.holder or 'nobody known'}"
        snapshots = ", ".join(str(position) for position in stream.snapshots)
        yield f"  snapshots at: {snapshots or 'none'}"
    if found.objects:
        objects = ", ".join(f"{count} {kind}" for kind, count in found.objects.items())
        yield f"objects at revision {found.revision}: {objects}"


def _verification_lines(found: Verification) -> Iterator[str]:
    """What was checked; what is wrong with it goes to stderr."""
    for stream in found.streams:
        blanked = f", {stream.blanked} of them compacted" if stream.blanked else ""
        yield f"stream {stream.name}: {stream.position} events in {stream.batches} batches{blanked}"
    yield f"snapshots: {found.snapshots}"
    if found.objects:
        yield f"objects: {found.objects}"
    count = f"{len(found.faults)} fault{'s' if len(found.faults) > 1 else ''}"
    yield "sound" if found.sound else f"NOT SOUND: {count}; restore a copy, or go on with a new --db"


def _compaction_lines(done: Compaction) -> Iterator[str]:
    """What was blanked."""
    for stream in done.streams:
        jobs = f"{stream.jobs} deleted Job{'' if stream.jobs == 1 else 's'}"
        yield f"stream {stream.name}: {stream.events} events of {jobs} blanked"
    yield f"file: {size(done.bytes_before)} before, {size(done.bytes_after)} now"


def size(count: int) -> str:
    """Bytes for people: `812 B`, `3.4 MiB`."""
    value = float(count)
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB"
