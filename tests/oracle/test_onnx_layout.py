"""Graphs of pictures: records whose axes are in another order are refused, and flat ones and those of other unit axes are taken."""

from __future__ import annotations

import numpy as np
import pytest

from jaxattack.oracle import from_onnx
from jaxattack.types import InputError, Inputs

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
RNG = np.random.default_rng(0)


@pytest.fixture
def graph(tmp_path):
    """A flattened linear layer of records of a shape."""

    def write(*shape):
        weight = RNG.normal(size=(int(np.prod(shape)), 3)).astype(np.float32)
        made = onnx.helper.make_graph(
            [onnx.helper.make_node("Flatten", ["x"], ["flat"]), onnx.helper.make_node("MatMul", ["flat", "w"], ["z"])],
            "graph",
            [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ("batch", *shape))],
            [onnx.helper.make_tensor_value_info("z", onnx.TensorProto.FLOAT, ("batch", 3))],
            [onnx.numpy_helper.from_array(weight, "w")],
        )
        model = onnx.helper.make_model(made, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
        (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
        return tmp_path / "m.onnx", weight

    return write


@pytest.mark.parametrize("shape", [(6, 5, 3), (5, 6, 3), (3, 5, 6), (18, 5)])
def test_records_whose_axes_are_in_another_order_are_refused(graph, shape):
    path, _ = graph(3, 6, 5)
    with pytest.raises(InputError, match=r"takes records of shape \(3, 6, 5\): give them with their axes in its order"):
        from_onnx(path, inputs=Inputs.box(-1, 1, shape))


@pytest.mark.parametrize(
    ("takes", "shape"), [((3, 6, 5), (90,)), ((3, 6, 5), (3, 6, 5)), ((1, 6, 5), (6, 5, 1)), ((90,), (6, 5, 3))]
)
def test_flat_records_and_such_as_differ_by_axes_of_one_are_asked_as_they_lie(graph, takes, shape):
    path, weight = graph(*takes)
    x = RNG.uniform(-1, 1, (7, *shape))
    answer = from_onnx(path, inputs=Inputs.box(-1, 1, shape), level="logit")(x)
    np.testing.assert_allclose(answer.logit, x.reshape(7, -1) @ weight, atol=1e-5)
