"""Internal: mirrors, which follow a STAC source and are static catalogs.

    search/criteria ─▶ sources ─▶ [SourceDocument, …] ─┐
                                                       ├─▶ changes ─▶ [WantedItem, …] ─▶ planning
    directory ─▶ state/index ─▶ [IndexRow, …] ─────────┘                                    │
                                                                                            ▼
    directory ◀─ output ◀─ outcomes ◀─ downloads by the caller ◀───────────────────── [Prepared, …]

- `search`: criteria and time windows of a search.
- `sources`: STAC APIs, static catalogs and item files.
- `storage`: the files of a mirror in a directory, or in a prefix of an object store.
- `state`: items that the mirror already has, and their versions.
- `change_search`, `changes`: new, changed and failed items, each with the reason for downloading.
- `planning`, `run_limits`: files to download for each item, within the size limits of a run.
- `output`: item documents, catalog and index, and the removal of items that left the source.
- `run`: one run of a mirror, which joins these parts. The flow `sync` calls `run`.

No module here depends on Prefect. docs/mirror.md describes the behaviour for users.
"""
