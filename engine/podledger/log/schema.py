"""The tables of a ledger: made new, recognised, brought up from older versions.

The version is SQLite's user_version, and application_id says that the file is ours. `schema.sql` is the newest
schema whole; `MIGRATIONS` leads from each older version to the next, and a test holds the two against each other.
"""

import sqlite3
from collections.abc import Sequence
from importlib.resources import files

from podledger.errors import NewerSchema, NotALedger

__all__ = ["APPLICATION_ID", "MIGRATIONS", "SCHEMA_VERSION", "check_version", "create_schema", "migrate"]

APPLICATION_ID = 0x706F646C
"""`podl`, at offset 68 of the file."""

MIGRATIONS: Sequence[str] = ()
"""SQL scripts, the n-th leading from version n (counted from 1) to n + 1."""

SCHEMA_VERSION = len(MIGRATIONS) + 1


def create_schema(connection: sqlite3.Connection) -> None:
    """Make the tables of the newest version in an empty database, in the caller's transaction."""
    run_script(connection, files("podledger.log").joinpath("schema.sql").read_text())
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def check_version(connection: sqlite3.Connection, path: object) -> int:
    """The schema version of an open ledger. Raises NotALedger, NewerSchema."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID or version < 1:
        raise NotALedger(f"{path}: an SQLite database, but no podledger ledger; name another --db")
    if version > SCHEMA_VERSION:
        raise NewerSchema(
            f"{path}: has schema version {version}, this podledger knows versions up to {SCHEMA_VERSION}; "
            "upgrade podledger, or name another --db"
        )
    return int(version)


def migrate(connection: sqlite3.Connection, version: int, migrations: Sequence[str] = MIGRATIONS) -> int:
    """Bring a ledger of an older version up, all or nothing; the version it has now."""
    if version > len(migrations):
        return version
    connection.execute("BEGIN IMMEDIATE")
    try:
        for script in migrations[version - 1 :]:
            run_script(connection, script)
        connection.execute(f"PRAGMA user_version = {len(migrations) + 1}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    return len(migrations) + 1


def run_script(connection: sqlite3.Connection, script: str) -> None:
    """Run statements, each ending its line, within the open transaction, which `executescript` would commit first."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            connection.execute(statement)
            statement = ""
