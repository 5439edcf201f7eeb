"""AlphaGenome through its service: nothing leaves before it was agreed to, and what comes back is read as it should."""

from __future__ import annotations

import json
import shlex
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cohorts import make_study
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

pytest.importorskip("alphagenome")
import grpc
import ml_dtypes
from alphagenome.models import dna_client
from alphagenome.protos.v1 import dna_model_pb2
from alphagenome_server import TERM, Running, coverage, start_service

import gexviz as gx
from gexviz import sending
from gexviz.cli import app as command_line
from gexviz.errors import Cancelled, GexvizError
from gexviz.models import alphagenome, alphagenome_service, pacing
from gexviz.models.pacing import Pace, Stop
from gexviz.models.registry import open_model
from gexviz.study import Study
from gexviz.ui import models_consent
from gexviz.ui.opening import Asked

APP = str(Path(__file__).resolve().parents[1] / "app.py")
WINDOW, HALF = 16_384, 8_192
PLUS, MINUS = "ENSG00000000002.1", "ENSG00000000001.1"
SECRET = "a-secret-key-0123456789"


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> Running:
    monkeypatch.setenv(alphagenome_service.KEY, SECRET)
    monkeypatch.setattr(pacing, "FIRST_WAIT", 0.001)
    return start_service()


@pytest.fixture
def toml(running: Running, tmp_path: Path) -> Path:
    return written(tmp_path, running)


def written(folder: Path, running: Running, more: str = "") -> Path:
    options = f'ontology = "{TERM}"\nwindow = {WINDOW}\naddress = "{running.address}"\nper_minute = 60000\n{more}'
    return make_study(folder, people=5, models=f'\n[models.remote]\nfamily = "alphagenome"\n{options}')


def agreed(toml: Path) -> Study:
    study = gx.load(toml)
    study.sending("remote").agree(study.name, study.sending("remote").offer.digest)
    return study


def one_person_less(toml: Path) -> None:
    """Leave one of the study's people out."""
    samples = toml.with_name("samples.tsv")
    pd.read_csv(samples, sep="\t").iloc[:-1].to_csv(samples, sep="\t", index=False)
    expression = pd.read_csv(toml.with_name("expression.tsv"), sep="\t", index_col=0).iloc[:, :-1]
    expression.to_csv(toml.with_name("expression.tsv"), sep="\t")


def around_tss(study: Study, gene: str) -> tuple[str, int]:
    """A gene's window, cut from the FASTA's text; and what to add to a position to find it there."""
    text = "".join((study.config.path.parent / "reference.fa").read_text().split("\n")[1:])
    tss = study.locus(gene).tss
    return text[tss - HALF : tss + HALF], HALF - tss


def test_without_agreement_nothing_leaves(toml: Path, running: Running) -> None:
    study = gx.load(toml)
    for reference in (False, True):
        with pytest.raises(GexvizError, match="without agreement") as raised:
            study.predict("remote", [PLUS], reference=reference)
        assert f"gexviz models consent {toml} --model remote" in (raised.value.remedy or "")
    with pytest.raises(GexvizError, match="without agreement"):
        study.gene(PLUS).ism("remote", "chr1:23000-23002")
    checks = study.check().set_index("check")
    assert checks.at["sends sequence", "status"] == "warn"
    with pytest.raises(GexvizError, match="was not confirmed"):
        study.sending("remote").agree("yes", study.sending("remote").offer.digest)
    with pytest.raises(GexvizError, match="without agreement"):
        study.predict("remote", [PLUS])
    assert not running.service.received and not study.sending("remote").sent().size


@pytest.mark.parametrize(("module", "extra"), [("service", "alphagenome"), ("local", "alphagenome-local")])
def test_a_missing_library_is_told_with_the_line_that_installs_it(tmp_path: Path, monkeypatch, module, extra) -> None:
    monkeypatch.setitem(sys.modules, f"gexviz.models.alphagenome_{module}", None)
    (tmp_path / "file").touch()
    files = {"weights": tmp_path / "file", "targets": tmp_path / "file"} if module == "local" else {}
    with pytest.raises(GexvizError) as raised:
        open_model("m", "alphagenome", {"ontology": TERM} | files)
    assert raised.value.remedy == f'pip install "gexviz[{extra}]"'


def test_a_model_of_no_study_sends_nothing(running: Running) -> None:
    model = open_model("m", "alphagenome", {"ontology": TERM, "window": WINDOW, "address": running.address})
    locus = gx.demo().loci()[0]
    with pytest.raises(GexvizError, match="belongs to no study"):
        model.for_gene(locus, []).predict_sequences(np.zeros((1, 4, WINDOW), np.float32))
    assert not running.service.received


def test_the_agreement_and_each_batch_are_on_record_without_ids_or_sequence(toml: Path, running: Running) -> None:
    study = agreed(toml)
    study.predict("remote", [PLUS, MINUS])
    (act,) = [json.loads(line) for line in (study.results.folder / "agreements.jsonl").read_text().splitlines()]
    assert (act["act"], act["study"], act["model"], act["people"], act["genes"]) == ("agreed", "Small", "remote", 5, 6)
    assert act["address"] == running.address and act["time"] and "16,384 bp" in act["sends"]
    sent = study.sending("remote").sent()
    assert sent["gene"].unique().tolist() == [PLUS, MINUS]
    assert sent["sequences"].sum() == len(running.service.received)
    assert (sent["bases"] == sent["sequences"] * WINDOW).all()
    stored = b"".join(path.read_bytes() for path in study.results.folder.iterdir())
    texts = b"".join(path.read_bytes() for path in study.results.folder.glob("*.jsonl"))
    assert SECRET.encode() not in stored
    assert not any(sample.encode() in texts for sample in study.samples.index)
    assert not any(received.message.sequence[:40].encode() in stored for received in running.service.received)


def test_the_agreement_is_for_these_people_and_this_address(toml: Path, running: Running) -> None:
    agreed(toml)
    text = toml.read_text()
    toml.write_text(text.replace(running.address, "localhost:1"))
    assert not gx.load(toml).sending("remote").agreed
    toml.write_text(text)
    assert gx.load(toml).sending("remote").agreed
    one_person_less(toml)
    with pytest.raises(GexvizError, match="others than was agreed to"):
        gx.load(toml).predict("remote", [PLUS])
    assert not running.service.received


def test_genes_that_nobody_agreed_to_are_refused(toml: Path, running: Running) -> None:
    """The annotation has them; without expression they are not among the study's."""
    expression = pd.read_csv(toml.with_name("expression.tsv"), sep="\t", index_col=0)
    expression.drop(index=PLUS).to_csv(toml.with_name("expression.tsv"), sep="\t")
    study = agreed(toml)
    assert study.locus(PLUS).id == PLUS
    with pytest.raises(GexvizError, match=f"around {PLUS}, which is not among the study's genes"):
        study.gene(PLUS).ism("remote", "chr1:23000-23002")
    assert not running.service.received and study.sending("remote").sent().empty


def test_only_what_was_read_is_agreed_to(toml: Path, running: Running) -> None:
    read = gx.load(toml).sending("remote").offer
    toml.write_text(toml.read_text().replace(running.address, "localhost:1"))
    changed = gx.load(toml).sending("remote")
    with pytest.raises(GexvizError, match="has changed since it was read"):
        changed.agree(read.study, read.digest)
    assert not changed.agreed


def test_the_advice_can_be_typed_as_it_is(running: Running, tmp_path: Path) -> None:
    """In a shell, with the results folder that the study was opened with."""
    toml = written(tmp_path / "a study", running)
    study = gx.load(toml, tmp_path / "other results")
    command = study.sending("remote").command
    todo = study.check().set_index("check").at["sends sequence", "todo"]
    with pytest.raises(GexvizError) as raised:
        study.predict("remote", [PLUS])
    assert command in todo and command in (raised.value.remedy or "")
    assert CliRunner().invoke(command_line, [*shlex.split(command)[1:], "--confirm", "Small"]).exit_code == 0
    assert study.sending("remote").agreed and not gx.load(toml).sending("remote").agreed


def test_withdrawn_is_withdrawn(toml: Path, running: Running) -> None:
    study = agreed(toml)
    study.sending("remote").withdraw()
    with pytest.raises(GexvizError, match="without agreement"):
        gx.load(toml).predict("remote", [PLUS])
    assert not running.service.received


def test_what_is_asked(toml: Path, running: Running) -> None:
    study = agreed(toml)
    study.predict("remote", [PLUS], reference=True)
    (received,) = running.service.received
    message = received.message
    assert message.sequence == around_tss(study, PLUS)[0]
    assert message.organism == dna_model_pb2.ORGANISM_HOMO_SAPIENS
    assert list(message.requested_outputs) == [dna_model_pb2.OUTPUT_TYPE_RNA_SEQ]
    (term,) = message.ontology_terms
    assert (term.ontology_type, term.id) == (dna_model_pb2.ONTOLOGY_TYPE_EFO, 2784)
    assert message.model_version == "ALL_FOLDS"
    assert received.metadata["x-goog-api-key"] == SECRET


@pytest.mark.parametrize(("gene", "tracks"), [(PLUS, [0, 2]), (MINUS, [1, 2])])
def test_coverage_of_exons_on_the_genes_strand(toml: Path, gene: str, tracks: list[int]) -> None:
    study = agreed(toml)
    sequence, shift = around_tss(study, gene)
    locus = study.locus(gene)
    exon = coverage(sequence, 3)[locus.start + shift : locus.end + shift].astype(float)
    expected = np.log(exon.mean(axis=0) + 0.001)[tracks].mean()
    assert study.predict("remote", [gene], reference=True)["value"].item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("values", [np.float32, ml_dtypes.bfloat16], ids=["float32", "bfloat16"])
def test_questions_and_answers_are_those_of_the_services_own_client(running: Running, values: type) -> None:
    running.service.values = values
    sequence = "ACGTN" * 3_276 + "ACGT"
    asked = alphagenome_service.Request("procap", TERM, "FOLD_1")
    ours = alphagenome_service.Service(running.address, asked, 60_000).coverage(sequence, Stop(), lambda: None)
    channel = grpc.insecure_channel(running.address, [("grpc.max_receive_message_length", -1)])
    client = dna_client.DnaClient(channel=channel, model_version=dna_client.ModelVersion.FOLD_1)
    output = dna_client.OutputType.PROCAP
    theirs = client.predict_sequence(sequence, requested_outputs=[output], ontology_terms=[TERM]).procap
    channel.close()
    assert running.service.received[0].message == running.service.received[1].message
    np.testing.assert_array_equal(ours.values, theirs.values)
    assert ours.values.dtype == np.float32 and np.ptp(ours.values) > 1
    assert list(ours.names) == theirs.metadata["name"].tolist()
    assert list(ours.strands) == theirs.metadata["strand"].tolist()


def test_a_track_by_name_and_coverage_around_the_tss(running: Running, tmp_path: Path) -> None:
    study = agreed(written(tmp_path, running, 'output = "cage"\ntracks = ["EFO:0002784 gtex"]'))
    around = coverage(around_tss(study, PLUS)[0], 3)[HALF - 250 : HALF + 251, 2].astype(float)
    value = study.predict("remote", [PLUS], reference=True)["value"].item()
    assert value == pytest.approx(np.log2(1 + around.sum()), rel=1e-6)
    assert list(running.service.received[0].message.requested_outputs) == [dna_model_pb2.OUTPUT_TYPE_CAGE]


def test_an_unknown_track_is_refused_with_those_there_are(running: Running, tmp_path: Path) -> None:
    study = agreed(written(tmp_path, running, 'tracks = ["total"]'))
    with pytest.raises(GexvizError, match="no rna_seq track total") as raised:
        study.predict("remote", [PLUS], reference=True)
    assert "EFO:0002784 gtex" in (raised.value.expected or "")


def test_where_the_service_is_busy_it_is_asked_again(toml: Path, running: Running) -> None:
    study = agreed(toml)
    busy = [grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED]
    running.service.failures = list(busy)
    assert len(study.predict("remote", [PLUS], reference=True)) == 1
    assert len(running.service.received) == len(busy) + 1


def test_a_service_that_stays_busy_is_left(toml: Path, running: Running) -> None:
    study = agreed(toml)
    running.service.failures = [grpc.StatusCode.RESOURCE_EXHAUSTED] * 50
    with pytest.raises(GexvizError, match="RESOURCE_EXHAUSTED") as raised:
        study.predict("remote", [PLUS], reference=True)
    assert "again later" in (raised.value.remedy or "")
    assert len(running.service.received) == pacing.ATTEMPTS


def test_after_a_failure_only_the_rest_is_asked_for(running: Running, tmp_path: Path) -> None:
    """One request at a time, so that it is known which came."""
    study = agreed(written(tmp_path / "failing", running, "at_once = 1"))
    running.service.failures = [None, None, grpc.StatusCode.INTERNAL]
    with pytest.raises(GexvizError, match="INTERNAL") as raised:
        study.predict("remote", [PLUS])
    first = [received.message.sequence for received in running.service.received]
    assert first[2][:40] not in str(raised.value)
    resumed = gx.load(study.config.path).predict("remote", [PLUS])
    later = [received.message.sequence for received in running.service.received[len(first) :]]
    assert not set(first[:2]) & set(later) and first[2] in later
    assert len(later) == len(set(later))
    whole = agreed(written(tmp_path / "whole", running)).predict("remote", [PLUS])
    pd.testing.assert_frame_equal(resumed, whole)


def test_after_a_failure_nothing_begins_and_what_is_under_way_is_kept(running: Running, tmp_path: Path, monkeypatch):
    study = agreed(written(tmp_path, running, "at_once = 3"))
    received, answered, stopped = running.service.received, running.service.answered, threading.Event()
    begins_no_more = Stop.set

    def told(stop: Stop) -> None:
        begins_no_more(stop)
        stopped.set()

    def one_fails_before_the_others_answer(message):
        if message is received[0].message:
            until = time.monotonic() + 90
            while len(received) < 3 and time.monotonic() < until:
                time.sleep(0.01)
            raise RuntimeError("the first fails")
        stopped.wait(20)
        yield from answered(message)

    monkeypatch.setattr(Stop, "set", told)
    monkeypatch.setattr(running.service, "answered", one_fails_before_the_others_answer)
    with pytest.raises(GexvizError, match="UNKNOWN"):
        study.predict("remote", [PLUS])
    assert len(received) == study.sending("remote").sent()["sequences"].sum() == 3
    monkeypatch.setattr(running.service, "answered", answered)
    study.predict("remote", [PLUS])
    asked = [each.message.sequence for each in received]
    assert asked.count(asked[0]) == 2 and len(asked) == len(set(asked)) + 1 > 4
    assert study.sending("remote").sent()["sequences"].sum() == len(asked)


def test_stopping_does_not_wait_for_what_is_under_way(running: Running, tmp_path: Path, monkeypatch) -> None:
    study = agreed(written(tmp_path, running, "at_once = 2"))
    received, answered, gate = running.service.received, running.service.answered, threading.Event()

    def only_the_first_is_answered(message):
        if message is not received[0].message:
            gate.wait(60)
        yield from answered(message)

    def interrupted(futures):
        until = time.monotonic() + 90
        while (len(received) < 3 or not any(future.done() for future in futures)) and time.monotonic() < until:
            time.sleep(0.01)
        raise KeyboardInterrupt

    monkeypatch.setattr(running.service, "answered", only_the_first_is_answered)
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(alphagenome, "wait", interrupted)
        begin = time.monotonic()
        study.predict("remote", [PLUS])
    assert time.monotonic() - begin < 30
    assert len(received) == study.sending("remote").sent()["sequences"].sum() == 3
    gate.set()
    study.predict("remote", [PLUS])
    asked = [each.message.sequence for each in received]
    assert asked.count(asked[0]) == 1 and asked.count(asked[1]) == asked.count(asked[2]) == 2


def test_work_that_is_stopped_keeps_what_came(toml: Path, running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    study = agreed(toml)
    keep, kept = sending.Sending.keep, []

    def stopped(self, key, answer):
        keep(self, key, answer)
        kept.append(key)
        if len(kept) >= 3:
            raise Cancelled

    monkeypatch.setattr(sending.Sending, "keep", stopped)
    with pytest.raises(Cancelled):
        study.predict("remote", [PLUS])
    monkeypatch.setattr(sending.Sending, "keep", keep)
    assert set(study.sending("remote").answers(kept)) == set(kept)
    before = len(running.service.received)
    study.predict("remote", [PLUS])
    distinct = {received.message.sequence for received in running.service.received}
    assert len(running.service.received) - before <= len(distinct) - 3


def test_what_was_answered_is_not_asked_again(running: Running, tmp_path: Path) -> None:
    """Not even for another of its tracks, nor after the agreement was withdrawn."""
    toml = written(tmp_path, running)
    study = agreed(toml)
    before = study.predict("remote", [PLUS])
    study.sending("remote").withdraw()
    asked = len(running.service.received)
    toml.write_text(toml.read_text() + 'tracks = ["EFO:0002784 gtex"]\n')
    other = gx.load(toml)
    assert other.status("remote").at[PLUS, "state"] == "stale"
    after = other.predict("remote", [PLUS])
    assert len(running.service.received) == asked
    assert not np.allclose(before["value"], after["value"])


def test_a_refused_key_is_told_and_not_shown(toml: Path, running: Running) -> None:
    study = agreed(toml)
    running.service.failures = [grpc.StatusCode.UNAUTHENTICATED]
    with pytest.raises(GexvizError, match="UNAUTHENTICATED") as raised:
        study.predict("remote", [PLUS], reference=True)
    assert alphagenome_service.KEY in str(raised.value) and SECRET not in str(raised.value)
    assert len(running.service.received) == 1


def test_other_machines_are_not_asked_without_a_key(toml: Path, running: Running, monkeypatch) -> None:
    monkeypatch.delenv(alphagenome_service.KEY)
    toml.write_text(toml.read_text().replace(running.address, "alphagenome.invalid:443"))
    with pytest.raises(GexvizError, match="needs the key of an account"):
        agreed(toml).predict("remote", [PLUS], reference=True)
    assert gx.load(toml).sending("remote").sent().empty


def test_a_keys_line_end_is_no_part_of_it(toml: Path, running: Running, monkeypatch) -> None:
    monkeypatch.setenv(alphagenome_service.KEY, f"{SECRET}\n")
    agreed(toml).predict("remote", [PLUS], reference=True)
    assert running.service.received[0].metadata["x-goog-api-key"] == SECRET


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda data: data.metadata.pop(), "values"),
        (lambda data: setattr(data, "resolution", 128), "values"),
        (lambda data: setattr(data.values, "chunk_count", 99), "fewer pieces"),
        (lambda data: data.metadata.__delitem__(slice(None)), "no rna_seq tracks"),
    ],
    ids=["a track without values", "128 bp", "cut short", "no tracks"],
)
def test_wrong_answers_are_refused(toml: Path, running: Running, monkeypatch, change, problem: str) -> None:
    answered = running.service.answered

    def changed(message):
        for response in answered(message):
            if response.WhichOneof("payload") == "output":
                change(response.output.track_data)
            yield response

    monkeypatch.setattr(running.service, "answered", changed)
    with pytest.raises(GexvizError, match=problem):
        agreed(toml).predict("remote", [PLUS], reference=True)


def test_requests_are_spread_over_the_minute_and_waiting_can_be_stopped() -> None:
    pace, stop = Pace(600), threading.Event()
    begin = time.monotonic()
    for _ in range(4):
        pace.wait(stop)
    assert time.monotonic() - begin >= 0.3
    stop.set()
    hourly = Pace(1)
    for _ in range(60):
        with pytest.raises(Cancelled):
            hourly.wait(stop)
    begin = time.monotonic()
    hourly.wait(threading.Event())
    assert time.monotonic() - begin < 30, "what did not begin took turns"


def test_on_the_command_line(toml: Path, running: Running) -> None:
    run = CliRunner().invoke
    refused = run(command_line, ["models", "consent", str(toml), "--model", "remote", "--confirm", "Smaller"])
    assert refused.exit_code == 1 and "5 people of Small" in refused.output
    assert run(command_line, ["models", "consent", str(toml), "-m", "remote"], input="Small\n").exit_code == 0
    assert gx.load(toml).sending("remote").agreed
    assert run(command_line, ["models", "consent", str(toml), "-m", "remote", "--withdraw"]).exit_code == 0
    assert not gx.load(toml).sending("remote").agreed and not running.service.received


def test_what_changes_while_it_is_read_is_not_agreed_to(toml: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def typed_late(question: str) -> str:
        one_person_less(toml)
        return "Small"

    monkeypatch.setattr("typer.prompt", typed_late)
    refused = CliRunner().invoke(command_line, ["models", "consent", str(toml), "-m", "remote"])
    assert refused.exit_code == 1 and "has changed since it was read" in refused.output
    assert not gx.load(toml).sending("remote").agreed


def test_the_models_page_says_why_it_can_not_be_agreed_or_withdrawn(toml: Path, monkeypatch) -> None:
    monkeypatch.setattr("sys.argv", ["app.py", "--study", str(toml)])
    app = AppTest.from_file(APP, default_timeout=180).switch_page("pages/Models.py").run()
    app.text_input(key="agree_name_remote").set_value("Small").run()
    one_person_less(toml)
    app.button(key="agree_remote").click().run()
    assert not app.exception and "has changed since it was read" in app.error[0].value
    app.button(key="agree_remote").click().run()  # to what is shown by now
    assert not app.error and gx.load(toml).sending("remote").agreed

    def full(*args: object) -> None:
        raise GexvizError("the log can't be written")

    monkeypatch.setattr(sending, "_append", full)
    app.button(key="withdraw_remote").click().run()
    assert not app.exception and "can't be written" in app.error[0].value
    assert gx.load(toml).sending("remote").agreed


def test_on_the_models_page(toml: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["app.py", "--study", str(toml)])
    app = AppTest.from_file(APP, default_timeout=180).switch_page("pages/Models.py").run()
    assert not app.exception and "5 people of Small" in "".join(text.value for text in app.markdown)
    assert app.button(key="agree_remote").disabled
    app.text_input(key="agree_name_remote").set_value("Small").run()
    app.button(key="agree_remote").click().run()
    assert gx.load(toml).sending("remote").agreed
    app.button(key="withdraw_remote").click().run()
    assert not gx.load(toml).sending("remote").agreed
    monkeypatch.setattr(models_consent, "server_asked_for", lambda: Asked(toml, login=True))
    assert not [button for button in app.run().button if button.key in ("agree_remote", "withdraw_remote")]
    assert any("Who runs this server decides" in caption.value for caption in app.caption)


def test_pages_that_begin_work_by_themselves_say_why_they_can_not(toml: Path, running: Running, monkeypatch) -> None:
    monkeypatch.setattr("sys.argv", ["app.py", "--study", str(toml)])
    app = AppTest.from_file(APP, default_timeout=180).switch_page("pages/Locus.py")
    app.query_params.update({"gene": PLUS, "model": "remote"})
    until = time.monotonic() + 90
    while not app.run().error and time.monotonic() < until:
        time.sleep(0.2)
    assert not app.exception and "without agreement" in app.error[0].value
    assert not running.service.received
