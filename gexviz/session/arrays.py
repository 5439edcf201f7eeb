"""Arrays of a session's tracks as npz: never pickled, sizes known before anything is made of them."""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from collections.abc import Mapping

import numpy as np

from gexviz.session.contents import ARRAYS
from gexviz.session.refusing import quoted, refused

_LONGEST_HEADER = 1_000
"""Characters of an array's header, which numpy evaluates as a literal."""
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError, RuntimeError)
_BASES = np.frombuffer(b"ACGTNRYSWKMBDHV", np.uint8)
_EXPECTED = "position, inserted, ref and values, as docs/session.md describes"


def arrays_bytes(arrays: Mapping[str, np.ndarray], member: str) -> bytes:
    """Arrays of one track, as a member of the session file.

    Raises
    ------
    GexvizError
        If they aren't what :data:`gexviz.session.contents.ARRAYS` says.
    """
    _refuse_other_keys(arrays.keys(), member)
    plain = {name: np.ascontiguousarray(arrays[name], dtype=f"<{kind}") for name, kind in ARRAYS.items()}
    _refuse_unfit(plain, member)
    made = io.BytesIO()
    np.savez(made, allow_pickle=False, **plain)  # type: ignore[arg-type]
    return made.getvalue()


def arrays_of(content: bytes, member: str) -> dict[str, np.ndarray]:
    """Read what :func:`arrays_bytes` wrote.

    Raises
    ------
    GexvizError
        For packed, pickled, missing or further arrays, and for shapes and types that aren't right.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}
            if len(entries) != len(archive.infolist()):
                raise refused("an array is there twice", member, expected=_EXPECTED)
            _refuse_other_keys(entries.keys(), member)
            if any(e.compress_type != zipfile.ZIP_STORED or e.file_size > len(content) for e in entries.values()):
                raise refused("an array is packed", member, expected="arrays as they are; the session file packs them")
            arrays = {name: _array(archive.read(entries[name]), name, member) for name in ARRAYS}
    except _BROKEN:
        raise refused("the arrays are damaged", member, expected=_EXPECTED) from None
    _refuse_unfit(arrays, member)
    return arrays


def _array(content: bytes, name: str, member: str) -> np.ndarray:
    file = io.BytesIO(content)
    try:
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(file, max_header_size=_LONGEST_HEADER)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError, OverflowError, EOFError):
        raise refused(f"the header of the array {name} can't be read", member, expected="numpy's format 1.0") from None
    if fortran or dtype != np.dtype(f"<{ARRAYS[name]}"):
        kind = quoted(dtype)[1:-1]
        raise refused(f"the array {name} is {kind}", member, expected=f"{ARRAYS[name]}, little-endian, by rows")
    if any(n < 0 for n in shape) or math.prod(shape) * dtype.itemsize != len(content) - file.tell():
        raise refused(f"the array {name} is not as large as its header says", member)
    return np.frombuffer(content, dtype, offset=file.tell()).reshape(shape)


def _refuse_other_keys(names: object, member: str) -> None:
    if set(names) != set(ARRAYS):  # type: ignore[call-overload]
        raise refused("the arrays aren't those of a track", member, expected=", ".join(ARRAYS))


def _refuse_unfit(arrays: Mapping[str, np.ndarray], member: str) -> None:
    """Refuse arrays that don't belong together, and values that are no numbers."""
    bases = arrays["position"].shape
    shapes = {name: array.shape for name, array in arrays.items()}
    values = shapes.pop("values")
    if len(bases) != 1 or set(shapes.values()) != {bases} or values not in (bases, (*bases, 4)):
        raise refused("the arrays' shapes don't fit each other", member, expected="n bases; values n or n x 4")
    if not np.isfinite(arrays["values"]).all():
        raise refused("a value is NaN or infinite", member, expected="numbers")
    if not np.isin(arrays["ref"], _BASES).all():
        raise refused("ref holds what is no base", member, expected="A, C, G, T, N and the ambiguity codes")
