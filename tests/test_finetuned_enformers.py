import numpy as np
import pytest
import torch
from enformer_files import CONFIG, rastogi_tensors, variformer_tensors, write_checkpoint
from test_enformer import sequences

from gexviz.errors import GexvizError
from gexviz.models.registry import open_model


def written(folder, tensors):
    options = write_checkpoint(folder, tensors)
    return {k: folder / v if isinstance(v, str) else v for k, v in options.items()}


def published_enformer():
    enformer_pytorch = pytest.importorskip("enformer_pytorch", reason="enformer-pytorch is not installed")
    return enformer_pytorch.Enformer.from_hparams(**CONFIG | {"target_length": -1})


class Rastogi(torch.nn.Module):
    """The authors' forward on one haplotype, from their description: pool of ten bins in the middle, linear."""

    def __init__(self):
        super().__init__()
        self.base = published_enformer()
        self.attention_pool = torch.nn.ModuleDict({"attention": torch.nn.Linear(2 * CONFIG["dim"], 1)})
        self.prediction_head = torch.nn.Linear(2 * CONFIG["dim"], 1)

    def forward(self, x):
        x = self.base(x, return_only_embeddings=True)
        middle = x[:, (x.shape[1] - 10) // 2 :][:, :10]
        weights = torch.softmax(self.attention_pool["attention"](middle), dim=-2)
        return self.prediction_head((weights * middle).sum(dim=-2)).flatten()


def compare(model, expected, onehot):
    assert np.ptp(expected) > 1e-3
    np.testing.assert_allclose(model.predict_sequences(onehot), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("tissue", [0, 1])
def test_variformer_is_the_head_adapter_of_enformer_pytorch(tmp_path, tissue):
    """The centre bin is that which its authors take: half the number of bins, rounded down."""
    finetune = pytest.importorskip("enformer_pytorch.finetune", reason="enformer-pytorch is not installed")
    wrapper = finetune.HeadAdapterWrapper(
        enformer=published_enformer(), num_tracks=2, post_transformer_embed=False, output_activation=torch.nn.Identity()
    ).eval()
    tensors = variformer_tensors()
    wrapper.load_state_dict({name.removeprefix("model."): values for name, values in tensors.items()})
    onehot = (sequences(4) + sequences(4, seed=5)) / 2
    with torch.inference_mode():
        read = wrapper(torch.from_numpy(onehot).transpose(1, 2), freeze_enformer=False)
    model = open_model("v", "variformer", written(tmp_path, tensors) | {"tissue": tissue})
    compare(model, read[:, read.shape[1] // 2, tissue].numpy(), onehot)


def test_rastogi_is_the_authors_readout_on_enformer_pytorch(tmp_path):
    network = Rastogi().eval()
    tensors = rastogi_tensors()
    network.load_state_dict(tensors)
    onehot = sequences(4)
    with torch.inference_mode():
        expected = network(torch.from_numpy(onehot).transpose(1, 2)).numpy()
    compare(open_model("r", "rastogi", written(tmp_path, tensors)), expected, onehot)


@pytest.mark.parametrize(("family", "tensors"), [("variformer", variformer_tensors), ("rastogi", rastogi_tensors)])
def test_the_checkpoints_cannot_be_loaded_by_torch_without_their_classes(tmp_path, family, tensors):
    made = written(tmp_path, tensors())
    with pytest.raises(Exception, match="Weights only load failed"):
        torch.load(made["weights"], weights_only=True)
    assert open_model("m", family, made)


def test_haplotypes_and_strands_are_the_authors(tmp_path):
    variformer = open_model("v", "variformer", written(tmp_path, variformer_tensors())).spec
    assert (variformer.haplotypes, variformer.strand, variformer.n_policy) == ("input_mean", "none", "quarter")
    rastogi = open_model("r", "rastogi", written(tmp_path, rastogi_tensors())).spec
    assert (rastogi.haplotypes, rastogi.strand, rastogi.n_policy) == ("output_mean", "rc_mean", "zero")


def refused(folder, family, tensors, **options):
    with pytest.raises(GexvizError) as raised:
        open_model("m", family, written(folder, tensors) | options)
    assert raised.value.file == str(folder / "last.ckpt") and raised.value.expected
    return raised.value.place


def test_checkpoints_of_other_networks_are_refused(tmp_path):
    assert refused(tmp_path, "variformer", rastogi_tensors()).startswith("tensor model.enformer.stem.0")
    assert refused(tmp_path, "rastogi", variformer_tensors()).startswith("tensor base.stem.0")
    assert (
        refused(tmp_path, "variformer", variformer_tensors(), tissue=2) == "tensor model.to_tracks.0.weight: (2, 192)"
    )
    with_genes = rastogi_tensors() | {"gene_embedding.weight": torch.zeros(3, 192)}
    assert refused(tmp_path, "rastogi", with_genes) == "tensor gene_embedding.weight: (3, 192)"
