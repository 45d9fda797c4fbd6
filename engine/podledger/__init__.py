"""podledger: the Kubernetes Job and CronJob controller as a library, around an append-only event ledger."""
