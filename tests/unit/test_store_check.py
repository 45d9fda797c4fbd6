"""What `podledger log verify` finds of objects that are not as they were written, each by its table and key."""

import json
import re
import sqlite3
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.store_objects import START_S, new_job, new_pod

from podledger.clock import VirtualClock
from podledger.errors import DamagedLog
from podledger.log.inspection import inspect_ledger
from podledger.log.sqlite import SqliteLog
from podledger.log.verification import Verification, verify_ledger
from podledger_adapters.cli.__main__ import main
from podledger_adapters.store import ObjectStore
from podledger_adapters.store.object_check import check_objects

pytestmark = pytest.mark.asyncio


async def ledger_with_objects(directory: Path) -> Path:
    """Two namespaces, a Job, and two pods of one template."""
    path = directory / "ledger.db"
    async with SqliteLog.open(path) as log:
        store = await ObjectStore.open(VirtualClock(START_S), log.objects(), seed=1)
        spec = new_pod().spec
        with store.batch() as batch:
            batch.create(new_job("one"))
            for name in ("p1", "p2"):
                batch.create_pod(replace(new_pod(name), spec=spec))
        await batch.durable()
    return path


def found_after(path: Path, *statements: str) -> Verification:
    """What is found once somebody has changed the file by hand."""
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()
    return verify_ledger(path, check_objects=check_objects)


async def test_objects_as_they_were_written_are_sound(tmp_path: Path) -> None:
    found = found_after(await ledger_with_objects(tmp_path))
    assert (found.faults, found.objects) == ((), 6)


@pytest.mark.parametrize(
    ("sql", "fault"),
    [
        ("UPDATE object SET body = x'c1' WHERE kind = 'Job'", r"table object, Job ns/one: cannot be read: .*"),
        ("UPDATE object SET body = substr(body, 1, 40) WHERE name = 'p1'",
         r"table object, Pod ns/p1: cannot be read: .*"),
        ("UPDATE object SET kind = 'Widget' WHERE kind = 'Job'",
         r"table object, Widget ns/one: cannot be read: no such kind is known"),
        ("UPDATE object SET name = 'two' WHERE kind = 'Job'", r"table object, Job ns/two: holds Job ns/one"),
        ("INSERT INTO object SELECT kind, namespace, 'p3', body FROM object WHERE name = 'p1'",
         r"table object, Pod ns/p3: holds Pod ns/p1|table object, Pod ns/p3: has the uid of Pod ns/p1"),
        ("UPDATE object SET body = CAST(replace(body, x'6e616d65', x'6e616d66') AS BLOB) WHERE kind = 'PodSpec'",
         r"table object, PodSpec [0-9a-f]{32}: is not what was written, its digest says"),
        ("DELETE FROM object WHERE kind = 'PodSpec'",
         r"table object, Pod ns/p[12]: cannot be read: its template, PodSpec [0-9a-f]{32}, is missing"),
        ("UPDATE ledger SET value = '1' WHERE key = 'revision'",
         r"table object, .*: its resourceVersion '\d' is none of a store at revision 1"),
        ("UPDATE ledger SET value = 'many' WHERE key = 'revision'",
         r"table ledger, key revision: 'many' is no number; restore a copy of the ledger"),
        ("UPDATE ledger SET value = 'another' WHERE key = 'store'",
         r"table object, Namespace kube-system: its uid .* is not the cluster's id, another"),
    ],
)  # fmt: skip
async def test_each_fault_is_named_by_table_and_key(tmp_path: Path, sql: str, fault: str) -> None:
    found = found_after(await ledger_with_objects(tmp_path), sql)
    assert found.faults
    for each in found.faults:
        assert (each.stream, each.position) == ("", None)
        assert re.fullmatch(fault, each.text), each.text


async def test_a_table_that_cannot_be_read_is_a_fault(tmp_path: Path) -> None:
    found = found_after(await ledger_with_objects(tmp_path), "DROP TABLE object")
    assert [fault.text for fault in found.faults] == ["table object: its rows cannot be read (no such table: object)"]


async def test_a_look_at_a_damaged_head_says_what_is_wrong(tmp_path: Path) -> None:
    path = await ledger_with_objects(tmp_path)
    found_after(path, "UPDATE ledger SET value = '-1' WHERE key = 'revision'")
    with pytest.raises(DamagedLog, match="table ledger, key revision: '-1' is no number"):
        inspect_ledger(path)


async def test_the_command_names_the_fault_and_ends_with_one(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = await ledger_with_objects(tmp_path)
    for sql, code in (("", 0), ("UPDATE object SET name = 'two' WHERE kind = 'Job'", 1)):
        found_after(path, sql)
        with pytest.raises(SystemExit) as ended:
            main(["log", "verify", str(path), "-o", "json"])
        out, err = capfd.readouterr()
        assert (ended.value.code, err, json.loads(out)["objects"]) == (code, "", 6)
    with pytest.raises(SystemExit):
        main(["log", "verify", str(path)])
    out, err = capfd.readouterr()
    assert err == f"fault: {path}: table object, Job ns/two: holds Job ns/one\n"
    assert out.endswith("objects: 6\nNOT SOUND: 1 fault; restore a copy, or go on with a new --db\n")
