"""Tensors of files that ``torch.save`` wrote, read without running anything that is in them.

Such a file is a zip: a pickle that describes the objects, and the numbers of each tensor. Checkpoints of PyTorch
Lightning keep whatever their authors had in the pickle too: data sets, paths, callbacks. Here each object that is not a
tensor, a number, a text or a container of these becomes an :class:`Inert`, whatever the pickle says of it; its class is
not imported. Numbers are read for the tensors that are asked for, one by one.
"""

from __future__ import annotations

import pickle  # its opcodes, and the machine in Python that goes through them: each class becomes an Inert
import zipfile
from collections.abc import Iterator
from io import BytesIO
from math import prod
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import torch

from gexviz.errors import GexvizError

_MOST_PICKLE = 1 << 28
_MOST_TENSORS = 100_000
_DTYPES = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
_OPCODES = frozenset(
    getattr(pickle, name)[0]
    for name in """PROTO STOP NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT STRING
    BINSTRING SHORT_BINSTRING UNICODE BINUNICODE EMPTY_LIST APPEND APPENDS LIST EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3
    EMPTY_DICT SETITEM SETITEMS POP POP_MARK DUP MARK GET BINGET LONG_BINGET PUT BINPUT LONG_BINPUT GLOBAL REDUCE BUILD
    NEWOBJ BINPERSID""".split()  # noqa: SIM905
)
"""What protocol 2 writes, which is torch.save's."""

_InPython: Any = pickle._Unpickler  # type: ignore[attr-defined]


class Inert:
    """Stands for an object of a class that was not imported: takes everything, does nothing."""

    __slots__ = ()

    def __new__(cls, *args: Any) -> Inert:
        """Forget what it was to be made of; `cls` may be another one."""
        return object.__new__(Inert)

    def __init__(self, *args: Any) -> None: ...

    def __call__(self, *args: Any) -> Inert:
        """Do nothing."""
        return self

    def __setstate__(self, state: Any = None) -> None: ...

    def append(self, item: Any) -> None:
        """Forget an item."""

    def extend(self, items: Any) -> None:
        """Forget items."""


class _Mapping(dict):  # type: ignore[type-arg]
    """An ``OrderedDict`` of the file, without attributes of its own."""

    __slots__ = ()

    def __setstate__(self, state: Any = None) -> None: ...


class Stored(NamedTuple):
    """A tensor as the pickle describes it; its numbers are elsewhere in the file."""

    key: str
    dtype: torch.dtype
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    def __setstate__(self, state: Any = None) -> None: ...


class _Storage(NamedTuple):
    key: str
    dtype: torch.dtype

    def __setstate__(self, state: Any = None) -> None: ...


class _Dtype(NamedTuple):
    dtype: torch.dtype

    def __setstate__(self, state: Any = None) -> None: ...


class _Rebuild:
    """Describes a tensor where torch would make one."""

    __slots__ = ()

    def __setstate__(self, state: Any = None) -> None: ...

    def __call__(self, storage: Any, offset: Any = 0, shape: Any = (), stride: Any = (), *rest: Any) -> Stored | Inert:
        if isinstance(storage, Stored):  # a parameter: a tensor, whether it takes gradients, hooks
            return storage
        numbers = [offset, *shape, *stride]
        if (
            not isinstance(storage, _Storage)
            or len(shape) != len(stride)
            or any(type(number) is not int or number < 0 for number in numbers)
        ):
            return Inert()
        return Stored(storage.key, storage.dtype, offset, tuple(shape), tuple(stride))


class _Unpickler(_InPython):  # type: ignore[misc]
    """Python's own, in Python, without the opcodes that torch.save doesn't write and without importing anything."""

    dispatch = {code: load for code, load in _InPython.dispatch.items() if code in _OPCODES}  # noqa: RUF012

    def find_class(self, module: str, name: str) -> Any:
        """Give what stands for a class or function of the file."""
        match module, name:
            case "collections", "OrderedDict":
                return _Mapping
            case "torch._utils", "_rebuild_tensor_v2" | "_rebuild_parameter":
                return _Rebuild()
            case "torch", _ if name in _DTYPES:
                return _Dtype(_DTYPES[name])
            case _:
                return Inert

    def persistent_load(self, pid: Any) -> Any:
        """Describe a storage."""
        match pid:
            case ("storage", _Dtype(dtype), str(key), *_):
                return _Storage(key, dtype)
            case _:
                return Inert()

    def load_setitem(self) -> None:
        """Keep an item of a mapping; names are texts and numbers, as to hash what is nested can end the process."""
        value, key = self.stack.pop(), self.stack.pop()
        _set(self.stack[-1], key, value)

    def load_setitems(self) -> None:
        """Keep items of a mapping."""
        items = self.pop_mark()
        for key, value in zip(items[::2], items[1::2], strict=False):
            _set(self.stack[-1], key, value)

    dispatch[pickle.SETITEM[0]] = load_setitem
    dispatch[pickle.SETITEMS[0]] = load_setitems


def _set(mapping: Any, key: Any, value: Any) -> None:
    if isinstance(mapping, dict) and isinstance(key, str | int | float):
        mapping[key] = value


class TorchArchive:
    """A file of ``torch.save``, opened; use it with ``with``.

    Parameters
    ----------
    path : Path

    Attributes
    ----------
    tensors : dict of str to Stored
        Those of its state dict by name: the mapping under ``state_dict`` if there is one, else the whole.

    Raises
    ------
    GexvizError
        For a file that is none, or that has no state dict.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._size = path.stat().st_size
            self._zip = zipfile.ZipFile(path)
        except (OSError, zipfile.BadZipFile) as error:
            raise self._wrong(f"it is not a zip archive ({error})") from None
        try:
            self.tensors = dict(self._described())
        except BaseException:
            self._zip.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._zip.close()

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the tensors by name."""
        return {name: stored.shape for name, stored in self.tensors.items()}

    def read(self, name: str) -> torch.Tensor:
        """Read the numbers of one tensor, in memory of their own.

        Raises
        ------
        GexvizError
            If the file doesn't have as many numbers as the tensor needs.
        """
        stored = self.tensors[name]
        size = stored.dtype.itemsize
        reach = sum((n - 1) * step for n, step in zip(stored.shape, stored.stride, strict=True))
        needed = 0 if 0 in stored.shape else stored.offset + reach + 1
        entry = self._entry(f"data/{stored.key}")
        if prod(stored.shape) > entry.file_size // size or needed > entry.file_size // size:
            raise self._wrong(f"tensor {name} is larger than what is stored of it")
        if needed == 0:
            return torch.empty(stored.shape, dtype=stored.dtype)
        flat = torch.frombuffer(bytearray(self._content(entry)), dtype=stored.dtype)
        return flat.as_strided(stored.shape, stored.stride, stored.offset).clone(memory_format=torch.contiguous_format)

    def _described(self) -> Iterator[tuple[str, Stored]]:
        entries = [name for name in self._zip.namelist() if name.endswith("/data.pkl") and name.count("/") == 1]
        if len(entries) != 1:
            raise self._wrong("it has no data.pkl")
        self._folder = entries[0].removesuffix("data.pkl")
        if f"{self._folder}constants.pkl" in self._zip.namelist():
            raise self._wrong("it is a TorchScript program, not a state dict")
        if f"{self._folder}byteorder" in self._zip.namelist() and self._content(self._entry("byteorder")) != b"little":
            raise self._wrong("its numbers are big-endian")
        entry = self._entry("data.pkl")
        if entry.file_size > _MOST_PICKLE:
            raise self._wrong(f"its description takes {entry.file_size:,} bytes")
        try:
            described = _Unpickler(BytesIO(self._content(entry)), encoding="utf-8").load()
        except Exception as error:  # whatever bytes can make of the unpickler
            raise self._wrong(f"its description can't be read ({type(error).__name__})") from None
        found = described.get("state_dict", described) if isinstance(described, dict) else None
        if not isinstance(found, dict):
            raise self._wrong("it has no state dict")
        tensors = [(name, tensor) for name, tensor in found.items() if isinstance(tensor, Stored)]
        if not tensors or len(tensors) > _MOST_TENSORS:
            raise self._wrong(f"its state dict has {len(tensors)} tensors")
        for name, tensor in tensors:
            if isinstance(name, str):
                yield name, tensor

    def _entry(self, name: str) -> zipfile.ZipInfo:
        try:
            entry = self._zip.getinfo(self._folder + name)
        except KeyError:
            raise self._wrong(f"it has no {name}") from None
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
            raise self._wrong(f"{name} is compressed")
        if entry.file_size > self._size:
            raise self._wrong(f"{name} is said to be larger than the file")
        return entry

    def _content(self, entry: zipfile.ZipInfo) -> bytes:
        try:
            return self._zip.read(entry)
        except (OSError, EOFError, RuntimeError, NotImplementedError, zipfile.BadZipFile) as error:
            raise self._wrong(f"{entry.filename} can't be read ({error})") from None

    def _wrong(self, reason: str) -> GexvizError:
        return GexvizError(
            f"can't read it as a file of torch.save: {reason}",
            file=self.path,
            expected="a checkpoint as torch 1.6 or newer saves it, with the tensors of a network by name",
            remedy="download it again; load an older one with torch.load(path, weights_only=True) and save it anew",
        )
