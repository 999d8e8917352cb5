"""Keeps the account of a file that arrives in pieces: which bytes are still missing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(slots=True, eq=False)
class Piece:
    """Bytes that are missing, in a row; they arrive from the first to the last."""

    position: int
    """The first of them."""

    end: int
    """The first byte after them."""

    taken: bool = False
    """Whether somebody fetches them."""

    @property
    def size(self) -> int:
        """How many they are."""
        return self.end - self.position


@dataclass(slots=True)
class Pieces:
    """The missing bytes of a file of known size, in their order."""

    size: int
    """Bytes of the whole file."""

    missing: list[Piece] = field(default_factory=list)

    @classmethod
    def parse(cls, size: int, spans: Iterable[object]) -> Pieces:
        """Returns the account that `spans` was written down as.

        Raises:
            ValueError: It is none.
        """
        pieces: list[Piece] = []
        end = 0
        for span in spans:
            match span:
                case [int(first), int(last)] if end <= first < last <= size:
                    pieces.append(Piece(first, last))
                    end = last
                case _:
                    raise ValueError("a span is none")
        return cls(size, pieces)

    def spans(self) -> list[tuple[int, int]]:
        """Returns the missing bytes as first and end, so that they can be written down."""
        return [(piece.position, piece.end) for piece in self.missing]

    @property
    def received(self) -> int:
        """How many bytes are there."""
        return self.size - sum(piece.size for piece in self.missing)

    @property
    def prefix(self) -> int:
        """How many bytes are there without a gap, from the first on."""
        return self.missing[0].position if self.missing else self.size

    @property
    def in_work(self) -> int:
        """How many pieces somebody fetches."""
        return sum(piece.taken for piece in self.missing)

    @property
    def untaken(self) -> int:
        """How many missing bytes nobody fetches yet."""
        return sum(piece.size for piece in self.missing if not piece.taken)

    def take(self, size: int, at: int | None = None) -> Piece | None:
        """Returns the first bytes that nobody fetches yet, to be fetched by the caller.

        Args:
            size: How many at most.
            at: Where they have to begin, if not anywhere.
        """
        for index, piece in enumerate(self.missing):
            if not piece.taken and at in (None, piece.position):
                self._join(index)
                if piece.size > size:
                    rest = Piece(piece.position + size, piece.end)
                    piece.end = rest.position
                    self.missing.insert(index + 1, rest)
                piece.taken = True
                return piece
        return None

    def _join(self, index: int) -> None:
        """Joins a piece with those that follow without a gap, and were given back."""
        piece = self.missing[index]
        after = index + 1
        while after < len(self.missing):
            following = self.missing[after]
            if following.taken or following.position != piece.end:
                return
            piece.end = following.end
            del self.missing[after]

    def advance(self, piece: Piece, size: int) -> None:
        """Notes that so many bytes of a piece have come."""
        piece.position += size
        if not piece.size:
            self.missing.remove(piece)

    def fits(self, size: int) -> bool:
        """Returns whether a part file of so many bytes can hold all that is not missing."""
        end = self.size
        for piece in reversed(self.missing):
            if piece.end == end:
                end = piece.position
        return size >= end

    def doubt_the_last(self) -> None:
        """Lets the last byte be missing, if none is: asking for it shows that nothing changed."""
        if not self.missing:
            self.missing.append(Piece(self.size - 1, self.size))
