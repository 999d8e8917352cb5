"""How much a run takes at most."""

from __future__ import annotations

from dataclasses import dataclass

from stac_asset.errors import ConfigError


@dataclass(slots=True)
class RunSizeLimits:
    """The limits of a run, and how much of them is used up.

    Args:
        max_items: How many items are taken at most; None is no limit.
        max_bytes: How many bytes are downloaded at most; None is no limit.

    Raises:
        ConfigError: A limit is not positive.
    """

    max_items: int | None = None
    max_bytes: int | None = None
    items: int = 0
    """How many items are taken."""

    bytes: int = 0
    """How many bytes they have, as far as anybody says."""

    left: int = 0
    """How many items do not fit."""

    too_large: int = 0
    """How many of these are larger than `max_bytes` by themselves, and never will fit."""

    _full: bool = False

    def __post_init__(self) -> None:
        for name in ("max_items", "max_bytes"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} must be at least 1, and not {value}: leave it out")

    @property
    def is_full(self) -> bool:
        """Whether no further item is taken, however small it is."""
        return self._full or (self.max_items is not None and self.items >= self.max_items)

    def take(self, size: int) -> bool:
        """Returns whether an item fits, and counts it.

        What comes after the first one that does not fit is left, so that no item waits forever
        because smaller ones overtake it.

        Args:
            size: Its bytes.
        """
        too_large = self.max_bytes is not None and size > self.max_bytes
        fits = self.max_bytes is None or self.bytes + size <= self.max_bytes
        if self.is_full or not fits:
            self.left += 1
            self.too_large += too_large
            self._full |= not too_large
            return False
        self.items += 1
        self.bytes += size
        return True
