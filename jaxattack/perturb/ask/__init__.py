"""Searches that only ask: pure functions of named state, and the one loop that drives them.

A `Method` says of one record which points it asks about (`Method.ask`) and what it makes of the answers (`Method.tell`).
Here they are mapped over records, and counted:

    every point lies where the record may go, so that any that is labelled otherwise is an example
    the example of a record is its first, or the nearest of all where the method goes on after it (``minimises``)
    a record that is through is frozen: nothing of it changes, it is asked no more, and it drops out of the batch
    all others are at the same round of the same plan, so that a round is one batch

`drive` is the loop. What a round does is handed to it: `local` asks a model at hand within one program of many rounds,
`outside` somebody else, such as a service, a round at a time. Both take the same points of the same keys.

Points are shares of each feature's range.
"""

from __future__ import annotations

from jaxattack.perturb.ask.loop import Answers, Round, drive, local, outside
from jaxattack.perturb.ask.search import Method, Query, Record, Reply, Search, ask, pending, reply_of, start, tell

__all__ = [
    "Answers",
    "Method",
    "Query",
    "Record",
    "Reply",
    "Round",
    "Search",
    "ask",
    "drive",
    "local",
    "outside",
    "pending",
    "reply_of",
    "start",
    "tell",
]
