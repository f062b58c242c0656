from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from jaxattack.audit.columns import UNKNOWN, match_columns
from jaxattack.audit.estimators import ESTIMATORS
from jaxattack.audit.target.answers import ask_victim
from jaxattack.audit.victim import as_victim, input_ranges
from jaxattack.audit.victim_names import open_victim
from jaxattack.data import from_arrays, load
from jaxattack.oracle import from_estimator, from_function, label_only
from jaxattack.serve import serving
from jaxattack.training import Queries
from jaxattack.types import Access, InputError, Inputs

RNG = np.random.default_rng(0)


@pytest.fixture
def lacking(tmp_path):
    """Records of three classes that are easily told apart; the middle one has a single record, the last."""
    y = 2 * RNG.integers(0, 2, 80)
    y[-1] = 1
    x = RNG.normal(size=(80, 6)).astype(np.float32)
    x[np.arange(80), y] += 6
    np.savez(tmp_path / "lacking.npz", x=x, y=y)
    return str(tmp_path / "lacking.npz")


@pytest.mark.parametrize("kind", [name for name in ESTIMATORS if name != "regression-tree"])
def test_an_estimator_whose_members_lack_a_class_is_compared_by_the_classes_that_it_has(lacking, kind):
    for seed in range(1, 9):
        victim = open_victim(kind, data=lacking, seed=seed, members=30)
        assert victim.x is not None
        assert victim.y is not None
        if victim.oracle.access.classes == 2:
            break
    else:
        pytest.fail("every draw has the class")
    right = victim.twin(victim.x).label == victim.y
    assert right[victim.y != UNKNOWN].mean() > 0.8  # by position it would be half
    assert not right[victim.y == UNKNOWN].any()
    assert "does not know class 1" in victim.notes[0]
    assert "columns are 0, 2" in victim.notes[0]
    assert victim.dataset is not None
    assert victim.dataset.names == ("0", "2")
    answers = victim.twin(victim.dataset.x.reshape(len(victim.dataset), -1).astype(float)).label
    assert (answers == victim.dataset.y).mean() > 0.8


def test_labels_are_columns_whatever_the_classes_are_called(lacking):
    full = np.load(lacking)
    x, y = full["x"][full["y"] != 1].astype(float), full["y"][full["y"] != 1]
    for kind in ("kernel", "logistic", "tree"):
        make = ESTIMATORS[kind].fit(x, y, input_ranges(x), 0).oracle
        label = make("label", 0.0)(x).label
        np.testing.assert_array_equal(label, make("probability", 0.0)(x).label)
        assert set(label) == {0, 1}


def test_a_regressor_has_no_accuracy(lacking):
    assert open_victim("regression-tree", data=lacking).y is None


def test_columns_of_a_table_in_another_order_than_the_victims_are_refused(tmp_path):
    pandas, skops = pytest.importorskip("pandas"), pytest.importorskip("skops.io")
    frame = pandas.DataFrame(RNG.normal(size=(60, 3)), columns=["age", "height", "weight"])
    label = np.where(frame["age"] > 0, "old", "young")
    fitted = LogisticRegression().fit(frame, label)
    skops.dump(fitted, tmp_path / "a.skops")
    for order in (["age", "height", "weight"], ["height", "age", "weight"]):
        frame[order].assign(label=label).to_csv(tmp_path / f"{order[0]}.csv", index=False)
    victim = open_victim(str(tmp_path / "a.skops"), data=str(tmp_path / "age.csv"))
    assert victim.x is not None
    assert (victim.oracle(victim.x).label == victim.y).mean() > 0.9
    wrong = "feature 1 is 'height', which the victim takes as its 2. of 3: give the columns in its order \\(age, height, weight\\)"
    with pytest.raises(InputError, match=wrong):
        open_victim(str(tmp_path / "a.skops"), data=str(tmp_path / "height.csv"))
    with serving(from_estimator(fitted)) as server, pytest.raises(InputError, match=wrong):
        open_victim(server, data=str(tmp_path / "height.csv"))
    with pytest.raises(InputError, match=wrong):
        ask_victim(as_victim(from_estimator(fitted)), load(tmp_path / "height.csv"), Queries.counting(1))


def dataset(y, **options):
    return from_arrays(RNG.normal(size=(len(y), 4)), np.asarray(y), **options)


@pytest.mark.parametrize(
    ("labels", "records", "expected"),
    [
        (["b", "a", "c"], dataset(["c", "a", "b"]), [0, 1, 2]),
        (["a", "c"], dataset(["c", "a", "b"]), [0, UNKNOWN, 1]),
        (["a", "b", "c", "d"], dataset(["d", "b"]), [1, 3]),
        ([0, 2], dataset([0, 1, 2]), [0, UNKNOWN, 1]),
        ([0, 1, 2], dataset([0, 2], classes=3), [0, 1, 2]),
        ([-1, 10, 2], dataset([0, 1, 2], names=["10", "-1", "2"]), [2, 0, 1]),
        ([0.0, 1.0], dataset([0, 1]), [0, 1]),
        ([True, False], dataset([0, 1]), [0, 1]),
        (["x", "y"], dataset([0, 1]), [0, 1]),
        (["x", "y", "z"], dataset([0, 1]), None),
    ],
)
def test_columns_are_matched_by_name(labels, records, expected):
    x = RNG.normal(size=(60, 4))
    y = np.array(labels)[np.arange(60) % len(labels)]
    for fitted in (LogisticRegression().fit(x, y), RandomForestClassifier(3).fit(x, y)):
        columns = match_columns(records, from_estimator(fitted))
        assert (None if columns.of is None else columns.of.tolist()) == expected
        assert bool(columns.notes) == (expected is None or UNKNOWN in expected or labels == ["x", "y"])


@pytest.mark.parametrize(
    ("labels", "names"), [([0, 1, 2], ["1", "2", "3"]), ([1, 2, 3], ["0", "1", "2"]), ([0, 1], ["-1", "1"])]
)
def test_whole_numbers_that_one_side_counted_anew_from_0_are_matched_by_order(labels, names):
    """As whoever fits on the numbered labels of a file that has 1 to 3: by name each class would be the next one."""
    x = RNG.normal(size=(60, 4))
    fitted = LogisticRegression().fit(x, np.array(labels)[np.arange(60) % len(labels)])
    columns = match_columns(dataset(list(range(len(labels))), names=names), from_estimator(fitted))
    assert columns.of is not None
    assert columns.of.tolist() == list(range(len(labels)))
    assert "in their order" in columns.notes[0]


def numbered(classes):
    return from_function(
        lambda x: np.full((len(x), classes), 1 / classes),
        Access(level="probability", classes=classes, inputs=Inputs.box(-1, 1, (4,))),
    )


def test_columns_without_names_are_matched_by_number_or_by_order():
    assert match_columns(dataset([0, 1, 2]), numbered(3)) == (pytest.approx([0, 1, 2]), ())
    with pytest.warns(UserWarning, match="3 different labels from 1 to 3"):
        from_one = dataset([1, 2, 3])
    columns = match_columns(from_one, numbered(3))
    assert columns.of is not None
    assert columns.of.tolist() == [0, 1, 2]
    assert "(1, 2, 3) are taken for the victim's (0, 1, 2) in their order" in columns.notes[0]
    with pytest.warns(UserWarning, match="2 different labels from 0 to 2"):
        gap = dataset([0, 2])
    columns = match_columns(gap, numbered(3))
    assert columns.of is not None
    assert columns.of.tolist() == [0, 2]
    assert match_columns(dataset(["ant", "bee"]), numbered(3)).of is None


def test_a_service_documents_its_columns(lacking):
    fitted = LogisticRegression().fit(
        *(array[:-1] for array in np.load(lacking).values())
    )  # without the one of class 1
    with serving(label_only(from_estimator(fitted))) as url:
        victim = open_victim(url, data=lacking)
        assert victim.names == ("0", "2")
        assert victim.x is not None
        right = victim.ask(victim.x).label == victim.y
        columns = match_columns(dataset([0, 1, 2]), label_only(victim.oracle)).of
        victim.oracle.close()  # pyright: ignore[reportAttributeAccessIssue]
    assert right.mean() > 0.95  # by position it would be half
    assert columns is not None
    assert columns.tolist() == [0, UNKNOWN, 1]


def test_images_are_given_to_a_file_in_the_layout_that_it_takes(tmp_path):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    weight = RNG.normal(size=(3 * 6 * 5, 2)).astype(np.float32)
    made = onnx.helper.make_graph(
        [onnx.helper.make_node("Flatten", ["x"], ["flat"]), onnx.helper.make_node("MatMul", ["flat", "w"], ["z"])],
        "graph",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ("batch", 3, 6, 5))],
        [onnx.helper.make_tensor_value_info("z", onnx.TensorProto.FLOAT, ("batch", 2))],
        [onnx.numpy_helper.from_array(weight, "w")],
    )
    opset = [onnx.helper.make_opsetid("", 17)]
    model = onnx.helper.make_model(made, opset_imports=opset, ir_version=9)
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    x = RNG.uniform(-1, 1, (60, 6, 5, 3)).astype(np.float32)
    y = (x.transpose(0, 3, 1, 2).reshape(60, -1) @ weight).argmax(1)
    for layout in (x, x.transpose(0, 3, 1, 2)):
        np.savez(tmp_path / "images.npz", x=layout, y=y)
        victim = open_victim(str(tmp_path / "m.onnx"), data=str(tmp_path / "images.npz"))
        assert victim.x is not None
        np.testing.assert_array_equal(victim.twin(victim.x).label, victim.y)
