import gzip
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gexviz.errors import GexvizError
from gexviz.models import table
from gexviz.models.base import GeneLocus, KnowsPredictions
from gexviz.models.registry import open_model
from gexviz.models.table_file import read_predictions

SEVERAL = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


LONG_1 = "gene\tsample\tvalue\n"
LONG_2 = "gene\tsample\tvalue\thaplotype\n"


def locus(gene, name="SYMBOL"):
    return GeneLocus(gene, name, "1", 10, "+", 10, 20)


def opened(path, **options):
    return open_model("t", "table", {"predictions": path, "scale": "log2(TPM + 1)", **options})


def complaint(call):
    with pytest.raises(GexvizError) as raised:
        call()
    assert raised.value.file
    assert raised.value.expected
    assert raised.value.remedy
    return raised.value


def written(tmp_path, text, name="p.tsv"):
    path = tmp_path / name
    data = text.encode()
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


# -- random tables, in every layout and format, against the dictionary they were made from ----------------------------

names = st.text("abcXYZ019-_", min_size=1, max_size=6).filter(
    lambda name: name not in ("gene", "sample", "value", "haplotype", "reference")
)
numbers = st.one_of(st.just(np.nan), st.floats(-1e6, 1e6, allow_subnormal=False))


@st.composite
def tables(draw):
    """Predictions as {gene: {sample: [one or two numbers]}}, and on the reference {gene: number}."""
    genes = draw(st.lists(names, min_size=1, max_size=4, unique=True))
    samples = draw(st.lists(names, min_size=1, max_size=5, unique=True))
    width = draw(st.integers(1, 2))
    known = {g: {s: [draw(numbers) for _ in range(width)] for s in samples} for g in genes}
    reference = {g: draw(numbers) for g in genes} if draw(st.booleans()) else {}
    return known, reference, width


def long_frame(known, reference, width, seed):
    rows = [
        {"gene": g, "sample": s, "value": v, "haplotype": copy}
        for g, people in known.items()
        for s, values in people.items()
        for copy, v in enumerate(values, start=1)
    ]
    rows += [{"gene": g, "sample": "reference", "value": v, "haplotype": None} for g, v in reference.items()]
    frame = pd.DataFrame(rows).sample(frac=1, random_state=seed)
    frame["haplotype"] = frame["haplotype"].astype("Int64")
    return frame if width == 2 else frame.drop(columns="haplotype")


def wide_frame(known, reference, width, seed):
    def columns(sample, values):
        return {sample: values[0]} if width == 1 else {f"{sample}|1": values[0], f"{sample}|2": values[1]}

    rows = {g: dict(cell for s, v in people.items() for cell in columns(s, v).items()) for g, people in known.items()}
    frame = pd.DataFrame(rows).T.sample(frac=1, axis=1, random_state=seed)
    frame = frame.assign(reference=pd.Series(reference)) if reference else frame
    return frame.rename_axis(index="gene").reset_index()


@SEVERAL
@given(tables(), st.sampled_from(["tsv", "tsv.gz", "csv", "parquet"]), st.booleans(), st.integers(0, 99))
def test_any_table_in_any_layout_gives_back_what_was_written(tmp_path, table, ending, is_long, seed):
    known, reference, width = table
    frame = (long_frame if is_long else wide_frame)(known, reference, width, seed)
    path = tmp_path / f"p.{ending}"
    if ending == "parquet":
        frame.to_parquet(path, index=False)
    else:
        frame.to_csv(path, sep="," if ending == "csv" else "\t", index=False, na_rep="NA")
    policy = ("output_sum", "output_mean")[seed % 2]
    model = opened(path, haplotypes=policy)
    assert set(model.genes) == set(known)
    assert set(model.samples) == set(next(iter(known.values())))
    for gene, people in known.items():
        found = model.known_predictions(locus(gene))
        assert list(found) == ["value", "haplotype_1", "haplotype_2"][: 1 if width == 1 else 3]
        assert set(found.index) == set(people)
        for sample, values in people.items():
            there = [v for v in values if not np.isnan(v)]
            expected = np.nan if not there else sum(there) / (len(there) if policy == "output_mean" else 1)
            assert found.loc[sample, "value"] == pytest.approx(expected, nan_ok=True)
            if width == 2:
                assert list(found.loc[sample, ["haplotype_1", "haplotype_2"]]) == pytest.approx(values, nan_ok=True)
        on_reference = reference.get(gene, np.nan)
        assert model.known_reference(locus(gene)) == (None if np.isnan(on_reference) else pytest.approx(on_reference))


def test_a_person_without_predictions_of_a_gene_is_left_out(tmp_path):
    path = written(tmp_path, "gene\tsample\tvalue\nB\ts2\t3\nA\ts1\t1\nA\ts2\t2\nC\treference\t7\n")
    model = opened(path)
    assert model.known_predictions(locus("A"))["value"].to_dict() == {"s1": 1.0, "s2": 2.0}
    assert model.known_predictions(locus("B"))["value"].to_dict() == {"s2": 3.0}
    assert model.known_predictions(locus("C")).empty
    assert model.known_reference(locus("C")) == 7.0


# -- genes, spec, contract ---------------------------------------------------------------------------------------------


def test_genes_are_found_by_id_with_or_without_version_and_symbol(tmp_path):
    path = written(
        tmp_path,
        "gene\ts1\nENSG00000183597.11\t1\nENSG00000000002\t2\nTRMT2A\t3\n"
        "ENSG00000000009.1\t4\nENSG00000000009.2\t5\nRP11-34P13.7\t6\n",
    )
    model = opened(path)

    def value(gene):
        return model.known_predictions(gene)["value"].item()

    assert value(locus("ENSG00000183597.11")) == 1
    assert value(locus("ENSG00000183597")) == 1
    assert value(locus("ENSG00000183597.12")) == 1
    assert value(locus("ENSG00000000002.5")) == 2
    assert value(locus("ENSG00000000003.1", name="TRMT2A")) == 3
    assert value(locus("ENSG00000000009.2")) == 5
    assert model.unavailable(locus("ENSG00000000009.2")) is None
    reason = model.unavailable(locus("ENSG00000000009.3"))
    assert reason == "several rows of the table: ENSG00000000009.1, ENSG00000000009.2"
    assert model.unavailable(locus("RP11-34P13.8")) == "not in the table of predictions"
    error = complaint(lambda: model.known_predictions(locus("RP11-34P13.8")))
    assert "not in the table" in error.problem


def test_the_spec_says_what_the_study_said(tmp_path):
    path = written(tmp_path, "gene\ts1\nA\t1\n")
    model = opened(path, citation="Avsec 2021", haplotypes="output_sum", genome="GRCh38")
    assert isinstance(model, KnowsPredictions)
    spec = model.spec
    assert (spec.input, spec.scale, spec.citation) == ("table", "log2(TPM + 1)", "Avsec 2021")
    assert (spec.haplotypes, spec.genome, spec.window) == ("output_sum", "GRCh38", None)


def test_another_content_or_another_meaning_has_another_fingerprint(tmp_path):
    path = written(tmp_path, "gene\ts1\nA\t1\n")
    first = opened(path).fingerprint()
    assert opened(path).fingerprint() == first
    assert opened(path, haplotypes="output_sum").fingerprint() != first
    written(tmp_path, "gene\ts1\nA\t2\n")
    assert opened(path).fingerprint() != first


def test_it_is_read_once_whatever_the_threads(tmp_path, monkeypatch):
    model = opened(written(tmp_path, "gene\ts1\nA\t1\n"))
    read = []
    monkeypatch.setattr(table, "read_predictions", lambda layout: read.append(layout) or read_predictions(layout))
    with ThreadPoolExecutor(6) as threads:
        found = list(threads.map(model.known_predictions, [locus("A")] * 12))
    assert [frame["value"].item() for frame in found] == [1.0] * 12
    assert len(read) == 1


def test_parquet_as_pandas_writes_it(tmp_path):
    """The gene as pandas' index, named or not; categories; integers; large text."""
    frame = pd.DataFrame({"s1": [1, 2], "s2": [0.5, np.nan]}, index=["A", "B"])
    frame.to_parquet(tmp_path / "unnamed.parquet")
    frame.rename_axis("gene_id").to_parquet(tmp_path / "named.parquet")
    for name in ("unnamed", "named"):
        model = opened(tmp_path / f"{name}.parquet")
        assert list(model.samples) == ["s1", "s2"]
        assert model.known_predictions(locus("B"))["value"].tolist() == pytest.approx([2, np.nan], nan_ok=True)
    long = pd.DataFrame({"gene": pd.Categorical(["A", "B"]), "sample": [101, 101], "value": np.float32([1, 2])})
    long.to_parquet(tmp_path / "long.parquet", index=False)
    assert opened(tmp_path / "long.parquet").known_predictions(locus("B"))["value"].to_dict() == {"101": 2.0}
    large = pa.table({"gene": pa.array(["A"], pa.large_string()), "s1": pa.array([3.0])})
    pq.write_table(large, tmp_path / "large.parquet")
    assert opened(tmp_path / "large.parquet").known_predictions(locus("A"))["value"].item() == 3.0


def test_a_bgzipped_table_of_many_blocks(tmp_path):
    lines = "".join(f"g{i}\t{i}\n" for i in range(5000)).encode()
    path = tmp_path / "p.tsv.gz"
    path.write_bytes(b"".join(map(gzip.compress, [b"gene\ts1\n", lines[:20_000], lines[20_000:]])))
    model = opened(path)
    assert len(model.genes) == 5000
    assert model.known_predictions(locus("g4999"))["value"].item() == 4999


# -- bad input ---------------------------------------------------------------------------------------------------------


def test_a_scale_has_to_be_told(tmp_path):
    path = written(tmp_path, "gene\ts1\nA\t1\n")
    with pytest.raises(GexvizError, match="'scale' is missing"):
        open_model("t", "table", {"predictions": path})


@pytest.mark.parametrize(
    ("text", "problem", "place"),
    [
        ("", "no column beside the gene", "header"),
        ("gene\n", "no column beside the gene", "header"),
        ("gene\ts1\ts2\ts1\nA\t1\t2\t3\n", "column 's1' stands twice in the table", "header"),
        ("gene\tsample\tprediction\nA\ts1\t1\n", "no column value", "header: gene, sample, prediction"),
        ("id\tsample\tvalue\nA\ts1\t1\n", "no column gene", "header: id, sample, value"),
        ("gene\ts1|1\ts1|2\ts2|1\nA\t1\t2\t3\n", "column 's2|1' of the table of predictions has no 's2|2'", "header"),
        ("gene\ts1|1\ts1|2\ts2\nA\t1\t2\t3\n", "column 's2' of the table of predictions has no 's2|1 and", "header"),
    ],
)
def test_a_header_that_is_wrong_is_told_when_the_model_is_opened(tmp_path, text, problem, place):
    path = written(tmp_path, text)
    error = complaint(lambda: opened(path))
    assert problem in error.problem
    assert error.place.startswith(place)


@pytest.mark.parametrize(
    ("text", "problem", "place"),
    [
        ("gene\ts1\ts2\nA\t1\t2\nB\t1\tx9\n", "is no number: 'x9'", "line 3, column s2"),
        ("gene\tname\ts1\nA\tTANGO2\t1\n", "is no number: 'TANGO2'", "line 2, column name"),
        (LONG_1 + "A\ts1\t1\nA\ts2\thigh\n", "is no number: 'high'", "line 3, column value"),
        ("gene\ts1\nA\t1\nB\tinf\n", "infinite", "line 3, column s1"),
        ("gene\ts1\nA\t1\nB\t1\nA\t2\n", "gene A stands twice", "line 2 and line 4"),
        ("gene\ts1\nA\t1\n\t2\n", "has no gene", "line 3, column gene"),
        (LONG_1 + "A\ts1\t1\nA\t\t2\n", "has no sample", "line 3, column sample"),
        (LONG_1 + "A\ts1\t1\nB\ts1\t1\nA\ts1\t2\n", "gene A of sample s1 stands twice", "line 2 and line 4"),
        (LONG_1 + "A\treference\t1\nA\treference\t1\n", "gene A of sample reference stands", "line 2 and line 3"),
        (LONG_2 + "A\ts1\t1\t1\nA\ts1\t2\t0\n", "1 rows of the table of", "line 3, column haplotype"),
        (LONG_2 + "A\ts1\t1\t1\nA\ts1\t2\t\n", "have no haplotype 1 or 2", "line 3, column haplotype"),
        ("gene\ts1\n", "no predictions of people", None),
        (LONG_1, "no predictions of people", None),
        (LONG_1 + "A\treference\t1\n", "no predictions of people", None),
        ("gene\ts1\ts2\nA\t1\t2\nB\t1\n", "Expected 3 columns, got 2", None),
    ],
)
def test_a_cell_that_is_wrong_is_told_with_its_line(tmp_path, text, problem, place):
    model = opened(written(tmp_path, text))
    error = complaint(lambda: model.known_predictions(locus("A")))
    assert problem in error.problem
    assert error.place == place


def test_told_layouts_are_taken(tmp_path):
    path = written(tmp_path, "gene\tsample\tvalue\nA\t1\t2\n")  # two people with odd names
    assert list(opened(path, layout="wide").samples) == ["sample", "value"]
    error = complaint(lambda: opened(written(tmp_path, "gene\ts1\nA\t1\n"), layout="long"))
    assert "no column sample, value" in error.problem


def test_parquet_with_text_for_numbers(tmp_path):
    pd.DataFrame({"gene": ["A"], "sample": ["s"], "value": ["1"]}).to_parquet(tmp_path / "p.parquet")
    error = complaint(lambda: opened(tmp_path / "p.parquet").genes)
    assert "column 'value'" in error.problem


@pytest.mark.parametrize("name", ["p.tsv.gz", "p.parquet"])
def test_a_truncated_file(tmp_path, name):
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(500, 20))).rename(columns=str)
    frame.insert(0, "gene", [f"g{i}" for i in range(500)])
    path = tmp_path / name
    frame.to_parquet(path) if name.endswith("parquet") else frame.to_csv(path, sep="\t", index=False)
    path.write_bytes(path.read_bytes()[:20_000])
    error = complaint(lambda: opened(path).genes)
    assert "can't read the table of predictions" in error.problem


def test_a_file_of_noise(tmp_path):
    path = tmp_path / "p.tsv"
    path.write_bytes(bytes(range(128, 256)) * 10)
    assert "can't read the table of predictions" in complaint(lambda: opened(path)).problem
