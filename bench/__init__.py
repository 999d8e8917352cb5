"""Benchmarks, and stress tests such as `python -m bench.crash`."""
