"""Whether a session was made from the files that a study has now, and if not, what changed, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from gexviz.session.contents import Manifest

SETTINGS = "settings"
"""Stands among the digests of files for that of everything else that results depend on."""

_KINDS = {
    "genes": "gene annotation",
    "samples": "samples file",
    SETTINGS: "settings of the cohort (transform, adjustment, missing and unphased calls, genome build)",
}


class Comparison(NamedTuple):
    """A session beside a study.

    Attributes
    ----------
    changed : tuple of str
        What isn't what the session was made from, a sentence each.
    """

    changed: tuple[str, ...]

    @property
    def live(self) -> bool:
        """Whether nothing changed, so that the study's results are the session's."""
        return not self.changed


def compare_digests(
    manifest: Manifest, inputs: Mapping[str, str], models: Mapping[str, Mapping[str, str] | None]
) -> Comparison:
    """Compare the digests that a session was made with to those of a study as it is now.

    Parameters
    ----------
    manifest : Manifest
    inputs : mapping of str to str
        SHA-256 by kind of input.
    models : mapping of str to mapping of str to str
        SHA-256 by file, of each model of the study that the session has; None for one that can't be opened.

    Returns
    -------
    Comparison
    """
    return Comparison(tuple(_inputs(manifest.inputs, inputs)) + tuple(_models(manifest, models)))


def _inputs(then: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    if not then:
        yield "The session doesn't say which files it was made from."
        return
    for kind in sorted(then.keys() | now.keys()):
        words = _KINDS.get(kind, kind)
        if kind not in now:
            yield f"The study has no {words} now; the session was made with it."
        elif kind not in then:
            yield f"The study has {words} now; the session was made without."
        elif then[kind] != now[kind]:
            yield f"Changed since the session was made: {words}."


def _models(manifest: Manifest, now: Mapping[str, Mapping[str, str] | None]) -> Iterator[str]:
    for name, facts in manifest.models.items():
        found = now.get(name, {})
        if name not in now:
            yield f"The study has no model {name}."
        elif found is None:
            yield f"The model {name} can't be opened."
        elif facts.files != found:
            files = sorted(k for k in facts.files.keys() | found.keys() if facts.files.get(k) != found.get(k))
            yield f"The model {name} is another now: {', '.join(files)} changed."
