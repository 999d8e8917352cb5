"""Prefect flows, tasks, credential blocks and deployments for STAC assets.

`__init__.pyi` lists the public names. Flows and tasks are imported on first use. Blocks are
imported immediately, so that Prefect can load a saved block after importing this package.

In the repository, the folders `flows`, `blocks` and `deployments` are at the top level. This folder
has symbolic links to them.
"""

import lazy_loader

from prefect_stac_asset._shadowing import check_stac_asset

check_stac_asset()

from prefect_stac_asset import blocks as blocks  # noqa: E402 - after the check, as blocks import stac_asset

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
