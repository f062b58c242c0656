"""Inverting end to end: a victim opened by name, an attack, an evaluation model, findings."""

from __future__ import annotations

import numpy as np
import pytest

from jaxattack.audit import InversionAudit, Terms, invert, on_terms, open_victim
from jaxattack.report import write
from jaxattack.types import InputError


@pytest.fixture(scope="module")
def softmax():
    return open_victim("softmax", data="digits")


def test_digits_are_recognised_by_a_model_that_has_nothing_to_do_with_the_victim(softmax, tmp_path):
    audit = InversionAudit(method="mi-face?restarts=2", targets=(0, 3, 7), evaluation="mlp:64")
    made = invert(softmax, audit=audit, out=tmp_path)
    values = made.findings.values
    assert values["recognition"]["victim"] == 1
    assert values["recognition"]["top1"] >= 2 / 3
    assert values["evaluation"]["records"] == len(softmax.dataset) - values["victim"]["members"]
    assert [row["target"] for row in values["targets"]] == [0, 3, 7]
    assert values["cost"]["gradients"] > 0
    assert values["cost"]["queries"] == 0
    assert {"gallery.svg", "report.html"} <= {path.name for path in write(tmp_path, values, made.findings.pictures)}
    with np.load(tmp_path / "reconstructions.npz") as kept:
        np.testing.assert_array_equal(kept["x"], made.inversion.x)


def test_a_stolen_model_is_inverted_for_the_queries_of_the_theft(softmax):
    audit = InversionAudit(method="mi-face?restarts=1", targets=(1, 4), extract="softmax", evaluation="mlp:16")
    made = invert(softmax, audit=audit)
    direct = invert(softmax, audit=InversionAudit(method="mi-face?restarts=1", targets=(1, 4), evaluation="mlp:16"))
    values = made.findings.values
    stolen = values["attack"]["stolen"]
    assert stolen["queries"] == values["cost"]["queries"] == 66 + stolen["verification"]["trials"]
    assert stolen["complete"], stolen["reason"]
    np.testing.assert_allclose(made.inversion.x, direct.inversion.x, atol=1.0)


def test_a_black_box_is_asked_and_its_answers_are_kept(softmax, tmp_path):
    audit = InversionAudit(method="numeric?steps=3", targets=(2,), evaluation="mlp:16", budget=1000)
    first = invert(softmax, audit=audit, oracle=on_terms(softmax.oracle, Terms(decimals=4)), out=tmp_path)
    cost = first.findings.values["cost"]
    assert cost["queries"] == 1 + 3 * (1 + 2 * 64)  # and one more, to see whether the victim is deterministic
    again = invert(softmax, audit=audit, oracle=on_terms(softmax.oracle, Terms(decimals=4)), out=tmp_path)
    assert again.findings.values["cost"]["kept"] == cost["queries"]
    np.testing.assert_array_equal(first.inversion.x, again.inversion.x)


def test_a_table_has_no_gallery_and_a_report_all_the_same(tmp_path):
    made = invert(
        open_victim("mlp:16", data="iris"), audit=InversionAudit(method="mi-face?restarts=2", evaluation="softmax")
    )
    assert made.findings.values["gallery"] == []
    names = {path.name for path in write(tmp_path, made.findings.values, made.findings.pictures)}
    assert "gallery.svg" not in names
    assert "report.html" in names


def test_without_weights_a_white_box_attack_says_what_to_do():
    with pytest.raises(InputError, match="steal them first"):
        invert(open_victim("svm", data="iris"), audit=InversionAudit(method="mi-face"))
    with pytest.raises(InputError, match="no network"):
        invert(open_victim("tree", data="iris"), audit=InversionAudit(extract="path-finding"))


def test_a_class_that_is_not_there_is_refused(softmax):
    with pytest.raises(InputError, match="target is 10"):
        invert(softmax, audit=InversionAudit(targets=(10,)))


def test_users_records_are_made_back_from_their_gradients():
    victim = open_victim("mlp:32", data="digits", fresh=True)
    made = invert(victim, audit=InversionAudit(method="analytic", users=3))
    values = made.findings.values
    assert values["attack"]["updates"] == {"users": 3, "batch": 1, "trained": False}
    assert values["likeness"]["mse"] < 1e-3
    chosen = np.flatnonzero(victim.member)[:3]
    np.testing.assert_array_equal(made.inversion.target, victim.dataset.y[chosen])
    np.testing.assert_allclose(made.inversion.x, victim.dataset.x[chosen], atol=0.1)
    with pytest.raises(InputError, match="network that is trained here"):
        invert(open_victim("svm", data="iris"), audit=InversionAudit(method="idlg"))
    with pytest.raises(InputError, match="ask for fewer"):
        invert(victim, audit=InversionAudit(method="analytic", users=5000))


def test_the_default_is_what_the_victim_allows(softmax):
    audit = InversionAudit(targets=(1,), evaluation="softmax")
    labels = invert(open_victim("svm", data="iris"), audit=audit).findings.values
    assert labels["config"]["method"] == labels["attack"]["name"] == "boundary"
    assert invert(open_victim("logistic", data="iris"), audit=audit).inversion.attack == "numeric"


def test_a_victim_without_classes_is_refused():
    with pytest.raises(InputError, match="needs a classifier"):
        invert(open_victim("regression-tree", data="iris"))


@pytest.mark.parametrize(("members", "targets"), [(90, (2,)), (75, (1,))])
def test_answers_about_other_members_or_targets_are_not_taken_for_these(tmp_path, members, targets):
    def run(members, targets):
        victim = open_victim("logistic", data="iris", members=members)
        audit = InversionAudit(method="numeric?steps=1", targets=targets, evaluation="softmax")
        return invert(victim, audit=audit, out=tmp_path)

    run(75, (2,))
    with pytest.raises(InputError, match="give another folder"):
        run(members, targets)


def test_nothing_is_stolen_for_an_attack_that_would_not_use_it(softmax):
    before = softmax.oracle.ledger
    with pytest.raises(InputError, match="leave extract out"):
        invert(softmax, audit=InversionAudit(method="numeric", extract="softmax"))
    assert softmax.oracle.ledger == before
