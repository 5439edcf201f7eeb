"""The Locus page without a browser."""

from __future__ import annotations

import base64
import json
import os
import threading
from functools import partial
from pathlib import Path

import cohorts
import language_files
import numpy as np
import pandas as pd
import pytest
from app_studies import app_study
from contract_study import make_contract_study
from streamlit.testing.v1 import AppTest
from test_app_pages import opened, texts, until_quiet
from test_study import MODELS, write_net

import gexviz as gx
from gexviz.cohort.windows import Window
from gexviz.explaining import effects
from gexviz.explaining.attributions import METHODS
from gexviz.explaining.target import target
from gexviz.explaining.tiles import Tiling
from gexviz.figures import theme
from gexviz.tasks import Progress
from gexviz.ui import locus_exports, locus_regions, locus_stretches, locus_work, opening, tables
from gexviz.ui.jobs import Job, Jobs
from gexviz.ui.locus_variants import facts

TABLE = '\n[models.elsewhere]\nfamily = "table"\npredictions = "elsewhere.tsv"\nscale = "log"\n'
MEME = """MEME version 4

ALPHABET= ACGT

MOTIF M1 first
letter-probability matrix: alength= 4 w= 4
 0.97 0.01 0.01 0.01
 0.01 0.97 0.01 0.01
 0.01 0.01 0.97 0.01
 0.01 0.01 0.01 0.97
"""


def net_study(folder: Path) -> Path:
    toml = cohorts.make_study(folder, models=MODELS + TABLE)
    write_net(folder)
    samples = gx.load(toml).samples.index
    values = pd.DataFrame(1.0, index=["ENSG00000000000.1"], columns=samples).rename_axis("gene")
    values.to_csv(folder / "elsewhere.tsv", sep="\t")
    return toml


@pytest.fixture(scope="module")
def computed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of a network of 600 bp, all predicted."""
    toml = net_study(tmp_path_factory.mktemp("computed"))
    study = gx.load(toml)
    for model in study.model_names:
        study.compute(model)
    return toml


def locus_page(toml: Path, monkeypatch: pytest.MonkeyPatch, gene: str = "GENE0", **query: str) -> AppTest:
    return until_quiet(opened(toml, monkeypatch, "Locus", gene=gene, **query))


def figure_of(app: AppTest, key: str = "locus") -> dict:
    """The figure of a chart, by its key."""
    found = [c for c in app.get("plotly_chart") if c.proto.id.endswith(f"-{key}")]
    assert len(found) == 1, [c.proto.id for c in app.get("plotly_chart")]
    return json.loads(found[0].proto.spec)


def numbers(values: list | dict) -> list[float]:
    """Numbers of a figure, plain or packed."""
    if isinstance(values, dict):
        return np.frombuffer(base64.b64decode(values["bdata"]), values["dtype"]).tolist()
    return values


def in_url(app: AppTest, key: str) -> str | None:
    """A parameter of the URL; AppTest gives a list or the value itself."""
    value = app.query_params.get(key)
    return value[0] if isinstance(value, list) else value


def said(app: AppTest) -> str:
    """All that the page says, without the escapes of Markdown."""
    return texts(app).replace("\\", "")


def track_names(app: AppTest) -> str:
    return " | ".join(note["text"] for note in figure_of(app)["layout"]["annotations"])


def test_a_gene_is_looked_into_without_a_click(computed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = locus_page(computed, monkeypatch)
    assert not app.exception and not app.error and not app.warning
    assert [h.value for h in app.header] == ["GENE0"]
    names = track_names(app)
    assert all(name in names for name in ("Genes", "Variants", "ISM importance", "In-silico mutagenesis"))
    study = gx.load(computed)
    table = study.gene("GENE0").effects("net").table
    shown = next(d.value for d in app.dataframe if "effect_reference" in d.value)
    assert set(shown["variant"]) == set(table.index)
    assert shown["effect_reference"].abs().is_monotonic_decreasing
    assert len(figure_of(app, "logos")["data"]) > 2


def test_the_work_of_a_new_gene_is_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toml = net_study(tmp_path)
    gate, real = threading.Event(), locus_work.effects.variant_effects

    def held(*args, progress):
        assert gate.wait(180)
        return real(*args, progress=progress)

    monkeypatch.setattr(locus_work.effects, "variant_effects", held)
    monkeypatch.setattr(locus_work, "PATIENCE", 0.0)
    app = opened(toml, monkeypatch, "Locus", gene="GENE1")
    assert "Variant effects of GENE1 with net: see the progress above" in said(app)
    assert "The effects of the variants are not computed yet" in said(app)
    gate.set()
    app = until_quiet(until_quiet(app))
    assert "see the progress above" not in said(app) and "not computed yet" not in said(app) and not app.error
    study = gx.load(toml)
    assert effects.stored_effects(study, "net", study.locus("ENSG00000000001.1")) is not None
    whole = target(study, "net", study.locus("ENSG00000000001.1"))
    window = whole.background.window
    assert locus_work.ism.stored_mutagenesis(whole, (window.start, window.end)) is not None


def test_long_work_is_tried_and_then_asked_about(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toml = net_study(tmp_path)
    real = locus_work.ism.mutagenesis

    def slow(of, region, *, progress):
        for _ in range(3):
            progress(1, 100, "bases")
        return real(of, region, progress=progress)

    monkeypatch.setattr(locus_work.ism, "mutagenesis", slow)
    monkeypatch.setattr(locus_work, "TRIAL", 0.0)
    monkeypatch.setattr(locus_work, "ASK_ABOVE", 1e-5)
    app = until_quiet(locus_page(tmp_path / "study.toml", monkeypatch))
    assert "Mutagenesis of GENE0 with net takes about" in said(app)
    assert "In-silico mutagenesis" not in track_names(app) and "Genes" in track_names(app)
    assert toml.is_file()
    for _ in range(3):  # effects, then mutagenesis, then the logos
        for button in [b for b in app.button if b.label.startswith("Compute it")]:
            button.click()
        app = until_quiet(app.run())
    assert "In-silico mutagenesis" in track_names(app) and "takes about" not in said(app)


def test_who_cancels_during_the_trial_hears_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locus_work, "TRIAL", 0.0)
    monkeypatch.setattr(locus_work, "ASK_ABOVE", 1e-9)

    def work(progress: Progress) -> None:
        progress(1, 100, "a base")
        if cancelled:
            job.cancel()
        progress(2, 100, "a base")

    ends = {}
    for cancelled in (True, False):
        wanted = locus_work.Wanted("key", "Work", "bases", work)
        job = Job("key", "Work", partial(locus_work._tried, wanted))
        job.run()
        ends[cancelled] = job.state, type(job.result)
    assert ends == {True: ("cancelled", type(None)), False: ("done", locus_work.TooLong)}


def test_a_model_of_slow_forward_passes_is_not_begun(computed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = gx.load(computed)
    on = target(study, "net", study.locus("ENSG00000000000.1"))
    region = (on.background.window.start, on.background.window.start + 100)
    wanted = locus_work.attribution(on, region, "ism")
    assert wanted.beforehand is not None and wanted.beforehand() == 0.0  # quick, and incremental
    monkeypatch.setattr(locus_work, "ASK_ABOVE", -1.0)
    assert wanted.beforehand() == 0.0  # slow, but incremental
    plain = locus_work.analysis_ism.Mutagenesis
    monkeypatch.setattr(
        locus_work.analysis_ism, "Mutagenesis", lambda model, sequence: plain(model, sequence, plain=True)
    )
    assert wanted.beforehand() > 0.0


def test_work_is_cancelled_from_the_page_and_begun_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toml = net_study(tmp_path)
    gate, real = threading.Event(), locus_work.ism.mutagenesis

    def held(of, region, *, progress):
        progress(64, 600, "bases")
        assert gate.wait(180)
        progress(128, 600, "bases")
        return real(of, region, progress=progress)

    monkeypatch.setattr(locus_work, "PATIENCE", 0.5)
    monkeypatch.setattr(locus_work.ism, "mutagenesis", held)
    app = opened(toml, monkeypatch, "Locus", gene="GENE0").run()
    assert "Mutagenesis of GENE0 with net: see the progress above" in said(app)
    cancel = next(b for b in app.button if b.label == "Cancel")
    cancel.click().run()
    gate.set()
    app = until_quiet(app)
    assert "Mutagenesis of GENE0 with net was cancelled" in said(app)
    assert "Variants" in track_names(app)  # what is there is shown
    next(b for b in app.button if b.label == "Run again").click()
    app = until_quiet(app.run())
    assert "In-silico mutagenesis" in track_names(app)


def test_a_region_is_read_from_the_url_and_typed(computed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = locus_page(computed, monkeypatch, region="1:4,801-4900")
    axis = figure_of(app)["layout"]["xaxis"]["range"]
    assert axis == [4800.5, 4900.5]
    assert app.text_input(key="region_box").value == "1:4,801-4,900"
    app.text_input(key="region_box").set_value("4,851-4,900").run()
    assert in_url(app, "region") == "1:4851-4900"
    assert figure_of(app)["layout"]["xaxis"]["range"] == [4850.5, 4900.5]
    app.button(key="region Zoom out").click().run()
    assert figure_of(app)["layout"]["xaxis"]["range"] == [4800.5, 4950.5]
    app.button(key="region Right").click().run()
    assert figure_of(app)["layout"]["xaxis"]["range"] == [4875.5, 5025.5]
    app.button(key="region Whole window").click().run()
    assert "region" not in app.query_params


@pytest.mark.parametrize("region", ["1:1-50", "4,900-4,800", "here", "2:4,801-4,900"])
def test_a_bad_region_is_said_and_the_page_stays(computed: Path, monkeypatch: pytest.MonkeyPatch, region: str) -> None:
    app = locus_page(computed, monkeypatch, region=region)
    (error,) = app.error
    assert "1:4,601-5,200" in error.value.replace("\\", "")
    assert app.text_input(key="region_box").value == region
    assert figure_of(app)["layout"]["xaxis"]["range"] == [4600.5, 5200.5]
    app.text_input(key="region_box").set_value("").run()
    assert not app.error and "region" not in app.query_params


def test_two_haplotypes_are_compared_and_stay_out_of_the_url(computed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = gx.load(computed)
    index = study.haplotypes("net", "ENSG00000000000.1").index
    one, other = next((a, b) for a in index.index for b in index.index if a != b and index.loc[a, 1] != index.loc[b, 2])
    app = locus_page(computed, monkeypatch)
    app.selectbox(key="first_sequence").select(one)
    app.selectbox(key="second_sequence").select(other).run()
    next(g for g in app.get("button_group") if g.key == "second_copy").set_value(2)
    app = until_quiet(app.run())
    names = track_names(app)
    assert "Difference" in names and "copy 2 of the second person" in names and "copy 1 of the first person" in names
    everything = said(app) + json.dumps(figure_of(app)) + json.dumps({k: v for k, v in app.query_params.items()})
    assert one not in everything and other not in everything
    assert all(one not in d.proto.label and other not in d.proto.label for d in app.get("download_button"))


def test_the_same_sequence_twice_has_no_difference(computed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = locus_page(computed, monkeypatch)
    app.selectbox(key="second_sequence").select("Reference").run()
    assert "Both sequences are the same" in said(app) and "Difference" not in track_names(app)


def test_the_variant_of_the_url_is_chosen(computed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = gx.load(computed)
    table = study.gene("GENE0").effects("net").table
    variant = table["effect_reference"].abs().idxmin()
    app = locus_page(computed, monkeypatch, variant=variant)
    rings = [numbers(t["x"]) for t in figure_of(app)["data"] if t.get("name") == "chosen" and t["x"] != [None]]
    assert rings == [[table.at[variant, "position"] + 1]]
    position = f"{table.at[variant, 'position'] + 1:,}"
    assert any(position in s.value for s in app.subheader)
    app.button(key="region around").click().run()
    start = table.at[variant, "position"] + 1
    low, high = (int(part) for part in str(in_url(app, "region")).split(":")[1].split("-"))
    assert low <= start <= high and high - low <= 201 + 4


def test_an_unknown_variant_and_method_are_said(computed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = locus_page(computed, monkeypatch, variant="1:1:A:C", method="magic")
    assert "1:1:A:C is not among the" in said(app) and "magic is not a way" in said(app)
    assert "In-silico mutagenesis" in track_names(app)
    assert {link.proto.label for link in app.get("page_link")} >= {"Saliency", "DeepLIFT"}


def test_a_gradient_is_shown_by_its_name(computed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = locus_page(computed, monkeypatch, method="integrated_gradients")
    assert "Integrated gradients" in track_names(app) and "In-silico mutagenesis" not in track_names(app)
    app.selectbox(key="method_box").select("ism").run()
    assert "method" not in app.query_params


def test_attention_is_named_for_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toml = make_contract_study(tmp_path, language_files.nucleotide_transformer(tmp_path, 0), 240, 120).toml
    app = locus_page(toml, monkeypatch, "PLUS", method="rollout")
    assert not app.error and not app.exception
    assert app.selectbox(key="method_box").options == [METHODS[m] for m in ("ism", "rollout", "relevance")]
    title = figure_of(app)["layout"]["title"]["text"].replace("<br>", " ")
    assert "Attention rollout" in track_names(app) and "not an explanation" in title
    gene = gx.load(toml).gene("PLUS")
    assert gene.attention("model", how="rollout").agreement(gene.ism("model")).words in said(app)
    app = until_quiet(app.selectbox(key="method_box").select("relevance").run())
    assert in_url(app, "method") == "relevance" and "Relevance (gradient x attention)" in track_names(app)


def test_a_model_that_reads_no_sequence_offers_one_that_does(computed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = locus_page(computed, monkeypatch, model="elsewhere")
    assert "reads no sequence" in said(app)
    assert "net" in {link.proto.label for link in app.get("page_link")}
    assert not app.get("plotly_chart") and not app.error


def test_a_model_of_weights_shows_its_variants(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    demo = gx.demo().config.path
    monkeypatch.setenv("GEXVIZ_RESULTS", str(tmp_path / "results"))
    app = locus_page(demo, monkeypatch, "GENE03", model="enet")
    assert "reads no sequence" in said(app) and "Variants" in track_names(app)
    assert not app.error and not app.exception
    app = locus_page(demo, monkeypatch, "GENE03", model="cnn")
    assert "Motifs" in track_names(app)  # motifs.meme lies beside the demo's study


def test_filters_leave_the_variants_that_pass(computed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = gx.load(computed).gene("GENE0").effects("net").table
    app = locus_page(computed, monkeypatch)
    app.toggle(key="variant_drivers").set_value(True).run()
    shown = [d.value for d in app.dataframe if "effect_reference" in d.value]
    assert [sorted(d["variant"]) for d in shown] == [sorted(table.index[table["driver"]])] * len(shown)
    app.toggle(key="variant_drivers").set_value(False)
    app.selectbox(key="variant_frequency").select("10%").run()
    rarer = np.minimum(table["frequency"], 1 - table["frequency"])
    shown = [d.value for d in app.dataframe if "effect_reference" in d.value]
    assert [sorted(d["variant"]) for d in shown] == [sorted(table.index[rarer >= 0.1])] * len(shown)


def test_own_files_are_shown_and_broken_ones_said(
    computed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "peaks.bed").write_text("chr1\t4700\t4800\tmine\n")
    (tmp_path / "bad.bed").write_text("chr1\t4800\t4700\n")
    (tmp_path / "known.meme").write_text(MEME)
    (tmp_path / "broken.meme").write_text(MEME.replace(" 0.97 0.01 0.01 0.01", " 0.97 0.51 0.01 0.01"))
    monkeypatch.setenv("GEXVIZ_ALLOW_ROOT", f"{computed.parent}{os.pathsep}{tmp_path}")
    app = locus_page(computed, monkeypatch)
    app.text_area(key="own_tracks").set_value(f"{tmp_path}/peaks.bed\n{tmp_path}/bad.bed\n")
    app.text_input(key="own_motifs").set_value(str(tmp_path / "known.meme")).run()
    assert "peaks" in track_names(app) and "Motifs" in track_names(app)
    (error,) = app.error
    assert "after the end" in error.value and "bad.bed" in error.value.replace("\\", "")
    app.text_area(key="own_tracks").set_value("")
    app.text_input(key="own_motifs").set_value(str(tmp_path / "broken.meme")).run()
    (error,) = app.error
    assert "line" in error.value and "In-silico mutagenesis" in track_names(app)


def test_only_the_open_tab_is_drawn(computed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = locus_page(computed, monkeypatch)
    keys = {"running", "additivity", "epistasis", "linearity", "stretches"}
    drawn = {k for k in keys if any(c.proto.id.endswith(f"-{k}") for c in app.get("plotly_chart"))}
    assert drawn <= {"running"}
    for tab, key in (("Additivity", "additivity"), ("Epistasis", "epistasis"),
                     ("Gradient against mutagenesis", "linearity"), ("Stretches", "stretches")):  # fmt: skip
        app.session_state["locus_tabs"] = tab
        app = until_quiet(app.run())
        drawn = {k for k in keys if any(c.proto.id.endswith(f"-{k}") for c in app.get("plotly_chart"))}
        assert drawn == {key} and not app.exception and not app.error


@pytest.mark.parametrize("how", ["deletion", "shuffle"])
def test_stretches_of_the_chosen_sequence(computed: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    study = gx.load(computed)
    person = str(study.samples.index[3])
    app = locus_page(computed, monkeypatch, region="1:4701-5000")
    app.selectbox(key="first_sequence").set_value(person).run()
    app.session_state["locus_tabs"] = "Stretches"
    app.session_state["stretches_how"] = how
    app = until_quiet(app.run())
    assert app.number_input(key=f"{how} of 300").value == {"deletion": 5, "shuffle": 20}[how]
    app.number_input(key=f"{how} of 300").set_value(60)
    app = until_quiet(app.run())
    assert not app.exception and not app.error
    found = study.gene("GENE0").tiles("net", "1:4701-5000", Tiling(how, 60, 60), sample=person, copy=1, progress=never)
    (bars,) = [t for t in figure_of(app, "stretches")["data"] if t["type"] == "bar"]
    assert numbers(bars["y"]) == pytest.approx(found.table["effect"].tolist())
    lowers = [colour == theme.NEGATIVE[0] for colour in bars["marker"]["color"]]
    assert lowers == (found.table["effect"] < 0).tolist()
    assert f"{len(found.table)} stretches; the largest effect: 1:4," in said(app) and person not in said(app)


def never(done: int, total: int, label: str) -> None:
    raise AssertionError("it is stored")


def test_stretches_of_a_slow_model_are_asked_about(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net_study(tmp_path)
    app = locus_page(tmp_path / "study.toml", monkeypatch)
    monkeypatch.setattr(locus_stretches, "ASK_ABOVE", 0.0)
    monkeypatch.setattr(locus_work, "ASK_ABOVE", 1e-9)
    app.session_state["locus_tabs"] = "Stretches"
    app = until_quiet(app.run())
    assert "10 bp stretches of GENE0 deleted with net takes about" in said(app)
    next(b for b in app.button if b.label.startswith("Compute it")).click()
    app = until_quiet(app.run())
    assert "takes about" not in said(app) and figure_of(app, "stretches")["data"]


def test_n_in_a_haplotype_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toml = net_study(tmp_path)
    sequence = gx.load(toml).cohort.reference.fetch("1", 0, 60_000).tobytes().decode()
    cohorts.write_fasta(tmp_path / "reference.fa", {"1": f"{sequence[:4650]}NNNN{sequence[4654:]}"})
    app = locus_page(toml, monkeypatch)
    assert "has 4 bases that are not A, C, G or T" in said(app) and not app.exception


def test_a_gene_that_the_model_cannot_serve_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toml = net_study(tmp_path)
    write_net(tmp_path, window=20_000)
    app = locus_page(toml, monkeypatch, "GENE4")
    assert "can't serve this gene" in said(app) and not app.get("plotly_chart") and not app.exception


def test_carriers_go_to_the_gene_page_and_back(computed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    variant = gx.load(computed).gene("GENE0").effects("net").table["effect_reference"].abs().idxmax()
    app = locus_page(computed, monkeypatch, variant=variant)
    app.button(key="carriers").click().run()
    assert not app.exception
    assert in_url(app, "variant") == variant
    assert next(g for g in app.get("button_group") if g.key == "colour_by").value == "Genotype"
    back = next(link for link in app.get("page_link") if link.proto.label == "On the Locus page")
    assert "variant=" in back.proto.query_string and "Locus" in back.proto.page


def test_every_page_without_a_model_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toml = app_study(tmp_path)
    toml.write_text(toml.read_text().split("[models.deep]")[0])
    app = locus_page(toml, monkeypatch)
    assert "has no model that can be opened" in said(app) and not app.exception


def test_regions_move_within_the_window() -> None:
    window = Window("1", 100, 1100, "+", 0)
    assert locus_regions.panned((100, 300), window, -0.5) == (100, 300)
    assert locus_regions.panned((900, 1000), window, 0.5) == (950, 1050)
    assert locus_regions.panned((950, 1050), window, 1) == (1000, 1100)
    assert locus_regions.zoomed((100, 300), window, 3) == (100, 700)
    assert locus_regions.zoomed((500, 530), window, 0.1) == (505, 525)
    assert locus_regions.zoomed((200, 1000), window, 3) == (100, 1100)
    assert locus_regions.around("1:201:ACG:A", window, 10) == (190, 213)
    assert locus_regions.around("1:101:A:C", window, 10) == (100, 111)
    assert [locus_regions.around(v, window, 10) for v in ("2:201:A:C", "1:5:A:C", "1:x:A:C", "1:5")] == [None] * 4
    assert locus_regions.in_url((100, 1100), window) is None
    assert locus_regions.in_url((100, 200), window) == "1:101-200"


def test_facts_of_a_variant_are_words(computed: Path) -> None:
    found = gx.load(computed).gene("GENE0").effects("net")
    for _, row in found.table.iterrows():
        words = facts(row, "log")
        assert len(words) >= 5 and not words["Value"].str.contains("nan").any()


def test_exported_files_hold_what_is_shown(computed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = gx.load(computed)
    found = study.gene("GENE0").ism("net", "1:4,801-4,900")
    table = locus_exports.with_one_based_positions(found)
    assert table["position"].tolist() == list(range(4801, 4901))
    app = locus_page(computed, monkeypatch, region="1:4801-4900")
    labels = [b.proto.label for b in app.get("download_button")]
    assert {"Logo SVG", "Logo PDF", "CSV", "bedGraph", "bigWig", "BED"} <= set(labels)
    assert not any(b.proto.disabled for b in app.get("download_button"))
    app.button(key="region Whole window").click().run()
    disabled = {b.proto.label for b in app.get("download_button") if b.proto.disabled}
    assert disabled == {"Logo SVG", "Logo PDF"}


def test_the_jobs_of_this_module_have_no_sample_ids() -> None:
    for job in opening.all_jobs().all():
        assert "P0" not in job.label and "P0" not in job.key


def test_what_the_page_stores_does_not_outdate_the_predictions(tmp_path: Path) -> None:
    toml = net_study(tmp_path)
    study = gx.load(toml)
    study.compute("net")
    jobs = Jobs()
    before = tables.version(study, jobs)
    study.gene("GENE0").locus("net", "1:4801-4900")
    assert tables.version(study, jobs) == before
    write_net(tmp_path, seed=1)
    study = gx.load(toml)
    changed = tables.version(study, jobs)
    study.compute("net", ["GENE0"])
    assert len({before, changed, tables.version(study, jobs)}) == 3
