"""A mirror: a directory that follows a STAC source, and is a static STAC catalog itself.

    criteria ─▶ source ─▶ [document, …] ─┐
                                         ├─▶ night ─▶ [Wanted, …] ─▶ documents ─▶ published
    directory ─▶ state ─▶ [Row, …] ──────┘

`criteria` and `window` say what is asked for; `source`, with `api` and `listing`, says what there
is; `state` says what has been mirrored; `version` tells whether an item changed, and `night`
decides what is to be done. `documents` and `publish` write what came of it, `removal` is about
what left the source. None of them knows Prefect; see docs/mirror.md.
"""
