import gzip
import re

import numpy as np
import pandas as pd
import pytest

from gexviz.cohort.genes import GeneIndex, read_genes, resolve_gene, unversioned
from gexviz.errors import GexvizError, UnknownGene

GENCODE = """##description: test
chr1\tHAVANA\tgene\t101\t900\t.\t+\t.\tgene_id "ENSG00000000001.5"; gene_type "protein_coding"; gene_name "AAA1"; level 2;
chr1\tHAVANA\ttranscript\t101\t300\t.\t+\t.\tgene_id "ENSG00000000001.5"; transcript_id "ENST01.1"; gene_name "AAA1"; tag "basic"; tag "Ensembl_canonical";
chr1\tHAVANA\texon\t101\t300\t.\t+\t.\tgene_id "ENSG00000000001.5"; transcript_id "ENST01.1";
chr1\tHAVANA\ttranscript\t101\t900\t.\t+\t.\tgene_id "ENSG00000000001.5"; transcript_id "ENST02.1"; gene_name "AAA1"; tag "appris_principal_1";
chr1\tHAVANA\tgene\t2001\t3000\t.\t-\t.\tgene_id "ENSG00000000002.1_PAR_Y"; gene_type "lincRNA"; gene_name "bbb";
chr1\tHAVANA\ttranscript\t2001\t2500\t.\t-\t.\tgene_id "ENSG00000000002.1_PAR_Y"; transcript_id "ENST03.1"; tag "appris_principal_3";
chr1\tHAVANA\ttranscript\t2001\t2100\t.\t-\t.\tgene_id "ENSG00000000002.1_PAR_Y"; transcript_id "ENST04.1"; tag "appris_principal_1";
chr2\tHAVANA\tgene\t11\t20\t.\t-\t.\tgene_id "ENSG00000000003.2"; gene_type "snoRNA"; gene_name "SNO";
chr2\tHAVANA\ttranscript\t11\t15\t.\t-\t.\tgene_id "ENSG00000000003.2"; transcript_id "ENST05.1";
chr2\tHAVANA\ttranscript\t11\t20\t.\t-\t.\tgene_id "ENSG00000000003.2"; transcript_id "ENST06.1";
chr3\tHAVANA\tgene\t11\t20\t.\t+\t.\tgene_id "ENSG00000000004.2"; gene_type "snoRNA"; gene_name "SNO";
"""  # noqa: E501
EXPECTED = pd.DataFrame(
    {
        "name": ["AAA1", "bbb", "SNO", "SNO"],
        "contig": ["chr1", "chr1", "chr2", "chr3"],
        "start": [100, 2000, 10, 10],
        "end": [900, 3000, 20, 20],
        "strand": ["+", "-", "-", "+"],
        "tss": [100, 2999, 19, 10],
        "biotype": ["protein_coding", "lincRNA", "snoRNA", "snoRNA"],
        "transcript": ["ENST01.1", "ENST04.1", "ENST06.1", ""],
    },
    index=pd.Index(
        ["ENSG00000000001.5", "ENSG00000000002.1_PAR_Y", "ENSG00000000003.2", "ENSG00000000004.2"], name="gene"
    ),
)


def write(path, text):
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def as_gff3(text):
    """GENCODE's GFF3 of the same rows."""

    def attributes(match):
        pairs = re.findall(r'(\w+) "([^"]+)"', match[0])
        tags = ",".join(v for k, v in pairs if k == "tag")
        fields = dict(p for p in pairs if p[0] != "tag")
        own = {"ID": fields.get("transcript_id", fields["gene_id"])}
        own |= {"Parent": fields["gene_id"]} if "transcript_id" in fields else {}
        return ";".join(f"{k}={v}" for k, v in (own | fields | ({"tag": tags} if tags else {})).items())

    return re.sub(r"gene_id .*", attributes, text.replace("##description: test", "##gff-version 3"))


@pytest.mark.parametrize("name", ["g.gtf", "g.gtf.gz", "g.gff3", "g.gff3.gz"])
def test_gencode(tmp_path, name):
    path = write(tmp_path / name, as_gff3(GENCODE) if "gff3" in name else GENCODE)
    pd.testing.assert_frame_equal(read_genes(path), EXPECTED, check_dtype=False)


def test_ensembl_gtf_and_gff3_agree(tmp_path):
    gtf = (
        '#!genome-build GRCh38\n22\thavana\tgene\t11\t99\t.\t-\t.\tgene_id "ENSG00000183597"; gene_version "16"; '
        'gene_name "TANGO2"; gene_source "x"; gene_biotype "protein_coding";\n'
        '22\thavana\ttranscript\t11\t99\t.\t-\t.\tgene_id "ENSG00000183597"; gene_version "16"; '
        'transcript_id "ENST00000327374"; transcript_version "9"; gene_name "TANGO2"; tag "Ensembl_canonical";\n'
    )
    gff3 = (
        "##gff-version 3\n22\thavana\tgene\t11\t99\t.\t-\t.\tID=gene:ENSG00000183597;Name=TANGO2;"
        "biotype=protein_coding;gene_id=ENSG00000183597;version=16\n"
        "22\thavana\tmRNA\t11\t99\t.\t-\t.\tID=transcript:ENST00000327374;Parent=gene:ENSG00000183597;"
        "Name=TANGO2-201;tag=basic,Ensembl_canonical;transcript_id=ENST00000327374;version=9\n"
        "22\thavana\tncRNA_gene\t200\t300\t.\t+\t.\tID=gene:ENSG00000000009;gene_id=ENSG00000000009;version=1\n"
    )
    one = read_genes(write(tmp_path / "a.gtf", gtf))
    other = read_genes(write(tmp_path / "b.gff3", gff3))
    assert one.index.tolist() == ["ENSG00000183597.16"]
    pd.testing.assert_frame_equal(one, other.iloc[:1])
    assert one.loc["ENSG00000183597.16", ["name", "tss", "transcript"]].tolist() == ["TANGO2", 98, "ENST00000327374.9"]
    assert other.index[1] == "ENSG00000000009.1"
    assert other["name"].iat[1] == "ENSG00000000009.1"  # without a symbol, the id


def test_refseq_gff3(tmp_path):
    text = (
        "##gff-version 3\nNC_000022.11\tBestRefSeq\tgene\t11\t99\t.\t+\t.\tID=gene-TANGO2;Dbxref=GeneID:128989;"
        "Name=TANGO2;gene=TANGO2;gene_biotype=protein_coding\n"
        "NC_000022.11\tBestRefSeq\tmRNA\t11\t99\t.\t+\t.\tID=rna-NM_152906.7;Parent=gene-TANGO2;Name=NM_152906.7;"
        "tag=MANE Select;gene=TANGO2;transcript_id=NM_152906.7\n"
    )
    row = read_genes(write(tmp_path / "r.gff3", text)).loc["TANGO2"]
    assert row.tolist() == ["TANGO2", "NC_000022.11", 10, 99, "+", 10, "protein_coding", "NM_152906.7"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sample\tpopulation\nA\tB\n", "no gene rows"),
        (GENCODE + GENCODE, "twice"),
        (GENCODE.replace("\t101\t900", "\tx\t900"), "broken"),
        ("", "empty"),
    ],
)
def test_what_is_no_annotation_is_refused(tmp_path, text, message):
    path = write(tmp_path / "g.gtf", text)
    with pytest.raises(GexvizError, match=message) as caught:
        read_genes(path)
    assert caught.value.file == str(path)


def test_a_truncated_annotation(tmp_path):
    path = write(tmp_path / "g.gtf.gz", GENCODE * 50)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(GexvizError, match="can't be read"):
        read_genes(path)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("ENSG00000000001.5", "ENSG00000000001.5"),
        ("ENSG00000000001", "ENSG00000000001.5"),
        ("ENSG00000000001.99", "ENSG00000000001.5"),
        ("ensg00000000001", "ENSG00000000001.5"),
        ("AAA1", "ENSG00000000001.5"),
        (" aaa1 ", "ENSG00000000001.5"),
        ("BBB", "ENSG00000000002.1_PAR_Y"),
        ("ENSG00000000002_PAR_Y", "ENSG00000000002.1_PAR_Y"),
        ("ENSG00000000002.7_PAR_Y", "ENSG00000000002.1_PAR_Y"),
        ("ENSG00000000004", "ENSG00000000004.2"),
    ],
)
def test_a_gene_is_found(query, expected):
    assert resolve_gene(EXPECTED, query) == expected


def test_a_symbol_of_two_genes_names_both():
    with pytest.raises(GexvizError, match="name of 2 genes") as caught:
        resolve_gene(EXPECTED, "SNO")
    assert "ENSG00000000003.2, ENSG00000000004.2" in caught.value.remedy


def test_the_case_of_a_symbol_counts_where_two_differ_by_it():
    genes = EXPECTED.assign(name=["ABC", "X", "abc", "Y"])
    assert [resolve_gene(genes, q) for q in ("ABC", "abc")] == [genes.index[0], genes.index[2]]
    with pytest.raises(GexvizError, match="name of 2 genes"):
        resolve_gene(genes, "Abc")


def test_a_symbol_on_x_and_y_means_x():
    genes = EXPECTED.assign(name=["GTPBP6", "GTPBP6", "X", "Y"])
    assert resolve_gene(genes, "GTPBP6") == "ENSG00000000001.5"


@pytest.mark.parametrize(
    ("query", "near"), [("AAA11", "AAA1"), ("ENSG00000000011", "ENSG00000000001.5 (AAA1)"), ("zzzzz", "look")]
)
def test_an_unknown_gene_gets_suggestions(query, near):
    with pytest.raises(UnknownGene) as caught:
        resolve_gene(EXPECTED, query, "genes.gtf")
    assert near in caught.value.remedy
    assert caught.value.file == "genes.gtf"


def test_versions_are_ensembls_only():
    assert unversioned(pd.Index(["ENSG1.12", "ENSG1.2_PAR_Y", "ENSMUSG3.1", "RP11-34P13.7", "MT-ND1"])).tolist() == [
        "ENSG1", "ENSG1_PAR_Y", "ENSMUSG3", "RP11-34P13.7", "MT-ND1"]  # fmt: skip


@pytest.mark.real
def test_the_real_annotation_read_by_hand(real_cohort):
    found = read_genes(real_cohort / "genes.gtf.gz")
    by_hand = {}
    with gzip.open(real_cohort / "genes.gtf.gz", "rt") as handle:
        for line in handle:
            parts = line.rstrip("\n").split("\t")
            if len(parts) == 9 and parts[2] == "gene":
                fields = dict(p.strip().split(" ", 1) for p in parts[8].split(";") if p.strip())
                start, end = int(parts[3]) - 1, int(parts[4])
                by_hand[fields["gene_id"].strip('"')] = (
                    fields["gene_name"].strip('"'), parts[0], start, end, parts[6],
                    start if parts[6] == "+" else end - 1, fields["gene_type"].strip('"'))  # fmt: skip
    assert len(found) == len(by_hand) == 1_206
    for gene, *row in found.drop(columns="transcript").itertuples():
        assert tuple(row) == by_hand[gene]
    index = GeneIndex(found)
    assert {index.resolve(q) for q in ("TANGO2", "ENSG00000183597", "ENSG00000183597.11")} == {"ENSG00000183597.11"}


@pytest.mark.real
def test_the_tss_is_that_of_the_expression_file(real_cohort):
    genes = read_genes(real_cohort / "genes.gtf.gz")
    bed = pd.read_csv(real_cohort / "expression.bed.gz", sep="\t", usecols=range(4), index_col="gene")
    both = bed.index.intersection(genes.index)
    assert len(both) == 598
    assert np.array_equal(bed.loc[both, "start"], genes.loc[both, "tss"])
