"""What the Locus page gives away as files. No name of a file holds a sample id."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import streamlit as st

from gexviz.explaining.attributions import METHODS, Attribution, per_base
from gexviz.explaining.ism import Ism
from gexviz.exporting import write_bedgraph, write_bigwig, write_logo, write_sites_bed, write_variants_bed
from gexviz.exporting.logo import MOST_BASES
from gexviz.ui.downloads import csv_bytes
from gexviz.ui.locus_looked import Looked
from gexviz.ui.messages import plain

_KEEP: Literal["session"] = "session"
_CAMERA = "camera_format"


def camera() -> Literal["svg", "png"]:
    """Format that the camera button above the figure saves."""
    return "png" if st.session_state.get(_CAMERA) == "PNG" else "svg"


def file_name(looked: Looked, what: str) -> str:
    """Name of a file without its ending: gene, model, what it is; no person."""
    parts = (looked.locus.name, looked.model, what)
    return "-".join(re.sub(r"[^A-Za-z0-9._]+", "_", part).strip("._") or "x" for part in parts)


def exports(looked: Looked, found: Attribution | None, sites: pd.DataFrame | None) -> None:
    """Offer files of what is shown; each is made when it is asked for."""
    with st.popover("Export", icon=":material/download:"):
        st.segmented_control(
            "The camera above the figure saves", ["SVG", "PNG"], default="SVG", required=True, key=_CAMERA,
            persist_state=_KEEP,
        )  # fmt: skip
        contig = looked.window.contig
        human = re.fullmatch(r"\d{1,2}|X|Y|MT?", contig) is not None
        ucsc = human and st.toggle("Name the contig as UCSC does (chr…)", key="ucsc_names", persist_state=_KEEP)
        _of_bases(looked, found, ucsc=bool(ucsc))
        _of_intervals(looked, sites, ucsc=bool(ucsc))


def _of_bases(looked: Looked, found: Attribution | None, *, ucsc: bool) -> None:
    """Values of the region's bases: logo, CSV, bedGraph, bigWig."""
    st.markdown(f"**{METHODS[looked.method]}** of the region shown")
    if found is None:
        st.caption("Nothing is computed of it yet.")
        return
    bases, contig, title = per_base(found), looked.window.contig, looked.labels.title()
    wide = len(bases) > MOST_BASES
    logo = {"unit": found.labels.unit, "title": f"{title} · {METHODS[looked.method]}"}
    limit = f"Choose a region of at most {MOST_BASES} bases" if wide else None
    with st.container(horizontal=True):
        for ending in ("svg", "pdf"):
            write = partial(write_logo, bases, contig=contig, **logo)
            _button(looked, f"Logo {ending.upper()}", f"{looked.method}-logo.{ending}", write, why_not=limit)
        _button(looked, "CSV", f"{looked.method}.csv", table=with_one_based_positions(found))
    with st.container(horizontal=True):
        write_graph = partial(write_bedgraph, bases, contig=contig, name=f"{title} {looked.method}", ucsc=ucsc)
        _button(looked, "bedGraph", f"{looked.method}.bedGraph", write_graph)
        length = looked.study.cohort.reference.contigs[contig]
        write_big = partial(write_bigwig, bases, contig=contig, contig_length=length, ucsc=ucsc)
        missing = None if find_spec("pyBigWig") else "Needs pyBigWig: pip install pyBigWig"
        _button(looked, "bigWig", f"{looked.method}.bw", write_big, why_not=missing)


def _of_intervals(looked: Looked, sites: pd.DataFrame | None, *, ucsc: bool) -> None:
    """Variants and motif sites: BED, CSV."""
    contig, title = looked.window.contig, looked.labels.title()
    for what, table, write in (
        ("variants", None if looked.effects is None else looked.effects.table, write_variants_bed),
        ("motifs", sites, write_sites_bed),
    ):
        if table is None or table.empty:
            continue
        st.markdown("**Variants** of the window" if what == "variants" else "**Motif sites** of the region shown")
        with st.container(horizontal=True):
            as_bed = partial(write, table, contig=contig, name=f"{title} {what}", ucsc=ucsc)
            _button(looked, "BED", f"{what}.bed", as_bed)
            one_based = table.assign(start=table["start"] + 1) if what == "motifs" else table
            _button(looked, "CSV", f"{what}.csv", table=one_based)


def with_one_based_positions(found: Attribution) -> pd.DataFrame:
    """Values of bases as a table, with positions as people read them."""
    table = found.bases if isinstance(found, Ism) else found.table()
    return table.assign(position=table["position"] + 1)


def _button(
    looked: Looked,
    label: str,
    name: str,
    write: Callable[..., Any] | None = None,
    *,
    table: pd.DataFrame | None = None,
    why_not: str | None = None,
) -> None:
    """Offer a file that `write` writes to a path, or a table as CSV."""
    if table is not None:
        made = partial(csv_bytes, table)
    elif write is not None:
        made = partial(_written, write, Path(name).suffix)
    stem, ending = name.rsplit(".", 1)
    st.download_button(
        label, made, f"{file_name(looked, stem)}.{ending}", key=f"export {name}", on_click="ignore",
        icon=":material/download:", disabled=why_not is not None, help=None if why_not is None else plain(why_not),
    )  # fmt: skip


def _written(write: Callable[..., Any], ending: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"export{ending}"
        write(path=path)
        return path.read_bytes()
