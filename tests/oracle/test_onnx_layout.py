"""Graphs of pictures: records whose axes are in another order are refused, and flat ones and those of other unit axes are taken."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

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


@pytest.mark.parametrize(
    ("taken", "answered", "precision"),
    [("FLOAT", "DOUBLE", "float32"), ("DOUBLE", "FLOAT", "float32"), ("DOUBLE", "DOUBLE", "float64")],
)
def test_precision_is_that_of_the_coarser_of_what_a_graph_takes_and_answers(tmp_path, taken, answered, precision):
    """Queries in float64 are rounded on their way into a graph of float32, whose softmax may be in float64."""
    kinds = {name: getattr(onnx.TensorProto, name) for name in (taken, answered)}
    weight = RNG.normal(size=(4, 3))
    nodes = [
        onnx.helper.make_node("Cast", ["x"], ["d"], to=onnx.TensorProto.DOUBLE),
        onnx.helper.make_node("MatMul", ["d", "w"], ["z"]),
        onnx.helper.make_node("Softmax", ["z"], ["p"]),
        onnx.helper.make_node("Cast", ["p"], ["out"], to=kinds[answered]),
    ]
    made = onnx.helper.make_graph(
        nodes,
        "graph",
        [onnx.helper.make_tensor_value_info("x", kinds[taken], ("batch", 4))],
        [onnx.helper.make_tensor_value_info("out", kinds[answered], ("batch", 3))],
        [onnx.numpy_helper.from_array(weight, "w")],
    )
    model = onnx.helper.make_model(made, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    oracle = from_onnx(tmp_path / "m.onnx")
    assert oracle.access.precision == precision
    x = RNG.uniform(-1, 1, (50, 4))
    error = np.abs(oracle(x).probability - softmax(x @ weight, axis=1)).max()
    assert (error < 1e-14) == (precision == "float64")


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
