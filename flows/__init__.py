"""Prefect flows and tasks that download, check, verify and mirror STAC assets.

The tasks adapt functions of the library `stac_asset` to Prefect. Each task can also be used in your
own flows.

`__init__.pyi` lists the public names. Each name is imported on first use, so that a flow run does
not import the other flows.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
