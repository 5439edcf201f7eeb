"""A study frozen into sessions: what is in their files at each level of privacy, and what is not."""

import base64
import io
import os
import re
import shutil
import subprocess
import sys
import zipfile

import numpy as np
import pandas as pd
import pytest

import gexviz as gx
from gexviz.errors import Cancelled, GexvizError
from gexviz.freezing import freeze, preview
from gexviz.session.contents import OF_PEOPLE, TABLES, Anchor, Note, State, View
from gexviz.session.privacy import K
from gexviz.session.shown import shown
from gexviz.session.writing import write_session

PAIR = {"model": "cnn", "linear": "enet"}
GENE, VARIANT = "GENE04", "sim1:426803:G:C"
RARE = "sim1:78926:C:T"  # the main driver of GENE01, with 8 carriers
VIEWS = (
    View(page="overview", title="All genes", **PAIR),
    View(page="gene", gene=GENE, variant=VARIANT, **PAIR),
    View(page="gene", gene="GENE01", variant=RARE, **PAIR),
    View(page="locus", gene="GENE03", method="ism", region="sim1:318,300-318,500", model="cnn"),
    View(page="mismatches", gene=GENE, variant=VARIANT, **PAIR),
    View(page="data", title="Who is in it"),
)
STATE = State(title="Why?", question="Which?", findings="These.", views=VIEWS)
NOTES = (Note(author="Ana", anchor=Anchor(gene=GENE, variant=VARIANT), text="test this promoter variant"),)
LEVELS = ("aggregate", "pseudonymous", "full")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """The demo, with everything that the views show in a results folder of its own."""
    made = gx.demo()
    folder = tmp_path_factory.mktemp("results-of-ada")
    if made.results.path.is_file():
        shutil.copy(made.results.path, folder)
    opened = gx.load(made.config.path, results=folder)
    opened.mismatches(**PAIR)
    opened.gene("GENE03").ism("cnn")
    return opened


@pytest.fixture(scope="module")
def frozen(study):
    return {level: freeze(study, STATE, NOTES, level, confirm=study.name) for level in LEVELS}


@pytest.fixture(scope="module")
def files(study, tmp_path_factory):
    """Session files, with reports; made by somebody whose names are known."""
    folder = tmp_path_factory.mktemp("files")
    draft = gx.load(study.config.path, results=study.results.folder)
    for view in VIEWS:
        fields = view.model_dump(exclude={"id", "time", "page", "gene"})
        draft.keep_view(view.page, view.gene, **fields)
    draft.note(GENE, NOTES[0].text, "Ana")
    return {level: draft.save(folder / f"{level}.gexviz.zip", level) for level in LEVELS[:2]}


def contents(path):
    """Every member of a session file, unpacked; tables and arrays decoded, too."""
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            content = archive.read(name)
            yield name, content
            if name.endswith(".parquet"):
                yield f"{name}, decoded", pd.read_parquet(io.BytesIO(content)).to_csv().encode()
            elif name.endswith(".npz"):
                with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                    for array in arrays:
                        yield f"{name}, {array}", arrays[array].tobytes()
            elif name == "report.html":
                for number, coded in enumerate(re.findall(rb"[A-Za-z0-9+/]{24,}={0,2}", content)):
                    yield f"{name}, base64 {number}", base64.b64decode(coded[: len(coded) // 4 * 4])
    yield "the file itself", path.read_bytes()


@pytest.mark.parametrize("level", ["aggregate", "pseudonymous"])
def test_no_byte_of_a_file_names_anybody(study, files, level):
    looked_at = 0
    for name, content in contents(files[level].path):
        assert not named_in(content, study), name
        looked_at += len(content)
    assert looked_at > 1_000_000


def named_in(content, study):
    """Whether any sample id is among some bytes, as they are, as UTF-16 or UTF-32, or backwards."""
    ids = {i.encode() for i in study.samples.index}
    start = re.compile(b"|".join({i[:3] for i in ids}))
    assert len(ids) == 360 and {len(i) for i in ids} == {6}
    plain = content.replace(b"\0", b"")
    ways = (content, plain, content[::-1], plain[::-1])
    return any(way[m.start() : m.start() + 6] in ids for way in ways for m in start.finditer(way))


@pytest.mark.parametrize("level", ["aggregate", "pseudonymous"])
def test_no_byte_of_a_file_names_a_folder(study, files, level):
    folders = [study.config.path.parent, study.results.folder, files[level].path.parent]
    for name, content in contents(files[level].path):
        for folder in folders:
            assert str(folder).encode() not in content and str(folder).encode("utf-16-le") not in content, name


def test_neither_user_nor_host_is_named(study, tmp_path):
    """In another process, whose user and host have names that nothing else has."""
    script = (
        "import socket; socket.gethostname = lambda: 'host-of-quillon'\n"
        "import sys, gexviz as gx\n"
        "study = gx.load(sys.argv[1], results=sys.argv[2])\n"
        "study.keep_view('gene', 'GENE04', model='cnn'); study.save(sys.argv[3])"
    )
    results, out = tmp_path / "results-of-zebulon", tmp_path / "out.gexviz.zip"
    results.mkdir()
    shutil.copy(study.results.path, results)
    user = {"USER": "zebulon", "LOGNAME": "zebulon", "USERNAME": "zebulon", "HOSTNAME": "host-of-quillon"}
    command = [sys.executable, "-c", script, str(study.config.path), str(results), str(out)]
    subprocess.run(command, check=True, env={**os.environ, **user}, capture_output=True)
    for name, content in contents(out):
        assert b"zebulon" not in content and b"quillon" not in content, name


def test_the_search_finds_people_where_they_are(study, frozen, tmp_path):
    """A file of level full names everybody: the search above is able to see them."""
    write_session(frozen["full"], tmp_path / "full.gexviz.zip")
    found = {name for name, content in contents(tmp_path / "full.gexviz.zip") if named_in(content, study)}
    assert {"tables/people.parquet", "tables/people.parquet, decoded"} <= found
    assert all(named_in("x0-EUR001_1".encode(coding), study) for coding in ("utf-8", "utf-16-be", "utf-32"))


# -- level aggregate ---------------------------------------------------------------------------------------------------


def test_aggregates_have_no_table_of_people(frozen):
    session = frozen["aggregate"]
    assert not set(OF_PEOPLE) & set(session.tables)
    members = preview(session)
    assert not members["people"].any()
    assert members.set_index("member").at["tables/density.parquet", "rows"] == len(session.tables["density"])


@pytest.mark.parametrize("level", ["aggregate", "pseudonymous"])
def test_variants_of_few_carriers_are_in_no_cell(study, frozen, level):
    rare = rare_variants(study)
    assert RARE in rare and len(rare) > 100
    for name, table in frozen[level].tables.items():
        for column in table.select_dtypes(["object", "string"]):
            named = set(table[column].dropna().astype(str))
            assert not named & rare, (name, column)
            texts = " ".join(named)
            assert RARE not in texts, (name, column)
    assert any(RARE in sentence for sentence in frozen[level].manifest.left_out)  # its view named it


def rare_variants(study):
    """Variants near the genes of the views that fewer than k people carry, counted from the genotypes themselves."""
    found = set()
    for gene in (GENE, "GENE01", "GENE03"):
        for model in PAIR.values():
            table, dosages = study.gene(gene).read_dosages(model)
            carriers, others = (dosages > 0).sum(axis=1), (dosages == 0).sum(axis=1)
            found |= set(table["variant"].to_numpy()[(carriers < K) | (others < K)])
    return found


def test_no_number_of_a_file_is_one_person_s(frozen, study):
    """Of the whole cohort's expression and predictions, none is in a table or array, to all its digits."""
    values = [study.predicted("cnn").values, study.predicted("enet").values, study.cohort.expression.values]
    theirs = np.unique(np.concatenate([table.to_numpy(np.float64).ravel() for table in values]))
    digits = np.array([len(f"{v:.15g}".replace(".", "").strip("-0")) for v in theirs])
    theirs = theirs[np.isfinite(theirs) & (digits >= 7)]
    assert len(theirs) > 10_000

    def found(session):
        columns = [t[c] for name, t in session.tables.items() for c in t.select_dtypes("float")]
        arrays = [array for of in session.arrays.values() for array in of.values()]
        numbers = np.concatenate([np.asarray(v, np.float64).ravel() for v in (*columns, *arrays)])
        single = theirs.astype(np.float32).astype(np.float64)
        return np.isin(numbers, theirs) | np.isin(numbers, single)

    assert found(frozen["full"]).sum() > 1_000
    assert not found(frozen["aggregate"]).any()


def test_numbers_of_people_are_multiples(frozen):
    session = frozen["aggregate"]
    for name in ("density", "groups", "effects", "candidates"):
        table = session.tables[name]
        counts = table["people" if "people" in table else "carriers"].dropna()
        assert len(counts) and (counts % K == 0).all() and (counts >= K).all(), name


@pytest.mark.parametrize("level", LEVELS)
def test_populations_are_told_as_the_level_lets_them(frozen, study, level):
    told = frozen[level].tables["populations"].set_index("population")["people"]
    exact = study.samples["population"].value_counts()
    assert len(exact) > 1 and exact.min() >= K  # nothing to put together
    wanted = {name: round(n / K) * K if level == "aggregate" else n for name, n in exact.items()}
    assert told.to_dict() == wanted


def test_a_frozen_data_page_has_the_models_of_the_study(frozen, study):
    session = frozen["aggregate"]
    people, models = shown(session, next(v for v in session.state.views if v.page == "data"))
    assert f"{len(study.samples):,} in all" in people.title
    status = study.status("cnn")["state"].value_counts()
    row = models.table.set_index("model").loc["cnn"]
    assert row["family"] == "cnn" and {s: row[f"genes {s}"] for s in status.index} == status.to_dict()
    assert set(models.table["model"]) == set(study.model_names)


def test_rounding_makes_no_gene_positive_or_negative(study, frozen):
    """Else the shares in figures, from rounded r, differ from those in the summary, from exact ones."""
    told = frozen["aggregate"].tables["evaluation"]
    for model, rows in told.groupby("model"):
        exact = study.evaluate(model)["pearson"].reindex(rows["gene"])
        assert exact.abs().min() < 0.0005 or model != "cnn"  # there is such a gene
        np.testing.assert_array_equal(np.sign(rows["pearson"]), np.sign(exact))


def test_sentences_have_the_rounded_numbers(frozen):
    told, exact = (frozen[level].tables["mismatch_variants"] for level in ("aggregate", "full"))
    keys = ["gene", "variant"]
    both = told.merge(exact, on=keys, suffixes=("", "_exact"))
    both = both[(both["slope"] != both["slope_exact"]) & both["significant"]]
    assert len(both)
    for row in both.head(50).to_dict("records"):
        assert f"slope {row['slope']:+.2g}".replace("-", "−") in row["sentence"]


# -- level pseudonymous ------------------------------------------------------------------------------------------------


def test_pseudonyms_lead_back_to_people_on_this_machine_alone(study, files):
    saved = files["pseudonymous"]
    assert saved.who_is_who.stat().st_mode & 0o777 == 0o600
    assert saved.who_is_who.parent.parent == study.results.folder
    real = pd.read_csv(saved.who_is_who).set_index("person")["sample"]
    session = gx.open_session(saved.path)
    values = session.table("values").query("gene == @GENE and model == 'cnn'").set_index("person")["value"]
    predicted = study.gene(GENE).table["cnn"]
    assert np.allclose(values, predicted[real[values.index]], atol=predicted.std() / 10)
    dosages = session.table("dosages").set_index("person")
    assert set(dosages["variant"]) == {VARIANT}  # of the chosen ones; the rare one is left out
    truth = study.gene(GENE).dosages([VARIANT])[VARIANT]
    assert (dosages["copies"] == truth[real[dosages.index]].to_numpy()).all()


def test_order_and_names_tell_nothing(frozen, study):
    for name in OF_PEOPLE:
        people = frozen["pseudonymous"].tables[name]["person"]
        assert people.str.fullmatch("P[0-9a-f]{8}").all()
    names = frozen["pseudonymous"].tables["people"]
    assert names["person"].is_monotonic_increasing
    runs = (names["population"] != names["population"].shift()).sum()  # in the order of the samples file there are 2
    assert runs > 50
    again = freeze(study, State(views=VIEWS[1:2]), level="pseudonymous")
    assert not set(again.tables["people"]["person"]) & set(names["person"])


def test_who_is_who_is_written_when_a_session_is_given_away_not_when_it_is_looked_at(frozen, tmp_path):
    session = frozen["pseudonymous"]
    preview(session)
    path = session.keep_who_is_who(tmp_path)
    assert set(pd.read_csv(path)["person"]) == set(session.tables["people"]["person"])
    assert "who" not in repr(session)
    assert frozen["aggregate"].keep_who_is_who(tmp_path) is None
    assert len(list(path.parent.iterdir())) == 1


# -- level full, and what is refused -----------------------------------------------------------------------------------


def test_full_needs_the_name_of_the_study(study):
    for confirm in (None, "", study.name.lower()):
        with pytest.raises(GexvizError, match="names the people"):
            freeze(study, STATE, level="full", confirm=confirm)


def test_full_is_exact(study, frozen):
    values = frozen["full"].tables["values"]
    mine = values[(values["gene"] == GENE) & (values["model"] == "enet")].set_index("person")["value"]
    assert np.allclose(mine, study.gene(GENE).table["enet"][mine.index], rtol=1e-6)
    assert RARE in set(frozen["full"].tables["effects"]["variant"])


def test_texts_that_name_somebody_are_refused_below_full(study):
    person = study.samples.index[7]
    state = State(views=(View(page="gene", gene=GENE, model="cnn", text=f"{person} is odd"),))
    for level in ("aggregate", "pseudonymous"):
        with pytest.raises(GexvizError, match="names a person") as caught:
            freeze(study, state, level=level)
        assert person not in str(caught.value) and "view 1" in str(caught.value)
    freeze(study, state, level="full", confirm=study.name)
    note = Note(anchor=Anchor(gene=GENE), text=f"see {study.results.folder}/x.tsv")
    with pytest.raises(GexvizError, match="names a person"):
        freeze(study, State(), (note,), "full", confirm=study.name)


# -- what is there -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", LEVELS)
def test_tables_are_what_the_contract_says(frozen, level):
    session = frozen[level]
    expected = set(TABLES) - (set(OF_PEOPLE) if level == "aggregate" else set())
    assert set(session.tables) == expected
    for name, table in session.tables.items():
        assert list(table.columns[: len(TABLES[name])]) == list(TABLES[name])
        assert len(table) and list(table.index) == list(range(len(table)))
    assert set(session.arrays) == set(session.tables["tracks"]["array"])


def test_tracks_are_the_stored_mutagenesis(study, frozen):
    facts = frozen["aggregate"].tables["tracks"].iloc[0]
    arrays = frozen["aggregate"].arrays[facts["array"]]
    made = study.gene("GENE03").ism("cnn", "sim1:318300-318500")
    assert (facts["start"], facts["end"]) == made.region
    assert np.array_equal(arrays["values"], made.delta) and np.array_equal(arrays["position"], made.position)


def test_correlations_are_the_studys(study, frozen):
    table = frozen["aggregate"].tables["evaluation"].query("model == 'enet'").set_index("gene")
    expected = study.evaluate("enet")["pearson"]
    assert np.allclose(table["pearson"], expected[table.index], atol=6e-4, equal_nan=True)


def test_what_is_not_stored_is_left_out_or_computed_when_asked(study, tmp_path):
    bare = gx.load(study.config.path, results=tmp_path / "bare")
    views = (View(page="locus", gene="GENE03", region="sim1:318300-318320", model="cnn"),)
    views += (View(page="mismatches", **PAIR), View(page="gene", gene=GENE, model="cnn"))
    without = freeze(bare, State(views=views))
    assert not {"tracks", "density", "mismatch_variants", "effects"} & set(without.tables)
    said = " ".join(without.manifest.left_out)
    assert "GENE03, ism of cnn" in said and "cnn against eQTLs and enet: not compared yet" in said
    assert bare.status("cnn")["state"].eq("missing").all()
    made = freeze(bare, State(views=(views[0], views[2])), compute=True)
    assert {"tracks", "density", "effects"} <= set(made.tables)
    assert len(made.arrays["track-001"]["position"]) == 21
    assert bare.status("cnn")["state"].eq("ready").sum() == 2  # these genes, no others


def test_freezing_can_be_cancelled(study):
    def stop(done, total, label):
        raise Cancelled

    with pytest.raises(Cancelled):
        freeze(study, STATE, progress=stop)


def test_unknown_genes_models_and_variants_are_said(study):
    views = (
        View(page="gene", gene="NOGENE"),
        View(page="gene", gene=GENE, model="nomodel", linear="enet", variant="sim1:5:A:C"),
    )
    session = freeze(study, State(views=views))
    said = " ".join(session.manifest.left_out)
    assert "NOGENE" in said and "nomodel" in said and "sim1:5:A:C" in said
    assert set(session.tables["density"]["model"]) == {"enet"}


def test_views_name_genes_by_their_ids(study):
    name = study.genes.at[GENE, "name"]
    session = freeze(study, State(views=(View(page="gene", gene=name.lower() if name != GENE else GENE, model="cnn"),)))
    assert session.state.views[0].gene == GENE


# -- saving and opening ------------------------------------------------------------------------------------------------


def test_a_saved_session_opens_without_the_study(files):
    opened = gx.open_session(files["aggregate"].path)
    assert [view.page for view in opened.views] == [view.page for view in VIEWS]
    assert opened.notes[0].text == NOTES[0].text
    assert "level aggregate" in repr(opened) and GENE in repr(opened)
    assert all(len(opened.shown(n)) for n in range(len(VIEWS)))
    table = opened.table("density")
    table["people"] = 0
    assert opened.table("density")["people"].min() >= K
    with pytest.raises(GexvizError, match="no table"):
        opened.table("people")


def test_a_session_is_live_beside_its_study(study, files):
    assert gx.open_session(files["aggregate"].path).against(study).live


def test_notes_alone_make_a_session_of_their_genes(study, tmp_path):
    own = gx.load(study.config.path, results=tmp_path)
    shutil.copy(study.results.path, tmp_path)
    own.note("GENE02", "test this promoter variant", "Ana")
    own.note("sim1:164437:A:G", "this one")
    own.note("sim1:164,000-165,000", "this region")
    saved = own.save(tmp_path / "notes.gexviz.zip", title="Notes")
    opened = gx.open_session(saved.path)
    assert [view.page for view in opened.views] == ["overview", "gene"] and opened.state.title == "Notes"
    anchors = {note.text: note.anchor for note in opened.notes}
    assert anchors["test this promoter variant"].gene == "GENE02"
    assert anchors["this one"].variant == "sim1:164437:A:G"
    assert anchors["this region"].region == "sim1:164,000-165,000"
    with pytest.raises(GexvizError, match="NOGENE"):
        own.note("NOGENE", "which?")
    with pytest.raises(GexvizError, match="no view"):
        own.keep_view("gene", "GENE02", modle="cnn")
