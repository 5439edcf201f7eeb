"""The reference genome: bases of any stretch, from an indexed FASTA."""

from __future__ import annotations

import threading
import warnings
from functools import cached_property
from pathlib import Path

import numpy as np
import pyfaidx

from gexviz.cohort.bgzf import check_bgzf, check_whole
from gexviz.errors import GexvizError


class Reference:
    """An indexed FASTA, plain or bgzipped. It is opened when first used and stays open.

    Parameters
    ----------
    path : path
        ``.fa`` with ``.fa.fai``, or ``.fa.gz`` with ``.fa.gz.fai`` and ``.fa.gz.gzi``.

    Raises
    ------
    GexvizError
        For a missing or unreadable file, a file packed with gzip, a truncated file, or a missing index. Nothing is ever
        written beside the file: the remedy is the command that makes the index.

    Notes
    -----
    Safe to use from several threads. It pickles as its path.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._lock = threading.Lock()
        self._check_files()

    def __reduce__(self) -> tuple[object, ...]:
        return Reference, (self.path,)

    def __repr__(self) -> str:
        return f"Reference({str(self.path)!r})"

    @property
    def indexes(self) -> list[Path]:
        """The index files that it needs."""
        suffixes = [".fai", ".gzi"] if self._packed else [".fai"]
        return [Path(f"{self.path}{suffix}") for suffix in suffixes]

    @cached_property
    def contigs(self) -> dict[str, int]:
        """Contig names and their lengths in bp, in file order.

        Notes
        -----
        A reference that is cut short (chr22:1-22,000,000) has contigs shorter than the chromosome's true length.
        """
        found = {name: int(record.rlen) for name, record in self._fasta.index.items()}
        if not found:
            raise GexvizError(
                "the reference's index is empty",
                file=self.indexes[0],
                expected="a line for each contig",
                remedy=f"make it again: samtools faidx {self.path}",
            )
        return found

    def fetch(self, contig: str, start: int, end: int) -> np.ndarray:
        """Read a stretch.

        Parameters
        ----------
        contig : str
            As in :attr:`contigs` (:func:`gexviz.cohort.contigs.resolve_contig` finds it).
        start, end : int
            0-based half-open, inside the contig.

        Returns
        -------
        ndarray, uint8, shape (end - start,)
            ASCII codes, upper case, read-only.

        Raises
        ------
        GexvizError
            For an unknown contig, a stretch that leaves the contig, or a file that ends early or can't be unpacked.
        """
        length = self.contigs.get(contig)
        place = f"{contig}:{start + 1:,}-{end:,}"
        if length is None:
            near = ", ".join(list(self.contigs)[:5])
            raise GexvizError(f"the reference has no contig {contig}", file=self.path, expected=f"one of {near}, ...")
        if not 0 <= start <= end <= length:
            raise GexvizError(
                f"{place} leaves the reference",
                file=self.path,
                place=contig,
                expected=f"a stretch inside {contig}:1-{length:,}",
            )
        if start == end:
            return np.empty(0, dtype=np.uint8)
        try:
            with self._lock:
                text = self._fasta.fetch(contig, start + 1, end)
            bases = np.frombuffer(text.encode("ascii"), dtype=np.uint8)
        except Exception as error:  # pyfaidx, Bio and zlib raise many kinds; the arguments were checked
            raise self._damaged(place, str(error)) from error
        if len(bases) != end - start:
            raise self._damaged(place, f"{len(bases):,} of {end - start:,} bases are there")
        return bases

    @cached_property
    def _fasta(self) -> pyfaidx.Faidx:
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message=".*older than FASTA", category=RuntimeWarning)  # preflight
                return pyfaidx.Faidx(
                    str(self.path), as_raw=True, sequence_always_upper=True, build_index=False, rebuild=False
                )
        except Exception as error:  # pyfaidx, Bio and zlib raise many kinds
            raise GexvizError(
                f"the reference can't be read: {error}",
                file=self.path,
                expected="a FASTA with an index made from it",
                remedy=f"make the index again: samtools faidx {self.path}",
            ) from error

    @cached_property
    def _packed(self) -> bool:
        return self.path.suffix.lower() in (".gz", ".bgz")

    def _check_files(self) -> None:
        check_whole(self.path)
        if self._packed:
            check_bgzf(self.path, remedy=f"gunzip, then: bgzip {self.path.with_suffix('')}; samtools faidx {self.path}")
        for index in self.indexes:
            if not index.is_file():
                raise GexvizError(
                    f"the reference has no index {index.name}",
                    file=self.path,
                    expected=str(index),
                    remedy=f"samtools faidx {self.path}",
                )

    def _damaged(self, place: str, found: str) -> GexvizError:
        return GexvizError(
            f"the reference can't be read: {found}",
            file=self.path,
            place=place,
            expected="a whole FASTA, and an index made from it",
            remedy=f"copy the file again, then: samtools faidx {self.path}",
        )
