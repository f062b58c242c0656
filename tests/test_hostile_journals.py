"""Journals of answers that hold something else."""

from __future__ import annotations

import json
import os

import numpy as np
from hostile import TEXTS, npy, refused
from oracle.kept import BATCHES, fill, victim

from jaxattack.oracle import frames, journalled


def journal_of(*entries):
    return b"".join(bytes(piece) for pieces in entries for piece in pieces)


def test_a_journal(tmp_path):
    fill(tmp_path / "whole", BATCHES[:1])
    whole = (tmp_path / "whole" / "answers.journal").read_bytes()
    first = whole[: whole.rindex(b"JATK")]
    line = json.loads(whole[whole.rindex(b"JATK") + 16 :].partition(b"\n")[0])
    queries = len(BATCHES[0])

    def answered(*arrays, **changes):
        return first + journal_of(frames.frame(line | changes, *arrays))

    label, scores = np.zeros(queries, np.int64), np.full((queries, 2), 0.5)
    cases = {
        **{f"described by {name}": journal_of(_sealed(data + b"\n")) for name, data in TEXTS.items()},
        **{f"an entry of {name}": first + journal_of(_sealed(data + b"\n")) for name, data in TEXTS.items()},
        "a label of text": answered(np.full(queries, "x"), scores),
        "a label out of range": answered(label + 7, scores),
        "too few labels": answered(label[:0], scores[:0]),
        "scores of objects": first + journal_of(_sealed(json.dumps(line).encode() + b"\n" + npy("(1,)", "'|O'"))),
        "scores of 10^12": first + journal_of(_sealed(json.dumps(line).encode() + b"\n" + npy("(1000000000000,)"))),
        "scores of another shape": answered(label, scores.T),
        "parts of other names": answered(label, scores, parts=["label", "__class__"]),
        "no parts": answered(label, scores, parts=3),
        "a negative cost": answered(label, scores, cost=line["cost"] | {"queries": -5}),
        "a cost of text": answered(label, scores, cost=line["cost"] | {"price": "0"}),
        "a cost of 10^30": answered(label, scores, cost=line["cost"] | {"queries": 10**30}),
        "a cost of something else": answered(label, scores, cost={"a": 1}),
        "no digest": answered(label, scores, digest=[1]),
    }
    folder = tmp_path / "bad"
    folder.mkdir()
    for name, data in cases.items():
        (folder / "answers.journal").write_bytes(data)

        def read():
            with journalled(victim(), folder) as oracle:
                oracle(BATCHES[0])

        refused(name, read)


def _sealed(body):
    """A frame around any bytes, sealed as a whole one is."""
    return frames._head(len(body)), body, frames._seal(body)


def test_a_journal_is_not_written_through_a_link_or_into_a_pipe(tmp_path):
    (tmp_path / "precious").write_bytes(b"")
    (tmp_path / "run").mkdir()
    path = tmp_path / "run" / "answers.journal"
    for target in (tmp_path / "precious", tmp_path / "absent"):
        path.symlink_to(target)
        refused("link", lambda: journalled(victim(), tmp_path / "run"))
        path.unlink()
    assert (tmp_path / "precious").read_bytes() == b""
    assert not (tmp_path / "absent").exists()
    os.mkfifo(path)
    refused("pipe", lambda: journalled(victim(), tmp_path / "run"))
