"""Strand-oriented windows anchored on a gene's TSS."""

from __future__ import annotations

from typing import Literal, NamedTuple, Protocol


class HasTss(Protocol):
    """Anything with a contig, a 0-based TSS and a strand."""

    @property
    def contig(self) -> str: ...  # noqa: D102
    @property
    def tss(self) -> int: ...  # noqa: D102
    @property
    def strand(self) -> Literal["+", "-"]: ...  # noqa: D102


class Window(NamedTuple):
    """A stretch of the reference, read in a direction, with the TSS at a fixed index.

    Attributes
    ----------
    contig : str
    start, end : int
        0-based half-open, on the reference. `start` may be negative and `end` past the contig: see :meth:`outside`.
    strand : {"+", "-"}
        Direction of reading; ``-`` means reverse-complemented.
    anchor : int
        0-based index of the TSS base in the direction of reading.
    """

    contig: str
    start: int
    end: int
    strand: Literal["+", "-"]
    anchor: int

    @property
    def length(self) -> int:
        """Length in bp."""
        return self.end - self.start

    @property
    def tss(self) -> int:
        """0-based reference position of the anchored base."""
        return self.start + self.anchor if self.strand == "+" else self.end - 1 - self.anchor

    def outside(self, contig_length: int) -> bool:
        """Whether any of it lies off a contig of that length."""
        return self.start < 0 or self.end > contig_length

    def __str__(self) -> str:
        return f"{self.contig}:{self.start + 1:,}-{self.end:,} ({self.strand})"


def window_of(gene: HasTss, length: int, anchor: int, *, oriented: bool) -> Window:
    """Lay a window around a gene's TSS.

    Parameters
    ----------
    gene : anything with ``contig``, ``tss`` (0-based) and ``strand``
    length : int
        bp.
    anchor : int
        0-based index of the TSS base, in the direction of reading.
    oriented : bool
        Whether windows of minus-strand genes are read on the minus strand.

    Returns
    -------
    Window
    """
    strand = gene.strand if oriented else "+"
    start = gene.tss - anchor if strand == "+" else gene.tss - (length - 1 - anchor)
    return Window(gene.contig, start, start + length, strand, anchor)
