"""Which folders may be read for somebody else: a path is checked by what it leads to, and that is what is opened."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from gexviz.errors import GexvizError


class Allowed(NamedTuple):
    """Folders that paths of others must stay in.

    Attributes
    ----------
    roots : tuple of Path
        Absolute; as :func:`allowed_roots` makes them.
    base : Path
        Where relative paths start.
    """

    roots: tuple[Path, ...]
    base: Path

    def path(self, asked: str | Path) -> Path:
        """Follow a path to its end, and see that it stays inside the folders all the way.

        ``..`` is taken out first, by name; then symbolic links are followed. The name must be inside, and what it leads
        to as well. Whatever is refused is refused in the same words, so that nothing is learnt about files elsewhere.

        Parameters
        ----------
        asked : str or Path
            Absolute, relative to `base`, or beginning with ``~/``. The file need not exist.

        Returns
        -------
        Path
            Without links: to be opened in place of what was asked for.

        Raises
        ------
        GexvizError
            For a path that leads outside, or nowhere (a loop of links, a name that no file can have).
        """
        try:
            named = Path(asked).expanduser() if str(asked).startswith("~/") else Path(asked)
            plain = Path(os.path.normpath(self.base / named))
            found = plain.resolve()
            with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
                found.stat()  # names that no file can have are found out here
        except (OSError, RuntimeError, ValueError):
            raise self._refusal(asked) from None
        ends = [root.resolve() for root in self.roots]
        if any(plain.is_relative_to(root) for root in (*self.roots, *ends)) and any(map(found.is_relative_to, ends)):
            return found
        raise self._refusal(asked)

    def _refusal(self, asked: str | Path) -> GexvizError:
        text = "".join(c if c.isprintable() else "�" for c in str(asked))
        return GexvizError(
            "this path is not in a folder that may be read here",
            file=text if len(text) <= _SHOWN else text[:_SHOWN] + "…",
            expected="a path inside " + " or ".join(map(str, self.roots)),
            remedy="put the file there, or start the app with --allow-root and the file's folder",
        )


_SHOWN = 200


def allowed_roots(folders: Iterable[str | Path]) -> tuple[Path, ...]:
    """Make folders absolute and see that they are there.

    Raises
    ------
    GexvizError
        For one that isn't a folder.
    """
    roots = []
    for folder in folders:
        text = str(folder)
        if not text or not (root := Path(os.path.normpath(Path(text).expanduser().absolute()))).is_dir():
            raise GexvizError(
                f"--allow-root: there is no folder '{text}'", expected="a folder", remedy="correct the path"
            )
        roots.append(root)
    return tuple(roots)
