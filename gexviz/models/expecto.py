"""The ``expecto`` family: Beluga's chromatin features around the TSS, and a linear model of expression on them.

ExPecto (Zhou et al. 2018) cuts 200 windows of 2,000 bp, 200 bp apart, runs Beluga on both strands of each, weighs the
windows by ten exponential functions of the distance to the TSS, and sums. All layers before Beluga's dense one are
convolutions and poolings without padding; before the second pooling, 200 bp are a multiple of their stride, and 400 bp
are one of all of it. So here the whole sequence goes through the first layers once and through the others twice, not
each window by itself, and the numbers are the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from gexviz.errors import GexvizError
from gexviz.models.base import GeneLocus, ModelSpec
from gexviz.models.beluga import POOL, read_beluga, sliding_beluga
from gexviz.models.beluga import WINDOW as BELUGA_WINDOW
from gexviz.models.expecto_head import DECAYS, ExpectoHead, read_head
from gexviz.models.options import ExpectoOptions
from gexviz.models.torch_model import TorchSequenceModel

STEP = 200
SHIFTS = np.arange(-20_000, 20_000, STEP)
"""From the TSS to the middle of each window, in the gene's direction."""

SPAN = int(np.ptp(SHIFTS)) + BELUGA_WINDOW
WINDOW, ANCHOR = SPAN + 1, 21_000
"""One base more than the windows span: ExPecto cuts all of them in the direction of the genome, the TSS at the last
base of the first half; so on the minus strand each begins one base earlier in the gene's direction."""

_SHIFT = STEP // POOL  # positions between windows before the second pooling
_BATCH = 4  # the first layer's output is 53 MB a sequence


class ExpectoNetwork(nn.Module):
    """Everything from sequence to expression.

    Parameters
    ----------
    strands : sequence of (torch.nn.Module, torch.nn.Module)
        Beluga on the strand and on the opposite one, each in two parts; a window every two steps.
    readouts : sequence of torch.nn.Module
        Of the windows with even numbers, and of those between them.
    first : int
        Where the first window begins.
    """

    def __init__(
        self, strands: Sequence[tuple[nn.Module, nn.Module]], readouts: Sequence[nn.Module], first: int
    ) -> None:
        super().__init__()
        (self.strand, self.strand_windows), (self.opposite, self.opposite_windows) = strands
        self.even, self.odd = readouts
        self.first = first

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, 4, WINDOW) -> (batch,)."""
        x = x[:, :, self.first : self.first + SPAN]
        strand, opposite = self.strand(x), self.opposite(x)
        even = self.strand_windows(strand[:, :, :-_SHIFT]) + self.opposite_windows(opposite[:, :, :-_SHIFT])
        odd = self.strand_windows(strand[:, :, _SHIFT:]) + self.opposite_windows(opposite[:, :, _SHIFT:])
        return self.even(even) + self.odd(odd)

    def extra_repr(self) -> str:
        """What the fingerprint has to know."""
        return f"first={self.first}"


class Expecto(TorchSequenceModel):
    """ExPecto, for genes on the plus strand; for the others, :meth:`for_gene`."""

    def for_gene(self, gene: GeneLocus, exons: Sequence[tuple[int, int]]) -> TorchSequenceModel:
        """Give the model of one gene; all layers are shared."""
        network = self.network()
        assert isinstance(network, ExpectoNetwork)
        if gene.strand == "+":
            return self
        strands = [(network.strand, network.strand_windows), (network.opposite, network.opposite_windows)]
        minus = ExpectoNetwork(strands, (network.even, network.odd), first=0)
        return TorchSequenceModel(self.spec, minus, batch_size=_BATCH)


def linear_readouts(head: ExpectoHead) -> list[nn.Module]:
    """Make linear layers of the exponential functions and the head; their sum is the prediction.

    Parameters
    ----------
    head : ExpectoHead

    Returns
    -------
    list of torch.nn.Module
        Of the windows with even numbers, and of those between them; each from the sum of both strands, (batch,
        features, windows), to (batch,).
    """
    distance = np.abs(SHIFTS) / STEP
    sides = (SHIFTS <= 0, SHIFTS >= 0)  # the window in the middle counts on both
    bases = np.stack([np.exp(-decay * distance) * side for side in sides for decay in DECAYS])
    weights = head.weight.T.astype(float) @ bases / 2  # of the mean of both strands
    return [_linear(weights[:, 0::2], head.bias), _linear(weights[:, 1::2], 0.0)]


def _linear(weights: np.ndarray, bias: float) -> nn.Module:
    layer = nn.Linear(weights.size, 1)
    row = torch.from_numpy(weights.reshape(1, -1).astype(np.float32))
    layer.load_state_dict({"weight": row, "bias": torch.tensor([bias], dtype=torch.float32)})
    return nn.Sequential(nn.Flatten(), layer, nn.Flatten(0))


def expecto_spec(name: str, tissue: str) -> ModelSpec:
    """Tell what an ExPecto model is."""
    return ModelSpec(
        name=name,
        family="expecto",
        input="sequence",
        scale="ln(RPKM + 0.0001)",
        haplotypes="output_mean",
        window=WINDOW,
        anchor=ANCHOR,
        strand="gene_strand",
        n_policy="zero",
        tracks=(tissue,),
        licence="Princeton academic use agreement: not for commercial use, not to be passed on",
        citation="Zhou et al. 2018, Nature Genetics 50:1171",
        published={"reference": 0.53, "across genes": 0.52, "across individuals": 0.034},
        verified="not verified against weights; equal to its definition with random weights; heads equal to XGBoost's",
        readout="mean of both strands of 200 windows, ten exponential functions of the distance, linear head",
    )


def open_model(name: str, options: ExpectoOptions) -> Expecto:
    """Open Beluga's weights and a head.

    Parameters
    ----------
    name : str
        The model's name in the study.
    options : ExpectoOptions

    Returns
    -------
    Expecto

    Raises
    ------
    GexvizError
        For files that are something else, or that don't belong together.
    """
    head, weights = read_head(options.head), read_beluga(options.beluga)
    if weights.features != head.features:
        raise GexvizError(
            f"the head reads {head.features:,} chromatin features, and the network gives {weights.features:,}",
            file=options.head,
            expected=f"a head of {weights.features:,} features for {options.beluga.name}",
            remedy="give the head and the network of one publication",
        )
    strands = [sliding_beluga(weights, step=2 * STEP, opposite=opposite) for opposite in (False, True)]
    network = ExpectoNetwork(strands, linear_readouts(head), first=1)
    return Expecto(expecto_spec(name, options.tissue or options.head.stem), network, batch_size=_BATCH)
