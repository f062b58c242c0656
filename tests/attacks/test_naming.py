from __future__ import annotations

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxattack.attacks.extraction import ATTACKS as EXTRACTIONS
from jaxattack.attacks.inversion import ATTACKS as INVERSIONS
from jaxattack.attacks.membership import ATTACKS
from jaxattack.attacks.naming import label, labelled, named
from jaxattack.types import InputError, config


@config
class Part:
    kind: str = "mlp"
    epochs: int = 5
    rate: float = 0.5


@config
class Attack:
    steps: int = 10
    limit: int | None = None
    size: float | Literal["tuned"] = 0.3
    way: str = "auto"
    paired: bool = False
    widths: tuple[int, ...] = (20, 10)
    rates: tuple[float, ...] = (0.1,)
    part: Part = Part()
    name = "attack"

    def __post_init__(self):
        if self.paired and self.steps == 1:
            raise InputError("steps is 1: give more.")


REGISTRY = {"attack": Attack(), "wide": Attack(widths=(100,)), "tuned": Attack(size="tuned", limit=3)}
WORDS = st.text("abcxyz-_.", min_size=1)
PARTS = st.builds(Part, kind=WORDS, epochs=st.integers(1, 99), rate=st.floats(0, 1))
ATTACK = st.builds(
    Attack,
    steps=st.integers(2, 10**6),
    limit=st.none() | st.integers(-5, 5),
    size=st.just("tuned") | st.floats(allow_nan=False),
    way=WORDS | st.sampled_from(["true", "3", "0.5", "none", "1-2", "inf"]),
    paired=st.booleans(),
    widths=st.lists(st.integers(0, 300)).map(tuple),
    rates=st.lists(st.floats(0, 1e6)).map(tuple),
    part=PARTS,
)


@given(ATTACK)
def test_a_label_is_read_back_as_the_attack(attack):
    assert named(label(attack, REGISTRY), REGISTRY, "attack") == attack


def test_a_label_is_the_nearest_registered_attack_and_what_differs():
    assert label(Attack(), REGISTRY) == "attack"
    assert label(Attack(widths=(100,), steps=3), REGISTRY) == "wide?steps=3"
    assert label(Attack(size="tuned"), REGISTRY) == "attack?size=tuned"
    assert label(Attack(size="tuned", limit=3, paired=True), REGISTRY) == "tuned?paired=true"
    assert label(Attack(widths=()), REGISTRY) == "attack?widths="
    assert label(Attack(part=Part(kind="rbf", epochs=7)), REGISTRY) == "attack?part=rbf&part.epochs=7"


@pytest.mark.parametrize("registry", [ATTACKS, EXTRACTIONS, INVERSIONS])
def test_registered_attacks_are_labelled_by_their_names(registry):
    for name, attack in registry.items():
        assert label(attack, registry) == name
        assert named(name, registry, "attack") == attack


def test_an_attack_of_a_class_that_is_not_registered_has_its_own_name():
    @config
    class Other:
        name: str = "mine"

    assert label(Other(), REGISTRY) == "mine"
    assert labelled([Other(), Other(), Attack()], REGISTRY) == {"mine": Other(), "attack": Attack()}

    @config
    class Another:
        name: str = "mine"

    with pytest.raises(InputError, match="two attacks are called 'mine': give each a name of its own"):
        labelled([Other(), Another()], REGISTRY)


def test_fields_are_set_all_at_once():
    assert named("attack?paired=true&steps=2", REGISTRY, "attack") == Attack(paired=True, steps=2)
    with pytest.raises(InputError, match="steps is 1: give more"):
        named("attack?steps=1&paired=true", REGISTRY, "attack")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("atack", r"no attack 'atack' \(did you mean 'attack'\?\)"),
        ("attack?step=3", "attack has no 'step': set one of limit, paired, part, rates, size, steps, way, widths"),
        ("attack?steps.x=3", r"attack has no 'steps\.x'"),
        ("attack?part.x=3", "attack's part has no 'x': set one of epochs, kind, rate"),
        ("attack?part.epochs=few", "epochs is 'few': give a whole number"),
        ("attack?paired=1", "paired is 1: give true or false"),
    ],
)
def test_what_is_no_name_is_refused(name, message):
    with pytest.raises(InputError, match=message):
        named(name, REGISTRY, "attack")
