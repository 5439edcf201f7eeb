"""The one error that people see: what is wrong, in which file, where, what was expected, what to do."""

from __future__ import annotations

from os import PathLike


class GexvizError(Exception):
    """Input or environment that gexviz can't work with, told so that a person can act on it.

    Parameters
    ----------
    problem : str
        What is wrong, in one sentence.
    file : path, optional
        The file it was found in.
    place : str, optional
        Where in the file: a row, a column, a key and its line, a gene, a position.
    expected : str, optional
        What would have been right.
    remedy : str, optional
        What to do about it; a command where there is one.
    """

    def __init__(
        self,
        problem: str,
        *,
        file: str | PathLike[str] | None = None,
        place: str | None = None,
        expected: str | None = None,
        remedy: str | None = None,
    ) -> None:
        super().__init__(problem, file, place, expected, remedy)
        self.problem = problem
        self.file = None if file is None else str(file)
        self.place = place
        self.expected = expected
        self.remedy = remedy

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.args)

    def __str__(self) -> str:
        rows = [("file", self.file), ("where", self.place), ("expected", self.expected), ("to do", self.remedy)]
        return "\n".join([self.problem] + [f"  {label + ':':<10}{text}" for label, text in rows if text])


def _rebuild(cls: type[GexvizError], args: tuple[str, str | None, str | None, str | None, str | None]) -> GexvizError:
    """Make an error anew from its parts, so that it crosses a process boundary."""
    problem, file, place, expected, remedy = args
    return cls(problem, file=file, place=place, expected=expected, remedy=remedy)


class UnknownGene(GexvizError):
    """A gene that the study doesn't have; the remedy names the nearest ones."""


class Cancelled(Exception):
    """Raised by a progress callback to stop the work that called it; what is finished stays finished."""
