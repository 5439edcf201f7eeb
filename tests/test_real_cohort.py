"""The real cohort from files to figures: what the field reports must come out."""

from __future__ import annotations

import numpy as np
import pytest
import real_study

import gexviz as gx
from gexviz.cohort.haplotypes import reference_sequence

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def study(real_cohort, tmp_path_factory):
    return gx.load(real_study.write_real_study(real_cohort, tmp_path_factory.mktemp("real")))


def test_it_opens(study):
    assert len(study.samples) == 330 and len(study.genes) == 608
    assert study.samples["population"].value_counts().to_dict() == {"TSI": 90, "FIN": 86, "CEU": 77, "GBR": 77}
    gene = study.gene("TANGO2")
    assert gene.id == "ENSG00000183597.11" and gene.place.tss == 20_004_536
    assert study.gene("ENSG00000183597").id == study.gene("ENSG00000183597.11").id == gene.id
    tss = study.genes.loc[study.genes["tss"] < study.cohort.reference.contigs["22"], "tss"]
    assert sum(chr(study.cohort.reference.fetch("22", t, t + 1)[0]) != "N" for t in tss) == 98


def test_preflight_has_warnings_and_no_error(study):
    checks = study.check()
    assert set(checks["status"]) == {"ok", "warn"}
    assert checks["check"].str.contains("REF alleles").any()


def test_xpresso_predicts_genes_and_not_people(study):
    study.predict("xpresso")
    assert (study.status("xpresso")["state"] == "ready").sum() == 97
    rows = study.benchmark().set_index("row")["value"]
    assert rows["reference"] == pytest.approx(0.33, abs=0.1)
    assert abs(rows["across individuals"]) < 0.05
    assert 0.3 < (study.evaluate("xpresso")["pearson"].dropna() < 0).mean() < 0.6


def test_few_distinct_haplotypes(study):
    made = study.haplotypes("xpresso", "TANGO2")
    assert made.copies.sum() == 660 and len(made.sequences) < 20
    reference = reference_sequence(study.cohort.reference, made.window)
    assert (made.sequences != reference).mean() < 0.01


def test_an_elastic_net_sees_what_xpresso_does_not(study):
    """TANGO2 has a strong cis-eQTL: out of fold, r is about 0.3 against expression as it is."""
    settings = gx.LinearSettings(outer_folds=5, inner_folds=5, keep="all")
    out = study.config.path.parent / "enet.db"
    made = study.train_linear(out, ["TANGO2"], settings=settings)
    assert made.genes["reason"].isna().all()
    study.config.path.write_text(study.config.path.read_text() + real_study.ENET)
    opened = gx.load(study.config.path)
    opened.predict("enet", ["TANGO2"])
    table = opened.gene("TANGO2").table
    assert np.corrcoef(table["enet"], table["observed"])[0, 1] > 0.2
    assert opened.facts("enet", "TANGO2")["share"] == 1.0
