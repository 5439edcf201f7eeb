"""The Mismatches page without a browser, and the words on it."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import cohorts
import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest
from test_app_locus import TABLE, figure_of, in_url, said
from test_app_pages import opened, until_quiet
from test_study import MODELS, write_net

import gexviz as gx
from gexviz.analysis.filtering import (
    ANY,
    INSIDE,
    OUTSIDE,
    GeneFilters,
    PairFilters,
    passing_genes,
    passing_pairs,
    populations,
)
from gexviz.analysis.mismatch_rules import CLASSES, RULES
from gexviz.analysis.mismatch_summary import summary_text
from gexviz.analysis.panel import PANEL, Density, density
from gexviz.analysis.published import published_directions
from gexviz.figures.quadrant import pair_id
from gexviz.mismatching import Mismatches
from gexviz.study import Study
from gexviz.ui import mismatches_choice, mismatches_work
from gexviz.ui.mismatches_choice import with_words
from gexviz.ui.mismatches_words import class_rule, gene_steps, variant_steps

ENET = '\n[models.enet]\nfamily = "predictdb"\nweights = "enet.db"\n'


def compared_study(folder: Path) -> Path:
    """A study of a network of 600 bp and a linear model, with causes in the windows of two genes; all computed."""
    toml = cohorts.make_study(folder, people=80, models=MODELS + TABLE)
    write_net(toml.parent)
    study = gx.load(toml)
    elsewhere = pd.DataFrame(1.0, index=["ENSG00000000000.1"], columns=study.samples.index).rename_axis("gene")
    elsewhere.to_csv(toml.parent / "elsewhere.tsv", sep="\t")
    expression = pd.read_csv(toml.parent / "expression.tsv", sep="\t", index_col=0)
    for number in (1, 3):
        table = study.gene(f"GENE{number}").variants("net")
        common = (table["frequency"] - 0.5).abs().idxmin()
        dosage = study.gene(f"GENE{number}").dosages([common])[common]
        expression.iloc[number] += 2.0 * dosage.reindex(expression.columns).to_numpy()
    expression.to_csv(toml.parent / "expression.tsv", sep="\t")
    gx.load(toml).train_linear(toml.parent / "enet.db", settings=gx.LinearSettings(window=20_000, keep="all"))
    toml.write_text(toml.read_text() + ENET)
    study = gx.load(toml)
    study.mismatches("net", "enet")
    for model in study.model_names:
        study.compute(model)
    return toml


@pytest.fixture(scope="module")
def toml(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compared_study(tmp_path_factory.mktemp("mismatches"))


@pytest.fixture(scope="module")
def found(toml: Path) -> Mismatches:
    return gx.load(toml).mismatches("net", "enet")


def page(toml: Path, monkeypatch: pytest.MonkeyPatch, **query: str) -> AppTest:
    return until_quiet(opened(toml, monkeypatch, "Mismatches", linear="enet", **query))


def shown_table(app: AppTest) -> pd.DataFrame:
    return next(d.value for d in app.dataframe if "verdict" in d.value and "slope" in d.value)


def cells(table: pd.DataFrame) -> str:
    return " | ".join(table.astype(str).to_numpy().ravel()).replace("\\", "")


def test_the_page_has_all_rows_and_the_evidence(
    toml: Path, found: Mismatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = page(toml, monkeypatch)
    assert not app.exception and not app.error
    table = shown_table(app)
    assert set(zip(table["gene"], table["variant"], strict=True)) == set(
        zip(found.variants["gene"], found.variants["variant"], strict=True)
    )
    points = [p[0] for t in figure_of(app, "quadrants")["data"] for p in t.get("customdata") or []]
    drawn = found.variants.dropna(subset=["deep_effect", "slope"])
    assert sorted(points) == sorted(pair_id(g, v) for g, v in zip(drawn["gene"], drawn["variant"], strict=True))
    first = table.iloc[0]
    assert first["sentence"] in said(app)
    assert found.genes.at[first["gene"], "sentence"] in said(app)
    assert "per kb" in said(app)
    steps = [cells(t.value) for t in app.table]
    assert any(f"→ {first['class']}" in s for s in steps) and any(f"→ {first['verdict']}" in s for s in steps)
    assert {c.proto.id.rsplit("-", 1)[1] for c in app.get("plotly_chart")} >= {
        "quadrants", "strip", "two_sides", "association", "verdict_bars",
    }  # fmt: skip
    links = {link.proto.label: link.proto.query_string for link in app.get("page_link")}
    assert "gene=" in links["On the Gene page"] and "variant=" in links["On the Gene page"]


def test_the_urls_gene_and_variant_are_shown(toml: Path, found: Mismatches, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = found.variants[(found.variants["gene"] == "ENSG00000000002.1") & found.variants["in_window"]]
    variant = inside["variant"].iloc[0]
    app = page(toml, monkeypatch, gene="GENE2", variant=variant)
    assert inside["sentence"].iloc[0] in said(app)
    selected = [
        t["customdata"][i][0]
        for t in figure_of(app, "quadrants")["data"]
        for i in t.get("selectedpoints") or []
    ]
    tested = np.isfinite(inside["slope"].iloc[0])
    assert selected == [pair_id("ENSG00000000002.1", variant)] * int(tested)
    rings = [t for t in figure_of(app, "association")["data"] if t.get("name") == "chosen"]
    assert rings and len(figure_of(app, "logos")["data"]) > 2
    axis = figure_of(app, "association")["layout"]["xaxis"]["range"]
    next(g for g in app.get("button_group") if g.key == "association_zoom").set_value("Deep model's window")
    app = until_quiet(app.run())
    narrow = figure_of(app, "association")["layout"]["xaxis"]["range"]
    assert narrow[1] - narrow[0] == 600 < axis[1] - axis[0]


def test_another_variant_of_the_gene_goes_into_the_url(
    toml: Path, found: Mismatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = found.variants.loc[found.variants["gene"] == "ENSG00000000000.1", "variant"]
    app = page(toml, monkeypatch, gene="GENE0", variant=own.iloc[0])
    app.selectbox(key="evidence_variant").select(own.iloc[-1]).run()
    assert in_url(app, "variant") == own.iloc[-1]
    sentence = found.variants.set_index(["gene", "variant"]).at[("ENSG00000000000.1", own.iloc[-1]), "sentence"]
    assert sentence in said(app)


def test_a_variant_that_matters_to_nobody_is_said(toml: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = page(toml, monkeypatch, gene="GENE0", variant="1:1:A:C")
    assert "1:1 A>C matters to nobody here" in said(app) and not app.exception and not app.error
    assert len(figure_of(app, "two_sides")["data"])


def test_an_unknown_gene_and_a_model_without_sequence_are_said(toml: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = page(toml, monkeypatch, gene="NOGENE")
    assert "NOGENE" in said(app) and len(shown_table(app))
    app = until_quiet(opened(toml, monkeypatch, "Mismatches", model="elsewhere"))
    assert "reads no sequence" in said(app) and not app.get("plotly_chart")
    assert "net" in {link.proto.label for link in app.get("page_link")}


def test_filters_of_the_page(toml: Path, found: Mismatches, monkeypatch: pytest.MonkeyPatch) -> None:
    app = page(toml, monkeypatch)
    app.multiselect(key="mm_class").select("unsupported driver").run()
    table = shown_table(app)
    assert len(table) == (found.variants["class"] == "unsupported driver").sum() > 0
    app.text_input(key="mm_gene").set_value("gene1").run()
    assert set(shown_table(app)["name"]) <= {"GENE1"}
    app.text_input(key="mm_gene").set_value("nothing like it").run()
    assert "No row passes" in said(app) and not app.exception


def test_rows_that_pass_are_those_of_a_plain_loop(found: Mismatches) -> None:
    rows = with_words(found)
    assert len(rows) == len(found.variants)
    rank = rows["class"].map(list(mismatches_choice._ORDER).index)
    assert rank.is_monotonic_increasing and set(mismatches_choice._ORDER) == set(CLASSES)
    population = next(iter(populations(rows)))
    for chosen in (
        PairFilters([], []),
        PairFilters(["unsupported driver"], []),
        PairFilters([], ["undecided"], q=0.5),
        PairFilters([], [], where=OUTSIDE),
        PairFilters([], [], where=INSIDE, population=population),
        PairFilters([], [], gene="GENE3"),
    ):
        expected = [
            i for i, r in rows.iterrows()
            if (not chosen.classes or r["class"] in chosen.classes)
            and (not chosen.verdicts or r["verdict"] in chosen.verdicts)
            and chosen.gene.upper() in r["name"]
            and (chosen.q == 1 or r["q"] <= chosen.q)
            and (chosen.where == ANY or r["in_window"] == (chosen.where == INSIDE))
            and (chosen.population is None or 0.05 <= r[f"frequency_{population}"] <= 0.95)
        ]  # fmt: skip
        assert passing_pairs(rows, chosen).index.tolist() == expected


def test_candidates_are_offered_and_can_be_chosen(
    toml: Path, found: Mismatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = page(toml, monkeypatch)
    significant = found.variants[found.variants["significant"]]
    classes = sorted(set(significant["class"]) - {"opposite"})
    app.multiselect(key="candidate_classes").set_value(classes).run()
    table = next(d.value for d in app.dataframe if "oligo_ref" in d.value)
    chosen = significant[significant["class"].isin(classes)]
    assert set(table["variant"]) == set(chosen["variant"]) and len(table)
    reference = gx.load(toml).cohort.reference
    for one in table.to_dict("records"):
        piece = reference.fetch("1", int(one["oligo_start"]), int(one["oligo_end"])).tobytes().decode()
        assert one["oligo_ref"] == piece and len(max(one["oligo_ref"], one["oligo_alt"], key=len)) == 200
    labels = {d.proto.label for d in app.get("download_button")}
    assert {"CSV", "FASTA", "VCF", "BED"} <= labels


def test_no_person_is_named(toml: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = page(toml, monkeypatch)
    samples = list(gx.load(toml).samples.index)
    everything = said(app) + "".join(str(d.value) for d in app.dataframe) + json.dumps(dict(app.query_params))
    assert not [s for s in samples if s in everything]


def test_overview_colours_and_filters_by_verdict(
    toml: Path, found: Mismatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    mismatches_work._shelf().clear()  # as in a server that has just been started
    app = until_quiet(opened(toml, monkeypatch, "Overview", linear="enet"))
    names = {t.get("name") or "" for t in figure_of(app, "against")["data"]}
    with_r = found.genes[found.genes["r_linear"].notna() & found.genes["r_deep"].notna()]
    assert len(with_r) and all(any(n.startswith(v) for n in names) for v in with_r["verdict"])
    verdict = found.genes["verdict"].value_counts().index[0]
    app.multiselect(key="verdicts").select(verdict).run()
    table = next(d.value for d in app.dataframe if "verdict" in d.value)
    assert set(table["verdict"]) == {verdict} and len(table) == (found.genes["verdict"] == verdict).sum()
    app.toggle(key="by_verdict").set_value(False).run()
    assert not any(verdict in (t.get("name") or "") for t in figure_of(app, "against")["data"])


def test_overview_offers_the_verdicts_that_are_not_stored(toml: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mismatches_work._shelf().clear()
    mismatches_work._read.clear()
    with monkeypatch.context() as patch:
        patch.setattr(mismatches_work, "stored_genes", lambda *_: None)
        app = until_quiet(opened(toml, monkeypatch, "Overview", linear="enet"))
        assert "verdicts" not in {m.key for m in app.multiselect} and not mismatches_work._shelf()
        assert "Why each gene fails" in {link.proto.label for link in app.get("page_link")}
        next(b for b in app.button if b.key == "begin_verdicts").click()
        app = until_quiet(app.run())
    assert "verdicts" in {m.key for m in app.multiselect} and len(mismatches_work._shelf()) == 1


def test_genes_without_verdict_pass_no_filter_on_it() -> None:
    mean = pd.Series(1.0, index=["a", "b", "c"])
    filters = GeneFilters((0, 2), 0.0, 1.0, ("predicts",))
    verdicts = pd.Series({"a": "predicts", "b": "undecided"})
    assert passing_genes({}, mean, filters, verdicts).tolist() == ["a"]
    assert passing_genes({}, mean, filters._replace(verdicts=()), verdicts).tolist() == ["a", "b", "c"]


def test_the_comparison_is_cancelled_and_begun_again(toml: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mismatches_work._shelf().clear()
    gate, real = threading.Event(), Study.mismatches

    def held(self, *args, progress):
        progress(1, 10, "first")
        assert gate.wait(180)
        progress(2, 10, "second")
        return real(self, *args, progress=progress)

    monkeypatch.setattr(Study, "mismatches", held)
    monkeypatch.setattr("gexviz.ui.locus_work.PATIENCE", 0.2)
    monkeypatch.setattr("gexviz.ui.locus_work._SETTLED", 0.0)  # what was shelved before is gone
    app = opened(toml, monkeypatch, "Mismatches", linear="enet").run()
    assert "Comparing net with eQTLs and enet: see the progress above" in said(app)
    next(b for b in app.button if b.label == "Cancel").click().run()
    gate.set()
    app = until_quiet(app)
    assert "was cancelled" in said(app) and not app.get("plotly_chart")
    next(b for b in app.button if b.label == "Run again").click()
    app = until_quiet(app.run())
    assert len(shown_table(app))


# words


def test_density_counts_stretches_once() -> None:
    tests = pd.DataFrame(
        {
            "gene": ["a", "a", "b", "b", "c"],
            "variant": ["1:1:A:C", "1:1001:A:C", "1:501:A:C", "1:2001:A:C", "2:11:A:C"],
            "position": [0, 1000, 500, 2000, 10],
            "maf": [0.01, 0.05, 0.3, 0.04, 0.5],
        }
    )
    assert density(tests) == Density(5, 2.002, 3)
    again = pd.concat([tests, tests.iloc[[2]].assign(gene="a")])
    assert density(again) == Density(5, 2.002, 3)
    assert density(tests.iloc[:0]).sentence(simulated=False) == "No variant could be tested."


def test_a_thinned_panel_is_called_so() -> None:
    thin = Density(100, 1000.0, int(0.4 * PANEL * 1000))
    dense = thin._replace(common=int(0.9 * PANEL * 1000))
    assert thin.thinned and "most true causal variants may be absent" in thin.sentence(simulated=False)
    assert not dense.thinned and "may be absent" not in dense.sentence(simulated=False)
    assert "0.10 per kb" in thin.sentence(simulated=False)


def test_every_row_has_the_rule_that_decided(found: Mismatches) -> None:
    rules_of = {
        "concordant": {8}, "opposite": {8}, "unsupported driver": {1}, "linear only": {1}, "missed": {6},
        "out of window": {4}, "ambiguous": {1, 2, 3, 4, 5, 6, 7},
    }  # fmt: skip
    for row in found.variants.to_dict("records"):
        number, text = class_rule(row)
        assert number in rules_of[row["class"]] and text
        assert f"→ {row['class']}" in cells(variant_steps(row, RULES))
    for _, row in found.genes.iterrows():
        steps = gene_steps(row, RULES)
        number = json.loads(row["evidence"])["rule"]
        assert steps["What"].iloc[-1] == f"Rule {number}" and steps["Numbers"].iloc[-1].endswith(row["verdict"])


def test_rules_of_single_rows() -> None:
    row = {
        "significant": True, "driver": False, "strand_ambiguous": False, "reason": "", "signal": "1:1:A:C",
        "in_window": True, "deep_sign": -1, "slope": 0.3, "class": "opposite",
    }  # fmt: skip
    assert class_rule(row) == (8, "deep sign −, sign of the slope +: they differ")
    assert class_rule(row | {"slope": -0.3, "class": "concordant"})[1].endswith("they agree")
    assert class_rule(row | {"in_window": False, "class": "out of window"})[0] == 4
    assert class_rule(row | {"deep_sign": 0, "class": "missed"})[0] == 6
    assert class_rule(row | {"deep_sign": pd.NA, "class": "ambiguous", "reason": "no deep effect: N"})[0] == 5
    assert class_rule(row | {"signal": "", "class": "ambiguous", "reason": "due to linkage"}) == (3, "due to linkage")
    assert class_rule(row | {"class": "ambiguous", "reason": "an equally good variant"})[0] == 7
    assert class_rule(row | {"strand_ambiguous": True, "class": "ambiguous", "reason": "strand"})[0] == 2


def test_the_summary_has_counts_and_published_figures(found: Mismatches) -> None:
    text = summary_text(found.summary, ("direction", "drivers"), published_directions())
    assert len(text) == found.summary["part"].isin(["direction", "drivers"]).sum()
    assert text["Published"].str.contains("Enformer").any()
    none = found.summary["n"].to_numpy()[found.summary["part"].isin(["direction", "drivers"])] == 0
    assert (text["Ours [95%]"] == "none").tolist() == none.tolist()
