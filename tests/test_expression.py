import gzip

import numpy as np
import pandas as pd
import pysam
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from gexviz.cohort.expression import read_expression, transformed
from gexviz.errors import GexvizError

GENES = ["ENSG01.1", "ENSG02.4", "ENSG03.1"]
SAMPLES = ["S1", "S2", "S3", "S4"]
VALUES = pd.DataFrame(
    [[0.5, 1.25, np.nan, 3.0], [10.0, 0.0, 2.0, 7.5], [1.0, 1.0, 1.0, 1.0]],
    index=pd.Index(GENES, name="gene"),
    columns=SAMPLES,
)
PLACES = pd.DataFrame(
    {"#chr": "chr1", "start": [99, 500, 7], "end": [100, 900, 8], "gene": GENES, "length": 5, "strand": ["+", "-", "-"]}
)


def bed(fixed=6):
    columns = PLACES.iloc[:, :fixed]
    return pd.concat([columns, VALUES.reset_index(drop=True)], axis=1)


def write(table, path, **options):
    text = table.to_csv(sep="\t", index=False, na_rep="NA", **options)
    if path.suffix == ".bgz" or path.name.endswith(".bed.gz"):
        with pysam.BGZFile(str(path), "wb") as out:
            out.write(text.encode())
    else:
        path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


@pytest.mark.parametrize("name", ["e.tsv", "e.tsv.gz", "e.txt", "e.parquet", "index.parquet"])
def test_tables_without_positions(tmp_path, name):
    path = tmp_path / name
    if name == "index.parquet":
        VALUES.to_parquet(path)
    elif name == "e.parquet":
        VALUES.reset_index().to_parquet(path)
    else:
        write(VALUES.reset_index(), path)
    found = read_expression(path)
    pd.testing.assert_frame_equal(found.values, VALUES, check_index_type=False, check_column_type=False)
    assert found.raw is found.values
    assert found.positions is None


@pytest.mark.parametrize("name", ["e.bed", "e.bed.gz", "e.parquet", "index.parquet"])
@pytest.mark.parametrize("fixed", [4, 6])
def test_beds_of_four_and_six_columns(tmp_path, name, fixed):
    path = tmp_path / name
    table = bed(fixed)
    if name == "e.parquet":
        table.to_parquet(path)
    elif name == "index.parquet":
        table.set_index("gene").to_parquet(path)
    else:
        write(table, path)
    found = read_expression(path)
    pd.testing.assert_frame_equal(found.values, VALUES, check_index_type=False, check_column_type=False)
    places = found.positions
    assert places["contig"].tolist() == ["chr1"] * 3
    assert places["start"].tolist() == [99, 500, 7]
    assert places["strand"].tolist() == (["+", "-", "-"] if fixed == 6 else [""] * 3)
    assert places["tss"].tolist() == ([99, 899, 7] if fixed == 6 else [99, 500, 7])


def test_a_bed_with_a_gene_column_before_the_strand_of_qtltools(tmp_path):
    table = bed().rename(columns={"#chr": "#Chr", "gene": "pid", "length": "gid"})
    table["gid"] = "a.group"
    assert read_expression(write(table, tmp_path / "q.bed")).values.index.tolist() == GENES


def cell(row, column, value):
    table = VALUES.reset_index().astype(object)
    table.loc[row, column] = value
    return table


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (cell(1, "S3", "high"), ["'high' is not a number", "row 3", "ENSG02.4", "column S3"]),
        (cell(1, "S3", "Inf"), ["not a number", "row 3", "ENSG02.4", "column S3"]),
        (cell(2, "gene", "ENSG01.1"), ["ENSG01.1 is there 2 times", "rows 2 and 4", "its id in column gene"]),
        (cell(0, "gene", ""), ["no gene id", "row 2, column gene"]),
        (VALUES.reset_index().rename(columns={"S4": "S1"}), ["'S1' is there twice", "columns 2 and 5"]),
        (VALUES.iloc[:0].reset_index(), ["no rows"]),
    ],
)
def test_bad_tables_name_the_place(tmp_path, table, words):
    path = write(table, tmp_path / "e.tsv")
    with pytest.raises(GexvizError) as caught:
        read_expression(path)
    for word in [*words, str(path)]:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"gene,S1,S2\nA,1,2\n", ["separated by commas", "tabs"]),
        (b"gene;S1;S2\nA;1;2\n", ["semicolons"]),
        (b"gene S1 S2\nA 1 2\n", ["spaces"]),
        (b"gene\tS1\tS2\nA\t1\n", ["wrong number of cells", "3 cells"]),
        (b"S1\tS2\nA\t1\t2\n", ["wrong number of cells", "col.names=NA"]),
        (b"PK\x03\x04rest of a workbook", ["spreadsheet"]),
        ("gene\tS\xe4\nA\t1\n".encode("latin-1"), ["UTF-8"]),
        (b"", ["empty"]),
        (gzip.compress(b"gene\tS1\n" + b"A\t1\n" * 5_000, mtime=0)[:60], ["unpack"]),
        (b"#chr\tstart\tend\tscore\tstrand\tS1\n" + b"1\t5\t9\t.\t+\t2\n" * 2, ["gene . is there", "column score"]),
        (b"#chr\tstart\tend\tgene\tS1\nchr1\tx\t9\tA\t1\n", ["no position", "row 2", "(gene A)"]),
        (b"#chr\tstart\tend\tgene\tS1\nchr1\t9\t9\tA\t1\n", ["no position", "start < end"]),
        (b"#chr\tstart\tend\tpid\tgid\tS1\nchr1\t8\t9\tA\tG\t1\n", ["'G' is not a number", "column gid"]),
    ],
)
def test_files_that_are_no_such_table(tmp_path, content, words):
    path = tmp_path / ("e.tsv.gz" if content[:2] == b"\x1f\x8b" else "e.tsv")
    path.write_bytes(content)
    with pytest.raises(GexvizError) as caught:
        read_expression(path)
    for word in [*words, str(path)]:
        assert word in str(caught.value)


def test_a_bgzipped_table_cut_between_two_blocks(tmp_path):
    """Nothing but the missing end marker shows that rows are missing."""
    path = tmp_path / "e.bed.gz"
    with pysam.BGZFile(str(path), "wb") as out:
        out.write(b"#chr\tstart\tend\tgene\tS1\nchr1\t1\t2\tA\t3\n")
    path.write_bytes(path.read_bytes()[:-28])
    assert gzip.decompress(path.read_bytes()).endswith(b"A\t3\n")
    with pytest.raises(GexvizError, match="truncated"):
        read_expression(path)


def test_parquet_with_text_and_a_file_that_is_none(tmp_path):
    path = tmp_path / "e.parquet"
    VALUES.assign(S2=["1", "x", "3"]).to_parquet(path)
    with pytest.raises(GexvizError, match="'x' is not a number") as caught:
        read_expression(path)
    assert "gene ENSG02.4" in str(caught.value)
    path.write_text("gene\tS1\n")
    with pytest.raises(GexvizError, match="can't read the Parquet"):
        read_expression(path)


def test_log2p1(tmp_path):
    path = write(VALUES.reset_index(), tmp_path / "e.tsv")
    found = read_expression(path, "log2p1")
    assert np.array_equal(found.values.to_numpy(), np.log2(1 + VALUES.to_numpy()), equal_nan=True)
    assert np.array_equal(found.raw.to_numpy(), VALUES.to_numpy(), equal_nan=True)
    write(VALUES.reset_index().replace({7.5: -0.5}), path)
    with pytest.raises(GexvizError, match=r"negative value, -0\.5") as caught:
        read_expression(path, "log2p1")
    assert "gene ENSG02.4, column S4" in str(caught.value)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.lists(st.one_of(st.integers(0, 4).map(float), st.floats(-50, 50), st.just(np.nan)), min_size=7, max_size=7),
        min_size=1,
        max_size=4,
    )
)
def test_inverse_normal_is_scipys_rank_and_quantile(rows):
    raw = pd.DataFrame(rows)
    found = transformed(raw, "inverse_normal").to_numpy()
    for values, row in zip(raw.to_numpy(), found, strict=True):
        known = ~np.isnan(values)
        assert np.array_equal(np.isnan(row), ~known)
        if known.any():
            expected = stats.norm.ppf((stats.rankdata(values[known]) - 0.5) / known.sum())
            np.testing.assert_allclose(row[known], expected, atol=1e-12)


def test_a_constant_gene_becomes_zero():
    assert (transformed(VALUES, "inverse_normal").loc["ENSG03.1"] == 0).all()


@pytest.mark.real
def test_the_real_expression(real_cohort):
    found = read_expression(real_cohort / "expression.bed.gz")
    assert found.values.shape == (608, 358)
    by_pandas = pd.read_csv(real_cohort / "expression.bed.gz", sep="\t", index_col="gene")
    np.testing.assert_array_equal(found.values.to_numpy(), by_pandas.iloc[:, 5:].to_numpy())
    assert (found.positions["tss"] == by_pandas["start"].to_numpy()).all()
