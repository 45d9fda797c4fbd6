"""kill -9 of a writer at random moments: the ledger opens again at once and holds all that was acknowledged."""

import multiprocessing
import random
import signal
from contextlib import suppress
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest
from tests.system.log_writer import check_ledger, read_acks, write_until_killed

KILLS, LEDGERS = 200, 10
MOST_ACKS = 40


@pytest.fixture(scope="module")
def forking() -> ForkServerContext:
    """Processes forked from one that has imported everything: a start costs milliseconds."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.system.log_writer"])
    return context


@pytest.mark.parametrize("ledger", range(LEDGERS))
def test_a_writer_killed_at_any_moment_loses_nothing_acknowledged(
    tmp_path: Path, forking: ForkServerContext, ledger: int
) -> None:
    path = tmp_path / "ledger.db"
    draws = random.Random(ledger)
    acknowledged = read_acks("")
    for _ in range(KILLS // LEDGERS):
        more = read_acks(kill_a_writer(forking, path, draws))
        acknowledged = acknowledged._replace(
            positions={
                stream: max(position, more.positions[stream]) for stream, position in acknowledged.positions.items()
            },
            revision=max(acknowledged.revision, more.revision),
        )
        check_ledger(path, acknowledged)


def kill_a_writer(forking: ForkServerContext, path: Path, draws: random.Random) -> str:
    """Start a writer, kill it behind a random one of its acknowledgements; all it had said by then."""
    ours, theirs = forking.Pipe(duplex=False)
    process = forking.Process(target=write_until_killed, args=(path, draws.randrange(2**32), theirs))
    process.start()
    theirs.close()
    said = [ours.recv_bytes() for _ in range(draws.randint(0, MOST_ACKS))]
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    with ours, suppress(EOFError, OSError):  # its last word may be cut off
        while True:
            said.append(ours.recv_bytes())
    return b"".join(said).decode()
