"""The offline report and the figures of frozen views: the app's numbers, nothing of strangers runs, nobody is named."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sessions import DEEP, GENE, LINEAR, PAIR, WHEN, demo_session, driver
from typer.testing import CliRunner

import gexviz as gx
from gexviz.cli import app
from gexviz.errors import GexvizError
from gexviz.figures.comparison import Labels
from gexviz.figures.density import binned_people
from gexviz.figures.groups import boxes_by_dosage
from gexviz.figures.overview import model_vs_model
from gexviz.session.contents import Anchor, Note, Session, State, View
from gexviz.session.reading import read_session
from gexviz.session.report import LIMIT, ReportSize, report_html, report_size, size, write_report
from gexviz.session.report.tables import MOST_ROWS, page_table
from gexviz.session.shown import Shown, shown
from gexviz.session.writing import write_session

OVERVIEW, ON_GENE, LOCUS, MISMATCHES = range(4)


@pytest.fixture(scope="module")
def session() -> Session:
    return demo_session()


@pytest.fixture(scope="module")
def html(session: Session) -> str:
    return report_html(session)


def items(level: str, number: int) -> list[Shown]:
    session = demo_session(level)
    return shown(session, session.state.views[number])


# -- figures of frozen views -------------------------------------------------------------------------------------------


def test_points_and_r_of_a_frozen_gene_are_those_of_the_study() -> None:
    mine = items("full", ON_GENE)[0].figure
    theirs = gx.demo().gene(GENE)._comparison(gx.demo().gene(GENE).table, DEEP, "population")
    assert mine.layout.title.text == theirs.layout.title.text
    assert len(mine.data) == len(theirs.data) == 3
    for a, b in zip(mine.data, theirs.data, strict=True):
        assert a.name == b.name
        for mine_at, theirs_at in ((a.x, b.x), (a.y, b.y)):
            assert np.allclose(sorted(mine_at), sorted(theirs_at), rtol=1e-12)


def test_r_above_the_boxes_is_that_of_the_people() -> None:
    row = gx.demo().evaluate(DEEP).loc[GENE]
    item = items("aggregate", ON_GENE)[0]
    assert f"r = {row['pearson']:.2f} [" in item.figure.layout.title.text
    assert f"r = {row['pearson']:.2f} [" in item.alt
    assert item.table["people"].sum() == pytest.approx(row["n"], rel=0.1)
    assert (item.table["people"] >= 10).all()


@pytest.mark.parametrize("level", ["aggregate", "full"])
def test_mutagenesis_of_a_frozen_locus_is_the_locus_page_s(level: str) -> None:
    whole, close, strongest = items(level, LOCUS)
    page = gx.demo().gene(GENE).locus(DEEP).adding(chosen=(driver(),))
    mine, theirs = ([t for t in f.data if t.type == "heatmap"] for f in (whole.figure, page.figure()))
    assert np.array_equal(np.array(mine[0].z), np.array(theirs[0].z), equal_nan=True)
    bars = [t for t in whole.figure.data if t.type == "bar" and t.orientation != "h"]
    theirs = [t for t in page.figure().data if t.type == "bar" and t.orientation != "h"]
    for own, other in zip(bars, theirs, strict=True):
        assert np.array_equal(np.array(own.y), np.array(other.y))
    start, end = page.region.start, page.region.end
    letters = page.zoomed(int(driver().split(":")[1]) - 76, int(driver().split(":")[1]) + 75).figure()
    outlines = [t.name for t in letters.data if t.type == "scatter" and t.fill]
    assert [t.name for t in close.figure.data if t.type == "scatter" and t.fill] == outlines
    importance = page.attribution.importance.set_index("position")["value"]
    top = strongest.table.iloc[0]
    assert start < top["position"] <= end
    assert top.iloc[2] == pytest.approx(importance.loc[importance.abs().idxmax()], rel=1e-6)


def test_genes_of_a_frozen_overview_stand_where_the_page_has_them() -> None:
    study = gx.demo()
    mine = items("full", OVERVIEW)[0].figure
    tables = study.evaluate(LINEAR), study.evaluate(DEEP)
    page = model_vs_model(*tables, models=(LINEAR, DEEP), names=study.genes["name"])
    for a, b in zip(mine.data, page.data, strict=True):
        assert [row[0] for row in a.customdata] == [row[0] for row in b.customdata]
        assert list(a.x) == pytest.approx(list(b.x)) and list(a.y) == pytest.approx(list(b.y))


def test_frozen_mismatches_count_what_the_comparison_counts() -> None:
    found = gx.demo().mismatches(DEEP, LINEAR)
    by_title = {item.title: item for item in items("full", MISMATCHES)}
    verdicts = by_title[f"Why {DEEP} fails, or succeeds"]
    counts = dict(zip(verdicts.figure.data[0].y, verdicts.figure.data[0].x, strict=True))
    assert {k: v for k, v in counts.items() if v} == found.genes["verdict"].value_counts().to_dict()
    whole = found.accuracy().iloc[0]
    assert f"of {whole['n']} pairs" in by_title["How often the direction is right"].alt
    candidates = by_title["Candidates to test"].table
    assert list(candidates["oligo with REF"]) == list(found.candidates().table["oligo_ref"])


@pytest.mark.parametrize("level", ["aggregate", "pseudonymous", "full"])
def test_each_page_s_views_are_shown_with_words_and_numbers(level: str) -> None:
    for number in range(4):
        for item in items(level, number):
            assert item.title and len(item.table) and len(item.table.columns)
            assert item.figure is None or (item.alt and any(char.isdigit() for char in item.alt))


def test_a_kept_view_s_filters_hold_in_its_figures(session: Session) -> None:
    rows = session.tables["mismatch_variants"]
    whole, opposite = (
        next(i for i in shown(session, View(page="mismatches", model=DEEP, linear=LINEAR, filters=asked)) if i.figure)
        for asked in ({}, {"Class": "opposite", "q of the eQTL up to": "0.05"})
    )
    kept = rows[(rows["class"] == "opposite") & (rows["q"] <= 0.05)]
    drawn = [point for trace in opposite.figure.data for point in trace.customdata or ()]
    assert 0 < len(kept) < len(rows)
    assert opposite.note.startswith(f"The figure is of the {len(kept):,} of {len(rows):,} pairs that pass the filters.")
    assert "filters" not in whole.note
    assert len(drawn) == kept["deep_effect"].notna().mul(kept["slope"].notna()).sum()


def test_filters_of_an_overview_that_no_session_can_obey_are_named(session: Session) -> None:
    asked = {"|r| from": "0.3", "People": "GBR"}
    item = shown(session, View(page="overview", model=DEEP, linear=LINEAR, filters=asked))[0]
    r = session.tables["evaluation"].pivot(index="gene", columns="model", values="pearson")[[DEEP, LINEAR]]
    passing = r.index[(r.abs() >= 0.3).any(axis=1)]
    assert item.note == (
        f"Of the {len(passing):,} of {len(r):,} genes that pass the filters. "
        "Not in the session, so not applied: People: GBR."
    )
    assert set(item.table["id"]) == set(passing) != set(r.index)


def test_verdicts_that_a_session_has_not_are_said_to_be_not_applied(session: Session) -> None:
    """They come with a view of the Mismatches page."""
    kept = {name: table for name, table in session.tables.items() if not name.startswith("mismatch")}
    asked = {"Verdict": "wrong direction"}
    view = View(page="overview", model=DEEP, linear=LINEAR, filters=asked)
    without, with_them = shown(replace(session, tables=kept), view)[0], shown(session, view)[0]
    assert without.note == "Not in the session, so not applied: Verdict: wrong direction."
    wrong = session.tables["mismatch_genes"].query("verdict == 'wrong direction'")["gene"]
    assert set(with_them.table["id"]) == set(wrong) and len(wrong) < len(without.table)


@pytest.mark.parametrize("tracks", [("variants",), ("bases",)])
def test_a_kept_view_s_tracks_are_those_that_are_drawn(session: Session, tracks: tuple[str, ...]) -> None:
    view = session.state.views[LOCUS]
    drawn = {
        wanted: str(shown(session, view.model_copy(update={"tracks": wanted}))[0].figure.layout.annotations)
        for wanted in ((), tracks)
    }
    for name, words in {"variants": "<b>Variants<", "bases": "<b>ISM importance"}.items():
        assert words in drawn[()] and (words in drawn[tracks]) == (name in tracks)


def test_a_view_that_the_session_knows_nothing_of_shows_nothing(session: Session) -> None:
    assert shown(session, View(page="gene", gene="GENE29", model=DEEP)) == []
    assert shown(session, View(page="locus")) == []
    assert shown(replace(session, tables={}, arrays={}), session.state.views[MISMATCHES]) == []


def test_a_stranger_s_table_that_can_t_be_drawn_is_one_error(session: Session) -> None:
    odd = session.tables["mismatch_variants"].drop(columns="deep_effect")
    broken = replace(session, tables={**session.tables, "mismatch_variants": odd})
    with pytest.raises(GexvizError, match="can't be drawn"):
        shown(broken, session.state.views[MISMATCHES])


BINS = pd.DataFrame(
    [[0.0, 1.0, -2.0, -1.0, 10], [0.0, 1.0, -1.0, 3.0, 40], [1.0, 4.0, 0.5, 0.5, 20]],
    columns=["observed_low", "observed_high", "predicted_low", "predicted_high", "people"],
)


def test_boxes_of_people_lie_where_their_edges_are() -> None:
    bar = binned_people(BINS, "net", labels=Labels("TANGO2")).data[0]
    ends = [(b, b + w, y - h / 2, y + h / 2) for b, w, y, h in zip(bar.base, bar.x, bar.y, bar.width, strict=True)]
    assert ends[0] == pytest.approx((-2, -1, 0, 1)) and ends[1] == pytest.approx((-1, 3, 0, 1))
    left, right, *_ = ends[2]
    assert left < 0.5 < right and right - left < 0.1  # a constant prediction is a thin box, not none
    assert [text.split(" ")[0] for text in bar.customdata] == ["<b>10", "<b>40", "<b>20"]


def test_no_bins_say_so() -> None:
    assert "too few people" in binned_people(BINS.iloc[:0], "net").layout.title.text


def test_boxes_by_dosage_have_no_end_that_was_not_told() -> None:
    groups = pd.DataFrame(
        {"copies": ["1 or 2", "0"], "people": [10, 60], "q10": [np.nan, 1], "q25": [2, 2], "q50": [3, 3],
         "q75": [4, 4], "q90": [np.nan, 5]}
    )  # fmt: skip
    figure = boxes_by_dosage(groups, "1:100:A:G", labels=Labels("TANGO2"), rounded=True)
    box, hover = figure.data
    assert list(box.lowerfence) == [1, 2] and list(box.upperfence) == [5, 4]
    assert figure.layout.xaxis.ticktext == ("0 · A/A<br>n = about 60", "1 or 2 · A/G or G/G<br>n = about 10")
    assert "80% of them" in hover.customdata[0] and "80% of them" not in hover.customdata[1]


# -- the page ----------------------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """Elements with their attributes, texts of scripts, and all other text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.text = ""
        self._in: tuple[str, dict[str, str | None]] | None = None
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(sorted(name for name, _ in attrs))))
        self.attributes += attrs
        if tag in ("script", "style"):
            self._in = (tag, dict(attrs))
            if tag == "script":
                self.scripts.append((dict(attrs), ""))

    def handle_endtag(self, tag: str) -> None:
        self._in = None

    def handle_data(self, data: str) -> None:
        if self._in is None:
            self.text += data
        elif self._in[0] == "script":
            self.scripts[-1] = (self._in[1], self.scripts[-1][1] + data)


def test_the_page_asks_for_nothing_and_runs_its_own_scripts_alone(html: str) -> None:
    page = Page(html)
    policy = next(v for n, v in page.attributes if n == "content" and v and "default-src" in v)
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == rules["connect-src"] == rules["form-action"] == rules["base-uri"] == "'none'"
    assert "unsafe" not in rules["script-src"] and "unsafe" not in rules["style-src-elem"]
    code = [text for attributes, text in page.scripts if "type" not in attributes]
    hashes = [f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in code]
    assert rules["script-src"].split(" ") == hashes
    assert len(code) == 4
    assert not [n for n, _ in page.attributes if n == "src" or n.startswith("on")]
    assert all(value and value.startswith("#") for name, value in page.attributes if name == "href")
    assert page.elements[2:4] == [("meta", ("charset",)), ("meta", ("content", "http-equiv"))]


def test_no_person_is_named_below_full() -> None:
    people = set(gx.demo().samples.index)
    for level in ("aggregate", "pseudonymous"):
        tokens = set(re.findall(r"[A-Za-z0-9_.-]+", report_html(demo_session(level))))
        assert not people & tokens
    assert people <= set(re.findall(r"[A-Za-z0-9_.-]+", report_html(demo_session("full"))))


def test_the_story_the_methods_and_what_was_left_out_are_told(html: str, session: Session) -> None:
    text = Page(html).text
    state, manifest = session.state, session.manifest
    told = [state.title, state.question, state.findings, *(view.title for view in state.views), state.views[1].text]
    told += [note.text for note in session.notes] + ["Simulated data", "Privacy: aggregate", manifest.gexviz]
    told += [*manifest.left_out, *manifest.inputs.values(), *manifest.libraries.values()]
    for model, facts in manifest.models.items():
        told += [model, facts.scale, facts.licence.rstrip("."), *facts.files.values()]
    assert [words for words in told if words not in text] == []


def test_the_same_is_shown_once(html: str) -> None:
    assert html.count("The same as shown above.") == 2  # both sides of the variant, on two pages
    figures = json.loads(next(text for a, text in Page(html).scripts if a.get("id") == "figures"))
    used = re.findall(r'data-figure="([0-9a-f]{16})"', html)
    assert sorted(used) == sorted(figures)


def test_every_control_has_a_name_and_every_figure_its_words(html: str) -> None:
    page = Page(html)
    for tag, attributes in page.elements:
        if tag == "div" and "data-figure" not in attributes and "tabindex" in attributes:
            assert "aria-label" in attributes and "role" in attributes
    for kind in ("input", "select", "textarea"):
        for match in re.finditer(rf"<{kind}\b", html[: html.index('<script type="application/json"')]):
            before = html[: match.start()]
            assert before.rfind("<label") > before.rfind("</label>"), html[match.start() : match.start() + 80]
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels))
    assert ("lang", "en") in page.attributes


def test_a_session_that_was_sent_makes_the_same_report(session: Session, html: str, tmp_path: Path) -> None:
    write_session(session, tmp_path / "s.gexviz.zip")
    again = report_html(read_session(tmp_path / "s.gexviz.zip"))
    assert Page(again).text == Page(html).text


def test_the_command_writes_it_and_says_how_large_it_is(session: Session, tmp_path: Path) -> None:
    write_session(session, tmp_path / "s.gexviz.zip")
    done = CliRunner().invoke(app, ["report", str(tmp_path / "s.gexviz.zip"), "--out", str(tmp_path / "r.html")])
    assert done.exit_code == 0, done.output
    size = (tmp_path / "r.html").stat().st_size
    assert f"{size / 1e6:.1f} of 25 MB" in done.output and "aggregate" in done.output
    assert report_size(session).total == pytest.approx(size, abs=100) and report_size(session).fits
    assert list(report_size(session).views) == [f"{n}. {v.title}" for n, v in enumerate(session.state.views, start=1)]


def test_too_large_a_report_is_refused_and_says_what_to_leave_out(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(size, "LIMIT", 5_000_000)
    with pytest.raises(GexvizError, match=r"leave out views.*4\. Directions"):
        write_report(session, tmp_path / "r.html")
    assert list(tmp_path.iterdir()) == []
    assert not report_size(session).fits
    assert str(ReportSize(12_340_000, {})) == "12.3 of 5 MB"
    assert LIMIT == 25_000_000


def test_neither_models_nor_cohorts_are_needed(session: Session, tmp_path: Path) -> None:
    write_session(session, tmp_path / "s.gexviz.zip")
    code = (
        "import sys; from gexviz.session.reading import read_session; from gexviz.session.report import report_html;"
        f"report_html(read_session({str(tmp_path / 's.gexviz.zip')!r}));"
        "print([m for m in ('torch', 'cyvcf2', 'captum', 'tangermeme', 'streamlit', 'pyfaidx') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_long_tables_are_cut_and_say_so() -> None:
    table = pd.DataFrame({"gene": "G", "n": range(MOST_ROWS + 5)})
    made = page_table(table, "t")
    assert len(made.rows) == MOST_ROWS and made.total == MOST_ROWS + 5


def test_numbers_are_written_for_people() -> None:
    table = pd.DataFrame({"bp": [-1480.0, np.nan], "q": [4.2e-37, -0.5], "yes": [True, False], "n": [1234, 5]})
    table["oligo"] = ["ACGTACGTACGTACGT", "AC[A/G]TTTTTTTTTTTT"]
    table["class"] = ["opposite", None]
    made = page_table(table, "t", {"Class": "opposite"})
    assert made.rows == [
        ["−1,480", "4.2e−37", "yes", "1,234", "ACGTACGTACGTACGT", "opposite"],
        ["", "−0.5", "", "5", "AC[A/G]TTTTTTTTTTTT", ""],
    ]
    assert [c.kind for c in made.columns] == ["number", "number", "text", "number", "sequence", "text"]
    assert (made.choice, made.choices, made.preset) == (5, ["opposite"], "opposite")


# -- text of strangers -------------------------------------------------------------------------------------------------

ATTACKS = [
    "</script><script>window.pwned = 1</script>",
    "<img src=x onerror=window.pwned=1>",
    "\"'><svg onload=window.pwned=1>",
    "' onmouseover='window.pwned=1",
    "</textarea></title></style><iframe src=javascript:window.pwned=1>",
    "{{ 7 * 7 }}{% raw %}",
    '=HYPERLINK("http://example.org")',
    "<!-- <script>",
    "]]>\u2028\u2029\\u003cscript>",
    "<a href='javascript:window.pwned=1'>x</a><A href='https://example.org'>y</A>",
]


def hostile(text: str) -> Session:
    """A session with a text in every place that takes one, and small tables."""
    base = demo_session()
    word, line = text[:300], text[:1000]
    view = View(time=WHEN, page="mismatches", title=line, text=text, variant=word, filters={word: line}, **PAIR)
    odd = View(time=WHEN, page="gene", title=line, text=text, gene=word, model=word, linear=word, region=word,
               variants=(word,), method=word, tracks=(word,))  # fmt: skip
    notes = [Note(id="a" * 32, time=WHEN, author=line, anchor=Anchor(gene=word, variant=word, region=word), text=text)]
    notes.append(Note(id="b" * 32, time=WHEN, author=line, anchor=Anchor(gene=GENE), text=text, reply_to="a" * 32))
    facts = base.manifest.models[DEEP].model_copy(
        update={"family": word, "scale": line, "licence": line, "citation": text, "verified": line, "trained_on": text,
                "strand": line, "files": {word: "a" * 64}}
    )  # fmt: skip
    manifest = base.manifest.model_copy(
        update={"study": word, "genome": word, "observed_scale": line, "models": {word: facts}, "left_out": (line,),
                "parameters": {word: text}, "seeds": {word: 1}, "inputs": {word: "b" * 64}, "libraries": {word: word},
                "gexviz": word}
    )  # fmt: skip
    candidates = base.tables["candidates"].head(9)
    columns = [c for c in candidates if not pd.api.types.is_numeric_dtype(candidates[c])]
    verdicts = base.tables["mismatch_genes"].head(9)
    tables = {
        "candidates": candidates.assign(**dict.fromkeys(columns, text)),
        "mismatch_genes": verdicts.assign(verdict=text, sentence=text, name=text),
        "genes": base.tables["genes"].assign(name=text),
    }
    return Session(manifest, State(title=line, question=text, findings=text, views=(view, odd)), tuple(notes), tables)


@settings(max_examples=12)
@given(st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=60))
@example("".join(ATTACKS))
@example(ATTACKS[0])
@example(ATTACKS[4])
@example(ATTACKS[7])
def test_no_text_becomes_markup(text: str) -> None:
    page = Page(report_html(hostile(f"x {text}")))
    assert page.elements == Page(report_html(hostile(f"x {'y' * len(text)}"))).elements
    for attributes, code in page.scripts:
        if attributes.get("type") == "application/json":
            json.loads(code)


def test_no_label_becomes_a_link() -> None:
    text = "<a href='https://example.org'>click</a> <b>x</b>"
    verdicts = demo_session().tables["mismatch_genes"].assign(verdict=text)
    found = shown(replace(demo_session(), tables={"mismatch_genes": verdicts}), View(page="mismatches"))
    label = found[0].figure.layout.yaxis.ticktext[-1]
    assert label.startswith("&lt;a") and "<a" not in label and "<b>" in label


def test_files_to_download_run_nothing_in_a_spreadsheet() -> None:
    page = Page(report_html(hostile("=cmd|'/c calc'!A1")))
    csv = json.loads(next(text for a, text in page.scripts if a.get("id") == "candidates-csv"))
    assert "'=cmd" in csv and not re.search(r'(^|,)"=', csv, re.MULTILINE)
