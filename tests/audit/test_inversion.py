"""Inverting end to end: a victim opened by name, an attack, an evaluation model, findings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from jaxattack.attacks.extraction import PathFinding, Softmax
from jaxattack.attacks.inversion import LEAST, Boundary, MiFace, Network, Numeric, Ppa
from jaxattack.attacks.inversion.gradient import DLG, Analytic
from jaxattack.audit import invert, open_victim
from jaxattack.audit.findings import values
from jaxattack.audit.findings.inversion import UpdateFindings
from jaxattack.audit.inversion import usual_attack
from jaxattack.audit.reconstructions import labels_found
from jaxattack.data import load
from jaxattack.data.designs import Sized
from jaxattack.defences import Round
from jaxattack.models import Architecture
from jaxattack.oracle import from_estimator
from jaxattack.report import headline, write
from jaxattack.report.inversion.tables import comma_separated
from jaxattack.types import InputError, Inputs


@pytest.fixture(scope="module")
def softmax():
    return open_victim("softmax", data="digits")


def test_digits_are_recognised_by_a_model_that_has_nothing_to_do_with_the_victim(softmax, tmp_path):
    how = {"attack": MiFace(restarts=2), "targets": (0, 3, 7), "evaluation": Architecture(name="mlp:64")}
    made = invert(softmax, **how, out=tmp_path)
    found = made.findings
    assert found.recognition.victim == 1
    assert found.recognition.top1 >= 2 / 3
    assert found.evaluation.records == len(softmax.dataset) - found.victim.members
    assert [row.target for row in found.targets] == [0, 3, 7]
    assert found.cost.gradients > 0
    assert found.cost.queries == 0
    assert {"gallery.svg", "report.html"} <= {path.name for path in write(tmp_path, found, made.pictures)}
    with np.load(tmp_path / "reconstructions.npz") as kept:
        np.testing.assert_array_equal(kept["x"], made.inversion.x)


def test_a_stolen_model_is_inverted_for_the_queries_of_the_theft(softmax):
    how = {
        "attack": MiFace(restarts=1),
        "targets": (1, 4),
        "extract": Softmax(),
        "evaluation": Architecture(name="mlp:16"),
    }
    made = invert(softmax, **how)
    direct = invert(softmax, attack=MiFace(restarts=1), targets=(1, 4), evaluation=Architecture(name="mlp:16"))
    found = made.findings
    stolen = found.attack.stolen
    assert stolen.queries == found.cost.queries == 66 + stolen.verification.trials
    assert stolen.complete, stolen.reason
    np.testing.assert_allclose(made.inversion.x, direct.inversion.x, atol=1.0)


def test_a_black_box_is_asked_and_its_answers_are_kept(softmax, tmp_path):
    how = {"attack": Numeric(steps=3), "targets": (2,), "evaluation": Architecture(name="mlp:16"), "budget": 1000}
    first = invert(softmax.behind((Round(decimals=4),)), **how, out=tmp_path)
    cost = first.findings.cost
    assert cost.queries == 1 + 3 * (1 + 2 * 64)  # and one more, to see whether the victim is deterministic
    again = invert(softmax.behind((Round(decimals=4),)), **how, out=tmp_path)
    assert again.findings.cost.kept == cost.queries
    np.testing.assert_array_equal(first.inversion.x, again.inversion.x)


def test_a_table_has_no_gallery_and_a_report_all_the_same(tmp_path):
    made = invert(
        open_victim("mlp:16", data="iris"), attack=MiFace(restarts=2), evaluation=Architecture(name="softmax")
    )
    assert made.findings.gallery == ()
    names = {path.name for path in write(tmp_path, made.findings, made.pictures)}
    assert "gallery.svg" not in names
    assert "report.html" in names


def test_without_weights_a_white_box_attack_says_what_to_do():
    with pytest.raises(InputError, match="steal them first"):
        invert(open_victim("svm", data="iris"), attack=MiFace())
    with pytest.raises(InputError, match="no network"):
        invert(open_victim("tree", data="iris"), extract=PathFinding())


def test_what_would_change_nothing_is_refused(softmax):
    behind = softmax.behind((Round(decimals=1),))
    for victim, more, name in ((softmax, {"budget": 5}, "budget is 5"), (behind, {}, "defences is Round")):
        for attack in (MiFace(), Analytic()):
            with pytest.raises(InputError, match=f"{name} and .* asks the model nothing"):
                invert(victim, attack, **more)
    with pytest.raises(InputError, match=r"targets is \(1,\) and analytic makes users' own records"):
        invert(softmax, Analytic(), targets=(1,))
    stolen = {"extract": Softmax(), "budget": 2000, "evaluation": Architecture(name="softmax"), "targets": (1,)}
    assert invert(behind.behind(()), MiFace(restarts=1, steps=1), **stolen).findings.cost.queries


def test_a_class_that_is_not_there_is_refused(softmax):
    with pytest.raises(InputError, match="target is 10"):
        invert(softmax, targets=(10,))


def test_users_records_are_made_back_from_their_gradients():
    victim = open_victim("mlp:32", data="digits", fresh=True)
    made = invert(victim, attack=Analytic(), users=3)
    found = made.findings
    others = victim.dataset.x[~victim.member].astype(float).mean(axis=0)
    apart = [((record - others) ** 2).mean() for record in victim.dataset.x[np.flatnonzero(victim.member)[:3]]]
    without = float(np.mean([10 * np.log10(255**2 / error) for error in apart]))
    assert replace(found.attack.updates, baseline=None) == UpdateFindings(
        users=3, batch=1, trained=False, labels=1.0, baseline=None, nearer=3
    )
    assert found.attack.updates.baseline == pytest.approx(without)
    assert found.likeness.psnr > without + 20
    assert found.likeness.mse < 1e-3
    chosen = np.flatnonzero(victim.member)[:3]
    np.testing.assert_array_equal(made.inversion.target, victim.dataset.y[chosen])
    np.testing.assert_allclose(made.inversion.x, victim.dataset.x[chosen], atol=0.1)
    with pytest.raises(InputError, match="network that is trained here"):
        invert(open_victim("svm", data="iris"), attack=DLG(recover=True))
    with pytest.raises(InputError, match="ask for fewer"):
        invert(victim, attack=Analytic(), users=5000)


def test_labels_of_a_batch_are_found_as_often_as_they_occur():
    y = np.array([[3, 3, 5], [1, 2, 2]])
    assert labels_found(np.array([[5, 3, 3], [2, 2, 1]]), y) == 1
    assert (
        labels_found(np.array([[3, 5, 5], [9, 1, 1]]), y) == 3 / 6
    )  # a guess counts no more often than the label is there
    assert labels_found(np.zeros((2, 3), int), y) == 0


def test_the_default_is_what_the_victim_allows(softmax):
    assert usual_attack(open_victim("svm", data="iris"), None) == Boundary()
    assert usual_attack(open_victim("logistic", data="iris"), None) == Numeric()
    assert usual_attack(softmax, None) == usual_attack(softmax, Softmax()) == Ppa()
    for pool in (None, softmax.pool[: LEAST - 1]):
        assert usual_attack(replace(softmax, pool=pool), None) == MiFace()


def test_the_default_asks_where_a_budget_or_defences_would_hold_for_nothing_else(softmax):
    assert usual_attack(softmax, None, budget=2000) == Numeric()
    assert usual_attack(open_victim("softmax", data="iris", level="label"), None, budget=2000) == Boundary()
    defended = softmax.behind((Round(decimals=2),))
    assert usual_attack(defended, None) == Numeric()
    assert usual_attack(defended, Softmax()) == Ppa()
    made = invert(softmax, targets=(1,), budget=500, evaluation=Architecture(name="softmax"))
    assert made.findings.cost.queries <= 500


def test_the_networks_budget_holds_for_what_it_makes_and_for_the_record_that_is_asked_again():
    how = {"attack": Network(steps=20), "budget": 30, "evaluation": Architecture(name="softmax")}
    found = invert(open_victim("logistic", data="iris"), **how).findings
    assert found.cost.queries == 30
    assert all(row.score > 0 for row in found.targets)


def test_a_victim_without_classes_is_refused():
    with pytest.raises(InputError, match="needs a classifier"):
        invert(open_victim("regression-tree", data="iris"))


@pytest.mark.parametrize(("members", "targets"), [(90, (2,)), (75, (1,))])
def test_answers_about_other_members_or_targets_are_not_taken_for_these(tmp_path, members, targets):
    def run(members, targets):
        victim = open_victim("logistic", data="iris", members=members)
        how = {"attack": Numeric(steps=1), "targets": targets, "evaluation": Architecture(name="softmax")}
        return invert(victim, **how, out=tmp_path)

    run(75, (2,))
    with pytest.raises(InputError, match="give another folder"):
        run(members, targets)


def test_nothing_is_stolen_for_an_attack_that_would_not_use_it(softmax):
    before = softmax.oracle.ledger
    with pytest.raises(InputError, match="leave extract out"):
        invert(softmax, attack=Numeric(), extract=Softmax())
    assert softmax.oracle.ledger == before


def test_classes_are_named_as_the_data_names_them(tmp_path):
    iris = load("iris")
    np.savez(tmp_path / "flowers.npz", x=iris.x, y=np.array(["setosa", "versicolor", "virginica"])[iris.y])
    victim = open_victim("logistic", data=str(tmp_path / "flowers.npz"))
    made = invert(victim, Numeric(steps=1), targets=("virginica", 0), evaluation=Architecture(name="softmax"))
    assert [(row.target, row.name) for row in made.findings.targets] == [(2, "virginica"), (0, "setosa")]
    # Beside the name of a class the number that it was taken for looked like another class.
    assert all(row.victim_name == victim.class_names[row.victim] for row in made.findings.targets)
    assert "virginica" in comma_separated(values(made.findings))
    with pytest.raises(
        InputError, match=r"target is 'rose' and logistic on .* has the classes setosa, versicolor, virg"
    ):
        invert(victim, Numeric(steps=1), targets=("rose",))
    with pytest.raises(InputError, match="has classes without names: give the number"):
        invert(open_victim("softmax", data="iris", fresh=True), targets=("rose",))


def test_classes_that_are_named_by_numbers_are_meant_by_them(tmp_path):
    """Of a victim of the classes 0 and 2 the class 2 was refused, and 1 made records of what its report called 2."""
    rng = np.random.default_rng(0)
    y = 2 * rng.integers(0, 2, 60)
    x = rng.normal(size=(60, 4)).astype(np.float32)
    x[np.arange(60), y] += 3
    y[0] = 1
    np.savez(tmp_path / "lacking.npz", x=x, y=y)
    seed = next(seed for seed in range(9) if not Sized(members=30)(1, 60, seed)[0][0])
    victim = open_victim("logistic", data=str(tmp_path / "lacking.npz"), seed=seed)
    how = {"evaluation": Architecture(name="softmax")}
    made = invert(victim, Numeric(steps=1), targets=(2,), **how).findings
    assert [(row.target, row.name) for row in made.targets] == [(1, "2")]
    with pytest.raises(InputError, match="target is '1' and .* has the classes 0, 2"):
        invert(victim, Numeric(steps=1), targets=(1,), **how)


def test_negative_numbers_of_classes_are_meant_by_them():
    """Of -1, 0 and 1 the target 1 was the second column, which is class 0."""
    rng = np.random.default_rng(0)
    y = rng.integers(-1, 2, 60)
    x = rng.normal(size=(60, 4))
    x[np.arange(60), y] += 3
    victim = from_estimator(LogisticRegression().fit(x, y), inputs=Inputs.box(-4, 7, (4,)))
    made = invert(victim, Numeric(steps=1), targets=(1, -1)).findings
    assert [(row.target, row.name) for row in made.targets] == [(2, "1"), (0, "-1")]


def test_a_bare_oracle_and_a_white_box_are_victims_too():
    victim = open_victim("softmax", data="iris", fresh=True)
    before = victim.oracle.ledger.queries
    made = invert(victim.oracle, targets=(1,), budget=2000)
    assert made.inversion.attack == "numeric"
    assert made.findings.cost.queries == victim.oracle.ledger.queries - before <= 2000
    assert made.findings.recognition.victim in (0.0, 1.0)
    assert made.findings.likeness is made.findings.evaluation is None
    inside = invert(victim.inside, targets=(1,))
    assert inside.inversion.attack == "mi-face"
    assert inside.findings.cost.queries == 0


def test_a_budget_holds_for_what_the_victim_takes_reconstructions_for(tmp_path):
    oracle = open_victim("logistic", data="iris").oracle
    attack = Numeric(steps=3)
    needed = invert(oracle, attack, targets=(1,)).inversion.cost.queries
    before = oracle.ledger.queries
    made = invert(oracle, attack, targets=(1,), budget=needed)
    assert made.findings.cost.queries == oracle.ledger.queries - before <= needed
    assert made.findings.recognition.victim is made.findings.targets[0].victim is None
    assert "report.html" in {path.name for path in write(tmp_path, made.findings, made.pictures)}
    assert "was not asked" in headline(made.findings)


@pytest.mark.parametrize(
    ("field", "value"), [("attack", "mi-face"), ("extract", "softmax"), ("targets", 3), ("evaluation", "mlp:256")]
)
def test_words_and_other_kinds_are_refused_in_a_sentence(softmax, field, value):
    with pytest.raises(InputError, match=f"^{field} is {value!r}: give") as caught:
        invert(softmax, **{field: value})
    assert "\n" not in str(caught.value)
