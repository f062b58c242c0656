from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxattack.data import from_arrays, load, save
from jaxattack.data.labels import read_labels
from jaxattack.types import InputError, InputWarning

Y = np.array([2, 0, 1, 0, 2, 1])


@pytest.mark.parametrize(
    "given",
    [
        Y.astype(np.uint8),
        Y.astype(np.float32),
        Y[:, None],
        np.eye(3)[Y],
        np.eye(3, dtype=bool)[Y],
        np.eye(3, dtype=np.uint8)[Y],
        Y.astype(object),
    ],
    ids=["bytes", "floats", "column", "one-hot", "one-hot Booleans", "one-hot bytes", "objects"],
)
def test_labels_of_every_kind_are_the_same_classes(given):
    labels = read_labels(given, "y")
    np.testing.assert_array_equal(labels.number, Y)
    assert (labels.number.dtype, labels.classes, labels.names) == (np.int64, 3, ())


@given(st.lists(st.sampled_from(["cat", "dog", "ant", "10", "2"]), min_size=1, max_size=12))
def test_text_labels_are_named_classes(words):
    for y in (np.array(words), np.array(words, object), np.array(words)[:, None], np.array(words).astype("S")):
        labels = read_labels(y, "y")
        assert [labels.names[number] for number in labels.number] == words
        assert list(labels.names) == sorted(set(words))


@given(st.lists(st.integers(-50, 50), min_size=2, max_size=12).filter(lambda ys: len(set(ys)) > 1))
def test_whole_numbers_keep_their_order_and_become_names_where_they_do_not_count_from_0(numbers):
    counting = set(numbers) == set(range(len(set(numbers))))
    if counting:
        labels = read_labels(np.array(numbers), "y")
        assert labels.number.tolist() == numbers
        assert labels.names == ()
    else:
        with pytest.warns(InputWarning, match="taken for .* classes in their order"):
            labels = read_labels(np.array(numbers), "y")
        assert [int(labels.names[number]) for number in labels.number] == numbers
        assert [int(name) for name in labels.names] == sorted(set(numbers))


def test_booleans_are_two_classes():
    assert read_labels(np.array([True, False]), "y").number.tolist() == [1, 0]


def test_declared_classes_keep_numbers_and_look_names_up():
    assert read_labels(np.array([0, 4]), "y", classes=6) == (pytest.approx([0, 4]), 6, ())
    labels = read_labels(np.array(["b", "a"]), "y", names=["c", "b", "a"])
    assert (labels.number.tolist(), labels.classes, labels.names) == ([1, 2], 3, ("c", "b", "a"))
    assert read_labels(np.array([1, 2]), "y", names=["c", "b", "a"]).names == ("c", "b", "a")


@pytest.mark.parametrize(
    ("y", "options", "words"),
    [
        (np.zeros((2, 3)), {}, "single 1 and otherwise 0"),
        (np.ones((2, 2)), {}, "single 1 and otherwise 0"),
        (np.eye(2), {"classes": 3}, "classes is 3"),
        (np.zeros((2, 1, 1)), {}, "one label a record"),
        (np.array([0.5, 1]), {}, "holds 0.5, which is no whole number"),
        (np.array([np.nan, 1]), {}, "holds nan"),
        (np.array([1j]), {}, "dtype complex128"),
        (np.array([2**63, 1], np.uint64), {}, "holds 9223372036854775808, beyond the numbers of int64"),
        (np.array([{}, 1], object), {}, "dtype object"),
        (np.array([0, 9]), {"classes": 3}, "ranges from 0 to 9, outside 0 to 2"),
        (np.array(["a", "b"]), {"classes": 3}, "2 different names and classes is 3"),
        (np.array(["a", "z"]), {"names": ["a", "b"]}, "holds 'z', which classes does not name"),
    ],
)
def test_labels_of_another_kind_are_refused_in_a_sentence(y, options, words):
    with pytest.raises(InputError, match=words) as caught:
        read_labels(y, "y", **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "missing", [None, np.nan, *(kind("nan") for kind in (np.float64, np.float32, np.float16, Decimal))]
)
def test_a_label_that_is_missing_is_no_class_of_its_own(missing):
    y = np.array(["cat", "dog", missing, "cat"], object)
    with pytest.raises(InputError, match="y has no label in 1 of 4 places, first at 2"):
        read_labels(y, "y")


def test_names_survive_being_written(tmp_path):
    dataset = from_arrays(np.arange(12.0).reshape(6, 2), np.array(["cat", "dog", "cat", "ant", "dog", "ant"]))
    save(dataset, tmp_path / "pets.npz")
    again = load(tmp_path / "pets.npz")
    assert again.names == dataset.names == ("ant", "cat", "dog")
    np.testing.assert_array_equal(again.y, dataset.y)
    # A part of the data that lacks a class keeps the numbers of the others.
    save(dataset.take(np.array([1, 3])), tmp_path / "part.npz")
    assert load(tmp_path / "part.npz").y.tolist() == [2, 0]


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (["no", "no ", "yes"], "'no' and 'no ', which differ by blanks alone: write them alike"),
        (["e\u0301te", "\xe9te", "b"], "holds 'e.u0301te' and '.xe9te', which look the same: write them alike"),
        (["no", "no\u200b", "yes"], "holds 'no' and 'no.u200b', which look the same"),
        (["no", "", "yes"], "holds '', which is no label: fill it"),
        (["no", "nan", "yes"], "holds 'nan', which is no label: fill it"),
        ([b"\xe9", b"\xe8", b"e"], "holds bytes that are no UTF-8 .*: give text"),
    ],
)
def test_text_that_is_a_slip_makes_no_class_of_its_own(y, message):
    with pytest.raises(InputError, match=message):
        read_labels(np.array(y), "y")
    if isinstance(y[0], str):
        assert read_labels(np.array(y), "y", names=y).number.tolist() == [0, 1, 2]


def test_names_that_differ_by_capitals_alone_are_told():
    with pytest.warns(InputWarning, match="'No' and 'no', which differ by capitals alone and are two classes"):
        assert read_labels(np.array(["no", "No", "yes"]), "y").names == ("No", "no", "yes")
