"""Downloads weights from their official home: whole and with the right checksum, or not at all."""

from __future__ import annotations

import http.client
import os
import re
import urllib.error
import urllib.request
from pathlib import Path

import platformdirs

from gexviz.digests import sha256_of
from gexviz.errors import GexvizError
from gexviz.models.zoo import WeightsFile, ZooModel
from gexviz.tasks import Progress

CACHE = "GEXVIZ_CACHE"
"""Environment variable of the folder that weights are kept in."""

_PIECE = 1 << 20
_TIMEOUT = 60  # seconds without a byte
_SHA256 = re.compile(r"[0-9a-f]{64}")


def weights_folder(family: str) -> Path:
    """Where the weights of a family are kept: below ``$GEXVIZ_CACHE``, else in the user's cache folder."""
    given = os.environ.get(CACHE)
    cache = Path(given).expanduser() if given else platformdirs.user_cache_path("gexviz")
    return cache.absolute() / "weights" / family


def choose_file(model: ZooModel, name: str | None) -> WeightsFile:
    """Choose a file of a model.

    Parameters
    ----------
    model : ZooModel
    name : str or None
        Of the file; may be None if there is one alone.

    Raises
    ------
    GexvizError
        For a model without files to fetch, another name, or several files and no name.
    """
    if not model.files:
        raise GexvizError(
            f"the weights of {model.family} can't be fetched by gexviz",
            expected=f"weights: {model.weights}",
            remedy="get them from their home, and give their path in the study",
        )
    names = [file.name for file in model.files]
    if name is None and len(names) > 1:
        raise GexvizError(f"{model.family} has {len(names)} files", expected=", ".join(names), remedy="add --file NAME")
    found = next((file for file in model.files if name in (None, file.name)), None)
    if found is None:
        raise GexvizError(f"{model.family} has no file '{name}'", expected="one of " + ", ".join(names))
    return found


def fetch(file: WeightsFile, folder: Path, sha256: str | None = None, progress: Progress | None = None) -> Path:
    """Download a file, or find that it is there already.

    Parameters
    ----------
    file : WeightsFile
    folder : Path
        Made if it is missing. What was downloaded before a break is kept there as ``NAME.part``, and gone on from.
    sha256 : str, optional
        The file's checksum, for files whose own is not known.
    progress : callable, optional
        ``progress(done, total, label)`` in MB.

    Returns
    -------
    Path
        The file, with the right checksum.

    Raises
    ------
    GexvizError
        For an unknown checksum or one that differs, a home that doesn't answer or doesn't have the file, a download
        that broke off, a full disk.
    """
    expected = _checksum(file, sha256)
    path = folder / file.name
    if path.is_file():
        _compare(path, expected, f"move {path} away, or fetch into another folder with --to")
        return path
    part = path.with_name(f"{path.name}.part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _download(file.url, part, progress)
        try:
            _compare(part, expected, "nothing was kept; run again, and if it differs again, trust neither", file.url)
        except GexvizError:
            part.unlink()
            raise
        part.replace(path)
    except OSError as error:
        raise GexvizError(
            f"the file can't be written: {error.strerror or error}",
            file=path,
            expected="a folder that this user may write to, with free space",
            remedy=f"choose another with --to or ${CACHE}; what was downloaded is kept",
        ) from None
    return path


def _checksum(file: WeightsFile, given: str | None) -> str:
    """The checksum that a file has to have."""
    given = None if given is None else given.strip().lower()
    if given is not None and not _SHA256.fullmatch(given):
        raise GexvizError(f"'{given}' is no SHA-256", expected="64 hexadecimal digits")
    if file.sha256 is not None and given not in (None, file.sha256):
        raise GexvizError(f"{file.name} has another SHA-256", expected=file.sha256, remedy="leave out --sha256")
    checksum = file.sha256 or given
    if checksum is None:
        raise GexvizError(
            f"the SHA-256 of {file.name} is not known to gexviz, so a download couldn't be checked",
            place=file.url,
            expected="the checksum that its home or a colleague whom you trust tells",
            remedy="add --sha256 DIGITS; Hugging Face shows it on the page of the file",
        )
    return checksum


def _compare(path: Path, expected: str, remedy: str, place: str | None = None) -> None:
    found = sha256_of(path)
    if found != expected:
        raise GexvizError(
            f"the file's SHA-256 is {found}", file=path, place=place, expected=expected, remedy=remedy
        )


def _download(url: str, part: Path, progress: Progress | None) -> None:
    """Download into `part`, going on from what is there."""
    have = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(url, headers={"User-Agent": "gexviz", "Accept-Encoding": "identity"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:
            resumed = answer.status == http.client.PARTIAL_CONTENT
            if not resumed:
                have = 0
            length = answer.headers.get("Content-Length")
            total = None if length is None else have + int(length)
            have += _receive(answer, part, have, total, progress)
    except urllib.error.HTTPError as error:
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and have:
            return  # there is no more than what is here; the checksum tells whether it is all
        raise GexvizError(
            f"the home of the weights answers {error.code} {error.reason}",
            place=url,
            expected="the file",
            remedy="look whether it has moved; gexviz reads it from any path that the study gives",
        ) from None
    except (urllib.error.URLError, TimeoutError, ConnectionError, http.client.HTTPException) as error:
        raise _broken_off(url, part, f"{getattr(error, 'reason', error) or type(error).__name__}") from None
    if total is not None and have < total:
        raise _broken_off(url, part, f"{have:,} of {total:,} bytes came")


def _receive(
    answer: http.client.HTTPResponse, part: Path, have: int, total: int | None, progress: Progress | None
) -> int:
    """Write an answer's body after the first `have` bytes; count what was written."""
    written = 0
    with part.open("ab") as out:
        out.truncate(have)
        while piece := answer.read(_PIECE):
            out.write(piece)
            written += len(piece)
            if progress is not None:
                progress((have + written) >> 20, (total or have + written) >> 20, "MB")
    return written


def _broken_off(url: str, part: Path, reason: str) -> GexvizError:
    kept = part.stat().st_size if part.is_file() else 0
    return GexvizError(
        f"the download broke off: {reason}",
        place=url,
        expected="the whole file",
        remedy=f"run the same again; it goes on from the {kept:,} bytes that came" if kept else "run the same again",
    )
