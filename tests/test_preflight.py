import gzip
import itertools
import os
import shutil
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pysam
import pysam.bcftools
import pytest
from cohorts import HEADER, make_study, write_fasta, write_vcf

from gexviz.cohort import probe
from gexviz.cohort.alleles import check_alleles
from gexviz.cohort.checks_models import InputWindow, unreadable_genes
from gexviz.cohort.cohort import Cohort
from gexviz.cohort.genotypes import Genotypes
from gexviz.cohort.preflight import preflight
from gexviz.cohort.probe import probe_vcf
from gexviz.cohort.reference import Reference
from gexviz.cohort.windows import window_of
from gexviz.config import read_config
from gexviz.errors import Cancelled, GexvizError

WINDOW = {"net": (2_000, 1_500, True, None)}


@pytest.fixture
def study(tmp_path):
    return make_study(tmp_path / "study")


def run(study, **options):
    return preflight(Cohort(read_config(study)), **options)


def row(table, file, check):
    found = table[table["file"].str.contains(file, regex=False) & (table["check"] == check)]
    assert len(found) == 1, table.to_string()
    return found.iloc[0]


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def rewrite_vcf(study, change):
    """Write the study's VCF anew, a changed text of its lines."""
    path = study.parent / "genotypes.vcf.gz"
    text = change(gzip.decompress(path.read_bytes()).decode())
    with pysam.BGZFile(str(path), "wb") as out:
        out.write(text.encode())
    pysam.tabix_index(str(path), preset="vcf", force=True)


def change_lines(change):
    def changed(text):
        lines = text.splitlines()
        return "\n".join(line if line.startswith("#") else "\t".join(change(line.split("\t"))) for line in lines) + "\n"

    return changed


# -- the whole table ---------------------------------------------------------------------------------------------------


def test_a_sound_study_has_nothing_to_do(study):
    told = []
    table = run(study, windows=WINDOW, progress=lambda *args: told.append(args))
    assert table.columns.tolist() == ["file", "check", "status", "found", "todo"]
    assert set(table["status"]) == {"ok"}, table.to_string()
    assert (table["todo"] == "").all()
    checks = {"opens", "index", "contig names", "genome build", "samples", "duplicated ids", "constant genes",
              "gene ids", "missing values", "scale", "genes", "REF alleles", "phasing", "missing calls", "input",
              "windows", "memory"}  # fmt: skip
    assert checks <= set(table["check"])
    assert [done for done, _, _ in told] == list(range(1, told[0][1] + 1))
    assert "0 of" in row(table, "genotypes", "REF alleles")["found"]


def test_it_can_be_cancelled(study):
    def stop(done, total, label):
        raise Cancelled

    with pytest.raises(Cancelled):
        run(study, progress=stop)


@pytest.mark.parametrize(
    ("file", "others"),
    [
        ("genotypes.vcf.gz", {"reference.fa", "expression.tsv", "genes.gtf.gz", "samples.tsv"}),
        ("reference.fa", {"genotypes.vcf.gz", "expression.tsv", "genes.gtf.gz", "samples.tsv"}),
        ("expression.tsv", {"reference.fa", "genotypes.vcf.gz", "genes.gtf.gz", "samples.tsv"}),
        ("genes.gtf.gz", {"reference.fa", "genotypes.vcf.gz", "expression.tsv", "samples.tsv"}),
        ("samples.tsv", {"reference.fa", "genotypes.vcf.gz", "expression.tsv", "genes.gtf.gz"}),
    ],
)
@pytest.mark.parametrize("damage", ["gone", "empty", "garbage"])
def test_one_bad_file_is_one_error_and_the_others_are_still_checked(study, file, others, damage):
    path = study.parent / file
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(b"" if damage == "empty" else bytes(range(256)) * 9)
    table = run(study, windows=WINDOW)
    errors = table[table["status"] == "error"]
    assert len(errors) == 1, table.to_string()
    assert (errors["todo"] != "").all()
    if damage == "gone":
        assert file in errors["found"].iat[0]
        assert "line" in errors["found"].iat[0]  # of study.toml
    else:
        assert errors["file"].iat[0] == file
    opened = table[(table["check"] == "opens") & (table["status"] == "ok")]
    assert set(opened["file"]) == others
    if file not in ("genotypes.vcf.gz", "reference.fa"):
        assert row(table, "genotypes.vcf.gz", "REF alleles")["status"] == "ok"


@pytest.mark.parametrize(
    ("index", "remedy"),
    [("genotypes.vcf.gz.tbi", "bcftools index -t"), ("reference.fa.fai", "samtools faidx")],
)
def test_a_missing_and_an_old_index(study, index, remedy):
    path = study.parent / index
    old = time.time() - 1_000
    os.utime(path, (old, old))
    table = run(study)
    stale = table[(table["check"] == "index") & (table["status"] == "warn")].iloc[0]
    assert "older" in stale["found"]
    path.unlink()
    table = run(study)
    missing = table[table["status"] == "error"].iloc[0]
    assert "no index" in missing["found"]
    assert remedy in missing["todo"]
    assert not path.exists()


# -- genotypes and reference -------------------------------------------------------------------------------------------


def test_another_reference(study):
    rng = np.random.default_rng(9)
    write_fasta(study.parent / "reference.fa", {"1": "".join(rng.choice(list("ACGT"), 60_000))})
    found = row(run(study), "genotypes", "REF alleles")
    assert found["status"] == "error"
    assert "another genome build" in found["found"]
    cohort = Cohort(read_config(study))
    assert 0.6 < cohort.alleles.share < 0.9  # three of four bases differ by chance
    with pytest.raises(GexvizError, match="REF alleles differ") as caught:
        cohort.require_matching_reference()
    assert "REF" in caught.value.place
    assert caught.value.file.endswith("genotypes.vcf.gz")


def test_swapped_alleles_and_shifted_positions(study):
    reference = (study.parent / "reference.fa").read_text()
    rewrite_vcf(study, change_lines(lambda f: [*f[:3], f[4], f[3], *f[5:]] if len(f[3]) == len(f[4]) else f))
    assert "swapped" in row(run(study), "genotypes", "REF alleles")["found"]
    (study.parent / "reference.fa").write_text(reference)
    shutil.rmtree(study.parent)
    make_study(study.parent)
    rewrite_vcf(study, change_lines(lambda f: [f[0], str(int(f[1]) + 1), *f[2:]]))
    assert "off by one" in row(run(study), "genotypes", "REF alleles")["found"]


def test_few_mismatches_warn_many_are_an_error(study):
    sequence = Reference(study.parent / "reference.fa").fetch("1", 0, 60_000).tobytes().decode()
    def spoil(every):
        numbers = itertools.count(1)

        def change(fields):
            if next(numbers) % every:
                return fields
            wrong = next(b for b in "ACGT" if b not in (sequence[int(fields[1]) - 1], fields[4]))
            return [*fields[:3], wrong, wrong + "T", *fields[5:]]

        return change_lines(change)

    rewrite_vcf(study, spoil(200))
    found = row(run(study), "genotypes", "REF alleles")
    assert found["status"] == "warn"
    Cohort(read_config(study)).require_matching_reference()
    assert found["found"].startswith("2 of ")
    rewrite_vcf(study, spoil(20))
    assert row(run(study), "genotypes", "REF alleles")["status"] == "error"


def test_counts_of_a_small_vcf_are_those_by_hand(tmp_path):
    fasta = write_fasta(tmp_path / "r.fa", {"1": "ACGTNACGT" + "A" * 91})
    records = [
        ("1", 0, ".", "A", ["C"], ["0|1", "1/0", "."]),
        ("1", 1, ".", "G", ["C"], ["0|0", "0|0", "1"]),  # the reference has C
        ("1", 4, ".", "A", ["C"], ["0|0", "./1", "1|1"]),  # the reference has N
        ("1", 5, ".", "AC", ["A"], ["0|1", "0|1", "0|1"]),
        ("1", 8, ".", "T", ["<DEL>"], ["0|1", "0|0", "0|0"]),
    ]
    vcf = write_vcf(tmp_path / "v.vcf.gz", {"1": 100}, ["A", "B", "C"], records)
    found = check_alleles(Genotypes([vcf]), Reference(fasta), None)
    assert (found.sites, found.compared, found.mismatched, found.swapped, found.unusable) == (5, 4, 1, 1, 1)
    assert found.examples == ("1:2 REF G, reference C",)
    assert (found.calls, found.missing, found.haploid) == (15, 2, 2)
    assert (found.heterozygous, found.phased) == (6, 5)
    one = check_alleles(Genotypes([vcf]), Reference(fasta), None, ["B"])
    assert (one.calls, one.heterozygous, one.phased, one.missing) == (5, 2, 1, 1)


def test_unphased_and_missing_calls(study):
    rewrite_vcf(study, change_lines(lambda f: [*f[:9], "./.", *(c.replace("|", "/") for c in f[10:])]))
    table = run(study)
    assert row(table, "genotypes", "phasing")["status"] == "warn"
    assert "0.0%" in row(table, "genotypes", "phasing")["found"]
    assert row(table, "genotypes", "missing calls")["found"].startswith("2.50%")


def test_contigs_that_the_reference_lacks(study):
    rewrite_vcf(study, lambda text: text.replace("\n1\t", "\n7\t").replace("ID=1,", "ID=7,"))
    table = run(study)
    assert row(table, "genotypes", "contig names")["status"] == "error"
    assert row(table, "genotypes", "REF alleles")["status"] == "error"
    assert "chr1 is read as its 1" in row(table, "genes.gtf.gz", "contig names")["found"]


def test_the_build_is_told_by_contig_lengths(study):
    rewrite_vcf(study, lambda text: text.replace("ID=1,length=60000", "ID=1,length=248956422"))
    edit(study, 'genome = "test"', 'genome = "GRCh37"')
    found = row(run(study), "genotypes", "genome build")
    assert found["status"] == "error"
    assert "GRCh38" in found["found"]
    edit(study, 'genome = "GRCh37"', 'genome = "hg38"')
    assert row(run(study), "genotypes", "genome build")["status"] == "ok"


# -- people ------------------------------------------------------------------------------------------------------------


def test_who_is_missing_where(study):
    edit(study.parent / "expression.tsv", "P000\tP001", "Q000\tP001")
    edit(study.parent / "samples.tsv", "P009\tAAA\n", "")
    table = run(study)
    found = row(table, "genotypes, expression", "samples")
    assert found["status"] == "warn"
    for words in ("39 samples", "expression but no genotypes: Q000", "genotypes only, not used: P000"):
        assert words in found["found"]
    assert row(table, "samples.tsv", "samples")["found"] == "no row for P009"


def test_nobody_in_both(study):
    edit(study.parent / "expression.tsv", "P0", "Q0")
    found = row(run(study), "expression.tsv", "samples")
    assert found["status"] == "error"
    assert "no sample has both" in found["found"]


def test_duplicated_samples(study):
    rewrite_vcf(study, lambda text: text.replace("\tP001\t", "\tP000\t"))
    found = row(run(study), "genotypes.vcf.gz", "opens")
    assert found["status"] == "error"
    assert "a sample is in the file twice (Duplicated sample name 'P000')" in found["found"]


def test_people_without_a_population(study):
    edit(study.parent / "samples.tsv", "population", "popul")
    found = row(run(study), "samples.tsv", "population")
    assert found["status"] == "warn" and "no column population" in found["found"]


def test_a_split_that_nobody_has(study):
    with study.open("a") as out:
        out.write('[models.m]\nfamily = "table"\ntrained_on = ["train"]\n')
    found = row(run(study), "samples.tsv", "split")
    assert found["status"] == "error"
    assert "[models.m] trained_on, line" in found["todo"]


def test_covariates(study):
    edit(study, 'samples = "samples.tsv"', 'samples = "samples.tsv"\ncovariates = "c.tsv"')
    names = [f"P{i:03d}" for i in range(40)]
    table = pd.DataFrame(np.random.default_rng(1).normal(size=(38, 40)), columns=names).rename_axis("id")
    table.to_csv(study.parent / "c.tsv", sep="\t")
    assert "nothing is left" in row(run(study), "c.tsv", "covariates")["found"]
    table.iloc[:3].assign(P001="x").to_csv(study.parent / "c.tsv", sep="\t")
    assert "'x' is not a number" in row(run(study), "c.tsv", "opens")["found"]
    table.iloc[:3].drop(columns="P001").to_csv(study.parent / "c.tsv", sep="\t")
    assert "1 of 40 samples have no covariates (P001)" in row(run(study), "c.tsv", "covariates")["found"]


# -- expression and genes ----------------------------------------------------------------------------------------------


def test_constant_and_missing_expression(study):
    path = study.parent / "expression.tsv"
    table = pd.read_csv(path, sep="\t", index_col=0)
    table.iloc[1] = 3.0
    table.iloc[2, 5] = np.nan
    table.iloc[3] = np.nan
    table.to_csv(path, sep="\t", na_rep="NA")
    found = run(study)
    assert row(found, "expression", "constant genes")["found"].startswith("2 genes")
    assert "in 2 genes" in row(found, "expression", "missing values")["found"]


@pytest.mark.parametrize(
    ("scale", "transform", "status"),
    [
        (1, "none", "ok"),
        (1_000, "none", "warn"),
        (1_000, "log2p1", "ok"),
        (1, "log2p1", "warn"),
        (-1, "log2p1", "error"),
    ],
)
def test_an_odd_scale(study, scale, transform, status):
    path = study.parent / "expression.tsv"
    (pd.read_csv(path, sep="\t", index_col=0).abs() * scale).to_csv(path, sep="\t")
    edit(study, 'expression = "expression.tsv"', f'expression = "expression.tsv"\ntransform = "{transform}"')
    assert row(run(study), "expression.tsv", "scale")["status"] == status


def test_genes_that_the_annotation_lacks_and_tss_that_differ(study):
    path = study.parent / "expression.tsv"
    table = pd.read_csv(path, sep="\t", index_col=0)
    tss = [5_000, 15_999, 23_500, 33_999, 41_000, 51_999]
    places = pd.DataFrame({"#chr": "1", "start": tss, "gene": table.index, "length": 1})
    places.insert(2, "end", places["start"] + 1)
    places["strand"] = ["+", "-"] * 3
    places.loc[5, "gene"] = "NEW"
    pd.concat([places, table.reset_index(drop=True)], axis=1).to_csv(study.parent / "e.bed", sep="\t", index=False)
    edit(study, "expression.tsv", "e.bed")
    found = run(study)
    ids = row(found, "e.bed, genes.gtf.gz", "gene ids")
    assert "5 of 6" in ids["found"]
    assert "NEW" in ids["found"]
    where = row(found, "e.bed, genes.gtf.gz", "TSS")
    assert where["status"] == "warn"
    assert f"differs for 1 of 5 genes, by more than 1 kb for 0: {table.index[2]} by 500 bp" in where["found"]


def test_windows_off_the_reference_and_in_gaps(study):
    path = study.parent / "reference.fa"
    sequence = Reference(path).fetch("1", 0, 60_000).tobytes().decode()
    write_fasta(path, {"1": sequence[:22_000] + "N" * 1_600 + sequence[23_600:50_500]})
    cohort = Cohort(read_config(study))
    window = InputWindow(*WINDOW["net"])
    outside, mostly_n = unreadable_genes(cohort, window)
    by_hand = {"outside": [], "n": []}
    text = cohort.reference.fetch("1", 0, 50_500).tobytes().decode()
    for gene in cohort.genes.itertuples():
        place = window_of(gene, 2_000, 1_500, oriented=True)
        if place.start < 0 or place.end > 50_500:
            by_hand["outside"].append(gene.Index)
        elif text[place.start : place.end].count("N") > 1_000:
            by_hand["n"].append(gene.Index)
    assert by_hand["outside"] and by_hand["n"]
    assert (outside, mostly_n) == (by_hand["outside"], by_hand["n"])
    table = preflight(cohort, windows=WINDOW | {"huge": (70_000, 5, False, "GRCh38")})
    assert row(table, "model net", "windows")["status"] == "warn"
    assert row(table, "model huge", "windows")["status"] == "error"
    assert row(table, "model huge", "genome build")["status"] == "warn"
    assert "1 of 6 genes is past its end" in row(table, "reference.fa", "genes")["found"]


# -- untrusted VCFs ----------------------------------------------------------------------------------------------------


@pytest.fixture
def small(tmp_path):
    records = [("1", 10 + 7 * i, f"rs{i}", "A", ["C"], ["0|1", "1|1"]) for i in range(30)]
    return write_vcf(tmp_path / "v.vcf.gz", {"1": 1_000, "2": 500}, ["A", "B"], records)


def test_what_a_vcf_says(small):
    found = probe_vcf(small)
    assert found.samples == ("A", "B")
    assert found.contigs == {"1": 1_000}  # the header has 2 as well, but no record is on it
    assert found.declared == ("1", "2")
    assert found.records == 30
    assert probe_vcf(small) is found
    time.sleep(0.01)
    small.write_bytes(small.read_bytes())
    assert probe_vcf(small) is not found


def test_a_header_that_crashes_the_parser(small, tmp_path):
    """Records of a BCF that point to a contig line that isn't there: cyvcf2 0.35 end with SIGSEGV."""
    bcf = tmp_path / "c.bcf"
    pysam.bcftools.view("-Ob", "-o", str(bcf), str(small), catch_stdout=False)
    pysam.bcftools.index(str(bcf))
    data = gzip.decompress(bcf.read_bytes())
    assert data.count(b"##contig") == 2
    with pysam.BGZFile(str(bcf), "wb") as out:
        out.write(data.replace(b"##contig", b"##xontig"))
    alone = subprocess.run([sys.executable, str(probe.CHILD), str(bcf)], capture_output=True, check=False)
    assert alone.returncode != 0
    with pytest.raises(GexvizError, match=r"c\.bcf can't be read") as caught:
        probe_vcf(bcf)
    assert ("crashed" in caught.value.problem) == (alone.returncode < 0)
    with pytest.raises(GexvizError, match=r"c\.bcf can't be read"):
        Genotypes([bcf])


def test_any_crash_and_any_hang_is_an_error(small, tmp_path, monkeypatch):
    """A child that really dies by a signal, and one that really never ends."""
    child = tmp_path / "child.py"
    monkeypatch.setattr(probe, "CHILD", child)
    child.write_text("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n")
    with pytest.raises(GexvizError, match="crashed on it"):
        probe_vcf(small)
    monkeypatch.setattr(probe, "TIMEOUT", 0.5)
    child.write_text("import time\ntime.sleep(60)\n")
    with pytest.raises(GexvizError, match="did not finish"):
        probe_vcf(small)


@pytest.mark.parametrize("keep", [0.3, 0.9, -28])
def test_a_truncated_vcf(study, keep):
    path = study.parent / "genotypes.vcf.gz"
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep) if keep > 0 else keep])
    with pytest.raises(GexvizError, match="truncated"):
        probe_vcf(path)


def pack(path, text):
    with pysam.BGZFile(str(path), "wb") as out:
        out.write(text.encode())
    pysam.tabix_index(str(path), preset="vcf", force=True)
    return path


COLUMNS = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"{HEADER}##contig=<ID=1>\n{COLUMNS}\n1\t5\t.\tA\tC\t.\t.\t.\n", "no samples"),
        (f"{HEADER}##contig=<ID=1>\n{COLUMNS}\tFORMAT\tA\n1\t5\t.\tA\tC\t.\t.\t.\tDP\t3\n", "no genotypes"),
        (f"{HEADER}##contig=<ID=1>\n{COLUMNS}\tFORMAT\tA\tA\n1\t5\t.\tA\tC\t.\t.\t.\tGT\t1\t1\n", "twice"),
        (f"{HEADER}##contig=<ID=1>\n{COLUMNS}\tFORMAT\tA\tB\n1\t5\t.\tA\tC\t.\t.\t.\tGT\t1\n", "refuses"),
        ("1\t5\t.\tA\tC\t.\t.\t.\tGT\t1\n", "refuses"),
    ],
)
def test_broken_vcfs(tmp_path, text, words):
    path = pack(tmp_path / "v.vcf.gz", text)
    with pytest.raises(GexvizError, match=words) as caught:
        probe_vcf(path)
    assert caught.value.file == str(path)


def test_a_vcf_that_is_not_bgzipped(small, tmp_path):
    text = gzip.decompress(small.read_bytes())
    plain, packed = tmp_path / "p.vcf", tmp_path / "g.vcf.gz"
    plain.write_bytes(text)
    packed.write_bytes(gzip.compress(text))
    with pytest.raises(GexvizError, match="not bgzipped") as caught:
        probe_vcf(plain)
    assert "p.vcf.gz" in caught.value.remedy
    with pytest.raises(GexvizError, match="gzip, not bgzip"):
        probe_vcf(packed)


@pytest.mark.real
def test_the_real_cohort_in_a_few_seconds(real_cohort, tmp_path):
    study = tmp_path / "study.toml"
    study.write_text(
        '[study]\nname = "x"\ngenome = "GRCh37"\n[cohort]\ntransform = "log2p1"\n'
        + "".join(
            f'{key} = "{real_cohort / file}"\n'
            for key, file in {
                "genotypes": "genotypes.vcf.gz", "reference": "reference.fa.gz", "expression": "expression.bed.gz",
                "genes": "genes.gtf.gz", "samples": "samples.tsv", "covariates": "covariates.tsv"}.items()
        )
    )  # fmt: skip
    start = time.perf_counter()
    table = run(study, windows={"xpresso": (10_500, 6_999, True, "hg19")})
    assert time.perf_counter() - start < 10
    assert not (table["status"] == "error").any(), table.to_string()
    assert set(table.loc[table["status"] == "warn", "check"]) == {"samples", "gene ids", "genes", "windows"}
    overlap = row(table, "genotypes, expression", "samples")["found"]
    assert overlap.startswith("330 samples")
    assert "(28 in all)" in overlap
    assert row(table, "genotypes", "genome build")["found"].startswith("GRCh37")
    assert row(table, "genotypes", "REF alleles")["found"].startswith("0 of 1,")
    assert "598 of 608" in row(table, "genes.gtf.gz", "gene ids")["found"]
    assert row(table, "genes.gtf.gz", "TSS")["status"] == "ok"
