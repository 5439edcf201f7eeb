"""The Models page: the models of the literature, which of them open here, and all that is known of one."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from gexviz.models.fetching import CACHE
from gexviz.models.zoo import COLUMNS, ROWS, ZooModel, zoo
from gexviz.study import Study
from gexviz.ui.frame import View, readable
from gexviz.ui.messages import plain
from gexviz.ui.models_consent import consent

_MARKS = {"opens": "● opens", "not yet": "○ not yet", "other output": "▲ other output"}
_ABOUT = {
    "opens": "a family that a study can name",
    "not yet": "gexviz can't open it",
    "other output": "it doesn't predict expression",
}
_ROW_HEIGHT, _MOST_ROWS = 35, 16.5  # half a row shows that there are more


def body(view: View) -> None:
    """Draw the page below the header."""
    st.header("Models", anchor=False)
    st.caption("Models of the literature. " + " · ".join(f"**{_MARKS[s]}**: {about}" for s, about in _ABOUT.items()))
    with readable("what is sent to others"):
        consent(view)
    with readable("the table of models"):
        shown = _chosen_kinds()
        chosen = _table(shown, _in_study(view.study))
    if chosen is not None:
        with readable("the model"):
            _details(chosen)


def _chosen_kinds() -> list[ZooModel]:
    """The models that the filter leaves."""
    kinds: list[str] = st.pills(
        "Show", list(_MARKS), selection_mode="multi", default=list(_MARKS), format_func=lambda kind: _MARKS[kind],
        label_visibility="collapsed", key="models_kinds", persist_state="session",
    )  # fmt: skip
    shown = [model for model in zoo().values() if model.status in (kinds or _MARKS)]
    return sorted(shown, key=lambda model: list(_MARKS).index(model.status))


def _in_study(study: Study) -> dict[str, str]:
    """Family -> the study's models of it."""
    names: dict[str, list[str]] = {}
    for name, section in study.config.models.items():
        names.setdefault(section.family, []).append(name)
    return {family: ", ".join(of_it) for family, of_it in names.items()}


def _table(models: list[ZooModel], in_study: dict[str, str]) -> ZooModel | None:
    """Draw the table; give the model of the row that is chosen in it."""
    rows = [
        {
            "Here": _MARKS[model.status],
            "Family": model.family,
            "In this study": in_study.get(model.family, ""),
            "What it is": model.title,
            "Reads": model.input,
            "Gives": model.gives,
            "Licence of the weights": model.licence,
        }
        for model in models
    ]
    kinds = " ".join(sorted({model.status for model in models}))  # other rows, another table: nothing stays chosen
    state = st.dataframe(
        pd.DataFrame(rows), hide_index=True, on_select="rerun", selection_mode="single-row",
        key=f"models_table {kinds}", height=round(_ROW_HEIGHT * (min(len(rows), _MOST_ROWS) + 1)) + 3,
        column_config={"Family": st.column_config.Column(width=150), "What it is": st.column_config.Column(width=310)},
    )  # fmt: skip
    chosen = state["selection"]["rows"]
    if not chosen or chosen[0] >= len(models):
        st.caption(
            f"{len(models)} models. Choose a row for its readout, weights, published figures, and how it was checked."
        )
        return None
    return models[chosen[0]]


def _details(model: ZooModel) -> None:
    """All that is known of one model, and how to get its weights."""
    st.subheader(plain(model.family), anchor=False)
    told = model.told()
    left, right = st.columns([3, 2], gap="medium")
    with left:
        said = [column for column in COLUMNS if column not in ("family", "status", "published")]
        st.markdown("\n".join(f"- {COLUMNS[column]}: {plain(told[column])}" for column in said))
    with right:
        st.markdown("**Published r** (Pearson, as its paper or the field's benchmark has it)")
        figures = [f"{model.published[row]:g}" if row in model.published else "not reported" for row in ROWS]
        st.table(pd.DataFrame({"r": figures}, index=list(ROWS)))
        for file in model.files:
            which = f" --file {file.name}" if len(model.files) > 1 else ""
            known = "" if file.sha256 else " --sha256 DIGITS"
            st.code(f"gexviz models fetch {model.family}{which}{known}", language="sh", wrap_lines=True)
        if model.files:
            st.caption(plain(f"Downloads into ${CACHE}, else the user's cache folder. This page fetches nothing."))
