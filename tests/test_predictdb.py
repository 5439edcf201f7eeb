"""PredictDB files: all generations read, alleles harmonised, written as MetaXcan reads them."""

import pickle
import sqlite3
import time
from contextlib import closing

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gexviz.analysis.linear import GeneTraining
from gexviz.analysis.linear_tables import TrainedGene, assemble
from gexviz.analysis.settings import LinearSettings
from gexviz.errors import GexvizError
from gexviz.models import predictdb
from gexviz.models.base import GeneLocus, PredictsDosages, PredictsOutOfFold
from gexviz.models.harmonise import harmonise, parse_variant
from gexviz.models.options import PredictDBOptions
from gexviz.models.out_of_fold import read_out_of_fold, write_out_of_fold
from gexviz.models.predictdb import open_model, sidecar_of, write_predictdb, write_trained

GENE = GeneLocus("ENSG00000183597.11", "TANGO2", "22", 2000, "+", 2000, 5000)
EXTRA = {"gene": "ENSG00000183597.11", "genename": "TANGO2", "n.snps.in.model": 2, "pred.perf.R2": 0.2}
WEIGHTS = pd.DataFrame(
    {
        "rsid": ["rs1", "rs2"],
        "gene": "ENSG00000183597.11",
        "weight": [0.5, -1.0],
        "ref_allele": ["A", "C"],
        "eff_allele": ["G", "T"],
    }
)
VARIANTS = pd.DataFrame(
    {
        "variant": ["22:1001:A:G", "22:1101:T:C", "22:1201:G:GA"],
        "id": ["rs1", "rs9;rs2", "."],
        "position": [1000, 1100, 1200],
        "ref": ["A", "T", "G"],
        "alt": ["G", "C", "GA"],
    }
)
DOSAGES = np.array([[0, 1, 2, np.nan], [2, 1, 0, 0], [0, 0, 1, 1]], np.float32)


def write_db(path, weights=WEIGHTS, extra=None, extra_name="extra", index=True):
    extra = pd.DataFrame([EXTRA]) if extra is None else extra
    with closing(sqlite3.connect(path)) as connection:
        weights.to_sql("weights", connection, index=False)
        extra.to_sql(extra_name, connection, index=False)
        if index:
            connection.execute(f"CREATE INDEX weights_gene ON weights ({'gene' if 'gene' in weights else 'gene_id'})")
        connection.commit()
    return path


def opened(path, **options):
    return open_model("enet", PredictDBOptions(weights=path, **options))


def test_sums_weight_times_dosage_of_the_effect_allele(tmp_path):
    model = opened(write_db(tmp_path / "a.db"))
    assert isinstance(model, PredictsDosages) and not isinstance(model, PredictsOutOfFold)
    assert model.unavailable(GENE) is None
    found = model.predict_dosages(GENE, VARIANTS, DOSAGES)
    # rs1: effect G = ALT, the missing call is the mean 1. rs2: effect T = REF, so its dosage is 2 - ALT.
    np.testing.assert_allclose(found.values, 0.5 * np.array([0, 1, 2, 1]) - (2 - np.array([2, 1, 0, 0])))
    assert found.share == found.share_absolute == 1.0
    assert found.weights["status"].tolist() == ["matched", "flipped"]
    assert found.weights["weight"].tolist() == [0.5, 1.0]  # per copy of the cohort's ALT
    assert found.weights["variant"].tolist() == ["22:1001:A:G", "22:1101:T:C"]
    assert found.weights["position"].tolist() == [1000, 1100]


def test_missing_weights_are_counted_and_none_found_is_no_prediction(tmp_path):
    model = opened(write_db(tmp_path / "a.db"))
    found = model.predict_dosages(GENE, VARIANTS.iloc[1:], DOSAGES[1:])
    assert found.share == 0.5 and found.share_absolute == pytest.approx(2 / 3)
    assert found.weights.loc[0, ["variant", "status", "position"]].tolist() == ["rs1", "missing", -1]
    np.testing.assert_allclose(found.values, -(2 - DOSAGES[1]))
    uncalled = model.predict_dosages(GENE, VARIANTS, np.full_like(DOSAGES, np.nan))
    assert np.isnan(uncalled.values).all() and uncalled.share == 0.0
    assert (uncalled.weights["status"] == "missing").all()
    nothing = model.predict_dosages(GENE, VARIANTS.iloc[:0], DOSAGES[:0])
    assert np.isnan(nothing.values).all() and nothing.values.shape == (4,)


GENERATIONS = {
    "2015": (
        WEIGHTS.assign(pval=0.1, N=300, cis=1),
        pd.DataFrame([{"gene": GENE.id, "genename": "TANGO2", "R2": 0.2, "n.snps": 2}]),
        "extra",
    ),
    "dotted": (WEIGHTS, pd.DataFrame([EXTRA]), "extra"),
    "underscored": (WEIGHTS, pd.DataFrame([{k.replace(".", "_"): v for k, v in EXTRA.items()}]), "extra"),
    "unfiltered": (
        WEIGHTS.rename(columns={"gene": "gene_id", "weight": "beta", "ref_allele": "ref", "eff_allele": "alt"}),
        pd.DataFrame([{"gene_id": GENE.id, "gene_name": "TANGO2", "n_snps_in_model": 2, "rho_avg_squared": 0.2}]),
        "model_summaries",
    ),
    "varID": (WEIGHTS.assign(varID=["22_1001_A_G_b37", "22_1101_C_T_b37"], rsid=["rs0", "rs00"]), None, "extra"),
}


@pytest.mark.parametrize("index", [True, False])
@pytest.mark.parametrize("generation", GENERATIONS)
def test_reads_every_generation(tmp_path, generation, index):
    weights, extra, name = GENERATIONS[generation]
    model = opened(write_db(tmp_path / "a.db", weights, extra, name, index))
    found = model.predict_dosages(GENE, VARIANTS, DOSAGES)
    np.testing.assert_allclose(found.values, 0.5 * np.array([0, 1, 2, 1]) - (2 - np.array([2, 1, 0, 0])))
    assert model.source.extra.loc[GENE.id, "n_snps_in_model"] == 2
    assert model.source.extra.loc[GENE.id, "pred_perf_r2"] == 0.2
    assert model.spec.genome == ("GRCh37" if generation == "varID" else None)
    assert model.source.weights("ENSG9").empty


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        (["ENSG00000183597.11"], None),
        (["ENSG00000183597"], None),
        (["ENSG00000183597.4"], None),
        (["TANGO2"], None),
        (["ENSG00000183597.4", "ENSG00000183597.11"], None),
        (["ENSG00000183597.4", "ENSG00000183597.5"], "several genes of the file"),
        (["ENSG00000000001"], "no weights for this gene"),
    ],
)
def test_gene_ids_match_with_and_without_version(tmp_path, written, reason):
    weights = pd.concat([WEIGHTS.assign(gene=g) for g in written])
    model = opened(write_db(tmp_path / "a.db", weights))
    if reason is None:
        assert model.unavailable(GENE) is None
        assert model.predict_dosages(GENE, VARIANTS, DOSAGES).share == 1.0
    else:
        assert model.unavailable(GENE).startswith(reason)
        with pytest.raises(GexvizError, match=reason):
            model.predict_dosages(GENE, VARIANTS, DOSAGES)


def test_the_region_is_the_window_around_body_and_tss(tmp_path):
    model = opened(write_db(tmp_path / "a.db"), window=1500)
    assert model.cis_region(GENE) == (500, 6500)
    assert model.cis_region(GENE._replace(strand="-", tss=4999)) == (500, 6500)
    assert opened(tmp_path / "a.db").cis_region(GENE)[0] == 0


def test_says_what_it_depends_on_and_pickles(tmp_path):
    model = opened(write_db(tmp_path / "a.db"))
    before = model.fingerprint()
    assert pickle.loads(pickle.dumps(model)).fingerprint() == before
    assert opened(tmp_path / "a.db", window=10).fingerprint() != before
    write_db(tmp_path / "b.db", WEIGHTS.assign(weight=[1.0, 2.0]))
    assert opened(tmp_path / "b.db").fingerprint()["weights"] != before["weights"]


# -- harmonisation -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("chr1_1000_A_G_b38", ("chr1", 999, "A", "G", "GRCh38")),
        ("1_1000_AT_G_b37", ("1", 999, "AT", "G", "GRCh37")),
        ("X:5:a:g", ("X", 4, "A", "G", None)),
        ("GL000192.1_7_A_C_hg19", ("GL000192.1", 6, "A", "C", "GRCh37")),
        ("rs12345", None),
        ("", None),
    ],
)
def test_reads_positions_from_names(name, place):
    assert parse_variant(name) == place


def one_weight(ref, eff, rsid="rs1", var=""):
    return pd.DataFrame({"rsid": [rsid], "varID": [var], "ref_allele": [ref], "eff_allele": [eff], "weight": [1.0]})


def cohort(*rows):
    names = [f"chr22:{p + 1}:{r}:{a}" for _, p, r, a in rows]
    table = pd.DataFrame(rows, columns=["id", "position", "ref", "alt"])
    return table.assign(variant=names)


@pytest.mark.parametrize(
    ("weight", "variants", "row", "status", "complement"),
    [
        (one_weight("A", "G"), cohort(("rs1", 9, "A", "G")), 0, "matched", False),
        (one_weight("G", "A"), cohort(("rs1", 9, "A", "G")), 0, "flipped", False),
        (one_weight("T", "C"), cohort(("rs1", 9, "A", "G")), 0, "matched", True),
        (one_weight("C", "T"), cohort(("rs1", 9, "A", "G")), 0, "flipped", True),
        (one_weight("A", "T"), cohort(("rs1", 9, "A", "T")), 0, "ambiguous", False),
        (one_weight("T", "A"), cohort(("rs1", 9, "A", "T")), 0, "ambiguous", False),
        (one_weight("A", "T", var="22_10_A_T_b37"), cohort((".", 9, "A", "T")), 0, "matched", False),
        (one_weight("T", "A", var="22_10_T_A_b37"), cohort((".", 9, "A", "T")), 0, "ambiguous", False),
        (one_weight("A", "C"), cohort(("rs1", 9, "A", "G")), -1, "missing", False),
        (one_weight("AT", "A"), cohort(("rs1", 9, "AT", "A")), 0, "matched", False),
        (one_weight("A", "AT"), cohort(("rs1", 9, "AT", "A")), 0, "flipped", False),
        (one_weight("TA", "T"), cohort(("rs1", 9, "AT", "A")), -1, "missing", False),
        (one_weight("A", "C"), cohort(("rs1", 9, "A", "G"), ("rs1", 9, "A", "C")), 1, "matched", False),
        (one_weight("A", "G"), cohort(("rs5;rs1", 9, "A", "G")), 0, "matched", False),
        (one_weight("A", "G", rsid="rs"), cohort(("rs1", 9, "A", "G")), -1, "missing", False),
        (one_weight("A", "G", rsid="."), cohort((".", 9, "A", "G")), -1, "missing", False),
        (one_weight("A", "G", rsid="22:10:A:G"), cohort((".", 9, "A", "G")), 0, "matched", False),
        (one_weight("A", "G", rsid="x", var="chr1_10_A_G_b37"), cohort((".", 9, "A", "G")), -1, "missing", False),
        (one_weight("A", "G", var="22_99_A_G_b38"), cohort(("rs1", 9, "A", "G")), 0, "matched", False),
        (one_weight("A", "G", var="22_10_A_G"), cohort(("rs1", 7, "A", "G"), (".", 9, "A", "G")), 1, "matched", False),
    ],
)
def test_finds_a_weight_in_the_cohort(weight, variants, row, status, complement):
    found = harmonise(weight, variants).iloc[0]
    assert (found["row"], found["status"], found["complement"]) == (row, status, complement)
    if row >= 0:
        assert found["position"] == variants["position"].iloc[row]


COMPLEMENT = str.maketrans("ACGT", "TGCA")


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_random_weights_predict_the_sum_over_effect_alleles(tmp_path_factory, data):
    """Oracle: count the effect allele in people's genotypes written as letters."""
    number = data.draw(st.integers(1, 8))
    rng = np.random.default_rng(data.draw(st.integers(0, 10**6)))
    rows, weights, expected, found = [], [], np.zeros(6), 0
    dosages = rng.integers(0, 3, (number, 6)).astype(np.float32)
    for i in range(number):
        pairs = [("A", "G"), ("C", "T"), ("A", "C"), ("A", "T"), ("AT", "A"), ("G", "GCC")]
        ref, alt = data.draw(st.sampled_from(pairs))
        rows.append((f"rs{i}", 10 * i, ref, alt))
        letters = [[alt] * int(d) + [ref] * (2 - int(d)) for d in dosages[i]]
        other, effect = data.draw(st.sampled_from([(ref, alt), (alt, ref)]))
        weight, given_other, given_effect = rng.normal(), other, effect
        strand_known = {ref, alt} not in ({"A", "T"}, {"C", "G"}) and len(ref) == len(alt) == 1
        if strand_known and data.draw(st.booleans()):
            given_other, given_effect = other.translate(COMPLEMENT), effect.translate(COMPLEMENT)
        by = data.draw(st.sampled_from(["rsid", "varID", "absent"]))
        rsid = f"rs{i}" if by == "rsid" else f"rs9{i}"
        var = f"22_{10 * i + 1}_{given_other}_{given_effect}_b37" if by == "varID" else ""
        weights.append((rsid, var, GENE.id, weight, given_other, given_effect))
        if by != "absent":
            found += 1
            expected += weight * np.array([copies.count(effect) for copies in letters])
    columns = ["rsid", "varID", "gene", "weight", "ref_allele", "eff_allele"]
    path = tmp_path_factory.mktemp("db") / "a.db"
    model = opened(write_db(path, pd.DataFrame(weights, columns=columns)))
    result = model.predict_dosages(GENE, cohort(*rows), dosages)
    assert result.share == pytest.approx(found / number)
    if found:
        np.testing.assert_allclose(result.values, expected, atol=1e-6)
        there = result.weights[result.weights["status"] != "missing"]  # per ALT copy: the same but for a constant
        index = pd.Index(cohort(*rows)["variant"])
        per_alt = there["weight"].to_numpy() @ dosages[index.get_indexer(there["variant"])]
        np.testing.assert_allclose(per_alt - per_alt.mean(), expected - expected.mean(), atol=1e-6)


# -- writing -----------------------------------------------------------------------------------------------------------


def trainings():
    rng = np.random.default_rng(0)
    figures = ["lambda_min_mse", "test_R2_avg", "test_R2_sd", "cv_R2_avg", "cv_R2_sd", "in_sample_R2"]
    summary = dict.fromkeys(figures, 0.1)
    summary |= {"nested_cv_fisher_pval": 0.01, "rho_avg": 0.5, "rho_se": 0.1, "rho_zscore": 4.0}
    summary |= {"rho_avg_squared": 0.25, "zscore_pval": 1e-4}
    folds = np.array([0, 1, 2, -1], np.int8)
    left_out = np.array([0.1, -0.2, 0.3, np.nan])
    good = GeneTraining(None, 7, 3, 10, np.array([0, 2]), np.array([0.5, -0.25]), left_out, folds, summary)
    null = good._replace(seed=8, out_of_fold=rng.normal(size=4), summary=summary | {"rho_avg": 0.0, "zscore_pval": 0.9})
    return {GENE.id: TrainedGene(good, VARIANTS.iloc[[0, 2]]), "ENSG2": TrainedGene(null, VARIANTS.iloc[[0, 2]])}


@pytest.fixture
def tables():
    annotation = pd.DataFrame({"name": ["TANGO2", "TWO"], "contig": "22", "biotype": "protein_coding"})
    annotation.index = [GENE.id, "ENSG2"]
    samples = ["S1", "S2", "S3", "S4"]
    return assemble(trainings(), annotation, samples, settings=LinearSettings(), genome="GRCh37")


METAXCAN = [  # software/metax/PredictionModel.py of hakyimlab/MetaXcan, its two queries
    "SELECT rsid, gene, weight, ref_allele, eff_allele FROM weights;",
    "SELECT varID, gene, weight, ref_allele, eff_allele FROM weights;",
    "SELECT gene, genename, `n.snps.in.model`, `pred.perf.R2`, `pred.perf.pval`, `pred.perf.qval` FROM extra "
    "order by gene;",
]


def test_metaxcans_queries_read_what_is_written(tmp_path, tables):
    write_predictdb(tmp_path / "enet.db", tables)
    with closing(sqlite3.connect(tmp_path / "enet.db")) as connection:
        by_rsid, by_var, extra = (connection.execute(query).fetchall() for query in METAXCAN)
        indexes = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'index'")}
        info = connection.execute("SELECT n_samples FROM sample_info").fetchall()
        seeds = connection.execute("SELECT chromosome, cv_seed FROM construction").fetchall()
    assert by_rsid == [
        ("rs1", GENE.id, 0.5, "A", "G"),
        ("22_1201_G_GA_b37", GENE.id, -0.25, "G", "GA"),
    ]
    assert [row[0] for row in by_var] == ["22_1001_A_G_b37", "22_1201_G_GA_b37"]
    assert extra == [(GENE.id, "TANGO2", 2, 0.25, 1e-4, 2e-4)]
    assert indexes == {"weights_rsid", "weights_gene", "weights_rsid_gene", "gene_model_summary"}
    assert info == [(4,)] and seeds == [("22", 1)]


def test_what_is_written_is_read_back_and_predicts(tmp_path, tables):
    beside = write_trained(tmp_path / "enet.db", tables, {"study": "a"})
    assert beside == sidecar_of(tmp_path / "enet.db") == tmp_path / "enet.out_of_fold.parquet"
    model = opened(tmp_path / "enet.db")
    assert isinstance(model, PredictsDosages) and isinstance(model, PredictsOutOfFold)
    assert model.spec.trained_on_cohort and model.spec.genome == "GRCh37"
    found = model.predict_dosages(GENE, VARIANTS, np.nan_to_num(DOSAGES))
    np.testing.assert_allclose(found.values, 0.5 * np.nan_to_num(DOSAGES[0]) - 0.25 * DOSAGES[2])
    np.testing.assert_allclose(model.out_of_fold(GENE), [0.1, -0.2, 0.3, np.nan], atol=1e-7)
    assert model.out_of_fold(GENE).index.tolist() == ["S1", "S2", "S3", "S4"]
    other = GENE._replace(id="ENSG2", name="TWO")
    assert model.unavailable(other) == "no weights for this gene" and model.out_of_fold(other).notna().all()
    assert model.out_of_fold(GENE._replace(id="ENSG3")) is None
    assert model.out_of_fold(GENE._replace(id="ENSG00000183597")) is not None
    copy = pickle.loads(pickle.dumps(model))
    assert copy.fingerprint() == model.fingerprint() and set(copy.fingerprint()) == {"weights", "out_of_fold", "window"}
    whole = read_out_of_fold(beside)
    pd.testing.assert_frame_equal(whole.folds, tables.folds, check_names=False, check_column_type=False)
    assert whole.metadata["study"] == "a" and whole.metadata["seeds"] == {GENE.id: 7, "ENSG2": 8}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["enet.db", "enet.out_of_fold.parquet"]


def test_an_empty_training_is_written_and_read(tmp_path):
    columns = pd.DataFrame(columns=["name", "contig", "biotype"])
    empty = assemble({}, columns, [], settings=LinearSettings(), genome="GRCh37")
    write_trained(tmp_path / "enet.db", empty, {})
    model = opened(tmp_path / "enet.db")
    assert model.unavailable(GENE) == "no weights for this gene" and model.out_of_fold(GENE) is None


def test_a_failed_write_leaves_the_old_files(tmp_path, tables, monkeypatch):
    write_trained(tmp_path / "enet.db", tables, {})
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}

    def full(path, _):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(predictdb, "fill_predictdb", full)
    with pytest.raises(GexvizError, match="the disk is full"):
        write_trained(tmp_path / "enet.db", tables, {})
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_a_folder_that_is_missing_is_named(tmp_path, tables):
    with pytest.raises(GexvizError, match="can't be written") as caught:
        write_trained(tmp_path / "nowhere" / "enet.db", tables, {})
    assert caught.value.file.endswith("enet.db")


# -- bad input ---------------------------------------------------------------------------------------------------------


def bad_text(path):
    path.write_text("rsid\tgene\tweight\n" * 100)


def bad_empty(path):
    path.write_bytes(b"")


def bad_tables(path):
    write_db(path, extra_name="something")


def bad_column(path):
    write_db(path, WEIGHTS.drop(columns="eff_allele"))


def bad_damaged(path):
    write_db(path, pd.concat([WEIGHTS] * 500))
    path.write_bytes(path.read_bytes()[:5000])


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (bad_text, "not an SQLite database"),
        (bad_empty, "the table 'weights' is missing"),
        (bad_tables, "the table 'extra' is missing"),
        (bad_column, "no column 'eff_allele'"),
        (bad_damaged, "damaged"),
    ],
)
def test_another_file_is_named_with_a_remedy(tmp_path, make, problem):
    path = tmp_path / "bad.db"
    make(path)
    with pytest.raises(GexvizError, match=problem) as caught:
        model = opened(path)
        model.predict_dosages(GENE, VARIANTS, DOSAGES)
    assert caught.value.file == str(path) and caught.value.expected and caught.value.remedy


def test_a_weight_that_is_text_is_named(tmp_path):
    model = opened(write_db(tmp_path / "a.db", WEIGHTS.assign(weight=[0.1, "much"])))
    with pytest.raises(GexvizError, match="'much'") as caught:
        model.predict_dosages(GENE, VARIANTS, DOSAGES)
    assert "rs2" in caught.value.place


def test_out_of_fold_predictions_of_other_weights_are_refused(tmp_path, tables):
    beside = write_trained(tmp_path / "enet.db", tables, {})
    (tmp_path / "enet.db").unlink()
    write_db(tmp_path / "enet.db")
    with pytest.raises(GexvizError, match="belong to other weights"):
        opened(tmp_path / "enet.db")
    beside.unlink()
    assert not opened(tmp_path / "enet.db").spec.trained_on_cohort


@pytest.mark.parametrize("content", [b"", b"PAR1 and nothing", None])
def test_another_file_of_out_of_fold_predictions_is_refused(tmp_path, content):
    path = tmp_path / "other.parquet"
    if content is None:
        pd.DataFrame({"gene": ["a"], "S1": [1.0]}).to_parquet(path)
    else:
        path.write_bytes(content)
    with pytest.raises(GexvizError, match="no file of out-of-fold predictions") as caught:
        opened(write_db(tmp_path / "a.db"), out_of_fold=path)
    assert caught.value.file == str(path)


def test_out_of_fold_predictions_without_folds(tmp_path):
    values = pd.DataFrame([[1.0, 2.0]], index=["G"], columns=["S1", "S2"])
    write_out_of_fold(tmp_path / "a.parquet", values, {"seed": 1})
    whole = read_out_of_fold(tmp_path / "a.parquet")
    assert whole.folds is None and whole.metadata == {"seed": 1} and whole.values.loc["G", "S2"] == 2.0
    with pytest.raises(ValueError, match="can't be called"):
        write_out_of_fold(tmp_path / "a.parquet", values.rename(columns={"S1": "gene"}), {})


def test_out_of_fold_predictions_of_many_genes_are_read_at_once(tmp_path):
    """Not the whole table again for every gene."""
    genes, people = [f"ENSG{i:011d}" for i in range(3_000)], [f"S{i}" for i in range(1_000)]
    values = pd.DataFrame(np.random.default_rng(0).normal(size=(3_000, 1_000)), index=genes, columns=people)
    write_out_of_fold(tmp_path / "a.parquet", values, {})
    model = opened(write_db(tmp_path / "a.db"), out_of_fold=tmp_path / "a.parquet")
    model.out_of_fold(GENE)
    begin = time.perf_counter()
    found = [model.out_of_fold(GENE._replace(id=gene)) for gene in genes]
    assert time.perf_counter() - begin < 2
    np.testing.assert_allclose(np.stack(found), values, rtol=1e-6)
