"""Internal: how plans and results are shown in Python shells and notebooks."""

from stac_asset.display.summary import Display, Shown

__all__ = ["Display", "Shown"]
