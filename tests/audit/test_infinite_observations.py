"""Observations with NaN, infinities, or another number under the name phi."""

from __future__ import annotations

import re

import numpy as np
import pytest
from audit.observation_arrays import ARRAYS, LABEL, LOGITS, MEMBER, RECORDS, RNG, at, phi_of, replaced, scored

from jaxattack.attacks.membership import ATTACKS
from jaxattack.audit import score
from jaxattack.audit.infinite_signals import bound_observations, bound_signal
from jaxattack.types import Observations


def test_records_that_are_nan_are_left_out_and_told_by_their_place(read):
    logits = at(at(LOGITS, (1, 7, 2), np.nan), (3, 9, 1), np.inf)
    observed = read(**ARRAYS | {"logits": logits})
    assert observed.notes[0].endswith(
        "logits is NaN or infinite in 2 places, first at (1, 7, 2) of [model, record, cls]: 2 of 40 records are left out for it."
    )
    found = score(observed)
    kept = np.delete(np.arange(RECORDS), [7, 9])
    expected = read(member=MEMBER[:, kept], label=LABEL[kept], logits=LOGITS[:, kept])
    assert scored(found) == scored(score(expected))
    assert found.models.scored == 38


def test_a_phi_of_infinity_ranks_before_all_others_and_is_told(read):
    member = MEMBER.copy()
    member[1, 5], member[2, 6] = True, False
    phi = at(at(phi_of(LOGITS), (1, 5), np.inf), (2, 6), -np.inf)
    observed = read(member=member, label=LABEL, phi=phi)
    assert "phi is infinite in 2 places of 2 records: they are taken for log 2 beyond" in observed.notes[0]
    bounded = observed.signal("phi")[..., 0]
    assert np.unravel_index(bounded.argmax(), bounded.shape) == (1, 5)
    assert np.unravel_index(bounded.argmin(), bounded.shape) == (2, 6)
    np.testing.assert_array_equal(bounded[np.isfinite(phi)], phi[np.isfinite(phi)].astype(np.float32))
    phi = phi.astype(np.float32)[..., None]
    found = [score(one) for one in (observed, Observations(signals={"phi": phi}, member=member, label=LABEL))]
    for one in found:
        assert one.models.scored == RECORDS
        assert "phi is infinite" in one.notes[0]
    assert scored(found[0]) == scored(found[1])


def test_a_phi_of_infinity_ranks_before_numbers_that_log_2_does_not_move():
    """In float32 a billion and log 2 are a billion."""
    bounded, _ = bound_signal("here", "phi", np.array([[-np.inf, -1e9, 0, 1e9, np.inf]], np.float32))
    assert (np.diff(bounded) > 0).all()
    assert np.isfinite(bounded).all()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_an_infinite_phi_is_finite_beside_the_last_number_of_its_dtype(dtype):
    """The number after the last is infinity; float16 has its last at 65504."""
    last = np.finfo(dtype).max
    bounded, _ = bound_signal("here", "phi", np.array([[-np.inf, -last, 0, last, np.inf]], dtype))
    assert np.isfinite(bounded).all()
    np.testing.assert_array_equal(bounded[:, 1:4], np.array([[-last, 0, last]], dtype))
    gaps = np.diff(bounded)[0, [0, -1]]
    assert (gaps > 0).all() if dtype == np.float16 else (gaps == 0).all()


def test_a_phi_of_infinity_alone_is_scored_as_the_confidences_that_it_is_made_of(read):
    """Trees answer 0 or 1, or 1 for all that they were trained on: such records were refused as those of models that diverged."""
    right = (MEMBER | (RNG.random(MEMBER.shape) < 0.5)).astype(float)
    probability = right[..., None] * np.eye(3)[LABEL] + (1 - right)[..., None] * np.eye(3)[(LABEL + 1) % 3]
    with np.errstate(divide="ignore"):
        phi = np.log(right) - np.log(1 - right)
    named_alike = [attack for attack in ATTACKS.values() if [one.name for one in attack.signals] == ["phi"]]
    ours, theirs = (
        score(read(member=MEMBER, label=LABEL, **one), named_alike)
        for one in ({"phi": phi}, {"probability": probability})
    )
    assert "phi is infinite in 240 places of 40 records: they are taken for log 2 beyond 0" in ours.notes[0]
    assert scored(ours) == scored(theirs)
    assert ours.models.scored == RECORDS


def test_signals_that_are_finite_are_left_where_they_are():
    class Kept(dict):
        def __getitem__(self, name):
            return super().__getitem__(name).copy()

    values = phi_of(LOGITS)[..., None]
    infinite = at(values, (1, 5, 0), np.inf)
    given = Observations(signals=Kept(phi=values, other=infinite), member=MEMBER, label=LABEL)
    bounded = bound_observations("kept", given)
    assert [*bounded.signals] == ["phi", "other"]
    assert bounded.signal("phi") is not bounded.signal("phi")  # read anew each time
    assert bounded.signal("other") is bounded.signal("other")
    assert np.isfinite(bounded.signal("other")).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda phi: -np.logaddexp(0, -phi), "phi is never above 0 and up to -.*, as logarithms of the confidence"),
        (lambda phi: np.logaddexp(0, -phi), "phi is never below 0 and down to .*, as losses are"),
        (lambda phi: phi, ""),
        (lambda phi: phi + 30, ""),
    ],
)
def test_losses_and_logarithms_of_confidences_under_the_name_phi_are_told(read, change, words):
    """Of losses every attack has the AUC of its opposite, and of logarithms LiRA finds less."""
    phi = np.linspace(-4, 4, MEMBER.size).reshape(MEMBER.shape)
    notes = read(**replaced(logits=None, phi=change(phi))).notes
    assert len(notes) == bool(words)
    assert all(re.search(words, note) for note in notes)


def test_a_phi_of_nan_is_left_out_and_told(read):
    found = score(read(member=MEMBER, label=LABEL, phi=at(phi_of(LOGITS), (1, 5), np.nan)))
    assert "first at (1, 5) of [model, record]: 1 of 40 records" in found.notes[0]
    assert found.models.scored == 39
