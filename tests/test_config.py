import pickle
import re
from pathlib import Path

import pytest

from gexviz.config import CohortSection, ModelSection, StudySection, read_config
from gexviz.errors import GexvizError

GOOD = """# a study
[study]
name = "S"            # as shown
genome = "GRCh38"

[cohort]
genotypes = ["a.vcf.gz"]
reference = "r.fa"
expression = "e.tsv"
genes = "g.gtf"

[models.net]
family = "cnn"
weights = "net.safetensors"
trained_on = ["train"]
"""


def write(folder, text):
    path = folder / "study.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_study(tmp_path):
    config = read_config(write(tmp_path, GOOD))
    assert config.study.name == "S"
    assert config.cohort.genotypes == ["a.vcf.gz"]
    assert config.cohort.transform == "none"
    assert (config.cohort.missing, config.cohort.unphased) == ("reference", "as_written")
    assert config.models["net"].options == {"weights": "net.safetensors"}
    assert config.models["net"].trained_on == ["train"]
    assert config.results_folder == tmp_path / "results"
    assert config.resolve("sub/x") == tmp_path / "sub" / "x"
    assert config.resolve("/x") == Path("/x")
    assert config.place("cohort", "genotypes") == "[cohort] genotypes, line 7"
    assert config.place("models", "net", "weights") == "[models.net] weights, line 14"
    assert config.place("cohort", "covariates") == "[cohort] covariates, line 6"
    assert pickle.loads(pickle.dumps(config)) == config


def test_one_genotype_file_needs_no_list_and_a_byte_order_mark_is_no_matter(tmp_path):
    text = "\ufeff" + GOOD.replace('["a.vcf.gz"]', '"a.vcf.gz"')
    assert read_config(write(tmp_path, text)).cohort.genotypes == ["a.vcf.gz"]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("genome =", "genom =", ["unknown key 'genom'", "[study] genom, line 4", "did you mean 'genome'?"]),
        ("family =", "famly =", ["unknown key 'famly'", "[models.net] famly, line 13", "did you mean 'family'?"]),
        ("[models.net]", "[modles.net]", ["unknown key 'modles'", "line 12", "did you mean 'models'?"]),
        ("[cohort]", "[cohrt]", ["unknown key 'cohrt'", "line 6", "did you mean 'cohort'?"]),
        ("[study]", "", ["unknown key", "put it under [study]"]),
        ('reference = "r.fa"\n', "", ["'reference' is missing from [cohort]", "line 6"]),
        ('"S"', "3", ["'name' has a wrong value: 3", "[study] name, line 3", "text in quotes"]),
        ('"S"', '""', ["'name' has a wrong value", "some text"]),
        ('"GRCh38"', '"GRCh38"\nsimulated = "no"', ["[study] simulated, line 5", "true or false"]),
        ('"r.fa"', '["r.fa"]', ["[cohort] reference, line 8", "a path in quotes"]),
        ('["a.vcf.gz"]', "[]", ["[cohort] genotypes, line 7", "at least one file"]),
        ('["a.vcf.gz"]', "[1]", ["[cohort] genotypes, line 7", "text in quotes"]),
        ('"g.gtf"', '"g.gtf"\ntransform = "log"', ["[cohort] transform, line 11", "'log2p1' or 'inverse_normal'"]),
        ('"g.gtf"', '"g.gtf"\nmissing = "zero"', ["[cohort] missing, line 11", "'reference' or 'N'"]),
        ('["train"]', '"train"', ["[models.net] trained_on, line 15", 'a list, as ["a", "b"]']),
        ("[models.net]", '[models."a/b"]', ["can't be named 'a/b'", "line 12"]),
        ("[models.net]", "[models.observed]", ["can't be named 'observed'", "line 12"]),
        ('"S"', '"S', ["not valid TOML", "line 3"]),
        ("[study]", "path = 1\nlines = 2\n[study]", ["unknown key", "one of study, cohort, models"]),
    ],
)
def test_a_mistake_names_its_key_its_line_and_what_would_be_right(tmp_path, old, new, words):
    assert old in GOOD
    path = write(tmp_path, GOOD.replace(old, new))
    with pytest.raises(GexvizError) as caught:
        read_config(path)
    for word in [*words, str(path)]:
        assert word in str(caught.value)
    assert caught.value.remedy


def test_no_such_study(tmp_path):
    with pytest.raises(GexvizError, match="no study file"):
        read_config(tmp_path / "none.toml")
    with pytest.raises(GexvizError, match="no study file"):
        read_config(tmp_path)
    path = tmp_path / "latin.toml"
    path.write_bytes("[study]\nname = 'Z\u00fcrich'".encode("latin-1"))
    with pytest.raises(GexvizError, match="can't read"):
        read_config(path)


def test_a_missing_file_names_the_key_and_its_neighbours(tmp_path):
    config = read_config(write(tmp_path, GOOD))
    (tmp_path / "r.fasta").write_text(">1\nA\n")
    with pytest.raises(GexvizError, match="does not exist") as caught:
        config.existing(config.cohort.reference, "cohort", "reference")
    assert caught.value.place == "[cohort] reference, line 8"
    assert "r.fasta" in caught.value.remedy
    with pytest.raises(GexvizError, match="is not a file"):
        config.existing(".", "cohort", "reference")


def test_every_key_is_described():
    """docs/study.md has a row for each key of [study], [cohort] and [models.NAME]."""
    text = (Path(__file__).parents[1] / "docs" / "study.md").read_text(encoding="utf-8")
    described = set(re.findall(r"^\| `([a-z_]+)` \|", text, flags=re.MULTILINE))
    for section in (StudySection, CohortSection, ModelSection):
        assert set(section.model_fields) <= described


def test_the_documented_example_is_valid(tmp_path):
    text = (Path(__file__).parents[1] / "docs" / "study.md").read_text(encoding="utf-8")
    example = re.search(r"```toml\n(.*?)```", text, flags=re.DOTALL)[1]
    config = read_config(write(tmp_path, example))
    assert set(config.models) == {"enet", "xpresso"}
