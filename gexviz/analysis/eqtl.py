"""Marginal cis-eQTLs: every variant near a gene's TSS against its expression, one at a time.

Expression and dosage are both residualised on the intercept and the covariates; the regression of one residual on the
other has the slope, standard error and t of ordinary least squares with the covariates in the model (Frisch, Waugh and
Lovell), with ``n - 2 - rank of the covariates`` degrees of freedom. Missing genotypes become the variant's mean among
the people of the test, before anything is residualised, as in FastQTL (Ongen et al. 2016) and tensorQTL
(Taylor-Weiner et al. 2019).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from gexviz.analysis.eqtl_covariates import Covariates, span
from gexviz.analysis.eqtl_settings import EqtlSettings
from gexviz.cohort.genotypes import NO_COPY, GenotypeBlock
from gexviz.errors import GexvizError
from gexviz.lazy import lazy
from gexviz.tasks import Progress

special = lazy("scipy.special")

SCHEMA = 1
"""Raised when the numbers would come out differently for the same inputs."""

EXPLAINED = 1e-10  # part of a spread that the covariates leave, below which the rest is rounding error
STRETCH = 4_000_000  # bp of TSSs whose variants are read and residualised together

TESTED, UNCALLED, MONOMORPHIC, RARE, COLLINEAR = range(5)
_FATES = {"monomorphic": MONOMORPHIC, "rare": RARE, "uncalled": UNCALLED, "collinear": COLLINEAR}
_ABOUT = ["variant", "position", "ref", "alt", "maf", "alt_count", "missing"]
COLUMNS = ["gene", "variant", "position", "ref", "alt", "distance", "n", "maf", "alt_count", "missing"]
COLUMNS += ["slope", "se", "t", "df", "p", "ld_lead"]


class Dosages(NamedTuple):
    """Variants of a region and everybody's copies of ALT.

    Attributes
    ----------
    variants : DataFrame
        ``variant`` (contig:pos:ref:alt, 1-based), ``position`` (0-based), ``ref``, ``alt``.
    values : ndarray, float32, shape (n_variants, n_samples)
        Copies of ALT; NaN where a call is missing.
    copies : ndarray, int8, shape (n_variants, n_samples), or None
        Copies of the site that a person has: 2, or 1 for a haploid call. None where all have 2.
    """

    variants: pd.DataFrame
    values: np.ndarray
    copies: np.ndarray | None = None


Reader = Callable[[str, int, int], Dosages]
"""Gives a region's dosages (contig, start, end; 0-based half-open), people in the order of the expression's columns."""


def dosages_of(block: GenotypeBlock) -> Dosages:
    """Dosages of calls, and who is haploid.

    Parameters
    ----------
    block : GenotypeBlock

    Returns
    -------
    Dosages
        One row a plain ALT allele.
    """
    variants, values = block.dosages()
    absent = block.alleles == NO_COPY
    if not absent.any():
        return Dosages(variants, values)
    rows = np.repeat(np.arange(len(block.records)), [sum(plain) for plain in block.usable()])
    return Dosages(variants, values, (2 - absent.sum(axis=2, dtype=np.int8))[rows])


class GeneTest(NamedTuple):
    """One gene's expression and variants, ready to be tested.

    Attributes
    ----------
    gene : str
    people : Index
        With expression, n of them.
    covariates : Covariates
        Of these people.
    expression : ndarray, shape (n,)
        Residual expression.
    variants : DataFrame
        The variants to test: ``variant``, ``position``, ``ref``, ``alt``, ``maf``, ``alt_count``, ``missing``.
    distance : ndarray of int, shape (n_variants,)
        bp to the TSS, downstream positive.
    filled : ndarray, shape (n_variants, n)
        Dosages, missing ones filled by the mean.
    residual : ndarray, shape (n_variants, n)
        The same, residualised.
    counts : dict
        ``in_window``, ``tested``, and why others are not: ``monomorphic`` (one dosage in everybody called), ``rare``
        (frequency or count), ``uncalled`` (nobody called), ``collinear`` (the covariates explain the dosage).
    reason : str
        Why the gene can't be tested; empty if it can.
    """

    gene: str
    people: pd.Index
    covariates: Covariates | None
    expression: np.ndarray
    variants: pd.DataFrame
    distance: np.ndarray
    filled: np.ndarray
    residual: np.ndarray
    counts: dict[str, int]
    reason: str

    @property
    def df(self) -> int:
        """Degrees of freedom of a variant's test."""
        return 0 if self.covariates is None else self.covariates.df


class Association(NamedTuple):
    """Slopes and their tests, each of shape (n_variants,); `r` is the partial correlation."""

    slope: np.ndarray
    se: np.ndarray
    t: np.ndarray
    p: np.ndarray
    r: np.ndarray


class Nominal(NamedTuple):
    """A nominal pass.

    Attributes
    ----------
    table : DataFrame
        One row a gene and tested variant: ``gene``, ``variant`` (contig:pos:ref:alt, 1-based), ``position`` (0-based),
        ``ref``, ``alt``, ``distance`` (bp to the TSS, downstream positive), ``n``, ``maf``, ``alt_count``, ``missing``
        (people without a call), ``slope`` (per ALT allele, on the expression's scale), ``se``, ``t``, ``df``, ``p``
        (two-sided), ``ld_lead`` (r of the dosages with those of the gene's lead variant).
    genes : DataFrame
        Index gene: ``people``, ``df``, ``in_window``, ``tested``, ``monomorphic``, ``rare``, ``uncalled``,
        ``collinear``, ``reason`` (empty if tested).
    dropped : tuple of str
        Covariates that add nothing to the others.
    """

    table: pd.DataFrame
    genes: pd.DataFrame
    dropped: tuple[str, ...]


def nominal(
    expression: pd.DataFrame,
    loci: pd.DataFrame,
    read: Reader,
    covariates: pd.DataFrame | None = None,
    settings: EqtlSettings | None = None,
    *,
    progress: Progress | None = None,
) -> Nominal:
    """Test every variant near every gene.

    Parameters
    ----------
    expression : DataFrame, gene x sample
        Transformed, not adjusted. People with NaN take no part in that gene.
    loci : DataFrame
        Index gene: ``contig``, ``tss`` (0-based), ``strand``. The genes to test.
    read : callable
        See :data:`Reader`.
    covariates : DataFrame, sample x covariate, optional
        Without an intercept.
    settings : EqtlSettings, optional
    progress : callable, optional
        Told after each gene; may raise Cancelled.

    Returns
    -------
    Nominal
        Genes in the order of `loci`.

    Raises
    ------
    GexvizError
        For a gene without expression, infinite expression, or covariates that can't be used
        (see :func:`gexviz.analysis.eqtl_covariates.span`).
    """
    dropped = span(covariates, expression.columns).dropped
    tables, genes = {}, {}
    for test in gene_tests(expression, loci, read, covariates, settings):
        tables[test.gene] = association_table(test)
        genes[test.gene] = {"people": len(test.people), "df": test.df} | test.counts | {"reason": test.reason}
        if progress is not None:
            progress(len(tables), len(loci), test.gene)
    order = list(loci.index)
    filled = [tables[g] for g in order if len(tables[g])] or [tables[g] for g in order[:1]]
    table = pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=COLUMNS)
    columns = ["people", "df", "in_window", "tested", *_FATES, "reason"]
    summary = pd.DataFrame.from_dict(genes, orient="index", columns=columns).reindex(order).rename_axis("gene")
    return Nominal(table, summary, dropped)


def gene_tests(
    expression: pd.DataFrame,
    loci: pd.DataFrame,
    read: Reader,
    covariates: pd.DataFrame | None = None,
    settings: EqtlSettings | None = None,
) -> Iterator[GeneTest]:
    """Make genes ready to be tested, in genome order; neighbours share what is read and residualised.

    Parameters are those of :func:`nominal`.

    Yields
    ------
    GeneTest
    """
    settings = settings or EqtlSettings()
    _check_expression(expression, loci)
    span(covariates, expression.columns)
    for genes in _stretches(loci):
        tss = loci.loc[genes, "tss"]
        begin, end = int(tss.min()) - settings.window, int(tss.max()) + settings.window + 1
        dosages = read(str(loci.at[genes[0], "contig"]), max(begin, 0), end)
        if dosages.values.shape != (len(dosages.variants), expression.shape[1]):
            raise ValueError(f"dosages {dosages.values.shape} for {expression.shape[1]} people")
        values = expression.loc[genes].to_numpy(np.float64)
        patterns, pattern = np.unique(np.isfinite(values), axis=0, return_inverse=True)
        for number, has in enumerate(patterns):
            yield from _tests_of(
                genes[pattern.ravel() == number],
                values[pattern.ravel() == number][:, has],
                loci,
                _Ready.of(dosages, has, covariates, expression.columns[has], settings),
                settings.window,
            )


def _check_expression(expression: pd.DataFrame, loci: pd.DataFrame) -> None:
    without = loci.index.difference(expression.index)
    if len(without):
        raise GexvizError(f"{len(without)} genes have no expression", place=", ".join(map(str, without[:3])))
    infinite = np.argwhere(np.isinf(expression.to_numpy(np.float64)))
    if len(infinite):
        row, column = infinite[0]
        raise GexvizError(
            "expression is infinite",
            place=f"gene {expression.index[row]}, sample {expression.columns[column]}",
            expected="a number, or NA",
        )


def _stretches(loci: pd.DataFrame) -> Iterator[pd.Index]:
    """Genes of a contig whose TSSs are near each other."""
    for _, some in loci.groupby("contig", sort=False):
        tss = some["tss"].sort_values(kind="stable")
        position = tss.to_numpy()
        begin = 0
        while begin < len(tss):
            end = int(np.searchsorted(position, position[begin] + STRETCH, side="right"))
            yield tss.index[begin:end]
            begin = end


class _Ready(NamedTuple):
    """Variants of a stretch for one set of people, by position; or the reason why they can't be tested."""

    people: pd.Index
    covariates: Covariates | None
    position: np.ndarray  # of all variants
    fate: np.ndarray
    variants: pd.DataFrame  # those to test, from here on
    filled: np.ndarray
    residual: np.ndarray
    reason: str

    @classmethod
    def of(
        cls,
        dosages: Dosages,
        has: np.ndarray,
        covariates: pd.DataFrame | None,
        people: pd.Index,
        settings: EqtlSettings,
    ) -> _Ready:
        """Filter, fill and residualise."""
        table = dosages.variants[["variant", "position", "ref", "alt"]]
        order = np.argsort(table["position"].to_numpy(), kind="stable")
        position = table["position"].to_numpy()[order]
        try:
            basis = span(covariates, people)
        except GexvizError as error:
            nothing = np.zeros((0, len(people)))
            fate = np.full(len(order), TESTED)
            none = table.iloc[:0].assign(maf=0.0, alt_count=0, missing=0)
            return cls(people, None, position, fate, none, nothing, nothing, error.problem)
        values = dosages.values[np.ix_(order, has)]
        called = np.isfinite(values)
        alt = np.where(called, values, 0.0).sum(axis=1, dtype=np.float64)
        n_called = called.sum(axis=1)
        copies = 2 * n_called if dosages.copies is None else (dosages.copies[np.ix_(order, has)] * called).sum(axis=1)
        rarer = np.minimum(alt, copies - alt)
        maf = rarer / np.maximum(copies, 1)
        least = np.where(called, values, np.inf).min(axis=1, initial=np.inf)
        most = np.where(called, values, -np.inf).max(axis=1, initial=-np.inf)
        fate = np.full(len(order), TESTED)
        fate[(maf < settings.maf) | (rarer < settings.min_count)] = RARE
        fate[most <= least] = MONOMORPHIC
        fate[n_called == 0] = UNCALLED
        kept = np.flatnonzero(fate == TESTED)
        filled = np.where(called[kept], values[kept], (alt[kept] / n_called[kept])[:, None])
        residual = basis.residual(filled)
        spread, left = np.ptp(filled, axis=1), np.abs(residual).max(axis=1, initial=0.0)
        free = left > EXPLAINED * spread
        fate[kept[~free]] = COLLINEAR
        kept = kept[free]
        counts = {"maf": maf[kept], "alt_count": alt[kept].astype(np.int64), "missing": len(people) - n_called[kept]}
        variants = table.iloc[order[kept]].reset_index(drop=True).assign(**counts)
        return cls(people, basis, position, fate, variants, filled[free], residual[free], "")


def _tests_of(
    genes: pd.Index, expression: np.ndarray, loci: pd.DataFrame, ready: _Ready, window: int
) -> Iterator[GeneTest]:
    residual = np.zeros_like(expression) if ready.covariates is None else ready.covariates.residual(expression)
    tested = ready.variants["position"].to_numpy()
    places = loci.loc[genes, "tss"].to_numpy(np.int64), loci.loc[genes, "strand"]
    for gene, raw, y, tss, strand in zip(genes, expression, residual, *places, strict=True):
        ends = tss - window, tss + window + 1
        near = slice(*np.searchsorted(ready.position, ends))
        rows = slice(*np.searchsorted(tested, ends))
        fate = ready.fate[near]
        counts = {"in_window": len(fate), "tested": rows.stop - rows.start}
        counts |= {name: int((fate == code).sum()) for name, code in _FATES.items()}
        reason = ready.reason or _untestable(raw, y, counts)
        if reason:
            counts["tested"], rows = 0, slice(0, 0)
        yield GeneTest(
            gene=str(gene),
            people=ready.people,
            covariates=ready.covariates,
            expression=y,
            variants=ready.variants.iloc[rows],
            distance=(tested[rows] - tss) * (-1 if strand == "-" else 1),
            filled=ready.filled[rows],
            residual=ready.residual[rows],
            counts=counts,
            reason=reason,
        )


def _untestable(raw: np.ndarray, residual: np.ndarray, counts: dict[str, int]) -> str:
    spread = np.ptp(raw)
    if spread <= EXPLAINED * np.abs(raw).max():
        return "constant expression"
    if np.abs(residual).max() <= EXPLAINED * spread:
        return "the covariates explain the expression entirely"
    if counts["in_window"] == 0:
        return "no variant in the window"
    if counts["tested"] == 0:
        return f"none of the {counts['in_window']} variants in the window can be tested"
    return ""


def associate(test: GeneTest) -> Association:
    """Regress a gene's residual expression on the residual dosage of each of its variants.

    Parameters
    ----------
    test : GeneTest

    Returns
    -------
    Association
        Slopes per ALT allele, on the expression's scale. A perfect fit has se 0, an infinite t and p 0.
    """
    return regress(test.expression, test.residual, test.df)


def regress(y: np.ndarray, x: np.ndarray, df: int) -> Association:
    """Regress residuals on residuals, x one row at a time.

    Parameters
    ----------
    y : ndarray, shape (n,)
        Not all 0 (unless `x` has no rows).
    x : ndarray, shape (rows, n)
        No row all 0.
    df : int
        Degrees of freedom of each test.

    Returns
    -------
    Association
    """
    sxx, sxy, syy = np.einsum("ij,ij->i", x, x), x @ y, y @ y
    slope = sxy / sxx
    rss = np.maximum(syy - slope * sxy, 0.0)
    se = np.sqrt(rss / max(df, 1) / sxx)
    with np.errstate(divide="ignore"):
        t = np.where(se > 0, slope / np.where(se > 0, se, 1.0), np.copysign(np.inf, slope))
    p = special.betainc(df / 2, 0.5, rss / syy) if len(x) else np.zeros(0)
    return Association(slope, se, t, p, np.clip(sxy / np.sqrt(sxx * syy), -1.0, 1.0))


def lead_of(r: np.ndarray, distance: np.ndarray) -> int:
    """Row of the lead variant: the largest |r|; of equal ones (to 1e-9) the one nearest to the TSS."""
    size = np.abs(r)
    best = np.flatnonzero(size >= size.max() * (1 - 1e-9))
    return int(best[np.argmin(np.abs(distance[best]))])


def ld(dosages: np.ndarray, row: int) -> np.ndarray:
    """Correlate each variant's dosages with those of one of them.

    Parameters
    ----------
    dosages : ndarray, shape (n_variants, n_samples)
        Without NaN; each row varies.
    row : int

    Returns
    -------
    ndarray, shape (n_variants,)
        Pearson's r, signed by ALT copies.
    """
    centred = dosages - dosages.mean(axis=1, keepdims=True)
    length = np.sqrt(np.einsum("ij,ij->i", centred, centred))
    return np.clip(centred @ centred[row] / (length * length[row]), -1.0, 1.0)


def association_table(test: GeneTest) -> pd.DataFrame:
    """Make the rows of :attr:`Nominal.table` that belong to one gene; none if it can't be tested."""
    found = associate(test)
    rows = len(test.variants)
    linked = ld(test.filled, lead_of(found.r, test.distance)) if rows else np.zeros(0)
    columns = {"gene": [test.gene] * rows} | {name: test.variants[name].array for name in _ABOUT}
    columns |= {"distance": test.distance, "n": np.full(rows, len(test.people)), "df": np.full(rows, test.df)}
    columns |= {"slope": found.slope, "se": found.se, "t": found.t, "p": found.p, "ld_lead": linked}
    return pd.DataFrame(columns, columns=COLUMNS)
