"""Where deep models and genetics disagree: the stored comparisons, and the eQTLs of the genes that are shown."""

from __future__ import annotations

from typing import Any

import pandas as pd

from gexviz.errors import GexvizError
from gexviz.freezing.asked import Pair
from gexviz.freezing.work import Tables, Work, named
from gexviz.mismatches import Mismatches
from gexviz.mismatching import compare_directions, stored_comparison

MOST_CANDIDATES = 5_000
"""As the Mismatches page has it."""

_TESTED = ["gene", "variant", "position", "ref", "alt", "distance", "slope", "se", "p", "maf", "ld_lead"]


def comparisons(work: Work) -> dict[Pair, Mismatches]:
    """The comparisons that are asked for; what is not stored is computed, if it may be."""
    found = {}
    wanted = [*work.asked.pairs]
    for done, pair in enumerate(wanted, start=1):
        try:
            known = stored_comparison(work.study, pair.model, pair.linear)
            if known is None and work.compute:
                known = compare_directions(work.study, pair.model, pair.linear, progress=work.progress)
        except GexvizError as error:
            work.leave_out(f"{_name(pair)}: {error.problem}")
            continue
        if known is None:
            work.leave_out(f"{_name(pair)}: not compared yet")
        else:
            found[pair] = known
        work.told(done, len(wanted), _name(pair))
    return found


def associations(found: Mismatches, gene: str) -> pd.DataFrame:
    """A gene's eQTLs, with its lead, the nominal p of significance and the unit of slopes."""
    table = found.eqtls.table
    own = table.loc[(table["gene"] == gene).to_numpy(), _TESTED].drop_duplicates("variant")
    facts: dict[Any, Any] = found.eqtls.genes.loc[gene].to_dict() if gene in found.eqtls.genes.index else {}
    return own.rename(columns={"ld_lead": "r_lead"}).assign(
        lead=own["variant"] == facts.get("variant"),
        threshold=float(facts.get("threshold", float("nan"))),
        unit=found.eqtls.unit,
    )


def tables_of(pair: Pair, found: Mismatches) -> Tables:
    """Variants, genes, summary and candidates of one comparison."""
    names = {"model": pair.model, "linear": pair.linear}
    candidates = found.candidates(most=MOST_CANDIDATES).table
    return {
        "mismatch_variants": named(found.variants, **names),
        "mismatch_genes": named(found.genes, **names),
        "mismatch_summary": named(found.summary, **names),
        "candidates": named(candidates, **names),
    }


def _name(pair: Pair) -> str:
    return f"{pair.model} against eQTLs" + (f" and {pair.linear}" if pair.linear else "")
