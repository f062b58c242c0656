"""Pictures of bytes and models in files that were fitted on another scale: what answers directly is what is answered here."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier

from jaxattack.audit.picture_scale import RANGE, on_scale
from jaxattack.audit.victim_names import open_victim
from jaxattack.oracle import from_skops

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("scale", ["data", "unit", "signed"])
def test_a_file_is_asked_about_pictures_on_the_scale_that_it_fits_with_their_channels_where_it_has_them(
    tmp_path, scale
):
    onnx = pytest.importorskip("onnx")
    pictures = RNG.integers(0, 256, (90, 4, 5, 3), dtype=np.uint8)
    mean, (low, high) = pictures.mean(axis=(1, 2)).argmax(axis=1), RANGE[scale]
    np.savez(tmp_path / "pictures.npz", x=pictures, y=mean)
    made, numbers, floats = onnx.helper, onnx.numpy_helper.from_array, onnx.TensorProto.FLOAT
    # Right where the middle of its scale is, and wrong about all beyond: the brightest channel, unless the mean is off.
    middle = (high + low) / 2
    nodes = [
        made.make_node("ReduceMean", ["x"], ["m"], axes=[2, 3], keepdims=0),
        made.make_node("ReduceMean", ["m"], ["all"], axes=[1], keepdims=1),
        made.make_node("Sub", ["all", "middle"], ["off"]),
        made.make_node("Abs", ["off"], ["away"]),
        made.make_node("Sub", ["tolerance", "away"], ["sign"]),
        made.make_node("Mul", ["m", "sign"], ["signed"]),
        made.make_node("Mul", ["signed", "sharpness"], ["z"]),
        made.make_node("Softmax", ["z"], ["probabilities"], axis=1),
    ]
    values = {"middle": middle, "tolerance": 0.2 * (high - low), "sharpness": 1000 / (high - low) ** 2}
    shape = ("batch", 3, 4, 5)
    graph = made.make_graph(
        nodes, "graph", [made.make_tensor_value_info("x", floats, shape)],
        [made.make_tensor_value_info("probabilities", floats, ("batch", 3))],
        [numbers(np.array(value, np.float32), name) for name, value in values.items()],
    )  # fmt: skip
    model = made.make_model(graph, opset_imports=[made.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "m.onnx")
    victim = open_victim(str(tmp_path / "m.onnx"), data=str(tmp_path / "pictures.npz"))
    assert victim.x is not None
    assert (victim.oracle(victim.x).label == victim.y).mean() > 0.9
    np.testing.assert_allclose(
        np.sort(victim.x, axis=None),
        np.sort(on_scale(pictures[np.arange(90) % 3 > 0], scale), axis=None),
        atol=1e-5 * (high - low),
    )
    assert (victim.oracle.access.inputs.low == low).all()
    assert (victim.oracle.access.inputs.high == high).all()
    assert any(f"on the scale '{scale}'" in note for note in victim.notes) == (scale != "data")


def test_what_scikit_learns_digits_were_fitted_on_elsewhere_is_asked_from_0_to_16(tmp_path):
    skops = pytest.importorskip("skops.io")
    x, y = load_digits(return_X_y=True)
    forest = RandomForestClassifier(10, random_state=0).fit(x[::2], y[::2])
    skops.dump(forest, tmp_path / "forest.skops")
    victim = open_victim(str(tmp_path / "forest.skops"), data="digits")
    held_out = np.arange(len(x)) % 3 > 0
    assert victim.x is not None
    np.testing.assert_array_equal(victim.oracle(victim.x).label, forest.predict(x[held_out]))
    assert (from_skops(tmp_path / "forest.skops")(x[held_out] * 255 / 16).label == y[held_out]).mean() < 0.9
