"""The linear heads of ExPecto: XGBoost's old binary files of linear boosters, and the same numbers as safetensors.

XGBoost 3.1 and later don't read these files any more; so they are taken apart here, without it. A file is: ``binf``
(may be missing); 136 bytes of the learner's parameters (base score, number of features, number of classes, ...); the
names of objective and booster, each after its length; 136 bytes of the booster's parameters; the weights and the bias,
after their number. What follows is not read.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save_file

from gexviz.errors import GexvizError
from gexviz.files import written_whole

DECAYS = (0.01, 0.02, 0.05, 0.1, 0.2)
"""Of the exponential functions, a 200 bp; on the side before the TSS, then after it."""

BASES = 2 * len(DECAYS)
_MAGIC = b"binf"
_PARAMETERS = 136
_OBJECTIVES = ("reg:linear", "reg:squarederror")
_LONGEST_NAME = 100
_MOST_BYTES = 100_000_000
_UNUSED = 2003  # the published heads have a feature of zeros before Beluga's 2,002


class ExpectoHead(NamedTuple):
    """Weights of chromatin features.

    Attributes
    ----------
    weight : ndarray, float32 (10, features)
        A row an exponential function.
    bias : float
        XGBoost's base score included.
    """

    weight: np.ndarray
    bias: float

    @property
    def features(self) -> int:
        """How many chromatin features it reads."""
        return int(self.weight.shape[1])


def read_head(path: Path) -> ExpectoHead:
    """Read a head: safetensors by its name's ending, else XGBoost's ``.save``.

    Raises
    ------
    GexvizError
        For another file.
    """
    data = _bytes(path)
    weight, bias = _read_safetensors(path, data) if path.suffix == ".safetensors" else _read_save(path, data)
    if not (np.isfinite(weight).all() and np.isfinite(bias)):
        raise _not_a_head(path, "it holds NaN or infinity")
    return ExpectoHead(weight, bias)


def convert_head(source: Path, target: Path) -> ExpectoHead:
    """Write a head as safetensors: ``weight`` (10, features) and ``bias`` (1,).

    Parameters
    ----------
    source : Path
        XGBoost's ``.save``.
    target : Path
        Its name has to end in ``.safetensors``.
    """
    if target.suffix != ".safetensors":
        raise GexvizError("the name of the file to write doesn't tell its format", file=target, expected=".safetensors")
    head = read_head(source)
    with written_whole(target) as draft:
        save_file({"weight": head.weight, "bias": np.array([head.bias], np.float64)}, draft)
    return head


def _read_save(path: Path, data: bytes) -> tuple[np.ndarray, float]:
    """Weights and bias of a linear booster of XGBoost."""
    reader = _Reader(path, data.removeprefix(_MAGIC))
    base_score, features, _ = struct.unpack_from("<fIi", reader.take(_PARAMETERS))
    objective, booster = reader.name(), reader.name()
    if booster != "gblinear" or objective not in _OBJECTIVES:
        raise _not_a_head(path, f"it is a booster '{booster}' with the objective '{objective}'")
    reader.take(_PARAMETERS)
    (number,) = struct.unpack("<Q", reader.take(8))
    if number != features + 1 or features % BASES:
        raise _not_a_head(path, f"it has {number:,} numbers for {features:,} features")
    values = np.frombuffer(reader.take(4 * number), "<f4")
    weight = values[:-1].reshape(BASES, -1)
    if weight.shape[1] == _UNUSED:
        weight = weight[:, 1:]
    return np.ascontiguousarray(weight), float(values[-1]) + base_score


def _read_safetensors(path: Path, data: bytes) -> tuple[np.ndarray, float]:
    try:
        tensors = load(data)
    except (SafetensorError, ValueError) as error:
        raise _not_a_head(path, str(error)) from None
    shapes = {name: (values.dtype.name, values.shape) for name, values in tensors.items()}
    weight, bias = tensors.get("weight"), tensors.get("bias")
    if weight is None or bias is None or len(tensors) > 2:
        raise _not_a_head(path, f"its tensors are {', '.join(sorted(tensors))}, not weight and bias")
    if weight.ndim != 2 or len(weight) != BASES or bias.shape != (1,) or weight.dtype != np.float32:
        raise _not_a_head(path, f"its tensors are {shapes}, not float32 ({BASES}, features) and (1,)")
    return weight, float(bias[0])


class _Reader:
    """Takes a file apart, piece by piece."""

    def __init__(self, path: Path, data: bytes) -> None:
        self._path = path
        self._data = data
        self._at = 0

    def take(self, length: int) -> bytes:
        piece = self._data[self._at : self._at + length]
        if len(piece) < length:
            raise _not_a_head(self._path, f"it ends at byte {len(self._data):,}, before its weights do")
        self._at += length
        return piece

    def name(self) -> str:
        (length,) = struct.unpack("<Q", self.take(8))
        if length > _LONGEST_NAME:
            raise _not_a_head(self._path, "it names no objective and booster where XGBoost has them")
        return self.take(length).decode("ascii", "replace")


def _bytes(path: Path) -> bytes:
    if path.stat().st_size > _MOST_BYTES:
        raise _not_a_head(path, "it is larger than any head")
    return path.read_bytes()


def _not_a_head(path: Path, reason: str) -> GexvizError:
    return GexvizError(
        f"this is no head of ExPecto: {reason}",
        file=path,
        expected="a linear booster of XGBoost (.save), 10 x 2,003 or 10 x 2,002 features, or safetensors made of one",
        remedy="give a .save of FunctionLab/ExPecto, folder models; XGBoost's newer formats (.json, .ubj) are others",
    )
