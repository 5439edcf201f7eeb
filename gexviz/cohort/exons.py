"""Exons of genes, to draw them; read from the annotation for one contig at a time."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pandas as pd

from gexviz.cohort.contigs import resolve_contig
from gexviz.cohort.genes import attribute_fields
from gexviz.lazy import lazy

bioframe = lazy("bioframe")


def read_exons(path: str | Path, contig: str) -> pd.DataFrame:
    """Read the exons of a contig; the last contigs asked for are remembered.

    Parameters
    ----------
    path : path
        GTF or GFF3, as for :func:`gexviz.cohort.genes.read_genes`, which has checked it.
    contig : str
        Any of its names (``22``, ``chr22``).

    Returns
    -------
    DataFrame
        ``transcript``, ``start``, ``end`` (0-based half-open), in the file's order; empty for an annotation without
        exons.
    """
    path = Path(path)
    return _read(path, contig, path.stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _read(path: Path, contig: str, changed: int) -> pd.DataFrame:
    text = b"".join(_exon_lines(path, contig))
    if not text:
        return pd.DataFrame({"transcript": [], "start": [], "end": []}).astype({"start": "int64", "end": "int64"})
    rows = bioframe.read_table(io.BytesIO(text), schema="gtf", quoting=3, na_filter=False)
    transcript = attribute_fields(rows["attributes"]).transcript_of_exon().fillna("").to_numpy()
    return pd.DataFrame({"transcript": transcript, "start": rows["start"] - 1, "end": rows["end"]})


def _exon_lines(path: Path, contig: str) -> Iterator[bytes]:
    """Stream the exon lines of a contig."""
    known: dict[bytes, bool] = {}
    with path.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        for line in io.BufferedReader(gzip.GzipFile(fileobj=raw), 1 << 20) if packed else raw:  # type: ignore[type-var]
            parts = line.split(b"\t", 3)
            if len(parts) < 4 or parts[2] != b"exon":
                continue
            if parts[0] not in known:
                name = parts[0].decode("utf-8", "replace")
                known[parts[0]] = resolve_contig(contig, [name]) is not None
            if known[parts[0]]:
                yield line
