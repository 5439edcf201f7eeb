"""The frame around every page: opening the study, the header, the background work, and errors that people can read."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import streamlit as st

from gexviz.errors import GexvizError
from gexviz.study import Study
from gexviz.ui import background, keeping, links, predicting
from gexviz.ui.copy_link import copy_link
from gexviz.ui.gene_box import gene_box
from gexviz.ui.jobs import Jobs, where_it_failed
from gexviz.ui.links import Selection
from gexviz.ui.login import account, gate
from gexviz.ui.messages import error_block, plain, unknown_block
from gexviz.ui.opening import Opened, all_jobs, open_study, reopen, unopened_study
from gexviz.ui.preflight import preflight
from gexviz.ui.tables import ready_genes, version

log = logging.getLogger(__name__)

PAGES = {
    "Data": ("pages/Data.py", ":material/fact_check:"),
    "Overview": ("pages/Overview.py", ":material/scatter_plot:"),
    "Gene": ("pages/Gene.py", ":material/genetics:"),
    "Locus": ("pages/Locus.py", ":material/equalizer:"),
    "Mismatches": ("pages/Mismatches.py", ":material/compare_arrows:"),
    "Session": ("pages/Session.py", ":material/bookmarks:"),
    "Models": ("pages/Models.py", ":material/deployed_code:"),
}
OF_ONE_GENE = ("Gene", "Locus")
"""Pages that always have a gene, named by the URL or not."""

SHOWS_GENES = (*OF_ONE_GENE, "Mismatches")
"""Pages that a gene is chosen on without going elsewhere."""

WITHOUT_CHOICE = ("Session", "Models")
"""Pages on which neither models nor a gene are chosen."""

_ICON = str(Path(__file__).with_name("icon.png"))
_TARGET = "open_gene_page"
_STEADY = "<style>[data-stale='true'] {opacity: 1 !important; transition: none !important}</style>"
"""Old elements stay as they are until the new ones come: fading thousands of points holds up drawing the new ones."""


class View(NamedTuple):
    """What a page's body is given.

    Attributes
    ----------
    opened : Opened
    jobs : Jobs
    version : str
        Of the files and results; see :func:`gexviz.ui.tables.version`.
    selection : Selection
        What the URL asks for.
    """

    opened: Opened
    jobs: Jobs
    version: str
    selection: Selection

    @property
    def study(self) -> Study:
        """The study."""
        return self.opened.study


def show(page: str, body: Callable[[View], None]) -> None:
    """Show a page: its frame, then its body. All that a file in ``pages/`` does.

    Parameters
    ----------
    page : {"Data", "Overview", "Gene", "Locus", "Mismatches", "Session", "Models"}
    body : callable
        Draws the page below the header.
    """
    st.set_page_config(page_title=f"{page} · gexviz", page_icon=_ICON, layout="wide")
    gate()
    if (query := st.session_state.pop(_TARGET, None)) is not None:
        st.switch_page(PAGES["Gene"][0], query_params=query)
    st.html(_STEADY)
    keeping.begin()
    seen = background.checkpoints(all_jobs())
    slot = None
    with readable("the study"):
        if page == "Data" and (trouble := _trouble()) is not None:
            _broken(trouble)
        else:
            view = _view(page)
            _header(page, view)
            slot = st.container(key="background")
            _below(page, view, body)
    with slot or st.container():
        background.running(all_jobs(), seen)


def _below(page: str, view: View, body: Callable[[View], None]) -> None:
    """What the URL asked for in vain, what is missing, the kept view that was opened, and the page itself."""
    kept = None
    with readable("the header"):
        _notices(page, view)
        if page in ("Data", "Overview", "Gene"):  # the others make what they need, or show what is kept
            predicting.panel(view.opened, view.jobs, view.version, view.selection.models)
        kept = keeping.reopened(page, view.opened)
    banner = st.container()
    if page not in OF_ONE_GENE or not any(u.what == "gene" for u in view.selection.unknown):
        with readable("this page"):
            body(view)
    with banner, readable("the kept view"):
        keeping.banner(page, view.opened, kept)


def _trouble() -> GexvizError | None:
    """Why the study can't be opened, if it can't."""
    try:
        open_study()
    except GexvizError as error:
        return error
    return None


def _broken(trouble: GexvizError) -> None:
    """What can be shown of a study whose files can't be read: the error, and the checks of all its files."""
    error_block(trouble)
    study = None
    with suppress(GexvizError):  # its TOML is wrong: that is what the block says already
        study = unopened_study()
    st.button("Read the files again", icon=":material/refresh:", on_click=reopen)
    if study is not None:
        preflight(study, all_jobs())


def _view(page: str) -> View:
    """Open the study and read the URL, before any widget is made. Pages of one gene always have one."""
    opened = open_study()
    jobs = all_jobs()
    defaults = [m for m in (opened.deep, opened.linear) if m is not None]
    selection = links.read(st.query_params, opened.book, opened.models, defaults)
    now = version(opened.study, jobs)
    predicting.start_demo(opened, jobs, now)
    if page in OF_ONE_GENE and selection.gene is None and not selection.unknown and opened.models:
        ready = ready_genes(opened.study, now, tuple(selection.models))
        selection = selection._replace(gene=next(iter(ready), opened.book.ids[0]))
        if ready:  # while nothing is, a better gene may come
            st.query_params["gene"] = str(selection.gene)
    return View(opened, jobs, now, selection)


@contextmanager
def readable(what: str) -> Iterator[None]:
    """Turn what goes wrong inside into something to read: a GexvizError as it stands, anything else as one sentence."""
    try:
        yield
    except GexvizError as error:
        error_block(error)
        if what == "the study":
            st.button("Read the files again", icon=":material/refresh:", on_click=reopen)
    except Exception as error:
        log.error("%s could not be shown: %s", what, where_it_failed(error))
        st.error(f"Something unexpected went wrong, and {what} can't be shown. The server's log says where.")


def open_gene(selection: Selection, gene: str) -> None:
    """Have the next run of the page go to a gene's page. For callbacks and fragments, which can't switch pages."""
    st.session_state[_TARGET] = selection.query(gene=gene)


def _header(page: str, view: View) -> None:
    """Study, badge, navigation; the models and the gene."""
    study, selection = view.study, view.selection
    with st.container(horizontal=True, vertical_alignment="center", key="header"):
        st.markdown(f"**gexviz** :gray[/] {plain(study.name)}", width="content")
        if study.simulated:
            st.badge("SIMULATED DATA", icon=":material/science:", color="orange")
        else:
            st.badge("Real data", icon=":material/groups:", color="green")
        st.space("stretch")
        with st.container(horizontal=True, vertical_alignment="center", width="content", key="pages"):
            for name, (path, icon) in PAGES.items():
                label = f"**{name}**" if name == page else name
                st.page_link(path, label=label, icon=icon, query_params=selection.query())
        account()
    if page in WITHOUT_CHOICE:
        return
    model, linear, gene, keep, link = st.columns([3.7, 3.7, 3.9, 4.2, 2.5], vertical_alignment="bottom", gap="small")
    with keep:
        keeping.button(page, view.opened, selection)
    with link:
        copy_link(selection)
    with model:
        _model_box("Model", "model", page, view)
    with linear:
        _model_box("Compared with", "linear", page, view)
    with gene:
        _gene_box(page, view)


def _model_box(label: str, key: str, page: str, view: View) -> None:
    state = f"{key}_box"
    st.session_state[state] = getattr(view.selection, key)
    others = [m for m in view.opened.models if key == "model" or m != view.selection.model]

    def chosen() -> None:
        st.query_params.update(view.selection.query(**{key: st.session_state[state]}))

    st.selectbox(
        label, others, key=state, on_change=chosen, disabled=not others or len(view.opened.models) < 2,
        format_func=lambda m: _model_name(m, view.study.spec(m).family), placeholder="no other model",
    )  # fmt: skip


def _model_name(name: str, family: str) -> str:
    return name if name == family else f"{name} ({family})"


def _gene_box(page: str, view: View) -> None:
    def choose(gene: str) -> None:
        if page in SHOWS_GENES:
            st.query_params.from_dict(view.selection.query(gene=gene))
        else:
            open_gene(view.selection, gene)

    gene_box(view.opened.book, view.selection.gene, choose)


def _notices(page: str, view: View) -> None:
    for unknown in view.selection.unknown:
        to = PAGES[page if page in SHOWS_GENES or unknown.what != "gene" else "Gene"][0]
        unknown_block(to, unknown, view.selection, view.opened)
    for error in view.opened.broken.values():
        error_block(error)
