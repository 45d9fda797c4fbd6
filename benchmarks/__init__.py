"""Benchmarks: `python -m benchmarks --help`. What a benchmark is: `harness.py`; each `bench_*.py` registers its own."""
