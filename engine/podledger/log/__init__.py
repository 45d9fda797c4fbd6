"""The event log: SQLite and memory, codec, snapshots. The port they implement is `podledger.ports.EventLog`."""
