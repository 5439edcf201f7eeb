"""Arrays of HDF5 files that others wrote: only those that are in the file itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gexviz.lazy import lazy

if TYPE_CHECKING:
    import h5py
else:
    h5py = lazy("h5py")


def own_array(folder: h5py.Group, name: str) -> h5py.Dataset | None:
    """Find an array without leaving its file.

    Parameters
    ----------
    folder : h5py.Group
    name : str
        Path of the array in it.

    Returns
    -------
    h5py.Dataset or None
        None where there is nothing of that name, or only a soft or external link, or a group.

    Raises
    ------
    ValueError
        For an array whose values are kept in other files.
    """
    node: Any = folder
    for part in name.split("/"):
        if not isinstance(node, h5py.Group) or not isinstance(node.get(part, getlink=True), h5py.HardLink):
            return None
        node = node[part]
    if not isinstance(node, h5py.Dataset):
        return None
    if node.is_virtual or node.external:
        raise ValueError(f"{name} keeps its values in other files")
    return node


def own_weights(folder: h5py.Group, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Read weights of a network, once their type and shape are known to be right.

    Parameters
    ----------
    folder : h5py.Group
    name : str
        Path of the array in it.
    shape : tuple of int
        That it must have.

    Returns
    -------
    ndarray, float32

    Raises
    ------
    ValueError
        For an array that isn't there, is of another type or shape, or isn't finite.
    """
    node = own_array(folder, name)
    if node is None:
        raise ValueError(f"it has no {name}")
    if node.shape != shape or node.dtype != np.float32:
        raise ValueError(f"{name} is {node.dtype} {node.shape}, not float32 {shape}")
    values = np.asarray(node[()])
    if not np.isfinite(values).all():
        raise ValueError(f"{name} holds NaN or infinity")
    return values
