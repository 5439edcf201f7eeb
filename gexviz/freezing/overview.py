"""All genes at once: correlations of each model, and the benchmark."""

from __future__ import annotations

from gexviz.errors import GexvizError
from gexviz.freezing.work import Tables, Work, joined, named


def collect_overview(work: Work) -> Tables:
    """Evaluation of all genes and benchmark, of the models that are asked for and have predictions."""
    study, found, rows = work.study, [], []
    for done, model in enumerate(work.asked.evaluated, start=1):
        try:
            if work.compute and model in work.asked.whole:
                study.compute(model, progress=work.progress)
            found.append(named(study.evaluate(model), model=model))
            rows.append(study.benchmark([model]))
        except GexvizError as error:
            work.leave_out(f"evaluation of {model}: {error.problem}")
        work.told(done, len(work.asked.evaluated), f"evaluation, {model}")
    return joined("evaluation", found) | joined("benchmark", rows)
