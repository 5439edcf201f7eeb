"""What the attention of a transformer says of each base: rollout, and relevance by gradient times attention.

Neither is an explanation by itself: attention tells which tokens are mixed, not what a change of one would do.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

How = Literal["rollout", "relevance"]


def rollout(attention: np.ndarray) -> np.ndarray:
    """Attention rollout (Abnar & Zuidema 2020): layers multiplied, each half attention and half what it passes on.

    Parameters
    ----------
    attention : ndarray (layers, heads, tokens, tokens)
        Rows sum to 1.

    Returns
    -------
    ndarray (tokens, tokens)
        How much of each token (column) is in the last layer's (row); rows sum to 1.
    """
    joint = np.eye(attention.shape[-1])
    for layer in attention.astype(np.float64).mean(axis=1):
        joint = (layer + np.eye(len(layer))) / 2 @ joint
    return joint


def relevance(attention: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """Relevance by gradient times attention (Chefer et al. 2021), for self-attention.

    Parameters
    ----------
    attention : ndarray (layers, heads, tokens, tokens)
    gradient : ndarray, the same shape
        Of the prediction, by each weight of attention. Only what raises the prediction counts.

    Returns
    -------
    ndarray (tokens, tokens)
        Without what each token passes on to itself; 0 or more.
    """
    joint = np.eye(attention.shape[-1])
    for layer in np.maximum(attention.astype(np.float64) * gradient, 0).mean(axis=1):
        joint = joint + layer @ joint
    return joint - np.eye(len(joint))


def of_tokens(attention: np.ndarray, gradient: np.ndarray, taken: np.ndarray, how: How) -> np.ndarray:
    """What each token has in what the head takes, the shares `taken` of the last layer's tokens; (tokens,)."""
    if how not in get_args(How):
        raise ValueError(f"how is rollout or relevance, not {how}")
    joint = rollout(attention) if how == "rollout" else relevance(attention, gradient)
    return np.asarray(taken @ joint)


def per_base(values: np.ndarray, starts: np.ndarray, ends: np.ndarray, length: int) -> np.ndarray:
    """Spread tokens' values evenly over their bases.

    Parameters
    ----------
    values : ndarray (tokens,)
    starts, ends : ndarray of int (tokens,)
        -1 for tokens without bases, whose values are left out.
    length : int
        Bases.

    Returns
    -------
    ndarray (length,)
        Sums of all tokens over a base; NaN where there is none.
    """
    total, count = np.zeros(length), np.zeros(length)
    for value, start, end in zip(values, starts, ends, strict=True):
        if start >= 0:
            total[start:end] += value / (end - start)
            count[start:end] += 1
    return np.where(count > 0, total, np.nan)


def of_strands(values: np.ndarray) -> np.ndarray:
    """The mean of strands, (strands, bases) -> (bases,): a strand whose tokens lack a base gives it nothing.

    NaN where no strand has a token.
    """
    return np.where(np.isnan(values).all(axis=0), np.nan, np.nansum(values, axis=0) / len(values))
