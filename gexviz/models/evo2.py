"""The ``evo2`` family: embeddings of Evo 2 (Brixi et al. 2025), made by its own package on a GPU, with a head.

Nothing of it was run by gexviz's authors: it needs a GPU and kernels that are built for it.
"""

from __future__ import annotations

import hashlib
import importlib
import threading
from importlib import metadata
from typing import Any

import numpy as np
import torch

from gexviz.errors import GexvizError
from gexviz.models.language.bases import MeanOfBases, MeansOfSegments
from gexviz.models.language.model import LanguageModel, with_head
from gexviz.models.language.opening import language_spec
from gexviz.models.language.tokens import codes_of
from gexviz.models.options import Evo2Options

_LETTERS = np.frombuffer(b"ACGTN", np.uint8)
_ELSEWHERE = 'compute predictions with it where there is one, and read them with family = "table"'


class Evo2Embedder:
    """Makes embeddings with the ``evo2`` package.

    Parameters
    ----------
    options : Evo2Options

    Raises
    ------
    GexvizError
        Without a GPU or the package, or for a checkpoint or a layer that it doesn't know.

    Notes
    -----
    Weights are what the package finds under the checkpoint's name, in its own cache or at their home: it unpickles
    them, so that files from elsewhere can't be named.
    """

    def __init__(self, options: Evo2Options) -> None:
        self._device = _gpu()
        try:
            package = importlib.import_module("evo2")
            self._version = metadata.version("evo2")
        except ImportError as error:
            raise GexvizError(
                f"the package evo2 is needed to open this model: {error}",
                expected="evo2 with its kernels for this GPU",
                remedy=f"pip install evo2, as https://github.com/ArcInstitute/evo2 says; or {_ELSEWHERE}",
            ) from None
        self._options = options
        self._turn = threading.Lock()
        try:
            self._model = package.Evo2(options.checkpoint)
            self._model.model.get_submodule(options.layer)
        except (ValueError, AttributeError, OSError, RuntimeError) as error:
            raise GexvizError(
                f"the package evo2 can't open it: {error}",
                place=f"checkpoint {options.checkpoint}, layer {options.layer}",
                expected="a checkpoint that the package names, and one of its layers, as blocks.28.mlp.l3",
                remedy="look for both in the package's own documentation",
            ) from None

    def embed(self, onehot: np.ndarray, anchor: int, segments: int | None = None) -> np.ndarray:
        """Embed sequences, (batch, 4, length) -> float32 (batch, dim) or (batch, segments, dim)."""
        letters = _LETTERS[codes_of(onehot)]
        pool = MeanOfBases(range(onehot.shape[2])) if segments is None else MeansOfSegments(segments)
        size = self._options.batch
        with self._turn, torch.inference_mode():
            parts = [pool(self._layer(letters[i : i + size])) for i in range(0, len(letters), size)]
        embedded: np.ndarray = torch.cat(parts).cpu().numpy()
        return embedded

    @property
    def digest(self) -> str:
        """Hash of the names of what makes an embedding: package, checkpoint, layer."""
        told = ("evo2", self._version, self._options.checkpoint, self._options.layer)
        return hashlib.sha256(repr(told).encode()).hexdigest()

    def _layer(self, letters: np.ndarray) -> torch.Tensor:
        """What a layer gives for each base, float32 (batch, dim, length)."""
        layer = self._options.layer
        tokens = [self._model.tokenizer.tokenize(row.tobytes().decode()) for row in letters]
        ids = torch.tensor(np.array(tokens), dtype=torch.int, device=self._device)
        values: dict[str, Any] = self._model(ids, return_embeddings=True, layer_names=[layer])[1]
        made: torch.Tensor = values[layer].float().transpose(1, 2)
        return made


def open_model(name: str, options: Evo2Options) -> LanguageModel:
    """Open a checkpoint.

    Parameters
    ----------
    name : str
        Its name in the study.
    options : Evo2Options

    Returns
    -------
    LanguageModel
    """
    embedder = Evo2Embedder(options)
    spec = language_spec(
        name,
        options,
        over="all bases, each of which knows those before it",
        layer=options.layer,
        family="evo2",
        citation="Brixi et al. 2025, bioRxiv 2025.02.18.638918",
        verified="not run: how gexviz calls the package was tested with a stand-in for it",
    )
    return with_head(spec, embedder, options.head, options.out_of_fold)


def _gpu() -> str:
    if not torch.cuda.is_available():
        raise GexvizError(
            "Evo 2 runs on a GPU, and torch finds none", expected="a GPU and a torch with CUDA", remedy=_ELSEWHERE
        )
    return "cuda"
