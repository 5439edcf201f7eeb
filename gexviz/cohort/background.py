"""One concrete sequence to look into: the reference's, or one haplotype of a person."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from gexviz.cohort.haplotypes import Haplotypes, reference_sequence
from gexviz.cohort.reference import Reference
from gexviz.cohort.windows import Window
from gexviz.errors import GexvizError

_BASES = np.frombuffer(b"ACGT", dtype=np.uint8)


class Background(NamedTuple):
    """A sequence of a window, and where on the reference each of its bases is.

    Attributes
    ----------
    window : Window
    sequence : ndarray, uint8 (length,)
        ASCII, read in the window's direction.
    positions : ndarray, int64 (length,)
        0-based reference coordinate of each base, in the window's direction; an inserted base has the coordinate of the
        reference base before it (on the reference); -1 off the contig.
    inserted : ndarray, bool (length,)
    label : str
        As people read it. It names no person.
    """

    window: Window
    sequence: np.ndarray
    positions: np.ndarray
    inserted: np.ndarray
    label: str

    @property
    def unknown(self) -> int:
        """Number of bases that are not A, C, G or T."""
        return int((~np.isin(self.sequence, _BASES)).sum())

    def within(self, start: int, end: int) -> np.ndarray:
        """Indices of the bases that stand in a stretch of the reference, and of those inserted into it.

        Parameters
        ----------
        start, end : int
            0-based half-open, on the reference.

        Returns
        -------
        ndarray, intp (n,)
            Ascending in the window's direction.

        Raises
        ------
        GexvizError
            If the stretch is empty or not wholly in the window.
        """
        if not (self.window.start <= start < end <= self.window.end):
            raise GexvizError(
                f"the region {self.window.contig}:{start + 1:,}-{end:,} is not inside the model's window",
                expected=f"a region within {self.window.contig}:{self.window.start + 1:,}-{self.window.end:,}",
                remedy="choose a region inside the window, or leave it out for the whole window",
            )
        return np.flatnonzero((self.positions >= start) & (self.positions < end))


def reference_background(reference: Reference, window: Window) -> Background:
    """The reference's own sequence of a window."""
    forward = np.arange(window.start, window.end, dtype=np.int64)
    length = reference.contigs.get(window.contig, window.end)
    forward[(forward < 0) | (forward >= length)] = -1
    positions = forward if window.strand == "+" else forward[::-1]
    nothing = np.zeros(window.length, dtype=bool)
    return Background(window, reference_sequence(reference, window), positions, nothing, "reference")


def haplotype_background(haplotypes: Haplotypes, sample: str, copy: Literal[1, 2]) -> Background:
    """One haplotype of one person.

    Raises
    ------
    GexvizError
        For a person who is not among the haplotypes, or has no such copy.
    """
    if sample not in haplotypes.index.index:
        raise GexvizError(
            "this person is not in the study",
            expected=f"one of the {len(haplotypes.samples):,} people with genotypes and expression",
            remedy="see `study.samples` for their ids",
        )
    if copy not in (1, 2):
        raise GexvizError(f"copy {copy} of a chromosome", expected="1 or 2")
    row = int(haplotypes.index[copy][sample])
    if row < 0:
        raise GexvizError(f"this person has no copy {copy} of {haplotypes.window.contig}", remedy="choose copy 1")
    positions, inserted = haplotypes.positions(row)
    return Background(haplotypes.window, haplotypes.sequences[row], positions, inserted, f"copy {copy} of a person")
