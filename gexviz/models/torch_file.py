"""The ``torch`` family: a user's own network in a TorchScript file."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from gexviz.digests import file_digest
from gexviz.errors import GexvizError
from gexviz.models.base import ModelSpec
from gexviz.models.options import TorchOptions
from gexviz.models.torch_model import TorchSequenceModel
from gexviz.models.torch_script import load_script


class OneOutput(nn.Module):
    """A network, and which of its outputs is the prediction.

    Parameters
    ----------
    network : torch.nn.Module
        From (batch, 4, window) to (batch, ...).
    output : tuple of int
        Indices after the batch; none for a network with one output.
    """

    def __init__(self, network: nn.Module, output: tuple[int, ...]) -> None:
        super().__init__()
        self.network = network
        self.output = output

    def forward(self, onehot: torch.Tensor) -> torch.Tensor:
        """(batch, 4, window) -> (batch,)."""
        outputs = self.network(onehot)
        return outputs[(slice(None), *self.output)] if self.output else outputs.flatten(0)


class TorchFileModel(TorchSequenceModel):
    """A network whose program is in a file.

    Parameters
    ----------
    spec : ModelSpec
    network : torch.nn.Module
    file : Path
    """

    def __init__(self, spec: ModelSpec, network: nn.Module, file: Path) -> None:
        super().__init__(spec, network)
        self._digest = file_digest(file)

    def fingerprint(self) -> dict[str, str]:
        """Content hashes of the specification, of the weights, and of the file with the program."""
        return super().fingerprint() | {"file": self._digest}


def open_model(name: str, options: TorchOptions) -> TorchFileModel:
    """Open a TorchScript file; it is run once on an empty sequence, to see what it gives.

    Parameters
    ----------
    name : str
        The model's name in the study.
    options : TorchOptions

    Returns
    -------
    TorchFileModel

    Raises
    ------
    GexvizError
        For a file that can't be used, or a network that doesn't give one number a sequence.
    """
    spec = ModelSpec(
        name=name,
        family="torch",
        input="sequence",
        scale=options.scale,
        haplotypes=options.haplotypes,
        window=options.window,
        anchor=options.anchor,
        strand=options.strand,
        n_policy=options.n_policy,
        genome=options.genome,
        readout=f"output {list(options.output)}" if options.output else "its one output",
        licence=options.licence,
        citation=options.citation,
        verified="the user's own network, run as given",
    )
    network = OneOutput(load_script(options.file), options.output)
    _try_out(network.eval(), options)
    return TorchFileModel(spec, network, options.file)


def _try_out(network: OneOutput, options: TorchOptions) -> None:
    try:
        with torch.inference_mode():
            outputs = network.network(torch.zeros(2, 4, options.window))
            shape = tuple(outputs.shape) if isinstance(outputs, torch.Tensor) else type(outputs).__name__
            found = network(torch.zeros(2, 4, options.window)) if isinstance(outputs, torch.Tensor) else None
    except (RuntimeError, IndexError) as error:
        raise GexvizError(
            f"the network can't be run on {options.window:,} bp: {str(error).strip().splitlines()[-1]}",
            file=options.file,
            expected=f"a network from float32 (batch, 4, {options.window}), rows A C G T; `output` among its outputs",
            remedy="see that `window` is the length it was trained on, and `output` an index that it has",
        ) from None
    if found is None or tuple(found.shape) != (2,):
        raise GexvizError(
            f"the network gives {shape} for 2 sequences",
            file=options.file,
            expected="one number a sequence",
            remedy="name it by its indices after the batch, as output = [5110], or end the network with a readout",
        )
