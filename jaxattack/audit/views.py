"""Whether the views that models are asked about are such as they were trained on.

A view that training never showed is answered alike for members and others, and noise is what it adds: on 2,000 records of
Fashion-MNIST two queries of models trained without mirror images find fewer members than the record alone, whatever way they
are joined (`jaxattack.attacks.membership.joining`).
"""

from __future__ import annotations

from jaxattack.training import Queries


def strange_views(queries: Queries, *, flip: bool, crop: int) -> list[str]:
    """In sentences, which views training did not show.

    Args:
        queries: the views asked about.
        flip: whether training mirrored records.
        crop: by how many pixels training shifted them, at most.
    """
    unseen = [
        (queries.mirror and not flip, "mirrored", "--flip"),
        (queries.shift > crop, "shifted", f"--crop {queries.shift}"),
    ]
    return [
        f"Models are asked about {views} records and were not trained on such: more queries may find less than the record "
        f"alone. Train with {option}, or ask 1 query."
        for strange, views, option in unseen
        if strange
    ]
