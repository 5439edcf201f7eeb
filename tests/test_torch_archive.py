import collections
import io
import os
import pickle
import pickletools
import zipfile
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gexviz.errors import GexvizError
from gexviz.models.torch_archive import Inert, TorchArchive

SETTINGS = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def repacked(path, pickled, **entries):
    """A file of torch.save with another description."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {"data.pkl": pickled, "data/0": b"\0" * 16, "byteorder": b"little", **entries}.items():
            archive.writestr(f"archive/{name}", content)
    return path


class Dataset:
    """What a training script keeps in its checkpoint."""

    def __init__(self, folder):
        self.folder, self.tensor, self.people = Path(folder), torch.ones(3), {"a", "b"}


def test_tensors_of_every_kind_come_back(tmp_path):
    base = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    tensors = {
        "plain": base, "turned": base.T, "part": base[1:3, ::2], "scalar": torch.tensor(3), "none": torch.zeros(0, 4),
        "half": base.half(), "brain": base.bfloat16(), "bytes": base.byte(), "truth": base > 3,
        "parameter": torch.nn.Parameter(base.double()), "same": base,
    }  # fmt: skip
    torch.save(tensors, tmp_path / "a.pt")
    with TorchArchive(tmp_path / "a.pt") as archive:
        assert archive.shapes == {name: tuple(values.shape) for name, values in tensors.items()}
        for name, values in tensors.items():
            read = archive.read(name)
            assert read.dtype == values.dtype and torch.equal(read, values.detach()), name


def test_a_lightning_checkpoint_with_its_data_set(tmp_path):
    """Its classes are not imported; without it being there, the file can be read all the same."""
    network = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    optimizer = torch.optim.AdamW(network.parameters())
    network(torch.ones(4, 3)).sum().backward()
    optimizer.step()
    checkpoint = {
        "epoch": 3, "pytorch-lightning_version": "2.4.0", "state_dict": network.state_dict(),
        "optimizer_states": [optimizer.state_dict()], "loops": {"fit": collections.defaultdict(list)},
        "hyper_parameters": {"train_dataset": Dataset(tmp_path), "lr": 5e-6, "tissues": ["Whole Blood"]},
        "callbacks": {("a", 1): None},
    }  # fmt: skip
    torch.save(checkpoint, tmp_path / "a.ckpt")
    with pytest.raises(pickle.UnpicklingError):
        torch.load(tmp_path / "a.ckpt", weights_only=True)
    with TorchArchive(tmp_path / "a.ckpt") as archive:
        assert archive.shapes.keys() == network.state_dict().keys()
        assert all(torch.equal(archive.read(name), values) for name, values in network.state_dict().items())


# -- files made to do harm ---------------------------------------------------------------------------------------------

CALLS = [
    (os.system, "touch {}"),
    (eval, "open({!r}, 'w')"),
    (exec, "open({!r}, 'w')"),
    (Path.touch, None),
    (os.mkdir, "{}"),
    (torch.load, "{}"),
    (torch.save, "{}"),
    (pickle.loads, "{}"),
    (getattr, "{}"),
    (__import__, "antigravity"),
]


class Call:
    def __init__(self, function, *args):
        self.function, self.args = function, args

    def __reduce__(self):
        return self.function, self.args


@pytest.mark.parametrize(("function", "text"), CALLS)
@pytest.mark.parametrize("place", ["beside", "in a list", "as a key", "as the state dict", "as a tensor", "twice"])
def test_no_call_is_made(tmp_path, function, text, place):
    """The mark would be a file or folder; the rest of the file is still read where it is whole."""
    mark = tmp_path / "mark"
    call = Call(function, mark if text is None else text.format(str(mark)))
    values = {"weight": torch.ones(2)}
    state, state_dict = {
        "beside": ({"extra": call}, values), "in a list": ({"extra": [call, (call,)]}, values),
        "as a key": ({call: 1}, values), "as the state dict": ({}, call), "as a tensor": ({}, values | {"a": call}),
        "twice": ({"extra": Call(getattr, call, "x")}, values),
    }[place]  # fmt: skip
    torch.save(state | {"state_dict": state_dict}, tmp_path / "a.ckpt")
    try:
        with TorchArchive(tmp_path / "a.ckpt") as archive:
            assert torch.equal(archive.read("weight"), torch.ones(2))
            assert list(archive.tensors) == ["weight"]
    except GexvizError as error:
        assert place == "as the state dict" and "state dict" in error.problem
    assert not mark.exists()


@pytest.mark.parametrize(
    "pickled",
    [
        b"",
        b"\x80\x02}.",
        b"\x80\x02]q\x00h\x00a.",
        b"cos\nsystem\n(S'true'\ntR.",
        b"(S'true'\nios\nsystem\n.",
        b"\x80\x04\x96" + (1 << 40).to_bytes(8, "little") + b".",  # a bytearray of a terabyte
        b"\x80\x02\x82\x01.",  # the extension registry
        b"\x80\x02" + b")" + b"\x85" * 200_000 + b"K\x01s.",  # to hash this would end the process
        b"\x80\x02}" + b")" + b"\x85" * 200_000 + b"K\x01s.",
        b"\x80\x02K\x01r\xff\xff\xff\xff.",  # memo of 4 billion
        b"\x80\x02]" + b"2a" * 1_000 + b".",
        b"\x80\x02c__builtin__\neval\n}b.",
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n}(X\x08\x00\x00\x00__code__K\x01ub.",
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(K\x00K\x00tR.",
        b"\x80\x02ccollections\nOrderedDict\n)\x81}X\x05\x00\x00\x00itemsK\x01sb.",
        pickle.dumps({"a": b"\0" * 10}, 2),
    ],
)
def test_descriptions_that_are_none_are_refused(tmp_path, pickled):
    with pytest.raises(GexvizError) as raised:
        TorchArchive(repacked(tmp_path / "a.pt", pickled))
    assert "torch.save" in raised.value.problem and raised.value.remedy and raised.value.file


@SETTINGS
@given(st.data())
def test_a_damaged_description_is_read_or_refused(tmp_path, data):
    """Bytes changed anywhere; opcodes put anywhere."""
    buffer = io.BytesIO()
    torch.save({"state_dict": torch.nn.Linear(2, 2).state_dict(), "x": Dataset("/")}, buffer)
    with zipfile.ZipFile(buffer) as archive:
        pickled = bytearray(archive.read("archive/data.pkl"))
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(2, len(pickled) - 1))
        code = data.draw(st.sampled_from([op.code for op in pickletools.opcodes]) | st.characters(max_codepoint=255))
        if data.draw(st.booleans()):
            pickled[place] = ord(code)
        else:
            pickled.insert(place, ord(code))
    try:
        with TorchArchive(repacked(tmp_path / "a.pt", bytes(pickled))) as archive:
            for name in archive.tensors:
                assert isinstance(archive.read(name), torch.Tensor)
    except GexvizError as error:
        assert error.file and error.remedy


names = st.text("abcdefghijklmnopqrstuvwxyz_.", min_size=1, max_size=12)


@SETTINGS
@given(names, names, st.sampled_from(["os", "builtins", "torch", "torch.hub", "subprocess", "pathlib", "gexviz.study"]))
def test_whatever_is_named_is_not_imported(tmp_path, module, name, known):
    for place in (module, known):
        pickled = f"\x80\x02}}X\x01\x00\x00\x00ac{place}\n{name}\n)Rs.".encode("latin-1")
        with pytest.raises(GexvizError, match="state dict has 0 tensors"):
            TorchArchive(repacked(tmp_path / "a.pt", pickled))


def test_what_stands_for_objects_keeps_nothing():
    assert not hasattr(Inert("os.system"), "__dict__")


def described(shape, stride, offset=0, storage="FloatStorage"):
    """The state dict of one tensor, by hand."""
    numbers = b"".join(b"K" + bytes([n]) for n in shape), b"".join(b"K" + bytes([n]) for n in stride)
    return (
        b"\x80\x02}X\x01\x00\x00\x00actorch._utils\n_rebuild_tensor_v2\n(("
        + f"X\x07\x00\x00\x00storagectorch\n{storage}\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x04tQK".encode("latin-1")
        + bytes([offset]) + b"(" + numbers[0] + b"t(" + numbers[1] + b"t\x89)tRs."
    )  # fmt: skip


def test_a_tensor_that_reaches_beyond_its_numbers_is_refused(tmp_path):
    """Four float32 are stored. Views of the same number over and over are refused too: they need not be stored."""
    with TorchArchive(repacked(tmp_path / "a.pt", described((2, 2), (2, 1)))) as archive:
        assert torch.equal(archive.read("a"), torch.zeros(2, 2))
    for shape, stride, offset in [((5,), (1,), 0), ((2, 2), (2, 1), 1), ((2,), (4,), 0), ((200, 200), (0, 0), 0)]:
        path = repacked(tmp_path / "a.pt", described(shape, stride, offset))
        with TorchArchive(path) as archive, pytest.raises(GexvizError, match="larger than what is stored"):
            archive.read("a")


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_archives_that_are_none(tmp_path):
    path = tmp_path / "a.pt"
    for content in (b"", b"<html>", b"PK\x03\x04" + b"\0" * 50):
        path.write_bytes(content)
        with pytest.raises(GexvizError, match="not a zip archive"):
            TorchArchive(path)
    torch.save({"a": torch.ones(3)}, path, _use_new_zipfile_serialization=False)
    with pytest.raises(GexvizError, match="not a zip archive"):
        TorchArchive(path)
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), path)
    with pytest.raises(GexvizError, match="TorchScript"):
        TorchArchive(path)
    with pytest.raises(GexvizError, match="big-endian"):
        TorchArchive(repacked(path, described((4,), (1,)), byteorder=b"big"))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", described((4,), (1,)))
    with pytest.raises(GexvizError, match="compressed"):
        TorchArchive(path)


def test_a_file_cut_short(tmp_path):
    torch.save({"a": torch.ones(1_000)}, tmp_path / "a.pt")
    (tmp_path / "a.pt").write_bytes((tmp_path / "a.pt").read_bytes()[:3_000])
    with pytest.raises(GexvizError, match="not a zip archive"):
        TorchArchive(tmp_path / "a.pt")
