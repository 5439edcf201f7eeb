"""The lines of background jobs on a page."""

from __future__ import annotations

import threading

from streamlit.testing.v1 import AppTest
from test_ui_jobs import steps, until

from gexviz.ui.jobs import Jobs

JOBS = Jobs()


def _page() -> None:
    from test_ui_background import JOBS

    from gexviz.ui import background

    background.running(JOBS, background.checkpoints(JOBS))


def _buttons(app: AppTest) -> list[tuple[str, str, bool]]:
    return [(button.key.removeprefix("cancel "), button.label, button.disabled) for button in app.button]


def test_a_line_keeps_its_place_when_another_job_ends() -> None:
    first, second = threading.Event(), threading.Event()
    ends = JOBS.submit("a", "A", steps(1, first))
    stays = JOBS.submit("b", "B", steps(1, second), device="another")
    app = AppTest.from_function(_page).run()
    assert _buttons(app) == [("a", "Cancel", False), ("b", "Cancel", False)]
    first.set()
    until(lambda: not ends.active)
    assert _buttons(app.run()) == [("a", "Done", True), ("b", "Cancel", False)]
    app.button(key="cancel b").click().run()
    assert stays.stopping or not stays.active
    second.set()
    until(lambda: not stays.active)
    assert _buttons(app.run()) == []
    again = threading.Event()
    job = JOBS.submit("b", "B", steps(1, again))
    assert _buttons(app.run()) == [("b", "Cancel", False)]
    again.set()
    until(lambda: not job.active)


def test_of_many_that_ended_the_last_keep_their_lines() -> None:
    gate = threading.Event()
    stays = JOBS.submit("stays", "Stays", steps(1, gate), device="another")
    app = AppTest.from_function(_page)
    for key in "vwxyz":
        shown = threading.Event()
        job = JOBS.submit(key, key, steps(1, shown))
        app.run()
        shown.set()
        until(lambda job=job: not job.active)
    assert [key for key, *_ in _buttons(app.run())] == ["stays", "x", "y", "z"]
    gate.set()
    until(lambda: not stays.active)
