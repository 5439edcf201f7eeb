"""TorchScript files of others, looked over before they are loaded.

``torch.jit.load`` unpickles no Python objects, but it compiles the file's own program, parts of which may run while it
is loaded; and that program may write files (``aten::save``), map files (``aten::from_file``), print, call other
machines, or enter compiled extensions. So its text is searched first, and a program that names any of these is refused.
"""

from __future__ import annotations

import io
import re
import warnings
import zipfile
from pathlib import Path

import torch

from gexviz.errors import GexvizError

_FORBIDDEN = re.compile(
    r"\b(save|from_file|load_tensor|print|_print|Print|rpc_\w+|\w*PythonOp|profiler|classes)\b"
    r"|getattr(?!\([\w.()]+, \"\w+\"\))"  # names are spelled out, without escapes
)
_NAMESPACE = re.compile(r"\bops\s*\.\s*(\w+)")
_KNOWN = {"aten", "prim", "prims", "quantized"}
_MOST_CODE = 64 * 1024**2
_EXPECTED = "a TorchScript file, as torch.jit.save writes it"


def load_script(path: Path) -> torch.jit.ScriptModule:
    """Load a TorchScript file.

    Parameters
    ----------
    path : Path

    Returns
    -------
    torch.jit.ScriptModule
        On the CPU.

    Raises
    ------
    GexvizError
        For a file that is no TorchScript, or one whose program does more than compute.
    """
    parts = _parts(path)
    for name, content in parts.items():
        if "/code/" in name:
            _check(path, content.decode("utf-8", "replace"))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return torch.jit.load(_archive(parts), map_location="cpu")
    except (RuntimeError, ValueError, OSError) as error:
        raise _unreadable(path, str(error).strip().splitlines()[0]) from None


def _check(path: Path, program: str) -> None:
    named = _FORBIDDEN.search(program)
    foreign = [space for space in _NAMESPACE.findall(program) if space not in _KNOWN]
    if named or foreign:
        raise GexvizError(
            f"the program in this file uses '{named[0] if named else foreign[0]}', which does more than compute",
            file=path,
            expected="a network of torch's own tensor operations",
            remedy="script the network without saving, printing, or operators of extensions",
        )


def _parts(path: Path) -> dict[str, bytes]:
    """The parts of a TorchScript file that are needed, by name."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            folder = names[0].split("/")[0] if names else ""
            if any(name.startswith(f"{folder}/models/") and name.endswith(".json") for name in names):
                raise GexvizError(
                    "this is a file of torch.export (.pt2)",
                    file=path,
                    expected=_EXPECTED,
                    remedy="torch.export.load unpickles Python objects and may run any code, so it is not used here;"
                    " convert a file that you trust: torch.jit.trace(torch.export.load(FILE).module(), x).save(NEW)",
                )
            if f"{folder}/data.pkl" not in names or f"{folder}/constants.pkl" not in names:
                raise _unreadable(path, "there is no program in it" if names else "it is empty")
            code = sum(info.file_size for info in archive.infolist() if "/code/" in info.filename)
            if code > _MOST_CODE or len(set(names)) < len(names):
                raise _unreadable(path, "its program is absurdly long" if code > _MOST_CODE else "a part stands twice")
            return {name: archive.read(name) for name in names if not name.endswith(".debug_pkl")}
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError) as error:
        raise _unreadable(path, str(error)) from None


def _archive(parts: dict[str, bytes]) -> io.BytesIO:
    """A new archive of the parts that were looked at: what was read here and what torch reads can't differ."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    buffer.seek(0)
    return buffer


def _unreadable(path: Path, reason: str) -> GexvizError:
    return GexvizError(
        f"can't read it as TorchScript: {reason}",
        file=path,
        expected=_EXPECTED,
        remedy="save the network with torch.jit.save(torch.jit.script(network), FILE), or torch.jit.trace; for a state"
        " dict, see docs/own-model.md",
    )
