"""What a session at level aggregate tells of people, and what an attacker can make of it."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats

from gexviz.session import binning, groups, pseudonyms
from gexviz.session.naming import names_of, without_paths
from gexviz.session.privacy import (
    Carriers,
    K,
    coarse_benchmark,
    coarse_genes,
    coarse_variants,
    folded,
    grid_step,
    rounded_count,
    told_count,
)

MODELS = ["deep", "linear"]


@st.composite
def cohorts(draw):
    """Small cohorts with what makes them hard: ties, constants, missing values, variants that nearly the same people
    carry."""
    n = draw(st.integers(0, 90))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = draw(st.sampled_from(["continuous", "ties", "constant", "outliers"]))

    def values():
        drawn = rng.normal(5, 2, n)
        if kind == "ties":
            return np.round(drawn)
        if kind == "constant":
            return np.full(n, 3.7)
        return drawn * np.where(rng.random(n) < 0.05, 50, 1) if kind == "outliers" else drawn

    table = pd.DataFrame({"observed": values(), "deep": values(), "linear": values()})
    for column in table:
        few = draw(st.sampled_from([0, 1, 5, 30, 100]))
        table.loc[rng.random(n) < few / 100, column] = np.nan
    if draw(st.booleans()):  # a model without some few of the people
        table.loc[: draw(st.integers(0, 12)), "linear"] = np.nan
    copies = rng.binomial(2, draw(st.sampled_from([0.0, 0.02, 0.1, 0.3, 0.5, 1.0])), n).astype(float)
    nearly = copies.copy()
    changed = rng.permutation(n)[: draw(st.integers(0, 4))]
    nearly[changed] = (nearly[changed] + 1) % 3
    copies[rng.random(n) < draw(st.sampled_from([0.0, 0.1]))] = np.nan
    return table, pd.DataFrame({"first": copies, "second": nearly})


def published(table, variants):
    """Everybody that a number of a session is about, and that number: (people, told) of all numbers of people."""
    everybody = len(table)
    found = []
    for model in MODELS:
        used = table["observed"].notna() & table[model].notna()
        if used.sum() >= K:
            found.append((frozenset(np.flatnonzero(used)), told_count(used.sum(), everybody)))
    for _, _, part in binning.bins_of(table, MODELS):
        found.append((frozenset(part.members), rounded_count(len(part.members))))
    for variant in variants:
        for value in table:
            known = table[value].notna() & variants[variant].notna()
            counts = np.array([(known & (variants[variant] == n)).sum() for n in range(3)])
            if groups.groups(table, variants[variant], [value]).empty:
                continue
            for members in groups.partition(counts):
                people = np.flatnonzero(known & variants[variant].isin(members))
                found.append((frozenset(people), rounded_count(len(people))))
    return found


def possible(told, everybody):
    """How many people a told number can stand for."""
    numbers = [n for n in range(K, everybody + 1) if told in (rounded_count(n), told_count(n, everybody))]
    return numbers[0], numbers[-1]


@given(cohorts())
def test_no_difference_of_published_groups_is_known_to_be_a_small_group(cohort):
    table, variants = cohort
    everybody = frozenset(range(len(table)))
    found = {people: possible(told, len(table)) for people, told in published(table, variants)}
    assert all(len(people) >= K for people in found)
    found[everybody] = len(everybody), len(everybody)  # the manifest tells
    for inner, outer in itertools.permutations(found, 2):
        if inner < outer and len(outer - inner) < K:
            low, high = found[outer][0] - found[inner][1], found[outer][1] - found[inner][0]
            assert low <= 0 or high >= K


@given(st.integers(K, 500), st.integers(0, 500))
@example(14, 1)
def test_rounded_numbers_never_give_a_small_difference_away(inner, more):
    outer = inner + more
    a, b = rounded_count(inner), rounded_count(outer)
    alike = {
        y - x
        for x in range(max(K, a - K), a + K)
        for y in range(max(K, b - K), b + K)
        if rounded_count(x) == a and rounded_count(y) == b and y >= x
    }
    assert not alike <= set(range(1, K))
    told = told_count(inner, outer)
    to_all = {outer - x for x in range(K, outer + 1) if told_count(x, outer) == told}
    assert not to_all <= set(range(1, K))


@given(cohorts())
def test_every_bin_is_of_enough_people_and_counts_them(cohort):
    table, _ = cohort
    density = binning.density(table, MODELS)
    found = list(binning.bins_of(table, MODELS))
    assert density["people"].tolist() == [rounded_count(len(part.members)) for _, _, part in found]
    assert (density["observed_low"] < density["observed_high"]).all()
    assert (density["predicted_low"] < density["predicted_high"]).all()
    for model in MODELS:
        members = [m for name, _, part in found if name == model for m in part.members]
        assert len(members) == len(set(members))
        assert table.loc[members, ["observed", model]].notna().all(axis=None)


@given(cohorts())
def test_models_that_differ_by_few_people_cannot_be_subtracted_within_a_strip(cohort):
    table, _ = cohort
    strips = {}
    for model, strip, part in binning.bins_of(table, MODELS):
        strips.setdefault((strip.low, strip.high), {name: set() for name in MODELS})[model] |= set(part.members)
    for found in strips.values():
        for a, b in itertools.permutations(MODELS, 2):
            assert len(found[a] - found[b]) == 0 or len(found[a] - found[b]) >= K


def test_sessions_before_and_after_somebody_left_seldom_show_the_bin_of_that_person():
    """What an attacker sees who has both: no rounding of one session prevents it; docs/privacy.md tells how often."""
    rng, edges = np.random.default_rng(0), binning.COLUMNS[1:-1]
    same, found, number = 0, 0, 150
    for _ in range(number):
        n = int(rng.integers(60, 400))
        copies = rng.binomial(2, 0.3, n)
        table = pd.DataFrame({"observed": copies / 2 + rng.normal(size=n), "deep": copies / 2 + rng.normal(0, 0.3, n)})
        left = table.iloc[int(rng.integers(n))]
        before, after = binning.density(table, ["deep"]), binning.density(table.drop(index=left.name), ["deep"])
        both = before.merge(after, on=edges, how="outer", suffixes=("", "_after"))
        changed = both[both["people"] != both["people_after"]]
        inside = changed["observed_low"].le(left["observed"]) & changed["observed_high"].gt(left["observed"])
        inside &= changed["predicted_low"].le(left["deep"]) & changed["predicted_high"].gt(left["deep"])
        same += changed.empty
        found += len(changed) == 1 and inside.all()
    assert same > 0.4 * number and found < 0.1 * number


@given(cohorts())
def test_edges_are_nobodys_value(cohort):
    """Edges lie on a grid that is far coarser than the values, whatever a single person's value is."""
    table, _ = cohort
    used = table[binning.countable(table, MODELS) >= 0]
    density = binning.density(table, MODELS)
    if len(density):
        step = grid_step(used["observed"].to_numpy(), 6)
        edges = density[["observed_low", "observed_high"]].to_numpy() / step
        assert np.allclose(edges, np.round(edges), atol=1e-6)
        beyond = (used["observed"] >= density["observed_high"].max() - step).sum()
        before = (used["observed"] < density["observed_low"].min() + step).sum()
        assert min(beyond, before) >= min(K, len(used) // 2)


def test_one_outlier_does_not_show_in_a_bin():
    rng = np.random.default_rng(1)
    table = pd.DataFrame(rng.normal(size=(200, 3)), columns=["observed", *MODELS])
    table.loc[0] = [40.0, -40.0, 40.0]
    density = binning.density(table, MODELS)
    assert density["observed_high"].max() < 40 and density["predicted_low"].min() > -40


FIFTY = (  # a group of just so many that its 10th percentile is told
    pd.DataFrame({"observed": np.arange(62.0), "deep": 1.0, "linear": 2.0}),
    pd.DataFrame({"first": [0.0] * 50 + [1.0] * 12}),
)


@given(cohorts())
@example(FIFTY)
def test_groups_hold_everybody_with_a_call_or_nothing_is_told(cohort):
    table, variants = cohort
    for variant in variants:
        told = groups.groups(table, variants[variant], ["observed", *MODELS])
        for value, rows in told.groupby("value"):
            known = table[value].notna() & variants[variant].notna()
            assert "".join(rows["copies"].str.replace(" or ", "")) == "012"
            exact = [(known & variants[variant].isin(map(int, c.split(" or ")))).sum() for c in rows["copies"]]
            assert rows["people"].tolist() == [rounded_count(n) for n in exact] and min(exact) >= K
            for row, n in zip(rows.to_dict("records"), exact, strict=True):
                assert np.isnan(row["q10"]) == np.isnan(row["q90"]) == (n < 50)
                assert np.isnan(row["q25"]) == np.isnan(row["q75"]) == (n < 20)


@pytest.mark.parametrize(
    ("counts", "parts"),
    [
        ((300, 50, 10), ((0,), (1,), (2,))),
        ((300, 50, 9), ((0,), (1, 2))),
        ((300, 60, 0), ((0,), (1, 2))),  # as if a few people had two copies: the name doesn't tell
        ((9, 50, 300), ((0, 1), (2,))),
        ((5, 300, 5), ()),
        ((351, 9, 0), ()),
        ((0, 0, 360), ()),
    ],
)
def test_small_genotype_groups_are_joined(counts, parts):
    assert groups.partition(np.array(counts)) == parts


# -- variants ----------------------------------------------------------------------------------------------------------


def carriers(**counts):
    columns = ["carriers", "others", "carriers_A", "others_A", "carriers_B", "others_B"]
    return Carriers(pd.DataFrame.from_dict(counts, orient="index", columns=columns), 360)


KNOWN = carriers(
    rare=(9, 351, 9, 111, 0, 240),
    common=(100, 260, 40, 80, 60, 180),
    uneven=(100, 260, 96, 24, 4, 236),
    fixed=(355, 5, 120, 0, 235, 5),
)
VARIANTS = pd.DataFrame(
    {
        "variant": ["rare", "common", "uneven", "fixed"],
        "carriers": [9, 100, 100, 355],
        "frequency": [0.0125, 0.1541, 0.1498, 0.9931],
        "frequency_A": [0.0375, 0.1671, 0.4, 1.0],
        "frequency_B": [0.0, 0.1251, 0.008, 0.98],
        "slope": [1.0, 0.51234, -0.41234, 0.2],
        "se": [0.3, 0.051234, 0.061234, 0.3],
        "p": [1e-3, 1.234e-20, 1.234e-10, 0.5],
        "slope_A": 0.4, "se_A": 0.1, "p_A": 1e-4, "slope_B": 0.4, "se_B": 0.1, "p_B": 1e-4,
        "alt_count": [9, 111, 108, 714],
        "effect_reference": [0.123456] * 4,
        "effect_min": [0.1] * 4,
        "r_lead": [0.5, 1.0, 0.98765, 0.1],
        "rival": ["common", "rare", "", ""],
    }
)  # fmt: skip


def test_rare_variants_are_in_no_table_and_in_no_cell():
    told = coarse_variants(VARIANTS, KNOWN)
    assert told["variant"].tolist() == ["common", "uneven"]
    assert told["rival"].tolist() == ["a rare variant", ""]
    assert not {"alt_count", "effect_min"} & set(told)
    assert told["effect_reference"].tolist() == [0.123456] * 2  # of the model and the reference alone
    assert told["carriers"].tolist() == [100, 100]
    assert told["frequency"].tolist() == [0.16, 0.14]  # of 720 alleles, in steps of 0.02
    assert np.allclose(told["r_lead"], 1.0)


@given(st.integers(20, 2000), st.data())
def test_frequencies_never_give_a_small_difference_away(n, data):
    """Of two variants, one carried by all who carry the other: told apart, they may differ by one allele, or by k."""
    inner = data.draw(st.integers(0, 2 * n))
    outer = data.draw(st.integers(inner, 2 * n))
    table = pd.DataFrame({"variant": ["a", "b"], "frequency": [inner / (2 * n), outer / (2 * n)]})
    known = Carriers(pd.DataFrame({"carriers": K, "others": n - K}, index=["a", "b"]), n)
    low, high = coarse_variants(table, known)["frequency"]
    step = known.frequency_step()
    assert step * 2 * n >= K and 0 <= low <= high <= 1
    least = (math.ceil((high - low) / step - 1e-6) - 1) * step * 2 * n  # alleles by which they are known to differ
    assert least <= 1 + 1e-6 or least >= K - 1e-6


def test_what_is_told_of_all_populations_but_one_is_told_of_none():
    told = coarse_variants(VARIANTS, KNOWN).set_index("variant")
    within = [f"{name}_{group}" for name in ("frequency", "slope", "se", "p") for group in "AB"]
    assert told.loc["common", within].notna().all()
    assert told.loc["uneven", within].isna().all()


def test_slopes_keep_their_sign_and_size():
    told = coarse_variants(VARIANTS, KNOWN).set_index("variant")
    exact = VARIANTS.set_index("variant")
    for variant in told.index:
        assert abs(told.at[variant, "slope"] / exact.at[variant, "slope"] - 1) < 0.1
        assert abs(np.log10(told.at[variant, "p"]) - np.log10(exact.at[variant, "p"])) < 1


@pytest.mark.parametrize("number", [10, 30, 100])
def test_the_value_of_one_more_carrier_is_not_in_the_difference_of_two_slopes(number):
    """Of two variants that the same people carry but for one, an attacker who knows exactly how many they are subtracts
    the sums over carriers. From exact slopes that is the person's expression."""
    rng, n = np.random.default_rng(number), 360
    truth, exact, told = [], [], []
    for _ in range(200):
        y = rng.normal(size=n)
        y -= y.mean()
        sums = []
        for m in (number, number + 1):
            fit = stats.linregress(np.arange(n) < m, y)
            table = pd.DataFrame({"variant": ["v"], "slope": [fit.slope], "se": [fit.stderr], "p": [fit.pvalue]})
            known = Carriers(pd.DataFrame({"carriers": [m], "others": [n - m]}, index=["v"]), n)
            coarse = coarse_variants(table, known).iloc[0]
            sums.append(np.array([fit.slope, coarse["slope"]]) * m * (n - m) / n)
        truth.append(y[number])
        exact.append(sums[1][0] - sums[0][0])
        told.append(sums[1][1] - sums[0][1])
    assert np.corrcoef(truth, exact)[0, 1] > 0.999
    error = np.std(np.array(told) - truth)
    assert error > 1  # as uncertain as somebody about whom nothing is known, or more


# -- genes and populations ---------------------------------------------------------------------------------------------


def test_genes_lose_means_and_what_rare_drivers_say():
    table = pd.DataFrame(
        {
            "gene": ["a", "b", "c"],
            "n": pd.array([360, 354, 9], dtype="Int64"),
            "pearson": [0.12345, 0.2, 0.3],
            "mean_observed": [1.0, 2.0, 3.0],
            "main_driver": ["rare", "common", None],
            "main_class": ["opposite", "concordant", None],
            "main_supported": pd.array([True, False, None], dtype="boolean"),
            "main_sign_predicts_r": pd.array([True, False, None], dtype="boolean"),
        }
    )
    told = coarse_genes(table, KNOWN)
    assert told["n"].tolist() == [360, 350, 0]
    assert told["pearson"].isna().tolist() == [False, False, True]
    assert "mean_observed" not in told
    assert told["main_driver"].isna().tolist() == [True, False, True]
    assert told["main_class"].isna().tolist() == [True, False, True]
    assert told["main_supported"].isna().tolist() == [True, False, True]


def test_rounded_correlations_keep_their_sign():
    table = pd.DataFrame({"gene": list("abcd"), "n": 360, "pearson": [-0.0002, 0.0002, 0.0, -0.4567]})
    assert coarse_genes(table, KNOWN)["pearson"].tolist() == [-0.001, 0.001, 0.0, -0.457]


def test_the_benchmark_of_one_person_less_does_not_tell_of_that_person():
    """Of two sessions, before and after somebody left, the means times the numbers of people are subtracted."""
    rng = np.random.default_rng(1)
    truth, told = [], []
    for _ in range(300):
        r = rng.normal(0.5, 0.05, 360)
        facts = {"unit": "people", "low": 0.4, "high": 0.6, "undefined": 4}
        rows = [facts | {"n": len(values), "value": values.mean()} for values in (r, r[:-1])]
        before, after = (coarse_benchmark(pd.DataFrame([row]), row["n"]) for row in rows)
        told.append(before["value"][0] * 360 - after["value"][0] * 359)
        truth.append(r[-1])
        assert before["undefined"][0] == 0
    assert np.std(np.array(told) - truth) > np.std(truth)


def test_benchmark_rows_over_few_people_are_empty():
    rows = pd.DataFrame(
        {"unit": ["people", "people", "genes"], "n": [9, 354, 5], "value": 0.5, "low": 0.4, "high": 0.6}
    )
    told = coarse_benchmark(rows, 360)
    assert told["value"].isna().tolist() == [True, False, False]
    assert told["n"].tolist()[1:] == [350, 5]


@given(st.lists(st.integers(1, 40), min_size=1, max_size=8))
def test_small_populations_are_put_together(sizes):
    labels = pd.Series(np.repeat([f"pop{i}" for i in range(len(sizes))], sizes))
    counts = folded(labels).value_counts()
    assert counts.sum() == sum(sizes)
    assert (counts >= K).all() or len(counts) == 1


# -- names -------------------------------------------------------------------------------------------------------------


def test_texts_that_name_people_or_folders_are_found(tmp_path):
    names = names_of(["HG00096", "NA 19-001", "1", "mean"], [tmp_path, tmp_path.parent])
    for text in ("see HG00096's value", "HG00096_1", "(NA 19-001)", "NA_19_001", f"{tmp_path}/x.vcf"):
        assert names.in_text(text), text
    for text in ("1 person", "the mean", "HG000961", "NA 19"):
        assert not names.in_text(text), text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("can't read /home/ada/study/x.vcf.gz: no such file", "can't read x.vcf.gz: no such file"),
        ("C:\\Users\\ada\\x.pt is broken", "x.pt is broken"),
        ("REF/ALT and log2(x/y)", "REF/ALT and log2(x/y)"),
        ("Nature 47/1091, https://doi.org/10.1038/x", "Nature 47/1091, https://doi.org/10.1038/x"),
    ],
)
def test_paths_lose_their_folders(text, left):
    assert without_paths(text) == left


def test_pseudonyms_are_new_each_time_and_kept_for_this_user_alone(tmp_path):
    people = [f"HG{n:05}" for n in range(200)]
    first, second = pseudonyms.draw(people), pseudonyms.draw(people)
    assert first.is_unique and not set(first) & set(second)
    assert not (first.sort_values().index == people).all()
    path = pseudonyms.keep(first, tmp_path)
    assert path == pseudonyms.path_of(tmp_path, reversed(list(first)))
    assert path.stat().st_mode & 0o777 == 0o600 and path.parent.stat().st_mode & 0o777 == 0o700
    assert pd.read_csv(path, dtype=str).set_index("sample")["person"].to_dict() == first.to_dict()
    assert pseudonyms.keep(first, tmp_path) == path  # given away once more
    assert pseudonyms.keep(second, tmp_path) != path
