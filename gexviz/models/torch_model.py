"""Any torch network from one-hot sequence to one number, as a model of a study."""

from __future__ import annotations

import copy
import hashlib
import threading
from typing import Self

import numpy as np
import torch

from gexviz.errors import GexvizError
from gexviz.models.base import GeneLocus, ModelSpec
from gexviz.models.network_digest import network_digest
from gexviz.models.precision import Precision, half_type, with_half_trunk
from gexviz.models.torch_memory import LONG_WINDOW, free_for, memory_need


class TorchSequenceModel:
    """Wraps a network so that a study can predict with it, and later look inside it.

    Parameters
    ----------
    spec : ModelSpec
        With ``input="sequence"`` and a window; it says how sequences have to be laid and what the numbers mean.
    network : torch.nn.Module
        From float32 (batch, 4, window), rows A C G T, to (batch,). It is put in eval mode, its parameters frozen.
    batch_size : int
        Sequences a forward.
    device : str
        Where torch runs it.
    precision : {"full", "mixed"}
        Of predictions; ``mixed`` runs the network's layers called ``trunk`` in half precision. :meth:`network` and
        :meth:`in_full_precision` are float32.

    Notes
    -----
    Forwards from several threads take turns: networks that keep state between layers, or carry hooks of an attribution
    method, stay right.
    """

    def __init__(
        self,
        spec: ModelSpec,
        network: torch.nn.Module,
        *,
        batch_size: int = 64,
        device: str = "cpu",
        precision: Precision = "full",
    ) -> None:
        if spec.input != "sequence" or spec.window is None:
            raise ValueError(f"the spec of {spec.name} needs input='sequence' and a window")
        self.spec = spec
        self._network = network.to(device).eval().requires_grad_(False)
        self._run = self._network if precision == "full" else with_half_trunk(self._network, device)
        self._batch_size = batch_size
        self._device = device
        self._turn = threading.Lock()

    def network(self) -> torch.nn.Module:
        """The network itself, in eval mode, from (batch, 4, window) to (batch,)."""
        return self._network

    def in_full_precision(self) -> Self:
        """The same model, predicting in float32."""
        if self._run is self._network:
            return self
        full = copy.copy(self)
        full._run = self._network
        return full

    def unavailable(self, gene: GeneLocus) -> str | None:
        """Say why a gene can't be served: never, a sequence is all that the network needs."""
        return None

    def fingerprint(self) -> dict[str, str]:
        """Content hash of the specification, of the layers with every parameter and buffer, and of half precision."""
        hashes = {
            "spec": hashlib.sha256(repr(self.spec).encode()).hexdigest(),
            "network": network_digest(self._network),
        }
        if self.spec.variants != "all":
            hashes["variants"] = hashlib.sha256(self.spec.variants.encode()).hexdigest()
        if self._run is not self._network:
            hashes["precision"] = hashlib.sha256(str(half_type(self._device)).encode()).hexdigest()
        return hashes

    def predict_sequences(self, onehot: np.ndarray) -> np.ndarray:
        """Predict from one-hot sequence.

        Parameters
        ----------
        onehot : ndarray, float32 (batch, 4, window)

        Returns
        -------
        ndarray, float32 (batch,)
            On the specification's scale.

        Raises
        ------
        GexvizError
            Where the network gives another shape than (batch,), or something that is not a number; and, for windows of
            20,000 bp or more, where one sequence would take more memory than there is.
        ValueError
            For an array of another shape.
        """
        expected = (4, self.spec.window)
        if onehot.ndim != 3 or onehot.shape[1:] != expected:
            raise ValueError(f"{self.spec.name} takes (batch, 4, {self.spec.window}), not {onehot.shape}")
        size = self._batch_size if self.spec.window is None or self.spec.window < LONG_WINDOW else self._fitting_batch()
        parts = [self._forward(onehot[i : i + size]) for i in range(0, len(onehot), size)]
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.float32)

    def _fitting_batch(self) -> int:
        """Sequences a forward that fit into the memory there is now."""
        assert self.spec.window is not None
        need, free = memory_need(self._network, self.spec.window), free_for(self._network)
        if need is None:
            return self._batch_size
        if need.forward > free:
            raise GexvizError(
                f"{self.spec.name} would take about {need.forward / 1e9:.1f} GB for one sequence of "
                f"{self.spec.window:,} bp; {free / 1e9:.1f} GB can be used",
                expected="memory for one forward pass",
                remedy="close other programs, use a machine or a GPU with more memory, or compute the predictions "
                'elsewhere and read them with family = "table"',
            )
        return max(1, min(self._batch_size, free // (2 * max(1, need.forward))))

    def _forward(self, batch: np.ndarray) -> np.ndarray:
        """One batch through the network, checked."""
        with self._turn, torch.inference_mode():
            sequences = torch.tensor(batch, dtype=torch.float32, device=self._device)
            values = self._run(sequences).cpu().numpy()
        if values.shape != (len(batch),):
            raise GexvizError(
                f"the network of {self.spec.name} gave {values.shape} for {len(batch)} sequences",
                expected=f"one number a sequence, ({len(batch)},)",
                remedy="end the network with a readout; torch.nn.Flatten(0) makes (batch, 1) into (batch,)",
            )
        if not np.isfinite(values).all():
            count = np.count_nonzero(~np.isfinite(values))
            raise GexvizError(
                f"the network of {self.spec.name} gave {count} values that are not finite",
                expected="finite numbers",
                remedy="look at the weights for NaN, and at the layers for a logarithm or division of zero",
            )
        return values.astype(np.float32, copy=False)
