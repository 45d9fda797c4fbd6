"""A connection in a thread of its own: what becomes of the thread when there is nothing to connect to."""

import asyncio
import sqlite3
import threading
from pathlib import Path

import pytest

from podledger.errors import NotALedger
from podledger.log.connection import ThreadedConnection


def test_a_connection_that_cannot_be_made_leaves_no_thread_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    failures: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", failures.append)

    def connect(path: Path) -> sqlite3.Connection:
        raise NotALedger(f"{path}: not a podledger ledger")

    async def open_it() -> None:
        with pytest.raises(NotALedger, match="some: not a podledger ledger"):
            await ThreadedConnection(Path("some"), connect, None).open()

    known = set(threading.enumerate())
    for _ in range(50):  # a thread that outlives the loop fails only when the loop was faster
        asyncio.run(open_it())
        for thread in set(threading.enumerate()) - known:
            thread.join()
    assert failures == []
