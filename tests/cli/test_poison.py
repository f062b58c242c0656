"""Poison by words: targets as a number or a file, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from jaxattack.audit import Part
from jaxattack.audit.poisoning import Poisoning
from jaxattack.cli.poison import Poisoned, poisoning_from
from jaxattack.types import InputError


def test_targets_are_a_number_or_a_file(tmp_path):
    assert poisoning_from(Poisoned(poison=(1, 4), targets="30"), None) == Poisoning(copies=(1, 4), targets=30)
    np.save(tmp_path / "places.npy", np.array([5, 2]))
    words = Poisoned(poison=(4,), targets=str(tmp_path / "places.npy"))
    assert poisoning_from(words, None) == Poisoning(copies=(4,), targets=(5, 2))


def test_what_is_neither_is_refused(tmp_path):
    np.save(tmp_path / "shares.npy", np.array([0.5]))
    with pytest.raises(InputError, match="an array of float64"):
        poisoning_from(Poisoned(poison=(4,), targets=str(tmp_path / "shares.npy")), None)
    with pytest.raises(InputError, match="cannot be read"):
        poisoning_from(Poisoned(poison=(4,), targets="some"), None)


def test_parts_and_poison_are_refused_together():
    with pytest.raises(InputError, match=r"part is 1/2 and poison \(4,\)"):
        poisoning_from(Poisoned(poison=(4,)), Part(1, 2))


def test_targets_that_nothing_poisons_are_refused():
    assert poisoning_from(Poisoned(), None) is None
    with pytest.raises(InputError, match="targets is 5 and nothing poisons them"):
        poisoning_from(Poisoned(targets="5"), None)
