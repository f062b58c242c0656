"""Which records an audit is about: copies are told where they are many."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

import jaxattack as ja
from jaxattack.audit.records import notes_on_copies


def with_copies(count: int) -> ja.Dataset:
    """Two hundred records, the last so many equal to the first."""
    data = ja.load("synthetic:gaussian", records=200)
    place = np.arange(200)
    place[200 - count :] = place[:count]
    return data.take(place)


def test_copies_are_told_from_a_fiftieth_of_the_records_on():
    assert notes_on_copies(with_copies(0)) == notes_on_copies(with_copies(2)) == ()
    assert notes_on_copies(ja.load("digits")) == notes_on_copies(ja.load("iris")) == ()
    (told,) = notes_on_copies(with_copies(3))
    assert told.startswith("6 of 200 records are equal to another.")
    (same,) = notes_on_copies(replace(with_copies(0), x=np.zeros((200, 5), np.float32)))
    assert same.startswith("200 of 200")


def test_records_of_another_label_are_no_copies():
    data = with_copies(0)
    two = np.concatenate([data.x[:100], data.x[:100]])
    labels = np.repeat([0, 1], 100).astype(data.y.dtype)
    assert notes_on_copies(replace(data, x=two, y=labels)) == ()


def test_an_audit_of_copies_says_so():
    findings = ja.membership(
        model=ja.models.Architecture(name="softmax"),
        dataset=with_copies(20),
        learner=ja.learners.Standard(recipe=ja.Recipe(epochs=1)),
        attacks=(ja.attacks.Threshold(quantity="loss"),),
        models=4,
    ).findings
    assert any("40 of 200 records are equal to another" in note for note in findings.notes)
