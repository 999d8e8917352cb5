"""The keys of the JSON objects that the commands print with `--json`, for the documentation.

The tests compare the keys with the output of the commands.
"""

from __future__ import annotations

RESULTS: dict[str, dict[str, str]] = {
    "download": {
        "directory": "absolute path of DIRECTORY, or URL of the prefix",
        "document": "path or URL of the new document; null if there is none",
        "downloaded": "number of downloaded assets",
        "skipped": "number of assets that were there",
        "failed": "number of assets that failed",
        "bytes": "size of the downloaded files, in bytes",
        "seconds": "duration of the run, in seconds",
        "failures": "an object for each failed asset: `owner`, `key`, `href`, `path`, `error` and "
        "`message`",
    },
    "info": {
        "assets": "an object for each asset: `owner`, `key`, `client`, `exists` (`yes`, `no` or "
        "null if unknown), `bytes`, `media_type` and `note`",
    },
    "plan": {
        "directory": "absolute path of DIRECTORY, or URL of the prefix",
        "document": "path or URL of the document that a download writes",
        "rows": "an object for each asset: `owner`, `key`, `action` (`download`, `skip` or "
        "`fail`), `reason`, `href`, `client`, `path`, `size` and `note`",
        "download": "number of assets to download",
        "skip": "number of assets that are present",
        "fail": "number of assets that cannot be downloaded",
        "needed": "bytes to download, without files of unknown size",
        "unknown": "number of files of unknown size",
        "items": "number of items by reason",
        "assets": "number of assets by reason",
        "requests": "minimum number of requests",
        "seconds": "estimated duration in seconds, or null",
        "cost": "estimated cost, or null",
        "free": "free bytes in DIRECTORY, or null in an object store",
        "fits": "whether the files fit on the disk, or null if unknown",
        "problems": "the reasons why the plan cannot be carried out",
    },
    "sync": {
        "directory": "absolute path of the mirror, or URL of the prefix",
        "document": "path or URL of the catalog of the mirror",
        "report": "path or URL of the report of the last run, with a row per asset",
        "complete": "whether the mirror has all items and assets of the source",
        "incomplete": "the reasons why the mirror is not complete",
        "items": "number of items by action: `found`, `new`, `changed`, `again`, "
        "`metadata_updated`, `collections_updated`, `unchanged`, `failed_items`, `left` and "
        "`removed`",
        "mirrored": "number of items in the mirror",
        "downloaded": "number of downloaded assets",
        "skipped": "number of assets that were there",
        "failed": "number of assets that failed",
        "bytes": "size of the downloaded files, in bytes",
        "seconds": "duration of the run, in seconds",
        "failures": "the messages of the first 100 failures",
        "plan": "with --dry-run, the planned items; otherwise null",
    },
    "verify": {
        "good": "number of files without a detected error",
        "bad": "number of bad files and unreadable documents",
        "repaired": "number of files that were downloaded again",
        "bytes": "size of the good files, in bytes",
        "files": "an object for each of the first 100 bad files",
        "documents": "an object for each unreadable document: `path` and `reason`",
        "part_files": "paths of the part files of interrupted downloads",
        "unknown_files": "paths of files that no record of a mirror names",
    },
    "audit": {
        "complete": "whether the mirror has all items and assets of the source",
        "found": "number of items of the source",
        "mirrored": "number of items in the mirror",
        "unchanged": "number of items that are up to date, with all files",
        "undecided": "number of items without a definite answer of the source",
        "source_complete": "whether the source returned all items",
        "source_errors": "why items of the source may be missing from the comparison",
        "counts": "number of differences of each kind",
        "repaired": "number of repaired differences",
        "differences": "an object for each of the first 100 differences",
    },
    "clean": {
        "dry_run": "whether nothing was removed",
        "removed": "removed leftovers, each with `location`, `bytes`, `age` in seconds, and "
        "`is_upload`",
        "in_use": "leftovers that a run has open",
        "younger": "leftovers that are younger than --older-than",
        "without_note": "kept uploads without a note, which another program may have started",
    },
    "blocks": {
        "blocks": "the names of the saved blocks of each block type",
        "problems": "a sentence for each invalid block",
    },
    "blocks check": {
        "block": "the block",
        "href": "the URL or path, without its query",
        "bytes": "size of the file, or null if the source does not report a size",
    },
    "init": {
        "folder": "absolute path of FOLDER",
        "files": "an object for each file: `path` and `state` (`written`, `unchanged` or `kept`)",
        "next_steps": "an object for each step: `text` and `commands`",
    },
}
"""Meaning of the keys of each command. `config` and `doctor` print other objects."""
