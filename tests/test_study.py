"""A small study from files to tables: prediction, freshness, resuming, evaluation, one gene."""

from __future__ import annotations

import gzip
import logging
import os
import signal
import subprocess
import sys
import time

import cohorts
import numpy as np
import pandas as pd
import pysam
import pytest
import slow_family
import torch
from safetensors.torch import save_file

import gexviz as gx
from gexviz.demo_study import demo_folder
from gexviz.errors import Cancelled, GexvizError, UnknownGene
from gexviz.models.base import ModelSpec
from gexviz.models.cnn import CnnConfig, build_network
from gexviz.models.onehot import one_hot
from gexviz.study import Study
from gexviz.tasks import Task, local_executor, run

MODELS = '\n[models.net]\nfamily = "cnn"\nconfig = "net.json"\nweights = "net.safetensors"\n'


def write_net(folder, *, seed=0, strand="gene_strand", haplotypes="output_mean", window=600):
    config = CnnConfig(
        format="gexviz-cnn-1", window=window, anchor=400, blocks=[{"channels": 8, "width": 7, "pool": 10}], hidden=[4],
        scale="log2 expression", strand=strand, haplotypes=haplotypes,
    )  # fmt: skip
    torch.manual_seed(seed)
    (folder / "net.json").write_text(config.model_dump_json())
    network = build_network(config)
    save_file(network.state_dict(), folder / "net.safetensors")
    return network.eval()


@pytest.fixture
def toml(tmp_path):
    path = cohorts.make_study(tmp_path / "study", models=MODELS)
    write_net(path.parent)
    return path


def test_tables(toml):
    study = gx.load(toml)
    assert study.genes.index.tolist() == [f"ENSG{i:011d}.1" for i in range(6)]
    assert study.genes.at["ENSG00000000001.1", "tss"] == 15_999  # minus strand: the gene's last base
    assert len(study.samples) == 40 and set(study.samples["population"]) == {"AAA", "BBB"}
    for query in ("GENE2", "ENSG00000000002", "ENSG00000000002.1"):
        assert study.gene(query).id == "ENSG00000000002.1"
    with pytest.raises(UnknownGene, match="GENEX2") as caught:
        study.gene("GENEX2")
    assert "GENE2" in caught.value.remedy


@pytest.mark.parametrize("haplotypes", ["output_mean", "output_sum"])
@pytest.mark.parametrize("strand", ["gene_strand", "none", "rc_mean"])
def test_prediction_is_the_models_on_each_persons_own_sequences(toml, strand, haplotypes):
    network = write_net(toml.parent, strand=strand, haplotypes=haplotypes)
    study = gx.load(toml)
    table = study.predict("net", ["GENE1"])
    assert list(table.columns) == ["gene", "sample", "value", "haplotype_1", "haplotype_2"]
    made = study.haplotypes("net", "GENE1")
    assert made.window.strand == ("-" if strand == "gene_strand" else "+")

    def run(text):
        x = torch.from_numpy(one_hot(np.frombuffer(text.encode(), np.uint8)[None]))
        with torch.inference_mode():
            forward = float(network(x)[0])
            return (forward + float(network(x.flip(1, 2))[0])) / 2 if strand == "rc_mean" else forward

    for row in table.itertuples():
        copies = [run(made.sequence(row.sample, copy)) for copy in (1, 2)]
        np.testing.assert_allclose([row.haplotype_1, row.haplotype_2], copies, atol=1e-5)
        expected = np.mean(copies) if haplotypes == "output_mean" else np.sum(copies)
        np.testing.assert_allclose(row.value, expected, atol=1e-5)
    assert study.facts("net", "GENE1")["distinct"] == len(made.sequences) < 80


def test_reference_prediction(toml):
    study = gx.load(toml)
    table = study.predict("net", reference=True)
    assert list(table.columns) == ["gene", "value"] and len(table) == 6
    window = study.window("net", study.locus("GENE0"))
    assert (window.start, window.end) == (4_600, 5_200)
    sequence = study.cohort.reference.fetch("1", 4_600, 5_200)
    expected = study.model("net").predict_sequences(one_hot(sequence[None]))[0]
    assert table.set_index("gene").at["ENSG00000000000.1", "value"] == pytest.approx(expected, abs=1e-6)


def test_a_tables_own_predictions_on_the_reference(toml):
    """Also per haplotype: what the table has is what comes out."""
    rows = ["gene\tsample\thaplotype\tvalue", "GENE0\treference\t1\t2.5"]
    rows += [f"GENE{g}\tP{i:03d}\t{h}\t{g + i / 10 + h}" for g in (0, 1) for i in range(40) for h in (1, 2)]
    (toml.parent / "enformer.tsv").write_text("\n".join(rows) + "\n")
    toml.write_text(toml.read_text() + '\n[models.t]\nfamily = "table"\npredictions = "enformer.tsv"\nscale = "CAGE"\n')
    study = gx.load(toml)
    table = study.predict("t", reference=True)
    assert table.to_dict("list") == {"gene": ["ENSG00000000000.1"], "value": [2.5]}
    reasons = study.status("t", kind="reference")["reason"]
    assert reasons["ENSG00000000001.1"] == "no prediction on the reference sequence"
    people = study.predict("t", ["GENE1"]).set_index("sample").loc["P007"]
    assert people[["value", "haplotype_1", "haplotype_2"]].tolist() == pytest.approx([3.2, 2.7, 3.7])


def test_a_second_run_does_nothing_and_a_changed_input_is_stale(toml, monkeypatch):
    study = gx.load(toml)
    assert set(study.status("net")["state"]) == {"missing"}
    first = study.predict("net")
    assert set(study.status("net")["state"]) == {"ready"}
    ran = []
    again = gx.load(toml)
    pd.testing.assert_frame_equal(again.predict("net", progress=lambda *a: ran.append(a)), first)
    assert ran == []
    vcf = toml.parent / "genotypes.vcf.gz"
    cohorts.make_study(toml.parent / "other", seed=3)
    for suffix in ("", ".tbi"):
        (toml.parent / "other" / f"genotypes.vcf.gz{suffix}").replace(f"{vcf}{suffix}")
    with pytest.raises(GexvizError, match="reference"):  # that panel belongs to another sequence
        gx.load(toml).predict("net")
    for suffix in ("", ".fai"):
        (toml.parent / "other" / f"reference.fa{suffix}").replace(toml.parent / f"reference.fa{suffix}")
    state = gx.load(toml).status("net")
    assert set(state["state"]) == {"stale"} and "genotypes genotypes.vcf.gz" in state["reason"].iat[0]
    assert gx.load(toml).predicted("net").values.empty  # never used silently
    changed = gx.load(toml).predict("net")
    assert not np.allclose(changed["value"], first["value"])
    assert set(gx.load(toml).status("net")["state"]) == {"ready"}


def swap_calls(folder):
    """Put a panel with other calls of the same sites into the place of the genotypes."""
    text = gzip.decompress((folder / "genotypes.vcf.gz").read_bytes()).decode()
    (folder / "other.vcf").write_text(text.replace("0|0", "x").replace("1|1", "0|0").replace("x", "1|1"))
    pysam.tabix_compress(str(folder / "other.vcf"), str(folder / "other.vcf.gz"))
    pysam.tabix_index(str(folder / "other.vcf.gz"), preset="vcf")
    for suffix in ("", ".tbi"):
        (folder / f"other.vcf.gz{suffix}").replace(folder / f"genotypes.vcf.gz{suffix}")


def test_an_open_study_reads_a_replaced_file_anew(toml):
    """Its results are keyed by the new content, so they must come from it."""
    study = gx.load(toml)
    first = study.predict("net")
    swap_calls(toml.parent)
    assert set(study.status("net")["state"]) == {"stale"}
    fresh = gx.load(toml, toml.parent / "elsewhere").predict("net")
    assert not np.allclose(fresh["value"], first["value"])
    pd.testing.assert_frame_equal(study.predict("net"), fresh)
    write_net(toml.parent, seed=1)
    assert set(study.status("net")["state"]) == {"stale"}
    pd.testing.assert_frame_equal(study.predict("net"), gx.load(toml, toml.parent / "third").predict("net"))


def test_a_file_replaced_during_the_work_stops_it(toml):
    study = gx.load(toml)
    with pytest.raises(GexvizError, match="replaced during the work"):
        study.predict("net", progress=lambda done, total, label: swap_calls(toml.parent) if done == 2 else None)
    assert (study.status("net")["state"] == "stale").sum() == 2


def test_a_stale_gene_says_what_changed_since_its_own_run(toml):
    gx.load(toml).predict("net", ["GENE0"])
    swap_calls(toml.parent)
    gx.load(toml).predict("net", ["GENE1"])
    state = gx.load(toml).status("net", ["GENE0", "GENE1"])
    assert state["state"].tolist() == ["stale", "ready"]
    assert state["reason"].iat[0] == "genotypes genotypes.vcf.gz changed since"


def test_files_of_one_name_in_two_folders_are_told_apart(toml):
    """Keyed by name alone, a change of the first would go unnoticed."""
    folder = toml.parent
    (folder / "more").mkdir()
    people = [f"P{i:03d}" for i in range(40)]
    cohorts.write_vcf(
        folder / "more" / "genotypes.vcf.gz", {"2": 100}, people, [("2", 5, ".", "A", ["C"], ["0|1"] * 40)]
    )
    toml.write_text(toml.read_text().replace('"genotypes.vcf.gz"', '["genotypes.vcf.gz", "more/genotypes.vcf.gz"]'))
    gx.load(toml).predict("net", ["GENE0"])
    swap_calls(folder)
    assert gx.load(toml).status("net", ["GENE0"])["state"].tolist() == ["stale"]


def test_new_weights_make_results_stale(toml):
    gx.load(toml).predict("net")
    write_net(toml.parent, seed=1)
    state = gx.load(toml).status("net")
    assert set(state["state"]) == {"stale"} and "model network" in state["reason"].iat[0]


def test_cancel_keeps_what_is_done(toml):
    study = gx.load(toml)

    def stop_after_two(done, total, label):
        if done == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        study.predict("net", progress=stop_after_two)
    assert (study.status("net")["state"] == "ready").sum() == 2
    calls = []
    study.predict("net", progress=lambda done, total, label: calls.append((done, total)))
    assert calls == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_kill_9_and_go_on(toml):
    whole = gx.load(toml, toml.parent / "elsewhere").predict("net")
    code = (
        "import sys, time, gexviz as gx\n"
        "gx.load(sys.argv[1]).predict('net', progress=lambda d, t, l: (print(l, flush=True), time.sleep(d // 2 * 600)))"
    )
    running = subprocess.Popen([sys.executable, "-c", code, str(toml)], stdout=subprocess.PIPE, text=True)
    assert [running.stdout.readline() for _ in range(2)] != ["", ""]
    os.kill(running.pid, signal.SIGKILL)
    running.communicate()
    study = gx.load(toml)
    assert (study.status("net")["state"] == "ready").sum() == 2
    calls = []
    resumed = study.predict("net", progress=lambda done, total, label: calls.append(total))
    assert calls == [4] * 4
    pd.testing.assert_frame_equal(resumed, whole)


def test_dask_gives_the_same(toml):
    here = gx.load(toml, toml.parent / "here").predict("net")
    study = gx.load(toml)
    with local_executor(2) as executor:
        there = study.predict("net", executor=executor)
    pd.testing.assert_frame_equal(there, here)


def test_an_interrupt_stops_all_processes_in_order(tmp_path, slow_packages):
    """Ctrl-C goes to the whole group: one line, exit code 130, what was finished is kept."""
    toml = cohorts.make_study(tmp_path, models=slow_family.write_model(tmp_path))
    gx.load(toml).predict("net", ["GENE0"])
    begun = tmp_path / slow_family.WAITING
    (tmp_path / slow_family.HELD).write_text("300")  # a network that takes its time
    command = [sys.executable, "-m", "gexviz.cli", "predict", str(toml), "-m", "net", "--out", "p.tsv", "--jobs", "2"]
    running = subprocess.Popen(
        command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env=os.environ | {"PYTHONPATH": slow_packages},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    begin = time.monotonic()
    while not begun.exists() and time.monotonic() < begin + 120:
        time.sleep(0.02)
    os.killpg(running.pid, signal.SIGINT)
    _, said = running.communicate(timeout=120)
    assert running.returncode == 130 and said.strip().startswith("stopped;") and said.count("\n") == 1
    assert begun.exists() and not (tmp_path / "p.tsv").exists()
    assert (gx.load(toml).status("net")["state"] == "ready").sum() == 1


def miss_a_heartbeat():
    """What a worker says that is stopped between two heartbeats."""
    logging.getLogger("distributed.worker").error("Failed to communicate with scheduler during heartbeat.")


def test_workers_that_are_stopped_say_nothing(capfd):
    with local_executor(2) as executor:
        list(run([Task("a", miss_a_heartbeat, ())], executor))
    assert "heartbeat" not in capfd.readouterr().err


def fail(label):
    """A task that can't be done."""
    raise GexvizError("no such thing", place=label, remedy="another")


def test_an_error_in_another_process_is_the_same_error():
    with local_executor(2) as executor, pytest.raises(GexvizError) as caught:
        list(run([Task("a", fail, ("here",))], executor))
    assert (caught.value.problem, caught.value.place, caught.value.remedy) == ("no such thing", "here", "another")


def test_genes_that_cannot_be_served_say_why(tmp_path):
    toml = cohorts.make_study(tmp_path, models=MODELS)
    write_net(tmp_path, window=20_000)
    study = gx.load(toml)
    table = study.predict("net")
    state = study.status("net")
    refused = state[state["state"] == "unavailable"]
    assert len(refused) and set(refused["reason"]) == {"outside the reference"}
    assert set(table["gene"]) == set(state.index[state["state"] == "ready"])
    gene = study.gene(refused.index[0])
    assert gene.table["net"].isna().all() and gene.facts("net")["reason"] == "outside the reference"


def test_gene_table(toml):
    gene = gx.load(toml).gene("GENE0")
    table = gene.table
    assert list(table.columns) == ["population", "observed", "net", "net_haplotype_1", "net_haplotype_2"]
    assert len(table) == 40 and table.notna().all(axis=None)
    np.testing.assert_allclose(table["net"], table[["net_haplotype_1", "net_haplotype_2"]].mean(axis=1))
    raw = pd.read_csv(toml.parent / "expression.tsv", sep="\t", index_col=0)
    pd.testing.assert_series_equal(table["observed"], raw.loc[gene.id], check_names=False)


def test_variants_and_dosages_of_a_gene(toml):
    gene = gx.load(toml).gene("GENE1")
    variants = gene.variants("net")
    start, end = gene.region("net")
    assert len(variants) and variants["position"].between(start, end - 1).all()
    assert (variants["distance"] == gene.place.tss - variants["position"]).all()  # minus strand
    dosages = gene.dosages(variants.index[:2])
    np.testing.assert_allclose(dosages.mean() / 2, variants["frequency"].iloc[:2])
    with pytest.raises(GexvizError, match="not in the study's genotypes"):
        gene.dosages(["1:1:A:C"])


def test_evaluation_is_pearsons_r_of_the_same_people(toml):
    study = gx.load(toml)
    with pytest.raises(GexvizError, match="nothing of net") as caught:
        study.evaluate("net")
    assert "gexviz predict" in caught.value.remedy
    study.predict("net")
    table = study.evaluate("net")
    gene = study.gene("GENE2").table
    r = np.corrcoef(gene["net"], gene["observed"])[0, 1]
    assert table.at["ENSG00000000002.1", "pearson"] == pytest.approx(r, abs=1e-10)
    assert set(table["n"]) == {40} and table.attrs["people"] == "held-out"
    each = study.evaluate("net", population="each")
    one = study.evaluate("net", population="AAA")
    both = gene[gene["population"] == "AAA"]
    assert one.at["ENSG00000000002.1", "pearson"] == pytest.approx(np.corrcoef(both["net"], both["observed"])[0, 1])
    assert set(each["population"]) == {"AAA", "BBB"} and set(each["n"]) == {20}
    told = []
    study.evaluate("net", population="each", progress=lambda done, total, label: told.append((done, total)))
    assert told[-1] == (12, 12)
    assert study.evaluate("net", null="random_weights")["p"].notna().all()
    assert len(study.evaluate("net", by="individual")) == 40
    assert len(study.evaluate("net", by="individual", population="AAA")) == 20
    with pytest.raises(GexvizError, match="one by one"):
        study.evaluate("net", by="individual", population="each")
    rows = study.benchmark()
    assert rows["row"].tolist() == ["reference", "across genes", "across individuals"]


def test_people_of_the_training_are_left_out(toml):
    samples = pd.read_csv(toml.parent / "samples.tsv", sep="\t").assign(split=["train", "test"] * 20)
    study = gx.load(toml)
    study.predict("net")
    text = toml.read_text() + 'trained_on = ["train"]\n'
    toml.write_text(text)
    with pytest.raises(GexvizError, match="split"):
        gx.load(toml).evaluate("net")
    samples.to_csv(toml.parent / "samples.tsv", sep="\t", index=False)
    assert set(gx.load(toml).evaluate("net")["n"]) == {20}


def test_who_was_in_the_training_must_be_known(toml):
    """A misspelt or missing split would let people of the training in."""
    samples = pd.read_csv(toml.parent / "samples.tsv", sep="\t").assign(split=["train", "test"] * 20)
    samples.to_csv(toml.parent / "samples.tsv", sep="\t", index=False)
    plain = toml.read_text()
    toml.write_text(plain + 'trained_on = ["trian"]\n')
    gx.load(toml).predict("net")
    with pytest.raises(GexvizError, match="no sample has the split trian") as caught:
        gx.load(toml).evaluate("net")
    assert "test, train" in caught.value.expected
    toml.write_text(plain + 'trained_on = ["train"]\n')
    samples.assign(split=samples["split"].where(samples["sample"] != "P003", "")).to_csv(
        toml.parent / "samples.tsv", sep="\t", index=False
    )
    with pytest.raises(GexvizError, match="1 samples have no split"):
        gx.load(toml).evaluate("net")


def test_a_table_trained_on_the_cohort_needs_held_out_people(toml):
    people = [f"P{i:03d}" for i in range(40)]
    pd.DataFrame([range(40)], index=pd.Index(["GENE1"], name="gene"), columns=people).to_csv(
        toml.parent / "p.tsv", sep="\t"
    )
    section = '\n[models.t]\nfamily = "table"\npredictions = "p.tsv"\nscale = "log"\ntrained_on_cohort = true\n'
    toml.write_text(toml.read_text() + section)
    study = gx.load(toml)
    study.predict("t")
    with pytest.raises(GexvizError, match="nothing says on whom"):
        study.evaluate("t")


def test_genes_are_compared_by_their_level_under_inverse_normal(toml):
    """Ranks give all genes one mean: a correlation with it would be one with rounding."""
    raw = pd.read_csv(toml.parent / "expression.tsv", sep="\t", index_col=0)
    raw = raw.add(np.arange(6) * 10.0, axis=0)
    raw.to_csv(toml.parent / "expression.tsv", sep="\t")
    toml.write_text(toml.read_text().replace("[cohort]", '[cohort]\ntransform = "inverse_normal"'))
    study = gx.load(toml)
    predicted = study.predict("net").pivot(index="gene", columns="sample", values="value")
    rows = study.benchmark().set_index("row")["value"]
    assert rows["reference"] == pytest.approx(np.corrcoef(predicted.mean(axis=1), raw.mean(axis=1))[0, 1])
    person = study.evaluate("net", by="individual").loc["P004", "pearson"]
    assert person == pytest.approx(np.corrcoef(predicted["P004"], raw["P004"])[0, 1])


@pytest.mark.parametrize(
    ("columns", "cell", "check", "status", "found"),
    [
        ([f"P{i:03d}" for i in range(40)], "1", "samples", "ok", "40 of the study's 40 samples"),
        (["P000", "P001", "X9"], "1", "samples", "warn", "2 of the study's 40 samples"),
        (["X1", "X2"], "1", "samples", "error", "0 of the study's 40 samples"),
        (["P000", "P001"], "high", "use", "error", "high"),
    ],
)
def test_the_check_looks_at_a_tables_people_and_cells(toml, columns, cell, check, status, found):
    row = "\t".join(["GENE1", *[cell] * len(columns)])
    (toml.parent / "p.tsv").write_text("\t".join(["gene", *columns]) + f"\n{row}\n")
    section = '\n[models.t]\nfamily = "table"\npredictions = "p.tsv"\nscale = "log"\n'
    toml.write_text(toml.read_text() + section)
    rows = gx.load(toml).check()
    rows = rows[rows["file"] == "model t"].set_index("check")
    assert rows.at[check, "status"] == status and found in rows.at[check, "found"]


def test_unknown_model(toml):
    with pytest.raises(GexvizError, match="no model 'nett'") as caught:
        gx.load(toml).predict("nett")
    assert "net" in caught.value.expected


def test_import_is_light(toml):
    code = "import sys, gexviz; print(sorted({'torch', 'pandas', 'streamlit', 'sklearn'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
    code = "import sys, gexviz as gx; len(gx.load(sys.argv[1]).genes); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, str(toml)], capture_output=True, text=True)
    assert done.stdout.strip() == "False"


class _ExonBound:
    """A model that adds the exons' bases to the sequence's share of G: as families whose readout is over exons."""

    def __init__(self, spec, bases=0):
        self.spec, self.bases = spec, bases

    def for_gene(self, gene, exons):
        return _ExonBound(self.spec, sum(end - start for start, end in exons))

    def unavailable(self, gene):
        return None

    def fingerprint(self):
        return {"network": "exon bound"}

    def predict_sequences(self, onehot):
        return onehot[:, 2].mean(axis=1) + self.bases


def test_a_model_that_depends_on_the_gene_gets_its_exons(tmp_path, monkeypatch):
    study = gx.load(demo_folder() / "study.toml", results=tmp_path)
    spec = ModelSpec("cnn", "cnn", "sequence", "none", "output_mean", window=200, anchor=100)
    monkeypatch.setattr(Study, "model", lambda self, name: _ExonBound(spec))
    genes = list(study.genes.index[:2])
    exons = {gene: study.exons(study.locus(gene)) for gene in genes}
    assert all(exons[gene] and exons[gene] == tuple(sorted(exons[gene])) for gene in genes)
    values = study.predict("cnn", genes, reference=True).set_index("gene")["value"]
    for gene in genes:
        assert 0 <= values[gene] - sum(end - start for start, end in exons[gene]) <= 1
    assert study.of_gene("cnn", study.locus(genes[0])) != study.of_gene("cnn", study.locus(genes[1]))
