"""Read and download STAC items, item collections, collections, and assets.

Start with `download_item` and the other functions. `Config` holds the options. `Client` is the base
class of all clients.

`__init__.pyi` lists the public names. Each name is imported on first use, so that importing the
package is fast.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
