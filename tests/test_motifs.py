"""Seqlets, their annotation, motif sites, and what variants do to them; against memelite and plain definitions."""

import itertools
import os
from pathlib import Path

import numba
import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from memelite.fimo import _pwm_to_mapping, fimo

from gexviz.analysis import motif_scan
from gexviz.analysis.meme import read_motifs
from gexviz.analysis.motifs import annotate_seqlets, gained_and_lost, hits, on_reference, seqlets
from gexviz.errors import GexvizError
from gexviz.models.onehot import one_hot, reverse_complement

HOCOMOCO = Path(__file__).resolve().parents[2] / "shared" / "motifs" / "H12CORE_meme_format.meme"
BASES = np.frombuffer(b"ACGT", dtype=np.uint8)
KEYS = ["motif", "start", "end", "strand"]


def bases(text):
    return np.frombuffer(text.encode(), dtype=np.uint8)


def random_bases(rng, length):
    return BASES[rng.integers(0, 4, length)]


def random_motifs(rng, n, widths=(7, 14)):
    return {f"M{i} x": rng.dirichlet(np.full(4, 0.15), size=rng.integers(*widths)).T for i in range(n)}


def sharp(text, strength=0.97):
    rest = (1 - strength) / 3
    return np.array([[strength if base == letter else rest for letter in text] for base in "ACGT"])


def by_fimo(sequence, motifs, threshold):
    """FIMO's own table for one sequence."""
    encoded = one_hot(sequence[None]).astype(np.int8)
    table = pd.concat(fimo(dict(motifs), encoded, threshold=threshold), ignore_index=True)
    return table.rename(columns={"motif_name": "motif", "p-value": "p"})


def plain_scores(sequence, matrix):
    """Log odds by definition, a place and a letter at a time: {(start, strand): score}."""
    odds = np.log2(matrix + 1e-4) + 2
    out = {}
    for strand, table in (("+", odds), ("-", odds[::-1, ::-1])):
        for start in range(len(sequence) - matrix.shape[1] + 1):
            letters = [b"ACGT".find(sequence[start + j]) for j in range(matrix.shape[1])]
            if min(letters) >= 0:
                out[start, strand] = sum(table[b, j] for j, b in enumerate(letters))
    return out


def keys(table):
    return set(table[KEYS].itertuples(index=False, name=None))


# scores and p-values


@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_p_values_by_enumeration(seed, width):
    rng = np.random.default_rng(seed)
    odds = motif_scan.log_odds(rng.dirichlet(np.full(4, 0.3), size=width).T)
    bins = np.round(odds / motif_scan.BIN).astype(int)
    sums = np.array([sum(bins[b, j] for j, b in enumerate(w)) for w in itertools.product(range(4), repeat=width)])
    tail = motif_scan.tail_of(odds)
    assert tail.lowest == sums.min() and tail.lowest + len(tail.p) - 1 == sums.max()
    for i, p in enumerate(tail.p):
        assert p == pytest.approx(np.mean(sums >= tail.lowest + i), rel=1e-12)


@given(st.integers(0, 2**32 - 1), st.floats(1e-6, 0.5))
def test_p_values_and_threshold_as_memelite_has_them(seed, threshold):
    rng = np.random.default_rng(seed)
    odds = motif_scan.log_odds(rng.dirichlet(np.full(4, 0.2), size=rng.integers(1, 25)).T)
    tail = motif_scan.tail_of(odds)
    lowest, log_p = _pwm_to_mapping(odds, motif_scan.BIN)
    assert lowest == tail.lowest
    np.testing.assert_allclose(np.exp2(log_p[: len(tail.p)]), tail.p, rtol=1e-9)
    assume(not np.isclose(tail.p, threshold, rtol=1e-9, atol=0).any())  # a tie goes either way
    passing = np.flatnonzero(log_p[: len(tail.p)] < np.log2(threshold))
    expected = (passing[0] + lowest) * motif_scan.BIN if len(passing) else np.inf
    assert motif_scan.least_score(tail, threshold) == pytest.approx(expected)


@given(st.integers(0, 2**32 - 1), st.integers(0, 40))
def test_scan_by_definition(seed, length):
    rng = np.random.default_rng(seed)
    sequence = random_bases(rng, length)
    sequence[rng.random(length) < 0.05] = ord("N")
    matrices = [rng.dirichlet(np.ones(4), size=6).T for _ in range(3)]
    scores = motif_scan.scan(sequence, np.stack([motif_scan.log_odds(m) for m in matrices]))
    assert scores.shape == (3, 2, max(length - 5, 0))
    for k, matrix in enumerate(matrices):
        expected = plain_scores(sequence, matrix)
        for strand, start in itertools.product("+-", range(scores.shape[2])):
            score = scores[k, "+-".index(strand), start]
            assert score == pytest.approx(expected[start, strand]) if (start, strand) in expected else np.isnan(score)


# sites


@given(st.integers(0, 2**32 - 1), st.sampled_from([1e-4, 1e-3, 3e-2]))
@settings(max_examples=25)
def test_hits_are_fimos_without_unknown_bases(seed, threshold):
    rng = np.random.default_rng(seed)
    sequence = random_bases(rng, 600)
    sequence[100:103] = ord("N")
    motifs = random_motifs(rng, 6)
    found = hits(sequence, motifs, threshold)
    expected = by_fimo(sequence, motifs, threshold)
    clean = [78 not in sequence[s:e] for s, e in zip(expected["start"], expected["end"], strict=True)]
    expected = expected[np.array(clean, dtype=bool)]
    assert keys(found) == keys(expected.astype({"start": int, "end": int}))
    for name, part in found.groupby("motif"):
        tail = motif_scan.tail_of(motif_scan.log_odds(motifs[name]))
        width = motifs[name].shape[1]
        plain = plain_scores(sequence, motifs[name])
        np.testing.assert_allclose(
            part["score"], [plain[s, d] for s, d in zip(part["start"], part["strand"], strict=True)], atol=1e-9
        )
        np.testing.assert_allclose(motif_scan.p_values(part["score"].to_numpy(), tail, width), part["p"], rtol=1e-9)
        assert (part["p"] >= 0.25**width).all()
    assert found.equals(found.sort_values(["start", "end", "motif", "strand"]))


def test_hits_on_both_strands_and_in_either_case():
    site = "TGACTCAGC"
    sequence = bases("A" * 20 + site + "A" * 20)
    for strand, read in (("+", sequence), ("-", reverse_complement(sequence)), ("+", sequence | 0x20)):
        found = hits(read, {"AP1": sharp(site)})
        assert found[["start", "end", "strand"]].to_numpy().tolist() == [[20, 29, strand]]
        assert 0 < found["p"].iloc[0] <= 4.0**-9 * 1.001


@pytest.mark.parametrize("sequence", [b"", b"ACG", b"N" * 50, b"A" * 50])
def test_no_hits(sequence):
    found = hits(np.frombuffer(sequence, np.uint8), {"M": sharp("TGACTCAGC")})
    assert list(found.columns) == ["motif", "start", "end", "strand", "score", "p"] and found.empty


def test_bad_questions():
    motifs = {"M": sharp("TGACTCAGC")}
    for threshold in (0, 1, -1, float("nan")):
        with pytest.raises(GexvizError, match="threshold"):
            hits(bases("ACGT"), motifs, threshold)
    with pytest.raises(GexvizError, match="sites are to be expected"):
        hits(np.full(10_000_000, 65, np.uint8), motifs, 0.5)
    with pytest.raises(ValueError, match="no motifs"):
        hits(bases("ACGT"), {})
    with pytest.raises(ValueError, match="uint8"):
        hits(np.zeros(4), motifs)
    with pytest.raises(ValueError, match="width"):
        hits(bases("ACGT"), {"M": np.zeros((5, 4))})


def test_same_whatever_the_number_of_threads():
    rng = np.random.default_rng(5)
    sequence, motifs = random_bases(rng, 3000), random_motifs(rng, 30)
    spans = pd.DataFrame({"start": [10, 50, 700], "end": [20, 62, 711]})
    matrix = one_hot(sequence[None])[0].T
    before = numba.get_num_threads()
    results = []
    for threads in (1, before, 1):
        numba.set_num_threads(threads)
        results.append((hits(sequence, motifs, 1e-3), annotate_seqlets(spans, matrix, motifs)))
    numba.set_num_threads(before)
    for found, annotated in results[1:]:
        pd.testing.assert_frame_equal(found, results[0][0], check_exact=True)
        pd.testing.assert_frame_equal(annotated, results[0][1], check_exact=True)


# gained and lost


@given(st.integers(0, 2**32 - 1), st.integers(1, 3))
@settings(max_examples=30)
def test_substitutions_against_fimo_on_whole_sequences(seed, size):
    rng = np.random.default_rng(seed)
    before = random_bases(rng, 300)
    at = int(rng.integers(0, 300 - size))
    after = before.copy()
    after[at : at + size] = random_bases(rng, size)
    motifs = random_motifs(rng, 12)
    changes = gained_and_lost(before, after, (at, at + size), (at, at + size), motifs, 1e-3)
    ref, alt = by_fimo(before, motifs, 1e-3).set_index(KEYS), by_fimo(after, motifs, 1e-3).set_index(KEYS)
    both = ref.merge(alt, how="outer", left_index=True, right_index=True, suffixes=("_ref", "_alt")).reset_index()
    differ = both[both["score_ref"].isna() | both["score_alt"].isna() | (both["score_ref"] != both["score_alt"])]
    words = np.select(
        [differ["score_ref"].isna(), differ["score_alt"].isna(), differ["score_alt"] > differ["score_ref"]],
        ["gained", "lost", "stronger"],
        "weaker",
    )
    expected = dict(zip(differ[KEYS].itertuples(index=False, name=None), words, strict=True))
    assert dict(zip(changes[KEYS].itertuples(index=False, name=None), changes["change"], strict=True)) == expected
    for row in changes.to_dict("records"):
        for sequence, score in ((before, row["score_ref"]), (after, row["score_alt"])):
            assert score == pytest.approx(plain_scores(sequence, motifs[row["motif"]])[row["start"], row["strand"]])
        assert (row["p_ref"] < 1e-3) == (row["change"] != "gained")
        assert (row["p_alt"] < 1e-3) == (row["change"] != "lost")
    ratios = np.abs(np.log(changes["p_ref"] / changes["p_alt"]))
    assert (np.diff(ratios) <= 1e-12).all()


def plain_changes(before, after, a, b, motifs, threshold):
    """The definition, site by site; `a`, `b` are trimmed spans. Set of (motif, change, start, strand, both scores)."""
    out = set()
    n_ref, n_alt = a[1] - a[0], b[1] - b[0]
    for name, matrix in motifs.items():
        width = matrix.shape[1]
        least = motif_scan.least_score(motif_scan.tail_of(motif_scan.log_odds(matrix)), threshold)
        scores = [plain_scores(before, matrix), plain_scores(after, matrix)]
        for strand in "+-":
            used = set()
            for mine, (here, there) in enumerate((((a[0], n_ref), (b[0], n_alt)), ((b[0], n_alt), (a[0], n_ref)))):
                (start, size), (other, other_size) = here, there
                for (s, d), score in scores[mine].items():
                    touches = s < start + size and s + width > start
                    if d != strand or score <= least or not touches or (mine and s in used):
                        continue
                    places = [other + s - start] * (s < start or size == other_size)
                    places += [other + other_size + s - start - size] * (s + width > start + size)
                    found = [(scores[1 - mine][t, d], -t) for t in places if (t, d) in scores[1 - mine]]
                    best, t = max(found) if found else (np.nan, None)
                    if not mine:
                        used.add(None if t is None else -t)
                    is_site = best > least
                    if is_site and abs(best - score) < 1e-9:
                        continue
                    pair = (best, score) if mine else (score, best)
                    if is_site:
                        word, at = ("stronger" if pair[1] > pair[0] else "weaker"), s if mine else -t
                    else:
                        word, at = ("gained" if mine else "lost"), s
                    out.add((name, word, at, strand, *np.round(np.nan_to_num(pair, nan=999), 6).tolist()))
    return out


@given(st.integers(0, 2**32 - 1), st.integers(0, 15), st.integers(0, 15), st.integers(0, 4))
@settings(max_examples=60)
def test_indels_by_definition(seed, n_ref, n_alt, lead):
    rng = np.random.default_rng(seed)
    motifs = random_motifs(rng, 10, (6, 11))
    left, right, ref, alt = (random_bases(rng, n) for n in (rng.integers(0, 60), rng.integers(0, 60), n_ref, n_alt))
    before, after = np.concatenate([left, ref, right]), np.concatenate([left, alt, right])
    a, b = [len(left), len(left) + n_ref], [len(left), len(left) + n_alt]
    spans = tuple(a), tuple(b)
    while a[0] < a[1] and b[0] < b[1] and before[a[0]] == after[b[0]]:
        a[0], b[0] = a[0] + 1, b[0] + 1
    while a[0] < a[1] and b[0] < b[1] and before[a[1] - 1] == after[b[1] - 1]:
        a[1], b[1] = a[1] - 1, b[1] - 1
    expected = plain_changes(before, after, a, b, motifs, 1e-2) if a[1] > a[0] or b[1] > b[0] else set()
    # the same haplotypes with more sequence before, on one side only, and anchored one base earlier
    more = random_bases(rng, lead)
    wide = tuple((s - 1, e) if len(left) else (s, e) for s, e in spans)
    for shift, one, two in ((0, before, after), (lead, np.concatenate([more, before]), after)):
        for of_ref, of_alt in (spans, wide):
            if shift and len(left) < 10:
                continue  # then the added bases are within reach of motifs on one haplotype only
            table = gained_and_lost(one, two, (of_ref[0] + shift, of_ref[1] + shift), of_alt, motifs, 1e-2)
            start = table["start"] - np.where(table["allele"] == "ref", shift, 0)
            scores = table[["score_ref", "score_alt"]].fillna(999).round(6)
            found = set(zip(table["motif"], table["change"], start, table["strand"], *scores.T.to_numpy(), strict=True))
            assert found == expected and len(table) == len(found)


def test_planted_variants():
    site = "TGACTCAGC"
    motifs = {"AP1": sharp(site), "other": sharp("CCCGGGAAA")}
    rng = np.random.default_rng(1)
    left, right = random_bases(rng, 80), random_bases(rng, 80)
    with_site = np.concatenate([left, bases(site), right])
    broken = with_site.copy()
    broken[84] = ord("G")
    table = gained_and_lost(with_site, broken, (84, 85), (84, 85), motifs)
    assert table[["motif", "change", "allele", "start", "end", "strand"]].to_numpy().tolist() == [
        ["AP1", "lost", "ref", 80, 89, "+"]
    ]
    turned = [reverse_complement(s) for s in (broken, with_site)]
    table = gained_and_lost(*turned, (84, 85), (84, 85), motifs)
    assert table[["motif", "change", "start", "strand"]].to_numpy().tolist() == [["AP1", "gained", 80, "-"]]
    without = np.concatenate([left, right])
    table = gained_and_lost(without, with_site, (79, 80), (79, 89), motifs)  # anchored, as in a VCF
    assert table[["motif", "change", "start"]].to_numpy().tolist() == [["AP1", "gained", 80]]
    table = gained_and_lost(with_site, without, (80, 89), (80, 80), motifs)
    assert table[["motif", "change", "allele", "start"]].to_numpy().tolist() == [["AP1", "lost", "ref", 80]]
    repeat = np.concatenate([left, bases("A" + site), right])
    longer = np.concatenate([left, bases("AA" + site), right])
    assert gained_and_lost(repeat, longer, (80, 80), (80, 81), motifs).empty  # moved, not changed
    assert gained_and_lost(with_site, with_site, (80, 85), (80, 85), motifs).empty


def test_unknown_bases_and_long_changes():
    site = "TGACTCAGC"
    motifs = {"AP1": sharp(site)}
    before, after = bases("N" * 20 + site + "N" * 20), bases("N" * 20 + "G" + site[1:] + "N" * 20)
    table = gained_and_lost(before, after, (20, 21), (20, 21), motifs)
    assert table["change"].tolist() == ["lost"] and table["score_alt"].notna().all()
    unknown = bases("N" * 21 + site[1:] + "N" * 20)
    table = gained_and_lost(before, unknown, (20, 21), (20, 21), motifs)
    assert table["change"].tolist() == ["lost"] and table[["score_alt", "p_alt"]].isna().all(axis=None)
    inside = bases("C" * 30 + site + "C" * 30)
    table = gained_and_lost(bases("C" * 4), np.concatenate([bases("CC"), inside, bases("CC")]), (2, 2), (2, 71), motifs)
    assert table[["change", "start"]].to_numpy().tolist() == [["gained", 32]]
    assert table[["score_ref", "p_ref"]].isna().all(axis=None)


def test_haplotypes_that_differ_elsewhere_are_refused():
    before, after = bases("ACGTACGTACGTACGT"), bases("ACGTACGGACGTACGA")
    with pytest.raises(ValueError, match="another variant"):
        gained_and_lost(before, after, (7, 8), (7, 8), {"M": sharp("TGACTCAGC")})
    gained_and_lost(before, after, (7, 8), (7, 8), {"M": sharp("TGACTC")})  # beyond the motif's reach
    with pytest.raises(ValueError, match="not within"):
        gained_and_lost(before, after, (7, 18), (7, 8), {"M": sharp("TGACTCAGC")})


def test_hocomoco_on_a_window():
    if not HOCOMOCO.is_file():
        pytest.skip(f"{HOCOMOCO} is not here")
    motifs = read_motifs(HOCOMOCO)
    rng = np.random.default_rng(3)
    before = random_bases(rng, 10_500)
    after = before.copy()
    after[5000] = BASES[(np.flatnonzero(after[5000] == BASES)[0] + 1) % 4]
    changes = gained_and_lost(before, after, (5000, 5001), (5000, 5001), motifs)
    ref, alt = keys(hits(before, motifs)), keys(hits(after, motifs))
    assert keys(changes[changes["change"] == "gained"]) == alt - ref
    assert keys(changes[changes["change"] == "lost"]) == ref - alt
    assert len(alt ^ ref) > 0


# seqlets


def test_planted_seqlets():
    rng = np.random.default_rng(0)
    values = rng.normal(scale=0.1, size=2000)
    values[500:510] += 2
    values[1200:1208] -= 1.5
    found = seqlets(values, 1e-6)
    assert len(found) == 2 and (found["attribution"] > 0).tolist() in ([True, False], [False, True])
    up, down = (found[found["attribution"] * sign > 0].iloc[0] for sign in (1, -1))
    assert abs(up["start"] - 500) <= 3 and abs(up["end"] - 510) <= 3
    assert abs(down["start"] - 1200) <= 3 and abs(down["end"] - 1208) <= 3


@given(st.integers(0, 2**32 - 1), st.integers(0, 300), st.sampled_from(["normal", "sparse", "constant", "zero", "few"]))
def test_seqlets_of_any_values(seed, length, kind):
    rng = np.random.default_rng(seed)
    values = {
        "normal": rng.normal(size=length) * 10.0 ** rng.integers(-12, 12),
        "sparse": rng.normal(size=length) * (rng.random(length) < 0.05),
        "constant": np.full(length, rng.normal()),
        "zero": np.zeros(length),
        "few": rng.integers(-1, 2, length).astype(float),
    }[kind]
    found = seqlets(values, 0.05)
    assert list(found.columns) == ["start", "end", "attribution", "p"]
    assert found.empty or kind not in ("constant", "zero")
    covered = np.zeros(length, int)
    for start, end, attribution, p in found.itertuples(index=False):
        assert 0 <= start < end <= length and 4 <= end - start <= 25
        assert attribution == pytest.approx(values[start:end].sum(), rel=1e-6, abs=1e-9 * np.abs(values).max())
        assert 0 <= p < 0.05
        covered[int(start) : int(end)] += 1
    assert covered.max(initial=0) <= 1 and found["p"].is_monotonic_increasing
    turned = seqlets(-values, 0.05)
    assert len(turned) >= len(found) - (found["attribution"] < 0).sum() or found.empty


def test_seqlets_of_no_numbers():
    with pytest.raises(ValueError, match="finite"):
        seqlets(np.array([0.0, np.nan] * 10))
    with pytest.raises(ValueError, match="finite"):
        seqlets(np.zeros((2, 10)))


def test_annotation_finds_motif_strand_and_offset():
    rng = np.random.default_rng(2)
    motifs = random_motifs(rng, 60, (8, 14))
    wanted = "ACCGTCATGAGT"
    motifs["wanted"] = sharp(wanted)
    sequence = np.concatenate([random_bases(rng, 30), bases(wanted), random_bases(rng, 30)])
    spans = pd.DataFrame({"start": [32, 28, 30], "end": [41, 42, 42]}, index=["a", "b", "c"])
    found = annotate_seqlets(spans, one_hot(sequence[None])[0].T, motifs, n=2)
    assert found["seqlet"].tolist() == ["a", "a", "b", "b", "c", "c"] and found["rank"].tolist() == [1, 2] * 3
    first = found[found["rank"] == 1]
    assert first[["motif", "strand", "offset", "overlap"]].to_numpy().tolist() == [
        ["wanted", "+", 2, 9], ["wanted", "+", -2, 12], ["wanted", "+", 0, 12]
    ]  # fmt: skip
    np.testing.assert_allclose(found["e"], found["p"] * 61)
    assert (first["p"] < 1e-4).all()
    turned = reverse_complement(sequence)
    spans = pd.DataFrame({"start": [len(sequence) - 41], "end": [len(sequence) - 32]})
    found = annotate_seqlets(spans, one_hot(turned[None])[0].T, motifs, n=1)
    assert found[["motif", "strand", "offset", "overlap"]].to_numpy().tolist() == [["wanted", "-", 1, 9]]


def test_annotation_of_few_motifs_and_unknown_bases():
    sequence = bases("ACGTNACGTTGACTCAGCA")
    motifs = {"AP1": sharp("TGACTCAGC"), "other": sharp("CCCGGGAAA")}
    spans = pd.DataFrame({"start": [2, 9], "end": [7, 18]})
    found = annotate_seqlets(spans, one_hot(sequence[None])[0].T, motifs)
    assert found["seqlet"].tolist() == [1, 1] and found["motif"].iloc[0] == "AP1"
    empty = annotate_seqlets(spans[:1], one_hot(sequence[None])[0].T, motifs)
    assert empty.empty and list(empty.columns) == list(found.columns)
    assert annotate_seqlets(spans[:0], one_hot(sequence[None])[0].T, motifs).empty
    with pytest.raises(ValueError, match="one-hot"):
        annotate_seqlets(spans, np.full((19, 4), 3.0), motifs)
    with pytest.raises(GexvizError, match="51 bp"):
        annotate_seqlets(pd.DataFrame({"start": [0], "end": [51]}), np.full((60, 4), 0.25), motifs)


# on the reference


@pytest.mark.parametrize("minus", [False, True])
@given(seed=st.integers(0, 2**32 - 1))
def test_sites_on_the_reference_by_definition(minus, seed):
    rng = np.random.default_rng(seed)
    steps = rng.choice([0, 1, 4], p=[0.15, 0.8, 0.05], size=60)
    steps[0] = 1
    positions, inserted = 1000 + np.cumsum(steps), steps == 0
    positions[55:] = -1
    inserted[55:] = False
    if minus:
        positions, inserted = positions[::-1].copy(), inserted[::-1].copy()
    start = rng.integers(0, 50, 8)
    sites = pd.DataFrame({"start": start, "end": start + rng.integers(1, 11, 8), "strand": rng.choice(["+", "-"], 8)})
    sites["id"] = range(8)
    placed = on_reference(sites, positions, inserted).set_index("id")
    for site in sites.to_dict("records"):
        part, new = positions[site["start"] : site["end"]], inserted[site["start"] : site["end"]]
        if (part < 0).any():
            assert site["id"] not in placed.index
            continue
        row = placed.loc[site["id"]]
        own = part if new.all() else part[~new]
        assert (row["start"], row["end"], row["inserted"]) == (own.min(), own.max() + 1, new.sum())
        assert (row["strand"] == site["strand"]) != minus
    assert placed["start"].is_monotonic_increasing


def test_numba_is_not_needed_to_import():
    code = "import sys, gexviz.analysis.motifs as m; sys.exit('numba' in sys.modules or 'torch' in sys.modules)"
    assert os.spawnlp(os.P_WAIT, os.sys.executable, os.sys.executable, "-c", code) == 0
