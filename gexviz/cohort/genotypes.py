"""Genotypes of a region, for all samples at once, from VCF or BCF."""

from __future__ import annotations

import re
import threading
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from cyvcf2 import VCF

from gexviz.cohort.contigs import resolve_contig
from gexviz.cohort.probe import probe_vcf
from gexviz.errors import GexvizError

MISSING = -1
NO_COPY = -2
_PLAIN = re.compile(r"^[ACGTNacgtn]+$")


@dataclass(frozen=True)
class GenotypeBlock:
    """The calls of a region.

    Attributes
    ----------
    contig : str
        As in the VCF.
    start, end : int
        0-based half-open; every record overlaps it.
    samples : tuple of str
    records : DataFrame
        One row a VCF record, in file order: ``position`` (0-based), ``id``, ``ref``, ``alts`` (tuple of str), upper
        case.
    alleles : ndarray, int8 (n_records, n_samples, 2)
        0 = REF, k = the k-th ALT, -1 = missing call, -2 = no such copy (haploid call).
    phased : ndarray, bool (n_records, n_samples)
        Phased calls; haploid calls count as phased.
    """

    contig: str
    start: int
    end: int
    samples: tuple[str, ...]
    records: pd.DataFrame
    alleles: np.ndarray
    phased: np.ndarray

    def usable(self) -> list[tuple[bool, ...]]:
        """For each record, whether each ALT is plain sequence (not symbolic, not ``*``, not a breakend)."""
        return [tuple(_PLAIN.match(alt) is not None for alt in alts) for alts in self.records["alts"]]

    def snvs(self) -> GenotypeBlock:
        """The same without alleles that are not one base for another; who carries one of those is taken for REF."""
        single = [
            tuple(plain and len(ref) == len(alt) == 1 for plain, alt in zip(flags, alts, strict=True))
            for flags, ref, alts in zip(self.usable(), self.records["ref"], self.records["alts"], strict=True)
        ]
        rows = np.array([any(flags) for flags in single], dtype=bool)
        records, alleles = self.records[rows].reset_index(drop=True), self.alleles[rows]
        kept = [flags for flags in single if any(flags)]
        for row, flags in enumerate(kept):
            if not all(flags):  # the last two are found by -2 and -1
                numbers = np.array([0, *np.cumsum(flags) * flags, NO_COPY, MISSING], dtype=np.int8)
                alleles[row] = numbers[alleles[row]]
        records["alts"] = [
            tuple(alt for alt, single in zip(alts, flags, strict=True) if single)
            for alts, flags in zip(records["alts"], kept, strict=True)
        ]
        return replace(self, records=records, alleles=alleles, phased=self.phased[rows])

    def dosages(self) -> tuple[pd.DataFrame, np.ndarray]:
        """Count the copies of every plain ALT allele.

        Returns
        -------
        variants : DataFrame
            One row an ALT allele: ``variant`` (contig:pos:ref:alt, 1-based), ``id``, ``position`` (0-based), ``ref``,
            ``alt``.
        dosages : ndarray, float32 (n_variants, n_samples)
            0, 1 or 2 copies; haploid calls 0 or 1; NaN where any copy is missing.
        """
        usable = self.usable()
        pairs = [(r, k) for r, flags in enumerate(usable) for k, plain in enumerate(flags, start=1) if plain]
        rows = np.array([r for r, _ in pairs], dtype=np.intp)
        allele = np.array([k for _, k in pairs], dtype=np.int8)
        called = self.alleles[rows]
        dosages = (called == allele[:, None, None]).sum(axis=2, dtype=np.float32)
        dosages[(called == MISSING).any(axis=2)] = np.nan
        records = self.records.iloc[rows]
        written = self.records["alts"].to_numpy()
        alts = [written[r][k - 1] for r, k in pairs]
        variants = pd.DataFrame(
            {
                "variant": [
                    f"{self.contig}:{p + 1}:{ref}:{alt}"
                    for p, ref, alt in zip(records["position"], records["ref"], alts, strict=True)
                ],
                "id": records["id"].to_numpy(),
                "position": records["position"].to_numpy(dtype=np.int64),
                "ref": records["ref"].to_numpy(),
                "alt": alts,
            }
        )
        return variants, dosages


class Genotypes:
    """VCF or BCF files, bgzipped and indexed; several files hold different contigs.

    Parameters
    ----------
    paths : sequence of path
        Each is first opened in another process, so that a file that crashes the parser gives an error here.

    Raises
    ------
    GexvizError
        For a missing index, a truncated file, a broken header, a duplicated sample, or files whose samples differ.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = [Path(p) for p in paths]
        self._lock = threading.Lock()
        self._readers: dict[tuple[Path, tuple[str, ...]], VCF] = {}
        self.contigs: dict[str, Path] = {}
        self.samples: tuple[str, ...] = ()
        for path in self.paths:
            header = probe_vcf(path)
            if self.samples and set(header.samples) != set(self.samples):
                raise GexvizError(
                    f"the samples differ from those of {self.paths[0].name}",
                    file=path,
                    expected=f"the same {len(self.samples)} samples in every file; found {len(header.samples)}",
                    remedy="select the same samples with `bcftools view -S`, or give one file",
                )
            self.samples = self.samples or tuple(header.samples)
            for contig in header.contigs:
                if contig in self.contigs:
                    raise GexvizError(
                        f"contig {contig} is also in {self.contigs[contig].name}",
                        file=path,
                        expected="each contig in one file",
                        remedy="concatenate the files with `bcftools concat -a`",
                    )
                self.contigs[contig] = path

    def read(self, contig: str, start: int, end: int, samples: Sequence[str] | None = None) -> GenotypeBlock:
        """Read the records that overlap a region.

        Parameters
        ----------
        contig : str
            Any alias.
        start, end : int
            0-based half-open.
        samples : sequence of str, optional
            In the order wanted; all if not given.

        Returns
        -------
        GenotypeBlock
            Empty where the contig has no records.
        """
        wanted = self.samples if samples is None else tuple(samples)
        name = resolve_contig(contig, self.contigs)
        if name is None or end <= max(start, 0):
            return _block(contig, start, end, wanted, [], [])
        with self._lock:
            reader = self._reader(self.contigs[name], wanted)
            order = _order(reader.samples, wanted)
            records, calls = [], []
            for v in _overlapping(reader, f"{name}:{max(start, 0) + 1}-{end}"):
                if v.end <= start or v.start >= end:
                    continue
                records.append((v.start, v.ID or ".", v.REF.upper(), tuple(alt.upper() for alt in v.ALT)))
                calls.append(_calls(v, len(reader.samples), self.contigs[name]))
        if order is not None:
            calls = [c[order] for c in calls]
        return _block(name, start, end, wanted, records, calls)

    def _reader(self, path: Path, samples: tuple[str, ...]) -> VCF:
        key = (path, samples)
        if key not in self._readers:
            self._readers.clear()  # one sample set at a time is in use; handles are not free
            self._readers[key] = VCF(str(path), samples=list(samples) if samples != self.samples else None)
        return self._readers[key]

    def __reduce__(self) -> tuple[object, ...]:
        return Genotypes, (self.paths,)


def _overlapping(reader: VCF, region: str) -> Iterator[Any]:
    """Records of a region; cyvcf2 warns of an empty one, which is nothing unusual."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="no intervals found", category=UserWarning)
        yield from reader(region)


def _order(have: Sequence[str], want: Sequence[str]) -> np.ndarray | None:
    """Where each wanted sample is among those read; None if they are in order already."""
    if list(have) == list(want):
        return None
    at = {s: i for i, s in enumerate(have)}
    return np.array([at[s] for s in want], dtype=np.intp)


def _calls(variant: Any, n_samples: int, path: Path) -> np.ndarray:
    """Alleles and phase of one record: int8 (n_samples, 3)."""
    place = f"{variant.CHROM}:{variant.POS:,}"
    if variant.genotype is None:
        raise GexvizError(
            "a record has no GT",
            file=path,
            place=place,
            expected="FORMAT/GT in every record",
            remedy="leave such records out: bcftools view -i 'N_PASS(GT!=\"mis\")>0'",
        )
    raw = variant.genotype.array()
    if raw.shape[1] > 3:
        raise GexvizError(
            f"a call has {raw.shape[1] - 1} copies",
            file=path,
            place=place,
            expected="haploid or diploid calls",
            remedy="call genotypes with ploidy 2 (in bcftools call: --ploidy), or leave these records out",
        )
    out = np.full((n_samples, 3), NO_COPY, dtype=np.int8)
    out[:, 0] = raw[:, 0]
    if raw.shape[1] == 3:
        out[:, 1] = raw[:, 1]
    out[:, 2] = (raw[:, -1] == 1) | (out[:, 1] == NO_COPY)
    return out


def _block(
    contig: str, start: int, end: int, samples: tuple[str, ...], records: list[tuple], calls: list[np.ndarray]
) -> GenotypeBlock:
    stacked = np.stack(calls) if calls else np.zeros((0, len(samples), 3), dtype=np.int8)
    table = pd.DataFrame(records, columns=["position", "id", "ref", "alts"])
    table["position"] = table["position"].astype(np.int64)
    return GenotypeBlock(
        contig, start, end, samples, table, np.ascontiguousarray(stacked[:, :, :2]), stacked[:, :, 2].astype(bool)
    )
