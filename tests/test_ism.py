"""In-silico mutagenesis: against whole forward passes, tangermeme, and definitions written out."""

import tempfile
from pathlib import Path

import cohorts
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tangermeme.saturation_mutagenesis import saturation_mutagenesis
from torch import nn

from gexviz.analysis import ism, memory, pacing
from gexviz.analysis.prediction import predict_sequences
from gexviz.cohort.genotypes import Genotypes
from gexviz.cohort.haplotypes import build_haplotypes
from gexviz.cohort.reference import Reference
from gexviz.cohort.windows import Window
from gexviz.errors import Cancelled, GexvizError
from gexviz.models import registry
from gexviz.models.base import ModelSpec
from gexviz.models.onehot import one_hot, reverse_complement
from gexviz.models.torch_model import TorchSequenceModel

DEMO = Path(__file__).parents[1] / "data" / "demo"
XPRESSO = Path(__file__).parents[2] / "shared" / "geuvadis-chr22" / "models" / "xpresso-GM12878.h5"
BASES = np.frombuffer(b"ACGT", dtype=np.uint8)


def spec(length, **changes):
    return ModelSpec(
        name="mine", family="torch", input="sequence", scale="1", haplotypes="output_mean", window=length, **changes
    )


def small_network(length, seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv1d(4, 8, 7, padding=3), nn.ReLU(), nn.MaxPool1d(4), nn.Conv1d(8, 8, 3), nn.GELU(), nn.Flatten(),
        nn.Linear(8 * (length // 4 - 2), 4), nn.ReLU(), nn.Linear(4, 1), nn.Flatten(0),
    )  # fmt: skip


def small_model(length=160, seed=0, **changes):
    return TorchSequenceModel(spec(length, **changes), small_network(length, seed))


def random_dna(length, seed=0, n_share=0.0):
    rng = np.random.default_rng(seed)
    sequence = rng.choice(BASES, length)
    sequence[rng.random(length) < n_share] = ord("N")
    return sequence


def by_definition(model, sequence, index, base):
    """Predict each mutant on its own."""
    mutants = np.repeat(sequence[None], len(index), axis=0)
    mutants[np.arange(len(index)), index] = base
    return predict_sequences(model, mutants) - predict_sequences(model, sequence[None])


@pytest.fixture(scope="module")
def demo_cnn():
    return registry.open_model("cnn", "cnn", {"config": DEMO / "cnn.json", "weights": DEMO / "cnn.safetensors"})


@pytest.fixture(scope="module")
def xpresso():
    if not XPRESSO.exists():
        pytest.skip(f"there is no Xpresso checkpoint at {XPRESSO}")
    return registry.open_model("xpresso", "xpresso", {"checkpoint": XPRESSO})


@given(
    st.integers(0, 10_000), st.sampled_from(["none", "rc_mean", "gene_strand"]), st.sampled_from(["zero", "quarter"]),
    st.sampled_from([0.0, 0.1]), st.booleans(),
)  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_substitutions_equal_predicting_each_mutant(seed, strand, n_policy, n_share, plain):
    model = small_model(seed=seed, strand=strand, n_policy=n_policy)
    sequence = random_dna(160, seed, n_share)
    rng = np.random.default_rng(seed)
    index, base = rng.integers(0, 160, 70), rng.choice(BASES, 70)  # in any order, some twice, some no change
    effects = ism.substitution_effects(model, sequence, index, base, plain=plain)
    np.testing.assert_allclose(effects, by_definition(model, sequence, index, base), atol=1e-5)
    assert effects.dtype == np.float64
    assert (effects[sequence[index] == base] == 0).all()


def test_saturation_of_the_demo_model_equals_tangermeme(demo_cnn):
    sequence = random_dna(2000, 3)
    ours = ism.saturation(demo_cnn, sequence, np.arange(2000))
    assert (ours.method, ours.reason) == ("incremental", None)
    assert ours.forwards < 20
    assert ours.delta.shape == (2000, 4) and ours.delta.dtype == np.float32
    encoded = torch.tensor(one_hot(sequence[None]))
    with torch.no_grad():
        theirs = saturation_mutagenesis(
            nn.Sequential(demo_cnn.network(), nn.Unflatten(0, (-1, 1))), encoded, device="cpu", raw_outputs=True,
            start=700, end=1100, batch_size=256, fast=False,
        )  # fmt: skip
    difference = (theirs.y_hat - theirs.y0[:, None, None])[0, :, :, 0].numpy().T
    np.testing.assert_allclose(ours.delta[700:1100], difference, atol=1e-5)
    there = one_hot(sequence[None])[0].T.astype(bool)
    assert (ours.delta[there] == 0).all()


def test_plain_saturation_is_the_same(demo_cnn):
    sequence = random_dna(2000, 4, 0.05)
    index = np.r_[0:12, 600:640, 1988:2000]
    ours, plain = (ism.saturation(demo_cnn, sequence, index, plain=way) for way in (False, True))
    assert (plain.method, plain.reason) == ("plain", "asked for")
    assert plain.forwards == (sequence[index, None] != BASES).sum()
    np.testing.assert_allclose(ours.delta, plain.delta, atol=1e-5)


def test_xpresso_whole_window_at_random_places(xpresso):
    sequence = random_dna(10_500, 5)
    sequence[4000:4020] = ord("N")
    ours = ism.saturation(xpresso, sequence, np.arange(10_500))
    assert ours.method == "incremental"
    rng = np.random.default_rng(5)
    index = np.unique(np.r_[0, 1, 5, 10_494, 10_499, 4005, 3999, 4020, rng.integers(0, 10_500, 40)])
    base = rng.choice(BASES, len(index))
    expected = by_definition(xpresso, sequence, index, base)
    columns = np.searchsorted(BASES, base)
    np.testing.assert_allclose(ours.delta[index, columns], expected, atol=1e-5)
    assert (ours.delta[4005] != 0).sum() >= 3  # all four bases are changes at N


def test_saturation_at_some_places_is_the_rows_of_the_whole(demo_cnn):
    sequence = random_dna(2000, 6)
    running = ism.Mutagenesis(demo_cnn, sequence)
    whole = running.saturation(np.arange(2000)).delta
    before = running.forwards
    index = np.array([1500, 3, 700, 701])
    part = running.saturation(index)
    np.testing.assert_allclose(part.delta, whole[index], atol=1e-6)
    assert part.forwards == running.forwards - before == 1  # the check alone: the unmutated pass is reused
    empty = running.saturation(np.zeros(0, dtype=np.int64))
    assert empty.delta.shape == (0, 4)


def test_progress_and_cancel():
    model, sequence, told = small_model(), random_dna(160), []
    ism.saturation(model, sequence, np.arange(160), progress=lambda *call: told.append(call))
    assert told[-1][:2] == (480, 480)
    assert [done for done, _, _ in told] == sorted({done for done, _, _ in told})

    def stop(done, total, label):
        raise Cancelled

    for plain in (False, True):
        with pytest.raises(Cancelled):
            ism.saturation(model, sequence, np.arange(160), plain=plain, progress=stop)


class Wrong(nn.Module):
    """A pooling layer that isn't: known by its class, it pools differently."""

    def __init__(self):
        super().__init__()
        self.pool = nn.MaxPool1d(4)
        self.pool.forward = lambda x: nn.functional.avg_pool1d(x, 4)
        self.conv, self.out = nn.Conv1d(4, 8, 7, padding=3), nn.Linear(8 * 40, 1)

    def forward(self, x):
        return self.out(self.pool(self.conv(x)).flatten(1)).squeeze(-1)


def test_a_disagreement_is_seen_and_plain_passes_take_over():
    torch.manual_seed(9)
    model, sequence = TorchSequenceModel(spec(160), Wrong()), random_dna(160, 9)
    result = ism.saturation(model, sequence, np.arange(160))
    assert result.method == "plain"
    assert "differed by" in result.reason
    index, base = np.repeat(np.arange(160), 4), np.tile(BASES, 160)
    np.testing.assert_allclose(result.delta.ravel(), by_definition(model, sequence, index, base), atol=1e-5)


class GlobalFirst(nn.Module):
    """Attention over the whole sequence in its first layer."""

    def __init__(self):
        super().__init__()
        self.into, self.attention = nn.Linear(4, 16), nn.MultiheadAttention(16, 2, batch_first=True)
        self.out = nn.Linear(16, 1)

    def forward(self, x):
        x = self.into(x.transpose(1, 2))
        return self.out(self.attention(x, x, x)[0].mean(1)).squeeze(-1)


class Branches(nn.Module):
    def forward(self, x):
        return x.sum((1, 2)) if x.mean() > 0 else -x.sum((1, 2))


class Opaque:
    """Predicts, but shows no network."""

    def __init__(self, model):
        self.spec, self._model = model.spec, model

    def predict_sequences(self, onehot):
        return self._model.predict_sequences(onehot)


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (lambda: TorchSequenceModel(spec(160), GlobalFirst()), "nothing can be saved"),
        (lambda: TorchSequenceModel(spec(160), Branches()), "can't be traced"),
        (lambda: Opaque(small_model()), "does not show its network"),
    ],
)
def test_models_that_go_whole_say_why(model, reason):
    model, sequence = model(), random_dna(160, 2)
    result = ism.saturation(model, sequence, np.arange(0, 160, 7))
    assert result.method == "plain" and reason in result.reason
    index, base = np.repeat(np.arange(0, 160, 7), 4), np.tile(BASES, 23)
    np.testing.assert_allclose(result.delta.ravel(), by_definition(model, sequence, index, base), atol=1e-5)


class Tight:
    """Runs out of memory with more than `room` sequences at a time."""

    def __init__(self, room):
        self.spec, self._model, self._room, self.sizes = spec(160), small_model(), room, []

    def predict_sequences(self, onehot):
        self.sizes.append(len(onehot))
        if len(onehot) > self._room:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp:119] DefaultCPUAllocator: can't allocate memory")
        return self._model.predict_sequences(onehot)


def test_out_of_memory_retries_smaller_and_then_says_what_to_do():
    sequence, index = random_dna(160), np.arange(50)
    model = Tight(5)
    expected = ism.saturation(small_model(), sequence, index, plain=True).delta
    np.testing.assert_allclose(ism.saturation(model, sequence, index).delta, expected, atol=1e-6)
    assert max(model.sizes) > 100 and model.sizes[-1] <= 5
    with pytest.raises(GexvizError, match="single sequence") as caught:
        ism.saturation(Tight(0), sequence, index)
    assert "memory" in caught.value.remedy
    with pytest.raises(RuntimeError, match="size mismatch"):
        memory.predict_within_memory(Broken(), sequence[None])


class Broken:
    spec = spec(160)

    def predict_sequences(self, onehot):
        raise RuntimeError("size mismatch")


def test_out_of_memory_while_recomputing(monkeypatch):
    sequence = random_dna(160, 1)
    running = ism.Mutagenesis(small_model(), sequence)
    expected = running.saturation(np.arange(160)).delta
    (engine,) = running._engines
    effects, failures = engine.effects, []

    def sometimes(places, delta):
        if len(failures) < 3:
            failures.append(len(places))
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return effects(places, delta)

    monkeypatch.setattr(engine, "effects", sometimes)
    np.testing.assert_allclose(running.saturation(np.arange(160)).delta, expected, atol=1e-6)
    assert len(failures) == 3

    def never(places, delta):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(engine, "effects", never)
    with pytest.raises(GexvizError, match="smallest batch"):
        running.saturation(np.arange(160))


def test_bad_arguments_are_refused():
    model, sequence = small_model(), random_dna(160)
    with pytest.raises(ValueError, match="the sequence has 160"):
        ism.saturation(model, sequence, np.array([160]))
    with pytest.raises(ValueError, match="A, C, G or T"):
        ism.substitution_effects(model, sequence, np.array([1]), np.frombuffer(b"N", np.uint8))
    with pytest.raises(ValueError, match="uint8"):
        ism.Mutagenesis(model, sequence.astype(np.int64))


def test_centrings():
    delta = np.array([[0, 3, 6, 0], [1, 2, 3, 6]], dtype=np.float32)
    ref = np.array([0, -1])
    np.testing.assert_array_equal(ism.centred(delta, ref, "raw"), delta)
    np.testing.assert_allclose(ism.centred(delta, ref, "alternatives"), [[-3, 0, 3, -3], [-2, -1, 0, 3]])
    np.testing.assert_allclose(ism.centred(delta, ref, "four"), [[-2.25, 0.75, 3.75, -2.25], [-2, -1, 0, 3]])
    # what is subtracted differs by 4/3 between the two
    np.testing.assert_allclose(-ism.centred(delta, ref, "alternatives")[0, 0] / 2.25, 4 / 3)
    with pytest.raises(ValueError, match="mean"):
        ism.centred(delta, ref, "mean")


def test_tiles_cover_to_the_end():
    assert ism.tiles(10, 35, 10, 10).tolist() == [[10, 20], [20, 30], [25, 35]]
    assert ism.tiles(10, 30, 10, 10).tolist() == [[10, 20], [20, 30]]
    assert ism.tiles(0, 5, 10, 3).tolist() == [[0, 5]]
    with pytest.raises(ValueError, match="tiles"):
        ism.tiles(0, 5, 0, 1)


class Reads:
    """Keeps the sequences it was given."""

    def __init__(self, length, anchor):
        self.spec, self.seen = spec(length, anchor=anchor), []

    def predict_sequences(self, onehot):
        self.seen += ["".join("ACGT"[c] for c in row.argmax(0)) for row in onehot]
        return onehot[:, 0].sum(1) + 2 * onehot[:, 1].sum(1)


def test_deletions_close_up_around_the_anchor():
    model = Reads(8, 3)
    left, sequence, right = (np.frombuffer(s, np.uint8) for s in (b"TTTG", b"ACGAACCA", b"CTTT"))
    deletions = ism.tiled_deletion(model, sequence, np.array([[0, 2], [5, 7], [2, 4]]), (left, right))
    assert model.seen == [
        "ACGAACCA",
        "TGGAACCA",  # before the anchor (index 3): it stays there, the left side fills from the left flank
        "ACGAAACT",  # after it: the right side fills from the right flank
        "TGACACCA",  # the anchor itself: the base before it takes its index
    ]
    value = {"A": 1, "C": 2, "G": 0, "T": 0}
    expected = [sum(value[c] for c in s) - sum(value[c] for c in "ACGAACCA") for s in model.seen[1:]]
    np.testing.assert_allclose(deletions.effect, expected)
    assert np.isnan(deletions.sd).all()
    model.seen.clear()
    ism.tiled_deletion(model, sequence, np.array([[2, 4]]), (left, right), reverse=True)
    assert model.seen[1] == "GACACCAC"  # read on the minus strand: the base after it
    with pytest.raises(GexvizError, match="deletions of 5 bp"):
        ism.tiled_deletion(model, sequence, np.array([[0, 5]]), (left, right))


@given(st.integers(0, 1000), st.sampled_from("+-"), st.integers(1, 12), st.integers(0, 30))
@settings(max_examples=20, deadline=None)
def test_deletions_are_those_of_personal_haplotypes(seed, strand, width, anchor):
    """The same deletion as a variant of a VCF, put on by the code of haplotypes."""
    rng = np.random.default_rng(seed)
    contig = cohorts.random_bases(rng, 200)
    window = Window("22", 80, 120, strand, anchor)
    start = int(rng.integers(80, 121 - width))
    record = ("22", start - 1, ".", contig[start - 1 : start + width], [contig[start - 1]], ["1|1"])
    with tempfile.TemporaryDirectory() as folder:
        reference = Reference(cohorts.write_fasta(Path(folder) / "ref.fa", {"22": contig}))
        genotypes = Genotypes([cohorts.write_vcf(Path(folder) / "g.vcf.gz", {"22": 200}, ["A"], [record])])
        expected = build_haplotypes(genotypes, reference, window, ["A"]).sequence("A", 1)
    whole = np.frombuffer(contig.encode(), np.uint8)
    whole = reverse_complement(whole) if strand == "-" else whole
    first = 80 if strand == "+" else 200 - 120
    index = start - 80 if strand == "+" else 120 - start - width
    model = Reads(40, anchor)
    flanks = whole[first - 20 : first], whole[first + 40 : first + 60]
    ism.tiled_deletion(
        model, whole[first : first + 40], np.array([[index, index + width]]), flanks, reverse=strand == "-"
    )
    assert model.seen[1] == expected


def test_slow_predictions_are_told_of_one_by_one(monkeypatch):
    """Whoever cancels does not wait for a whole tile of a long model."""
    model, sequence, told = Reads(200, 100), random_dna(200, 5), []
    stretches = ism.tiles(50, 110, 20, 20)
    at_once = ism.window_shuffle(model, sequence, stretches, n=4)
    monkeypatch.setattr(pacing, "STEP", 0.0)
    slowly = ism.window_shuffle(model, sequence, stretches, n=4, progress=lambda *now: told.append(now[:2]))
    assert told == [(done // 4, 3) for done in range(1, 13)]
    np.testing.assert_array_equal(slowly.effect, at_once.effect)
    original = float(model.predict_sequences(one_hot(sequence[None]))[0])
    model.seen.clear()
    known = ism.window_shuffle(model, sequence, stretches, n=4, original=original)
    np.testing.assert_array_equal(known.effect, at_once.effect)
    assert len(model.seen) == 12  # the sequence as it is was not predicted again


def test_shuffles_keep_dinucleotides_and_their_spread_is_told(demo_cnn):
    sequence = random_dna(2000, 8)
    stretches = ism.tiles(1400, 1520, 40, 40)
    shuffled = ism.window_shuffle(demo_cnn, sequence, stretches, n=6, seed=3)
    assert shuffled.start.tolist() == [1400, 1440, 1480] and shuffled.end.tolist() == [1440, 1480, 1520]
    alone = ism.window_shuffle(demo_cnn, sequence, stretches[1:2], n=6, seed=3)
    np.testing.assert_allclose(alone.effect[0], shuffled.effect[1], atol=1e-7)
    assert (shuffled.sd > 0).all()

    model = Reads(2000, 1500)
    ism.window_shuffle(model, sequence, stretches, n=6, seed=3)
    original, *altered = model.seen
    assert len(altered) == 18

    def pairs(s):
        return sorted(s[i : i + 2] for i in range(len(s) - 1))

    for i, (start, end) in enumerate(stretches):
        for copy in altered[6 * i : 6 * i + 6]:
            assert copy[:start] == original[:start] and copy[end:] == original[end:]
            assert pairs(copy) == pairs(original)
    values = predict_sequences(demo_cnn, np.frombuffer("".join(altered).encode(), np.uint8).reshape(18, -1))
    values = values.reshape(3, 6) - predict_sequences(demo_cnn, sequence[None])
    np.testing.assert_allclose(shuffled.effect, values.mean(1), atol=1e-6)
    np.testing.assert_allclose(shuffled.sd, values.std(1, ddof=1), atol=1e-6)
