"""Shuffles of a sequence that keep the number of each dinucleotide: what a promoter without its motifs looks like."""

from __future__ import annotations

import re

import numpy as np

_UPPER = 0xDF  # clears the bit that makes a letter lower case
_BASES = np.frombuffer(b"ACGT", dtype=np.uint8)
_CODE = np.zeros(256, dtype=np.int64)
_CODE[_BASES] = np.arange(4)
_RUN = re.compile(rb"[ACGT]+")


def dinucleotide_shuffles(sequence: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Shuffle a sequence with every dinucleotide's count kept, each such sequence being equally likely.

    Parameters
    ----------
    sequence : ndarray, uint8 (length,)
        ASCII, either case.
    n : int
        Shuffles wanted; they are drawn independently, so a short or repetitive sequence gives some of them twice.
    seed : int
        The same seed gives the same shuffles; the first k of n are those of n = k.

    Returns
    -------
    ndarray, uint8 (n, length)
        Upper case. The first and the last base are those of `sequence`.

    Raises
    ------
    ValueError
        For an array that isn't uint8 (length,), or a negative `n`.

    Notes
    -----
    N and every other letter than A C G T stays where it is, and each run of bases between two of them is shuffled by
    itself, with its first and last base kept. So counts of all pairs of letters are exact, and an attribution
    against the shuffles is zero at every N.

    Altschul & Erickson 1985 (Mol Biol Evol 2:526): a shuffle is an Eulerian walk over the dinucleotides as edges, fixed
    by the order in which each base's edges are left. The last ones have to form a tree towards the last base; here the
    tree is drawn by Wilson's algorithm (STOC 1996), the other edges in any order. ``tangermeme.ersatz`` and the
    script of DeepLIFT that it follows keep the tree of the sequence itself: counts are exact there too, but not every
    shuffle can come up.
    """
    if sequence.dtype != np.uint8 or sequence.ndim != 1:
        raise ValueError(f"a sequence is uint8 (length,), not {sequence.dtype} {sequence.shape}")
    if n < 0:
        raise ValueError(f"n is the number of shuffles, not {n}")
    upper = sequence & _UPPER
    runs = [match.span() for match in _RUN.finditer(upper.tobytes())]
    shuffles = np.repeat(upper[None], n, axis=0)
    for row, stream in zip(shuffles, np.random.default_rng(seed).spawn(n), strict=True):
        for begin, end in runs:
            if end - begin > 3:  # of three bases or fewer none can move
                row[begin:end] = _BASES[_shuffled(_CODE[upper[begin:end]], stream)]
    return shuffles


def _shuffled(codes: np.ndarray, rng: np.random.Generator) -> list[int]:
    """One Eulerian walk over the steps of a run, codes 0 to 3."""
    here, there = codes[:-1], codes[1:]
    followers = [there[here == base] for base in range(4)]
    tree = _last_steps(followers, int(codes[-1]), rng)
    taking = []
    for base, follower in enumerate(followers):
        if base in tree:
            follower = np.delete(follower, np.flatnonzero(follower == tree[base])[0])
        order = rng.permutation(follower).tolist()
        taking.append(iter([*order, tree[base]] if base in tree else order))
    base = int(codes[0])
    walk = [base]
    for _ in range(len(codes) - 1):
        base = next(taking[base])
        walk.append(base)
    return walk


def _last_steps(followers: list[np.ndarray], root: int, rng: np.random.Generator) -> dict[int, int]:
    """Draw a tree of steps to `root` from every base that has steps, each tree as likely as it has edges to be made of.

    Wilson's algorithm: a random walk from each base until it meets the tree; the last step it took out of each base,
    which is its path with the loops erased, joins the tree.
    """
    tree: dict[int, int] = {}
    for start in range(4):
        if start == root or len(followers[start]) == 0:
            continue
        taken: dict[int, int] = {}
        base = start
        while base != root and base not in tree:
            taken[base] = int(rng.choice(followers[base]))
            base = taken[base]
        base = start
        while base != root and base not in tree:
            tree[base] = taken[base]
            base = taken[base]
    return tree
