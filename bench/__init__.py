"""Measurements of the library, and the tools that torture it: `python -m bench.crash`."""
