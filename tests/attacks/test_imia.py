"""IMIA against its equation written out, and against LiRA where imitators are references."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from attacks.planted import DESIGNS, complementary, observe, reference_mask

from jaxattack.attacks.membership import IMIA, LiRA
from jaxattack.attacks.membership.moments import VARIANCE_FLOOR
from jaxattack.types import InputError


@pytest.mark.parametrize("design", DESIGNS)
def test_scores_equal_the_equation_one_record_at_a_time(design):
    observations = observe(DESIGNS[design](12, 25, seed=1), leak=1.0, queries=2, seed=2)
    values, member = observations.signals["imitation_10_0.8"].astype(np.float64), observations.member
    scores = IMIA()(observations)
    for target in (0, 11):
        mask = reference_mask(member, target)
        for r in range(25):
            each = []
            for q in range(2):
                inside = np.mean([values[m, r, q, -1] for m in range(12) if mask[m, r] and member[m, r]])
                outside, phi = values[target, r, q, :-1].mean(), values[target, r, q, -1]
                each.append((outside - phi) ** 2 - (inside - phi) ** 2 if inside >= outside else 0.0)
            assert scores[target, r] == pytest.approx(np.mean(each), rel=1e-9, abs=1e-9)


def test_where_imitators_are_the_references_out_it_orders_records_as_lira_of_one_variance_does():
    member = complementary(12, 400, seed=0)
    observations = observe(member, leak=2.0, seed=1)
    phi = observations.signals["phi"]
    pairs = phi.reshape(6, 2, 400)
    outside = np.where(member.reshape(6, 2, 400)[:, 0], pairs[:, 1], pairs[:, 0])  # of each pair the one without
    values = np.stack([np.append(np.delete(outside, t // 2, axis=0), phi[t, :, 0][None], axis=0) for t in range(12)])
    values = values.transpose(0, 2, 1)[:, :, None]
    imitated = replace(observations, signals={"imitation_10_0.8": values})
    ours, lira = IMIA()(imitated, [0])[0], LiRA(online=True, variance="global")(observations, [0])[0]
    mask = reference_mask(member, 0)
    gap = [phi[mask[:, r] & member[:, r], r].mean() - phi[mask[:, r] & ~member[:, r], r].mean() for r in range(400)]
    right = np.array(gap) > VARIANCE_FLOOR
    assert (ours[~right] == 0).all()
    assert np.corrcoef(ours[right], lira[right])[0, 1] > 0.999  # the two variances of LiRA differ by chance


@pytest.mark.parametrize(
    ("values", "message"),
    [({"imitators": 3}, "imitators is 3"), ({"imitators": 0}, "imitators is 0"), ({"warmup": 1.0}, "warmup is 1.0")],
)
def test_settings_out_of_range_are_refused(values, message):
    with pytest.raises(InputError, match=message):
        IMIA(**values)
