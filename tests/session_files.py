"""A small session, its file, and what it takes to tamper with one."""

import hashlib
import io
import json
import zipfile

import numpy as np
import pandas as pd

from gexviz.session.contents import TABLES, Anchor, Manifest, ModelFacts, Note, Session, State, View
from gexviz.session.writing import session_members

SHA = "ab" * 32
TIME = "2026-01-02T03:04:05Z"


def a_session(**replaced) -> Session:
    """Two genes, one track, one note; any part replaced."""
    rng = np.random.default_rng(1)
    bases = 60
    evaluation = pd.DataFrame(
        [("G1", "cnn", 100, 0.5, 0.4, 0.6, 0.48, 1e-9, 1e-8, "ok"), ("G2", "cnn", 100, *[np.nan] * 6, "constant")],
        columns=TABLES["evaluation"],
    )
    tracks = [("G1-cnn-ism", "G1", "cnn", "ism", "reference", "log2", "22", 1_000, 1_000 + bases, None)]
    parts = {
        "manifest": Manifest(
            gexviz="0.1.0",
            libraries={"numpy": np.__version__},
            created=TIME,
            level="aggregate",
            study="A study",
            simulated=True,
            people=100,
            inputs={"genotypes": SHA},
            models={"cnn": ModelFacts(family="cnn", scale="log2", window=200, files={"weights": SHA})},
            parameters={"bin": 0.25},
        ),
        "state": State(title="Two genes", views=(View(id="0" * 32, time=TIME, page="gene", gene="G1", model="cnn"),)),
        "notes": (Note(id="1" * 32, time=TIME, anchor=Anchor(gene="G1"), text="look here"),),
        "tables": {"evaluation": evaluation, "tracks": pd.DataFrame(tracks, columns=TABLES["tracks"])},
        "arrays": {
            "G1-cnn-ism": {
                "position": np.arange(1_000, 1_000 + bases),
                "inserted": np.zeros(bases, np.int32),
                "ref": rng.choice(np.frombuffer(b"ACGT", np.uint8), bases),
                "values": rng.normal(size=(bases, 4)).astype(np.float32),
            }
        },
        "report": "<!doctype html><title>Two genes</title>",
    }
    return Session(**parts | replaced)


def members(session: Session | None = None) -> dict[str, bytes]:
    """The members of a session's file."""
    return session_members(session or a_session())


def zipped(parts, *, packed=zipfile.ZIP_DEFLATED, change=None, comment=b"") -> bytes:
    """A zip of members, a mapping or pairs; `change` may alter the archive before its list of members is written."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", packed) as archive:
        for name, content in parts.items() if isinstance(parts, dict) else parts:
            entry = name if isinstance(name, zipfile.ZipInfo) else zipfile.ZipInfo(name)
            entry.compress_type = packed
            archive.writestr(entry, content)
        archive.comment = comment
        if change is not None:
            change(archive)
    return made.getvalue()


def sealed(parts: dict[str, bytes]) -> dict[str, bytes]:
    """Members with the manifest's digests made right again, as whoever forges a file would."""
    manifest = json.loads(parts["manifest.json"])
    manifest["members"] = {k: hashlib.sha256(v).hexdigest() for k, v in parts.items() if k != "manifest.json"}
    return parts | {"manifest.json": json.dumps(manifest).encode()}


def forged(**changed: bytes | None) -> bytes:
    """A session file with some members changed, added or (None) removed, digests made right; `_` stands for `/`."""
    parts = members() | {_member(key): content for key, content in changed.items()}
    return zipped(sealed({name: content for name, content in parts.items() if content is not None}))


def _member(key: str) -> str:
    return {
        "manifest": "manifest.json",
        "state": "state.json",
        "notes": "notes.jsonl",
        "report": "report.html",
        "arrays": "arrays/G1-cnn-ism.npz",
    }.get(key, f"tables/{key}.parquet")
