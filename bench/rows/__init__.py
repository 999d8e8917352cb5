"""The rows of the results table: work, contestants and goals."""

from __future__ import annotations

from bench.rows import downloads, flows, http, local, s3, uploads

ROWS = (*http.ROWS, *s3.ROWS, *uploads.ROWS, *downloads.ROWS, *local.ROWS, *flows.ROWS)
"""All rows, in the order of the table."""
