"""Gene annotation: where each gene is and where it starts, from GTF or GFF3."""

from __future__ import annotations

import difflib
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from gexviz.cohort.bgzf import check_whole
from gexviz.errors import GexvizError, UnknownGene
from gexviz.lazy import lazy

bioframe = lazy("bioframe")

COLUMNS = ["name", "contig", "start", "end", "strand", "tss", "biotype", "transcript"]
_TRANSCRIPTS = ("transcript", "mRNA")
_ON_Y = re.compile(r"ENSGR|ENSG.*_PAR_Y$")  # copies on Y's pseudo-autosomal regions, before and after GENCODE 25
_TAGS = [r"MANE_Select", r"Ensembl_canonical", *(rf"appris_principal_{n}" for n in range(1, 6)), r"appris_principal"]


def read_genes(path: str | Path) -> pd.DataFrame:
    """Read the genes of an annotation.

    Parameters
    ----------
    path : path
        GTF or GFF3, plain, gzipped or bgzipped, as GENCODE, Ensembl and RefSeq write them.

    Returns
    -------
    DataFrame
        Index ``gene``, the id as in the file. Columns: ``name`` (symbol; the id where there is none), ``contig`` (as in
        the file), ``start``, ``end`` (0-based half-open), ``strand``, ``tss`` (0-based), ``biotype``, ``transcript``
        (the representative transcript's id; empty where the file has none).

    Raises
    ------
    GexvizError
        For a missing or damaged file, one that isn't GTF or GFF3, a file without gene rows, or an id on two gene rows.

    Notes
    -----
    The TSS is the 5' end of the *gene* row: ``start`` on the plus strand, ``end - 1`` on the minus strand. This is what
    FastQTL, tensorQTL, the GTEx pipeline and PrediXcan use, and so what expression files agree with: it is the position
    of all 598 annotated genes of the Geuvadis chr22 expression file, against 382 to 469 of them for the 5' end of a
    representative transcript.

    The representative transcript is the one tagged MANE_Select, else Ensembl_canonical, else the best appris_principal
    level, else the one with the longest span on the genome; of equals, the one with the first id.

    Only gene and transcript rows are parsed, so exons cost little: a whole GENCODE (3 million rows) takes seconds.
    """
    path = Path(path)
    rows = _parse_rows(path)
    fields = _kind_of(rows["attributes"])
    is_transcript = rows["feature"].isin(_TRANSCRIPTS)
    genes, transcripts = rows[~is_transcript], rows[is_transcript]
    field = fields(genes["attributes"])
    genes = genes.assign(id=field.gene_id(), name=field.name(), biotype=field.biotype().fillna(""))
    genes = genes[genes["id"].notna()]
    if genes.empty:
        raise GexvizError(
            "the annotation has no gene rows",
            file=path,
            expected="rows of the feature 'gene' with a gene_id (GTF) or an ID (GFF3)",
            remedy="use the annotation as GENCODE, Ensembl or RefSeq publish it",
        )
    _no_gene_twice(genes, path)
    genes = genes.set_index(genes["id"].rename("gene"))
    return genes.assign(
        name=genes["name"].fillna(genes["id"]),
        contig=genes["chrom"],
        start=genes["start"] - 1,
        tss=(genes["start"] - 1).where(genes["strand"] != "-", genes["end"] - 1),
        transcript=_representative(transcripts, fields).reindex(_stem(genes["id"])).fillna("").to_numpy(),
    )[COLUMNS]


def attribute_fields(attributes: pd.Series) -> _Gtf:
    """The fields of the ninth column, of a GTF or a GFF3."""
    return _kind_of(attributes)(attributes)


def _kind_of(attributes: pd.Series) -> type[_Gtf]:
    return _Gtf if attributes.head(100).str.contains(r'\w+ "', regex=True).any() else _Gff3


def _representative(rows: pd.DataFrame, fields: type[_Gtf]) -> pd.Series:
    """The representative transcript of each gene, by gene id without version."""
    field = fields(rows["attributes"])
    table = pd.DataFrame(
        {
            "gene": _stem(field.gene_of_transcript()),
            "transcript": field.transcript_id(),
            "rank": _tag_rank(rows["attributes"]),
            "span": rows["start"] - rows["end"],
        }
    )
    return table.sort_values(["rank", "span", "transcript"]).drop_duplicates("gene").set_index("gene")["transcript"]


def _stem(ids: pd.Series) -> pd.Series:
    """Ids as they are the same on gene and transcript rows, where only the gene's row may have the version."""
    return ids.str.replace(r"^(ENS[A-Z]*\d+)\.\d+", r"\1", regex=True)


def _no_gene_twice(genes: pd.DataFrame, path: Path) -> None:
    twice = genes["id"].duplicated(keep=False)
    if twice.any():
        gene = genes.loc[twice, "id"].iloc[0]
        places = [
            f"{c}:{int(s):,}-{int(e):,}"
            for c, s, e in genes.loc[genes["id"] == gene, ["chrom", "start", "end"]].itertuples(index=False)
        ]
        raise GexvizError(
            f"gene {gene} is in the annotation twice",
            file=path,
            place=" and ".join(places),
            expected="one gene row for each id",
            remedy="remove one of them (in old GENCODE files: drop the copies on chrY's pseudo-autosomal regions)",
        )


class _Gtf:
    """Fields of the attributes of a GTF, ``key "value"; key "value";``, a column at a time."""

    pattern = r'(?:^|[; ]){key} "?(?P<value>[^";]+)'

    def __init__(self, attributes: pd.Series) -> None:
        self.index = attributes.index
        self.attributes = pa.array(attributes, type=pa.large_string())

    def get(self, *keys: str) -> pd.Series:
        """The value of the first of the keys that a row has; NA without."""
        found = [
            pc.struct_field(pc.extract_regex(self.attributes, self.pattern.format(key=key)), "value") for key in keys
        ]
        return pd.Series(pc.coalesce(*found).to_pandas().to_numpy(), index=self.index, dtype="str")

    def gene_id(self) -> pd.Series:
        return _with_version(self.get("gene_id"), self.get("gene_version"))

    gene_of_transcript = gene_id

    def name(self) -> pd.Series:
        return self.get("gene_name", "gene")

    def biotype(self) -> pd.Series:
        return self.get("gene_type", "gene_biotype")

    def transcript_id(self) -> pd.Series:
        return _with_version(self.get("transcript_id"), self.get("transcript_version"))

    transcript_of_exon = transcript_id


class _Gff3(_Gtf):
    """Fields of the attributes of a GFF3, ``key=value;key=value``, a column at a time.

    Ids are bare in GENCODE, ``gene:ENSG...`` with ``version`` apart in Ensembl, ``gene-SYMBOL`` in RefSeq.
    """

    pattern = r"(?:^|; ?){key}=(?P<value>[^;]+)"

    def gene_id(self) -> pd.Series:
        return _with_version(_bare(self.get("gene_id", "ID")), self.get("version"))

    def gene_of_transcript(self) -> pd.Series:
        return _bare(self.get("gene_id", "Parent"))

    def name(self) -> pd.Series:
        return self.get("gene_name", "Name", "gene")

    def biotype(self) -> pd.Series:
        return self.get("gene_type", "gene_biotype", "biotype")

    def transcript_id(self) -> pd.Series:
        return _with_version(_bare(self.get("transcript_id", "ID")), self.get("version"))

    def transcript_of_exon(self) -> pd.Series:
        return _bare(self.get("transcript_id", "Parent"))


def _bare(ids: pd.Series) -> pd.Series:
    return ids.str.replace(r"^(gene|transcript|rna)[:-]", "", regex=True)


def _with_version(ids: pd.Series, versions: pd.Series) -> pd.Series:
    """Join id and version where they stand apart (Ensembl's own files)."""
    apart = versions.notna() & ids.notna() & ~ids.str.contains(r"\.\d+$", na=False)
    return ids.where(~apart, ids + "." + versions) if apart.any() else ids


def _tag_rank(attributes: pd.Series) -> np.ndarray:
    """How good a transcript is as its gene's representative: 0 is best."""
    text = pa.array(attributes, type=pa.large_string())
    has = [pc.match_substring_regex(text, rf"\b{tag}\b").to_numpy(zero_copy_only=False) for tag in _TAGS]
    return np.select(has, range(len(_TAGS)), default=len(_TAGS))


def _parse_rows(path: Path) -> pd.DataFrame:
    """Parse the gene and transcript rows."""
    check_whole(path)
    try:
        text = b"".join(_gene_lines(path))
        rows = bioframe.read_table(io.BytesIO(text), schema="gtf", dtype=str, quoting=3, na_filter=False)
    except (OSError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise GexvizError(
            f"the annotation can't be read: {error}",
            file=path,
            expected="a whole GTF or GFF3, plain or gzipped",
            remedy="copy or download it again",
        ) from error
    except pd.errors.EmptyDataError:
        raise GexvizError(
            "this is not a gene annotation: it has no gene rows",
            file=path,
            expected="GTF or GFF3: nine columns separated by tabs, the third 'gene', 'transcript', 'exon', ...",
            remedy="use the annotation as GENCODE, Ensembl or RefSeq publish it",
        ) from None
    bad = ~(rows["start"].str.isdecimal() & rows["end"].str.isdecimal() & rows["attributes"].ne(""))
    if bad.any():
        row = rows[bad].iloc[0]
        raise GexvizError(
            "a row of the annotation is broken",
            file=path,
            place=f"{row['feature']} at {row['chrom']}:{row['start']}-{row['end']}",
            expected="nine columns; start and end whole numbers",
        )
    return rows.astype({"start": "int64", "end": "int64"})


def _gene_lines(path: Path) -> Iterator[bytes]:
    """Stream the lines of genes and transcripts."""
    transcripts = {kind.encode() for kind in _TRANSCRIPTS}
    with path.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        for line in io.BufferedReader(gzip.GzipFile(fileobj=raw), 1 << 20) if packed else raw:  # type: ignore[type-var]
            parts = line.split(b"\t", 3)
            if len(parts) == 4 and (parts[2] in transcripts or parts[2].endswith(b"gene")):
                yield line


class GeneIndex:
    """Finds genes by id, id without version, or symbol. Made once, it answers at once.

    Parameters
    ----------
    genes : DataFrame
        As from :func:`read_genes`.
    file : path, optional
        Named in errors.
    """

    def __init__(self, genes: pd.DataFrame, file: str | Path | None = None) -> None:
        self.file = file
        self._ids = {str(g) for g in genes.index}
        self._plain = _grouped(genes.index, unversioned(genes.index))
        self._symbols = _grouped(genes.index, genes["name"])
        self._folded = _grouped(genes.index, genes["name"].str.upper())
        self._names = dict(zip(genes.index, genes["name"], strict=True))

    def resolve(self, query: str) -> str:
        """Find the id that a gene has in the table.

        Parameters
        ----------
        query : str
            An id with or without version, or a symbol; case counts only where two symbols differ by it.

        Returns
        -------
        str

        Raises
        ------
        UnknownGene
            Naming the nearest genes.
        GexvizError
            For a symbol of several genes, naming their ids.

        Notes
        -----
        An id with another version than the table's finds the gene. ``ENSG00000182378`` means the copy on X;
        the copy on Y is ``ENSG00000182378_PAR_Y`` (any version). A symbol of both means the copy on X.
        """
        query = query.strip()
        if query in self._ids:
            return query
        plain = unversioned_id(query).upper()
        for table, key in [(self._plain, plain), (self._symbols, query), (self._folded, query.upper())]:
            found = table.get(key, [])
            found = [gene for gene in found if not _ON_Y.match(gene)] or found
            if len(found) == 1:
                return found[0]
            if found:
                raise GexvizError(
                    f"{query} is the name of {len(found)} genes",
                    file=self.file,
                    expected="a name of one gene, or an id",
                    remedy="use an id: " + ", ".join(found),
                )
        raise UnknownGene(
            f"there is no gene {query!r}",
            file=self.file,
            expected="a gene id, with or without version, or a symbol",
            remedy=self._suggestion(query),
        )

    def _suggestion(self, query: str) -> str:
        near = difflib.get_close_matches(query.upper(), self._folded, n=3, cutoff=0.6)
        names = [self._names[self._folded[n][0]] for n in near]
        if re.match(r"ENS[A-Z]*\d", query.upper()):
            near = difflib.get_close_matches(unversioned_id(query).upper(), self._plain, n=3, cutoff=0.9)
            names = [f"{gene} ({self._names[gene]})" for gene in (self._plain[n][0] for n in near)]
        return f"did you mean {' or '.join(names)}?" if names else "look the gene up in the annotation"


def resolve_gene(genes: pd.DataFrame, query: str, file: str | Path | None = None) -> str:
    """Find one gene in a table; see :meth:`GeneIndex.resolve`. For many, keep a :class:`GeneIndex`."""
    return GeneIndex(genes, file).resolve(query)


def unversioned(ids: pd.Index | pd.Series) -> pd.Index:
    """Ids without their versions, ``ENSG00000183597.11`` -> ``ENSG00000183597``; ``_PAR_Y`` stays.

    Only Ensembl ids lose what follows the dot: in ``RP11-34P13.7`` and ``LOC1.2`` it is part of the name.
    """
    return pd.Index(_stem(pd.Series(ids, dtype="str")))


def unversioned_id(query: str) -> str:
    """One id without its version, as :func:`unversioned` has it, in upper or lower case."""
    return re.sub(r"^(ENS[A-Z]*\d+)\.\d+", r"\1", query, flags=re.IGNORECASE)


def _grouped(ids: pd.Index, keys: pd.Index | pd.Series) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for gene, key in zip(ids, keys, strict=True):
        groups.setdefault(str(key), []).append(str(gene))
    return groups
