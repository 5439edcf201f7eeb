"""Who may see the pages: everybody who reaches the server, or those who log in, where ``secrets.toml`` asks for that.

With an ``[auth]`` section (Streamlit's OpenID Connect login), nothing is drawn for anybody who is not logged in. If it
can't be told whether a login is asked for, nobody is let in. docs/deploy.md has an example.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from gexviz.errors import GexvizError
from gexviz.ui.messages import error_block
from gexviz.ui.opening import server_asked_for

_REMEDY = "docs/deploy.md has an example"


def gate() -> None:
    """Go on for a reader who may see the pages; else offer the login, or say why not, and end the run of the page."""
    try:
        secrets = _secrets(required=server_asked_for().login)
    except GexvizError as error:
        error_block(error)
        st.stop()
    if "auth" not in secrets:
        return
    people = secrets.get("gexviz", {}).get("people")
    if not st.user.get("is_logged_in", False):
        st.header("gexviz")
        st.button("Log in", icon=":material/login:", type="primary", on_click=st.login)
        st.stop()
    if not may_enter(st.user, people):
        st.header("gexviz")
        st.error("You are logged in, but not one of the people whom this server is for.", icon=":material/block:")
        st.button("Log out", icon=":material/logout:", on_click=st.logout)
        st.stop()


def account() -> None:
    """Offer to log out, to a reader who is logged in."""
    if st.user.get("is_logged_in", False):
        st.button("Log out", icon=":material/logout:", type="tertiary", on_click=st.logout)


def may_enter(user: Mapping[str, Any], people: Iterable[str] | None) -> bool:
    """Whether somebody who is logged in may see the pages.

    Parameters
    ----------
    user : mapping
        What the provider says: ``email``, and ``email_verified`` if it knows.
    people : iterable of str, optional
        Addresses, and domains as ``@lab.org``. Everybody whom the provider logs in, if not given.
    """
    if people is None:
        return True
    address = str(user.get("email") or "").strip().lower()
    name, at, domain = address.rpartition("@")
    known = {str(one).strip().lower() for one in ([people] if isinstance(people, str) else people)}
    return bool(name and domain) and user.get("email_verified") is not False and bool({address, at + domain} & known)


def _secrets(*, required: bool) -> Mapping[str, Any]:
    """All of ``secrets.toml``; empty if there is none.

    Raises
    ------
    GexvizError
        If it can't be read, or has no login and one is required.
    """
    secrets: Mapping[str, Any] = {}
    if any(Path(path).exists() for path in st.get_option("secrets.files")):
        try:
            secrets = st.secrets.to_dict()
        except (OSError, ValueError):
            raise GexvizError(
                "the server's secrets.toml can't be read, so nobody is let in", expected="valid TOML", remedy=_REMEDY
            ) from None
    if required and "auth" not in secrets:
        raise GexvizError(
            "this server was started with --require-login, but no login is set up, so nobody is let in",
            expected="[auth] in .streamlit/secrets.toml",
            remedy=_REMEDY,
        )
    return secrets
