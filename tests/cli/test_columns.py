"""Words become columns of a matrix."""

from __future__ import annotations

import pytest

from jaxattack.cli.columns import column_from, columns_from
from jaxattack.cli.matrix import USUAL, Crossed
from jaxattack.cli.words import Subject
from jaxattack.defences import HAMP, LabelOnly, Noise, Round, Temperature
from jaxattack.models import Architecture
from jaxattack.training import Recipe
from jaxattack.training.learners import Distillation, HighEntropy, RelaxLoss, Standard
from jaxattack.types import InputError

RECIPE = Recipe(epochs=3)
SOURCE = Architecture(name="mlp:8")


def column(word, source=SOURCE):
    return column_from(word, RECIPE, source)


@pytest.mark.parametrize(
    ("word", "learner", "defences"),
    [
        ("none", None, ()),
        ("round:2", None, (Round(decimals=2),)),
        ("temperature:5+round:2", None, (Temperature(temperature=5.0), Round(decimals=2))),
        ("noise:0.1?by_record=true", None, (Noise(scale=0.1, by_record=True),)),
        ("relaxloss?alpha=0.5", Standard(recipe=RECIPE, loss=RelaxLoss(alpha=0.5)), ()),
        ("distillation+label", Distillation(recipe=RECIPE), (LabelOnly(),)),
        ("label+distillation", Distillation(recipe=RECIPE), (LabelOnly(),)),
        ("hamp", Standard(recipe=RECIPE, loss=HighEntropy()), (HAMP(),)),
        (
            "hamp?draws=64&gamma=0.3+round:1",
            Standard(recipe=RECIPE, loss=HighEntropy(gamma=0.3)),
            (HAMP(draws=64), Round(decimals=1)),
        ),
        ("none+round:2", None, (Round(decimals=2),)),
    ],
)
def test_a_word_is_a_learner_defences_or_both(word, learner, defences):
    made = column(word)
    assert (made.name, made.learner, made.defences, made.model) == (word, learner, defences, None)


def test_dropout_is_the_same_architecture_that_drops_units():
    assert column("dropout:0.25").model == Architecture(name="mlp:8", dropout=0.25)
    assert column("dropout:0.25+label").defences == (LabelOnly(),)


def test_a_word_that_is_there_twice_is_a_column_once():
    assert [one.name for one in columns_from(("label", "none", "label"), RECIPE, SOURCE)] == ["label", "none"]


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("rond:2", "there is no defence 'rond' (did you mean 'round'?): choose from none, dropout, round"),
        ("relaxloss+distillation", "names two learners"),
        ("none:3", "there is no"),
        ("", "there is no defence ''"),
        ("round:2+", "there is no defence ''"),
        ("round:99", "decimals is 99"),
        ("l2:0.1", "set strength by name, as l2?strength=VALUE"),
        ("dp-sgd:0.5+label", "set clip or noise or microbatch by name"),
        ("standard:3", "write standard"),
        ("hamp?colour=3", "colour"),
        ("dropout", "dropout:0.5"),
        ("dropout:much", "dropout:0.5"),
        ("dropout:1.5", "dropout is 1.5"),
    ],
)
def test_what_means_nothing_is_refused_with_a_sentence(word, sentence):
    with pytest.raises(InputError) as refused:
        column(word)
    assert sentence in str(refused.value)


def test_a_model_of_ones_own_makes_its_own_layers():
    def own(shape, classes):
        raise AssertionError("it is not built for this")

    with pytest.raises(InputError, match="makes its own layers"):
        column("dropout:0.5", own)


def test_the_command_without_words_is_as_large_as_it_says():
    audit = Crossed().audit(Subject(), RECIPE)
    assert [one.name for one in audit.columns] == [*USUAL.defences]
    assert len(audit.columns) == 11
    assert (len(audit.attacks), len(audit.extractions), len(audit.inversions)) == (16, 2, 2)
    assert Crossed(extractions=("none",)).audit(Subject(), RECIPE).extractions == ()


def test_the_usual_attacks_of_a_table_move_no_pictures():
    of_pictures, of_tables = (
        [attack.name for attack in Crossed().audit(Subject(data=data), RECIPE).attacks] for data in ("digits", "iris")
    )
    assert [name for name in of_pictures if name not in of_tables] == ["augmentation-translation"]
    assert len(of_tables) == len(USUAL.attacks) - 1
