"""Whether a deep effect has a direction: the noise floor."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from gexviz.analysis.mismatch_rules import RULES, Rules

COLUMNS = ["deep_effect", "deep_mean", "deep_noise", "noise_from", "deep_sign", "deep_reason"]
_PARTS = ["strands", "backgrounds", "rounding", "typical variant"]


def typical_effect(effects: Iterable[pd.DataFrame], rules: Rules = RULES) -> float:
    """Median absolute effect on the reference of all variants in the windows of all genes.

    Parameters
    ----------
    effects : iterable of DataFrame
        Of one model, a gene each; ``effect_reference``.
    rules : Rules

    Returns
    -------
    float
        On the model's scale; NaN for fewer than ``rules.fewest_typical`` variants with an effect.
    """
    sizes = [np.abs(table["effect_reference"].to_numpy(dtype=np.float64)) for table in effects]
    known = np.concatenate([*sizes, np.empty(0)])
    known = known[np.isfinite(known)]
    return float(np.median(known)) if len(known) >= rules.fewest_typical else float("nan")


def deep_signs(
    effects: pd.DataFrame, *, prediction: float = np.nan, typical: float = np.nan, rules: Rules = RULES
) -> pd.DataFrame:
    """Give each variant its deep direction, or none within noise; the rule is in :class:`Rules`.

    Parameters
    ----------
    effects : DataFrame
        Index variant; columns of :class:`gexviz.analysis.effects.VariantEffects`, of which ``effect_reference`` is
        needed and ``effect_forward``, ``effect_reverse``, ``effect_mean``, ``effect_sd``, ``effect_min``,
        ``effect_max``, ``reason`` are used where there.
    prediction : float
        Of the reference, on the model's scale: what its rounding is a part of; without it, the largest effect.
    typical : float
        From :func:`typical_effect`; NaN leaves this part out.
    rules : Rules

    Returns
    -------
    DataFrame
        Index ``variant``; ``deep_effect`` (on the reference), ``deep_mean`` (over haplotypes), ``deep_noise`` (the
        largest part), ``noise_from`` (which part that is; empty for no noise at all), ``deep_sign`` (-1, 0, 1;
        missing without an effect), ``deep_reason`` (why there is no effect, or why the sign is 0).
    """

    def column(name: str) -> np.ndarray:
        if name not in effects:
            return np.full(len(effects), np.nan)
        return effects[name].to_numpy(dtype=np.float64)

    reference, mean = column("effect_reference"), column("effect_mean")
    known = np.isfinite(reference)
    other = np.where(np.isfinite(mean), mean, reference)
    one_sign = np.sign(reference) == np.sign(other)
    weakest = np.where(one_sign, np.minimum(np.abs(reference), np.abs(other)), 0.0)
    mixed = (column("effect_min") < 0) & (column("effect_max") > 0)
    largest = np.abs(reference[known]).max(initial=0.0)
    parts = np.column_stack(
        [
            np.abs(column("effect_forward") - column("effect_reverse")) / 2,
            np.where(mixed, column("effect_sd"), 0.0),
            np.full(len(effects), rules.rounding * (abs(prediction) if np.isfinite(prediction) else largest)),
            np.full(len(effects), rules.typical * typical),
        ]
    )
    parts = np.nan_to_num(parts, nan=0.0)
    noise, which = parts.max(axis=1), parts.argmax(axis=1)
    sign = np.where(weakest > noise, np.sign(reference), 0.0)
    given = effects["reason"].fillna("").astype(str) if "reason" in effects else pd.Series("", index=effects.index)
    reason = np.where(
        ~known,
        given.mask(given == "", "no effect was computed").to_numpy(object),
        np.where(
            sign != 0,
            "",
            np.where(one_sign, "within noise", "the effect on the reference and the mean have different signs"),
        ),
    )
    return pd.DataFrame(
        {
            "deep_effect": np.where(known, reference, np.nan),
            "deep_mean": mean,
            "deep_noise": np.where(known, noise, np.nan),
            "noise_from": np.where(known & (noise > 0), np.array(_PARTS, dtype=object)[which], ""),
            "deep_sign": pd.array(np.where(known, sign, np.nan), dtype="Int64"),
            "deep_reason": reason,
        },
        index=effects.index.rename("variant"),
    )
