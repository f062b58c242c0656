"""What a victim answers, in words: the defences that they mean, in the order in which a service applies them."""

from __future__ import annotations

import numpy as np
import pytest

from jaxattack.audit import Victim, open_victim
from jaxattack.cli.terms import Terms, on_terms
from jaxattack.defences import Noise, Round, Temperature, TopK
from jaxattack.oracle import label_only, noisy, rounded, tempered, top_k
from jaxattack.types import InputError


@pytest.fixture(scope="module")
def victim() -> Victim:
    return open_victim("logistic", data="iris")


def test_words_are_defences_in_the_order_of_a_service():
    terms = Terms(decimals=3, top=2, noise=0.1, temperature=2.0, defend=("round:5", "temperature:3"))
    assert terms.defences == (
        Round(decimals=5), Temperature(temperature=3.0), Temperature(temperature=2.0), Noise(scale=0.1), TopK(k=2), Round(decimals=3),
    )  # fmt: skip
    assert Terms().defences == ()


def test_an_oracle_on_terms_answers_as_the_wrappers_one_by_one(victim):
    terms = Terms(decimals=3, top=2, noise=0.05, temperature=2.0)
    ours = on_terms(victim, terms, seed=7).oracle
    theirs = rounded(top_k(noisy(tempered(open_victim("logistic", data="iris").oracle, 2.0), 0.05, 7), 2), 3)
    for _ in range(2):  # noise is drawn anew in every call
        np.testing.assert_array_equal(ours(victim.x).probability, theirs(victim.x).probability)
    assert ours.access.top == 2
    assert ours.access.decimals == 3


def test_labels_alone_are_answered_behind_everything_else(victim):
    terms = Terms(level="label", noise=0.3)
    ours = on_terms(victim, terms, seed=2).oracle
    theirs = label_only(noisy(victim.oracle, 0.3, 2))
    answer = ours(victim.x)
    assert answer.probability is None
    np.testing.assert_array_equal(answer.label, theirs(victim.x).label)


@pytest.mark.parametrize(
    ("terms", "words"),
    [
        (Terms(level="logit"), "level is 'logit' and the victim answers with probability: open it with level='logit'"),
        (Terms(precision="bfloat16"), "precision is 'bfloat16' and the victim answers with float64"),
        (Terms(top=9), "9"),
        (Terms(defend=("label",), decimals=2), "label"),
    ],
)
def test_terms_that_a_victim_cannot_keep_are_refused(victim, terms, words):
    with pytest.raises(InputError, match=words) as caught:
        on_terms(victim, terms)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"temperature": -1.0}, "temperature is -1.0"),
        ({"decimals": 99}, "decimals is 99"),
        ({"top": -1}, "top is -1"),
        ({"noise": -0.5}, "noise is -0.5"),
        ({"rate": 0.0}, "rate is 0.0"),
    ],
)
def test_a_value_out_of_range_is_refused_by_its_option_before_anything_is_opened(words, message):
    with pytest.raises(InputError, match=message):
        Terms(**words)


def test_an_unknown_defence_is_refused_before_anything_is_opened():
    with pytest.raises(InputError, match="there is no defence 'rond' .did you mean 'round'"):
        Terms(defend=("rond:2",))


def test_the_name_of_a_run_is_the_one_of_before_without_defences():
    assert "defend" not in Terms(decimals=2).settings
    assert Terms(defend=("label",)).settings["defend"] == ("label",)
