"""Tensors from a checkpoint into a network: every one that it needs, of the right shape, and finite."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from gexviz.errors import GexvizError
from gexviz.models.checkpoint_index import ENDING, read_index
from gexviz.models.torch_archive import TorchArchive


class TensorFile(Protocol):
    """Named tensors in a file."""

    path: Path

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes by name."""
        ...

    def read(self, name: str) -> torch.Tensor:
        """Read one tensor."""
        ...


class _Safetensors:
    def __init__(self, path: Path, opened: Any) -> None:
        self.path = path
        self._opened = opened
        self.shapes = {name: tuple(opened.get_slice(name).get_shape()) for name in opened.keys()}  # noqa: SIM118

    def read(self, name: str) -> torch.Tensor:
        tensor: torch.Tensor = self._opened.get_tensor(name)
        return tensor


class _Several:
    """Tensors in several files, opened."""

    def __init__(self, path: Path, places: Mapping[str, str], files: Mapping[str, TensorFile]) -> None:
        self.path = path
        self._files = {name: files[place] for name, place in places.items()}
        for place, file in files.items():
            for name in file.shapes:
                if places.get(name) != place:
                    told = f"in {places[name]}" if name in places else "in no file"
                    raise _not_as_told(path, f"tensor {name} is in {place}, and {told} by the index")
        if missing := [name for name, file in self._files.items() if name not in file.shapes]:
            raise _not_as_told(path, f"tensor {missing[0]} is not in {places[missing[0]]}, where the index has it")
        self.shapes = {name: file.shapes[name] for name, file in self._files.items()}

    def read(self, name: str) -> torch.Tensor:
        return self._files[name].read(name)


@contextmanager
def open_tensors(path: Path) -> Iterator[TensorFile]:
    """Open a checkpoint, with ``with``.

    Parameters
    ----------
    path : Path
        By its name's ending: ``.safetensors``; ``.index.json`` for one in several files of the index's folder, each
        of either kind; else a file of ``torch.save``.

    Raises
    ------
    GexvizError
        For a file that is none of these, or an index that its files don't agree with.
    """
    with ExitStack() as stack:
        if not path.name.endswith(ENDING):
            yield stack.enter_context(_open_one(path))
            return
        places = read_index(path)
        files = {name: stack.enter_context(_open_one(path.with_name(name))) for name in sorted(set(places.values()))}
        yield _Several(path, places, files)


@contextmanager
def _open_one(path: Path) -> Iterator[TensorFile]:
    """Open one file."""
    if path.suffix != ".safetensors":
        with TorchArchive(path) as archive:
            yield archive
        return
    try:
        opened = safe_open(path, framework="pt")
    except (SafetensorError, OSError) as error:
        raise GexvizError(
            f"can't read the weights: {error}", file=path, expected="a safetensors file", remedy="download it again"
        ) from None
    with opened as inside:
        yield _Safetensors(path, inside)


def fill_network(
    network: nn.Module,
    file: TensorFile,
    *,
    named: Callable[[str], str] = str,
    rows: Mapping[str, Sequence[int]] | None = None,
    unused: tuple[str, ...] = (),
) -> None:
    """Load a network's parameters and buffers, as float32.

    Parameters
    ----------
    network : torch.nn.Module
        May be on the meta device; the tensors read take the place of its own.
    file : TensorFile
    named : callable
        From a name in the network to that in the file.
    rows : mapping, optional
        Rows to take of some tensors, by their name in the network: the tracks of a head with many.
    unused : tuple of str
        Beginnings of names that the file may have beside. Any other name is an error: it belongs to other layers than
        the network has.

    Raises
    ------
    GexvizError
        For a tensor that is missing, unknown, of another shape or not finite: names it.
    """
    rows = rows or {}
    shapes, found = file.shapes, {}
    wanted = {name: tensor for name, tensor in network.state_dict().items() if not name.endswith(_COUNTER)}
    for name, tensor in wanted.items():
        theirs, expected = named(name), tuple(tensor.shape)
        shape = shapes.get(theirs)
        if name in rows and shape is not None and len(shape) == len(expected) and shape[0] > max(rows[name]):
            expected = (shape[0], *expected[1:])
        if shape != expected:
            raise _other(file.path, theirs, f"{'missing' if shape is None else shape}", f"{expected}")
    for theirs in shapes.keys() - {named(name) for name in wanted}:
        if not theirs.startswith(unused) and not theirs.endswith(_COUNTER):
            raise _other(file.path, theirs, str(shapes[theirs]), "no such tensor")
    for name in wanted:
        values = file.read(named(name))
        values = values[list(rows[name])] if name in rows else values
        if not torch.isfinite(values).all():
            raise GexvizError(
                "the weights hold NaN or infinity",
                file=file.path,
                place=f"tensor {named(name)}",
                expected="finite numbers",
            )
        found[name] = values.float()
    counters = {name: torch.zeros((), dtype=torch.int64) for name in network.state_dict() if name.endswith(_COUNTER)}
    network.load_state_dict(found | counters, assign=True)


_COUNTER = "num_batches_tracked"  # of batch norms in training; nothing depends on it


def _other(path: Path, name: str, found: str, expected: str) -> GexvizError:
    return GexvizError(
        "the weights are of another network than the options and the configuration say",
        file=path,
        place=f"tensor {name}: {found}",
        expected=expected,
        remedy="give the configuration that was published with the weights; docs/models.md says what each family reads",
    )


def _not_as_told(path: Path, problem: str) -> GexvizError:
    return GexvizError(
        problem,
        file=path,
        expected="each tensor once, in the file that the index names",
        remedy="download the index and its files again, from one place",
    )
