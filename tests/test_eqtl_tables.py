"""eQTL tables made elsewhere: formats, builds, alleles turned to the cohort's ALT, rows left out and counted."""

import gzip

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gexviz.cohort.eqtl_alleles import harmonise_eqtls
from gexviz.cohort.eqtl_tables import EqtlTable, read_eqtls
from gexviz.errors import GexvizError

GENES = pd.Index(["ENSG00000183597.11", "ENSG00000100065.9", "TWICE.1", "TWICE.2"])

GTEX_PAIRS = """variant_id\tgene_id\ttss_distance\tma_samples\tma_count\tmaf\tpval_nominal\tslope\tslope_se\t\
pval_nominal_threshold\tmin_pval_nominal\tpval_beta
chr22_101_A_G_b38\tENSG00000183597.15\t-20\t30\t31\t0.1\t1e-9\t-0.5\t0.1\t1e-4\t1e-9\t1e-7
chr22_201_C_T_b38\tENSG00000183597.15\t80\t30\t31\t0.1\t1e-8\t0.25\t0.05\t1e-4\t1e-9\t1e-7
"""

GTEX_EGENES = """gene_id\tgene_name\tgene_chr\tvariant_id\tchr\tvariant_pos\tref\talt\tmaf\tref_factor\tpval_nominal\t\
slope\tslope_se\tpval_perm\tpval_beta\tqval\tpval_nominal_threshold
ENSG00000183597.15\tTANGO2\tchr22\tchr22_101_A_G_b38\tchr22\t101\tA\tG\t0.1\t1\t1e-9\t-0.5\t0.1\t1e-4\t1e-7\t3e-6\t1e-4
ENSG00000100065.14\tCARD10\tchr22\tchr22_201_C_T_b38\tchr22\t201\tC\tT\t0.1\t1\t0.4\t0.01\t0.1\t0.9\tNA\tNA\t1e-4
"""

CATALOGUE = """molecular_trait_id\tchromosome\tposition\tref\talt\tvariant\tma_samples\tmaf\tpvalue\tbeta\tse\t\
type\tac\tan\tr2\tmolecular_trait_object_id\tgene_id\tmedian_tpm\trsid
ENSG00000183597\t22\t101\tA\tG\tchr22_101_A_G\t50\t0.1\t1e-9\t-0.5\t0.1\tSNP\t40\t400\tNA\tENSG00000183597\t\
ENSG00000183597\t3\trs1
"""

PLAIN = """gene\tcontig\tposition\teffect_allele\tother_allele\teffect_frequency\tslope\tse\tp
ENSG00000183597.11\t22\t101\tA\tG\t0.8\t0.5\t0.1\t1e-9
"""


def variants(rows=None):
    rows = rows or [("22", 100, "A", "G", 0.2), ("22", 200, "C", "T", 0.3), ("22", 200, "C", "CAT", 0.1)]
    table = pd.DataFrame(rows, columns=["contig", "position", "ref", "alt", "frequency"])
    names = [f"{c}:{p + 1}:{r}:{a}" for c, p, r, a, _ in rows]
    return table.assign(variant=names).drop(columns="contig")


def write(tmp_path, text, name="eqtls.tsv"):
    path = tmp_path / name
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(text.encode()))
    elif name.endswith(".parquet"):
        path.with_suffix(".txt").write_text(text)
        pd.read_csv(path.with_suffix(".txt"), sep="\t").to_parquet(path)
    else:
        path.write_text(text)
    return path


@pytest.mark.parametrize("name", ["eqtls.tsv", "eqtls.tsv.gz", "eqtls.txt.gz", "eqtls.parquet"])
@pytest.mark.parametrize(
    "text, kind, build, first, cohort_build",
    [
        (GTEX_PAIRS, "GTEx", "GRCh38", -0.5, "hg38"),
        (GTEX_EGENES, "GTEx", "GRCh38", -0.5, "GRCh38"),
        (GTEX_PAIRS.replace("_b38", "_b37").replace("chr22_", "22_"), "GTEx", "GRCh37", -0.5, "GRCh37"),
        (CATALOGUE, "eQTL Catalogue", "GRCh38", -0.5, "GRCh38"),
        (PLAIN, "plain", None, 0.5, "GRCh38"),
    ],
)
def test_formats_are_read_and_their_effects_are_of_the_cohorts_alt(
    tmp_path, name, text, kind, build, first, cohort_build
):
    read = read_eqtls(write(tmp_path, text, name))
    assert (read.format, read.build) == (kind, build)
    assert read.table.loc[0, ["position", "slope", "se", "p"]].tolist() == [100, first, 0.1, 1e-9]
    found = harmonise_eqtls(read, variants(), GENES, cohort_build=cohort_build, build="GRCh38" if not build else None)
    row = found.table.iloc[0]
    assert row[["gene", "variant", "ref", "alt", "strand"]].tolist() == [
        "ENSG00000183597.11", "22:101:A:G", "A", "G", "as given",
    ]  # fmt: skip
    assert (row["slope"], row["t"], row["position"], row["flipped"]) == (-0.5, -5.0, 100, kind == "plain")
    assert found.counts["kept"] == len(found.table) == len(read.table)


def test_q_and_frequencies_come_along(tmp_path):
    genes = read_eqtls(write(tmp_path, GTEX_EGENES))
    assert genes.table["q"].iat[0] == 3e-6
    assert "q" in harmonise_eqtls(genes, variants(), GENES, cohort_build="GRCh38").table
    assert read_eqtls(write(tmp_path, CATALOGUE)).table["frequency"].tolist() == [0.1]
    plain = harmonise_eqtls(read_eqtls(write(tmp_path, PLAIN)), variants(), GENES, cohort_build="b38", build="b38")
    assert plain.table["frequency"].tolist() == [pytest.approx(0.2)]  # of ALT


def test_the_table_gexviz_writes_is_read(tmp_path):
    header = "gene\tvariant\tposition\tref\talt\tmaf\tslope\tse\tp\n"
    text = header + "ENSG00000183597.11\t22:101:A:G\t100\tA\tG\t0.2\t1\t2\t0.3\n"
    read = read_eqtls(write(tmp_path, text))
    assert read.other_is_ref and read.build is None and read.table["position"].tolist() == [100]
    assert read.table[["other", "effect"]].iloc[0].tolist() == ["A", "G"]


@pytest.mark.parametrize(
    "told, cohort, message",
    [
        ("_b38", "GRCh37", "the eQTLs are of GRCh38, the cohort is of GRCh37"),
        ("_b37", "hg38", "the eQTLs are of GRCh37, the cohort is of hg38"),
        ("", "GRCh37", "the table doesn't say its genome build"),
    ],
)
def test_builds_are_never_mixed(tmp_path, told, cohort, message):
    read = read_eqtls(write(tmp_path, GTEX_PAIRS.replace("_b38", told)))
    with pytest.raises(GexvizError, match=message):
        harmonise_eqtls(read, variants(), GENES, cohort_build=cohort)


def test_builds_that_contradict_each_other_are_errors(tmp_path):
    read = read_eqtls(write(tmp_path, GTEX_PAIRS))
    with pytest.raises(GexvizError, match="of GRCh38, not of hg19"):
        harmonise_eqtls(read, variants(), GENES, cohort_build="GRCh37", build="hg19")
    with pytest.raises(GexvizError, match="mixes builds: GRCh37 and GRCh38"):
        read_eqtls(write(tmp_path, GTEX_PAIRS.replace("C_T_b38", "C_T_b37")))
    lines = GTEX_PAIRS.splitlines()
    text = "\n".join([lines[0] + "\tbuild"] + [line + "\thg19" for line in lines[1:]])
    with pytest.raises(GexvizError, match="mixes builds"):
        read_eqtls(write(tmp_path, text))


@pytest.mark.parametrize(
    "text, message",
    [
        (PLAIN.replace("effect_allele", "allele1"), "which allele its effects are of: no column effect_allele"),
        (CATALOGUE.replace("\talt\t", "\tother\t"), "which allele its effects are of: no column alt"),
        (PLAIN.replace("\tse\t", "\tz\t"), "no column se"),
        (PLAIN.replace("contig", "variant"), "told twice"),
        (PLAIN.replace("\t0.5\t", "\thigh\t"), "'high' is not a number"),
        (PLAIN.replace("1e-9", "9"), "p is 9"),
        (PLAIN.replace("1e-9", "NA"), "no row can be used"),
        (PLAIN.splitlines()[0] + "\n", "no row can be used"),
        (GTEX_PAIRS.replace("chr22_101_A_G_b38", "rs1").replace("chr22_201_C_T_b38", "rs2"), "no row can be used"),
        (PLAIN + "G\t22\n", "can't be read"),
        (PLAIN.replace("\t0.5\t", "\tinf\t"), "is not a number"),
    ],
)
def test_tables_that_cannot_be_used_are_errors(tmp_path, text, message):
    with pytest.raises(GexvizError, match=message):
        read_eqtls(write(tmp_path, text))


def test_rows_without_a_number_are_left_out_and_counted(tmp_path):
    row = "ENSG00000183597.11\t22\t101\tA\tG\t0.8\t0.5\t0.1\t1e-9\n"
    text = PLAIN + row.replace("\t0.5\t", "\tNaN\t") + row.replace("0.1\t", "NA\t") + row.replace("0.1\t", "0\t")
    text += row.replace("\tA\t", "\t<DEL>\t") + row.replace("ENSG00000183597.11", "")
    read = read_eqtls(write(tmp_path, text))
    assert len(read.table) == 1
    assert read.left_out == {
        "no slope": 1, "no se": 1, "se is not above 0": 1, "variant not understood": 1, "no gene": 1,
    }  # fmt: skip
    assert read.table[["slope", "se", "p"]].notna().all(axis=None)
    counts = harmonise_eqtls(read, variants(), GENES, cohort_build="GRCh37", build="GRCh37").counts
    assert sum(counts.values()) == 6 and counts["kept"] == 1


def table_of(rows, *, other_is_ref=False):
    columns = ["gene", "contig", "position", "other", "effect", "frequency"]
    table = pd.DataFrame([("ENSG00000183597", "chr22", *row) for row in rows], columns=columns)
    return EqtlTable(table.assign(slope=1.0, se=0.5, p=0.1), "plain", "GRCh37", other_is_ref, {}, None)


def test_every_row_is_kept_or_set_aside_for_a_reason():
    read = table_of([(100, "A", "G", 0.2), (100, "A", "T", 0.2), (999, "A", "G", 0.2), (100, "A", "G", 0.2)])
    more = read.table.iloc[[0, 0]].assign(gene=["ENSG9", "TWICE"])
    read = read._replace(table=pd.concat([read.table, more], ignore_index=True))
    found = harmonise_eqtls(read, variants(), GENES, cohort_build="hg19")
    assert found.counts == {
        "kept": 1, "other alleles": 1, "variant not in the cohort": 1, "repeated": 1, "gene not in the study": 2,
    }  # fmt: skip


@pytest.mark.parametrize(
    "other, effect, frequency, slope, strand",
    [
        ("A", "G", 0.2, 1.0, "as given"),
        ("G", "A", 0.8, -1.0, "as given"),
        ("T", "C", 0.2, 1.0, "other"),
        ("C", "T", 0.8, -1.0, "other"),
    ],
)
def test_alleles_are_turned(other, effect, frequency, slope, strand):
    found = harmonise_eqtls(table_of([(100, other, effect, frequency)]), variants(), GENES, cohort_build="hg19").table
    assert found[["slope", "strand"]].iloc[0].tolist() == [slope, strand]
    assert found["frequency"].tolist() == [pytest.approx(0.2)]


@pytest.mark.parametrize(
    "other, effect, frequency, is_ref, slope, strand",
    [
        ("A", "T", 0.2, False, 1.0, "by frequency"),
        ("A", "T", 0.8, False, -1.0, "by frequency"),  # told on the other strand
        ("T", "A", 0.8, False, -1.0, "by frequency"),
        ("T", "A", 0.2, False, 1.0, "by frequency"),
        ("T", "A", 0.2, True, 1.0, "by frequency"),
        ("A", "T", 0.45, False, None, "ambiguous"),
        ("A", "T", np.nan, False, None, "ambiguous"),
        ("T", "A", np.nan, True, None, "ambiguous"),
        ("A", "T", np.nan, True, 1.0, "as given"),
        ("A", "T", 0.8, True, 1.0, "as given"),
    ],
)
def test_ambiguous_strands_are_told_by_frequency_or_set_aside(other, effect, frequency, is_ref, slope, strand):
    cohort = variants([("22", 100, "A", "T", 0.2)])
    read = table_of([(100, other, effect, frequency)], other_is_ref=is_ref)
    found = harmonise_eqtls(read, cohort, GENES, cohort_build="hg19")
    if slope is None:
        assert found.table.empty and found.counts["strand ambiguous"] == 1
    else:
        assert found.table[["slope", "strand"]].iloc[0].tolist() == [slope, strand]


def test_a_cohort_frequency_near_a_half_tells_no_strand():
    cohort = variants([("22", 100, "C", "G", 0.55)])
    found = harmonise_eqtls(table_of([(100, "C", "G", 0.2)]), cohort, GENES, cohort_build="hg19")
    assert found.counts == {"kept": 0, "strand ambiguous": 1}


@given(st.integers(0, 2**32 - 1))
def test_slopes_come_back_whatever_the_table_does_to_alleles(seed):
    """Random variants, swapped and complemented at random, their slopes with them."""
    rng = np.random.default_rng(seed)
    n = 30
    bases = np.array(list("ACGT"))
    pairs = [rng.choice(4, 2, replace=False) for _ in range(n)]
    frequency = rng.choice([0.1, 0.25, 0.8, 0.5], n)
    rows = zip(pairs, frequency, strict=True)
    cohort = variants([("22", 10 * i, bases[r], bases[a], f) for i, ((r, a), f) in enumerate(rows)])
    truth = rng.normal(size=n)
    swap, turn = rng.random(n) < 0.5, rng.random(n) < 0.5
    rows = []
    for i, (ref, alt) in enumerate(pairs):
        other, effect = (alt, ref) if swap[i] else (ref, alt)
        other, effect = (3 - other, 3 - effect) if turn[i] else (other, effect)  # A<->T, C<->G
        rows.append((10 * i, bases[other], bases[effect], 1 - frequency[i] if swap[i] else frequency[i]))
    read = table_of(rows)
    read = read._replace(table=read.table.assign(slope=np.where(swap, -truth, truth)))
    found = harmonise_eqtls(read, cohort, GENES, cohort_build="GRCh37").table
    at = found["position"].to_numpy() // 10
    np.testing.assert_array_equal(found["slope"], truth[at])
    unclear = np.array([r + a == 3 for r, a in pairs]) & (frequency == 0.5)
    assert set(at) == set(np.flatnonzero(~unclear))
