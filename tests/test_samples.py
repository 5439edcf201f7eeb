import time

import numpy as np
import pandas as pd
import pytest
from cohorts import make_study

from gexviz.cohort.cohort import Cohort
from gexviz.cohort.expression import Expression
from gexviz.cohort.samples import read_covariates, read_samples
from gexviz.cohort.study_genes import place_genes
from gexviz.config import read_config
from gexviz.errors import GexvizError, UnknownGene


def write(path, text):
    path.write_text(text)
    return path


def test_samples(tmp_path):
    path = write(tmp_path / "s.tsv", "sample\tpopulation\tsplit\nA\tGBR\t\nB\tFIN\t01\n")
    found = read_samples(path)
    assert found.to_dict("index") == {
        "A": {"population": "GBR", "split": ""},
        "B": {"population": "FIN", "split": "01"},
    }


def test_the_panel_file_of_1000_genomes_with_its_empty_columns(tmp_path):
    path = write(tmp_path / "p.tsv", "sample\tpop\tsuper_pop\tgender\t\t\nHG1\tGBR\tEUR\tmale\nHG2\tGBR\tEUR\tmale\n")
    assert read_samples(path).loc["HG2"].tolist() == ["GBR", "EUR", "male"]


def test_the_sample_column_may_stand_anywhere(tmp_path):
    path = write(tmp_path / "s.tsv", "population\tsample\r\nGBR\tA\r\nFIN\tB\r\n")
    assert read_samples(path)["population"].to_dict() == {"A": "GBR", "B": "FIN"}


def test_covariates_are_turned(tmp_path):
    path = write(tmp_path / "c.tsv", "covariate\tA\tB\nPC1\t0.5\t-1\nsex\t1\t0\n")
    found = read_covariates(path)
    expected = pd.DataFrame({"PC1": [0.5, -1.0], "sex": [1.0, 0.0]}, index=["A", "B"])
    np.testing.assert_array_equal(found.to_numpy(), expected.to_numpy())
    assert found.index.tolist() == ["A", "B"]
    assert found.columns.tolist() == ["PC1", "sex"]


@pytest.mark.parametrize(
    ("reader", "text", "words"),
    [
        (read_samples, "sample\tpop\nA\tx\nB\tx\nA\ty\n", ["sample A is there 2 times", "rows 2 and 4"]),
        (read_samples, "sample\tpop\n" + "A\tx\n" * 8, ["A is there 8 times", "rows 2, 3, 4, 5, 6 and 3 more"]),
        (read_samples, "sample\tpop\nA\tx\n\ty\n", ["no sample", "row 3"]),
        (read_samples, "sample,pop\nA,x\n", ["commas"]),
        (read_samples, "sample\tpop\tpop\nA\tx\ty\n", ["'pop' is there twice"]),
        (read_samples, "sample\tpop\n", ["no rows"]),
        (read_covariates, "id\tA\tA\nPC1\t1\t2\n", ["'A' is there twice"]),
        (read_covariates, "id\tA\tB\nPC1\t1\t2\nPC1\t1\t2\n", ["covariate PC1 is there 2 times"]),
        (read_covariates, "id\tA\tB\nsex\tmale\t2\n", ["'male' is not a number", "row 2", "column A"]),
        (read_covariates, "id\tA\tB\nPC1\t1\t\n", ["covariate PC1 is missing", "column B"]),
    ],
)
def test_bad_tables(tmp_path, reader, text, words):
    path = write(tmp_path / "t.tsv", text)
    with pytest.raises(GexvizError) as caught:
        reader(path)
    for word in [*words, str(path)]:
        assert word in str(caught.value)


@pytest.fixture
def study(tmp_path):
    return make_study(tmp_path / "study")


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_the_people_are_those_with_genotypes_and_expression(study):
    table = pd.read_csv(study.parent / "expression.tsv", sep="\t", index_col=0)
    shuffled = table[table.columns[::-1]].drop(columns="P003").rename(columns={"P005": "elsewhere"})
    shuffled.to_csv(study.parent / "expression.tsv", sep="\t")
    edit(study.parent / "samples.tsv", "P007\tAAA\n", "")
    cohort = Cohort(read_config(study))
    expected = [f"P{i:03d}" for i in range(40) if i not in (3, 5)]
    assert cohort.samples.index.tolist() == expected  # in the order of the genotypes
    assert cohort.samples.loc[["P006", "P007", "P008"], "population"].tolist() == ["BBB", "", "BBB"]
    pd.testing.assert_frame_equal(cohort.expression.values, table[expected], check_names=False)
    np.testing.assert_allclose(cohort.genes["mean_expression"], table[expected].mean(axis=1))


def test_contigs_are_named_as_in_the_reference(study):
    cohort = Cohort(read_config(study))
    assert set(cohort.annotation_as_written["contig"]) == {"chr1"}
    assert set(cohort.genes["contig"]) == {"1"}
    assert cohort.reference_contig("chr1") == "1"
    assert cohort.reference_contig("chr7") is None


def test_genes_are_matched_without_version_and_by_symbol(study):
    path = study.parent / "expression.tsv"
    table = pd.read_csv(path, sep="\t", index_col=0)
    ids = list(table.index)
    table.index = [ids[0].replace(".1", ".9"), "GENE1", *ids[2:5], "ENSG_NOWHERE"]
    table.rename_axis("gene").to_csv(path, sep="\t")
    cohort = Cohort(read_config(study))
    assert cohort.genes.index.tolist() == list(table.index[:5])
    assert cohort.genes["name"].tolist() == [f"GENE{i}" for i in range(5)]
    assert cohort.genes["tss"].tolist() == cohort.annotation["tss"].tolist()[:5]
    assert cohort.study_id(ids[0]) == table.index[0]
    assert cohort.find_gene("GENE0") == cohort.find_gene(ids[0]) == table.index[0]
    assert cohort.find_gene("gene5") == ids[5]  # annotated, not measured
    with pytest.raises(UnknownGene):
        cohort.find_gene("ENSG_NOWHERE_2")


def test_a_bed_places_genes_that_the_annotation_lacks(study):
    path = study.parent / "expression.tsv"
    table = pd.read_csv(path, sep="\t", index_col=0)
    places = pd.DataFrame(
        {"#chr": "chr1", "start": 999, "end": 1000, "gene": [*table.index[:5], "NEW.1"], "length": 1, "strand": "-"}
    )
    bed = pd.concat([places, table.reset_index(drop=True)], axis=1)
    bed.to_csv(study.parent / "expression.bed", sep="\t", index=False)
    edit(study, "expression.tsv", "expression.bed")
    cohort = Cohort(read_config(study))
    row = cohort.genes.loc["NEW.1"]
    assert row[["name", "contig", "tss", "strand", "biotype"]].tolist() == ["NEW.1", "1", 999, "-", ""]
    assert cohort.genes.loc[table.index[0], "tss"] == cohort.annotation.loc[table.index[0], "tss"]  # the annotation's
    assert cohort.find_gene("NEW.1") == "NEW.1"


def test_twenty_thousand_genes_are_placed_at_once(tmp_path):
    ids = pd.Index([f"ENSG{i:011d}.3" for i in range(20_000)], name="gene")
    values = pd.DataFrame(1.0, index=ids[::-1], columns=["A"])
    annotation = pd.DataFrame(
        {"name": ids, "contig": "1", "start": 5, "end": 9, "strand": "+", "tss": 5, "biotype": "", "transcript": ""},
        index=ids.str.replace(".3", ".4"),
    )
    begin = time.perf_counter()
    placed = place_genes(Expression(values, values, None), annotation)
    assert time.perf_counter() - begin < 5
    assert placed.table.index.equals(values.index)


def test_nobody_in_both_files(study):
    edit(study.parent / "expression.tsv", "P0", "Q0")
    with pytest.raises(GexvizError, match="no sample has both") as caught:
        _ = Cohort(read_config(study)).samples
    assert "P000, P001, P002" in str(caught.value)
    assert "Q000, Q001, Q002" in str(caught.value)


def test_no_gene_in_the_annotation(study):
    edit(study.parent / "expression.tsv", "ENSG", "PROBE")
    with pytest.raises(GexvizError, match="no gene of the expression file"):
        _ = Cohort(read_config(study)).genes


def test_covariates_must_be_there_for_everybody(study):
    edit(study, 'samples = "samples.tsv"', 'samples = "samples.tsv"\ncovariates = "c.tsv"')
    names = [f"P{i:03d}" for i in range(40)]
    numbers = list(map(str, range(40)))
    write(study.parent / "c.tsv", "\t".join(["id", *reversed(names)]) + "\n" + "\t".join(["PC1", *numbers]) + "\n")
    found = Cohort(read_config(study)).covariates
    assert found["PC1"].tolist() == list(range(39, -1, -1))
    write(study.parent / "c.tsv", "\t".join(["id", *names[:38]]) + "\n" + "\t".join(["PC1", *numbers[:38]]) + "\n")
    with pytest.raises(GexvizError, match="2 of 40 samples have no covariates") as caught:
        _ = Cohort(read_config(study)).covariates
    assert "P038, P039" in str(caught.value)


def test_inverse_normal_ranks_the_studys_people_only(study):
    edit(study, 'expression = "expression.tsv"', 'expression = "expression.tsv"\ntransform = "inverse_normal"')
    path = study.parent / "expression.tsv"
    table = pd.read_csv(path, sep="\t", index_col=0)
    table.assign(OTHER=1e6).to_csv(path, sep="\t")
    cohort = Cohort(read_config(study))
    assert np.allclose(cohort.expression.values.mean(axis=1), 0)
    np.testing.assert_allclose(cohort.genes["mean_expression"], table.mean(axis=1))


def test_one_file_a_contig(study):
    edit(study, '"genotypes.vcf.gz"', '"chr{contig}.vcf.gz"')
    for name in ("genotypes.vcf.gz", "genotypes.vcf.gz.tbi"):
        (study.parent / name).rename(study.parent / name.replace("genotypes", "chr1"))
    cohort = Cohort(read_config(study))
    assert [p.name for p in cohort.genotype_paths] == ["chr1.vcf.gz"]
    assert len(cohort.samples) == 40
    edit(study, '"chr{contig}', '"part{contig}')
    with pytest.raises(GexvizError, match="no file is named"):
        _ = Cohort(read_config(study)).genotype_paths


@pytest.mark.real
def test_the_real_cohort(real_cohort, tmp_path):
    text = '[study]\nname = "x"\ngenome = "GRCh37"\n[cohort]\n' + "".join(
        f'{key} = "{real_cohort / file}"\n'
        for key, file in {
            "genotypes": "genotypes.vcf.gz", "reference": "reference.fa.gz", "expression": "expression.bed.gz",
            "genes": "genes.gtf.gz", "samples": "samples.tsv", "covariates": "covariates.tsv"}.items()
    )  # fmt: skip
    cohort = Cohort(read_config(write(tmp_path / "study.toml", text)))
    assert cohort.samples["population"].value_counts().to_dict() == {"TSI": 90, "FIN": 86, "GBR": 77, "CEU": 77}
    assert len(cohort.genes) == 608
    assert cohort.covariates.shape == (330, 53)
    on = cohort.genes[cohort.genes["tss"] < cohort.reference.contigs["22"]]
    bases = [int(cohort.reference.fetch("22", t, t + 1)[0]) for t in on["tss"]]
    assert sum(b != ord("N") for b in bases) == 98
    cohort.require_matching_reference()
    assert cohort.alleles.compared > 1_000
