"""Small studies for tests of the app: real files, two models whose predictions are tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from cohorts import make_study

MODELS = """
[models.deep]
family = "table"
predictions = "deep.tsv"
scale = "log2 expression"

[models.linear]
family = "table"
predictions = "linear.tsv"
scale = "log2 expression"
"""


def app_study(folder: Path, *, simulated: bool = True, people: int = 40, name: str = "Small") -> Path:
    """Write 6 genes with models `deep` (a prediction a haplotype; not for GENE5) and `linear`; give the TOML."""
    toml = make_study(folder, people=people, models=MODELS)
    text = toml.read_text().replace('name = "Small"', f'name = "{name}"')
    toml.write_text(text.replace("simulated = true", f"simulated = {str(simulated).lower()}"))
    expression = pd.read_csv(folder / "expression.tsv", sep="\t", index_col=0)
    rng = np.random.default_rng(5)
    noise = rng.normal(0, 0.5, expression.shape)
    (expression + noise).to_csv(folder / "linear.tsv", sep="\t")
    signs = np.array([-1, 1, 1, -1, 1, 1])[:, None]
    halves = {
        f"{sample}|{copy}": (signs[:, 0] * expression[sample] + rng.normal(0, 1, len(expression)))
        for sample in expression
        for copy in (1, 2)
    }
    pd.DataFrame(halves, index=expression.index).iloc[:5].to_csv(folder / "deep.tsv", sep="\t")
    return toml
