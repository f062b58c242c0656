"""Tables of records, and the page of a membership audit with one, whose figures are left blank."""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxattack.attacks.membership import lookup
from jaxattack.audit.findings import values
from jaxattack.audit.observation_scoring import score_records
from jaxattack.audit.per_record import exposure_of
from jaxattack.audit.record_table import detections_at, record_table
from jaxattack.data import Halves
from jaxattack.report.membership import MEMBERSHIP
from jaxattack.report.membership.listing import list_records
from jaxattack.report.style import Drawing
from jaxattack.types import Observations

BLANK = Drawing(svg='<svg width="1pt" height="1pt"></svg>', png=b"", alt="nothing")
HOSTILE = (
    "</script><script>alert(1)</script>", "<img src=x onerror=alert(2)>", "<!--<script>", "{{ 7 * 7 }}", "=1+1", 'a"\'&amp;b',
    "x" * 200, "日本 مريض", "]]>", "<b>bold</b>",
)  # fmt: skip


def observed(records: int, *, models: int = 8, **fields: Any) -> Observations:
    """Models that give away every third record, of two classes in turn."""
    member = Halves()(models, records, 0)
    if (everywhere := fields.pop("everywhere", None)) is not None:
        member[:, everywhere] = True
    exposed = np.arange(records) % 3 == 0
    phi = fields.pop("phi", np.random.default_rng(0).normal(size=member.shape) + 3 * member * exposed)
    label = np.arange(records) % 2
    return Observations(signals={"phi": phi[..., None].astype(np.float32)}, member=member, label=label, **fields)


def table_of(records: int, **fields: Any):
    """The table of such records, phi being the scores."""
    labels_alone = fields.pop("labels_alone", False)
    observations = observed(records, **fields)
    phi, member = observations.signals["phi"][..., 0], observations.member
    detections = detections_at(phi, member, {"0.001": 3.0, "0.01": 2.0})
    exposure = exposure_of(phi, member, np.arange(records), labels_alone=labels_alone)
    return record_table(exposure, observations, "loss", detections, {"loss": phi})


def page_of(table, pictures=None) -> str:
    """The page of an audit of some records, which lists those of a table."""
    plain = values(score_records(observed(40), (lookup("loss"),)).findings)
    blank = {name: BLANK for name in MEMBERSHIP.figures if name not in ("poison", "tpr_by_models", "vulnerable")}
    listing = {} if table is None else {"listing": list_records(table, pictures or {})}
    return MEMBERSHIP.render(plain, blank, **listing)
