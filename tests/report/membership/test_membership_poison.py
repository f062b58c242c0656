"""What is said of poison, whichever way it goes."""

from __future__ import annotations

import pytest

from jaxattack.report.membership.poison import poison_sentence
from jaxattack.report.wording import percent


def point(copies, share):
    return {"copies": copies, "targets": {"tpr": {"0.01": share}}, "others": {"auc": 0.6}}


def told(copies, after, targets=40):
    return poison_sentence(
        {"poison": {"attack": "lira-online", "targets": targets, "curve": [point(0, 0.1), point(copies, after)]}}
    )


@pytest.mark.parametrize(("after", "verb"), [(0.2, "raise"), (0.05, "lower"), (0.1, "do not change")])
def test_the_sentence_goes_the_way_of_its_figures(after, verb):
    sentence = told(4, after)
    assert sentence.startswith(
        f"4 copies with a wrong label {verb} what lira-online finds of 40 records: 10% without them and "
    )
    assert f"and {percent(after, 2)} with them, at 1% false positives" in sentence


@pytest.mark.parametrize(("after", "verb"), [(0.2, "raises"), (0.05, "lowers"), (0.1, "does not change")])
def test_of_one_copy_the_sentence_is_in_the_singular(after, verb):
    sentence = told(1, after, targets=1)
    assert sentence.startswith(
        f"1 copy with a wrong label {verb} what lira-online finds of 1 record: 10% without it and "
    )
    assert f"{percent(after, 2)} with it," in sentence
