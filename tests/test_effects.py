"""Variant effects against plain forward passes, and what they add up to."""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import cohorts
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_haplotypes import SAMPLES, panels
from test_variant_sequences import opened, pairs, windows
from torch import nn

import gexviz as gx
from gexviz.analysis.additivity import additivity
from gexviz.analysis.effects import VariantEffects, variant_effects, weight_effects
from gexviz.analysis.prediction import predict_haplotypes, predict_sequences
from gexviz.cohort.haplotypes import build_haplotypes
from gexviz.cohort.variant_sequences import VariantSequences, read_variant_sequences
from gexviz.cohort.windows import Window
from gexviz.errors import Cancelled, GexvizError
from gexviz.models.base import GeneLocus, ModelSpec
from gexviz.models.onehot import one_hot, reverse_complement
from gexviz.models.torch_model import TorchSequenceModel

WINDOW = 60
SPEC = ModelSpec(name="m", family="test", input="sequence", scale="units", haplotypes="output_mean", window=WINDOW)


class Explained(NamedTuple):
    """One gene of a study under one model: what the pages will show."""

    effects: VariantEffects
    prediction: pd.Series
    found: VariantSequences


def explained(study, model: str, gene: str, **options) -> Explained:
    """Effects of a study's gene; for tests that look at the demo."""
    locus, policy, people = study.locus(gene), study.config.cohort, study.samples
    found = read_variant_sequences(
        study.cohort.genotypes, study.cohort.reference, study.window(model, locus), list(people.index),
        missing=policy.missing, unphased=policy.unphased,
    )  # fmt: skip
    values = predict_haplotypes(study.model(model), study.haplotypes(model, gene)).values
    prediction = pd.Series(values, index=people.index)
    effects = variant_effects(study.model(model), found, locus, prediction, populations=people["population"], **options)
    return Explained(effects, prediction, found)


def locus_of(window: Window) -> GeneLocus:
    return GeneLocus("G", "G", "1", window.tss, window.strand, window.tss, window.tss + 1)


def random_model(seed: int, spec: ModelSpec = SPEC) -> TorchSequenceModel:
    """A small network with everything that is not linear."""
    torch.manual_seed(seed)
    width = 16 * (WINDOW // 4)
    network = nn.Sequential(
        nn.Conv1d(4, 16, 7, padding=3), nn.ReLU(), nn.MaxPool1d(4), nn.Flatten(), nn.Linear(width, 8), nn.GELU(),
        nn.Linear(8, 1), nn.Flatten(0),
    )  # fmt: skip
    return TorchSequenceModel(spec, network)


def linear_model(seed: int, spec: ModelSpec = SPEC) -> TorchSequenceModel:
    torch.manual_seed(seed)
    return TorchSequenceModel(spec, nn.Sequential(nn.Flatten(), nn.Linear(4 * WINDOW, 1), nn.Flatten(0)))


@settings(max_examples=30, suppress_health_check=list(HealthCheck))
@given(
    panels(),
    windows(),
    st.sampled_from(["none", "rc_mean"]),
    st.sampled_from(["output_mean", "output_sum"]),
    st.sampled_from(["reference", "N"]),
    st.integers(0, 9),
)
def test_effects_equal_plain_forward_passes(panel, window, strand, policy, missing, seed):
    """Every chromosome with and without every variant, run through the whole network."""
    sequence, records = panel
    model = random_model(seed, replace(SPEC, strand=strand, haplotypes=policy))
    with tempfile.TemporaryDirectory() as name:
        genotypes, reference = opened(Path(name), sequence, records)
        found = read_variant_sequences(genotypes, reference, window, missing=missing)
        haplotypes = build_haplotypes(genotypes, reference, window, missing=missing)
    prediction = pd.Series(predict_haplotypes(model, haplotypes).values, index=SAMPLES)
    effects = variant_effects(model, found, locus_of(window), prediction)
    per_copy = {"output_mean": 0.5, "output_sum": 1.0}[policy]
    assert np.allclose(effects.dosages, per_copy * found.dosages)
    values: dict[bytes, float] = {}

    def plain(text: bytes) -> float:
        if text not in values:
            array = np.frombuffer(text, np.uint8)[None]
            forward = float(model.predict_sequences(one_hot(array))[0])
            reverse = float(model.predict_sequences(one_hot(reverse_complement(array)))[0])
            values[text] = forward if strand == "none" else (forward + reverse) / 2
        return values[text]

    assert np.allclose(effects.baseline, 2 * per_copy * plain(found.reference.sequence.tobytes()), atol=1e-5)
    for v, (_, row) in enumerate(effects.table.iterrows()):
        ((without, with_alt),), _ = pairs(found, v, [found.reference])
        assert row["effect_reference"] == pytest.approx(plain(with_alt) - plain(without), abs=2e-6)
        on, left_out = pairs(found, v, found.carried)
        assert row["chromosomes"] == on.total() == 6 - left_out and row["n_backgrounds"] == len(on)
        if not on:
            assert np.isnan(row["effect_mean"]) and "overlaps it on every" in row["reason"]
            continue
        each = np.array([plain(b) - plain(a) for (a, b), n in on.items() for _ in range(n)])
        told = row[["effect_mean", "effect_sd", "effect_min", "effect_max"]].to_numpy(float)
        assert told == pytest.approx([each.mean(), each.std(), each.min(), each.max()], abs=3e-6)
        if strand == "rc_mean":
            first = [one_hot(np.frombuffer(text, np.uint8)[None]) for text in (with_alt, without)]
            forward = float(model.predict_sequences(first[0])[0] - model.predict_sequences(first[1])[0])
            assert row["effect_forward"] == pytest.approx(forward, abs=2e-6)
            assert row["effect_reverse"] == pytest.approx(2 * row["effect_reference"] - forward, abs=4e-6)
        else:
            assert np.isnan(row["effect_forward"]) and np.isnan(row["effect_reverse"])


@st.composite
def snv_panels(draw):
    """SNVs on every second base or so, some with two ALTs; missing and haploid calls."""
    sequence = draw(st.text("ACGT", min_size=120, max_size=120))
    positions = draw(st.lists(st.integers(5, 110), min_size=1, max_size=12, unique=True))
    haploid = draw(st.booleans())
    records = []
    for position in sorted(positions):
        others = [b for b in "ACGT" if b != sequence[position]]
        alts = others[: draw(st.integers(1, 2))]
        allele = st.sampled_from([".", "0", *map(str, range(1, len(alts) + 1)), "1"])
        calls = [f"{draw(allele)}|{draw(allele)}" for _ in range(6)] + [draw(allele) if haploid else "0|1"]
        records.append(("1", position, ".", sequence[position], alts, calls))
    records.append(("1", 118, ".", sequence[118], ["A" if sequence[118] != "A" else "C"], ["0|1"] * 6 + ["1"]))
    return sequence, records


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(
    snv_panels(), st.sampled_from(["output_mean", "output_sum", "input_mean"]), st.sampled_from("+-"), st.integers(0, 9)
)
def test_a_linear_model_is_additive(panel, policy, strand, seed):
    """Whatever is missing, haploid or multi-allelic: parts add up to the prediction, and shares to one."""
    sequence, records = panel
    model = linear_model(seed, replace(SPEC, haplotypes=policy))
    window = Window("1", 30, 90, strand, 20)
    people = [f"P{i}" for i in range(7)]
    with tempfile.TemporaryDirectory() as name:
        genotypes, reference = opened(Path(name), sequence, records, people)
        found = read_variant_sequences(genotypes, reference, window)
        haplotypes = build_haplotypes(genotypes, reference, window)
    prediction = pd.Series(predict_haplotypes(model, haplotypes).values, index=people)
    effects = variant_effects(model, found, locus_of(window), prediction)
    checked = additivity(effects, prediction)
    assert np.allclose(checked.people["sum_reference"], checked.people["prediction"], atol=1e-5)
    assert np.allclose(checked.people["sum_mean"], checked.people["prediction"], atol=1e-5)
    assert np.allclose(effects.table["effect_mean"], effects.table["effect_reference"], atol=1e-5)
    assert np.allclose(effects.table["effect_sd"], 0, atol=1e-5)
    if prediction.std() > 1e-3:
        whole = np.cov(effects.parts("mean").sum(), prediction, ddof=0)[0, 1] / prediction.var(ddof=0)
        assert effects.table["share"].sum() == pytest.approx(whole, abs=1e-3)
        if effects.baseline.std() < 1e-6:  # haploid people have half the sum to start from
            assert whole == pytest.approx(1, abs=1e-3)
        assert checked.summary["status"].eq("ok").all()
        assert np.allclose(checked.summary[["r", "slope", "r2"]], 1, atol=1e-3)


def small(folder: Path, calls: dict[int, list[str]], people: list[str]):
    """A window of 60 bp with SNVs at given positions."""
    sequence = cohorts.random_bases(np.random.default_rng(3), 120)
    records = [
        ("1", position, ".", sequence[position], ["A" if sequence[position] != "A" else "C"], called)
        for position, called in sorted(calls.items())
    ]
    genotypes, reference = opened(folder, sequence, records, people)
    return read_variant_sequences(genotypes, reference, Window("1", 30, 90, "-", 20))


def test_the_table(tmp_path):
    people = ["A", "B", "C", "D"]
    found = small(
        tmp_path, {40: ["0|1", "1|1", ".|.", "0|."], 50: ["0|0"] * 4, 60: ["0|1", "0|0", "1|0", "0|0"]}, people
    )
    model = random_model(1)
    populations = pd.Series(["X", "X", "Y", "Y"], index=people)
    prediction = pd.Series([1.0, 2.0, 0.5, np.nan], index=people)
    effects = variant_effects(model, found, locus_of(found.window), prediction, populations=populations)
    table = effects.table
    assert list(table.columns) == [
        "position", "ref", "alt", "kind", "distance", "frequency", "frequency_X", "frequency_Y", "carriers",
        "effect_reference", "effect_forward", "effect_reverse", "effect_mean", "effect_sd", "effect_min", "effect_max",
        "n_backgrounds", "chromosomes", "share", "status", "reason",
    ]  # fmt: skip
    assert table["position"].tolist() == [40, 50, 60] and table["distance"].tolist() == [29, 19, 9]
    assert table["frequency"].tolist() == [3 / 5, 0, 2 / 8] and table["carriers"].tolist() == [2, 0, 2]
    assert table["frequency_X"].tolist() == [3 / 4, 0, 1 / 4] and table["frequency_Y"].tolist() == [0, 0, 1 / 4]
    assert table["share"].iloc[1] == 0 and np.isfinite(table["effect_reference"]).all()
    dosage = np.array([0.5, 1.0, 0.0])
    share = np.cov(dosage * table["effect_mean"].iloc[0], prediction[:3], ddof=0)[0, 1] / prediction[:3].var(ddof=0)
    assert table["share"].iloc[0] == pytest.approx(share)
    assert effects.facts["undefined"] == "" and effects.facts["chromosomes"] == 8
    assert effects.parts("reference").loc[table.index[0], "B"] == pytest.approx(table["effect_reference"].iloc[0])
    flat = variant_effects(model, found, locus_of(found.window), pd.Series(2.0, index=people))
    assert flat.table["share"].isna().all() and flat.facts["undefined"] == "constant prediction"
    assert additivity(flat, pd.Series(2.0, index=people)).summary["reason"].eq("constant prediction").all()
    few = additivity(flat, prediction[:1])
    assert few.summary["reason"].str.startswith("fewer than 3").all() and few.summary["n"].eq(1).all()


def test_only_the_most_common_haplotypes(tmp_path):
    people = [f"P{i}" for i in range(8)]
    calls = {
        40: ["0|1"] * 4 + ["0|0"] * 4, 50: ["0|0"] * 6 + ["1|0", "1|1"], 60: ["0|0"] * 7 + ["0|1"],
    }  # fmt: skip
    found = small(tmp_path, calls, people)
    prediction = pd.Series(np.arange(8.0), index=people)
    counts: list[tuple[int, int]] = []
    effects = variant_effects(
        random_model(2), found, locus_of(found.window), prediction, most=2,
        progress=lambda done, total, label: counts.append((done, total)),
    )  # fmt: skip
    assert effects.facts["haplotypes"] == 2 and effects.facts["haplotypes_distinct"] == 4
    assert effects.facts["chromosomes_covered"] == 13 and effects.facts["chromosomes"] == 16
    assert effects.table["chromosomes"].eq(13).all()
    assert effects.table["n_backgrounds"].tolist() == [1, 2, 2]
    assert list(dict.fromkeys(counts)) == [(done, 3) for done in sorted({done for done, _ in counts})] and counts[
        -1
    ] == (3, 3)

    def stop(done: int, total: int, label: str) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        variant_effects(random_model(2), found, locus_of(found.window), prediction, progress=stop)


def test_variants_that_are_not_the_references(tmp_path):
    sequence = "ACGTACGTAC" * 12
    records = [
        ("1", 45, ".", "G", ["C"], ["0|1", "0|0"]),
        ("1", 50, ".", "A", ["C"], ["0|1", "0|0"]),
        ("1", 60, ".", "A", ["N"], ["0|1", "0|0"]),
    ]
    genotypes, reference = opened(tmp_path, sequence[:55] + "RN" + sequence[57:], records, ["A", "B"])
    found = read_variant_sequences(genotypes, reference, Window("1", 30, 90, "+", 20))
    prediction = pd.Series([1.0, 0.0], index=["A", "B"])
    model = random_model(1)
    table = variant_effects(model, found, locus_of(found.window), prediction).table
    assert table["status"].tolist() == ["skipped", "ok", "ok"]
    assert table["reason"].tolist() == ["REF is G, the reference has C", "", ""]
    assert table.iloc[0][["effect_reference", "effect_mean", "share"]].isna().all()
    changed = np.repeat(found.reference.sequence[None], 3, axis=0)
    changed[1, 20], changed[2, 30] = ord("C"), ord("N")
    plain = predict_sequences(model, changed)
    assert table["effect_reference"].to_numpy()[1:] == pytest.approx(plain[1:] - plain[0], abs=2e-6)


def test_models_that_cannot_tell(tmp_path):
    found = small(tmp_path, {40: ["0|1"]}, ["A"])

    class Elsewhere:
        spec = replace(SPEC, input="table")

    with pytest.raises(GexvizError, match="computed elsewhere"):
        variant_effects(Elsewhere(), found, locus_of(found.window), pd.Series([1.0], index=["A"]))


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    return gx.demo(tmp_path_factory.mktemp("results"))


def test_linear_models_have_their_weights(demo):
    """The demo's elastic net: parts add up to its predictions exactly, and shares to one."""
    model = demo.model("enet")
    for gene in ("GENE02", "GENE12", "GENE20"):
        locus = demo.locus(gene)
        block = demo.cohort.genotypes.read(locus.contig, *model.cis_region(locus), list(demo.samples.index))
        variants, dosages = block.dosages()
        predicted = model.predict_dosages(locus, variants, dosages)
        prediction = pd.Series(predicted.values, index=demo.samples.index)
        effects = weight_effects(model, locus, block, prediction, populations=demo.samples["population"])
        weights = predicted.weights.set_index("variant")["weight"]
        assert effects.table["effect_reference"].to_dict() == weights.to_dict()
        sums = additivity(effects, prediction)
        assert np.allclose(sums.people["sum_reference"], sums.people["prediction"])
        assert sums.summary["r2"].tolist() == pytest.approx([1, 1])
        assert effects.table["share"].sum() == pytest.approx(1)
        with pytest.raises(GexvizError, match="it reads dosages"):
            variant_effects(model, explained(demo, "cnn", gene).found, locus, prediction)


def test_frequencies_of_the_demo_are_those_of_its_truth(demo):
    rows = demo.locus("GENE12"), explained(demo, "cnn", "GENE12").effects.table.loc["sim1:1356293:T:A"]
    assert rows[1]["frequency"] == pytest.approx(0.5153, abs=1e-3)
    assert rows[1][["frequency_EUR-like", "frequency_AFR-like"]].tolist() == pytest.approx(
        [0.6438, 0.2583], abs=1e-3
    )  # some calls are missing
    assert rows[1]["distance"] == 5 and rows[1]["effect_reference"] > 0.5


def test_haplotypes_of_the_demo_against_plain_passes(demo):
    """One gene with indels: the mean over all 720 chromosomes, each run whole."""
    effects, _, found = explained(demo, "cnn", "GENE21")
    model = demo.model("cnn")
    assert {"SNV", "deletion"} <= set(effects.table["kind"])
    for v in range(len(found.variants)):
        on, _ = pairs(found, v, found.carried)
        texts = [np.frombuffer(text, np.uint8) for pair in on for text in pair]
        values = predict_sequences(model, np.stack(texts)).reshape(-1, 2)
        assert effects.table["effect_mean"].iat[v] == pytest.approx(
            np.average(values[:, 1] - values[:, 0], weights=list(on.values())), abs=1e-5
        )
        assert isinstance(on, Counter) and on.total() == effects.table["chromosomes"].iat[v]
