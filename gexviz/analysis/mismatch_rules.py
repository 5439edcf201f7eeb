"""The rules by which the deep model and genetics are compared: every threshold, and the names of all classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

VariantClass = Literal[
    "concordant", "opposite", "unsupported driver", "missed", "out of window", "linear only", "ambiguous"
]
Verdict = Literal[
    "predicts",
    "nothing to predict",
    "signal outside the window",
    "blind to the signal",
    "wrong direction",
    "drowned by unsupported drivers",
    "undecided",
]
CLASSES: tuple[VariantClass, ...] = get_args(VariantClass)
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


@dataclass(frozen=True)
class Rules:
    r"""Thresholds of the comparison.

    **Deep sign.** A variant has a direction if the smaller of its effect on the reference and its mean effect over
    haplotypes (of one sign, or there is none) is larger than each part of the noise:

    - *strands*: half the difference of the two strands' effects; below it the strands disagree about the sign
      (models that take the mean of both only);
    - *backgrounds*: the standard deviation over haplotypes, where some haplotype gives the other sign; above it more
      than half of the chromosomes have the mean's sign (Cantelli's inequality);
    - *rounding*: `rounding` times the prediction;
    - *typical variant*: `typical` times the median absolute effect of all variants in the windows of all genes. Most
      of these do nothing, and a network gives no base an effect of exactly 0.

    **Signals.** Of a gene's significant variants the one with the largest \|t\| is the first signal; the next one is
    the best given those before, as long as its p given them is significant by the gene's threshold and at most `fdr`
    over the number of tested variants (Bonferroni). Variants in r² > `equal_r2` with a signal's lead are equally good.
    A significant variant that is no signal's equal owes its slope to linkage, as far as anybody can tell: marginal
    slopes of linked variants follow the sign of r.

    **Classes of variants**, the first that holds; "equal" is r² > `equal_r2` with this very variant:

    1. not significant: ``unsupported driver`` if a driver, else ``linear only`` with a linear weight, else (a lead)
       ``ambiguous``;
    2. ``ambiguous``: alleles whose strand is not known; or linkage that is not known;
    3. ``ambiguous``: significant through linkage only (see above);
    4. outside the window: ``ambiguous`` if a variant inside, equal to it or to its signal's lead, has a deep sign, else
       ``out of window``;
    5. inside, without a deep effect: ``ambiguous``;
    6. inside, no deep sign: ``ambiguous`` if an equal variant has one, else ``missed``;
    7. ``ambiguous``: an equal variant has the other deep sign (turned by the sign of r), with an effect of at least
       `rival_effect` of this one's;
    8. ``concordant`` if the deep sign is the slope's, else ``opposite``.

    **Populations**: an eQTL is tested again within the people of each population of at least `fewest_people`.

    **Verdicts on genes**, the first that holds; r is across people, its q over genes:

    1. ``predicts``: r(deep) is positive with q <= `fdr`, and at least `enough` of r(linear) where that is significant;
    2. ``nothing to predict``: neither eQTLs nor r(linear) nor the cis-heritability (p <= `h2_p`) are significant, nor
       r(deep); and r(linear)'s upper limit is at most `low_r`, or the heritability's at most `low_h2`;
    3. ``undecided`` (power): neither eQTLs nor r(linear) are significant;
    4. ``wrong direction``: opposite variants have at least `main_share` of the prediction's variance, and r(deep) < 0;
    5. ``signal outside the window``: at most 1 - `inside` of the evidence for the cause lies inside. The evidence is
       the posterior of one causal variant; for a gene without eQTLs, the variance of the linear score;
    6. ``blind to the signal``: at least `inside` of the posterior lies inside, and neither the first signal's lead nor
       an equal of it has a deep sign;
    7. ``drowned by unsupported drivers``: these have at least `main_share` of the prediction's variance, and r(deep)
       is not significantly positive;
    8. ``predicts``: r(deep) is significantly positive after all, though far below r(linear);
    9. ``undecided``: by linkage, by power, or by none of these.

    Attributes
    ----------
    fdr : float
        Largest q that counts as significant.
    equal_r2 : float
    rival_effect : float
    rounding : float
        Eight steps of float32, as in :data:`gexviz.analysis.correlation.CONSTANT`.
    typical : float
    fewest_typical : int
        Variants that a typical effect takes; with fewer there is no such part.
    most_signals : int
    fewest_people : int
    enough, low_r, low_h2, h2_p, inside, main_share : float
    """

    fdr: float = 0.05
    equal_r2: float = 0.8
    rival_effect: float = 0.1
    rounding: float = 1e-6
    typical: float = 1.0
    fewest_typical: int = 100
    most_signals: int = 5
    fewest_people: int = 30
    enough: float = 0.5
    low_r: float = 0.2
    low_h2: float = 0.1
    h2_p: float = 0.01
    inside: float = 0.8
    main_share: float = 0.5


RULES = Rules()
