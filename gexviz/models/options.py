"""The options of each built-in family: the keys of ``[models.NAME]`` in ``study.toml``, beside ``family``.

A family's module has one function, ``open_model(name, options) -> Model``; the paths in its options are absolute by
then and their files exist (:mod:`gexviz.models.registry` sees to both).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gexviz.models.checkpoint_index import ENDING

Strand = Literal["none", "rc_mean", "gene_strand"]


class ModelOptions(BaseModel):
    """What every family's options are made from: unknown keys are refused, values don't change.

    Fields of type ``Path`` are files; relative ones start from the folder of the study's TOML.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    def files(self) -> list[Path]:
        """Files that the model is read from: those that are named, and what their family reads beside them."""
        named = [value for _, value in self if isinstance(value, Path)]
        parts = [part for path in named if path.name.endswith(ENDING) for part in path.parent.glob("*-of-*")]
        return [*named, *sorted(parts)]


class PredictDBOptions(ModelOptions):
    """``predictdb``: variant weights in a PredictDB SQLite file.

    Attributes
    ----------
    weights : Path
        The ``.db`` file, with its tables ``weights`` and ``extra``.
    out_of_fold : Path, optional
        Each person's prediction from the fold they were left out of, as ``gexviz train linear`` writes it.
    window : int
        bp on each side of the TSS whose variants may have weights.
    """

    weights: Path
    out_of_fold: Path | None = None
    window: int = Field(1_000_000, ge=1, le=100_000_000)


class FusionOptions(ModelOptions):
    """``fusion``: FUSION's ``.wgt.RDat`` files, listed in a ``.pos`` file.

    Attributes
    ----------
    weights : Path
        The ``.pos`` file; the files that it names are in its folder.
    model : {"best", "top1", "blup", "bslmm", "lasso", "enet"}
        ``best``: of each gene, the one with the least cross-validated p.
    genome : str, optional
        Build of the weights' positions; if given, variants are found by position, else by their ids alone.
    window : int
        bp on each side of the gene whose variants may have weights.
    """

    weights: Path
    model: Literal["best", "top1", "blup", "bslmm", "lasso", "enet"] = "best"
    genome: str | None = None
    window: int = Field(1_000_000, ge=1, le=100_000_000)


class XpressoOptions(ModelOptions):
    """``xpresso``: a published Keras checkpoint of Xpresso.

    Attributes
    ----------
    checkpoint : Path
        The ``.h5`` file.
    half_life : Path, optional
        TSV: gene, then the six standardised features of its mRNA in the checkpoint's order. Zeros if not given.
    """

    checkpoint: Path
    half_life: Path | None = None


class LongModelOptions(ModelOptions):
    """What families with a long window share.

    Attributes
    ----------
    weights : Path
        The checkpoint: of ``torch.save`` (``.bin``, ``.pt``, ``.ckpt``) or safetensors.
    config : Path, optional
        ``config.json`` of the weights; that of the published network if not given. Of fine-tuned ones, that of the
        network they started from.
    device : {"auto", "cpu", "cuda"}
        Where it is run; ``auto`` takes a GPU where torch finds one.
    """

    weights: Path
    config: Path | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"


class PrecisionOptions(ModelOptions):
    """What families share whose networks can predict in half precision.

    Attributes
    ----------
    precision : {"full", "mixed"}
        ``mixed``: predictions on the reference, which compare genes, in bfloat16 (float16 on GPUs without it), but for
        the readout. People and single sequences are computed in full precision always: they differ by less than half
        precision rounds.
    """

    precision: Literal["full", "mixed"] = "full"


class EnformerOptions(LongModelOptions, PrecisionOptions):
    """``enformer``: Enformer as enformer-pytorch saves it.

    Attributes
    ----------
    tracks : tuple of int or str
        Indices into the head's tracks (0-based), or their identifiers or descriptions in `targets`; averaged.
    targets : Path, optional
        The published table of tracks, tab-separated, with columns ``identifier`` and ``description``.
    head : str
    bins : int
        Of 128 bp, around the TSS.
    over_bins : {"sum", "mean"}
    window : int
        bp.
    gamma : {"auto", "tensorflow", "pytorch"}
        Version of the relative positions: ``tensorflow`` is the published network's, ``pytorch`` that of networks
        trained with enformer-pytorch. ``auto``: the former for a network of the published size on the published
        window, else as the configuration says.
    strand : {"none", "rc_mean", "gene_strand"}
        ``none``: the reference's forward strand. ``rc_mean``: the mean of both. ``gene_strand``: the gene's.
    """

    tracks: tuple[int | str, ...] = Field(min_length=1)
    targets: Path | None = None
    head: str = "human"
    bins: int = Field(3, ge=1)
    over_bins: Literal["sum", "mean"] = "sum"
    window: int = Field(196_608, ge=256)
    gamma: Literal["auto", "tensorflow", "pytorch"] = "auto"
    strand: Strand = "none"


class VariformerOptions(LongModelOptions, PrecisionOptions):
    """``variformer``: an Enformer fine-tuned on personal genomes, one-hots of both haplotypes averaged.

    Attributes
    ----------
    tissue : int
        Index of the output, of a checkpoint with several (0-based).
    window : int
        bp.
    strand : {"none", "rc_mean", "gene_strand"}
    """

    tissue: int = Field(0, ge=0)
    window: int = Field(49_152, ge=256)
    strand: Strand = "none"


class RastogiOptions(LongModelOptions, PrecisionOptions):
    """``rastogi``: an Enformer fine-tuned on personal genomes, each haplotype on its own.

    Attributes
    ----------
    window : int
        bp.
    bins : int
        Of 128 bp in the middle, pooled by attention.
    strand : {"none", "rc_mean", "gene_strand"}
    """

    window: int = Field(49_152, ge=256)
    bins: int = Field(10, ge=1)
    strand: Strand = "rc_mean"


class BorzoiOptions(LongModelOptions, PrecisionOptions):
    """``borzoi``: Borzoi as borzoi-pytorch saves it, RNA-seq coverage summed over a gene's exons.

    Attributes
    ----------
    targets : Path
        The published table of tracks; with how each was scaled and squashed.
    tracks : tuple of int or str
        Indices into it (0-based), or identifiers or descriptions, of the gene's own strand; averaged.
    replicate_2, replicate_3, replicate_4 : Path, optional
        Weights of further replicates; coverage is averaged.
    both_strands : bool
        Whether the coverage is the mean of that of both strands' sequences.
    window : int
        bp.
    """

    targets: Path
    tracks: tuple[int | str, ...] = Field(min_length=1)
    replicate_2: Path | None = None
    replicate_3: Path | None = None
    replicate_4: Path | None = None
    both_strands: bool = True
    window: int = Field(524_288, ge=256)


class Basenji2Options(PrecisionOptions):
    """``basenji2``: a Keras checkpoint of Basenji2.

    Attributes
    ----------
    checkpoint : Path
        ``model_human.h5``.
    tracks : tuple of int or str
        Indices into the network's tracks (0-based), or their identifiers or descriptions in `targets`; averaged.
    params : Path, optional
        Basenji's JSON of the network's layers; those of the published one if not given.
    targets : Path, optional
        The published table of tracks.
    bins : int
        Around the TSS; averaged.
    strand : {"none", "rc_mean", "gene_strand"}
    shifts : tuple of int
        bp by which the sequence is moved; predictions are averaged.
    device : {"auto", "cpu", "cuda"}
    """

    checkpoint: Path
    tracks: tuple[int | str, ...] = Field(min_length=1)
    params: Path | None = None
    targets: Path | None = None
    bins: int = Field(10, ge=1)
    strand: Strand = "rc_mean"
    shifts: tuple[Annotated[int, Field(ge=-100, le=100)], ...] = Field((1, 0, -1), min_length=1, max_length=50)
    device: Literal["auto", "cpu", "cuda"] = "auto"


class ExpectoOptions(ModelOptions):
    """``expecto``: Beluga and a linear head.

    Attributes
    ----------
    beluga : Path
        ``deepsea.beluga.pth``.
    head : Path
        XGBoost's ``.save`` of a tissue, or the ``.safetensors`` that ``gexviz models convert-expecto`` makes of it.
    tissue : str
        What the head was trained on; by default its file's name.
    """

    beluga: Path
    head: Path
    tissue: str = ""


class AlphaGenomeOptions(ModelOptions):
    """``alphagenome``: AlphaGenome, as its service predicts it, or with weights that are here.

    Attributes
    ----------
    weights : Path, optional
        Of alphagenome-pytorch, with the heads of the published network. If given, nothing is sent.
    targets : Path, optional
        With weights: tab-separated, a row a track of the head, in its order; columns ``name``, ``strand``,
        ``ontology_curie``, ``nonzero_mean``.
    config : Path, optional
        With weights: JSON of the network's sizes; those of the published one if not given.
    device : {"auto", "cpu", "cuda"}
        Where weights are run.
    ontology : str
        Cell type or tissue, as ``EFO:0002784`` (GM12878) or ``UBERON:0009835``.
    output : {"rna_seq", "cage", "procap"}
        ``rna_seq``: mean coverage over the gene's exons. The others: coverage around its TSS.
    tracks : tuple of str
        Names of tracks of that term; all are averaged if none are named.
    window : {131072, 16384, 524288, 1048576}
        bp, the TSS in the middle: the lengths that the service reads.
    version : {"ALL_FOLDS", "FOLD_0", "FOLD_1", "FOLD_2", "FOLD_3"}
        Of the service's model.
    address : str
        Host and port of the service.
    per_minute, at_once : int
        Requests that may begin in a minute, and that may wait for their answers at a time.
    """

    ontology: str = Field(pattern=r"^(CL|CLO|EFO|NTR|UBERON):[0-9]{1,18}$")
    output: Literal["rna_seq", "cage", "procap"] = "rna_seq"
    tracks: tuple[str, ...] = ()
    window: Literal[131_072, 16_384, 524_288, 1_048_576] = 131_072
    version: Literal["ALL_FOLDS", "FOLD_0", "FOLD_1", "FOLD_2", "FOLD_3"] = "ALL_FOLDS"
    address: str = Field("gdmscience.googleapis.com:443", pattern=r"^[A-Za-z0-9.-]+:[0-9]{1,5}$")
    per_minute: int = Field(60, ge=1, le=60_000)
    at_once: int = Field(4, ge=1, le=32)
    weights: Path | None = None
    targets: Path | None = None
    config: Path | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"

    @model_validator(mode="after")
    def _with_its_tracks(self) -> Self:
        if (self.weights is None) != (self.targets is None) or (self.weights is None and self.config is not None):
            raise ValueError("weights need targets, and targets and config belong to weights")
        return self


class LanguageModelOptions(LongModelOptions):
    """What genomic language models share.

    Attributes
    ----------
    config, vocabulary : Path, optional
        ``config.json`` and ``vocab.txt`` (or ``tokenizer.json``) of the weights; those beside them if not given.
    head : Path, optional
        As ``gexviz train head`` writes it; without one the model makes embeddings, but no predictions.
    out_of_fold : Path, optional
        Predictions of a head that was trained across people; those beside it if not given.
    pool : {"mean", "centre"}
        Tokens whose embeddings are averaged: all, or those over the TSS.
    window : int
        bp, the TSS in the middle.
    batch : int
        Sequences a forward.
    """

    window: int
    strand: Literal["none", "rc_mean", "gene_strand"] = "gene_strand"
    vocabulary: Path | None = None
    head: Path | None = None
    out_of_fold: Path | None = None
    pool: Literal["mean", "centre"] = "mean"
    batch: int = Field(8, ge=1, le=1_000)

    def files(self) -> list[Path]:
        """See :class:`ModelOptions`; those of the checkpoint's folder, whether they are there or not."""
        names = ("config.json", "vocab.txt", "tokenizer.json")
        return [*super().files(), *(self.weights.with_name(name) for name in names)]


class DnabertOptions(LanguageModelOptions):
    """``dnabert``: DNABERT as transformers saves it.

    Attributes
    ----------
    window : int
        bp, the TSS in the middle. The published networks read 510 k-mers.
    """

    window: int = Field(512, ge=1, le=100_000)


class Dnabert2Options(LanguageModelOptions):
    """``dnabert2``: DNABERT-2 as its authors saved it; the vocabulary is ``tokenizer.json``.

    Attributes
    ----------
    window : int
        bp, the TSS in the middle. Any number of tokens is read; memory grows with its square.
    """

    window: int = Field(2_000, ge=1, le=100_000)


class GenaLmOptions(LanguageModelOptions):
    """``gena_lm``: GENA-LM with full attention, as its authors saved it; the vocabulary is ``tokenizer.json``.

    Attributes
    ----------
    window : int
        bp, the TSS in the middle. The published networks read 512 tokens, some 4,500 bp; what is behind is left out.
    """

    window: int = Field(3_000, ge=1, le=100_000)


class GpnOptions(LanguageModelOptions):
    """``gpn``: GPN as its authors' package saves it; the vocabulary is ``tokenizer.json``.

    Attributes
    ----------
    window : int
        bp, the TSS in the middle.
    centre : int
        bp in the middle whose embeddings are averaged, with ``pool = "centre"``.
    """

    strand: Literal["none", "rc_mean", "gene_strand"] = "rc_mean"
    pool: Literal["mean", "centre"] = "centre"
    window: int = Field(512, ge=2, le=1_000_000)
    centre: int = Field(100, ge=2)

    @model_validator(mode="after")
    def _inside(self) -> Self:
        if self.centre > self.window or self.centre % 2:
            raise ValueError(f"centre {self.centre} is odd, or more than the window of {self.window}")
        return self


class HyenadnaOptions(LanguageModelOptions):
    """``hyenadna``: HyenaDNA in the layout of ``hyenadna-*-hf``; its letters are the same in every checkpoint.

    Attributes
    ----------
    window : int
        bp, the TSS in the middle; as many as the checkpoint was made for, or less.
    """

    window: int = Field(ge=2, le=10_000_000)
    vocabulary: None = None
    pool: Literal["mean"] = "mean"
    batch: int = Field(1, ge=1, le=1_000)


class CaduceusOptions(LanguageModelOptions):
    """``caduceus``: Caduceus, ``-ph`` or ``-ps``, as its authors save it; its letters are the same in every checkpoint.

    Attributes
    ----------
    window : int
        bp, an even number, the TSS in the middle.
    centre : int
        bp in the middle whose embeddings are averaged, with ``pool = "centre"``.
    strand : {"none", "rc_mean", "gene_strand"}
        Networks of the kind ``-ps`` read both strands themselves; only ``gene_strand`` changes anything of theirs.
    """

    strand: Literal["none", "rc_mean", "gene_strand"] = "rc_mean"
    window: int = Field(131_072, ge=2, le=10_000_000, multiple_of=2)
    centre: int = Field(128, ge=2, multiple_of=2)
    vocabulary: None = None
    batch: int = Field(1, ge=1, le=1_000)

    @property
    def positions(self) -> range:
        """Bases whose embeddings are averaged."""
        if self.pool == "mean":
            return range(self.window)
        return range((self.window - self.centre) // 2, (self.window + self.centre) // 2)

    @model_validator(mode="after")
    def _inside(self) -> Self:
        if self.pool == "centre" and self.centre > self.window:
            raise ValueError(f"centre {self.centre} is more than the window of {self.window}")
        return self


class Evo2Options(ModelOptions):
    """``evo2``: embeddings made by the package ``evo2``, on a GPU.

    Attributes
    ----------
    checkpoint : str
        As the package calls it; it finds the weights, and loads them down if it hasn't got them.
    layer : str
        Whose output is averaged over all bases.
    window : int
        bp, the TSS in the middle.
    head, out_of_fold, batch
        As for other language models.
    """

    checkpoint: str = "evo2_7b"
    layer: str = "blocks.28.mlp.l3"
    window: int = Field(8_192, ge=2, le=1_048_576)
    strand: Literal["none", "rc_mean", "gene_strand"] = "gene_strand"
    head: Path | None = None
    out_of_fold: Path | None = None
    batch: int = Field(1, ge=1, le=1_000)


class NucleotideTransformerOptions(LanguageModelOptions):
    """``nucleotide_transformer``: Nucleotide Transformer, version 1 or 2, as it was published.

    Attributes
    ----------
    window : int
        bp, the TSS in the middle. The published networks read 999 tokens of 6 bp, those of version 2 2,047.
    """

    window: int = Field(5_994, ge=6, le=100_000)


class CnnOptions(ModelOptions):
    """``cnn``: gexviz's own small convolutional network.

    Attributes
    ----------
    config : Path
        Its configuration.
    weights : Path
        Its safetensors file.
    """

    config: Path
    weights: Path


class TorchOptions(ModelOptions):
    """``torch``: a user's own network in a TorchScript file.

    Attributes
    ----------
    file : Path
        As ``torch.jit.save`` writes it.
    window, anchor : int
        Input length in bp, and 0-based index of the TSS base in it.
    scale : str
        Unit of the prediction, as people read it on an axis.
    output : tuple of int
        Which output is the prediction: indices after the batch; none for a network with one output.
    strand, haplotypes, n_policy
        See :class:`gexviz.models.base.ModelSpec`.
    genome : str, optional
        The build that it was trained on.
    citation, licence : str
    """

    file: Path
    window: int = Field(ge=1, le=1_048_576)
    anchor: int = Field(ge=0)
    scale: str = Field(min_length=1)
    output: tuple[Annotated[int, Field(ge=0)], ...] = ()
    strand: Literal["none", "rc_mean", "gene_strand"] = "none"
    haplotypes: Literal["output_mean", "output_sum", "input_mean"] = "output_mean"
    n_policy: Literal["zero", "quarter"] = "zero"
    genome: str | None = None
    citation: str = "not stated"
    licence: str = "not stated"

    @model_validator(mode="after")
    def _anchored(self) -> Self:
        if self.anchor >= self.window:
            raise ValueError(f"anchor {self.anchor} is outside the window of {self.window}")
        return self


class TableOptions(ModelOptions):
    """``table``: predictions that were computed elsewhere.

    Attributes
    ----------
    predictions : Path
        TSV (plain or gzipped), CSV, Parquet, HDF5 or AnnData (``.h5ad``).
    scale : str
        Unit of the values, as people read it on an axis; a table can't tell it, so it has to be given.
    layout : {"auto", "wide", "long"}
        Of text and Parquet.
        ``wide``: gene in the first column, a column a sample (or ``SAMPLE|1`` and ``SAMPLE|2``, one a haplotype).
        ``long``: columns ``gene``, ``sample``, ``value``, and ``haplotype`` (1 or 2) for predictions per haplotype.
    haplotypes : {"output_mean", "output_sum"}
        How the values of the two haplotypes of a person make one, where the table is per haplotype.
    genome : str, optional
        The build that the predictions were made on.
    trained_on_cohort : bool
        Whether people of this cohort were in the model's training.
    citation, licence : str
        Of the model that made the predictions.
    """

    predictions: Path
    scale: str = Field(min_length=1)
    layout: Literal["auto", "wide", "long"] = "auto"
    haplotypes: Literal["output_mean", "output_sum"] = "output_mean"
    genome: str | None = None
    trained_on_cohort: bool = False
    citation: str = "not stated"
    licence: str = "not stated"
