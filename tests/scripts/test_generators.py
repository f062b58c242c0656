"""The study of how long generators learn: its null is of generators that learnt from nobody who is asked about."""

from __future__ import annotations

import dataclasses

import numpy as np
from attacks.memorising import evidence, memorising
from generators import null, table

from jaxattack.attacks.membership.generators import GanLeaks
from jaxattack.audit.generators import score_generators


def test_references_stand_for_generators_that_learnt_from_neither_side():
    case, member = evidence("vae", leaks=True)
    references = memorising("vae", np.stack([case.pool[:24], case.pool[24:]]))
    nothing = null(dataclasses.replace(case, references=references))
    np.testing.assert_array_equal(nothing.targets.samples[0], references.samples[0])
    np.testing.assert_array_equal(nothing.references.samples[0], references.samples[1])
    attacks = (GanLeaks(calibrated=False),)
    leaking, blind = (
        score_generators(one, truth, attacks=attacks) for one, truth in ((case, member), (nothing, member[:1]))
    )
    low, high = blind.attacks[0].auc_interval
    assert low <= 0.5 <= high
    head, _, row = table([(10, leaking, blind)], attacks).splitlines()
    assert head == "| steps | distance | gan-leaks-full | null |"
    assert row.startswith("| 10 | ")
    assert " | 1.000 (" in row
