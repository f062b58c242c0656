from __future__ import annotations

import sys

import numpy as np
import pytest
from scipy.special import expit, log_softmax, softmax
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from jaxattack.audit import open_victim
from jaxattack.oracle import from_onnx
from jaxattack.oracle.identity import content
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
    assert oracle.access.inputs.names == ("one", "two_0", "two_1", "last")
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


@pytest.mark.filterwarnings("ignore::FutureWarning")  # as above
@pytest.mark.parametrize("fitted", [SVC(), SVC(decision_function_shape="ovo")])
def test_scores_that_rank_the_classes_otherwise_than_the_graphs_own_labels_are_refused(tmp_path, fitted):
    skl2onnx = pytest.importorskip("skl2onnx")
    x = np.random.default_rng(0).uniform(-1, 1, (90, 4)).astype(np.float32)
    several = fitted.decision_function_shape == "ovo"
    y = x[:, :3].argmax(axis=1) if several else (x[:, 0] > 0).astype(int)
    for machine, refused in ((fitted, True), (SVC(probability=True), False)):
        model = skl2onnx.to_onnx(machine.fit(x, y), x[:1])
        (tmp_path / "svc.onnx").write_bytes(model.SerializeToString())
        if refused:
            with pytest.raises(
                InputError, match=r"of \d of 8 records the largest of output_probability is of another class"
            ):
                from_onnx(tmp_path / "svc.onnx")
        else:
            assert (from_onnx(tmp_path / "svc.onnx")(x).label == machine.predict(x)).mean() > 0.9


def graph(path, nodes, given, outputs, weights, dtype=None, batch: str | int = "batch"):
    """Any graph over x [batch, record]; of an output whose size is None no shape is declared."""
    kind = onnx.TensorProto.FLOAT if dtype is None else dtype
    made = onnx.helper.make_graph(
        [onnx.helper.make_node(op, *ends, **options) for op, *ends, options in nodes],
        "graph",
        [onnx.helper.make_tensor_value_info("x", kind, (batch, *given))],
        [
            onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None if size is None else (batch, *size))
            for name, size in outputs
        ],
        [onnx.numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    opset = [onnx.helper.make_opsetid("", 17)]
    path.write_bytes(onnx.helper.make_model(made, opset_imports=opset, ir_version=9).SerializeToString())
    return path


W, B = WEIGHT.astype(np.float32), OFFSET.astype(np.float32)
GEMM = ("Gemm", ["x", "w", "b"], ["z"], {})


@pytest.mark.parametrize(("between", "ends"), [("Identity", ["q"]), ("Max", ["q"]), ("Max", ["low", "q"])])
def test_a_sigmoid_that_is_kept_off_its_ends_is_one_still(tmp_path, between, ends):
    nodes = [GEMM, ("Sigmoid", ["z"], ["q"], {}), (between, ends, ["r"], {})]
    nodes += [("Clip", ["r", "low", "high"], ["p"], {})]
    weights = {"w": W[:, :1], "b": B[:1], "low": np.float32(1e-7), "high": np.float32(1 - 1e-6)}
    victim = from_onnx(graph(tmp_path / "m.onnx", nodes, (4,), [("p", (1,))], weights))
    assert (victim.access.level, victim.access.classes) == ("probability", 2)
    np.testing.assert_allclose(victim(QUERIES).probability[:, 1], expit(LOGIT[:, 0]), atol=1e-5)
    cut = [GEMM, ("Clip", ["z", "low", "high"], ["p"], {})]
    assert from_onnx(graph(tmp_path / "c.onnx", cut, (4,), [("p", (1,))], weights)).access.classes == 1


@pytest.mark.parametrize("squeezed", [False, True])
def test_a_sigmoid_of_one_output_is_a_classifier_of_two_classes(tmp_path, squeezed):
    last = [("Sigmoid", ["z"], ["q"], {}), ("Squeeze", ["q", "axis"], ["p"], {})] if squeezed else []
    nodes = [GEMM, *(last or [("Sigmoid", ["z"], ["p"], {})])]
    weights = {"w": W[:, :1], "b": B[:1], "axis": np.array([1])}
    path = graph(tmp_path / "m.onnx", nodes, (4,), [("p", () if squeezed else (1,))], weights)
    victim = from_onnx(path)
    assert (victim.access.level, victim.access.classes) == ("probability", 2)
    p = expit(LOGIT[:, 0])
    np.testing.assert_allclose(victim(QUERIES).probability, np.stack([1 - p, p], axis=1), atol=1e-6)
    np.testing.assert_array_equal(victim(QUERIES).label, LOGIT[:, 0] > 0)
    np.testing.assert_array_equal(from_onnx(path, level="label")(QUERIES).label, LOGIT[:, 0] > 0)
    assert "ends in Sigmoid and is read as the probability of the second of two classes" in victim.notes[0]
    with pytest.raises(InputError, match="gives probabilities"):
        from_onnx(path, level="logit")


@pytest.mark.parametrize("parts", [False, True], ids=["one node", "in parts"])
def test_a_sigmoid_a_class_is_no_softmax(tmp_path, parts):
    steps = [
        ("Neg", ["z"], ["n"], {}),
        ("Exp", ["n"], ["e"], {}),
        ("Add", ["e", "one"], ["s"], {}),
        ("Reciprocal", ["s"], ["p"], {}),
    ]
    nodes = [GEMM, *(steps if parts else [("Sigmoid", ["z"], ["p"], {})])]
    path = graph(tmp_path / "m.onnx", nodes, (4,), [("p", (3,))], {"w": W, "b": B, "one": np.float32(1)})
    for level in (None, "probability", "logit"):
        with pytest.raises(InputError, match="scores of independent labels .* choose level 'label'"):
            from_onnx(path, level=level)
    np.testing.assert_array_equal(from_onnx(path, level="label")(QUERIES).label, LOGIT.argmax(1))


def test_a_logarithm_of_a_softmax_gives_its_softmax(tmp_path):
    path = write(tmp_path / "m.onnx", last=[("LogSoftmax", "42")], outputs=("42",), dtype=np.float64)
    np.testing.assert_allclose(from_onnx(path)(QUERIES).probability, softmax(LOGIT, axis=1), atol=1e-14)
    np.testing.assert_allclose(from_onnx(path, level="logit")(QUERIES).logit, log_softmax(LOGIT, axis=1), atol=1e-14)
    assert "ends in LogSoftmax and is read as logits" in from_onnx(path).notes[0]


def test_a_softmax_in_parts_is_known_by_its_answers(tmp_path):
    nodes = [
        GEMM,
        ("Exp", ["z"], ["e"], {}),
        ("ReduceSum", ["e", "axis"], ["s"], {"keepdims": 1}),
        ("Div", ["e", "s"], ["p"], {}),
    ]
    path = graph(tmp_path / "m.onnx", nodes, (4,), [("p", (3,))], {"w": W, "b": B, "axis": np.array([1])})
    np.testing.assert_allclose(from_onnx(path)(QUERIES).probability, softmax(LOGIT, axis=1), atol=1e-6)


@pytest.mark.parametrize(
    ("node", "number", "told"),
    [
        ("Mul", 100, "probabilities times 100: divide them by 100"),
        ("Log10", 1 / np.log(10), "to base 10: multiply them by 2.302585"),
        ("Neg", -1, "negative logarithms of probabilities: change their sign"),
    ],
)
def test_probabilities_on_another_scale_are_refused(tmp_path, node, number, told):
    first = "Softmax" if node == "Mul" else "LogSoftmax"
    nodes = [GEMM, (first, ["z"], ["c"], {"axis": 1}), ("Mul", ["c", "number"], ["p"], {})]
    path = graph(tmp_path / "m.onnx", nodes, (4,), [("p", (3,))], {"w": W, "b": B, "number": np.float32(number)})
    for level in (None, "label", "probability", "logit"):
        with pytest.raises(InputError, match=told):
            from_onnx(path, level=level)


def test_of_several_outputs_without_names_the_last_nodes_decide(tmp_path):
    nodes = [GEMM, ("Softmax", ["z"], ["c"], {"axis": 1})]
    path = graph(tmp_path / "m.onnx", nodes, (4,), [("z", (3,)), ("c", (3,))], {"w": W, "b": B})
    np.testing.assert_allclose(from_onnx(path)(QUERIES).probability, softmax(LOGIT, axis=1), atol=1e-6)
    np.testing.assert_allclose(from_onnx(path, level="logit")(QUERIES).logit, LOGIT, atol=1e-5)


def test_scores_with_an_axis_of_one_are_taken_and_of_sequences_refused(tmp_path):
    nodes = [GEMM, ("Softmax", ["z"], ["p"], {"axis": 1}), ("Unsqueeze", ["p", "axis"], ["q"], {})]
    weights = {"w": W, "b": B, "axis": np.array([1])}
    path = graph(tmp_path / "m.onnx", nodes, (4,), [("q", (1, 3))], weights)
    np.testing.assert_allclose(from_onnx(path)(QUERIES).probability, softmax(LOGIT, axis=1), atol=1e-6)
    nodes = [("MatMul", ["x", "w"], ["z"], {})]
    with pytest.raises(InputError, match="one score a class for each record"):
        from_onnx(graph(tmp_path / "s.onnx", nodes, (5, 4), [("z", (5, 3))], {"w": W}))


@pytest.mark.parametrize(
    ("last", "weights"),
    [
        (("Transpose", ["z"], ["p"], {"perm": [1, 0]}), {"w": RNG.normal(size=(4, 2)).astype(np.float32), "b": B[:2]}),
        (("Transpose", ["z"], ["p"], {"perm": [1, 0]}), {"w": W, "b": B}),
        (("ReduceMean", ["z"], ["p"], {"axes": [0], "keepdims": 0}), {"w": W, "b": B}),
    ],
)
def test_scores_of_other_things_than_the_records_are_refused(tmp_path, last, weights):
    path = graph(tmp_path / "m.onnx", [GEMM, last], (4,), [("p", None)], weights)
    for level in (None, "label"):
        with pytest.raises(InputError, match="the scores of . records have shape .* the records first"):
            from_onnx(path, level=level)


def test_a_graph_for_one_record_may_leave_the_batch_out(tmp_path):
    nodes = [GEMM, ("Softmax", ["z"], ["c"], {"axis": 1}), ("Squeeze", ["c", "axis"], ["p"], {})]
    weights = {"w": W, "b": B, "axis": np.array([0])}
    path = graph(tmp_path / "m.onnx", nodes, (4,), [("p", None)], weights, batch=1)
    victim = from_onnx(path)
    assert victim.access.classes == 3  # not a regressor that answers the first of them
    np.testing.assert_allclose(victim(QUERIES).probability, softmax(LOGIT, axis=1), atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "low", "high"),
    [("UINT8", 0, 255), ("INT8", -128, 127), ("INT32", -1, 1), ("INT64", -1, 1), ("INT16", -1, 1), ("UINT16", -1, 1)],
)
def test_a_graph_of_whole_numbers_is_asked_with_rounded_records(tmp_path, kind, low, high):
    nodes = [
        ("Cast", ["x"], ["f"], {"to": onnx.TensorProto.FLOAT}),
        ("Gemm", ["f", "w", "b"], ["z"], {}),
    ]
    dtype = getattr(onnx.TensorProto, kind)
    path = graph(tmp_path / "m.onnx", nodes, (4,), [("z", (3,))], {"w": W / 255, "b": B}, dtype=dtype)
    if kind == "UINT16":  # half of the range that is documented by default is none of its numbers
        with pytest.raises(InputError, match="takes whole numbers from 0 to 65535, and these range from -0"):
            from_onnx(path)
        return
    victim = from_onnx(path, level="logit")
    assert (victim.access.inputs.low.min(), victim.access.inputs.high.max()) == (low, high)
    queries = RNG.uniform(low, high, (20, 4))
    np.testing.assert_allclose(victim(queries).logit, np.rint(queries) @ W / 255 + B, atol=1e-5)
    np.testing.assert_allclose(victim(queries).logit, victim(np.rint(queries)).logit)


def test_records_beyond_the_numbers_of_a_graph_are_refused(tmp_path):
    nodes = [("Cast", ["x"], ["f"], {"to": onnx.TensorProto.FLOAT}), ("Gemm", ["f", "w", "b"], ["z"], {})]
    path = graph(tmp_path / "m.onnx", nodes, (4,), [("z", (3,))], {"w": W, "b": B}, dtype=onnx.TensorProto.UINT8)
    with pytest.raises(InputError, match="whole numbers from 0 to 255, and these range from -.* records on that scale"):
        from_onnx(path, inputs=Inputs.box(-1, 1, (4,)))


def test_data_that_a_graph_would_round_are_refused(tmp_path):
    nodes = [("Cast", ["x"], ["f"], {"to": onnx.TensorProto.FLOAT}), ("Gemm", ["f", "w", "b"], ["z"], {})]
    path = graph(tmp_path / "m.onnx", nodes, (4,), [("z", (3,))], {"w": W, "b": B}, dtype=onnx.TensorProto.INT8)
    y = np.arange(12) % 3
    np.savez(tmp_path / "fractions.npz", x=RNG.uniform(0, 1, (12, 4)), y=y)
    with pytest.raises(InputError, match=r"takes whole numbers and the records of .* hold fractions \(0"):
        open_victim(str(path), data=str(tmp_path / "fractions.npz"))
    np.savez(tmp_path / "whole.npz", x=np.rint(RNG.uniform(-100, 100, (12, 4))), y=y)
    assert open_victim(str(path), data=str(tmp_path / "whole.npz")).x is not None


@pytest.mark.parametrize("zipmap", [True, False])
def test_the_columns_have_the_names_of_the_classes(tmp_path, zipmap):
    skl2onnx = pytest.importorskip("skl2onnx")
    for names in (["10", "2", "cat"], [-1, 10, 2]):
        fitted = LogisticRegression().fit(X, np.array(names)[Y])
        made = skl2onnx.to_onnx(fitted, X[:1].astype(np.float32), options={id(fitted): {"zipmap": zipmap}})
        (tmp_path / "m.onnx").write_bytes(made.SerializeToString())
        victim = from_onnx(tmp_path / "m.onnx")
        assert victim.names == tuple(map(str, fitted.classes_.tolist()))
        np.testing.assert_allclose(victim(QUERIES).probability, fitted.predict_proba(QUERIES), atol=1e-6)


def test_a_file_of_another_time_is_refused_without_the_insides_of_the_runtime(tmp_path):
    model = onnx.load(str(write(tmp_path / "m.onnx")))
    model.ir_version = 99
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(InputError, match="failed:Unsupported model IR version: 99") as caught:
        from_onnx(tmp_path / "m.onnx")
    assert "onnxruntime::" not in str(caught.value)


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
    with pytest.raises(InputError, match=r"needs onnxruntime: install it with: pip install "):
        from_onnx(tmp_path / "m.onnx")


def test_weights_beside_the_file_belong_to_what_answers(tmp_path):
    write(tmp_path / "whole.onnx")
    model = onnx.load(str(tmp_path / "whole.onnx"))
    onnx.save_model(model, str(tmp_path / "m.onnx"), save_as_external_data=True, location="w.bin", size_threshold=0)
    first = from_onnx(tmp_path / "m.onnx")
    assert content(first) == content(from_onnx(tmp_path / "m.onnx"))
    weights = bytearray((tmp_path / "w.bin").read_bytes())
    weights[0] ^= 1
    (tmp_path / "w.bin").write_bytes(weights)
    second = from_onnx(tmp_path / "m.onnx")
    assert not np.array_equal(first(QUERIES).probability, second(QUERIES).probability)
    assert content(first)["file"] == content(second)["file"]
    assert content(first)["external"] != content(second)["external"]
