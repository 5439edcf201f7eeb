"""A gene's mutagenesis, gradients, effects and locus through the study: on the genome, from disk, with errors."""

from __future__ import annotations

import cohorts
import numpy as np
import pandas as pd
import pytest
from test_study import MODELS, write_net

import gexviz as gx
from gexviz.cohort.exons import read_exons
from gexviz.errors import Cancelled, GexvizError
from gexviz.explaining import effects as explained_effects
from gexviz.explaining import ism as explained_ism
from gexviz.explaining import motifs as explained_motifs
from gexviz.explaining.agreement import linearity as gx_linearity
from gexviz.explaining.locus import own_track
from gexviz.explaining.regions import parse_region
from gexviz.explaining.target import target
from gexviz.explaining.tiles import Tiling, fitting_width
from gexviz.figures.drivers import running_figure
from gexviz.models.onehot import one_hot

COMPLEMENT = str.maketrans("ACGTN", "TGCAN")
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


@pytest.fixture(scope="module")
def toml(tmp_path_factory):
    path = cohorts.make_study(tmp_path_factory.mktemp("explaining"), models=MODELS + TABLE)
    write_net(path.parent)
    samples = gx.load(path).samples.index
    values = pd.DataFrame(1.0, index=["ENSG00000000000.1"], columns=samples).rename_axis("gene")
    values.to_csv(path.parent / "elsewhere.tsv", sep="\t")
    return path


@pytest.fixture
def study(toml, tmp_path):
    return gx.load(toml, tmp_path / "results")


def predicted(study, forward, strand):
    """Prediction of a sequence given on the forward strand."""
    sequence = forward.translate(COMPLEMENT)[::-1] if strand == "-" else forward
    return float(study.model("net").predict_sequences(one_hot(np.frombuffer(sequence.encode(), np.uint8)[None]))[0])


@pytest.mark.parametrize("gene", ["GENE0", "GENE1"])  # plus and minus strand
def test_mutagenesis_stands_on_the_genome(study, gene):
    found = study.gene(gene).ism("net")
    window = study.window("net", study.locus(gene))
    forward = study.cohort.reference.fetch("1", window.start, window.end).tobytes().decode()
    assert found.position.tolist() == list(range(window.start, window.end)) and found.delta.shape == (600, 4)
    assert "".join(found.ref) == forward
    original = predicted(study, forward, window.strand)
    for at in np.random.default_rng(0).integers(0, 600, 12):
        for column, base in enumerate("ACGT"):
            mutated = forward[:at] + base + forward[at + 1 :]
            expected = predicted(study, mutated, window.strand) - original
            assert found.delta[at, column] == pytest.approx(expected, abs=1e-5)
    assert (found.delta[np.arange(600), ["ACGT".index(b) for b in forward]] == 0).all()


@pytest.mark.parametrize("strand", ["+", "-"])
def test_a_persons_haplotype_keeps_its_insertions(study, strand):
    gene, haplotypes, sample, copy = next(
        (gene, haplotypes, sample, copy)
        for gene in study.genes.index[study.genes["strand"] == strand]
        for haplotypes in [study.haplotypes("net", gene)]
        for sample in haplotypes.samples
        for copy in (1, 2)
        if haplotypes.positions(int(haplotypes.index.loc[sample, copy]))[1].any()
    )
    found = study.gene(gene).ism("net", sample=sample, copy=copy)
    sequence = haplotypes.sequence(sample, copy)
    forward = sequence.translate(COMPLEMENT)[::-1] if strand == "-" else sequence
    assert "".join(found.ref) == forward and found.bases["inserted"].any()
    inserted = found.bases[found.bases["inserted"]]
    before = found.bases.loc[inserted.index[0] - 1]
    assert before["position"] == inserted["position"].iat[0] and not before["inserted"]
    at = int(inserted.index[0])
    original = predicted(study, forward, strand)
    for column, base in enumerate("ACGT"):
        mutated = forward[:at] + base + forward[at + 1 :]
        assert found.delta[at, column] == pytest.approx(predicted(study, mutated, strand) - original, abs=1e-5)
    assert sample not in repr(found) and sample not in found.figure().to_json()


def test_a_region_is_that_part_of_the_window(study):
    gene = study.gene("GENE1")
    whole = gene.ism("net").bases.set_index("position")
    start = int(whole.index[100])
    part = gene.ism("net", f"chr1:{start + 1:,}-{start + 150:,}")
    assert len(part.bases) == 150 and part.position[0] == start
    pd.testing.assert_frame_equal(part.bases.set_index("position"), whole.loc[start : start + 149])
    plain = gene.ism("net", f"{start + 1}-{start + 150}", plain=True)
    assert plain.method == "plain"
    np.testing.assert_allclose(plain.delta, part.delta, atol=1e-5)


def test_mutagenesis_resumes_and_is_found_again(study, monkeypatch):
    gene = study.gene("GENE0")
    monkeypatch.setattr(explained_ism, "_TOGETHER", 4)

    def stop(done, total, label):
        if done >= 256:
            raise Cancelled

    with pytest.raises(Cancelled):
        gene.ism("net", progress=stop)
    told = []
    whole = gene.ism("net", progress=lambda done, total, label: told.append((done, total)))
    assert told[-1] == (384, 384), "ten chunks, four of them kept from before"
    again = []
    assert gene.ism("net", progress=lambda *done: again.append(done)).bases.equals(whole.bases) and not again
    on = target(study, "net", study.locus("GENE0"))
    assert explained_ism.stored_mutagenesis(on, (on.background.window.start, on.background.window.end)) is not None


def test_another_model_is_another_result(toml, study, tmp_path):
    first = study.gene("GENE0").ism("net").delta
    folder = tmp_path / "copy"
    other = cohorts.make_study(folder, models=MODELS)
    write_net(folder, seed=5)
    second = gx.load(other, tmp_path / "results").gene("GENE0").ism("net").delta
    assert not np.allclose(first, second)


def test_npz_opens_without_pickle(study, tmp_path):
    found = study.gene("GENE1").ism("net", sample=study.samples.index[0], copy=2)
    found.save(tmp_path / "ism.npz")
    with np.load(tmp_path / "ism.npz", allow_pickle=False) as arrays:
        assert arrays["delta"].shape == (600, 4) and arrays["ref"].tolist() == found.ref.tolist()
        assert arrays["position"].tolist() == (found.position + 1).tolist()
        assert str(arrays["background"]) == "copy 2 of a person"
    assert study.samples.index[0].encode() not in (tmp_path / "ism.npz").read_bytes()


@pytest.mark.parametrize("gene", ["GENE0", "GENE1"])
def test_gradients_stand_on_the_genome(study, gene):
    found = study.gene(gene).gradients("net", method="integrated_gradients")
    window = study.window("net", study.locus(gene))
    assert found.values["position"].tolist() == list(range(window.start, window.end))
    assert found.values["value"].sum() == pytest.approx(found.difference, abs=0.02 * abs(found.difference) + 1e-6)
    there = found.full[list("ACGT")].to_numpy()[np.arange(600), ["ACGT".index(b) for b in found.full["ref"]]]
    np.testing.assert_allclose(there, found.values["value"], atol=1e-6)
    again = study.gene(gene).gradients("net", method="integrated_gradients", progress=_never)
    pd.testing.assert_frame_equal(again.values, found.values)
    assert again.delta == found.delta and set(found.table()) >= {"hypothetical_A", "completeness_delta", "flagged"}


def _never(done, total, label):
    raise AssertionError("it is stored")


def test_effects_are_mutagenesis_where_they_are_substitutions(study):
    gene = study.gene("GENE1")
    table, ism = gene.effects("net").table, gene.ism("net").bases
    on_reference = ism.set_index("position")
    for variant, row in table[table["kind"] == "SNV"].iterrows():
        assert row["effect_reference"] == pytest.approx(on_reference.at[row["position"], row["alt"]], abs=1e-5), variant
    again = explained_effects.stored_effects(study, "net", study.locus("GENE1"))
    pd.testing.assert_frame_equal(again.table, table)
    assert gene.drivers("net").table.index.tolist() == table.index[table["driver"]].tolist() or table["driver"].any()


def test_epistasis_of_an_additive_pair_is_nothing(study):
    gene = study.gene("GENE0")
    table = gene.effects("net").table
    far = [str(v) for v in table[table["kind"] == "SNV"].index[[0, -1]]]
    found = gene.epistasis("net", far)
    assert found.matrix.shape == (2, 2) and np.isnan(found.matrix.iat[0, 0])
    assert found.figure().data


def test_locus_figure_has_no_more_than_it_may(study):
    gene = study.gene("GENE0")
    view = gene.locus("net")
    assert len(view.tracks) == 4 and len(view.genes) == 1 and len(view.exons) >= 1
    bed = study.results.folder.parent / "mine.bed"
    bed.write_text(f"chr1\t{view.region.start + 10}\t{view.region.start + 60}\tpeak\n")
    view = view.adding(own=[own_track(bed, view.region)])
    assert len(view.tracks) == 5 and view.tracks[-1].name.startswith("mine")
    view = view.adding(chosen=[view.effects.index[0]])
    assert view.figure().data and view.zoomed(view.region.start, view.region.start + 120).figure().data
    assert gene.locus().labels.model == "net", "the first model that reads sequence"


def test_motifs_and_their_changes(study, tmp_path):
    (tmp_path / "motifs.meme").write_text(MEME)
    gene = study.gene("GENE1")
    found = gene.motifs(gene.ism("net"), tmp_path / "motifs.meme", threshold=0.05)
    assert set(found.sites) == {"start", "end", "strand", "motif", "score", "p"}
    variants = list(gene.effects("net").table.index)
    changes = gene.motif_changes("net", variants, tmp_path / "motifs.meme", threshold=0.06)
    forward = study.cohort.reference.fetch("1", 0, 60_000).tobytes().decode()
    assert len(changes) and set(changes["change"]) <= {"gained", "lost", "stronger", "weaker"}
    for row in changes[changes["change"] == "lost"].itertuples():
        site = forward[row.start : row.end]
        site = site.translate(COMPLEMENT)[::-1] if row.strand == "-" else site
        assert sum(a == b for a, b in zip(site, "ACGT", strict=True)) >= 3
        position = int(row.variant.split(":")[1]) - 1
        assert row.start - 4 <= position <= row.end


def test_altered_spans_hold_the_alleles(study):
    for gene in ("GENE0", "GENE1"):
        found = explained_effects.read_sequences(study, "net", study.locus(gene))
        for variant in found.variants.index:
            without, with_alt = found.pair(variant)
            (a, b), (c, d) = explained_motifs.altered(without, with_alt, variant)
            if without.window.anchor <= a:
                assert (without.sequence[:a] == with_alt.sequence[:c]).all() and a == c
            else:
                assert (without.sequence[b:] == with_alt.sequence[d:]).all() and b == d


def test_exons_of_the_representative_transcript(toml):
    exons = read_exons(toml.parent / "genes.gtf.gz", "1")
    assert len(exons) and (exons["end"] > exons["start"]).all()
    assert read_exons(toml.parent / "genes.gtf.gz", "7").empty


@pytest.mark.parametrize(
    ("region", "message"),
    [("here", "is not a region"), ("2:5-9", "on 2, the gene on 1"), ("1:1-9", "not inside"), ("9-4", "not inside")],
)
def test_regions_that_are_none(study, region, message):
    window = study.window("net", study.locus("GENE0"))
    with pytest.raises(GexvizError, match=message) as caught:
        parse_region(region, window)
    assert f"{window.start + 1:,}-{window.end:,}" in caught.value.expected


def test_whom_and_what_it_can_not_look_into(study):
    gene = study.gene("GENE0")
    with pytest.raises(GexvizError, match="does not read sequence"):
        gene.ism("elsewhere")
    with pytest.raises(GexvizError, match="computed elsewhere"):
        gene.effects("elsewhere")
    with pytest.raises(GexvizError, match="not in the study") as caught:
        gene.ism("net", sample="somebody")
    assert "somebody" not in str(caught.value)
    with pytest.raises(GexvizError, match="copy 1 of nobody"):
        gene.ism("net", copy=1)
    with pytest.raises(GexvizError, match="chr1:1:A:G"):
        gene.motif_changes("net", ["chr1:1:A:G"], _meme(study))


def _meme(study):
    path = study.results.folder.parent / "m.meme"
    path.write_text(MEME)
    return path


def test_linearity_is_of_substitutions(study):
    gene = study.gene("GENE1")
    start = study.window("net", study.locus("GENE1")).start
    found = gene.linearity("net", f"{start + 101}-{start + 160}")
    assert len(found.table) == found.found.n == 180
    first = gene.gradients("net").full.set_index("position").loc[start + 100]
    row = found.table.iloc[0]
    assert row["gradient"] == pytest.approx(first[row["alt"]] - first[row["ref"]], abs=1e-6)
    r = np.corrcoef(found.table["gradient"], found.table["ism"])[0, 1]
    assert found.found.pearson == pytest.approx(r, abs=1e-6)
    with pytest.raises(GexvizError, match="different sequences or regions"):
        gx_linearity(gene.ism("net"), gene.gradients("net", f"{start + 1}-{start + 10}"))


def test_driver_figure_names_the_main_driver(study):
    table = pd.DataFrame(
        {
            "rank": pd.array([1, 2, None], dtype="Int64"),
            "running_r": [0.8, 0.9, 0.0],
            "effect_reference": [-0.5, 0.2, np.nan],
            "driver": [True, False, False],
            "main_driver": [True, False, False],
        },
        index=["1:11:A:G", "1:25:C:T", "1:30:C:T"],
    )
    figure = running_figure(table, title="GENE · net")
    points = [t for t in figure.data if t.mode == "markers"]
    assert sorted(c[0] for t in points for c in t.customdata) == ["1:11:A:G", "1:25:C:T"]
    assert next(t for t in points if "lowers" in t.name).marker.symbol == "triangle-down"
    assert "1:11 A&gt;G" in figure.layout.annotations[0].text or "1:11 A>G" in figure.layout.annotations[0].text


@pytest.mark.parametrize("strand", ["+", "-"])
@pytest.mark.parametrize("whose", ["reference", "person"])
def test_deleted_tiles_are_deletions_in_a_vcf(study, strand, whose):
    gene = study.genes.index[study.genes["strand"] == strand][0]
    window = study.window("net", study.locus(gene))
    sample = {"sample": study.samples.index[0], "copy": 2} if whose == "person" else {}
    region = f"{window.start + 51}-{window.start + 200}"
    found = study.gene(gene).tiles("net", region, Tiling("deletion", 20, 40), **sample)
    assert found.table["start"].is_monotonic_increasing and found.figure().data
    if whose == "person":
        return
    contig = study.cohort.reference.fetch("1", 0, 60_000).tobytes().decode()
    forward = contig[window.start : window.end]
    original = predicted(study, forward, strand)
    for row in found.table.itertuples():
        left = contig[: row.start] + contig[row.end :]
        tss = window.tss - (row.end - row.start) if row.end <= window.tss else min(window.tss, row.start - 1)
        tss = window.tss if window.tss < row.start else tss  # the base before it, where the TSS itself is deleted
        start = window.start - window.tss + tss
        expected = predicted(study, left[start : start + 600], strand) - original
        assert row.effect == pytest.approx(expected, abs=1e-5)
    again = study.gene(gene).tiles("net", region, Tiling("deletion", 20, 40), progress=_never)
    pd.testing.assert_frame_equal(again.table, found.table)


def test_deletions_know_what_lies_beside_the_window(study, toml, tmp_path):
    """Two people whose windows are the same, and not what moves into them."""
    tiling = Tiling("deletion", 150, 150)
    gene, index = study.gene("GENE0"), study.haplotypes("net", "GENE0").index
    copies = [(sample, copy) for sample in index.index for copy in (1, 2)]
    seen = {}
    for sample, copy in copies:
        one = target(study, "net", study.locus("GENE0"), sample=sample, copy=copy)
        seen.setdefault(one.background.sequence.tobytes(), []).append((sample, copy))
    alike = max(seen.values(), key=len)
    assert len(alike) > 1
    found = [gene.tiles("net", None, tiling, sample=sample, copy=copy).table for sample, copy in alike]
    assert any(not found[0].equals(other) for other in found[1:])
    for i, (sample, copy) in enumerate(alike):
        elsewhere = gx.load(toml, tmp_path / f"alone {i}").gene("GENE0")
        fresh = elsewhere.tiles("net", None, tiling, sample=sample, copy=copy)
        pd.testing.assert_frame_equal(fresh.table, found[i])


@pytest.mark.parametrize("how", ["deletion", "shuffle"])
def test_tiles_that_were_stopped_go_on_from_there(study, toml, tmp_path, how):
    tiling = Tiling(how, 10, 10, n=3)
    told = []

    def stop(done, total, label):
        told.append((done, total))
        if done >= 20:
            raise Cancelled

    with pytest.raises(Cancelled):
        study.gene("GENE0").tiles("net", None, tiling, progress=stop)
    assert told[-1][1] == 60 and 20 <= told[-1][0] < 32  # the second piece of 16 was not stored
    found = study.gene("GENE0").tiles("net", None, tiling, progress=lambda *now: told.append(now[:2]))
    assert told[-1] == (44, 44)
    alone = gx.load(toml, tmp_path / "alone").gene("GENE0").tiles("net", None, tiling)
    pd.testing.assert_frame_equal(found.table, alone.table)


def test_about_a_hundred_tiles_fit():
    lengths = [1, 300, 600, 2_000, 10_500, 196_608]
    assert [fitting_width(length, "deletion") for length in lengths] == [5, 5, 10, 20, 200, 2_000]
    assert [fitting_width(length, "shuffle") for length in lengths] == [20, 20, 20, 20, 200, 2_000]


def test_shuffled_tiles_have_a_spread(study):
    start = study.window("net", study.locus("GENE0")).start
    found = study.gene("GENE0").tiles("net", f"{start + 1}-{start + 200}", Tiling("shuffle", 40, 40, n=4))
    assert len(found.table) == 5 and (found.table["sd"] >= 0).all()
    with pytest.raises(GexvizError, match="tiles of 0 bp"):
        study.gene("GENE0").tiles("net", None, Tiling("shuffle", 0, 40))
