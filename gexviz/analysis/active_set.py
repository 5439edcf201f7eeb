"""Exact elastic-net solutions along a path of penalties, by an active-set search.

With the active predictors A and the signs s of their coefficients known, the solution is one linear system,
``(X_A'X_A / n + l (1 - alpha)) b_A = X_A'y / n - l alpha s``. A and s are guessed by extrapolating the path, and
corrected by feature-sign search (Lee et al. 2007), one predictor in or out at a time, until all optimality conditions
hold. Predictors enter the working set by the sequential strong rule (Tibshirani et al. 2012); the conditions of all
others are checked at every penalty, so nothing that matters is left out. Cis variants are so correlated that coordinate
descent needs thousands of passes at the end of the path; the search needs a few steps there.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import lapack

MAX_BORDERS = 32  # changes of the active set before its system is factorised anew
SLACK = 1e-7  # relative, for the optimality conditions
LEAST_RIDGE = 1e-9  # for the lasso on equal predictors, whose system is singular


class PathProblem:
    """One path's data, its working set and where it stands.

    Parameters
    ----------
    z : ndarray, shape (n_predictors, n)
        Predictors in rows, each with mean 0 and variance 1 (or all 0).
    y : ndarray, shape (n,)
        Mean 0, not constant.
    alpha : float
        Share of the lasso penalty, above 0 and at most 1.

    Attributes
    ----------
    coef : ndarray, shape (n_predictors,)
    gradient : ndarray, shape (n_predictors,)
        ``z (y - fit) / n``.
    state : ndarray, shape (n_predictors,)
        Coefficient + gradient - ridge part: its size against ``penalty * alpha`` tells whether a predictor is active,
        its sign the coefficient's.
    largest : float
        The smallest penalty at which all coefficients are 0.
    """

    def __init__(self, z: np.ndarray, y: np.ndarray, alpha: float) -> None:
        self.z, self.y, self.alpha = z, y, alpha
        self.n = len(y)
        self.correlation = z @ y / self.n
        self.variance = float(y @ y) / self.n
        self.gradient, self.state = self.correlation.copy(), self.correlation.copy()
        self.coef = np.zeros(len(z))
        self.penalty = self.largest = float(np.abs(self.correlation).max()) / max(alpha, 1e-3)
        self.slope = np.zeros(len(z))
        self.members = np.empty(0, np.intp)
        self.is_member = np.zeros(len(z), bool)
        self._gram = np.empty((0, 0))  # with room for more members
        self._z_members = np.empty((0, self.n))
        self._checked = self.correlation, np.zeros(self.n)  # exact gradients of all, and the fit that they belong to

    @property
    def gram(self) -> np.ndarray:
        """Correlations of the working set's members."""
        size = len(self.members)
        return self._gram[:size, :size]

    def explained(self) -> float:
        """Fraction of deviance explained by the current coefficients."""
        at = self.members
        return float(self.coef[at] @ (self.correlation[at] + self.gradient[at])) / self.variance

    def solve(self, penalty: float) -> None:
        """Move to the next, smaller penalty."""
        limit = penalty * self.alpha
        change = penalty - self.penalty
        guess = self.state + change * self.slope  # along the straight line through the last two
        strong = np.abs(self.gradient) >= limit + change * self.alpha
        self._admit(strong | (np.abs(guess) > limit))
        broken = np.ones(1, bool)
        while broken.any():
            self._solve_members(penalty, guess[self.members])
            broken = (np.abs(self.gradient) > limit * (1.0 + SLACK)) & ~self.is_member
            guess = self.coef * (1.0 - penalty * (1.0 - self.alpha)) + self.gradient
            self._admit(broken)
        if change:
            self.slope = (guess - self.state) / change
        self.state, self.penalty = guess, penalty

    def _admit(self, wanted: np.ndarray) -> None:
        """Take predictors into the working set and extend its Gram matrix."""
        new = np.flatnonzero(wanted & ~self.is_member)
        if len(new) == 0:
            return
        old, z_new = len(self.members), self.z[new]
        self.members = np.concatenate([self.members, new])
        self.is_member[new] = True
        size = len(self.members)
        if size > len(self._gram):
            self._make_room(old, min(len(self.z), 2 * size))
        self._z_members[old:size] = z_new
        self._gram[old:size, :size] = z_new @ self._z_members[:size].T / self.n
        self._gram[:old, old:size] = self._gram[old:size, :old].T

    def _make_room(self, used: int, room: int) -> None:
        gram, z = np.empty((room, room)), np.empty((room, self.n))
        gram[:used, :used], z[:used] = self._gram[:used, :used], self._z_members[:used]
        self._gram, self._z_members = gram, z

    def _solve_members(self, penalty: float, state: np.ndarray) -> None:
        """Solve within the working set, then bring the gradients of all predictors up to date."""
        limit, ridge = penalty * self.alpha, max(penalty * (1.0 - self.alpha), LEAST_RIDGE)
        guess = np.sign(state) * np.maximum(np.abs(state) - limit, 0.0)
        coef, gradient = _search(self.gram, self.correlation[self.members], guess, limit, ridge)
        self.coef[self.members] = coef
        if len(self.members) < len(self.z):
            self._update_gradient(coef @ self._z_members[: len(coef)], limit)
        self.gradient[self.members] = gradient

    def _update_gradient(self, fit: np.ndarray, limit: float) -> None:
        """Compute the gradients that may have come near the limit.

        A gradient moves by no more than the fit does (Cauchy and Schwarz): the others are known to be below.
        """
        gradient, before = self._checked
        moved = np.sqrt(((fit - before) ** 2).sum() / self.n)
        near = np.flatnonzero(~self.is_member & (np.abs(gradient) + moved > limit))
        if len(near) > len(self.z) // 4:
            self.gradient = self.z @ (self.y - fit) / self.n
            self._checked = self.gradient.copy(), fit
        else:
            self.gradient = gradient.copy()
            self.gradient[near] = self.z[near] @ (self.y - fit) / self.n


def _search(
    gram: np.ndarray, correlation: np.ndarray, coef: np.ndarray, limit: float, ridge: float
) -> tuple[np.ndarray, np.ndarray]:
    """Feature-sign search from `coef`: the minimum and the gradients there.

    Go to the point where the coefficients of the present signs are stationary; if one changes its sign on the way,
    stop there and drop it; once arrived, take in the predictor that breaks its condition most. Each step lowers the
    objective.
    """
    if len(coef) == 0:
        return coef, coef
    signs = np.sign(coef)
    system = _System(gram, ridge, np.flatnonzero(signs))
    for _ in range(1_000 + 20 * len(coef)):
        target = system.stationary(correlation - limit * signs, signs != 0)
        crosses = target * signs < 0
        if crosses.any():
            share = np.where(crosses, coef / np.where(crosses, coef - target, 1.0), np.inf)
            first = int(share.argmin())
            coef = coef + share[first] * (target - coef)
            coef[first] = signs[first] = 0.0
            continue
        coef = target
        gradient = correlation - gram @ coef
        excess = np.where(signs == 0, np.abs(gradient), 0.0)
        worst = int(excess.argmax())
        if excess[worst] <= limit * (1.0 + SLACK):
            return coef, gradient
        signs[worst] = np.sign(gradient[worst])
    raise ArithmeticError("the elastic net did not converge")


class _System:
    """The linear system of the stationary coefficients at one penalty, for active sets near a first one.

    The first set's system is factorised; what enters or leaves is a border around it, so a step costs k^2, not k^3.
    """

    def __init__(self, gram: np.ndarray, ridge: float, base: np.ndarray) -> None:
        self.gram, self.ridge = gram, ridge
        self._factorise(base)

    def _factorise(self, base: np.ndarray) -> None:
        system = self.gram.take(base, 0).take(base, 1)
        system.flat[:: len(base) + 1] += self.ridge
        self.factor = lapack.dpotrf(system.T, overwrite_a=True, clean=False)[0] if len(base) else system
        self.base, self.in_base = base, np.zeros(len(self.gram), bool)
        self.in_base[base] = True
        self.borders: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def _inverse(self, right: np.ndarray) -> np.ndarray:
        return lapack.dpotrs(self.factor, right)[0] if len(self.base) else right

    def _border(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """The column that predictor `index` adds by entering or leaving, and its solution."""
        if index not in self.borders:
            column = (self.base == index).astype(float) if self.in_base[index] else self.gram[index, self.base]
            self.borders[index] = column, self._inverse(column)
        return self.borders[index]

    def stationary(self, right: np.ndarray, active: np.ndarray) -> np.ndarray:
        """Solve for the coefficients of the `active` predictors; the others are 0."""
        changed = np.flatnonzero(active != self.in_base)
        if len(changed) > MAX_BORDERS:
            self._factorise(np.flatnonzero(active))
            changed = changed[:0]
        coef = np.zeros(len(right))
        solution = self._inverse(right[self.base])
        if len(changed):
            columns, solved = (np.array(part) for part in zip(*map(self._border, changed.tolist()), strict=True))
            enters = ~self.in_base[changed]
            corner = self.gram[changed[:, None], changed] * (enters[:, None] & enters)
            corner.flat[:: len(changed) + 1] += self.ridge * enters
            border = np.linalg.solve(corner - columns @ solved.T, right[changed] * enters - columns @ solution)
            solution = solution - border @ solved
            coef[changed] = border
        coef[self.base] = solution
        coef[~active] = 0.0
        return coef
