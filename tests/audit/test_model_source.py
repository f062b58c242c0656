"""What a model may be given as: the Model that it becomes, what it is called, and what is refused."""

from __future__ import annotations

import sys
from functools import partial

import jax
import numpy as np
import pytest
from flax import nnx

from jaxattack.audit.model_source import identity, label, model_for, model_of, source_of
from jaxattack.data import load, random_labels
from jaxattack.models import Architecture, build
from jaxattack.types import InputError

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
    ],
)
def test_every_source_becomes_a_model_that_starts_anew_from_each_key(source, name):
    model = model_for(source, DATA)
    first, other = (model.apply(model.init(jax.random.key(seed)), DATA.x) for seed in (0, 1))
    assert first.shape == (31, 3)
    assert not np.allclose(first, other)
    assert label(source) == name
    assert identity(source, model, DATA.shape)["model"] == name


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
        (Fixed(nnx.Rngs(0)), "a module that is made already would start every model alike: give its class"),
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
