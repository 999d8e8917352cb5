"""Limits on the number and size of the items that a run of a mirror downloads."""

from __future__ import annotations

from dataclasses import dataclass

from stac_asset.errors import ConfigError


@dataclass(slots=True)
class RunSizeLimits:
    """Limits of a run, and the used part of each limit.

    Args:
        max_items: Maximum number of items; None is no limit.
        max_bytes: Maximum number of bytes to download; None is no limit.

    Raises:
        ConfigError: A limit is not a positive integer.
    """

    max_items: int | None = None
    max_bytes: int | None = None
    items: int = 0
    """Number of items taken."""

    bytes: int = 0
    """Size of the items taken, in bytes, without assets of unknown size."""

    left: int = 0
    """Number of items that do not fit and are left for a later run."""

    too_large: int = 0
    """Number of items left that are larger than `max_bytes` by themselves, and never fit."""

    _bytes_reached: bool = False
    """Whether an item did not fit into the rest of `max_bytes`."""

    def __post_init__(self) -> None:
        for name in ("max_items", "max_bytes"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, int):
                raise ConfigError(
                    f"`{name}` must be an integer, not {type(value).__name__}. Use for example 500."
                )
            if value is not None and value < 1:
                raise ConfigError(
                    f"`{name}` must be at least 1, and is {value}. Leave the parameter out for no "
                    "limit."
                )

    @property
    def is_full(self) -> bool:
        """Whether the run takes no further item, however small."""
        return self._bytes_reached or (self.max_items is not None and self.items >= self.max_items)

    def take(self, size: int) -> bool:
        """Return whether an item fits, and count the item.

        After the first item that does not fit, all further items are left for a later run.
        Otherwise a large item could wait forever, while smaller items are downloaded. An item that
        is larger than `max_bytes` by itself is skipped, and does not stop further items.

        Args:
            size: Bytes to download for the item.
        """
        too_large = self.max_bytes is not None and size > self.max_bytes
        fits = self.max_bytes is None or self.bytes + size <= self.max_bytes
        if self.is_full or not fits:
            self.left += 1
            self.too_large += too_large
            self._bytes_reached |= not too_large
            return False
        self.items += 1
        self.bytes += size
        return True
