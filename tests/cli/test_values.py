from __future__ import annotations

import pytest

from jaxattack.cli.values import defences_from, learner_from
from jaxattack.defences import LabelOnly, MemGuard, Noise, Round, Temperature
from jaxattack.training import Recipe
from jaxattack.training.learners import DPSGD, LEARNERS, Distillation, RelaxLoss, Standard, part_of
from jaxattack.types import InputError

RECIPE = Recipe(epochs=3)


@pytest.mark.parametrize(
    ("text", "learner"),
    [
        ("standard", Standard(recipe=RECIPE)),
        ("relaxloss?alpha=0.5", Standard(recipe=RECIPE, loss=RelaxLoss(alpha=0.5))),
        ("dp-sgd?clip=2&noise=0.5", Standard(recipe=RECIPE, gradient=DPSGD(clip=2, noise=0.5))),
        ("distillation?temperature=3", Distillation(recipe=RECIPE, temperature=3)),
    ],
)
def test_a_name_with_settings_is_a_learner_with_the_recipe(text, learner):
    assert learner_from(text, RECIPE) == learner


def test_a_name_sets_the_fields_of_what_alone_is_not_plain():
    parts = {name: part_of(learner) for name, learner in LEARNERS.items()}
    known = {"standard": None, "relaxloss": "loss", "dp-sgd": "gradient", "distillation": None}
    assert known.items() <= parts.items()
    assert part_of(Standard(loss=RelaxLoss(), gradient=DPSGD())) is None


def test_every_name_is_its_learner():
    assert {name: learner_from(name, Recipe()) for name in LEARNERS} == LEARNERS


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("relaxlos", "did you mean 'relaxloss'"),
        ("relaxloss?alpha=-1", "alpha is -1"),
        ("relaxloss?beta=1", "relaxloss has no 'beta': set one of alpha, stop_gradient, upper"),
        ("standard?loss=1", "standard has no 'loss'"),
        ("distillation?recipe=1", "distillation has no 'recipe'"),
    ],
)
def test_a_name_that_makes_no_learner_is_refused(text, message):
    with pytest.raises(InputError, match=message.replace("?", r"\?")):
        learner_from(text, RECIPE)


@pytest.mark.parametrize(
    ("texts", "defences"),
    [
        ((), ()),
        (("round:2",), (Round(decimals=2),)),
        (("temperature:5,round:2", "label"), (Temperature(temperature=5), Round(decimals=2), LabelOnly())),
        (("noise:0.1?by_record=true",), (Noise(scale=0.1, by_record=True),)),
        (("memguard",), (MemGuard(),)),
    ],
)
def test_words_are_defences_in_their_order(texts, defences):
    assert defences_from(texts) == defences


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rond:2", "did you mean 'round'"),
        ("round:99", "decimals is 99"),
        ("label:3", "label takes no value"),
        ("round:2?digits=1", "round has no 'digits'"),
        ("", "there is no defence ''"),
        ("round:two", "decimals is .two.: give a whole number"),
    ],
)
def test_words_that_make_no_defence_are_refused(text, message):
    with pytest.raises(InputError, match=message.replace("?", r"\?")):
        defences_from((text,))
