"""What is said of poison, whichever way it goes."""

from __future__ import annotations

import pytest

from jaxattack.report.membership.poison import poison_sentence
from jaxattack.report.wording import percent


@pytest.mark.parametrize(("after", "verb"), [(0.2, "raise"), (0.05, "lower"), (0.1, "do not change")])
def test_the_sentence_goes_the_way_of_its_figures(after, verb):
    def point(copies, share):
        return {"copies": copies, "targets": {"tpr": {"0.01": share}}, "others": {"auc": 0.6}}

    findings = {"poison": {"attack": "lira-online", "targets": 40, "curve": [point(0, 0.1), point(4, after)]}}
    told = poison_sentence(findings)
    assert told.startswith(
        f"4 copies with a wrong label {verb} what lira-online finds of 40 records: 10% without them and "
    )
    assert f"and {percent(after, 2)} with them, at 1% false positives" in told
