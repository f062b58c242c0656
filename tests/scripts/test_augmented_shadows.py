"""The study of augmented shadows, in small: on planted answers."""

from __future__ import annotations

import json

import augmented_shadows
import numpy as np
import pytest
from attacks.planted import complementary, observe

from jaxattack.attacks.membership import LiRA, Threshold
from jaxattack.attacks.membership.attack_network import AttackNetwork
from jaxattack.types import Observations


def only_phi(observations):
    phi = observations.signal("phi")
    return Observations(signals={"phi": phi}, member=observations.member, label=observations.label)


@pytest.fixture(scope="module")
def plain():
    return only_phi(observe(complementary(8, 200, seed=0), leak=2.0, spread=0.5, queries=9, seed=1))


def test_it_keeps_every_attack_in_every_setting_and_says_every_difference(plain, tmp_path, capsys, monkeypatch):
    network = augmented_shadows.ViewsNetwork(network=AttackNetwork(joint=(4,), epochs=2), shadows=1)
    monkeypatch.setitem(augmented_shadows.ATTACKS, "attack network", network)
    cropped = only_phi(observe(plain.member, leak=1.0, spread=0.5, queries=9, seed=2))
    results = augmented_shadows.study(plain, cropped, {"no crops": (1.0, 0.5)}, tmp_path)
    assert len(results["cells"]) == 2 * 3 * 2
    assert len(results["relations"]) == 2 * 4
    assert json.loads((tmp_path / "augmented_shadows.json").read_text())["told"] == results["told"]
    assert (tmp_path / "augmented_shadows.png").stat().st_size > 1000
    assert "Members right 100.0%, others 50.0%, no crops." in capsys.readouterr().out
    rates = {(one["attack"], one["setting"], one["views"]): one["tpr"] for one in results["cells"]}
    assert rates["LiRA", "no crops", 9] > rates["LiRA", "crops, static", 9]


def test_static_references_are_the_others_and_the_target_is_itself(plain):
    cropped = only_phi(observe(plain.member, leak=1.0, queries=9, seed=2))
    alone = Threshold(quantity="confidence")
    one, two = (augmented_shadows.some_views(observations, 1) for observations in (cropped, plain))
    np.testing.assert_array_equal(augmented_shadows.static_scores(alone, one, two), alone(one))
    attack = LiRA(online=True)
    np.testing.assert_array_equal(augmented_shadows.static_scores(attack, plain, plain), attack(plain))
