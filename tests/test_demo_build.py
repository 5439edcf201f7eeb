"""How the demo study is made: the grammar, the people, the genomes, and building it anew on a small scale."""

import hashlib
import importlib.util

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gexviz.cohort.genotypes import Genotypes
from gexviz.cohort.haplotypes import build_haplotypes
from gexviz.cohort.reference import Reference
from gexviz.cohort.windows import window_of
from gexviz.demo_study import build, writing
from gexviz.demo_study.genome import Record, personal_promoters
from gexviz.demo_study.grammar import ANCHOR, MOTIFS, WIDTH, WINDOW, Grammar, draw_site, random_sequence
from gexviz.demo_study.network import Genes
from gexviz.demo_study.people import out_of_africa, simulate_people
from gexviz.demo_study.plans import SPACING, Plan
from gexviz.demo_study.truth import read_truth
from gexviz.errors import GexvizError
from gexviz.models.base import GeneLocus
from gexviz.models.onehot import reverse_complement
from gexviz.study import load

SMALL = build.Size(
    europeans=45,
    africans=25,
    classes={"promoter": 1, "reversed": 1, "distal": 1, "interaction": 1, "null": 1},
    network=Genes(training=128, held_out=40, epochs=1),
    cis=3_000,
)

# -- the grammar -----------------------------------------------------------------------------------------------------


def with_site(motif, offset, *, strand="+", spoil=None):
    """A promoter without sites but one, its middle at an offset from the TSS."""
    promoter = np.full(WINDOW, ord("A"), dtype=np.uint8)
    site = np.frombuffer(motif.pattern.upper().encode(), dtype=np.uint8).copy()
    if spoil is not None:
        site[spoil] = ord("A") if site[spoil] != ord("A") else ord("C")
    start = ANCHOR + offset - WIDTH // 2
    promoter[start : start + WIDTH] = site if strand == "+" else reverse_complement(site)
    return promoter


@pytest.mark.parametrize("motif", MOTIFS, ids=lambda m: m.name)
def test_a_site_is_occupied_on_both_strands_and_one_strict_base_undoes_it(motif):
    column = MOTIFS.index(motif)
    offset = round(motif.centre)
    strict = motif.pattern.upper().index(next(c for c in motif.pattern if c.isupper() and c != "A"))
    rows = [
        with_site(motif, offset),
        with_site(motif, offset, strand="-"),
        with_site(motif, offset, spoil=strict),
        np.full(WINDOW, ord("A"), dtype=np.uint8),
        np.full(WINDOW, ord("N"), dtype=np.uint8),
    ]
    sites = Grammar().sites(np.stack(rows))[:, column]
    assert sites[0] > 0.9 and sites[1] == pytest.approx(sites[0], rel=1e-3)
    assert sites[2] < 0.3 and sites[3] < 0.02 and sites[4] == 0


def by_hand(grammar, promoter):
    """The grammar's rules, position by position, without a table: an oracle for :meth:`Grammar.expression`."""
    letters = promoter.tobytes().decode()
    sums = {}
    for motif in grammar.motifs:
        matrix = motif.probabilities()
        sums[motif.name] = 0.0
        for start in range(WINDOW - WIDTH + 1):
            word = letters[start : start + WIDTH]
            opposite = word[::-1].translate(str.maketrans("ACGT", "TGCA"))
            score = max(
                sum(np.log(matrix[k, "ACGT".index(base)] / 0.25) for k, base in enumerate(text))
                for text in (word, opposite)
            )
            weight = np.exp(-0.5 * ((start + WIDTH / 2 - ANCHOR - motif.centre) / motif.spread) ** 2)
            sums[motif.name] += weight / (1 + np.exp(-(score - 10.5) / 0.7))
    drive = grammar.rest + sum(m.effect * sums[m.name] for m in grammar.motifs)
    drive += grammar.together * sums[grammar.partners[0]] * sums[grammar.partners[1]]
    return grammar.floor + grammar.span / (1 + np.exp(-drive))


def test_expression_equals_the_rules_written_out():
    rng = np.random.default_rng(0)
    promoter = random_sequence(WINDOW, 0.5, rng)
    for motif in MOTIFS:
        start = ANCHOR + round(motif.centre) - 5
        promoter[start : start + WIDTH] = draw_site(motif, rng)
    grammar = Grammar().reversing("SWI1")
    assert grammar.expression(promoter[None])[0] == pytest.approx(by_hand(grammar, promoter), abs=1e-3)


def test_activators_repressors_and_the_switch():
    tissue, model = Grammar().reversing("SWI1"), Grammar()
    plain = np.full(WINDOW, ord("A"), dtype=np.uint8)
    for motif in MOTIFS:
        pair = np.stack([plain, with_site(motif, round(motif.centre))])
        here, there = np.diff(tissue.expression(pair))[0], np.diff(model.expression(pair))[0]
        if motif.name == "SWI1":
            assert there > 0.3 > -0.3 > here
        else:
            assert here == pytest.approx(there, abs=1e-4)
            assert np.sign(round(here, 3)) == np.sign(motif.effect)
    far = np.stack([plain, with_site(MOTIFS[0], -1400)])
    assert abs(np.diff(model.expression(far))[0]) < 1e-3


def test_partners_act_only_together_and_drive_saturates():
    grammar = Grammar()
    first, second = (grammar.motif(name) for name in grammar.partners)
    one, other = with_site(first, -400), with_site(second, -200)
    both = one.copy()
    both[ANCHOR - 205 : ANCHOR - 195] = other[ANCHOR - 205 : ANCHOR - 195]
    none = np.full(WINDOW, ord("A"), dtype=np.uint8)
    levels = grammar.expression(np.stack([none, one, other, both]))
    assert abs(levels[1] - levels[0]) < 0.05 and abs(levels[2] - levels[0]) < 0.05
    assert levels[3] - levels[0] > 1
    many = none.copy()
    for k in range(40):
        many[ANCHOR - 450 + 10 * k : ANCHOR - 440 + 10 * k] = np.frombuffer(b"ACCGTTAGCG", dtype=np.uint8)
    assert 0.95 * (grammar.floor + grammar.span) < grammar.expression(many[None])[0] <= grammar.floor + grammar.span


def test_drawn_sites_follow_the_matrix():
    motif, rng = MOTIFS[0], np.random.default_rng(1)
    sites = np.stack([draw_site(motif, rng) for _ in range(4000)])
    wanted = np.frombuffer(motif.pattern.upper().encode(), dtype=np.uint8)
    expected = motif.probabilities().max(axis=1)
    ours = (sites == wanted).mean(axis=0)
    # half of the sites lie on the other strand, where a base agrees as often as the reverse complement says
    turned = reverse_complement(wanted)
    agree = np.array([motif.probabilities()[::-1, ::-1][k, "ACGT".index(chr(b))] for k, b in enumerate(wanted)])
    assert np.allclose(ours, (expected + agree) / 2, atol=0.04)
    assert ((sites == turned).all(axis=1)).any()


# -- the people ------------------------------------------------------------------------------------------------------


def test_history_is_the_published_one():
    history = out_of_africa()
    sizes = {p.name: p.initial_size for p in history.populations}
    assert sizes["AFR"] == 14_474 and sizes["EUR"] == pytest.approx(1_032 * np.exp(0.0038 * 920))
    assert sorted({event.time for event in history.events}) == [920, 2_040, 5_920]


def test_people_are_the_same_again_and_as_diverse_as_people_are():
    panel = simulate_people(30, 30, 200_000, seed=5)
    again = simulate_people(30, 30, 200_000, seed=5)
    assert np.array_equal(panel.alleles, again.alleles) and np.array_equal(panel.positions, again.positions)
    assert not np.array_equal(panel.positions[:50], simulate_people(30, 30, 200_000, seed=6).positions[:50])
    assert panel.alleles.shape[1] == 120 and (np.diff(panel.positions) > 0).all()
    counts = np.stack([(panel.alleles == k).sum(axis=1) for k in range(panel.alleles.max() + 1)])
    assert (counts.sum(axis=0) == 120).all() and (np.where(counts == 0, 99, counts).min(axis=0) >= 3).all()
    heterozygosity = {}
    for name in ("EUR", "AFR"):
        share = panel.frequency(name)
        heterozygosity[name] = (2 * share * (1 - share)).sum() / 200_000
    assert 3e-4 < heterozygosity["EUR"] < heterozygosity["AFR"] < 2e-3


# -- the genomes -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def world():
    return build.simulate(SMALL, 3)


def test_promoters_of_people_equal_those_that_gexviz_builds(world, tmp_path, monkeypatch):
    """Two independent ways from alleles to sequence, with indels and both strands, agree in every base."""
    for spoilt in ("MISSING_SHARE", "HALF_MISSING_SHARE", "UNPHASED_SHARE"):
        monkeypatch.setattr(writing, spoilt, -1.0 if spoilt != "UNPHASED_SHARE" else -1e-9)
    simulated, _ = world
    vcf, fasta = tmp_path / "g.vcf.gz", tmp_path / "r.fa.gz"
    writing.write_genotypes(vcf, simulated.panel, simulated.records, SMALL.length, np.random.default_rng(0))
    writing.write_reference_fasta(fasta, simulated.written.reference)
    genotypes, reference = Genotypes([vcf]), Reference(fasta)
    strands, indels = set(), 0
    for plan in simulated.plans + [Plan(f"X{i}", "null", "+-"[i % 2], 30_000 + 9_973 * i, ()) for i in range(30)]:
        locus = GeneLocus(plan.gene, plan.gene, "sim1", plan.tss, plan.strand, plan.tss, plan.tss + 1)
        window = window_of(locus, WINDOW, ANCHOR, oriented=True)
        assert (window.start, window.end) == plan.window
        deleted = [r for r in simulated.records if r.position < plan.tss < r.position + len(r.ref)]
        if deleted:
            continue
        ours = personal_promoters(plan, simulated.written.reference, simulated.panel, simulated.records)
        theirs = build_haplotypes(genotypes, reference, window, list(simulated.panel.people))
        index = theirs.index.loc[list(simulated.panel.people)].to_numpy().ravel()
        assert np.array_equal(ours.sequences[ours.carried], theirs.sequences[index]), plan
        strands.add(plan.strand)
        start, end = plan.window
        indels += sum(len(r.ref) != len(r.alts[0]) for r in simulated.records if start <= r.position < end)
    assert strands == {"+", "-"} and indels > 5


def test_records_never_overlap_and_are_left_aligned(world):
    simulated, _ = world
    reference = simulated.written.reference.tobytes().decode()
    end = -1
    for record in simulated.records:
        assert record.position > end
        assert reference[record.position : record.position + len(record.ref)] == record.ref
        assert record.ref not in record.alts and len(set(record.alts)) == len(record.alts)
        if len(record.ref) != len(record.alts[0]):
            assert record.ref[-1] != record.alts[0][-1] and record.ref[0] == record.alts[0][0]
        end = record.position + len(record.ref) - 1


def test_expression_is_genetic_part_plus_the_rest(world):
    simulated, expression = world
    rest = expression.values - expression.genetic
    for plan in simulated.plans:
        wanted = expression.heritability[plan.gene]
        genetic = expression.genetic.loc[plan.gene]
        assert (genetic.var() == 0) == (plan.kind == "null") == (wanted == 0)
        if wanted:
            noise = rest.loc[plan.gene].var()
            assert genetic.var() / (genetic.var() + noise) == pytest.approx(wanted, abs=0.001)


@given(st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=30)
def test_calls_are_written_as_they_are(seed):
    rng = np.random.default_rng(seed)
    alleles = rng.integers(0, 4, size=(6, 20, 2)).astype(np.int8)
    texts, codes = writing._calls(alleles, rng)
    for text, (first, second) in zip(texts[codes].ravel(), alleles.reshape(-1, 2), strict=True):
        if "." in text:
            continue
        pair = [int(a) for a in text.replace("/", "|").split("|")]
        assert (pair == [first, second]) if "|" in text else (pair == sorted([first, second]))


def test_variant_ids_are_one_based():
    assert Record(99, "AC", ("A",)).variant("sim1") == "sim1:100:AC:A"


# -- building --------------------------------------------------------------------------------------------------------


def digests(folder):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())}


def test_a_small_demo_is_built_and_is_the_same_again(tmp_path):
    told = []
    first = build.build_demo(tmp_path / "a", 3, size=SMALL, progress=lambda done, total, label: told.append(label))
    kept = tmp_path / "b" / "notes.txt"
    kept.parent.mkdir()
    kept.write_text("mine")
    second = build.build_demo(tmp_path / "b", 3, size=SMALL)
    assert kept.read_text() == "mine"
    kept.unlink()
    assert digests(first.parent) == digests(second.parent)
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []
    assert any("network" in label for label in told) and "GENE01" in told
    study = load(first, tmp_path / "results")
    assert study.model_names == ["cnn", "enet"] and len(study.samples) == 70
    assert list(study.predict("cnn", ["GENE01"])["sample"]) == list(study.samples.index)
    truth = read_truth(first.parent / "truth.tsv")
    assert set(truth["class"]) == set(SMALL.classes) and len(truth) == 6
    assert pd.read_csv(first.parent / "reference.fa.gz.fai", sep="\t", header=None).iloc[0, 1] == SPACING * 5


def test_an_unfinished_build_leaves_nothing(tmp_path, monkeypatch):
    def stop(*_):
        raise GexvizError("stopped")

    monkeypatch.setattr(build, "train_network", stop)
    with pytest.raises(GexvizError, match="stopped"):
        build.build_demo(tmp_path / "a", 3, size=SMALL)
    assert list((tmp_path / "a").iterdir()) == [] and [p.name for p in tmp_path.iterdir()] == ["a"]


def test_building_without_msprime_says_what_to_install(tmp_path, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "msprime" else found(name))
    with pytest.raises(GexvizError, match="msprime") as caught:
        build.build_demo(tmp_path)
    assert "gexviz[demo]" in caught.value.remedy


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(GexvizError, match="can't be written"):
        build.build_demo(tmp_path / "file" / "demo")
