"""The committed demo study: its files agree with its truth, and every phenomenon of the field is in it."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pysam
import pysam.bcftools
import pytest
from cyvcf2 import VCF
from scipy import stats

import gexviz.demo_study as demo_study
from gexviz.demo_study.grammar import ANCHOR, Grammar, write_promoter
from gexviz.demo_study.truth import COLUMNS, read_truth
from gexviz.errors import GexvizError
from gexviz.models.onehot import one_hot, reverse_complement
from gexviz.study import load

FOLDER = demo_study.demo_study_path().parent
TISSUE = Grammar().reversing("SWI1")


@pytest.fixture(scope="module")
def truth():
    return read_truth(FOLDER / "truth.tsv")


@pytest.fixture(scope="module")
def classes(truth):
    return truth.drop_duplicates("gene").set_index("gene")["class"]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return load(FOLDER / "study.toml", tmp_path_factory.mktemp("results"))


@pytest.fixture(scope="module")
def evaluated(study):
    """Correlation across people, by model."""
    for model in study.model_names:
        study.predict(model)
    return {model: study.evaluate(model) for model in study.model_names}


@pytest.fixture(scope="module")
def calls():
    """Every record, read without gexviz: alleles (record, sample, 2), -1 where missing."""
    reader = VCF(str(FOLDER / "genotypes.vcf.gz"))
    rows, alleles, phased = [], [], []
    for record in reader:
        called = np.array(record.genotypes)
        rows.append((record.POS, record.REF, tuple(record.ALT)))
        alleles.append(called[:, :2])
        phased.append(called[:, 2])
    return reader.samples, pd.DataFrame(rows, columns=["pos", "ref", "alts"]), np.stack(alleles), np.stack(phased)


def observed():
    """log2(TPM + 1), read without gexviz."""
    table = pd.read_csv(FOLDER / "expression.bed.gz", sep="\t", index_col="gene")
    return np.log2(table.iloc[:, 5:].astype(float) + 1)


def dosage(calls, variant):
    """Copies of a causal variant's ALT."""
    _, records, alleles, _ = calls
    _, pos, ref, alt = variant.split(":")
    found = records[(records["pos"] == int(pos)) & (records["ref"] == ref) & (records["alts"] == (alt,))]
    assert len(found) == 1, variant
    called = alleles[found.index[0]].astype(float)
    called[called < 0] = np.nan
    return called.sum(axis=1)


# -- the files -------------------------------------------------------------------------------------------------------


def test_it_is_small_whole_and_says_that_it_is_simulated(study):
    files = [path for path in FOLDER.iterdir() if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 8_000_000
    assert {"enet.db", "enet.out_of_fold.parquet", "cnn.safetensors", "truth.tsv"} <= {path.name for path in files}
    assert study.simulated and "simulated" in study.name
    assert "SIMULATED" in (FOLDER / "README.md").read_text()
    assert "SIMULATED" in VCF(str(FOLDER / "genotypes.vcf.gz")).raw_header


def test_it_has_what_the_plan_asks_for(study, classes):
    assert len(study.genes) == 30 and set(study.genes["strand"]) == {"+", "-"}
    assert study.samples["superpopulation"].value_counts().to_dict() == {"EUR": 240, "AFR": 120}
    assert (np.diff(np.sort(study.genes["tss"])) > 50_000).all()
    assert classes.value_counts().min() >= 4 and set(classes) == {
        "promoter", "reversed", "distal", "interaction", "null",
    }  # fmt: skip


def test_preflight_has_no_complaint(study):
    table = study.check()
    assert (table["status"] == "ok").all(), table[table["status"] != "ok"].to_string()


def test_every_ref_allele_is_the_reference(calls):
    with pysam.FastaFile(str(FOLDER / "reference.fa.gz")) as fasta:
        contig = fasta.fetch("sim1")
    _, records, _, _ = calls
    assert all(contig[p - 1 : p - 1 + len(ref)] == ref for p, ref in zip(records["pos"], records["ref"], strict=True))


def test_indels_are_left_aligned_as_bcftools_does_it(tmp_path):
    plain = tmp_path / "normal.vcf"
    pysam.bcftools.norm(
        "-f", str(FOLDER / "reference.fa.gz"), "-o", str(plain), str(FOLDER / "genotypes.vcf.gz"), catch_stdout=False
    )
    with pysam.BGZFile(str(FOLDER / "genotypes.vcf.gz")) as handle:
        before = [b"\t".join(line.split(b"\t")[:5]) for line in handle if not line.startswith(b"#")]
    lines = plain.read_bytes().splitlines()
    after = [b"\t".join(line.split(b"\t")[:5]) for line in lines if not line.startswith(b"#")]
    assert before == after


def test_variants_are_of_all_kinds(calls):
    _, records, alleles, phased = calls
    longest = [max(len(ref), *map(len, alts)) for ref, alts in zip(records["ref"], records["alts"], strict=True)]
    assert 0.05 < np.mean(np.array(longest) > 1) < 0.2 and max(longest) <= 11
    assert (records["alts"].map(len) > 1).sum() > 50
    assert 0.0005 < (alleles < 0).any(axis=2).mean() < 0.005
    half = (alleles < 0).sum(axis=2) == 1
    assert half.any()
    heterozygous = (alleles[:, :, 0] != alleles[:, :, 1]) & (alleles >= 0).all(axis=2)
    assert 0.001 < 1 - phased[heterozygous].mean() < 0.02


def test_linkage_falls_off_with_distance_and_populations_differ(calls):
    samples, records, alleles, _ = calls
    frequency = (alleles == 1).mean(axis=(1, 2))
    common = np.flatnonzero((records["alts"].map(len) == 1) & (frequency > 0.1) & (frequency < 0.9))
    europeans = np.array([s.startswith("EUR") for s in samples])
    haplotypes = (alleles[common][:, europeans] == 1).reshape(len(common), -1).astype(float)
    position = records["pos"].to_numpy()[common]

    def linkage(low, high):
        pairs = [(i, i + k) for i in range(0, len(common) - 400, 5) for k in (1, 5, 40, 300)]
        near = [(i, j) for i, j in pairs if low < position[j] - position[i] < high]
        return np.nanmean([np.corrcoef(haplotypes[i], haplotypes[j])[0, 1] ** 2 for i, j in near])

    with np.errstate(invalid="ignore", divide="ignore"):
        close, middle, far = linkage(0, 3_000), linkage(10_000, 30_000), linkage(100_000, 200_000)
    assert close > 0.3 > middle > 0.05 > far
    by_population = [(alleles[:, chosen] == 1).mean(axis=(1, 2)) for chosen in (europeans, ~europeans)]
    assert (np.abs(by_population[0] - by_population[1]) > 0.3).sum() > 200


# -- the truth -------------------------------------------------------------------------------------------------------


def test_truth_is_readable(truth):
    assert list(truth.columns) == list(COLUMNS)
    assert not truth["class"].isna().any() and (truth["explanation"].str.len() > 20).all()
    caused = truth[truth["class"] != "null"]
    assert caused["variant"].notna().all() and (caused["effect_allele"] == caused["variant"].str[-1]).all()
    assert caused["heritability"].between(0.05, 0.6).all()
    assert caused["heritability"].min() < 0.12 and caused["heritability"].max() > 0.5
    assert (truth.loc[truth["class"] == "null", ["effect", "heritability"]] == 0).all(axis=None)


def test_causal_variants_are_there_and_as_common_as_stated(truth, calls):
    samples = calls[0]
    europeans = np.array([s.startswith("EUR") for s in samples])
    for row in truth[truth["variant"].notna()].itertuples():
        copies = dosage(calls, row.variant)
        assert np.nanmean(copies) / 2 == pytest.approx(row.frequency, abs=0.01)
        assert np.nanmean(copies[europeans]) / 2 == pytest.approx(row.frequency_EUR, abs=0.01)
        assert np.nanmean(copies[~europeans]) / 2 == pytest.approx(row.frequency_AFR, abs=0.01)
        assert 0.1 < row.frequency < 0.9


def test_some_causal_variants_differ_between_the_populations(truth):
    difference = (truth["frequency_EUR"] - truth["frequency_AFR"]).abs()
    assert (difference > 0.25).sum() >= 3


def test_offsets_lie_where_the_class_says(truth, study):
    for row in truth[truth["variant"].notna()].rename(columns={"class": "kind"}).itertuples():
        gene = study.genes.loc[row.gene]
        position = int(row.variant.split(":")[1]) - 1
        offset = position - gene["tss"] if gene["strand"] == "+" else gene["tss"] - position
        assert offset == row.offset
        window = study.window("cnn", study.locus(row.gene))
        assert (window.start <= position < window.end) == (row.kind != "distal")
        assert abs(offset) <= 50_000


def test_promoter_effects_are_what_the_grammar_says_of_the_reference(truth, study):
    """Change one base of the reference, by hand, and ask the grammar."""
    with pysam.FastaFile(str(FOLDER / "reference.fa.gz")) as fasta:
        for row in truth[truth["class"].isin(["promoter", "reversed", "interaction"])].itertuples():
            gene, window = study.genes.loc[row.gene], study.window("cnn", study.locus(row.gene))
            plain = fasta.fetch("sim1", window.start, window.end)
            changes = [row.variant] + ([row.partner] if isinstance(row.partner, str) else [])
            levels = {}
            for name, chosen in {"none": [], "one": changes[:1], "other": changes[1:], "all": changes}.items():
                bases = list(plain)
                for variant in chosen:
                    _, pos, ref, alt = variant.split(":")
                    assert bases[int(pos) - 1 - window.start] == ref
                    bases[int(pos) - 1 - window.start] = alt
                dna = np.frombuffer("".join(bases).encode(), dtype=np.uint8)
                levels[name] = TISSUE.expression((dna if gene["strand"] == "+" else reverse_complement(dna))[None])[0]
            assert (levels["one"] - levels["none"]) / 2 == pytest.approx(row.effect, abs=1e-3)
            if len(changes) == 2:
                beyond = (levels["all"] - levels["one"] - levels["other"] + levels["none"]) / 2
                assert beyond == pytest.approx(row.together, abs=1e-3) and abs(beyond) > 0.3


def test_heritability_is_realised(truth, study, calls):
    """The grammar on the haplotypes that gexviz builds explains the stated share of observed expression."""
    values = observed()[calls[0]]
    for row in truth.rename(columns={"class": "kind"}).drop_duplicates("gene").itertuples():
        if row.kind == "null":
            continue
        if row.kind == "distal":
            genetic = dosage(calls, row.variant)
        else:
            haplotypes = study.haplotypes("cnn", row.gene, calls[0])
            levels = TISSUE.expression(haplotypes.sequences)
            genetic = levels[haplotypes.index.loc[calls[0]].to_numpy()].mean(axis=1)
        known = ~np.isnan(genetic)
        share = np.corrcoef(genetic[known], values.loc[row.gene].to_numpy()[known])[0, 1] ** 2
        assert share == pytest.approx(row.heritability, abs=0.05), row.gene
        assert row.heritability_realised == pytest.approx(row.heritability, abs=0.03), row.gene


def test_single_variant_effects_are_seen_in_expression(truth, calls):
    values = observed()[calls[0]]
    for row in truth[truth["class"].isin(["promoter", "reversed", "distal"])].itertuples():
        copies = dosage(calls, row.variant)
        known = ~np.isnan(copies)
        fit = stats.linregress(copies[known], values.loc[row.gene].to_numpy()[known])
        assert abs(fit.slope - row.effect) < 5 * fit.stderr + 0.15, row.gene
        assert np.sign(fit.slope) == np.sign(row.effect), row.gene


# -- the models ------------------------------------------------------------------------------------------------------


def test_network_predicts_genes_that_nobody_has_seen(study):
    grammar, rng = Grammar(), np.random.default_rng(20_250_101)
    promoters = np.stack([write_promoter(grammar, rng) for _ in range(300)])
    r = np.corrcoef(study.model("cnn").predict_sequences(one_hot(promoters)), grammar.expression(promoters))[0, 1]
    stated = json.loads((FOLDER / "cnn.metrics.json").read_text())
    assert stated["r_held_out"] >= 0.7
    assert r == pytest.approx(stated["r_held_out_without_measurement_noise"], abs=0.04)
    assert study.spec("cnn").anchor == ANCHOR


def test_network_is_good_across_genes(study):
    reference = study.predict("cnn", reference=True).set_index("gene")["value"]
    assert np.corrcoef(reference, study.genes["mean_expression"][reference.index])[0, 1] > 0.6


def test_network_across_people_is_right_wrong_or_blind_by_class(evaluated, classes):
    r = evaluated["cnn"]["pearson"].astype(float)
    p = evaluated["cnn"]["p"].astype(float)
    by_class = {name: r[classes.index[classes == name]] for name in set(classes)}
    assert (by_class["promoter"] > 0).all() and by_class["promoter"].median() > 0.4
    assert (p[by_class["promoter"].index] < 0.01).all()
    assert (by_class["reversed"] < 0).all() and by_class["reversed"].median() < -0.3
    assert (p[by_class["reversed"].index] < 0.01).all()
    for blind in ("distal", "null"):
        assert by_class[blind].abs().max() < 0.2 and by_class[blind].abs().mean() < 0.1


def test_linear_model_finds_what_the_network_is_blind_to(evaluated, classes, truth):
    heritability = truth.drop_duplicates("gene").set_index("gene")["heritability"]
    r = evaluated["enet"]["pearson"].astype(float)
    strong = heritability.index[heritability > 0.2]
    assert (r[strong] > 0.2).all()
    assert r[classes.index[classes == "distal"]].median() > 0.25
    assert r[classes.index[classes == "null"]].dropna().abs().max() < 0.2


def test_a_plain_regression_shows_the_interaction(truth, study, calls):
    """In at least one gene the two variants' product explains expression beyond their sum."""
    values, found = observed()[calls[0]], []
    for row in truth[truth["class"] == "interaction"].drop_duplicates("gene").itertuples():
        haplotypes = study.haplotypes("cnn", row.gene, calls[0])
        levels = pd.Series(TISSUE.expression(haplotypes.sequences))
        copies = np.stack([dosage(calls, row.variant), dosage(calls, row.partner)])
        known = ~np.isnan(copies).any(axis=0)
        sums = np.column_stack([np.ones(known.sum()), copies[:, known].T])
        y = values.loc[row.gene].to_numpy()[known]
        exact = levels.to_numpy()[haplotypes.index.loc[calls[0]].to_numpy()].mean(axis=1)[known]
        left = [v - sums @ np.linalg.lstsq(sums, v, rcond=None)[0] for v in (y, exact)]
        found.append(stats.pearsonr(*left).pvalue)
    assert min(found) < 1e-3


# -- opening ---------------------------------------------------------------------------------------------------------


def test_opening_needs_neither_msprime_nor_pysam_nor_torch():
    code = (
        "import sys; sys.modules['msprime'] = None; sys.modules['pysam'] = None\n"
        "import gexviz.demo_study as d; study = d.demo(); assert study.simulated\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_the_installed_copy_is_found_where_there_is_no_checkout(monkeypatch, tmp_path):
    monkeypatch.setattr(demo_study, "CHECKOUT", tmp_path / "data" / "demo")
    monkeypatch.setattr(demo_study, "INSTALLED", tmp_path / "study")
    with pytest.raises(GexvizError, match="not here"):
        demo_study.demo_study_path()
    with pytest.raises(GexvizError, match="installed package"):
        demo_study.demo_folder()
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "study.toml").touch()
    assert demo_study.demo_study_path() == tmp_path / "study" / "study.toml"
