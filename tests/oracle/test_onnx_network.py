"""Networks read from ONNX files: they answer as onnxruntime does, have gradients, and are attacked as any network."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxattack.attacks.evasion import PGD, HopSkipJump
from jaxattack.audit import evade, open_victim
from jaxattack.oracle import from_onnx, network_of
from jaxattack.oracle.onnx_network import OPERATORS
from jaxattack.types import InputError, Inputs

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
make = onnx.helper.make_node
RNG = np.random.default_rng(0)


def write(path, nodes, tensors, shape, classes=3, outputs=("z",)):
    """A graph of one input x."""
    real = onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        nodes,
        "graph",
        [onnx.helper.make_tensor_value_info("x", real, ("batch", *shape))],
        [onnx.helper.make_tensor_value_info(name, real, ("batch", classes)) for name in outputs],
        [onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in tensors.items()],
    )
    opset = [onnx.helper.make_opsetid("", 17)]
    path.write_bytes(onnx.helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString())
    return path


def normal(*shape):
    return (RNG.standard_normal(shape) / 2).astype(np.float32)


def residual(path, end=()):
    """A small residual network as PyTorch exports it: padding by channels, a grouped convolution, both poolings."""
    tensors = {
        "mean": normal(3, 1, 1), "w1": normal(4, 3, 3, 3), "b1": normal(4), "w2": normal(8, 2, 3, 3), "scale": 1 + normal(8),
        "shift": normal(8), "m": normal(8), "v": 1 + normal(8) ** 2, "starts": np.array([0, 0]), "ends": np.array([2**62] * 2),
        "axes": np.array([2, 3]), "steps": np.array([2, 2]), "pads": np.array([0, 2, 0, 0, 0, 2, 0, 0]), "row": np.array([-1, 8]),
        "w": normal(8, 3), "b": normal(3),
    }  # fmt: skip
    nodes = [
        make("Sub", ["x", "mean"], ["centred"]),
        make("Conv", ["centred", "w1", "b1"], ["c1"], pads=[1, 1, 1, 1], kernel_shape=[3, 3]),
        make("LeakyRelu", ["c1"], ["r1"], alpha=0.1),
        make("MaxPool", ["r1"], ["p1"], kernel_shape=[2, 2], strides=[1, 1], pads=[0, 0, 1, 1]),
        make("Conv", ["p1", "w2"], ["c2"], pads=[1, 1, 1, 1], strides=[2, 2], group=2, kernel_shape=[3, 3]),
        make("BatchNormalization", ["c2", "scale", "shift", "m", "v"], ["n2"], epsilon=1e-3),
        make("Slice", ["r1", "starts", "ends", "axes", "steps"], ["sliced"]),
        make("Pad", ["sliced", "pads"], ["padded"]),
        make("Add", ["n2", "padded"], ["sum"]),
        make("Relu", ["sum"], ["r2"]),
        make("AveragePool", ["r2"], ["a2"], kernel_shape=[2, 2], strides=[2, 2], pads=[0, 0, 1, 1]),
        make("GlobalAveragePool", ["a2"], ["g"]),
        make("Reshape", ["g", "row"], ["flat"]),
        make("Gemm", ["flat", "w", "b"], ["z" if not end else "logits"], beta=0.5),
        *end,
    ]
    return write(path, nodes, tensors, (3, 6, 6))


IMAGES = Inputs.box(0, 1, (3, 6, 6))


@pytest.mark.parametrize(
    "end", [[], [make("Softmax", ["logits"], ["z"], axis=1)], [make("LogSoftmax", ["logits"], ["z"], axis=1)]],
    ids=["logits", "softmax", "log-softmax"],
)  # fmt: skip
def test_a_residual_network_answers_as_onnxruntime_does_and_has_gradients(tmp_path, end):
    oracle = from_onnx(residual(tmp_path / "m.onnx", end), inputs=IMAGES)
    box = network_of(tmp_path / "m.onnx", oracle)
    x = RNG.uniform(0, 1, (20, 3, 6, 6)).astype(np.float32)
    z = box.model.apply(box.variables, jnp.asarray(x))
    np.testing.assert_allclose(jax.nn.softmax(z), oracle(x).probability, atol=1e-5)
    slope = jax.grad(lambda x: box.model.apply(box.variables, x)[0, 0])(jnp.asarray(x[:1]))
    step = 1e-2 * np.asarray(slope) / np.linalg.norm(slope)
    ends = [float(box.model.apply(box.variables, jnp.asarray(x[:1] + sign * step))[0, 0]) for sign in (1, -1)]
    assert (ends[0] - ends[1]) / 2e-2 == pytest.approx(float(np.linalg.norm(slope)), rel=0.1)


def test_a_sigmoid_of_one_output_becomes_two_logits(tmp_path):
    nodes = [
        make("MatMul", ["x", "w"], ["h"]), make("Tanh", ["h"], ["t"]), make("Mul", ["t", "s"], ["u"]),
        make("ReduceMean", ["u"], ["logit"], axes=[1]), make("Sigmoid", ["logit"], ["z"]),
    ]  # fmt: skip
    path = write(tmp_path / "m.onnx", nodes, {"w": normal(4, 5), "s": normal(5)}, (4,), classes=1)
    oracle = from_onnx(path, inputs=Inputs.box(-1, 1, (4,)))
    box = network_of(path, oracle)
    x = RNG.uniform(-1, 1, (20, 4)).astype(np.float32)
    np.testing.assert_allclose(
        jax.nn.softmax(box.model.apply(box.variables, jnp.asarray(x))), oracle(x).probability, atol=1e-6
    )


@pytest.mark.parametrize(
    "end", [[make("Softmax", ["u"], ["z"], axis=1)], [make("Identity", ["u"], ["z"])]], ids=["softmax", "logits"]
)
def test_raw_outputs_that_are_not_onnxruntimes_are_refused_where_confidences_are_saturated(tmp_path, monkeypatch, end):
    nodes = [make("MatMul", ["x", "w"], ["h"]), make("Mul", ["h", "s"], ["m"]), make("Add", ["m", "b"], ["u"]), *end]
    path = write(
        tmp_path / "m.onnx", nodes, {"w": normal(4, 3), "s": np.float32(10), "b": np.float32([0, 500, 0])}, (4,)
    )
    oracle = from_onnx(path, inputs=Inputs.box(-1, 1, (4,)))
    network_of(path, oracle)
    monkeypatch.setitem(OPERATORS, "Mul", lambda _, a, b: 1.1 * a * b)
    with pytest.raises(InputError, match="does not answer as onnxruntime does"):
        network_of(path, oracle)


def test_what_is_not_read_is_refused_in_one_sentence(tmp_path):
    odd = write(
        tmp_path / "odd.onnx", [make("MatMul", ["x", "w"], ["h"]), make("Erf", ["h"], ["z"])], {"w": normal(4, 3)}, (4,)
    )
    with pytest.raises(InputError, match="has the operator Erf, whose gradient is not read"):
        network_of(odd, from_onnx(odd))
    ceiling = [
        make("MaxPool", ["x"], ["p"], kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
        make("Flatten", ["p"], ["z"]),
    ]
    ceiling = write(tmp_path / "ceiling.onnx", ceiling, {}, (1, 3, 3), classes=4)
    with pytest.raises(InputError, match="pooling with ceil_mode"):
        network_of(ceiling, from_onnx(ceiling))
    two = [make("MatMul", ["x", "w"], ["logits"]), make("Relu", ["logits"], ["hidden"])]
    two = write(tmp_path / "two.onnx", two, {"w": normal(4, 3)}, (4,), outputs=("logits", "hidden"))
    with pytest.raises(InputError, match="1 inputs and 2 outputs"):
        network_of(two, from_onnx(ceiling))
    with pytest.raises(InputError, match="does not answer as onnxruntime does"):
        network_of(residual(tmp_path / "a.onnx"), from_onnx(residual(tmp_path / "b.onnx"), inputs=IMAGES))


def test_a_file_is_evaded_with_gradients_where_an_attack_takes_them(tmp_path):
    # The class is the largest of the first three features: every class is among the records, whatever was drawn before.
    first = {"w": np.eye(4, 3, dtype=np.float32), "b": np.zeros(3, np.float32)}
    path = write(tmp_path / "m.onnx", [make("Gemm", ["x", "w", "b"], ["z"])], first, (4,))
    x = np.random.default_rng(0).uniform(-1, 1, (40, 4)).astype(np.float32)
    np.savez(tmp_path / "records.npz", x=x, y=from_onnx(path)(x).label)
    victim = open_victim(str(path), data=str(tmp_path / "records.npz"))
    assert victim.inside is None
    result = evade(victim, PGD(size=0.5), records=20)
    assert result.findings.attack.white_box
    assert result.findings.cost.queries == 0 < result.findings.success.fooled
    assert not result.findings.warnings  # what fools the network read fools onnxruntime's
    assert evade(victim, HopSkipJump(queries=60), records=3).findings.cost.queries > 0


@pytest.mark.parametrize("level", ["probability", "logit"])
def test_logits_are_held_against_the_runtimes_as_confidences_are(tmp_path, level, monkeypatch):
    nodes = [make("MatMul", ["x", "w"], ["h"]), make("Relu", ["h"], ["z"])]
    path = write(tmp_path / "m.onnx", nodes, {"w": 4 * normal(4, 3)}, (4,))
    network_of(path, from_onnx(path, level=level))
    monkeypatch.setitem(OPERATORS, "Relu", lambda _, z: 2 * jax.nn.relu(z))  # of the same labels
    with pytest.raises(InputError, match="does not answer as onnxruntime does"):
        network_of(path, from_onnx(path, level=level))
