"""What holds for every family of models, on genuine files of each: ``families.FAMILIES``."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import families
import numpy as np
import pandas as pd
import pytest
import torch
from contract_study import (
    EDGE,
    MINUS,
    PEOPLE,
    PLUS,
    VARIANTS,
    ContractStudy,
    dosage,
    make_contract_study,
    variant_id,
)

import gexviz as gx
from gexviz.analysis.ism import Mutagenesis
from gexviz.models import registry
from gexviz.models.base import Differentiable, KnowsPredictions, Model, ModelSpec, PredictsDosages, PredictsSequences
from gexviz.models.onehot import one_hot
from gexviz.models.registry import open_model
from gexviz.models.remote import SendsSequence
from gexviz.study import Study

_CLOSE = 1e-5  # of values of order 1
_FOLDS_OF_ERROR = 5  # by which predictions must differ between people, so that the comparison can fail


class Opened(NamedTuple):
    """A family's model in its study, with everybody predicted."""

    study: Study
    made: ContractStudy
    rebuild: Callable[[int], dict[str, Any]]
    predicted: pd.DataFrame
    reference: pd.Series

    @property
    def spec(self) -> ModelSpec:
        return self.study.spec("model")

    def of_gene(self, gene: str) -> Model:
        return self.study.model_for("model", self.study.locus(gene))

    def people(self, gene: str) -> pd.Series:
        return self.predicted[self.predicted["gene"] == gene].set_index("sample")["value"]

    def sequence(self, gene: str, carried: str) -> np.ndarray:
        """What the model should read of a chromosome, one-hot (1, 4, window)."""
        spec = self.spec
        oriented = spec.strand == "gene_strand"
        if spec.variants == "snv":
            carried = " ".join(name for name in carried.split() if all(len(a) == 1 for a in VARIANTS[name][1:]))
        text = self.made.copy(gene, carried, spec.window, spec.anchor, oriented=oriented)
        return one_hot(np.frombuffer(text.encode(), np.uint8)[None], spec.n_policy)

    def run(self, gene: str, onehot: np.ndarray) -> float:
        """The model's own value of one-hot sequence, the mean of both strands where it says so."""
        model = self.of_gene(gene)
        value = float(model.predict_sequences(onehot)[0])
        if self.spec.strand != "rc_mean":
            return value
        return (value + float(model.predict_sequences(np.ascontiguousarray(onehot[:, ::-1, ::-1]))[0])) / 2


@pytest.fixture(scope="module", params=list(families.FAMILIES))
def opened(request, tmp_path_factory) -> Opened:
    folder = tmp_path_factory.mktemp("family")
    builder = families.FAMILIES[request.param]
    options = builder(folder, 0)
    model = open_model("model", options["family"], _absolute(folder, options))
    made = make_contract_study(folder, options, model.spec.window, model.spec.anchor)
    study = gx.load(made.toml)
    if isinstance(model, SendsSequence):
        study.sending("model").agree(study.name, study.sending("model").offer.digest)
    reference = study.predict("model", reference=True).set_index("gene")["value"]
    return Opened(study, made, lambda seed: builder(folder, seed), study.predict("model"), reference)


def _absolute(folder: Path, options: dict[str, Any]) -> dict[str, Any]:
    there = {k: str(folder / v) for k, v in options.items() if isinstance(v, str) and (folder / v).is_file()}
    return {k: v for k, v in (options | there).items() if k != "family"}


def reads_sequence(opened: Opened) -> None:
    if not isinstance(opened.of_gene(PLUS), PredictsSequences):
        pytest.skip("does not read sequence")


def close(values: Any, expected: Any) -> None:
    """Compare, and see that the expected values differ by more than the tolerance."""
    values, expected = np.asarray(values, float), np.asarray(expected, float)
    tolerance = _CLOSE * max(1.0, np.abs(expected).max())
    assert np.ptp(expected) > _FOLDS_OF_ERROR * tolerance, "these weights are too flat to tell people apart"
    np.testing.assert_allclose(values, expected, atol=tolerance, rtol=0)


def test_every_family_is_here():
    here = {name.split(",")[0] for name in families.FAMILIES}
    assert set(registry._BUILT_IN) == here | set(families.ELSEWHERE)


def test_the_spec_says_what_people_need_to_know(opened):
    spec = opened.spec
    assert spec.scale and spec.verified and spec.licence and spec.citation
    assert (spec.window is None) == (spec.anchor is None)
    if spec.window is not None:
        assert 0 <= spec.anchor < spec.window
    if spec.tracks:
        assert spec.readout


@pytest.mark.parametrize("gene", [PLUS, MINUS])
def test_the_reference_is_predicted_on_the_genes_strand_with_n(opened, gene):
    """Each gene has N in its window."""
    reads_sequence(opened)
    expected = opened.run(gene, opened.sequence(gene, ""))
    assert np.isfinite(expected)
    assert opened.reference[gene] == pytest.approx(expected, abs=_CLOSE * max(1, abs(expected)))


@pytest.mark.parametrize("gene", [PLUS, MINUS])
def test_people_are_predicted_from_what_they_carry_indels_too(opened, gene):
    reads_sequence(opened)
    policy = opened.spec.haplotypes

    def value(first: str, second: str) -> float:
        copies = [opened.sequence(gene, carried) for carried in (first, second)]
        if policy == "input_mean":
            return opened.run(gene, (copies[0] + copies[1]) / 2)
        total = opened.run(gene, copies[0]) + opened.run(gene, copies[1])
        return total if policy == "output_sum" else total / 2

    close(opened.people(gene)[list(PEOPLE)], [value(*copies) for copies in PEOPLE.values()])


@pytest.mark.parametrize("gene", [PLUS, MINUS])
def test_weights_are_per_alt_allele_and_the_prediction_is_their_sum(opened, gene):
    if not isinstance(opened.of_gene(gene), PredictsDosages):
        pytest.skip("has no weights of variants")
    weights = opened.study.gene(gene).weights("model")
    assert set(weights["status"]) <= {"matched", "flipped"}
    numbers = {variant_id(gene, name): name for name in opened.made.places[gene].variants}
    shares = [sum(row.weight * dosage(sample, numbers[row.rsid]) for row in weights.itertuples()) for sample in PEOPLE]
    people = opened.people(gene)[list(PEOPLE)]
    close(people - people["P0"], shares)


def test_known_predictions_are_given_as_they_are(opened):
    model = opened.of_gene(PLUS)
    if not isinstance(model, KnowsPredictions):
        pytest.skip("computes its predictions")
    known = model.known_predictions(opened.study.locus(PLUS))["value"]
    close(opened.people(PLUS)[list(PEOPLE)], known[list(PEOPLE)])


def test_a_gene_that_cannot_be_served_is_left_out_with_the_reason(opened):
    status = opened.study.status("model")
    assert status["state"].to_dict() == {PLUS: "ready", MINUS: "ready", EDGE: "unavailable"}
    assert status.at[EDGE, "reason"]
    assert set(opened.predicted["gene"]) == {PLUS, MINUS}


@pytest.mark.parametrize("gene", [PLUS, MINUS])
def test_mutagenesis_is_what_plain_forwards_give(opened, gene):
    reads_sequence(opened)
    original = opened.sequence(gene, "")
    anchor = opened.spec.anchor
    places = np.unique(np.clip([anchor - 60, anchor, anchor + 15], 0, opened.spec.window - 1))
    letters = np.frombuffer(b"ACGT", np.uint8)[original[0].argmax(axis=0)].copy()
    letters[original[0].max(axis=0) < 1] = ord("N")
    effects = Mutagenesis(opened.of_gene(gene), letters).saturation(places).delta
    expected = np.zeros_like(effects)
    for row, place in enumerate(places):
        for base in range(4):
            altered = original.copy()
            altered[0, :, place] = np.eye(4)[base]
            expected[row, base] = opened.run(gene, altered) - opened.run(gene, original)
    close(effects, expected)


def test_gradients_are_those_of_finite_differences(opened):
    model = opened.of_gene(PLUS)
    if not isinstance(model, Differentiable):
        pytest.skip("has no gradients")
    network = copy.deepcopy(model.network()).double()
    onehot = torch.from_numpy(opened.sequence(PLUS, "")).double().requires_grad_()
    network(onehot).sum().backward()
    gradient = onehot.grad[0].numpy()
    channel, position = np.unravel_index(np.abs(gradient).argmax(), gradient.shape)
    size = 1e-3 if opened.spec.family == "alphagenome" else 1e-6  # the library's attention rounds to float32
    step = torch.zeros_like(onehot)
    step[0, channel, position] = size
    with torch.no_grad():
        slope = float(network(onehot + step) - network(onehot - step)) / (2 * size)
    assert abs(slope) > 0
    assert gradient[channel, position] == pytest.approx(slope, rel=1e-3)


def test_stored_predictions_are_found_again_until_the_weights_change(opened):
    """Last in this file: it writes other weights."""
    again = gx.load(opened.made.toml)
    before = opened.study.fingerprint("model")
    assert again.fingerprint("model") == before
    ran: list[Any] = []
    stored = again.predict("model", progress=lambda *told: ran.append(told))
    pd.testing.assert_frame_equal(stored, opened.predicted)
    assert not ran
    if isinstance(again.model("model"), SendsSequence):
        pytest.skip("whether a service has other weights since can't be known")
    opened.rebuild(1)
    other = gx.load(opened.made.toml)
    assert other.fingerprint("model") != before
    assert set(other.status("model")["state"]) == {"stale"}
