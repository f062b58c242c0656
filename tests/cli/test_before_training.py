"""What cannot be done with a victim is refused before it is trained."""

from __future__ import annotations

import numpy as np
import pytest

from jaxattack.audit import victim_names
from jaxattack.cli.evasion import Evading, evade
from jaxattack.cli.inversion import Inverting, invert
from jaxattack.cli.reconstruction import Reconstructing, reconstruct
from jaxattack.cli.terms import Terms
from jaxattack.types import InputError


class TrainingError(Exception):
    """The victim was trained."""


@pytest.fixture(autouse=True)
def _without_training(monkeypatch, tmp_path):
    def train(*_, **__):
        raise TrainingError

    monkeypatch.setattr(victim_names, "_variables", train)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ({"targets": ("rose",)}, "target is 'rose'"),
        ({"targets": ("7",)}, "target is 7 and the victim has 3 classes"),
        ({"method": "mi-face", "budget": 5}, "budget is 5 and mi-face asks the model nothing"),
        ({"method": "numeric", "extract": "softmax"}, "numeric asks the victim itself"),
        ({"method": "analytic", "extract": "softmax", "trained": True}, "analytic inverts what users of shared training send"),
        ({"method": "analytic", "trained": True, "users": 5000}, "users times batch is 5000"),
    ],
)  # fmt: skip
def test_a_class_or_a_setting_that_an_inversion_cannot_use(words, sentence):
    """The name of a class that there is not was refused after minutes of training."""
    with pytest.raises(InputError, match=sentence):
        invert("mlp:8", data="iris", inverting=Inverting(**words))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ({"method": "transfer-fgsm"}, "steal one first"),
        ({"method": "fgsm", "budget": 10}, "budget is 10 and fgsm asks the victim nothing"),
        ({"method": "apgd-t?targets=5"}, "needs 6 classes and the victim has 3"),
        ({"method": "hopskipjump", "extract": "softmax"}, "has no use for another model"),
    ],
)
def test_an_evasion_that_does_not_fit(words, sentence):
    with pytest.raises(InputError, match=sentence):
        evade("mlp:8", data="iris", evading=Evading(**words))


@pytest.mark.parametrize(
    ("words", "terms", "sentence"),
    [
        ({"method": "csmia", "secret": (9,)}, Terms(), "secret is .9,. and a record has 4 columns"),
        ({"method": "update-label", "secret": (1,)}, Terms(), "update-label guesses no attribute"),
        ({"method": "property", "budget": 9}, Terms(), "budget is 9 and property asks the model nothing"),
        ({"method": "property"}, Terms(decimals=1), "property asks the model nothing: leave defences out"),
    ],
)
def test_a_reconstruction_that_asks_for_nothing_there_is(words, terms, sentence):
    with pytest.raises(InputError, match=sentence):
        reconstruct("mlp:8", data="iris", reconstructing=Reconstructing(**words), terms=terms)


def test_confidences_where_labels_alone_are_answered():
    labels = Terms(level="label")
    with pytest.raises(InputError, match="numeric cannot work with label answers"):
        invert("mlp:8", data="iris", inverting=Inverting(method="numeric"), terms=labels)
    with pytest.raises(InputError, match="square needs confidences and the victim answers labels alone"):
        evade("mlp:8", data="iris", evading=Evading(method="square"), terms=labels)


def test_what_can_be_done_is_trained():
    defended = Terms(decimals=2)
    for command, options in (
        (invert, {"inverting": Inverting(targets=("0", "2"))}),
        (invert, {"inverting": Inverting(budget=500)}),
        (invert, {"terms": defended}),
        (evade, {"evading": Evading(method="pgd")}),
        (evade, {"evading": Evading(budget=500, method="pgd"), "terms": Terms(defend=("squeeze",))}),
        (reconstruct, {"reconstructing": Reconstructing(method="update-record")}),
        (reconstruct, {"reconstructing": Reconstructing(method="update-record"), "terms": defended}),
    ):
        with pytest.raises(TrainingError):
            command("softmax", data="iris", **options)


def test_a_check_sees_the_victim_at_its_first_weights():
    seen = []
    with pytest.raises(TrainingError):
        victim_names.open_victim("mlp:8", data="iris", check=seen.append)
    (victim,) = seen
    assert int(victim.member.sum()) == 75
    assert np.isfinite(victim.oracle(victim.x[:2]).probability).all()
