"""The simulator: the whole controller on one seed, with faults. `python -m tests.simulation --help`."""
