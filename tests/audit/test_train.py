from __future__ import annotations

import json
import sys

import jax
import numpy as np
import pytest
from scaled_factories import write_factories

from jaxattack.audit import load_victim, train_victim
from jaxattack.audit.model_source import load_factory
from jaxattack.audit.records import choose_records
from jaxattack.data import load, random_labels
from jaxattack.models import Architecture, build
from jaxattack.training import Recipe
from jaxattack.training.learners import Standard
from jaxattack.types import InputError, InputWarning

DATA = random_labels(records=31, features=5, classes=3)
LEARNER = Standard(recipe=Recipe(epochs=2, batch=4))
SOFTMAX = Architecture(name="softmax")
MODEL = Architecture(name="mlp:8", activation="tanh", dropout=0.1)
FACTORY = """
from jaxattack.models import build

def good(shape, classes):
    return build("mlp:4", tuple(shape), classes)
"""


@pytest.fixture
def factories(tmp_path, monkeypatch):
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "victim_factories.py").write_text(FACTORY)
    monkeypatch.syspath_prepend(folder)
    yield
    sys.modules.pop("victim_factories", None)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("victim") / "model"
    return folder, train_victim(folder, model=MODEL, dataset=DATA, learner=LEARNER, seed=5)


def test_a_model_folder_says_what_was_trained_on_what(trained):
    folder, description = trained
    assert sorted(file.name for file in folder.iterdir()) == ["member.npy", "model.json", "weights.npz"]
    assert json.loads((folder / "model.json").read_text()) == description
    assert description["victim"]["activation"] == "tanh"
    assert (description["members"], description["classes"], description["shape"]) == (15, 3, [5])
    assert 0 <= description["test_accuracy"] <= 1
    assert 0 <= description["train_accuracy"] <= 1
    assert {"jax", "flax", "numpy", "python"} <= set(description["environment"])


def test_a_model_is_replaced_only_by_who_says_so(trained, monkeypatch):
    folder, description = trained
    before = {file: file.read_bytes() for file in folder.iterdir()}
    how = {"model": MODEL, "dataset": DATA, "learner": LEARNER}
    monkeypatch.setattr("jaxattack.audit.train.train_one", lambda *_, **__: pytest.fail("it was trained again"))
    assert train_victim(folder, **how, seed=5) == description
    for changes in ({"seed": 6}, {"seed": 5, "members": 4}, {"seed": 5, "learner": Standard(recipe=Recipe(epochs=9))}):
        with pytest.raises(InputError, match=r"holds another model \(.*differ\): give another folder, or replace it"):
            train_victim(folder, **how | changes)
    assert {file: file.read_bytes() for file in folder.iterdir()} == before
    with pytest.raises(pytest.fail.Exception, match="trained again"):
        train_victim(folder.parent / "other", **how, seed=5, replace=True)


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
    train_victim(other, model=MODEL, dataset=DATA, learner=LEARNER, seed=5)
    again = load_victim(other)
    np.testing.assert_array_equal(again.model.apply(again.variables, DATA.x), logits)


def test_a_victim_trained_on_everything_has_no_test_accuracy(tmp_path):
    description = train_victim(tmp_path / "m", model=SOFTMAX, dataset=DATA, learner=LEARNER, members=31)
    assert description["test_accuracy"] is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"members": 32}, "members is 32 and there are 31 records"),
        ({"members": 0}, "members=0: give at least 1"),
        ({"records": 32}, "records is 32 and .* has 31: ask for at most that many"),
        ({"records": 3}, "records is 3: give at least 4"),
        ({"model": Architecture(name="cnn:4")}, "needs images"),
    ],
)
def test_bad_input_is_refused_before_anything_is_written(tmp_path, changes, words):
    with pytest.raises(InputError, match=words):
        train_victim(tmp_path / "m", **{"model": SOFTMAX, "dataset": DATA, "learner": LEARNER} | changes)
    assert not (tmp_path / "m").exists()


def test_augmentation_of_a_table_leaves_no_folder(tmp_path):
    with pytest.raises(InputError, match="holds no images"):
        train_victim(tmp_path / "m", model=SOFTMAX, dataset=DATA, learner=Standard(recipe=Recipe(flip=True)))
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize("seed", [-1, 2**70])
def test_a_seed_out_of_range_is_refused_in_a_sentence(tmp_path, seed):
    with pytest.raises(InputError, match="seed"):
        train_victim(tmp_path / "m", model=SOFTMAX, dataset=DATA, learner=LEARNER, records=20, seed=seed)
    assert not (tmp_path / "m").exists()


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
    good = load_factory("victim_factories:good")
    description = train_victim(tmp_path / "m", model=good, dataset=DATA, learner=LEARNER)
    assert description["victim"]["model"] == "victim_factories:good"
    for factory in ("victim_factories:good", good):
        loaded = load_victim(tmp_path / "m", factory=factory)
        assert loaded.model.apply(loaded.variables, DATA.x).shape == (31, 3)


def test_weights_are_refused_under_code_that_has_changed_since(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    write_factories(tmp_path, first_scale=1.0, second_scale=-2.0)
    train_victim(tmp_path / "m", model=load_factory("first_scale:small"), dataset=DATA, learner=LEARNER)
    load_victim(tmp_path / "m", factory="first_scale:small")
    file = tmp_path / "m" / "model.json"
    edited = file.read_text().replace("first_scale", "second_scale")  # the module was edited, its name stayed
    file.write_text(edited)
    with pytest.raises(InputError, match="the code of second_scale:small is another than its weights were trained as"):
        load_victim(tmp_path / "m", factory="second_scale:small")
    with pytest.warns(InputWarning, match="whether second_scale:small is the code .* cannot be told"):
        load_victim(tmp_path / "m", factory=load_factory("second_scale:small"))
    for package in ("jax", "flax", "jaxattack"):
        other = json.loads(edited)
        other["environment"][package] = "0.0.1"
        file.write_text(json.dumps(other))
        with pytest.warns(InputWarning, match="as with another version of JAX, Flax or jaxattack"):
            load_victim(tmp_path / "m", factory="second_scale:small")


def test_a_model_of_ones_own_is_loaded_where_it_is_given(trained, tmp_path):
    model = build("mlp:4", DATA.shape, DATA.classes)
    train_victim(tmp_path, model=model, dataset=DATA, learner=LEARNER)
    assert load_victim(tmp_path, factory=model).model is model
    with pytest.raises(InputError, match="names the factory 'Model', code that would run here"):
        load_victim(tmp_path)
    with pytest.raises(InputError, match=r"factory is 'Model' and .* names the model 'mlp:8', no factory"):
        load_victim(trained[0], factory=model)


def test_a_model_folder_that_is_none_is_refused(tmp_path, trained):
    with pytest.raises(InputError, match="holds no model: give a folder that `jaxattack train` wrote"):
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


def test_a_victim_learns_its_task(tmp_path):
    description = train_victim(
        tmp_path / "m",
        model=SOFTMAX,
        dataset=load("iris"),
        learner=Standard(recipe=Recipe(epochs=30, learning_rate=0.05)),
    )
    assert description["data"]["records"] == len(load("iris"))
    assert description["test_accuracy"] > 0.7
    assert jax.tree.leaves(load_victim(tmp_path / "m").variables.params)
