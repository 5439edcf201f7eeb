import gzip
import pickle

import numpy as np
import pandas as pd
import pytest
from contract_study import MINUS, PLUS, make_contract_study
from fusion_files import Matrix, objects_of, write_list, write_objects

import gexviz as gx
from gexviz.errors import GexvizError
from gexviz.models.base import GeneLocus, PredictsDosages
from gexviz.models.fusion_file import read_fusion
from gexviz.models.registry import open_model

GENE = GeneLocus("ENSG00000000001.4", "TANGO2", "22", 1_000, "+", 1_000, 2_000)
MODELS = ["top1", "blup", "bslmm", "lasso", "enet"]
P = {"top1": 0.2, "blup": 0.3, "bslmm": 0.4, "lasso": 0.1, "enet": 0.5}


def bim(n=12, seed=0):
    """SNPs whose alleles are in either order."""
    rng = np.random.default_rng(seed)
    pairs = rng.permuted(np.tile([["A", "G"], ["C", "T"], ["A", "C"]], (n // 3, 1)), axis=1)
    return pd.DataFrame(
        {"contig": 22, "id": [f"rs{i}" for i in range(n)], "position": np.arange(n) * 10 + 900, "a1": pairs[:, 0],
         "a2": pairs[:, 1]}
    )  # fmt: skip


def cohort(snps, seed=1):
    """The same SNPs as a cohort has them, REF the first in the alphabet; and ALT copies of 20 people."""
    ref, alt = np.minimum(snps["a1"], snps["a2"]), np.maximum(snps["a1"], snps["a2"])
    variants = pd.DataFrame({"id": snps["id"], "position": snps["position"] - 1, "ref": ref, "alt": alt})
    name = "22:" + snps["position"].astype(str) + ":" + ref + ":" + alt
    dosages = np.random.default_rng(seed).integers(0, 3, (len(snps), 20)).astype(float)
    return variants.assign(variant=name), dosages


def counted(snps, dosages):
    """Copies of A1, as PLINK counts them."""
    alt = np.maximum(snps["a1"], snps["a2"])
    return np.where((snps["a1"] == alt).to_numpy()[:, None], dosages, 2 - dosages)


def weights_of(n=12, seed=2):
    table = pd.DataFrame(np.random.default_rng(seed).normal(size=(n, 5)), columns=MODELS)
    table.loc[::2, ["lasso", "enet"]] = 0.0
    table.loc[1, "bslmm"] = np.nan
    return table


def made(folder, p=P, weights=None, **options):
    snps = bim()
    weights = weights_of() if weights is None else weights
    write_objects(folder / "W/TANGO2.wgt.RDat", objects_of(snps, weights, p))
    listed = write_list(folder / "W.pos", {"TANGO2": "W/TANGO2.wgt.RDat"})
    return open_model("f", "fusion", {"weights": listed, **options}), snps, weights


@pytest.mark.parametrize("best", MODELS)
@pytest.mark.parametrize("named", [True, False])
def test_predictions_are_those_of_the_definition(tmp_path, best, named):
    """Weight times copies of A1, of the model with the least p; of top1 the SNP with the largest square alone."""
    p = {**P, "blup": np.nan} if named else {**P, best: 1e-6}
    model, snps, weights = made(tmp_path, p, **({"model": best} if named else {}))
    assert isinstance(model, PredictsDosages)
    variants, dosages = cohort(snps)
    column = weights[best].fillna(0).to_numpy()
    if best == "top1":
        column = np.where(np.arange(12) == np.argmax(column**2), column, 0)
    expected = column @ counted(snps, dosages)
    shuffled = np.random.default_rng(3).permutation(12)
    found = model.predict_dosages(GENE, variants.iloc[shuffled].reset_index(drop=True), dosages[shuffled])
    np.testing.assert_allclose(found.values, expected, atol=1e-12)
    assert len(found.weights) == np.count_nonzero(column)
    assert found.share == 1 and found.reason is None
    per_alt = found.weights.set_index("variant")["weight"]
    alt_weight = pd.Series(np.where(snps["a1"] > snps["a2"], column, -column), index=variants["variant"])
    pd.testing.assert_series_equal(per_alt, alt_weight[per_alt.index], check_names=False)


def test_variants_are_found_by_position_where_the_build_is_told(tmp_path):
    snps = bim()
    variants, dosages = cohort(snps)
    unnamed = variants.assign(id=".")
    by_id, _, _ = made(tmp_path)
    assert by_id.predict_dosages(GENE, unnamed, dosages).share == 0
    by_place, _, _ = made(tmp_path, genome="GRCh37")
    assert by_place.spec.genome == "GRCh37"
    np.testing.assert_allclose(
        by_place.predict_dosages(GENE, unnamed, dosages).values, by_id.predict_dosages(GENE, variants, dosages).values
    )


@pytest.mark.parametrize(
    ("p", "drop", "options", "reason"),
    [
        (dict.fromkeys(MODELS, np.nan), None, {}, "no cross-validated performance"),
        (P, "lasso", {"model": "lasso"}, "no weights of lasso; the file has top1, blup, bslmm, enet"),
        (P, None, {"model": "blup"}, "all weights of blup are zero"),
    ],
)
def test_a_gene_without_usable_weights_says_why(tmp_path, p, drop, options, reason):
    weights = weights_of().assign(blup=0.0)
    model, snps, _ = made(tmp_path, p, weights if drop is None else weights.drop(columns=drop), **options)
    found = model.predict_dosages(GENE, *cohort(snps))
    assert reason in found.reason
    assert np.isnan(found.values).all() and found.weights.empty


def test_a_study_keeps_that_reason(tmp_path):
    snps = bim().assign(contig=1)
    write_objects(tmp_path / "a.RDat", objects_of(snps, weights_of(), dict.fromkeys(MODELS, np.nan)))
    write_list(tmp_path / "a.pos", {PLUS: "a.RDat"})
    made = make_contract_study(tmp_path, {"family": "fusion", "weights": "a.pos"}, None, None)
    study = gx.load(made.toml)
    assert study.predict("model").empty
    status = study.status("model")
    assert set(status["state"]) == {"unavailable"}
    assert "no cross-validated performance" in status.at[PLUS, "reason"]
    assert status.at[MINUS, "reason"] == "no weights for this gene"


def test_genes_go_by_id_by_id_without_version_or_by_symbol_and_files_may_be_missing(tmp_path):
    write_objects(tmp_path / "a.RDat", objects_of(bim(), weights_of(), P))
    for name in (GENE.id, "ENSG00000000001", "ENSG00000000001.9", "TANGO2"):
        listed = write_list(tmp_path / "a.pos", {name: "a.RDat"})
        assert open_model("f", "fusion", {"weights": listed}).unavailable(GENE) is None
    for files in ({"OTHER": "a.RDat"}, {"TANGO2": "b.RDat"}):
        listed = write_list(tmp_path / "a.pos", files)
        assert open_model("f", "fusion", {"weights": listed}).unavailable(GENE) == "no weights for this gene"


def test_the_fingerprint_is_of_every_file_and_of_the_choice(tmp_path):
    first = made(tmp_path)[0].fingerprint()
    assert open_model("f", "fusion", {"weights": tmp_path / "W.pos"}).fingerprint() == first
    assert made(tmp_path, model="enet")[0].fingerprint() != first
    assert made(tmp_path, weights=weights_of(seed=9))[0].fingerprint() != first


def test_an_opened_panel_goes_to_other_processes(tmp_path):
    model, snps, _ = made(tmp_path)
    variants, dosages = cohort(snps)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(
        again.predict_dosages(GENE, variants, dosages).values, model.predict_dosages(GENE, variants, dosages).values
    )


@pytest.mark.parametrize("compression", [None, "gzip", "bzip2", "xz"])
@pytest.mark.parametrize("version", [2, 3])
def test_every_form_that_r_saves(tmp_path, compression, version):
    """Older R makes factors of text; rows of a matrix may have no names."""
    objects = objects_of(bim(), weights_of(), P)
    objects["snps"] = objects["snps"].assign(V2=pd.Categorical(list(bim()["id"])), V5=pd.Categorical(list(bim()["a1"])))
    objects["wgt.matrix"].rows = None
    path = write_objects(tmp_path / "a.RDat", objects, compression=compression, format_version=version)
    found = read_fusion(path)
    assert found.snps["id"].tolist() == list(bim()["id"]) and found.snps["a1"].tolist() == list(bim()["a1"])
    pd.testing.assert_frame_equal(found.weights, weights_of())
    assert found.best == "lasso"
    assert found.performance.at["enet", "pval"] == 0.5


# -- files that are no FUSION ------------------------------------------------------------------------------------------


def complaint(path):
    with pytest.raises(GexvizError) as raised:
        read_fusion(path)
    assert raised.value.file == str(path)
    assert raised.value.expected and raised.value.remedy
    return raised.value.problem


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"RDX3\nX\n", b"\x1f\x8b\x08\x00nonsense"])
def test_a_file_that_is_not_rs(tmp_path, content):
    path = tmp_path / "a.RDat"
    path.write_bytes(content)
    assert "can't read it as R's data" in complaint(path)


def test_a_truncated_file_at_any_place(tmp_path):
    whole = write_objects(tmp_path / "a.RDat", objects_of(bim(), weights_of(), P), compression=None).read_bytes()
    for length in range(0, len(whole), 97):
        (tmp_path / "b.RDat").write_bytes(whole[:length])
        complaint(tmp_path / "b.RDat")


def test_a_file_that_would_unpack_without_end(tmp_path, monkeypatch):
    monkeypatch.setattr("gexviz.models.fusion_file._MOST_BYTES", 10_000)
    (tmp_path / "a.RDat").write_bytes(gzip.compress(b"RDX3\n" + b"0" * 100_000))
    assert "more than 10,000 bytes" in complaint(tmp_path / "a.RDat")


def test_a_sequence_of_absurd_length_is_not_made(tmp_path):
    objects = objects_of(bim(), weights_of(), P) | {"long": pd.RangeIndex(0, 10**9)}
    path = write_objects(tmp_path / "a.RDat", objects)
    assert "absurd length" in complaint(path)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda o: o.pop("snps"), "snps: it is missing; the file has wgt.matrix, cv.performance"),
        (lambda o: o.update({"wgt.matrix": np.zeros(3)}), "wgt.matrix: it is not a matrix with named columns"),
        (lambda o: o.update({"wgt.matrix": Matrix(np.zeros((12, 5)), None, None)}), "not a matrix with named columns"),
        (lambda o: o.update({"wgt.matrix": Matrix(np.zeros((3, 5)), None, MODELS)}), "3 rows for 12 rows of snps"),
        (lambda o: o.update({"wgt.matrix": Matrix(np.full((12, 5), np.inf), None, MODELS)}), "infinite numbers"),
        (lambda o: o.update({"snps": o["snps"].drop(columns="V3")}), "snps: it is not PLINK's bim"),
        (lambda o: o.update({"snps": o["snps"].assign(V4=o["snps"]["V2"])}), "a position is no number"),
        (lambda o: o.update({"cv.performance": Matrix(np.zeros((2, 5)), ["a", "b"], MODELS)}), "its rows are a, b"),
    ],
)
def test_objects_that_are_missing_or_do_not_fit(tmp_path, change, says):
    objects = objects_of(bim(), weights_of(), P)
    change(objects)
    assert says in complaint(write_objects(tmp_path / "a.RDat", objects))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("PANEL\tID\nP\tA\n", "the column WGT is missing; it has PANEL, ID"),
        ("WGT ID\n../a.RDat A\n", "'../a.RDat' is not in the folder of the list"),
        ("WGT ID\n/etc/passwd A\n", "'/etc/passwd' is not in the folder of the list"),
        ("", "can't read it as a table"),
    ],
)
def test_a_list_that_is_none(tmp_path, text, problem):
    path = tmp_path / "W.pos"
    path.write_text(text)
    with pytest.raises(GexvizError) as raised:
        open_model("f", "fusion", {"weights": path})
    assert problem in raised.value.problem and raised.value.file == str(path)
