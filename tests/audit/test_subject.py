from __future__ import annotations

import json
import sys

import jax
import numpy as np
import pytest

from jaxattack.audit import Subject, load_victim, train_victim
from jaxattack.audit.subject import architecture, choose_records
from jaxattack.data import load, random_labels
from jaxattack.training import Recipe
from jaxattack.types import InputError

DATA = random_labels(records=31, features=5, classes=3)
RECIPE = Recipe(epochs=2, batch=4)
FACTORIES = """
from jaxattack.models import build

def good(shape, classes):
    return build("mlp:4", tuple(shape), classes)

def wide(shape, classes):
    return build("mlp:4", tuple(shape), classes + 1)

def fails(shape, classes):
    raise RuntimeError("no such thing\\nsecond line")

def nothing(shape, classes):
    return None

def two_answers(shape, classes):
    model = good(shape, classes)
    return model._replace(apply=lambda variables, x: (model.apply(variables, x), 1))

def bad_forward(shape, classes):
    model = good(shape, classes)
    return model._replace(forward=lambda variables, x, key: model.apply(variables, x))

attribute = 3
"""


@pytest.fixture
def factories(tmp_path, monkeypatch):
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "victim_factories.py").write_text(FACTORIES)
    (folder / "broken_factories.py").write_text("1 / 0\n")
    (folder / "unfinished_factories.py").write_text("def f(:\n")
    monkeypatch.syspath_prepend(folder)
    yield
    for name in ("victim_factories", "broken_factories", "unfinished_factories"):
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("victim") / "model"
    victim = Subject(data=DATA.name, model="mlp:8", activation="tanh", dropout=0.1)
    return folder, train_victim(folder, victim=victim, recipe=RECIPE, seed=5, dataset=DATA)


def test_a_model_folder_says_what_was_trained_on_what(trained):
    folder, description = trained
    assert sorted(file.name for file in folder.iterdir()) == ["member.npy", "model.json", "weights.npz"]
    assert json.loads((folder / "model.json").read_text()) == description
    assert description["victim"]["activation"] == "tanh"
    assert (description["members"], description["classes"], description["shape"]) == (15, 3, [5])
    assert 0 <= description["test_accuracy"] <= 1
    assert 0 <= description["train_accuracy"] <= 1
    assert {"jax", "flax", "numpy", "python"} <= set(description["environment"])


def test_a_loaded_victim_answers_as_the_one_that_was_trained(trained):
    folder, description = trained
    loaded = load_victim(folder)
    assert loaded.description == description
    assert loaded.member.sum() == 15
    logits = np.asarray(loaded.model.apply(loaded.variables, DATA.x))
    right = logits.argmax(axis=1) == DATA.y
    assert right[loaded.member].mean() == pytest.approx(description["train_accuracy"])
    assert right[~loaded.member].mean() == pytest.approx(description["test_accuracy"])
    # The weights are what was learnt, to the bit: the same command gives the same logits.
    other = folder.parent / "again"
    train_victim(other, victim=Subject(**description["victim"]), recipe=RECIPE, seed=5, dataset=DATA)
    again = load_victim(other)
    np.testing.assert_array_equal(again.model.apply(again.variables, DATA.x), logits)


def test_a_victim_trained_on_everything_has_no_test_accuracy(tmp_path):
    description = train_victim(tmp_path / "m", victim=Subject(model="softmax"), recipe=RECIPE, members=31, dataset=DATA)
    assert description["test_accuracy"] is None


@pytest.mark.parametrize(
    ("victim", "members", "words"),
    [
        (Subject(model="softmax"), 32, "members is 32 and there are 31 records"),
        (Subject(model="softmax"), 0, "members=0: give at least 1"),
        (Subject(model="softmax", records=32), None, "records is 32 and .* has 31: ask for at most that many"),
        (Subject(model="vgg"), None, "model is 'vgg': give one of"),
        (Subject(model="cnn:4"), None, "needs images"),
        (Subject(model="softmax", dropout=2.0), None, "dropout is 2.0"),
    ],
)
def test_bad_input_is_refused_before_anything_is_written(tmp_path, victim, members, words):
    with pytest.raises(InputError, match=words):
        train_victim(tmp_path / "m", victim=victim, recipe=RECIPE, members=members, dataset=DATA)
    assert not (tmp_path / "m").exists()


def test_augmentation_of_a_table_leaves_no_folder(tmp_path):
    with pytest.raises(InputError, match="holds no images"):
        train_victim(tmp_path / "m", victim=Subject(model="softmax"), recipe=Recipe(flip=True), dataset=DATA)
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize("seed", [-1, 2**70])
def test_a_seed_out_of_range_is_refused_in_a_sentence(tmp_path, seed):
    with pytest.raises(InputError, match="seed"):
        train_victim(
            tmp_path / "m", victim=Subject(model="softmax", records=20), recipe=RECIPE, seed=seed, dataset=DATA
        )
    assert not (tmp_path / "m").exists()


def test_fewer_than_four_records_are_refused():
    with pytest.raises(InputError, match="records is 3: give at least 4"):
        Subject(records=3)


def test_chosen_records_are_distinct_in_order_and_follow_from_the_seed():
    some = choose_records(DATA, 12, 0)
    assert len(np.unique(some.x, axis=0)) == 12
    places = [int(np.flatnonzero((DATA.x == row).all(axis=1))[0]) for row in some.x]
    assert places == sorted(places)
    np.testing.assert_array_equal(some.y, DATA.y[places])
    np.testing.assert_array_equal(choose_records(DATA, 12, 0).x, some.x)
    assert not np.array_equal(choose_records(DATA, 12, 1).x, some.x)
    assert choose_records(DATA, None, 0) is DATA


def test_a_factory_makes_the_model(factories, tmp_path):
    victim = Subject(data=DATA.name, model="victim_factories:good")
    description = train_victim(tmp_path / "m", victim=victim, recipe=RECIPE, dataset=DATA)
    assert description["victim"]["model"] == "victim_factories:good"
    loaded = load_victim(tmp_path / "m", factory="victim_factories:good")
    assert loaded.model.apply(loaded.variables, DATA.x).shape == (31, 3)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("victim_factories:fails", r"failed for records of shape \(5,\) and 3 classes \(RuntimeError: no such thing\)"),
        ("victim_factories:nothing", "returns a jaxattack Model"),
        ("victim_factories:attribute", "returns a jaxattack Model"),
        ("victim_factories:wide", r"answers 2 records with shape \(2, 4\)"),
        ("victim_factories:two_answers", "victim_factories:two_answers"),
        ("victim_factories:bad_forward", "forward"),
        ("victim_factories:missing", "cannot be imported"),
        ("no_such_module:good", "cannot be imported"),
        ("broken_factories:f", "broken_factories:f"),
        ("unfinished_factories:f", "unfinished_factories:f"),
        (":good", "model"),
        (".victim_factories:good", "model"),
    ],
)
def test_a_factory_that_does_not_work_is_refused_in_a_sentence(factories, model, words):
    with pytest.raises(InputError, match=words) as caught:
        architecture(Subject(model=model), DATA)
    assert "\n" not in str(caught.value)


def test_a_model_folder_that_is_none_is_refused(tmp_path, trained):
    with pytest.raises(InputError, match=r"model\.json does not exist"):
        load_victim(tmp_path)
    _folder, description = trained
    for damaged in ({}, description | {"victim": {"data": "digits", "wings": 2}}, description | {"shape": "wide"}):
        (tmp_path / "model.json").write_text(json.dumps(damaged))
        with pytest.raises(InputError, match=r"describes no model|has model format None"):
            load_victim(tmp_path)


def test_weights_that_are_missing_or_of_another_model_are_refused(tmp_path, trained):
    folder, description = trained
    (tmp_path / "model.json").write_text(json.dumps(description))
    with pytest.raises(InputError, match=r"weights\.npz does not exist"):
        load_victim(tmp_path)
    (tmp_path / "weights.npz").write_bytes((folder / "weights.npz").read_bytes())
    with pytest.raises(InputError, match=r"member\.npy cannot be read"):
        load_victim(tmp_path)
    (tmp_path / "model.json").write_text(
        json.dumps(description | {"victim": {**description["victim"], "model": "mlp:9"}})
    )
    with pytest.raises(InputError, match="another architecture"):
        load_victim(tmp_path)


def test_a_named_data_set_needs_no_dataset(tmp_path):
    description = train_victim(
        tmp_path / "m", victim=Subject(data="iris", model="softmax"), recipe=Recipe(epochs=30, learning_rate=0.05)
    )
    assert description["data"]["records"] == len(load("iris"))
    assert description["test_accuracy"] > 0.7
    assert jax.tree.leaves(load_victim(tmp_path / "m").variables.params)
