"""Saved models that promise more than they hold, or reach for files beside them."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest
from hostile import TEXTS, archives, npy, packed, refused

from jaxattack.audit import (
    open_victim,
    train_victim,
)
from jaxattack.data import load
from jaxattack.models import Architecture
from jaxattack.oracle import from_onnx, from_skops
from jaxattack.training import Recipe
from jaxattack.training.learners import Standard


def test_a_saved_model_of_scikit_learn(tmp_path):
    pytest.importorskip("skops")
    from sklearn.linear_model import LogisticRegression
    from skops import io as skops

    path = tmp_path / "model.skops"
    skops.dump(LogisticRegression().fit(np.arange(8.0).reshape(4, 2), [0, 1, 0, 1]), path)
    with zipfile.ZipFile(path) as archive:
        members = [(part.filename, archive.read(part)) for part in archive.infolist()]
    arrays = [name for name, data in members if data.startswith(b"\x93NUMPY")]
    assert arrays
    sparse = packed([("data.npy", bytes(60_000_000))], zipfile.ZIP_DEFLATED)

    def with_array(data, text=None):
        return packed(
            [
                (name, data if name in arrays else text if text and name == "schema.json" else old)
                for name, old in members
            ]
        )

    cases = {
        **dict(archives("schema.json").items()),
        "an array of 10^12 numbers": with_array(npy("(1000000000000,)")),
        "an array of Python objects": with_array(npy("(1,)", "'|O'", b"cos\nsystem\n(S'true'\ntR.")),
        "half of an array": with_array(npy("(100, 100)", data=bytes(80))),
        "sparse matrices in one another": with_array(sparse),
        **{f"schema of {name}": with_array(members[0][1], data or b"{") for name, data in TEXTS.items()},
    }
    for name, data in cases.items():
        path.write_bytes(data)
        refused(name, lambda: from_skops(path))


def test_a_saved_graph_reads_no_file_beside_it(tmp_path):
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper

    (tmp_path / "secret").write_bytes(np.arange(4, dtype="<f4").tobytes())
    (tmp_path / "models").mkdir()
    path = tmp_path / "models" / "model.onnx"

    def graph(**external):
        weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2, 2], data_location=TensorProto.EXTERNAL)
        for key, value in external.items():
            weight.external_data.add(key=key, value=value)
        node = helper.make_node("MatMul", ["x", "w"], ["y"])
        info = helper.make_tensor_value_info
        body = helper.make_graph(
            [node], "g", [info("x", TensorProto.FLOAT, [None, 2])], [info("y", TensorProto.FLOAT, [None, 2])], [weight]
        )
        return helper.make_model(body, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString()

    whole = graph(location="../secret")
    cases = {
        "a file outside": whole,
        "an absolute path": graph(location=str(tmp_path / "secret")),
        "a device": graph(location="/dev/zero", length="10000000000"),
        "beyond the end": graph(location="../secret", offset="99999999999"),
        "no place": graph(),
        "half of a graph": whole[: len(whole) // 2],
        "noise": bytes(range(256)) * 40,
        **TEXTS,
    }
    assert onnx.__version__
    for name, data in cases.items():
        path.write_bytes(data)
        refused(name, lambda: from_onnx(path))


def test_a_model_folder(tmp_path):
    folder = tmp_path / "victim"
    train_victim(
        folder,
        model=Architecture(name="softmax"),
        dataset=load("iris"),
        learner=Standard(recipe=Recipe(epochs=1)),
    )
    whole = {name: (folder / name).read_bytes() for name in ("model.json", "weights.npz", "member.npy")}
    cases = {
        "model.json": TEXTS,
        "weights.npz": archives("params/0/bias"),
        "member.npy": {"large": npy("(1000000000000,)", "'|b1'"), "objects": npy("(150,)", "'|O'"), "nothing": b""},
    }
    for file, contents in cases.items():
        for name, data in contents.items():
            (folder / file).write_bytes(data)
            refused(f"{file}: {name}", lambda: open_victim(str(folder)))
        (folder / file).write_bytes(whole[file])
    open_victim(str(folder))
