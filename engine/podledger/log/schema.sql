-- A ledger: the log of one cluster, its snapshots and, for local clusters, the objects. Schema version 1.
-- Changes go into migrations; how bytes are made is podledger.log.codec.

-- Facts about the ledger as a whole: 'cluster' (whose it is), 'store' (the local cluster's own id),
-- 'revision' (the last resourceVersion the local cluster gave out).
CREATE TABLE ledger (
    key   TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- One row a stream: the end of its log, so that a removed last batch is found, and who may write behind it.
CREATE TABLE stream (
    name     TEXT    NOT NULL PRIMARY KEY,
    position INTEGER NOT NULL,
    chain    BLOB    NOT NULL,
    epoch    INTEGER NOT NULL,
    holder   TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

-- One row an append. Found by the position of its last event, or by its id; ids that begin alike and count up
-- ("7:1234") lie side by side in the second index, so that it costs a flush one page.
CREATE TABLE batch (
    stream   TEXT    NOT NULL,
    first    INTEGER NOT NULL,
    last     INTEGER NOT NULL,
    epoch    INTEGER NOT NULL,
    id       TEXT    NOT NULL,
    digests  BLOB    NOT NULL,
    body     BLOB    NOT NULL,
    checksum INTEGER NOT NULL,
    chain    BLOB    NOT NULL,
    PRIMARY KEY (stream, last),
    UNIQUE (stream, id)
) STRICT;

-- A fold at a position; its body is in parts, so that a large one does not hold up the appends. The row comes last.
CREATE TABLE snapshot (
    stream   TEXT    NOT NULL,
    position INTEGER NOT NULL,
    chain    BLOB    NOT NULL,
    parts    INTEGER NOT NULL,
    digest   BLOB    NOT NULL,
    PRIMARY KEY (stream, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE snapshot_part (
    stream   TEXT    NOT NULL,
    position INTEGER NOT NULL,
    ordinal  INTEGER NOT NULL,
    body     BLOB    NOT NULL,
    PRIMARY KEY (stream, position, ordinal)
) STRICT;

-- The objects of a local cluster, as its store encodes them.
CREATE TABLE object (
    kind      TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name      TEXT NOT NULL,
    body      BLOB NOT NULL,
    PRIMARY KEY (kind, namespace, name)
) STRICT;
