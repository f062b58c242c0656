"""What a model may be given as: the Model that it becomes, what it is called, and what is refused."""

from __future__ import annotations

import sys
from functools import partial

import flax.linen as nn
import jax
import numpy as np
import pytest
from flax import nnx
from sklearn.linear_model import LogisticRegression

from jaxattack import audit
from jaxattack.audit.model_source import identity, source_of
from jaxattack.data import load, random_labels
from jaxattack.models import Architecture, build, from_module, label, model_of
from jaxattack.oracle import from_model
from jaxattack.oracle.identity import content
from jaxattack.training import Recipe, train_ensemble, train_one
from jaxattack.training.learners import Standard
from jaxattack.training.source import model_for
from jaxattack.types import InputError, Inputs, InputWarning

DATA = random_labels(records=31, features=5, classes=3)
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


class Shaped(nnx.Module):
    def __init__(self, shape, classes, *, width=4, rngs):
        self.layers = nnx.List([nnx.Linear(shape[0], width, rngs=rngs), nnx.Linear(width, classes, rngs=rngs)])

    def __call__(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


class Fixed(Shaped):
    def __init__(self, rngs):
        super().__init__((5,), 3, rngs=rngs)


class Linear(nn.Module):
    features: int

    @nn.compact
    def __call__(self, x):
        return nn.Dense(self.features)(x)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        (Architecture(name="mlp:4"), "mlp:4"),
        (build("mlp:4", (5,), 3), "Model"),
        (Shaped, f"{__name__}:Shaped"),
        (Fixed, f"{__name__}:Fixed"),
        (partial(Shaped, width=2), f"{__name__}:Shaped"),
        (lambda rngs: Shaped((5,), 3, rngs=rngs), f"{__name__}:<lambda>"),
        (lambda shape, classes: build("mlp:4", shape, classes), f"{__name__}:<lambda>"),
        (Linear(3), f"{__name__}:Linear"),
        (lambda shape, classes: Linear(classes), f"{__name__}:<lambda>"),
    ],
)
def test_every_source_becomes_a_model_that_starts_anew_from_each_key(source, name):
    model = model_for(source, DATA)
    first, other = (model.apply(model.init(jax.random.key(seed)), DATA.x) for seed in (0, 1))
    assert first.shape == (31, 3)
    assert not np.allclose(first, other)
    assert label(source) == name
    assert identity(source, model, DATA.shape)["model"] == name


def test_a_module_that_is_made_starts_every_model_from_its_weights_and_says_so():
    module = Fixed(nnx.Rngs(0))
    with pytest.warns(InputWarning, match="Fixed is made already: every model starts from its weights"):
        model = model_for(module, DATA)
    before = np.asarray(module(DATA.x))
    for seed in (0, 1):
        np.testing.assert_array_equal(model.apply(model.init(jax.random.key(seed)), DATA.x), before)
    with pytest.warns(InputWarning):
        other = model_for(Fixed(nnx.Rngs(1)), DATA)
    assert identity(module, model, (5,))["code"] != identity(module, other, (5,))["code"]
    module.layers[0].bias[...] = 7.0
    np.testing.assert_array_equal(model.apply(model.init(jax.random.key(0)), DATA.x), before)


@pytest.mark.parametrize("source", [Fixed, Linear(3)])
def test_every_door_for_models_takes_what_a_user_has(tmp_path, source):
    recipe, member = Recipe(epochs=1), np.tile(np.arange(31) < 15, (2, 1))
    ensemble, observations = train_ensemble(source, recipe, DATA, member)
    assert observations.signal("phi").shape == (2, 31, 1)
    alone = train_one(source, recipe, DATA, member[0])
    for one, leaf in zip(*map(jax.tree.leaves, (alone, ensemble.variables)), strict=True):
        np.testing.assert_allclose(one, leaf[0], rtol=1e-5, atol=1e-6)
    audit.train_victim(tmp_path, model=source, dataset=DATA, learner=Standard(recipe=recipe))
    assert (tmp_path / "model.json").exists()


def test_a_module_is_a_victim_as_it_is():
    module = Fixed(nnx.Rngs(0))
    terms = {"inputs": Inputs.box(-9, 9, (5,)), "classes": 3}
    victim = from_model(module, level="logit", **terms)
    np.testing.assert_allclose(victim(DATA.x[:4]).logit, module(DATA.x[:4]), rtol=1e-5, atol=1e-5)
    model, variables = from_module(module)
    assert content(victim) == content(from_model(model, variables, **terms))
    for wrong in ((module, variables), (model, None), (Fixed, None)):
        with pytest.raises(
            InputError, match="model is a .*: give a Flax NNX module alone, or a jaxattack Model and its"
        ):
            from_model(*wrong, **terms)
    with pytest.raises(InputError, match=r"WhiteBox, as jaxattack\.oracle\.from_function\(it, access\) makes of it"):
        audit.extract(lambda x: x)
    with pytest.raises(InputError, match=r"WhiteBox, as jaxattack\.oracle\.from_estimator\(it\) makes of it"):
        audit.extract(LogisticRegression().fit(DATA.x, DATA.y))
    with pytest.raises(InputError, match=r"victim is a Fixed, whose inputs nothing tells: give jaxattack\.oracle"):
        audit.extract(module)


def test_a_model_of_ones_own_is_known_by_its_code():
    def told(source):
        return identity(source, model_of(source, (5,), 3), (5,))["code"]

    assert told(Fixed) == told(Shaped) == told(lambda rngs: Shaped((5,), 3, rngs=rngs))
    assert told(partial(Shaped, width=2)) != told(Shaped)
    assert identity(Architecture(name="mlp:4", dropout=0.5), build("mlp:4", (5,), 3), (5,)) == {
        "model": "mlp:4",
        "activation": "relu",
        "dropout": 0.5,
    }


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (Shaped((6,), 3, rngs=nnx.Rngs(0)), "give a module that takes a batch of such records"),
        (Linear(4), r"apply answers 2 records with shape \(2, 4\)"),
        (lambda shape, rngs: None, "beside rngs it needs shape"),
        (lambda shape: None, "takes 1 positional argument"),
        (lambda shape, classes: Fixed(nnx.Rngs(0)), "it returned Fixed"),
        (build("mlp:4", (6,), 3), "give a Model for such records"),
        (build("mlp:4", (5,), 4), r"apply answers 2 records with shape \(2, 4\)"),
    ],
)
def test_what_makes_no_model_is_refused_in_a_sentence(source, words):
    with pytest.raises(InputError, match=words) as caught:
        model_for(source, DATA)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"name": "vgg"}, "model is 'vgg': give one of"),
        ({"name": "mlp:0"}, "model is 'mlp:0': give one of"),
        ({"dropout": 1.0}, r"dropout is 1\.0: give a share"),
        ({"activation": "step"}, "activation is 'step': give one of relu"),
    ],
)
def test_an_architecture_checks_itself(settings, words):
    with pytest.raises(InputError, match=words):
        Architecture(**settings)


def test_an_architecture_for_records_of_a_shape_is_one_object():
    assert Architecture(name="cnn:4").build((8, 8, 1), 10) is model_for(Architecture(name="cnn:4"), load("digits"))


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
        model_for(source_of(model), DATA)
    assert "\n" not in str(caught.value)
