"""The app's pages without a browser."""

import time
from pathlib import Path

import pandas as pd
import pytest
from app_studies import app_study
from real_study import write_real_study
from streamlit.testing.v1 import AppTest

import gexviz as gx
from gexviz.ui import opening

APP = str(Path(__file__).resolve().parents[1] / "app.py")
PAGES = ["Data", "Overview", "Gene", "Locus"]


@pytest.fixture(scope="module")
def predicted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study whose predictions are stored."""
    toml = app_study(tmp_path_factory.mktemp("predicted"))
    study = gx.load(toml)
    for model in study.model_names:
        study.compute(model)
    return toml


def opened(toml: Path, monkeypatch: pytest.MonkeyPatch, page: str, **query: str) -> AppTest:
    """A page of a study, run once."""
    monkeypatch.setattr("sys.argv", ["app.py", "--study", str(toml)])
    app = AppTest.from_file(APP, default_timeout=180)
    app.switch_page(f"pages/{page}.py")
    for key, value in query.items():
        app.query_params[key] = value
    return app.run()


def texts(app: AppTest) -> str:
    """All that a page says in words."""
    kinds = ("title", "header", "subheader", "markdown", "caption", "text", "error", "warning", "info", "code", "table")
    return "\n".join(str(item.value) for kind in kinds for item in app.get(kind))


def until_quiet(app: AppTest) -> AppTest:
    """Run a page until no job of the server is active, and a run begins no other."""
    end = time.monotonic() + 180
    while True:
        while any(job.active for job in opening.all_jobs().all()):
            assert time.monotonic() < end, "jobs did not end"
            time.sleep(0.05)
        before = set(map(id, opening.all_jobs().all()))
        app = app.run()
        if set(map(id, opening.all_jobs().all())) <= before:
            return app
        assert time.monotonic() < end, "every run begins a job"


@pytest.mark.parametrize("page", PAGES)
def test_every_page_shows_without_an_error(predicted: Path, monkeypatch: pytest.MonkeyPatch, page: str) -> None:
    app = until_quiet(opened(predicted, monkeypatch, page))
    assert not app.exception and not app.error
    badges = [m.value for m in app.markdown if "SIMULATED" in m.value]
    assert badges, "the badge is missing"
    assert app.selectbox(key="model_box").value == "deep"
    assert app.selectbox(key="linear_box").value == "linear"


def test_the_front_door_is_the_overview(predicted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["app.py", "--study", str(predicted)])
    app = AppTest.from_file(APP, default_timeout=180).run()
    assert len(app.get("plotly_chart")) == 3
    assert "6 genes" in texts(app)


def test_the_data_page_has_checks_components_and_counts(predicted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = until_quiet(opened(predicted, monkeypatch, "Data"))
    assert {m.label: m.value for m in app.metric} | {"Genome": ""} == {
        "People": "40", "Genes": "6", "Populations": "2", "Models": "2", "Genome": "",
    }  # fmt: skip
    checks = app.table[0].value
    assert set(checks["Status"]) <= {"✔ ok", "▲ warning", "✖ error"}
    assert len(app.get("plotly_chart")) == 1


@pytest.mark.parametrize("query", ["GENE0", "gene0", "ENSG00000000000", "ENSG00000000000.1"])
def test_a_gene_is_opened_by_symbol_or_id(predicted: Path, monkeypatch: pytest.MonkeyPatch, query: str) -> None:
    app = opened(predicted, monkeypatch, "Gene", gene=query)
    assert [h.value for h in app.header] == ["GENE0"]
    assert len(app.get("plotly_chart")) == 4


def test_an_unknown_gene_gets_a_message_and_suggestions(predicted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened(predicted, monkeypatch, "Gene", gene="GENE9")
    assert "GENE9 is not a gene of this study" in app.warning[0].value
    assert {link.proto.label for link in app.get("page_link")} >= {"GENE0", "GENE1"}
    assert not app.header and not app.get("plotly_chart")


def test_an_unknown_model_gets_a_message_and_the_default_is_shown(
    predicted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = opened(predicted, monkeypatch, "Gene", gene="GENE0", model="enformer")
    assert "enformer is not a model of this study" in app.warning[0].value
    assert app.selectbox(key="model_box").value == "deep"


def test_a_gene_that_a_model_cannot_serve_says_why(predicted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened(predicted, monkeypatch, "Gene", gene="GENE5")
    assert any("can't be predicted" in i.value and "not in the table" in i.value for i in app.info)


def test_next_and_previous_go_round_the_genes_that_both_models_have(
    predicted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = opened(predicted, monkeypatch, "Gene", gene="GENE0")
    app.button(key="step-1").click().run()
    assert [h.value for h in app.header] == ["GENE4"]  # GENE5 has no prediction of `deep`
    assert app.query_params["gene"] == "ENSG00000000004.1"
    app.button(key="step1").click().run()
    assert [h.value for h in app.header] == ["GENE0"]


def test_another_gene_drops_the_variant_and_the_url_names_the_first_gene(
    predicted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = opened(predicted, monkeypatch, "Gene", variant="1:1:A:C")
    assert app.query_params["gene"] == "ENSG00000000000.1"
    app.button(key="step1").click().run()
    assert "variant" not in app.query_params


def test_choosing_the_models_the_other_way_round(predicted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened(predicted, monkeypatch, "Gene", gene="GENE0")
    app.selectbox(key="model_box").select("linear").run()
    assert app.selectbox(key="linear_box").value == "deep"
    assert app.query_params["model"] == "linear"


def test_a_wrong_variant_is_said_and_the_rest_is_shown(predicted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened(predicted, monkeypatch, "Gene", gene="GENE0", variant="1:1:A:C")
    assert any("1:1:A:C" in e.value.replace("\\", "") for e in app.error)
    assert len(app.get("plotly_chart")) == 3


def test_filters_narrow_the_table(predicted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened(predicted, monkeypatch, "Overview")
    study = gx.load(predicted)
    largest = pd.concat([study.evaluate(m)["pearson"].abs() for m in study.model_names], axis=1).max(axis=1)
    for least in (0.8, 0.95, 1.0):
        app.slider(key="size").set_value(least).run()
        number = int((largest >= least).sum())
        assert ("1 gene" if number == 1 else f"{number} genes") in [s.value for s in app.subheader]
        assert not app.exception and not app.error
    app.slider(key="size").set_value(0.0)
    app.selectbox(key="population").select("AAA").run()
    assert "6 genes" in texts(app) and not app.error


def test_a_simulated_study_is_predicted_without_a_click(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = until_quiet(opened(app_study(tmp_path), monkeypatch, "Gene", gene="GENE0"))
    assert len(app.get("plotly_chart")) == 4
    assert not [b for b in app.button if "Predict" in b.label]


def test_a_real_study_waits_to_be_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened(app_study(tmp_path, simulated=False), monkeypatch, "Gene", gene="GENE0")
    assert "6 not predicted yet" in texts(app) and not app.get("plotly_chart")[2:]
    app.button(key="predict_deep").click().run()
    app.button(key="predict_linear").click().run()
    app = until_quiet(app)
    assert len(app.get("plotly_chart")) == 4
    assert any("Real data" in m.value for m in app.markdown)


def test_changed_input_makes_results_stale_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toml = app_study(tmp_path, simulated=False)
    gx.load(toml).compute("deep")
    table = (tmp_path / "deep.tsv").read_text().replace("0.", "0.5", 1)
    (tmp_path / "deep.tsv").write_text(table)
    app = opened(toml, monkeypatch, "Gene", gene="GENE0")
    assert "6 stale" in texts(app) and "predictions changed since" in texts(app).replace("\\", "")
    assert any("stale prediction" in i.value for i in app.info)


def test_files_that_change_while_the_server_runs_are_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toml = app_study(tmp_path)
    until_quiet(opened(toml, monkeypatch, "Data"))
    table = pd.read_csv(tmp_path / "expression.tsv", sep="\t", index_col=0)
    table.iloc[:4].to_csv(tmp_path / "expression.tsv", sep="\t")
    app = until_quiet(opened(toml, monkeypatch, "Data"))
    assert {m.label: m.value for m in app.metric}["Genes"] == "4"
    table = pd.read_csv(tmp_path / "linear.tsv", sep="\t", index_col=0)
    table.iloc[:2].to_csv(tmp_path / "linear.tsv", sep="\t")
    app = until_quiet(opened(toml, monkeypatch, "Overview"))
    assert "linear can't serve 2 genes" in texts(app) and "out-of-fold" not in texts(app)


def test_a_typo_in_the_toml_is_one_readable_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toml = app_study(tmp_path)
    toml.write_text(toml.read_text().replace("genotypes =", "genotype ="))
    for page in PAGES:
        app = opened(toml, monkeypatch, page)
        assert not app.exception
        (block,) = (e.value.replace("\\", "") for e in app.error)
        assert block.startswith("**unknown key 'genotype'**")
        assert "Where: [cohort] genotype, line" in block and "To do: did you mean 'genotypes'?" in block


def test_the_checks_are_shown_of_a_study_that_cannot_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toml = app_study(tmp_path)
    (tmp_path / "expression.tsv").write_text("gene\tP000\nENSG00000000000.1\thigh\n")
    app = until_quiet(opened(toml, monkeypatch, "Data"))
    assert not app.exception and app.error
    assert "✖ error" in list(app.table[0].value["Status"])


def test_a_model_that_cannot_be_opened_does_not_take_the_others_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toml = app_study(tmp_path)
    (tmp_path / "deep.tsv").unlink()
    app = until_quiet(opened(toml, monkeypatch, "Gene", gene="GENE0"))
    assert any("deep.tsv" in e.value.replace("\\", "") for e in app.error)
    assert app.selectbox(key="model_box").value == "linear"


def test_a_study_without_populations_or_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toml = app_study(tmp_path)
    lines = [line for line in toml.read_text().split("[models.deep]")[0].splitlines() if "samples" not in line]
    toml.write_text("\n".join(lines) + "\n")
    for page in PAGES:
        app = until_quiet(opened(toml, monkeypatch, page))
        assert not app.exception and not app.error, page


def test_results_that_cannot_be_written_stop_the_job_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toml = app_study(tmp_path)
    (tmp_path / "results").write_text("a file, not a folder")
    app = until_quiet(opened(toml, monkeypatch, "Overview"))
    assert not app.exception and app.error
    assert "results" in texts(app) and "To do" in texts(app)


@pytest.mark.parametrize("page", PAGES)
def test_the_demo_shows_its_data_with_no_click(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    demo = gx.demo().config.path
    monkeypatch.setenv("GEXVIZ_RESULTS", str(tmp_path / "results"))
    app = until_quiet(opened(demo, monkeypatch, page))
    assert not app.exception and not app.error
    assert len(app.get("plotly_chart")) == {"Data": 1, "Overview": 3, "Gene": 4, "Locus": 3}[page]
    if page == "Overview":
        served = "enet can't serve 5 genes (no weights for this gene: 5)."
        assert f"{served} Shown are the out-of-fold predictions of its training." in texts(app)


@pytest.mark.real
def test_a_real_cohort_opens(real_cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toml = write_real_study(real_cohort, tmp_path)
    gx.load(toml).compute("xpresso", ["TANGO2"])
    app = opened(toml, monkeypatch, "Gene", gene="ENSG00000183597")
    assert [h.value for h in app.header] == ["TANGO2"] and not app.exception and not app.error
    assert len(app.get("plotly_chart")) == 3
    assert "distinct sequences of 660 chromosomes" in texts(app)
    assert "607 not predicted yet" in texts(app)
    assert any("Real data" in m.value for m in app.markdown)
