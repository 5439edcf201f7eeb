"""The report's content security policy: its own scripts run, by their hashes, and nothing is fetched or sent."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence


def policy(scripts: Sequence[str], styles: Sequence[str]) -> str:
    """Make the policy of a page.

    Parameters
    ----------
    scripts, styles : sequence of str
        The texts of the elements that the page has; no other runs. Plotly adds an empty ``style`` element, filled
        through the object model, and sets ``style`` attributes; these are allowed. The styles that its maps add are
        not: no figure is a map, and browsers note it in their console.

    Returns
    -------
    str
    """
    rules = {
        "default-src": "'none'",
        "script-src": " ".join(map(_hash, scripts)),
        "script-src-attr": "'none'",
        "style-src-elem": " ".join(map(_hash, [*styles, ""])),
        "style-src-attr": "'unsafe-inline'",
        "style-src": "'unsafe-inline'",  # of browsers that don't tell elements from attributes
        "img-src": "data: blob:",  # a figure as a picture
        "connect-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
