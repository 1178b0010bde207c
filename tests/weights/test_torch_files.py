"""PyTorch's checkpoints: those that PyTorch writes, in both layouts, those made by hand, and those that would harm."""

import io
import pickle
import struct
import zipfile
from collections import OrderedDict

import numpy as np
import pytest

from npfuse.weights.loading import load_weights
from npfuse.weights.torch_files import MAX_PICKLE_BYTES, STREAM_MAGIC, load_torch_file, read_tensors
from npfuse.weights.weights import WeightsError
from tests.arrays import assert_close
from tests.networks import random_weights

WEIGHTS = random_weights("mefnet")


def state_dict():
    """The random weights under the released names, in PyTorch's order of axes."""
    arrays = WEIGHTS.arrays
    state = OrderedDict()
    for i in range(1, 7):
        first = 3 * (i - 1)
        state[f"lr.{first}.weight"] = arrays[f"conv{i}/kernel"].transpose(3, 2, 0, 1)
        state[f"lr.{first + 1}.w_0"] = arrays[f"conv{i}_norm/w0"]
        state[f"lr.{first + 1}.w_1"] = arrays[f"conv{i}_norm/w1"]
        state[f"lr.{first + 1}.in_norm.weight"] = arrays[f"conv{i}_norm/gamma"]
        state[f"lr.{first + 1}.in_norm.bias"] = arrays[f"conv{i}_norm/beta"]
    state["lr.18.weight"] = arrays["weight_map/kernel"].T[:, :, np.newaxis, np.newaxis]
    state["lr.18.bias"] = arrays["weight_map/bias"]
    return state


class Named:
    """Pickled as a name that is imported, of a module that need not exist."""

    def __init__(self, module, name, *arguments):
        self.module, self.name, self.arguments = module, name, arguments


class Kind(Named):
    pass


class Pickler(pickle._Pickler):
    """Writes what PyTorch writes: names by GLOBAL, storages by persistent id."""

    def persistent_id(self, item):
        return item.reference if isinstance(item, Stored) else None

    def save(self, obj, save_persistent_id=True):
        if type(obj) is Kind:
            self.write(pickle.GLOBAL + f"{obj.module}\n{obj.name}\n".encode())
        elif type(obj) is Named:
            self.save(Kind(obj.module, obj.name))
            self.save(obj.arguments)
            self.write(pickle.REDUCE)
        else:
            super().save(obj, save_persistent_id)


class Stored:
    def __init__(self, key, array, kind="FloatStorage", count=None, view=()):
        self.array = np.ascontiguousarray(array)
        count = self.array.size if count is None else count
        self.reference = ("storage", Kind("torch", kind), key, "cpu", count, *view)


def tensor(key, array, offset=0, shape=None, stride=None, **stored):
    array = np.ascontiguousarray(array)
    shape = array.shape if shape is None else shape
    stride = tuple(step // array.itemsize for step in array.strides) if stride is None else stride
    return Named("torch._utils", "_rebuild_tensor_v2", Stored(key, array, **stored), offset, shape, stride, False, {})


def pickled(value) -> bytes:
    buffer = io.BytesIO()
    Pickler(buffer, protocol=2).dump(value)
    return buffer.getvalue()


def write_zip(path, value, storages):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", value if isinstance(value, bytes) else pickled(value))
        for key, array in storages.items():
            archive.writestr(f"archive/data/{key}", array.tobytes())


def write_stream(path, value, storages):
    parts = [
        pickled(STREAM_MAGIC),
        pickled(1001),
        pickled({"little_endian": True}),
        pickled(value),
        pickled([*storages]),
    ]
    for array in storages.values():
        parts += [struct.pack("<q", array.size), array.tobytes()]
    path.write_bytes(b"".join(parts))


def checkpoint():
    """A checkpoint as the authors' training writes one, and its storages."""
    storages, state = {}, {}
    for i, (name, array) in enumerate(state_dict().items()):
        storages[str(i)] = np.ascontiguousarray(array)
        state[name] = tensor(str(i), array)
    scores = [Named("numpy.core.multiarray", "scalar", 0.97), Named("collections", "OrderedDict")]
    return {"epoch": 30, "state_dict": state, "optimizer": {"lr": 5e-4}, "test_results": scores}, storages


def check(weights):
    assert (weights.model, weights.parameter_count) == ("mefnet", 26_461)
    for name, array in WEIGHTS.arrays.items():
        assert_close(weights.arrays[name], array)


@pytest.mark.parametrize("write", [write_zip, write_stream])
def test_a_checkpoint_made_by_hand_becomes_weights_of_mefnet(tmp_path, write):
    write(tmp_path / "release.pt", *checkpoint())
    check(load_weights(tmp_path / "release.pt"))


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("whole", [True, False])
def test_a_checkpoint_of_pytorch_becomes_weights_of_mefnet(tmp_path, zipped, whole):
    torch = pytest.importorskip("torch")
    state = OrderedDict((name, torch.from_numpy(array.copy())) for name, array in state_dict().items())
    state["lr.0.weight"] = torch.nn.Parameter(state["lr.0.weight"])
    saved = {"epoch": 30, "state_dict": state, "train_loss": [0.9]} if whole else state
    torch.save(saved, tmp_path / "release.pt", _use_new_zipfile_serialization=zipped)
    check(load_weights(tmp_path / "release.pt"))


def test_tensors_that_are_views_of_one_storage_are_read(tmp_path):
    numbers = np.arange(24, dtype=np.float32)
    value = {
        "rows": tensor("0", numbers, offset=6, shape=(2, 3), stride=(3, 1)),
        "columns": tensor("0", numbers, offset=0, shape=(4, 6), stride=(1, 4)),
    }
    write_zip(tmp_path / "views.pt", value, {"0": numbers})
    read = read_tensors(tmp_path / "views.pt")
    assert_close(read["rows"], np.array([[6, 7, 8], [9, 10, 11]]))
    assert_close(read["columns"], numbers.reshape(6, 4).T)


class Touches:
    """Writes a file when it is unpickled by the standard library."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_nothing_in_a_checkpoint_is_executed(tmp_path, protocol):
    path, touched = tmp_path / "evil.pt", tmp_path / "touched"
    evil = pickle.dumps({"state_dict": {"weight": Touches(touched)}}, protocol=protocol)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", evil)
    with pytest.raises(WeightsError, match=r"evil\.pt: "):
        load_torch_file(path)
    path.write_bytes(evil)
    with pytest.raises(WeightsError, match=r"evil\.pt: "):
        load_torch_file(path)
    assert not touched.exists()
    pickle.loads(evil)["state_dict"]["weight"].close()
    assert touched.exists()  # it would have been


NUMBERS = np.arange(6, dtype=np.float32)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": tensor("0", NUMBERS, shape=(7,), stride=(1,))}, "a has shape (7,), stride (1,) and offset 0, expected"),
        ({"a": tensor("0", NUMBERS, offset=3, shape=(4,), stride=(1,))}, "expected a part of its 6 numbers"),
        ({"a": tensor("0", NUMBERS, offset=-1, shape=(2,), stride=(1,))}, "expected a part of its 6 numbers"),
        ({"a": tensor("0", NUMBERS, shape=(2,), stride=(-1,))}, "expected a part of its 6 numbers"),
        ({"a": tensor("0", NUMBERS, shape=(1 << 20,), stride=(0,))}, "expected a part of its 6 numbers"),
        ({"a": tensor("0", NUMBERS, shape=(1 << 40,), stride=(0,))}, "the tensors take more than 268435456 bytes"),
        ({"a": tensor("0", NUMBERS, count=1000)}, "expected a part of its 1000 numbers"),
        ({"a": tensor("0", NUMBERS, count=1 << 60)}, "a storage of 1152921504606846976 numbers"),
        ({"a": tensor("0", NUMBERS, kind="QuantStorage")}, "a storage of 'QuantStorage', expected one of FloatStorage"),
        ({"a": tensor("0", NUMBERS, view=(("1", 0, 1),))}, "a storage that is a view of another one"),
        ({"a": tensor("../secret", NUMBERS)}, "no item named 'archive/data/../secret'"),
        ({"a": 1}, "no tensors by name in the file, expected a checkpoint with a state_dict"),
        ([], "no tensors by name in the file"),
        (Named("models", "Net"), "expected a checkpoint with a state_dict, as of torch.save(model.state_dict(), FILE)"),
        ({"surplus": tensor("0", NUMBERS)}, "surplus (6,) is left over: MEF-Net has no such tensor"),
        ({"18.bias": tensor("0", NUMBERS)}, "weights do not fit: conv1/kernel is missing"),
    ],
)  # fmt: skip
def test_checkpoints_that_do_not_fit_are_refused(tmp_path, value, message):
    path = tmp_path / "odd.pt"
    write_zip(path, value, {"0": NUMBERS})
    with pytest.raises(WeightsError) as told:
        load_weights(path)
    assert str(told.value).startswith(f"{path}: ") or "weights do not fit" in message
    assert message in str(told.value)


def test_damaged_checkpoints_are_refused(tmp_path):
    path = tmp_path / "cut.pt"
    write_stream(path, *checkpoint())
    whole = path.read_bytes()
    for cut in [*range(2, 400, 37), len(whole) // 2, len(whole) - 1]:
        path.write_bytes(whole[:cut])
        with pytest.raises(WeightsError, match=r"cut\.pt: "):
            load_weights(path)


def test_a_pickle_of_endless_opcodes_is_refused(tmp_path):
    path = tmp_path / "long.pt"
    path.write_bytes(b"\x80\x02" + b"}" * (2 * MAX_PICKLE_BYTES))
    with pytest.raises(WeightsError, match="a pickle of more than 1048576 bytes"):
        load_weights(path)
    write_zip(path, b"\x80\x02" + b"}" * (2 * MAX_PICKLE_BYTES), {})
    with pytest.raises(WeightsError, match=r"data.pkl is larger than 1048576 bytes"):
        load_weights(path)
