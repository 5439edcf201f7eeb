"""Which genes have an eQTL: permutations, approximated by a beta distribution as in FastQTL (Ongen et al. 2016).

The smallest p of a gene's variants is compared with the smallest ones after its expression was permuted. A beta
distribution is fitted to those, so that p below 1 / permutations can be told. People are permuted after the covariates
were taken out of their expression, and the covariates are taken out again (Freedman and Lane 1983), so that
permutations have as many degrees of freedom as the data.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from gexviz.analysis.eqtl import GeneTest, Reader, associate, gene_tests, lead_of
from gexviz.analysis.eqtl_qvalues import benjamini_hochberg, storey
from gexviz.analysis.eqtl_settings import EqtlSettings
from gexviz.analysis.linear import gene_seed
from gexviz.lazy import lazy
from gexviz.tasks import Progress

special = lazy("scipy.special")
optimize = lazy("scipy.optimize")

SCHEMA = 1
"""Raised when the numbers would come out differently for the same inputs."""

ROWS = 2048  # variants correlated at once

GENE_COLUMNS = ["n_variants", "variant", "position", "ref", "alt", "distance", "n", "maf", "slope", "se", "df"]
GENE_COLUMNS += ["p_nominal", "permutations", "p_permutation", "beta_a", "beta_b", "df_effective", "p_beta"]
GENE_COLUMNS += ["q", "q_storey", "threshold", "reason"]


class Genes(NamedTuple):
    """Genes and their eQTLs.

    Attributes
    ----------
    table : DataFrame
        Index gene. ``n_variants`` tested, the lead ``variant`` (with ``position``, ``ref``, ``alt``, ``distance``,
        ``n``, ``maf``, ``slope``, ``se``, ``df``, ``p_nominal``), ``permutations``, ``p_permutation``
        ((1 + as good or better) / (1 + permutations)), ``beta_a``, ``beta_b``, ``df_effective`` and ``p_beta`` (see
        :func:`permute_gene`), ``q`` (Benjamini and Hochberg on p_beta), ``q_storey``, ``threshold`` (nominal p at or
        below which a variant of this gene is significant; 0 where no gene is), ``reason`` (why a gene could not be
        tested; all its numbers are missing then).
    p_beta : float
        At or below which a gene is significant; 0 where none is.
    pi0 : float
        Storey's share of true nulls.
    note : str
        Why pi0 is taken as 1, if it is.
    """

    table: pd.DataFrame
    p_beta: float
    pi0: float
    note: str


class BetaFit(NamedTuple):
    """Distribution of the smallest p under the null: beta(`a`, `b`), p being told with `df` degrees of freedom."""

    a: float
    b: float
    df: float


def map_genes(
    expression: pd.DataFrame,
    loci: pd.DataFrame,
    read: Reader,
    covariates: pd.DataFrame | None = None,
    settings: EqtlSettings | None = None,
    *,
    progress: Progress | None = None,
) -> Genes:
    """Find the genes that have an eQTL.

    Parameters are those of :func:`gexviz.analysis.eqtl.nominal`.

    Returns
    -------
    Genes
        In the order of `loci`.
    """
    settings = settings or EqtlSettings()
    rows = {}
    for test in gene_tests(expression, loci, read, covariates, settings):
        rows[test.gene] = permute_gene(test, settings)
        if progress is not None:
            progress(len(rows), len(loci), test.gene)
    return gene_table([rows[g] for g in loci.index], settings.fdr)


def permute_gene(test: GeneTest, settings: EqtlSettings) -> dict[str, Any]:
    """Find a gene's lead variant and its p among permutations.

    As in FastQTL, the degrees of freedom at which permuted p values are told are those that make the first shape
    parameter of their smallest 1 (by its moments); then both shape parameters are fitted by maximum likelihood.

    Parameters
    ----------
    test : GeneTest
    settings : EqtlSettings
        `permutations` and `seed`; the draws depend on these and the gene's id only.

    Returns
    -------
    dict
        ``gene`` and the columns of :attr:`Genes.table` up to ``p_beta``, and ``reason``.
    """
    row: dict[str, Any] = {"gene": test.gene, "n_variants": len(test.variants), "reason": test.reason}
    if test.reason:
        return row
    found = associate(test)
    lead = lead_of(found.r, test.distance)
    row |= {name: test.variants[name].iat[lead] for name in ("variant", "position", "ref", "alt", "maf")}
    row |= {"distance": int(test.distance[lead]), "n": len(test.people), "slope": found.slope[lead]}
    row |= {"se": found.se[lead], "df": test.df, "p_nominal": found.p[lead]}
    highest = permuted_r2(test, settings.permutations, gene_seed(settings.seed, test.gene))
    r2 = found.r[lead] ** 2
    as_good = int((highest >= r2 * (1 - 1e-12)).sum())
    row |= {"permutations": len(highest), "p_permutation": (1 + as_good) / (1 + len(highest))}
    beta = fit_beta(highest, test.df)
    if beta is None:
        return row | {"reason": "all permutations are alike: no beta distribution can be fitted"}
    p_beta = float(special.betainc(beta.a, beta.b, p_of(r2, beta.df)))
    return row | {"beta_a": beta.a, "beta_b": beta.b, "df_effective": beta.df, "p_beta": p_beta}


def permuted_r2(test: GeneTest, permutations: int, seed: int) -> np.ndarray:
    """Largest squared correlation of any variant with permuted residual expression.

    Parameters
    ----------
    test : GeneTest
        That can be tested.
    permutations : int
    seed : int

    Returns
    -------
    ndarray, shape (permutations,)
    """
    assert test.covariates is not None
    y = np.tile(test.expression, (permutations, 1))
    np.random.default_rng(seed).permuted(y, axis=1, out=y)
    # Dosages are orthogonal to the covariates already: residualising y anew changes only its length.
    taken = np.einsum("ij,ij->i", *[y @ test.covariates.basis] * 2)
    left = np.einsum("ij,ij->i", y, y) - taken
    best = np.zeros(permutations)
    for begin in range(0, len(test.residual), ROWS):
        x = test.residual[begin : begin + ROWS]
        products = (x / np.sqrt(np.einsum("ij,ij->i", x, x))[:, None]) @ y.T
        np.maximum(best, np.maximum(products.max(axis=0), -products.min(axis=0)), out=best)
    return np.minimum(best**2 / left, 1.0)


def p_of(r2: np.ndarray | float, df: float) -> Any:
    """Two-sided p of a squared correlation."""
    return special.betainc(df / 2, 0.5, 1.0 - np.asarray(r2))


def fit_beta(r2: np.ndarray, df: int) -> BetaFit | None:
    """Fit the null distribution of the smallest p.

    Parameters
    ----------
    r2 : ndarray
        Largest squared correlation of each permutation.
    df : int
        Of the nominal test.

    Returns
    -------
    BetaFit or None
        None if all are the same.
    """
    if np.ptp(r2) <= 1e-12:
        return None
    spread = np.log(4.0)
    bounds = np.log(df) - spread, np.log(df) + spread
    found = optimize.minimize_scalar(
        lambda log_df: abs(_moments(p_of(r2, np.exp(log_df)))[0] - 1.0), bounds=bounds, method="bounded"
    )
    effective = float(np.exp(found.x))
    p = np.clip(p_of(r2, effective), np.finfo(float).tiny, 1 - np.finfo(float).epsneg)
    log_p, log_rest = np.log(p).mean(), np.log1p(-p).mean()

    def loss(shapes: np.ndarray) -> tuple[float, np.ndarray]:
        """Mean negative log likelihood, convex in the shapes, and its gradient along their logarithms."""
        a, b = np.exp(shapes)
        slope = special.psi([a, b]) - special.psi(a + b) - [log_p, log_rest]
        return special.betaln(a, b) - (a - 1) * log_p - (b - 1) * log_rest, slope * [a, b]

    start = np.log(np.clip(_moments(p), 1e-3, 1e9))
    a, b = np.exp(optimize.minimize(loss, start, jac=True, method="BFGS", options={"gtol": 1e-9}).x)
    return BetaFit(float(a), float(b), effective)


def _moments(p: np.ndarray) -> tuple[float, float]:
    """Shapes of a beta distribution by its mean and variance."""
    mean, variance = p.mean(), p.var(ddof=1)
    size = mean * (1 - mean) / max(variance, np.finfo(float).tiny) - 1
    return mean * size, (1 - mean) * size


def gene_table(rows: Iterable[dict[str, Any]], fdr: float) -> Genes:
    """Compare genes with each other: q values, and the nominal p that is significant in each.

    The threshold is FastQTL's: the p_beta half-way between the last significant gene and the first that is not, turned
    into a nominal p by the gene's beta distribution. FastQTL and tensorQTL leave it at that, and compare p at `df` with
    a threshold at `df_effective`; here it is told at `df`, so that a gene's lead passes if and only if its q does.

    Parameters
    ----------
    rows : iterable of dict
        From :func:`permute_gene`.
    fdr : float
        On ``q``.

    Returns
    -------
    Genes
    """
    table = pd.DataFrame(list(rows), columns=["gene", *GENE_COLUMNS]).set_index("gene")
    tested = table["p_beta"].notna()
    p = table.loc[tested, "p_beta"].to_numpy(np.float64)
    q, storeys = benjamini_hochberg(p), storey(p)
    table.loc[tested, "q"], table.loc[tested, "q_storey"] = q, storeys.q
    cut = significant_p(p, q, fdr)
    table.loc[tested, "threshold"] = _nominal(cut, table[tested])
    whole = {name: "Int64" for name in ("position", "distance", "n", "df", "permutations")}
    numbers = ["maf", "slope", "se", "p_nominal", "p_permutation", "beta_a", "beta_b", "df_effective", "p_beta"]
    return Genes(
        table.astype(whole | dict.fromkeys([*numbers, "q", "q_storey", "threshold"], np.float64)),
        cut,
        storeys.pi0,
        storeys.note,
    )


def significant_p(p: np.ndarray, q: np.ndarray, fdr: float) -> float:
    """Half-way between the largest p with q at most `fdr` and the smallest above; 0 where no q is at most `fdr`."""
    passes = q <= fdr
    if not passes.any():
        return 0.0
    return float(p[passes].max() if passes.all() else (p[passes].max() + p[~passes].min()) / 2)


def _nominal(p_beta: float, genes: pd.DataFrame) -> np.ndarray:
    if p_beta == 0:
        return np.zeros(len(genes))
    a, b, effective, df = genes[["beta_a", "beta_b", "df_effective", "df"]].to_numpy(np.float64).T
    unexplained = special.betaincinv(effective / 2, 0.5, special.betaincinv(a, b, p_beta))
    return special.betainc(df / 2, 0.5, unexplained)
