"""The event log: SQLite and memory, codec, snapshots, objects. The port they implement is `podledger.ports.EventLog`.

`SqliteLog` and `MemoryLog` are what most need; looking after a ledger is `inspection`, `verification`, `compaction`
and `backup`.
"""

from podledger.log.memory import MemoryLedger, MemoryLog
from podledger.log.objects import LoadedObjects, ObjectRow, ObjectTable, ObjectWrite, PendingWrite
from podledger.log.sqlite import SqliteLog

__all__ = [
    "LoadedObjects",
    "MemoryLedger",
    "MemoryLog",
    "ObjectRow",
    "ObjectTable",
    "ObjectWrite",
    "PendingWrite",
    "SqliteLog",
]
