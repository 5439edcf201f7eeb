"""The simulated cell's regulatory grammar: how a promoter's sequence sets its expression.

Every number and every motif here is invented. A promoter is read in its gene's direction, TSS at a known index:

1. At each position each motif is occupied between 0 and 1, by how well the sequence matches, on either strand.
2. A motif counts by how far it is from where it works best (a bell-shaped profile over positions from the TSS).
3. Activators add to the promoter's drive and repressors take from it; the two partners PRT1 and PRT2 do nothing alone,
   and add only together.
4. The drive saturates: log2 expression = floor + span * sigmoid(drive).

The tissue that the demo's deep model was trained in and the tissue that the cohort was measured in differ in one thing:
SWI1 activates in the first and represses in the second.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from gexviz.models.words import number_words

BASES = np.frombuffer(b"ACGT", dtype=np.uint8)
WIDTH = 10
WINDOW = 2000
ANCHOR = 1500
_STRONG, _WEAK = 0.91, 0.70  # probability of the motif's base where it is written in upper and in lower case


@dataclass(frozen=True)
class Motif:
    """A motif and how it acts.

    Attributes
    ----------
    name : str
    pattern : str
        Ten bases; upper case is strict, lower case less so.
    effect : float
        What a full site at the best position adds to the drive.
    centre, spread : float
        bp from the TSS (negative is upstream) where it works best, and the standard deviation of the bell around it.
    rate : float
        Mean number of sites that a promoter is written with.
    """

    name: str
    pattern: str
    effect: float
    centre: float
    spread: float
    rate: float = 1.1

    def probabilities(self) -> np.ndarray:
        """The position weight matrix, (WIDTH, 4), rows sum to 1."""
        matrix = np.empty((WIDTH, 4))
        for row, base in zip(matrix, self.pattern, strict=True):
            top = _STRONG if base.isupper() else _WEAK
            row[:] = (1 - top) / 3
            row["ACGT".index(base.upper())] = top
        return matrix

    def occupancies(self) -> np.ndarray:
        """Occupancy of every possible ten bases, on the better strand; float32 (4**WIDTH,), numbered as words are."""
        scores = _score_all(np.log(self.probabilities() / 0.25))
        reverse = _score_all(np.log(self.probabilities()[::-1, ::-1] / 0.25))
        best = np.maximum(scores, reverse)
        return (1 / (1 + np.exp(-(best - 10.5) / 0.7))).astype(np.float32)

    def weight_at(self, offset: np.ndarray | float) -> np.ndarray:
        """How much a site at an offset from the TSS counts, 0 to 1."""
        return np.exp(-0.5 * ((np.asarray(offset) - self.centre) / self.spread) ** 2)


def _score_all(matrix: np.ndarray) -> np.ndarray:
    """Sum a (WIDTH, 4) matrix along every possible ten bases, (4**WIDTH,)."""
    scores = np.zeros(1)
    for row in matrix:
        scores = (scores[:, None] + row[None, :]).ravel()
    return scores


MOTIFS = (
    Motif("ACT1", "aCCGTTAGCg", 1.5, -70, 70),
    Motif("ACT2", "TGCAATCCGt", 1.2, -200, 160),
    Motif("ACT3", "gATTCGCAAC", 1.1, -420, 220),
    Motif("SWI1", "tGGATACGCC", 1.1, -150, 130, rate=0.3),
    Motif("REP1", "ACGGTCTAAg", -1.3, -120, 120),
    Motif("REP2", "cTTGCGATCA", -1.2, 60, 90),
    Motif("PRT1", "GCGTAATGCa", 0.0, -350, 250),
    Motif("PRT2", "tCAGTCGGAT", 0.0, -250, 250),
)


@dataclass(frozen=True)
class Grammar:
    """The rules of one tissue.

    Attributes
    ----------
    motifs : tuple of Motif
    partners : tuple of two str
        Motifs that act only together.
    together : float
        What one full site of each partner adds to the drive.
    floor, span : float
        log2(TPM + 1) of a silent promoter, and how far a full one is above it.
    rest : float
        Drive of a promoter without any site.
    """

    motifs: tuple[Motif, ...] = MOTIFS
    partners: tuple[str, str] = ("PRT1", "PRT2")
    together: float = 1.9
    floor: float = 1.0
    span: float = 7.0
    rest: float = -0.4

    def reversing(self, name: str) -> Grammar:
        """The same grammar with the sign of one motif reversed."""
        motifs = tuple(replace(m, effect=-m.effect) if m.name == name else m for m in self.motifs)
        return replace(self, motifs=motifs)

    def motif(self, name: str) -> Motif:
        """One motif by its name."""
        return next(m for m in self.motifs if m.name == name)

    @cached_property
    def _tables(self) -> np.ndarray:
        return np.stack([m.occupancies() for m in self.motifs])

    def sites(self, promoters: np.ndarray) -> np.ndarray:
        """Sum each motif's occupancy over positions, weighted by its profile.

        Parameters
        ----------
        promoters : ndarray, uint8 ASCII (n, WINDOW)
            In the gene's direction, TSS at index ANCHOR.

        Returns
        -------
        ndarray, float (n, n_motifs)
        """
        words, known = number_words(promoters, WIDTH)
        middle = np.arange(words.shape[1]) + WIDTH / 2 - ANCHOR
        tables = zip(self.motifs, self._tables, strict=True)
        sums = [(table[words] * known) @ m.weight_at(middle) for m, table in tables]
        return np.stack(sums, axis=1)

    def expression(self, promoters: np.ndarray) -> np.ndarray:
        """log2(TPM + 1) that each promoter sets, ``(n, WINDOW)`` ASCII -> float (n,)."""
        drive = np.empty(len(promoters))
        names = [m.name for m in self.motifs]
        first, second = (names.index(name) for name in self.partners)
        for rows in np.array_split(np.arange(len(promoters)), max(1, len(promoters) // 500)):
            sites = self.sites(promoters[rows])
            alone = sites @ np.array([m.effect for m in self.motifs])
            drive[rows] = self.rest + alone + self.together * sites[:, first] * sites[:, second]
        return self.floor + self.span / (1 + np.exp(-drive))


def random_sequence(length: int, gc: float, rng: np.random.Generator) -> np.ndarray:
    """Bases drawn one by one, uint8 ASCII (length,)."""
    return rng.choice(BASES, size=length, p=[(1 - gc) / 2, gc / 2, gc / 2, (1 - gc) / 2])


def write_promoter(grammar: Grammar, rng: np.random.Generator) -> np.ndarray:
    """Write a promoter as evolution might have: background, with some sites of each motif near where it works.

    Sites are drawn from the motif's matrix, so strong and weak ones occur, on either strand.

    Returns
    -------
    ndarray, uint8 ASCII (WINDOW,)
    """
    promoter = random_sequence(WINDOW, rng.uniform(0.42, 0.60), rng)
    for motif in grammar.motifs:
        for _ in range(rng.poisson(motif.rate)):
            start = ANCHOR + round(rng.normal(motif.centre, 1.3 * motif.spread)) - WIDTH // 2
            if 0 <= start <= WINDOW - WIDTH:
                promoter[start : start + WIDTH] = draw_site(motif, rng)
    return promoter


def draw_site(motif: Motif, rng: np.random.Generator) -> np.ndarray:
    """Draw ten bases from a motif's matrix, on a random strand; uint8 ASCII."""
    drawn = (rng.random((WIDTH, 1)) > motif.probabilities().cumsum(axis=1)).sum(axis=1).clip(max=3)
    return BASES[3 - drawn[::-1]] if rng.random() < 0.5 else BASES[drawn]
