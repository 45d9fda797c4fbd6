"""`podledger log`: looks after a ledger. What each command does is in `podledger.log`; this is flags and printing.

With `-o json` stdout is exactly one JSON document; otherwise a few lines for people.
"""

import sys
import time
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from cyclopts import App, Parameter

from podledger.log.backup import copy_ledger
from podledger.log.compaction import Compaction, compact_ledger
from podledger.log.inspection import LedgerInfo, inspect_ledger
from podledger.log.verification import Verification, verify_ledger
from podledger_adapters.cli.exit_code import ExitCode

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
    if output == "json":
        print_json(found)
    else:
        print_info(found)
    return ExitCode.OK


@app.command(help_epilogue=_epilogue("verify"))
def verify(db: Ledger, *, output: Format = "text") -> ExitCode:
    """Check that all is as it was written; exit code 1 if not.

    File, events, chain, positions and snapshots are looked at.
    """
    found = verify_ledger(db)
    if output == "json":
        print_json({"sound": found.sound, **msgspec.to_builtins(found)})
    else:
        print_verification(db, found)
    return ExitCode.OK if found.sound else ExitCode.FAILED


@app.command(help_epilogue=_epilogue("compact"))
def compact(db: Ledger, *, output: Format = "text") -> ExitCode:
    """Blank the events of deleted Jobs and make the file smaller.

    Nobody may write the ledger meanwhile. Counts and everything about other
    Jobs stay; the blanked events can no longer be replayed.
    """
    done = compact_ledger(db, now_s=time.time())
    if output == "json":
        print_json(done)
    else:
        print_compaction(done)
    return ExitCode.OK


@app.command(help_epilogue=_epilogue("copy"))
def copy(db: Ledger, target: Target, *, output: Format = "text") -> ExitCode:
    """Copy a ledger to a new file, also while it is written.

    The copy is checked before it gets its name.
    """
    done = copy_ledger(db, target)
    if output == "json":
        print_json(done)
    else:
        ends = ", ".join(f"{name} at position {position}" for name, position in done.positions.items())
        print(f"{done.path}: {size(done.bytes)}, {ends or 'no stream'}")
    return ExitCode.OK


def print_json(document: object) -> None:
    """One JSON document on stdout."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n")


def print_info(found: LedgerInfo) -> None:
    """A ledger in a few lines."""
    wal = f" and {size(found.wal_bytes)} in its WAL" if found.wal_bytes else ""
    print(f"{found.path}: {size(found.bytes)}{wal}, schema version {found.schema_version}")
    print(f"cluster: {found.cluster or 'none yet'}")
    if found.writer is not None:
        print(f"last written by: {found.writer}")
    for stream in found.streams:
        print(f"stream {stream.name}: {stream.position} events in {stream.batches} batches, chain {stream.chain}")
        print(f"  epoch {stream.epoch}, taken by {stream.holder or 'nobody known'}")
        snapshots = ", ".join(str(position) for position in stream.snapshots)
        print(f"  snapshots at: {snapshots or 'none'}")
    if found.objects:
        objects = ", ".join(f"{count} {kind}" for kind, count in found.objects.items())
        print(f"objects at revision {found.revision}: {objects}")


def print_verification(db: Path, found: Verification) -> None:
    """What was checked on stdout, what is wrong with it on stderr, one line each."""
    for stream in found.streams:
        blanked = f", {stream.blanked} of them compacted" if stream.blanked else ""
        print(f"stream {stream.name}: {stream.position} events in {stream.batches} batches{blanked}")
    print(f"snapshots: {found.snapshots}")
    for fault in found.faults:
        print(f"fault: {db}: {fault.text}", file=sys.stderr)
    count = f"{len(found.faults)} fault{'s' if len(found.faults) > 1 else ''}"
    print("sound" if found.sound else f"NOT SOUND: {count}; restore a copy, or go on with a new --db")


def print_compaction(done: Compaction) -> None:
    """What was blanked."""
    for stream in done.streams:
        print(f"stream {stream.name}: {stream.events} events of {stream.jobs} deleted Jobs blanked")
    print(f"file: {size(done.bytes_before)} before, {size(done.bytes_after)} now")


def size(count: int) -> str:
    """Bytes for people: `812 B`, `3.4 MiB`."""
    value = float(count)
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB"
