"""Tables as the locus figure gets them, made up but plausible: sparse effects, indels, rare and common variants."""

from __future__ import annotations

import numpy as np
import pandas as pd

from gexviz.figures.tracks import (
    AttributionTrack,
    DifferenceTrack,
    GeneTrack,
    IsmTrack,
    LogoTrack,
    MotifTrack,
    UserTrack,
    VariantTrack,
)

BASES = np.array(list("ACGT"))
UNIT = "log10 expression, Xpresso GM12878"


def bases_table(start, end, seed=0, insertions=(), deletions=()):
    """ISM of a haplotype: ``insertions`` are (0-based position, length), ``deletions`` 0-based half-open."""
    rng = np.random.default_rng(seed)
    position = np.arange(start, end)
    inserted = np.zeros(len(position), bool)
    for first, last in deletions:
        keep = (position < first) | (position >= last)
        position, inserted = position[keep], inserted[keep]
    for place, length in insertions:
        at = np.searchsorted(position, place, side="right")
        position = np.insert(position, at, [place] * length)
        inserted = np.insert(inserted, at, [True] * length)
    n = len(position)
    hot = np.zeros(n)
    for centre in rng.choice(n, max(3, n // 400)):
        hot += rng.exponential(1) * np.exp(-(((np.arange(n) - centre) / 5) ** 2))
    values = rng.normal(0, 0.004, (n, 4)) - 0.12 * hot[:, None] * rng.uniform(0, 1.4, (n, 4))
    here = np.random.default_rng(7).integers(0, 4, 400_000)[position % 400_000]  # the same reference each time
    values[np.arange(n), here] = 0
    table = pd.DataFrame({"position": position, "inserted": inserted, "ref": BASES[here]})
    return table.assign(**{base: values[:, k].astype(np.float32) for k, base in enumerate(BASES)})


def attribution(bases):
    """One value a base: minus the mean effect of the other three."""
    values = -bases[list(BASES)].sum(axis=1) / 3
    return bases[["position", "inserted", "ref"]].assign(value=values.astype(np.float32))


def variants_table(start, end, n, seed=0):
    rng = np.random.default_rng(seed)
    position = np.sort(rng.choice(np.arange(start, end), n, replace=False))
    ref = rng.choice(BASES, n)
    alt = np.array([rng.choice(BASES[r != BASES]) for r in ref], dtype=object)
    alt[rng.random(n) < 0.08] = "ACGTTGCA"
    effect = rng.normal(0, 0.004, n) + np.where(rng.random(n) < 0.1, rng.normal(0, 0.05, n), 0)
    index = pd.Index([f"22:{p + 1}:{r}:{a}" for p, r, a in zip(position, ref, alt, strict=True)], name="variant")
    driver = np.zeros(n, bool)
    driver[np.argsort(-np.abs(effect))[: min(4, n)]] = True
    frequency = rng.beta(0.3, 2, n)
    table = pd.DataFrame({"position": position, "ref": ref, "alt": alt, "frequency": frequency}, index=index)
    table["carriers"] = np.round(frequency * 445)
    table["effect_reference"], table["driver"] = effect, driver
    table["main_driver"] = np.abs(effect) == np.abs(effect).max()
    table["reason"] = ""
    lost = rng.random(n) < 0.03
    table.loc[lost & ~driver, ["effect_reference", "reason"]] = [np.nan, "symbolic allele"]
    return table


def genes_tables(start, end, seed=0):
    rng = np.random.default_rng(seed)
    names = ["DGCR8", "TANGO2", "ARVCF", "MIR185", "COMT", "TXNRD2", "GNB1L", "RANBP1", "TRMT2A"]
    rows, exons = [], []
    width = end - start
    for k, name in enumerate(names[: max(2, min(9, width // 20_000 + 2))]):
        left = start - width // 4 + int(rng.integers(0, width)) if k > 1 else start - width // 3 + k * width // 2 + 100
        right = left + int(rng.integers(max(80, width // 20), max(200, width // 2)))
        strand = "+-"[k % 2]
        rows.append((f"ENSG{k}", name, left, right, strand, left if strand == "+" else right - 1))
        cuts = np.sort(rng.choice(np.arange(left, right), 12, replace=False))
        cuts[0], cuts[-1] = left, right
        exons += [(f"ENSG{k}", a, min(b, a + max(30, width // 60))) for a, b in zip(cuts[::2], cuts[1::2], strict=True)]
    genes = pd.DataFrame(rows, columns=["gene", "name", "start", "end", "strand", "tss"]).set_index("gene")
    return genes, pd.DataFrame(exons, columns=["gene", "start", "end"])


def motifs_table(start, end, n, seed=0):
    rng = np.random.default_rng(seed)
    left = np.sort(rng.integers(start, end - 8, n))
    names = np.array(["SP1.H12CORE.0.P.B", "NRF1", "ETV5.H12CORE.1.SM.B", "YY1", "CTCF", "ZN143.H12CORE.0.P.B"])
    return pd.DataFrame(
        {
            "start": left,
            "end": left + rng.integers(6, 20, n),
            "strand": rng.choice(["+", "-"], n),
            "motif": rng.choice(names, n),
            "score": rng.gamma(4, 3, n),
            "p": 10 ** -rng.uniform(4, 8, n),
            "change": rng.choice(["", "", "gained", "lost"], n),
        }
    )


def all_tracks(start, end, *, chosen=(), seed=0):
    """One of each track over a region."""
    width = end - start
    middle = start + width // 2
    first = bases_table(start, end, seed, insertions=[(start + width // 3, 4)], deletions=[(middle, middle + 6)])
    plain = bases_table(start, end, seed)
    second = attribution(plain)
    rng = np.random.default_rng(seed)
    other = second.assign(value=second["value"] + rng.normal(0, 0.01, len(second)).astype(np.float32))
    flips = rng.choice(len(other), max(2, width // 600), replace=False)
    other.loc[flips, "ref"] = other.loc[flips, "ref"].map(dict(zip("ACGT", "GTAC", strict=True)))
    genes, exons = genes_tables(start, end, seed)
    variants = variants_table(start, end, max(3, width // 60), seed)
    chosen = chosen or [variants["effect_reference"].abs().idxmax()]
    edges = np.arange(start - 7, end + 20, max(1, width // 3000))
    coverage = pd.DataFrame({"start": edges[:-1], "end": edges[1:]})
    coverage["value"] = np.convolve(rng.gamma(0.3, 4, len(coverage)), np.ones(40) / 40, "same")
    peaks = pd.DataFrame({"start": start + width * np.arange(1, 8) // 9})
    peaks = peaks.assign(end=peaks["start"] + width // 30, name=[f"peak{k}" for k in range(7)])
    return [
        GeneTrack(genes, exons, focus="ENSG1"),
        VariantTrack(variants, UNIT, chosen=chosen),
        AttributionTrack(second, UNIT, name="Gradient × input"),
        IsmTrack(first, UNIT, name="In-silico mutagenesis, copy 1"),
        LogoTrack(attribution(first), UNIT, name="Logo of mutagenesis, copy 1"),
        MotifTrack(motifs_table(start, end, max(3, width // 40), seed)),
        DifferenceTrack(attribution(first), other, UNIT),
        UserTrack(coverage, "ATAC-seq, LCL", unit="reads"),
        UserTrack(peaks, "ENCODE cCREs"),
    ]
