from __future__ import annotations

import numpy as np
import pytest
from cyclopts import CoercionError

from jaxattack.attacks.membership import ATTACKS, LiRA, Threshold
from jaxattack.cli import application
from jaxattack.cli.membership import Attacking
from jaxattack.cli.values import attacks_from, declared_from
from jaxattack.cli.words import Subject
from jaxattack.defences import DEFENCES
from jaxattack.models import Architecture
from jaxattack.training.learners import LEARNERS
from jaxattack.types import InputError


def words(*tokens: str):
    """What the command line makes of some tokens, by the name of the command's parameter."""
    _, bound, _ = application().parse_args(tokens, exit_on_error=False, print_error=False)
    return bound.arguments


@pytest.mark.parametrize(
    "tokens",
    [("--attacks", "a", "b"), ("--attacks", "a,b"), ("--attacks", "a", "--attacks", "b"), ("--attacks=a,b",)],
)
def test_several_words_of_an_option_are_written_in_any_way(tokens):
    assert words("membership", *tokens)["attacking"].attacks == ("a", "b")
    assert words("score", "x.npz", *tokens)["attacks"] == ("a", "b")
    assert words("report", "run", *tokens, "--quiet")["attacks"] == ("a", "b")


@pytest.mark.parametrize("tokens", [("1", "4"), ("1,4",), ("1", "--poison", "4")])
def test_several_numbers_of_an_option_too(tokens):
    assert words("membership", "--poison", *tokens)["poisoned"].poison == (1, 4)


def test_defences_are_written_in_any_way():
    assert words("membership", "--defend", "temperature:5", "round:2")["defending"].defend == (
        "temperature:5",
        "round:2",
    )


@pytest.mark.parametrize(("command", "registries"), [("membership", (DEFENCES, LEARNERS)), ("extract", (DEFENCES,))])
def test_the_help_names_all_that_is_registered(command, registries, capsys):
    application()([command, "--help"], result_action="return_value")
    told = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for registry in registries:
        assert f"{', '.join(registry)}. A " in told


def test_attacks_of_nothing_said_are_all():
    assert words("membership", "--models", "8")["attacking"].attacks == tuple(ATTACKS)


@pytest.mark.parametrize(
    ("option", "value"),
    [("poison", "1.5"), ("models", "8.0"), ("epochs", "1e1"), ("epochs", ".5"), ("records", "4.5"), ("chunk", "2.0")],
)
def test_a_number_that_is_not_whole_is_not_rounded(option, value):
    if value == "1e1":  # which no rounding reads either
        with pytest.raises(Exception, match="1e1"):
            words("membership", f"--{option}", value)
        return
    with pytest.raises(InputError, match=f"^{option} is {value}: give a whole number"):
        words("membership", f"--{option}", value)


def test_a_fraction_where_one_is_due_is_read():
    assert words("membership", "--learning-rate", "0.5")["recipe"].learning_rate == 0.5


def test_names_are_attacks_under_a_protocol_unless_they_set_it_themselves():
    names = ("lira-online", "loss", "lira-online?protocol=independent", "lira-online")
    assert attacks_from(names, "leave-one-out") == (
        LiRA(online=True, protocol="leave-one-out"),
        Threshold(quantity="loss"),
        LiRA(online=True),
    )
    assert declared_from(None, "leave-one-out") is None
    assert declared_from("loss", "leave-one-out") == Threshold(quantity="loss")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model": "vgg"}, "model is 'vgg'"),
        ({"model": "no_such:factory"}, "cannot be imported"),
        ({"model": "json:loads", "activation": "tanh"}, "activation is tanh and json:loads makes its own layers"),
        ({"model": "json:loads", "dropout": 0.5}, r"dropout is 0\.5 and json:loads"),
    ],
)
def test_words_that_make_no_model_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        Subject(**settings).source()


def test_words_are_values():
    subject = Subject(data="iris", model="mlp:8", activation="tanh")
    assert subject.source() == Architecture(name="mlp:8", activation="tanh")
    assert subject.dataset().name == "iris"
    for design, message in (("thirds", "thirds"), ("sized:0", "members=0")):
        with pytest.raises(InputError, match=message):
            Attacking(design=design).audit(subject, learner=None, defences=(), protocol="independent")
    with pytest.raises(InputError, match="records is 3"):
        Subject(records=3)


def test_a_file_of_pictures_has_a_layout_and_a_scale(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.full((4, 3, 8, 9), 0.5), y=[0, 1, 0, 1])
    dataset = Subject(data=str(tmp_path / "a.npz"), layout="nchw", scale=1.0).dataset()
    assert dataset.shape == (8, 9, 3)
    assert dataset.x.dtype == np.uint8
    assert (dataset.x == 128).all()
    with pytest.raises(InputError, match="digits takes no option 'layout'"):
        Subject(layout="nchw").dataset()


@pytest.mark.parametrize("word", ["", ",", " "])
def test_a_word_that_names_nothing_is_refused(word):
    with pytest.raises(CoercionError, match="--defend: .* names nothing: name something, or leave the option out"):
        words("membership", "--defend", word)


@pytest.mark.parametrize("option", ["defend", "attacks", "poison", "fail-above"])
def test_an_option_without_a_word_is_refused(option):
    with pytest.raises(InputError, match=f"^{option} is given without a word"):
        words("membership", f"--{option}")
    with pytest.raises(InputError, match=f"^{option} is given without a word"):
        words("membership", f"--{option}", "--models", "8")
