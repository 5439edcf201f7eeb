"""The tab of stretches: what a prediction loses where some bases are deleted or shuffled, for slow models too."""

from __future__ import annotations

from functools import partial
from typing import Literal

import streamlit as st

from gexviz.explaining import tiles
from gexviz.explaining.target import Target
from gexviz.explaining.tiles import Tiles, Tiling
from gexviz.results import digest_of
from gexviz.tasks import Progress
from gexviz.ui import locus_work
from gexviz.ui.charts import show_chart
from gexviz.ui.downloads import csv_bytes
from gexviz.ui.locus_exports import file_name
from gexviz.ui.locus_looked import Looked
from gexviz.ui.locus_work import ASK_ABOVE, DONE, Wanted
from gexviz.ui.messages import plain

_KEEP: Literal["session"] = "session"
_HOW: dict[Literal["deletion", "shuffle"], str] = {"deletion": "Deleted", "shuffle": "Shuffled"}


def stretches(looked: Looked) -> None:
    """Ask how the region shown is altered, and draw what comes of it."""
    assert looked.first is not None
    tiling = _tiling(looked.region[1] - looked.region[0])
    read = partial(tiles.stored_tiles, looked.first, looked.region, tiling, haplotype=looked.person)
    found = locus_work.found_or_begun(looked.view.jobs, _wanted(looked, looked.first, tiling), read, looked.until)
    if not isinstance(found, Tiles):
        return
    name = file_name(looked, f"{tiling.how}-{tiling.width}bp")
    alt = f"Effect of each stretch of {tiling.width:,} bp of {looked.locus.name} when it is altered"
    show_chart(found.figure(), "stretches", alt, image=("svg", name))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(plain(_largest(found)))
        st.download_button(
            "CSV", partial(csv_bytes, found.rows()), f"{name}.csv", key="stretches csv", on_click="ignore",
            icon=":material/download:",
        )  # fmt: skip


def _tiling(length: int) -> Tiling:
    """Ask how, and how wide."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        how = st.segmented_control(
            "Each stretch is", list(_HOW), default="deletion", required=True, key="stretches_how",
            format_func=lambda how: _HOW[how], persist_state=_KEEP,
        ) or "deletion"  # fmt: skip
        width = st.number_input(
            "bp a stretch", 1, length, min(length, tiles.fitting_width(length, how)), key=f"{how} of {length}",
            width=150, help="Stretches lie side by side in the region shown above: zoom in to see them finer. "
            "Of fewer than 20 bp, with the dinucleotides kept, many shuffles are what was there.",
        )  # fmt: skip
    return Tiling(how, int(width), int(width))


def _wanted(looked: Looked, target: Target, tiling: Tiling) -> Wanted:
    region, person = looked.region, looked.person
    key = digest_of("tiles", looked.files, target.key(*tiling, *region), *(person or ()))

    def work(progress: Progress) -> str:
        tiles.altered_tiles(target, region, tiling, haplotype=person, progress=progress)
        return DONE

    label = f"{tiling.width:,} bp stretches of {looked.locus.name} {_HOW[tiling.how].lower()} with {looked.model}"
    return Wanted(f"locus {key}", label, "stretches", work, partial(_seconds, target, tiling, region[1] - region[0]))


def _seconds(target: Target, tiling: Tiling, length: int) -> float:
    """Seconds that it takes, reckoned from one forward pass, if even the first piece takes long; else 0."""
    forward = locus_work.forward_seconds(target)
    first = tiling.predictions(tiles.PIECE * tiling.width)
    return forward * tiling.predictions(length) if forward * first > ASK_ABOVE else 0.0


def _largest(found: Tiles) -> str:
    """The stretch that matters most, in words."""
    top = found.table.sort_values("effect", key=abs).iloc[-1]
    where = f"{found.labels.contig}:{int(top['start']) + 1:,}-{int(top['end']):,}"
    effect = f"{top['effect']:+.3g} {found.labels.unit}"
    spread = f" (SD {top['sd']:.3g} over {found.tiling.n} shuffles)" if found.tiling.how == "shuffle" else ""
    return f"{len(found.table):,} stretches; the largest effect: {where}, {effect}{spread}."
