import json

import numpy as np
import pytest
import torch
from borzoi_files import SMALL, TARGETS, WINDOW, borzoi_shapes, write_borzoi, write_targets
from enformer_files import random_tensors
from test_enformer import sequences

from gexviz.errors import GexvizError
from gexviz.models.base import DependsOnGene, GeneLocus
from gexviz.models.borzoi_network import BorzoiConfig, exon_bins
from gexviz.models.onehot import reverse_complement_one_hot
from gexviz.models.readouts import Unsquashed
from gexviz.models.registry import open_model

TSS = 50_000
PLUS = GeneLocus("ENSG1", "PLUS", "1", TSS, "+", TSS, TSS + 300)
EXONS = [(TSS, TSS + 70), (TSS + 200, TSS + 300), (TSS + 5_000, TSS + 5_100)]


@pytest.fixture
def made(tmp_path):
    return paths(tmp_path, write_borzoi(tmp_path))


def paths(folder, options):
    return {k: folder / v if isinstance(v, str) else v for k, v in options.items()}


def minus(gene, exons):
    """The mirror image of a gene about its TSS."""

    def mirrored(start, end):
        return 2 * gene.tss - end + 1, 2 * gene.tss - start + 1

    start, end = mirrored(gene.start, gene.end)
    return gene._replace(strand="-", start=start, end=end), sorted(mirrored(*exon) for exon in exons)


# -- against borzoi-pytorch --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """The published sizes of convolutions, a small transformer, the published table of tracks; and the reference."""
    module = pytest.importorskip("borzoi_pytorch.pytorch_borzoi_model", reason="borzoi-pytorch is not installed")
    folder = tmp_path_factory.mktemp("borzoi")
    config = {k: v for k, v in SMALL.items() if k not in ("filters", "joined")}
    network = module.AnnotatedBorzoi(module.BorzoiConfig(**config), module.TRACKS_DF.copy()).eval()
    full = config | {"filters": [512, 608, 736, 896, 1056, 1280], "joined": 1920}
    shapes = borzoi_shapes(full, 7_611)
    assert {name: tuple(values.shape) for name, values in network.state_dict().items()} == shapes
    network.load_state_dict(random_tensors(shapes, 0))
    torch.save(network.state_dict(), folder / "pytorch_model.bin")
    (folder / "config.json").write_text(json.dumps(config))
    module.TRACKS_DF.drop(columns="track_transform", errors="ignore").to_csv(
        folder / "targets.txt", sep="\t", index=False
    )
    made = {"weights": "pytorch_model.bin", "config": "config.json", "targets": "targets.txt", "window": WINDOW}
    return network, paths(folder, made)


@pytest.mark.parametrize("both", [True, False])
def test_predictions_are_the_gene_counts_of_borzoi_pytorch(published, both):
    """A stranded track of RNA-seq and one of CAGE; bins of the two exons in reach, the TSS being in the middle."""
    network, made = published
    onehot = sequences(3)
    bins = torch.tensor([16, 17, 18, 22, 23, 24, 25])
    with torch.inference_mode():
        counts = network.predict_gene_count(torch.from_numpy(onehot), [bins] * 3, average_strands=both).numpy()
    columns = network.output_tracks_df["identifier"].tolist()
    model = open_model("b", "borzoi", made | {"tracks": [0, 6068], "both_strands": both})
    expected = counts[:, [columns.index("CNhs10608+"), columns.index("ENCFF281BWX+")]].mean(axis=1)
    assert np.ptp(expected) > 1e-2
    values = model.for_gene(PLUS, EXONS).predict_sequences(onehot)
    np.testing.assert_allclose(values, expected, atol=1e-4, rtol=0)


# -- without it --------------------------------------------------------------------------------------------------------


def test_bins_of_exons_are_those_they_touch_within_the_trained_middle():
    config = BorzoiConfig(bins_to_return=32)
    assert exon_bins(config, 2_048, [(1_024, 1_094), (1_224, 1_324)]) == [32, 33, 34, 38, 39, 40, 41]
    assert exon_bins(config, 2_048, [(1_024, 1_056), (1_040, 1_057)]) == [32, 33]
    assert exon_bins(config, 2_048, [(-500, 5_000)]) == list(range(16, 48))
    assert exon_bins(config, 2_048, [(0, 512), (1_536, 2_048)]) == []
    assert len(exon_bins(BorzoiConfig(), 524_288, [(0, 524_288)])) == 6_144


def test_squash_and_scale_are_undone():
    """The transform of the training data, there and back: scale, power and square root beyond a clip."""
    coverage = torch.tensor([0.0, 0.5, 3.0, 40.0, 2_000.0]).double()
    for scale, clip, power in [(1.0, 384.0, 1.0), (0.3, 20.0, 0.75), (0.01, 384.0, 0.75)]:
        raised = coverage**power
        squashed = torch.where(raised > clip, clip + (raised - clip).clamp(min=0).sqrt(), raised) * scale
        undo = Unsquashed(*(torch.tensor([value]) for value in (scale, clip, power))).double()
        torch.testing.assert_close(undo(squashed[None, None])[0, 0], coverage, rtol=1e-5, atol=1e-6)


def test_genes_of_both_strands_are_read_alike(made):
    """Windows are in the gene's direction: a mirror image of a gene has the same bins, with the same tracks."""
    model = open_model("b", "borzoi", made | {"tracks": ["ENC2+"]})
    assert isinstance(model, DependsOnGene) and model.spec.strand == "gene_strand"
    onehot = sequences(2)
    plus = model.for_gene(PLUS, EXONS).predict_sequences(onehot)
    np.testing.assert_array_equal(model.for_gene(*minus(PLUS, EXONS)).predict_sequences(onehot), plus)
    other = model.for_gene(PLUS, EXONS[:1]).predict_sequences(onehot)
    assert not np.allclose(other, plus)
    whole = model.for_gene(PLUS, ()).predict_sequences(onehot)
    np.testing.assert_array_equal(whole, model.for_gene(PLUS, [(PLUS.start, PLUS.end)]).predict_sequences(onehot))


def test_the_reverse_strand_is_read_by_the_partner_of_a_track(made):
    """On its own, and mirrored: so the mean of both doesn't change when a track and its partner change places."""
    rows = [TARGETS[i] for i in (0, 1, 2)] + [
        ("ENC2+", 0.4, 0.3, "sum_sqrt", 4, "RNA:blood"),
        ("ENC2-", 0.4, 0.3, "sum_sqrt", 3, "RNA:blood"),
    ]
    tensors = random_tensors(borzoi_shapes(), 0)
    onehot, everything = sequences(2), [(TSS - 600, TSS + 600)]

    def both(swapped):
        weights = dict(tensors)
        if swapped:
            for name in ("human_head.weight", "human_head.bias"):
                weights[name] = tensors[name][[0, 1, 2, 4, 3]]
        torch.save(weights, made["weights"])
        write_targets(made["targets"].parent, rows)
        return open_model("b", "borzoi", made | {"tracks": ["ENC2+"]}).for_gene(PLUS, everything)

    plain, swapped = both(False), both(True)
    expected = swapped.predict_sequences(reverse_complement_one_hot(onehot))
    np.testing.assert_allclose(plain.predict_sequences(onehot), expected, rtol=1e-5)
    assert not np.allclose(plain.predict_sequences(onehot), swapped.predict_sequences(onehot), rtol=1e-4)


def test_coverage_is_averaged_over_replicates_before_the_logarithm(made, tmp_path):
    write_borzoi(tmp_path, 5, "second.bin")
    second = {"replicate_2": tmp_path / "second.bin"}
    onehot = sequences(2)

    def predict(**options):
        model = open_model("b", "borzoi", made | {"tracks": [2]} | options)
        return model, model.for_gene(PLUS, EXONS).predict_sequences(onehot)

    (_, first), (_, other), (model, both) = predict(), predict(weights=second["replicate_2"]), predict(**second)
    assert not np.allclose(first, other)
    np.testing.assert_allclose(both, np.log1p((np.expm1(first) + np.expm1(other)) / 2), rtol=1e-4)
    assert "mean of 2 replicates" in model.spec.readout


def test_all_tracks_of_a_description_are_read_on_the_genes_strand(made):
    model = open_model("b", "borzoi", made | {"tracks": ["RNA:blood"]})
    assert model.spec.tracks == ("RNA:blood", "RNA:blood")
    onehot = sequences(2)
    each = [
        open_model("b", "borzoi", made | {"tracks": [i]}).for_gene(PLUS, EXONS).predict_sequences(onehot)
        for i in (2, 3)
    ]
    np.testing.assert_allclose(model.for_gene(PLUS, EXONS).predict_sequences(onehot), np.mean(each, axis=0), rtol=1e-5)


# -- files and options that don't go together --------------------------------------------------------------------------


def complaint(**options):
    with pytest.raises(GexvizError) as raised:
        open_model("b", "borzoi", options)
    assert raised.value.expected
    return raised.value


def test_what_does_not_go_together_is_said(made):
    assert complaint(**made, tracks=[4]).remedy == "ask for track 3"
    assert complaint(**made | {"window": 768}, tracks=[2]).expected == "a multiple of 256 bp, 1,024 or more"
    write_targets(made["targets"].parent, TARGETS[:4])
    assert "4 tracks are listed" in complaint(**made, tracks=[2]).problem
    made["targets"].write_text("identifier\tdescription\nA\tB\n")
    assert "no column clip_soft" in complaint(**made, tracks=[0]).problem


def test_a_network_with_flash_attention_is_refused(made):
    made["config"].write_text(json.dumps(SMALL | {"flashed": True}))
    assert "flash-attn" in complaint(**made, tracks=[2]).problem


def test_a_gene_without_exons_in_reach_is_said(made):
    model = open_model("b", "borzoi", made | {"tracks": [2]})
    with pytest.raises(GexvizError, match="no exon of PLUS is within 512 bp"):
        model.for_gene(PLUS, EXONS[2:])


def test_how_far_bins_count_is_in_the_fingerprint(made):
    """Nothing in the weights depends on it."""
    fingerprints = []
    for bins in (8, 32):
        made["config"].write_text(json.dumps(SMALL | {"bins_to_return": bins}))
        fingerprints.append(open_model("b", "borzoi", made | {"tracks": [0]}).fingerprint())
    assert fingerprints[0] != fingerprints[1]
