"""Models of the study that others run: what they would be sent, and agreeing to it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import streamlit as st

from gexviz.models.remote import SendsSequence
from gexviz.sending import Offer, Sending
from gexviz.ui.frame import View
from gexviz.ui.messages import plain
from gexviz.ui.opening import server_asked_for
from gexviz.ui.trying import failure, trying

_AGREEING = "agreeing {}"


def consent(view: View) -> None:
    """Draw a box for each model of the study that sends sequence to others; nothing where there is none."""
    for model in view.opened.models:
        if isinstance(view.study.model(model), SendsSequence):
            _box(model, view.study.sending(model))


def _box(model: str, sending: Sending) -> None:
    agreed, offer = sending.agreed, sending.offer
    with st.container(border=True, key=f"consent_{model}"):
        mark = ":material/lock_open: agreed" if agreed else ":material/lock: not agreed, nothing is sent"
        st.markdown(f"**{plain(model)} needs people's sequence sent to another machine** · {mark}")
        st.markdown("\n".join(f"- {plain(sentence)}" for sentence in offer.told()))
        sent = sending.sent()
        if len(sent):
            st.caption(
                f"Sent so far: {sent['sequences'].sum():,} sequences, {sent['bases'].sum():,} bp, at "
                f"{sent['gene'].nunique():,} genes."
            )
        if server_asked_for().login:  # its readers are not those who answer for these people
            st.caption(f"Who runs this server decides: gexviz models consent STUDY --model {plain(model)}")
        elif agreed:
            st.button(
                "Withdraw", key=f"withdraw_{model}", icon=":material/lock:",
                on_click=partial(_tried, model, sending.withdraw),
            )  # fmt: skip
        else:
            _agreeing(model, sending, offer)
        failure(_AGREEING.format(model))


def _agreeing(model: str, sending: Sending, offer: Offer) -> None:
    """The study's name, typed, and the button: it agrees to the offer that is shown."""
    name = offer.study
    typed = st.text_input("Type the study's name to agree", key=f"agree_name_{model}", placeholder=name, width=400)
    st.button(
        f"Agree to sending the sequences of {offer.people:,} people",
        key=f"agree_{model}", icon=":material/outgoing_mail:", disabled=typed != name,
        on_click=partial(_tried, model, sending.agree, name, offer.digest),
    )  # fmt: skip


def _tried(model: str, act: Callable[..., None], *given: str) -> None:
    """Agree or withdraw."""
    with trying(_AGREEING.format(model)):
        act(*given)
