from __future__ import annotations

import sys

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from jaxattack.oracle import from_onnx
from jaxattack.types import InputError, Inputs

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
RNG = np.random.default_rng(0)
X = RNG.uniform(-1, 1, (150, 4))
Y = (X @ RNG.normal(size=(4, 3))).argmax(1)
QUERIES = RNG.uniform(-1, 1, (40, 4))
WEIGHT, OFFSET = RNG.normal(size=(4, 3)), RNG.normal(size=3)
LOGIT = QUERIES @ WEIGHT + OFFSET
KINDS = {np.float64: onnx.TensorProto.DOUBLE, np.float32: onnx.TensorProto.FLOAT, np.float16: onnx.TensorProto.FLOAT16}


def write(path, *, last=(), outputs=("logits",), dtype=np.float32, shape=("batch", 4), flatten=False, classes=3):
    """A linear layer as other tools export it: one input, one output a name, the last of them through further nodes."""
    nodes = [onnx.helper.make_node("Flatten", ["x"], ["flat"])] if flatten else []
    source = "flat" if flatten else "x"
    nodes.append(onnx.helper.make_node("Gemm", [source, "w", "b"], ["logits" if last else outputs[0]]))
    nodes += [onnx.helper.make_node(kind, ["logits"], [name]) for kind, name in last]
    kind = KINDS[dtype]
    graph = onnx.helper.make_graph(
        nodes,
        "graph",
        [onnx.helper.make_tensor_value_info("x", kind, shape)],
        [onnx.helper.make_tensor_value_info(name, kind, (shape[0], classes)) for name in outputs],
        [
            onnx.numpy_helper.from_array(WEIGHT[:, :classes].astype(dtype), "w"),
            onnx.numpy_helper.from_array(OFFSET[:classes].astype(dtype), "b"),
        ],
    )
    opset = [onnx.helper.make_opsetid("", 17)]
    path.write_bytes(onnx.helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString())
    return path


@pytest.mark.parametrize(("dtype", "error"), [(np.float64, 1e-14), (np.float32, 1e-5), (np.float16, 1e-2)])
def test_a_plain_graph_of_logits_answers_each_level_at_its_precision(tmp_path, dtype, error):
    path = write(tmp_path / "m.onnx", dtype=dtype, outputs=("42",))
    logit = from_onnx(path, level="logit")
    np.testing.assert_allclose(logit(QUERIES).logit, LOGIT, atol=error)
    assert logit.access.precision == {np.float64: "float64", np.float32: "float32", np.float16: "bfloat16"}[dtype]
    default = from_onnx(path)
    assert (default.access.level, default.access.classes) == ("probability", 3)
    np.testing.assert_allclose(default(QUERIES).probability, softmax(LOGIT, axis=1), atol=error)
    np.testing.assert_array_equal(from_onnx(path, level="label")(QUERIES).label, LOGIT.argmax(1))


def test_a_graph_of_probabilities_is_known_by_its_answers(tmp_path):
    path = write(tmp_path / "m.onnx", last=[("Softmax", "42")], outputs=("42",), dtype=np.float64)
    np.testing.assert_allclose(from_onnx(path)(QUERIES).probability, softmax(LOGIT, axis=1), atol=1e-14)
    with pytest.raises(InputError, match="gives probabilities"):
        from_onnx(path, level="logit")


def test_of_several_outputs_the_name_decides(tmp_path):
    last = [("Softmax", "probabilities"), ("Relu", "hidden")]
    path = write(tmp_path / "m.onnx", last=last, outputs=("hidden", "logits", "probabilities"), dtype=np.float64)
    np.testing.assert_allclose(from_onnx(path)(QUERIES).probability, softmax(LOGIT, axis=1), atol=1e-14)
    np.testing.assert_allclose(from_onnx(path, level="logit")(QUERIES).logit, LOGIT, atol=1e-14)
    unnamed = write(tmp_path / "n.onnx", last=[("Relu", "hidden")], outputs=("hidden", "logits"))
    with pytest.raises(InputError, match="export the scores as the only one"):
        from_onnx(unnamed)


@pytest.mark.parametrize("batch", [1, 7])
def test_a_graph_of_fixed_batch_size_is_asked_in_blocks(tmp_path, batch):
    oracle = from_onnx(write(tmp_path / "m.onnx", shape=(batch, 4)), level="logit")
    for count in (1, 6, 7, 40):
        np.testing.assert_allclose(oracle(QUERIES[:count]).logit, LOGIT[:count], atol=1e-5)


def test_pictures_keep_the_shape_that_the_graph_declares(tmp_path):
    oracle = from_onnx(write(tmp_path / "m.onnx", shape=("batch", 1, 2, 2), flatten=True), level="logit")
    assert oracle.access.inputs.shape == (1, 2, 2)
    np.testing.assert_allclose(oracle(QUERIES.reshape(-1, 1, 2, 2)).logit, LOGIT, atol=1e-5)
    flat = from_onnx(tmp_path / "m.onnx", inputs=Inputs.box(-1, 1, (4,)), level="logit")
    np.testing.assert_allclose(flat(QUERIES).logit, LOGIT, atol=1e-5)


def test_columns_that_the_graph_takes_apart_are_filled_in_order(tmp_path):
    widths = {"one": 1, "two": 2, "last": 1}
    kind = onnx.TensorProto.DOUBLE
    graph = onnx.helper.make_graph(
        [
            onnx.helper.make_node("Concat", list(widths), ["whole"], axis=1),
            onnx.helper.make_node("MatMul", ["whole", "w"], ["scores"]),
        ],
        "graph",
        [onnx.helper.make_tensor_value_info(name, kind, ("batch", width)) for name, width in widths.items()],
        [onnx.helper.make_tensor_value_info("scores", kind, ("batch", 3))],
        [onnx.numpy_helper.from_array(WEIGHT, "w")],
    )
    opset = [onnx.helper.make_opsetid("", 17)]
    model = onnx.helper.make_model(graph, opset_imports=opset, ir_version=9)
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    oracle = from_onnx(tmp_path / "m.onnx", level="logit")
    assert oracle.access.inputs.shape == (4,)
    np.testing.assert_allclose(oracle(QUERIES).logit, QUERIES @ WEIGHT, atol=1e-14)


def test_one_output_is_a_regressor(tmp_path):
    oracle = from_onnx(write(tmp_path / "m.onnx", classes=1))
    assert (oracle.access.level, oracle.access.classes) == ("logit", 1)
    np.testing.assert_allclose(oracle(QUERIES).logit, LOGIT[:, :1], atol=1e-5)
    with pytest.raises(InputError, match="choose level 'logit'"):
        from_onnx(tmp_path / "m.onnx", level="label")


@pytest.mark.parametrize("names", [[0, 1, 2], ["c", "a", "b"]], ids=["numbers", "text"])
@pytest.mark.parametrize("zipmap", [True, False], ids=["maps", "tensor"])
def test_classifiers_of_skl2onnx_answer_as_scikit_learn_does(tmp_path, names, zipmap):
    skl2onnx = pytest.importorskip("skl2onnx")
    for fitted in (LogisticRegression(), DecisionTreeClassifier(max_depth=3, random_state=0)):
        fitted.fit(X, np.array(names)[Y])
        options = {id(fitted): {"zipmap": zipmap}}
        whole = skl2onnx.to_onnx(fitted, X[:1].astype(np.float32), options=options).SerializeToString()
        (tmp_path / "m.onnx").write_bytes(whole)
        answer = from_onnx(tmp_path / "m.onnx")(QUERIES)
        np.testing.assert_allclose(answer.probability, fitted.predict_proba(QUERIES), atol=1e-6)
        np.testing.assert_array_equal(fitted.classes_[answer.label], fitted.predict(QUERIES))


@pytest.mark.filterwarnings("ignore::FutureWarning")  # skl2onnx reads what scikit-learn has deprecated
def test_other_exports_of_skl2onnx_are_understood(tmp_path):
    skl2onnx = pytest.importorskip("skl2onnx")
    from skl2onnx.common.data_types import DoubleTensorType

    path = tmp_path / "m.onnx"
    machine = SVC().fit(X, Y)
    path.write_bytes(skl2onnx.to_onnx(machine, X[:1].astype(np.float32)).SerializeToString())
    np.testing.assert_allclose(
        from_onnx(path, level="logit")(QUERIES).logit, machine.decision_function(QUERIES), atol=1e-5
    )

    line = LinearRegression().fit(X, Y)
    path.write_bytes(skl2onnx.to_onnx(line, X[:1]).SerializeToString())
    np.testing.assert_allclose(from_onnx(path)(QUERIES).logit[:, 0], line.predict(QUERIES), atol=1e-12)

    logistic = LogisticRegression().fit(X, Y)
    double = skl2onnx.convert_sklearn(
        logistic, initial_types=[("x", DoubleTensorType([None, 4]))], options={"zipmap": False}
    )
    path.write_bytes(double.SerializeToString())
    oracle = from_onnx(path, level="label")
    assert oracle.access.precision == "float64"
    np.testing.assert_array_equal(oracle(QUERIES).label, logistic.predict(QUERIES))


def test_what_is_no_onnx_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        from_onnx(tmp_path / "absent.onnx")
    whole = write(tmp_path / "m.onnx").read_bytes()
    for broken in (b"", b"no graph", whole[: len(whole) // 2]):
        (tmp_path / "broken.onnx").write_bytes(broken)
        with pytest.raises(InputError, match="cannot be read as an ONNX file"):
            from_onnx(tmp_path / "broken.onnx")


def test_records_that_the_graph_does_not_take_are_refused(tmp_path):
    with pytest.raises(InputError, match="takes 4 numbers"):
        from_onnx(write(tmp_path / "m.onnx"), inputs=Inputs.box(0, 1, (5,)))
    with pytest.raises(InputError, match="whose records have one shape"):
        from_onnx(write(tmp_path / "n.onnx", shape=("batch", "width")))


def test_a_missing_onnxruntime_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(InputError, match=r"pip install 'jaxattack\[serve\]'"):
        from_onnx(tmp_path / "m.onnx")
