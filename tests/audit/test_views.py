"""Whether asked views were trained on, and what is told of it."""

from __future__ import annotations

import pytest

from jaxattack.attacks.membership import lookup
from jaxattack.audit import membership, rescore
from jaxattack.audit.views import strange_views
from jaxattack.data import load
from jaxattack.models import Architecture
from jaxattack.training import Queries, Recipe
from jaxattack.training.learners import Standard
from jaxattack.types import InputWarning


@pytest.mark.parametrize(
    ("count", "flip", "crop", "words"),
    [
        (1, False, 0, []),
        (2, False, 0, ["mirrored"]),
        (2, True, 0, []),
        (9, False, 0, ["shifted"]),
        (18, False, 0, ["mirrored", "shifted"]),
        (18, True, 1, []),
        (50, True, 1, ["shifted"]),
    ],
)
def test_views_that_training_did_not_show_are_told(count, flip, crop, words):
    notes = strange_views(Queries.counting(count), flip=flip, crop=crop)
    assert [word for note in notes for word in ("mirrored", "shifted") if word in note] == words


def test_a_run_tells_them_before_training_and_on_its_page_with_the_curve_over_views(tmp_path):
    settings = {
        "model": Architecture(name="softmax"),
        "dataset": load("digits"),
        "records": 60,
        "learner": Standard(recipe=Recipe(epochs=2)),
        "models": 6,
        "queries": 2,
        "attacks": tuple(map(lookup, ("lira-online", "rmia-offline", "attack-r"))),
    }
    with pytest.warns(InputWarning, match="mirrored records and were not trained on such"):
        found = membership(tmp_path / "run", **settings).findings
    (note,) = [note for note in found.notes if "mirrored" in note]
    assert "Train with --flip, or ask 1 query" in note
    assert note in rescore(tmp_path / "run", (lookup("lira-online"),)).findings.notes
    by_name = {entry.name: entry for entry in found.attacks}
    for name in ("lira-online", "rmia-offline"):
        points = by_name[name].by_queries
        assert [point.queries for point in points] == [1, 2]
        assert points[-1].auc == by_name[name].auc
    assert by_name["attack-r"].by_queries == ()
