"""Downloads of weights, from a server of this process."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from gexviz import cli
from gexviz.errors import Cancelled, GexvizError
from gexviz.models import fetching, zoo
from gexviz.models.zoo import WeightsFile

CONTENT = np.random.default_rng(0).bytes(3_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Home(ThreadingHTTPServer):
    """Serves CONTENT; breaks off after `whole` bytes, if told so; keeps the ranges that it was asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.breaks_after: int | None = None
        self.knows_ranges = True
        self.content = CONTENT
        self.ranges: list[str | None] = []

    def file(self, sha256: str | None = SHA256, path: str = "/weights.bin") -> WeightsFile:
        url = f"http://127.0.0.1:{self.server_port}{path}"
        return WeightsFile.model_construct(name="weights.bin", url=url, sha256=sha256)  # not https, on this machine


class Answer(BaseHTTPRequestHandler):
    server: Home

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.ranges.append(asked)
        if self.path != "/weights.bin":
            return self.send_error(404)
        first = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and self.server.knows_ranges else 0
        if first >= len(self.server.content):
            return self.send_error(416)
        body = self.server.content[first:]
        self.send_response(206 if first else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.server.breaks_after])
        return None

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def home() -> Iterator[Home]:
    with Home() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_comes_whole_and_is_not_fetched_twice(home, tmp_path):
    path = fetching.fetch(home.file(), tmp_path / "new" / "folder")
    assert path.read_bytes() == CONTENT
    assert names(path.parent) == ["weights.bin"]
    assert fetching.fetch(home.file(), path.parent) == path
    assert home.ranges == [None]


def test_a_download_that_broke_off_goes_on(home, tmp_path):
    home.breaks_after = 1_200_000
    with pytest.raises(GexvizError, match=r"1,200,000 of 3,000,000 bytes came") as error:
        fetching.fetch(home.file(), tmp_path)
    assert "goes on from the 1,200,000 bytes" in error.value.remedy
    assert names(tmp_path) == ["weights.bin.part"]
    home.breaks_after = None
    assert fetching.fetch(home.file(), tmp_path).read_bytes() == CONTENT
    assert home.ranges == [None, "bytes=1200000-"]
    assert names(tmp_path) == ["weights.bin"]


def test_a_home_without_ranges_sends_it_anew(home, tmp_path):
    home.knows_ranges = False
    (tmp_path / "weights.bin.part").write_bytes(CONTENT[:1000])
    assert fetching.fetch(home.file(), tmp_path).read_bytes() == CONTENT


def test_a_part_that_is_all_needs_nothing_more(home, tmp_path):
    (tmp_path / "weights.bin.part").write_bytes(CONTENT)
    assert fetching.fetch(home.file(), tmp_path).read_bytes() == CONTENT


def test_stopping_keeps_what_came(home, tmp_path):
    def stop(done: int, total: int, label: str) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        fetching.fetch(home.file(), tmp_path, progress=stop)
    assert 0 < (tmp_path / "weights.bin.part").stat().st_size < len(CONTENT)
    assert fetching.fetch(home.file(), tmp_path).read_bytes() == CONTENT
    assert home.ranges[1] is not None


@pytest.mark.parametrize("before", [b"", b"of another file"])
def test_another_content_is_not_kept(home, tmp_path, before):
    if before:
        (tmp_path / "weights.bin.part").write_bytes(before)
    else:
        home.content = CONTENT[:-1] + b"!"
    with pytest.raises(GexvizError, match="SHA-256 is") as error:
        fetching.fetch(home.file(), tmp_path)
    assert error.value.expected == SHA256 and error.value.place.endswith("/weights.bin")
    assert names(tmp_path) == []


def test_a_file_that_is_there_and_differs_is_left_as_it_is(home, tmp_path):
    (tmp_path / "weights.bin").write_bytes(b"mine")
    with pytest.raises(GexvizError, match="SHA-256 is"):
        fetching.fetch(home.file(), tmp_path)
    assert (tmp_path / "weights.bin").read_bytes() == b"mine"
    assert home.ranges == []


def test_a_home_without_the_file_says_so(home, tmp_path):
    with pytest.raises(GexvizError, match="answers 404 Not Found") as error:
        fetching.fetch(home.file(path="/moved.bin"), tmp_path)
    assert error.value.place.endswith("/moved.bin")
    assert names(tmp_path) == []


def test_a_home_that_is_not_there(home, tmp_path):
    file = home.file()
    home.shutdown()
    home.server_close()
    with pytest.raises(GexvizError, match=r"broke off: .*refused"):
        fetching.fetch(file, tmp_path)


def test_without_a_checksum_nothing_is_downloaded(home, tmp_path):
    with pytest.raises(GexvizError, match="is not known to gexviz") as error:
        fetching.fetch(home.file(sha256=None), tmp_path)
    assert "--sha256" in error.value.remedy
    assert home.ranges == []
    given = fetching.fetch(home.file(sha256=None), tmp_path, SHA256.upper())
    assert given.read_bytes() == CONTENT


@pytest.mark.parametrize("given, told", [("abc", "is no SHA-256"), ("0" * 64, "has another SHA-256")])
def test_a_given_checksum_is_looked_at_first(home, tmp_path, given, told):
    with pytest.raises(GexvizError, match=told):
        fetching.fetch(home.file(), tmp_path, given)
    assert home.ranges == []


def test_a_folder_that_cannot_be_made(home, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(GexvizError, match="can't be written"):
        fetching.fetch(home.file(), tmp_path / "file" / "below")


def test_the_cache_folder_is_honoured(monkeypatch, tmp_path):
    monkeypatch.setenv(fetching.CACHE, str(tmp_path))
    assert fetching.weights_folder("enformer") == tmp_path / "weights" / "enformer"
    monkeypatch.delenv(fetching.CACHE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert tmp_path in fetching.weights_folder("enformer").parents


def test_files_are_chosen_by_name():
    model = zoo.zoo()["enformer"]
    assert fetching.choose_file(model, "config.json").name == "config.json"
    for name, told in ((None, "has 2 files"), ("other", "has no file 'other'")):
        with pytest.raises(GexvizError, match=told):
            fetching.choose_file(model, name)
    with pytest.raises(GexvizError, match="can't be fetched by gexviz"):
        fetching.choose_file(zoo.zoo()["hyenadna"], None)


def test_the_command_fetches_into_the_cache(home, monkeypatch, tmp_path):
    monkeypatch.setenv(fetching.CACHE, str(tmp_path))
    rows = zoo.zoo() | {"xpresso": zoo.zoo()["xpresso"].model_copy(update={"files": (home.file(),)})}
    monkeypatch.setattr(zoo, "zoo", lambda: rows)
    done = CliRunner().invoke(cli.app, ["models", "fetch", "xpresso"])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "weights/xpresso/weights.bin").read_bytes() == CONTENT
    assert str(tmp_path / "weights/xpresso/weights.bin") in done.output.replace("\n", "") and "MIT" in done.output
