"""Every reconstruction attack by name: how it is registered, named, and handed what it needs.

That each succeeds where something leaks and fails where nothing does is asked of the audit, which has the baselines.
"""

from __future__ import annotations

import numpy as np
import pytest

import jaxattack as ja
from jaxattack.attacks.naming import label
from jaxattack.attacks.reconstruction import ATTACKS, Informed, Knowledge, Partial, Secret, lookup
from jaxattack.types import GOALS, NEEDS, Access, InputError, Inputs, ReconstructionAttack

BOX = Inputs.box(0.0, 1.0, (2,))
PARTIAL = Partial(np.zeros((1, 2)), np.zeros(1, int), Secret.category(0, np.array([0.5, 0.5])))


def answering(level="probability"):
    """An oracle of two classes, which the first feature decides."""
    answer = lambda x: np.where(x[:, :1] > 0.5, [0.1, 0.9], [0.9, 0.1])  # noqa: E731
    oracle = ja.oracle.from_function(answer, Access(level="probability", classes=2, inputs=BOX))
    return ja.oracle.label_only(oracle) if level == "label" else oracle


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_called_as_it_is_registered(name):
    attack = ATTACKS[name]
    assert isinstance(attack, ReconstructionAttack)
    assert attack.name == name
    assert attack.goal in GOALS
    assert set(attack.needs) <= set(NEEDS)
    assert ("answers" in attack.needs) == bool(attack.levels)


@pytest.mark.parametrize("name", ATTACKS)
def test_its_label_is_read_back_as_the_attack(name):
    assert lookup(label(ATTACKS[name], ATTACKS)) == ATTACKS[name]


def test_a_name_sets_fields_and_what_is_set_is_in_the_label():
    attack = lookup("informed?shadows=20&epochs=3")
    assert attack == Informed(shadows=20, epochs=3)
    assert lookup(label(attack, ATTACKS)) == attack
    with pytest.raises(InputError, match="shadows is 5"):
        lookup("informed?shadows=5")
    with pytest.raises(InputError, match="did you mean 'convex'"):
        lookup("conex")


@pytest.mark.parametrize("name", ATTACKS)
def test_it_says_what_is_missing(name):
    attack = ATTACKS[name]
    with pytest.raises(InputError, match=f"{name} needs {NEEDS[attack.needs[0]]}"):
        attack(Knowledge())


@pytest.mark.parametrize(
    "name", [name for name, attack in ATTACKS.items() if "label" not in attack.levels and attack.levels]
)
def test_labels_alone_are_refused_by_those_that_read_confidences(name):
    # Whatever else it needs is handed: what it must refuse is the level.
    closed = answering("label")
    everything = {need: object() for need in ATTACKS[name].needs} | {
        "answers": closed,
        "updates": (closed,),
        "partial": PARTIAL,
    }
    knowledge = Knowledge(**{need: everything[need] for need in ATTACKS[name].needs})
    with pytest.raises(InputError, match=f"{name} cannot work with label answers"):
        ATTACKS[name](knowledge)
    assert closed.ledger.queries == 0


@pytest.mark.parametrize("name", ["map", "csmia"])
def test_an_attack_keeps_its_count(name):
    oracle = answering()
    knowledge = Knowledge(
        answers=oracle, confusion=np.eye(2), partial=PARTIAL._replace(x=np.zeros((7, 2)), y=np.zeros(7, int))
    )
    made = ATTACKS[name](knowledge)
    assert made.cost == oracle.ledger
    assert made.cost.queries == 14
    assert made.models == made.steps == 0
