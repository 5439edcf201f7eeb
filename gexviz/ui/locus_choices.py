"""What to look into, as it is asked for on the Locus page: method, sequences, region, own files."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

import streamlit as st

from gexviz.cohort.windows import Window
from gexviz.errors import GexvizError
from gexviz.explaining.attributions import ISM, METHODS, methods_of
from gexviz.explaining.regions import parse_region, region_text
from gexviz.study import Study
from gexviz.ui.frame import View
from gexviz.ui.links import TRACKS
from gexviz.ui.locus_looked import Person, motif_file
from gexviz.ui.locus_regions import around, in_url, panned, zoomed
from gexviz.ui.messages import error_block, plain
from gexviz.ui.opening import Opened

REFERENCE = "Reference"
NOTHING = "Nothing"

_KEEP: Literal["session"] = "session"
_REGION = "region_box"


class Files(NamedTuple):
    """Files that the reader named.

    Attributes
    ----------
    tracks : tuple of Path
    motifs : Path or None
        What was typed; else ``motifs.meme`` beside the study's file, if it is there.
    """

    tracks: tuple[Path, ...]
    motifs: Path | None


def method_choice(view: View, model: str) -> str:
    """Ask how to tell what each base is worth, in ways that the model can be looked into; the URL may name others."""
    method = view.selection.method or ISM
    st.session_state["method_box"] = method
    offered = dict.fromkeys([*methods_of(view.study.model(model)), method])
    st.selectbox(
        "Method", list(offered), key="method_box", format_func=lambda m: METHODS[m], width=240,
        on_change=lambda: _go(view, method=_unless(st.session_state["method_box"], ISM)),
    )  # fmt: skip
    return method


def tracks_choice(view: View) -> None:
    """Ask which tracks are shown besides the genes."""
    chosen = [name for name in TRACKS if view.selection.tracks and view.selection.shows(name)]
    st.session_state["tracks_box"] = chosen
    st.multiselect(
        "Tracks", list(TRACKS), key="tracks_box", format_func=lambda t: TRACKS[t], placeholder="all", width=170,
        on_change=lambda: _go(view, tracks=",".join(st.session_state["tracks_box"]) or None),
    )  # fmt: skip


def _unless(value: str, default: str) -> str | None:
    return None if value == default else value


def _go(view: View, **changes: str | None) -> None:
    st.query_params.from_dict(view.selection.query(**changes))


def sequence_choice(study: Study) -> tuple[Person | None, Person | str | None]:
    """Ask for the sequence, and for one to compare it with.

    Returns
    -------
    first : Person or None
        None for the reference.
    second : Person, str or None
        :data:`REFERENCE` for the reference; None for nothing.
    """
    first = _person("Sequence", "first", study, [REFERENCE])
    second = _person("Second sequence", "second", study, [NOTHING, REFERENCE])
    return (
        first if isinstance(first, Person) else None,
        None if second == NOTHING else second,
    )


def _person(label: str, key: str, study: Study, others: list[str]) -> Person | str:
    populations = study.samples["population"].astype(str).to_dict() if "population" in study.samples else {}
    who = st.selectbox(
        label, [*others, *study.samples.index], key=f"{key}_sequence", width=205, persist_state=_KEEP,
        filter_mode="contains", format_func=lambda s: f"{s} · {populations[s]}" if s in populations else s,
        help="The reference, or one copy of a person's own genome. Who is chosen stays out of links and files.",
    )  # fmt: skip
    if who is None or who in others:
        return who or others[0]
    copy = st.segmented_control(
        "Copy", [1, 2], default=1, required=True, key=f"{key}_copy", persist_state=_KEEP
    )
    return Person(str(who), 2 if copy == 2 else 1)


def region_of(view: View, window: Window) -> tuple[int, int]:
    """Give the region that the URL asks for; the whole window, and a message, where that is none."""
    try:
        region = parse_region(view.selection.region, window)
    except GexvizError as error:
        error_block(error)
        st.session_state[_REGION] = view.selection.region  # to be corrected there
        return window.start, window.end
    st.session_state[_REGION] = region_text(window.contig, *region)
    return region


def region_choice(view: View, window: Window, region: tuple[int, int], variant: str | None) -> None:
    """Ask for the region: typed, moved, or around the chosen variant."""
    st.text_input(
        "Region (1-based, both ends in it)", key=_REGION, width=290,
        on_change=lambda: _go(view, region=_typed(window)),
        help="contig:start-end or start-end, inside the model's window. Empty for the whole window.",
    )  # fmt: skip
    whole = (window.start, window.end)
    moves = [
        ("Left", "arrow_back", panned(region, window, -0.5)),
        ("Right", "arrow_forward", panned(region, window, 0.5)),
        ("Zoom in", "zoom_in", zoomed(region, window, 1 / 3)),
        ("Zoom out", "zoom_out", zoomed(region, window, 3)),
        ("Whole window", "fit_width", whole),
    ]
    for label, icon, to in moves:
        st.button(
            label, icon=f":material/{icon}:", key=f"region {label}",
            disabled=to == region and (to != whole or label != "Whole window" or view.selection.region is None),
            on_click=partial(_go, view, region=in_url(to, window)),
        )  # fmt: skip
    bp = st.number_input(
        "bp each side", 10, 5_000, 100, 10, key="around_bp", width=130, persist_state=_KEEP,
        help="Up to about 145 on each side, letters are drawn.",
    )  # fmt: skip
    near = None if variant is None else around(variant, window, int(bp))
    st.button(
        "Around the variant", icon=":material/center_focus_strong:", key="region around", disabled=near is None,
        on_click=partial(_go, view, region=in_url(near or whole, window), variant=variant),
    )  # fmt: skip


def _typed(window: Window) -> str | None:
    """What was typed, as the URL has it; what is no region stays as it is, and is said."""
    text = str(st.session_state[_REGION]).strip()
    try:
        return in_url(parse_region(text, window), window)
    except GexvizError:
        return text


def files_choice(opened: Opened) -> Files:
    """Ask for own tracks and motifs, files on the machine that the app runs on. Says which of them may not be read."""
    with st.popover("Own tracks and motifs", icon=":material/add_chart:"):
        tracks = st.text_area(
            "Tracks: paths of BED, bedGraph or bigWig files, one a line", key="own_tracks", persist_state=_KEEP,
            placeholder="peaks.bed.gz", width=420, height=90,
        )  # fmt: skip
        motifs = st.text_input(
            "Motifs: path of a file in MEME format", key="own_motifs", persist_state=_KEEP,
            placeholder="JASPAR2024.meme", width=420,
        )  # fmt: skip
        folders = " or ".join(plain(str(root)) for root in opened.allowed.roots)
        st.caption(
            "Files on the machine that this app runs on. They are read there, and go nowhere. "
            f"They may be in {folders}; paths without a leading / start from the study's folder."
        )
    lines = dict.fromkeys(line.strip() for line in (tracks or "").splitlines() if line.strip())
    found = [path for line in lines if (path := _permitted(opened, line)) is not None]
    typed = (motifs or "").strip()
    return Files(tuple(found), _permitted(opened, typed) if typed else motif_file(opened.study))


def _permitted(opened: Opened, typed: str) -> Path | None:
    """What a typed path leads to, if that may be read; else None, and a message."""
    try:
        return opened.allowed.path(typed)
    except GexvizError as error:
        error_block(error)
        return None
