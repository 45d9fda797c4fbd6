"""The schema's versions: made new and migrated come to the same, and a migration happens whole or not at all."""

import sqlite3
from collections.abc import Generator

import pytest

from podledger.log.schema import MIGRATIONS, SCHEMA_VERSION, create_schema, migrate, run_script


@pytest.fixture
def database() -> Generator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    yield connection
    connection.close()


def shape(connection: sqlite3.Connection) -> dict[str, list[tuple[object, ...]]]:
    """Tables with their columns, keys and indexes, whatever the text they were made by."""
    found: dict[str, list[tuple[object, ...]]] = {}
    for name, without_rowid, strict in connection.execute(
        "SELECT name, wr, strict FROM pragma_table_list WHERE schema = 'main' ORDER BY name"
    ).fetchall():
        columns = connection.execute(f"SELECT * FROM pragma_table_xinfo('{name}')").fetchall()
        indexes = connection.execute(
            f"SELECT l.origin, l.[unique], i.seqno, i.name FROM pragma_index_list('{name}') l, "
            "pragma_index_info(l.name) i ORDER BY l.origin, i.seqno"
        ).fetchall()
        found[name] = [(without_rowid, strict), *columns, *indexes]
    return found


FIRST_SCHEMA = """
CREATE TABLE ledger (key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE stream (
    name TEXT NOT NULL PRIMARY KEY, position INTEGER NOT NULL, chain BLOB NOT NULL,
    epoch INTEGER NOT NULL, holder TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE batch (
    stream TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, epoch INTEGER NOT NULL, id TEXT NOT NULL,
    digests BLOB NOT NULL, body BLOB NOT NULL, checksum INTEGER NOT NULL, chain BLOB NOT NULL,
    PRIMARY KEY (stream, last), UNIQUE (stream, id)
) STRICT;
CREATE TABLE snapshot (
    stream TEXT NOT NULL, position INTEGER NOT NULL, chain BLOB NOT NULL, parts INTEGER NOT NULL, digest BLOB NOT NULL,
    PRIMARY KEY (stream, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE snapshot_part (
    stream TEXT NOT NULL, position INTEGER NOT NULL, ordinal INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (stream, position, ordinal)
) STRICT;
CREATE TABLE object (
    kind TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (kind, namespace, name)
) STRICT;
"""
"""Version 1, kept here for ever: what every later migration starts from."""


def test_a_fresh_schema_and_a_migrated_one_are_equal(database: sqlite3.Connection) -> None:
    create_schema(database)
    fresh = shape(database)
    assert set(fresh) >= {"batch", "ledger", "object", "snapshot", "snapshot_part", "stream"}
    migrated = sqlite3.connect(":memory:", isolation_level=None)
    run_script(migrated, FIRST_SCHEMA)
    assert migrate(migrated, 1) == SCHEMA_VERSION == len(MIGRATIONS) + 1
    assert shape(migrated) == fresh
    migrated.close()


def test_migrations_run_from_the_ledgers_version_on(database: sqlite3.Connection) -> None:
    scripts = ["CREATE TABLE two (x);", "CREATE TABLE three (x);\nINSERT INTO three VALUES (';');"]
    database.execute("CREATE TABLE two (x)")
    assert migrate(database, 2, scripts) == 3
    assert database.execute("SELECT x FROM three").fetchall() == [(";",)]
    assert database.execute("PRAGMA user_version").fetchone() == (3,)
    assert migrate(database, 3, scripts) == 3


def test_a_migration_that_fails_leaves_the_ledger_as_it_was(database: sqlite3.Connection) -> None:
    create_schema(database)
    before = shape(database)
    with pytest.raises(sqlite3.OperationalError):
        migrate(database, 1, ["CREATE TABLE two (x);", "CREATE TABLE two (x);"])
    assert shape(database) == before
    assert database.execute("PRAGMA user_version").fetchone() == (1,)
