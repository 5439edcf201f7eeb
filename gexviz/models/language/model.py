"""A language model with a head, as a model of a study."""

from __future__ import annotations

import copy
import hashlib
import threading
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import pandas as pd
import torch
from torch import nn

from gexviz.errors import GexvizError
from gexviz.models.base import GeneLocus, ModelSpec
from gexviz.models.language.attending import Attended
from gexviz.models.language.head import NO_HEAD, REMEDY, Heads, read_heads
from gexviz.models.language.head_networks import build_head
from gexviz.models.language.memory import MemoryOfTokens
from gexviz.models.language.tokens import Tokenizer, Tokens, codes_of
from gexviz.models.network_digest import network_digest
from gexviz.models.onehot import reverse_complement_one_hot
from gexviz.models.out_of_fold import OutOfFoldFile, check_pair, sidecar_of

Pool = Literal["mean", "centre"]


class MakesEmbeddings(Protocol):
    """Makes one embedding of a sequence, or one of each of its segments."""

    def embed(self, onehot: np.ndarray, anchor: int, segments: int | None = None) -> np.ndarray:
        """Embed sequences, (batch, 4, length) -> float32 (batch, dim); or (batch, segments, dim), 0 without tokens."""
        ...

    @property
    def digest(self) -> str:
        """Hash of everything that an embedding depends on, besides sequence and anchor."""
        ...


class Embedder:
    """Makes one embedding of a sequence, from the embeddings of its tokens.

    Parameters
    ----------
    tokenizer : Tokenizer
    network : torch.nn.Module
        From ids int64 (batch, tokens) and a mask int64 (batch, tokens; 0 for padding) to (batch, tokens, dim). It is
        put in eval mode, its parameters frozen.
    pool : {"mean", "centre"}
        Of which tokens the mean is taken: all that stand for bases, or those over the anchor.
    batch_size : int
        Sequences a forward.
    device : str

    Notes
    -----
    Forwards from several threads take turns.
    """

    def __init__(
        self, tokenizer: Tokenizer, network: nn.Module, *, pool: Pool, batch_size: int, device: str = "cpu"
    ) -> None:
        self.tokenizer = tokenizer
        self.pool = pool
        self._network = network.to(device).eval().requires_grad_(False)
        self._batch_size = batch_size
        self._device = device
        self._turn = threading.Lock()
        self._memory = MemoryOfTokens(self._network)

    def embed(self, onehot: np.ndarray, anchor: int, segments: int | None = None) -> np.ndarray:
        """Embed sequences.

        Parameters
        ----------
        onehot : ndarray (batch, 4, length)
        anchor : int
            0-based index of the TSS base.
        segments : int, optional
            Cut the sequence into as many parts of equal length, whatever `pool` says; a token is of the part that its
            first base is in.

        Returns
        -------
        ndarray, float32 (batch, dim) or (batch, segments, dim)
            Means over tokens; all 0 for a part without any.

        Raises
        ------
        GexvizError
            Where one sequence of many tokens would take more memory than there is, or the network reads no token over
            the TSS.
        """
        size = self._memory.fitting_batch(self.tokenizer(codes_of(onehot[:1])).ids.shape[1], self._batch_size)
        parts = [
            self._pooled(codes_of(onehot[i : i + size]), anchor, segments) for i in range(0, len(onehot), size)
        ]
        means = np.concatenate(parts)
        return means[:, 0] if segments is None else means

    @cached_property
    def digest(self) -> str:
        """Hash of everything that an embedding depends on, besides sequence and anchor."""
        return network_digest(self._network, f"{self.pool} {self.tokenizer.fingerprint()}")

    @property
    def attends(self) -> bool:
        """Whether :meth:`attended` can follow its attention."""
        return hasattr(self._network, "attending")

    def attended(self, onehot: np.ndarray, anchor: int, head: nn.Module, segments: int | None = None) -> Attended:
        """Follow the attention behind a prediction of one sequence, (1, 4, length), by a head on `segments` if any."""
        tokens = self.tokenizer(codes_of(onehot))
        self._memory.check_attention(tokens.ids.shape[1])
        shares = self._shares(tokens, anchor, onehot.shape[2], segments)
        head = head.to(self._device)
        with self._turn, torch.enable_grad():
            hidden, attention = self._network.attending(*self._inputs(tokens))  # type: ignore[operator]
            pooled = torch.from_numpy(shares).to(hidden) @ hidden
            gradient = torch.autograd.grad(head(pooled if segments else pooled[:, 0]).sum(), attention)
            taken = head.shares(pooled) if segments else pooled.new_ones(1, 1)  # type: ignore[operator]
        weighed, slope = (torch.cat(parts).detach().cpu().numpy() for parts in (attention, gradient))
        read = taken[0].detach().cpu().numpy() @ shares[0]
        return Attended(weighed, slope, read / read.sum(), tokens.starts[0], tokens.ends[0])

    def _shares(self, tokens: Tokens, anchor: int, length: int, segments: int | None) -> np.ndarray:
        """Share of each token in each mean, float32 (batch, means, tokens)."""
        over = (tokens.starts <= anchor) & (anchor < tokens.ends)
        if not over.any(axis=1).all():
            raise GexvizError(
                "the tokens over the TSS are beyond what the network can read",
                expected="a shorter window, or one with less N",
                remedy="choose a shorter window",
            )
        if segments is None:
            taken = (tokens.of_bases if self.pool == "mean" else over)[:, None]
        else:
            part = tokens.starts * segments // length  # negative for tokens without bases
            taken = part[:, None] == np.arange(segments)[:, None]
        number = taken.sum(axis=2, keepdims=True)
        return (taken / np.maximum(number, 1)).astype(np.float32)

    def _inputs(self, tokens: Tokens) -> tuple[torch.Tensor, torch.Tensor]:
        """Ids and mask."""
        ids, mask = tokens.ids, (~tokens.padding).astype(np.int64)
        return torch.from_numpy(ids).to(self._device), torch.from_numpy(mask).to(self._device)

    def _pooled(self, codes: np.ndarray, anchor: int, segments: int | None) -> np.ndarray:
        tokens = self.tokenizer(codes)
        shares = self._shares(tokens, anchor, codes.shape[1], segments)
        with self._turn, torch.inference_mode():
            hidden = self._network(*self._inputs(tokens)).float()
            means: np.ndarray = (torch.from_numpy(shares).to(hidden) @ hidden).cpu().numpy()
        return means


class LanguageModel:
    """A language model, and a head if it has one.

    Tokens are not differentiable in the bases, so that it has no gradients; mutagenesis works.

    Parameters
    ----------
    spec : ModelSpec
    embedder : MakesEmbeddings
    heads : Heads, optional
    """

    def __init__(self, spec: ModelSpec, embedder: MakesEmbeddings, heads: Heads | None = None) -> None:
        assert spec.anchor is not None
        self.spec = spec
        self.embedder = embedder
        self.heads = heads
        self._anchor = spec.anchor
        self._strand = spec.strand  # as it is embedded: a head that reads parts in order has another
        self._gene: str = ""

    @property
    def embedding_digest(self) -> str:
        """Hash of everything that an embedding depends on, besides the sequence."""
        told = (self.embedder.digest, self.spec.window, self.spec.anchor, self._strand)
        return hashlib.sha256(repr(told).encode()).hexdigest()

    def unavailable(self, gene: GeneLocus) -> str | None:
        """Say why a gene can't be served: there is no head, or none for this gene."""
        if self.heads is None:
            return NO_HEAD
        return None if self.heads.of(gene.id) is not None else "its head was not trained on this gene"

    def for_gene(self, gene: GeneLocus, exons: Sequence[tuple[int, int]]) -> LanguageModel:
        """Give the model with the head that predicts a gene: one that did not see it, where heads are across genes."""
        bound = copy.copy(self)
        bound._gene = gene.id
        return bound

    def fingerprint(self) -> dict[str, str]:
        """Content hash of the specification, the network with its tokens, and the heads."""
        hashes = {
            "spec": hashlib.sha256(repr(self.spec).encode()).hexdigest(),
            "embedding": self.embedding_digest,
        }
        if self.heads is not None:
            whole = hashlib.sha256(self.heads.about.model_dump_json().encode())
            for _, array in sorted(self.heads.arrays.items()):
                whole.update(np.ascontiguousarray(array).tobytes())
            hashes["head"] = whole.hexdigest()
        return hashes

    def embed(self, onehot: np.ndarray) -> np.ndarray:
        """Embed sequences, (batch, 4, window) -> float32 (batch, dim); for ``rc_mean`` the mean of both strands."""
        embedded: np.ndarray = self.embed_strands(onehot).mean(axis=1)
        return embedded

    def embed_strands(self, onehot: np.ndarray, segments: int | None = None) -> np.ndarray:
        """Embed each strand that predictions are the mean of, and each of `segments` equal parts of it if given.

        Parameters
        ----------
        onehot : ndarray (batch, 4, window)
        segments : int, optional

        Returns
        -------
        ndarray, float32 (batch, strands, dim) or (batch, strands, segments, dim)
        """
        strands = [onehot]
        if self.spec.strand == "rc_mean":
            strands.append(reverse_complement_one_hot(onehot))
        return np.stack([self.embedder.embed(strand, self._anchor, segments) for strand in strands], axis=1)

    def predict_sequences(self, onehot: np.ndarray) -> np.ndarray:
        """Predict from one-hot sequence, on the strand that it is given.

        Parameters
        ----------
        onehot : ndarray (batch, 4, window)

        Returns
        -------
        ndarray, float32 (batch,)

        Raises
        ------
        GexvizError
            Without a head.
        ValueError
            For an array of another shape.
        """
        if onehot.ndim != 3 or onehot.shape[1:] != (4, self.spec.window):
            raise ValueError(f"{self.spec.name} takes (batch, 4, {self.spec.window}), not {onehot.shape}")
        head, heads = self._head, self.heads
        embedded = self.embedder.embed(onehot, self._anchor, self._segments)
        if heads is not None and heads.width != embedded.shape[-1]:
            raise GexvizError(
                f"the head of {self.spec.name} reads embeddings of {heads.width:,} numbers",
                expected=f"{embedded.shape[-1]:,}, as the network gives",
                remedy=REMEDY,
            )
        with torch.inference_mode():
            predicted: np.ndarray = head(torch.from_numpy(embedded)).numpy()
        return predicted

    @property
    def attends(self) -> bool:
        """Whether :meth:`attended` can follow its attention: it is a transformer that gives it."""
        return isinstance(self.embedder, Embedder) and self.embedder.attends

    def attended(self, onehot: np.ndarray) -> Attended:
        """Follow the attention behind a prediction of one sequence, (1, 4, window), on the strand that it is given.

        Raises
        ------
        GexvizError
            Without a head, or for a network without attention.
        """
        if not isinstance(self.embedder, Embedder) or not self.embedder.attends:
            raise GexvizError(f"{self.spec.name} ({self.spec.family}) has no attention", expected="a transformer")
        return self.embedder.attended(onehot, self._anchor, self._head, self._segments)

    @property
    def _segments(self) -> int | None:
        """Parts of the window that the head reads apart."""
        return None if self.heads is None else self.heads.about.segments

    @property
    def _head(self) -> nn.Module:
        head = None if self.heads is None else self.heads.of(self._gene)
        if self.heads is None or head is None:
            raise GexvizError(
                f"{self.spec.name} has no head for {self._gene or 'genes at large'}",
                expected="a head that was trained on its embeddings",
                remedy=f"gexviz train head STUDY --model {self.spec.name} --out {self.spec.name}.safetensors",
            )
        return build_head(self.heads.about.kind, head)


class TrainedLanguageModel(LanguageModel):
    """With heads that were trained on this cohort's people, and everybody's out-of-fold predictions.

    Parameters
    ----------
    spec, embedder, heads
        As for :class:`LanguageModel`.
    left_out : OutOfFoldFile
    """

    def __init__(self, spec: ModelSpec, embedder: MakesEmbeddings, heads: Heads, left_out: OutOfFoldFile) -> None:
        super().__init__(spec, embedder, heads)
        self.left_out = left_out

    def fingerprint(self) -> dict[str, str]:
        """Content hashes, that of the out-of-fold predictions too."""
        return super().fingerprint() | {"out_of_fold": self.left_out.digest}

    def out_of_fold(self, gene: GeneLocus) -> pd.Series | None:
        """Out-of-fold predictions by sample, or None for a gene that wasn't trained."""
        return self.left_out.of(gene)


Kinds = tuple[type[LanguageModel], type[TrainedLanguageModel]]


def with_head(
    spec: ModelSpec,
    embedder: MakesEmbeddings,
    head: Path | None,
    left_out: Path | None,
    kinds: Kinds = (LanguageModel, TrainedLanguageModel),
) -> LanguageModel:
    """Put a head on a language model.

    Parameters
    ----------
    spec : ModelSpec
        Of the language model alone.
    embedder : MakesEmbeddings
    head : Path, optional
        As ``gexviz train head`` writes it.
    left_out : Path, optional
        Its out-of-fold predictions, if it was trained across people; those beside the head if not given.
    kinds : tuple of two types
        Without and with out-of-fold predictions.

    Returns
    -------
    LanguageModel
        Of the second kind, if the head was trained across people.

    Raises
    ------
    GexvizError
        For a file of another kind, or a head that was trained on embeddings of something else.
    """
    across_genes, across_people = kinds
    plain = across_genes(spec, embedder)
    if head is None:
        return plain
    heads = read_heads(head)
    if heads.about.embedding != plain.embedding_digest:
        raise GexvizError(
            "the head was trained on other embeddings than this model makes",
            file=head,
            expected="the weights, vocabulary, window, strand and pool that it was trained with",
            remedy=REMEDY,
        )
    across, segments = heads.about.across, heads.about.segments
    read = f"means of the last layer over {segments} equal parts of the window" if segments else spec.readout
    in_order = segments and spec.strand == "equivariant"  # parts of the window come the other way round
    if across == "genes":
        model = across_genes(spec, embedder, heads)
    else:
        left_out = left_out or sidecar_of(head)
        check_pair(head, left_out, remedy=REMEDY)
        model = across_people(spec, embedder, heads, OutOfFoldFile(left_out, remedy=REMEDY))
    model.spec = replace(
        spec,
        strand="none" if in_order else spec.strand,
        scale=heads.about.scale,
        readout=f"{heads.about.method}, on {read}",
        trained_on_cohort=across == "people",
    )
    return model
