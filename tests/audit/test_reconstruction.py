"""Reconstruction end to end, every attack by name: it succeeds where something leaks and not where nothing does."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import jax
import numpy as np
import pytest

from jaxattack.attacks.reconstruction import ATTACKS, Update, lookup
from jaxattack.attacks.reconstruction.property import Above, OfClasses
from jaxattack.audit import Victim, open_victim
from jaxattack.audit.attackers import secret_of
from jaxattack.audit.experiment import Question
from jaxattack.audit.findings import values
from jaxattack.audit.reconstruction import _case, reconstruct, usual_attack
from jaxattack.defences import Noise
from jaxattack.models.homogeneous import homogeneous
from jaxattack.oracle import from_function, from_model
from jaxattack.training import Recipe, train_one
from jaxattack.types import Access, Dataset, InputError, Inputs, Variables, WhiteBox

FULL = Recipe(epochs=15, batch=64, optimizer="sgd", learning_rate=0.05)
SHORT = Recipe(epochs=5, batch=50)
STILL = Recipe(epochs=1, learning_rate=1e-9)


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """Two tables of two columns and a secret of eight values: labels by heart, and labels that the first column decides."""
    folder = tmp_path_factory.mktemp("tables")
    rng = np.random.default_rng(0)
    x = rng.integers(0, (16, 16, 8), (512, 3)).astype(np.float32)
    for name, y in (("heart", rng.integers(0, 10, 512)), ("rule", x[:, 0].astype(int))):
        np.savez(folder / f"{name}.npz", x=x, y=y)
    return folder


@cache
def points(trained):
    """A homogeneous network of six of 400 points, whose labels follow no rule; or with the weights of its start."""
    rng = np.random.default_rng(5)
    x = rng.uniform(-1, 1, (400, 40)).astype(np.float32)
    data = Dataset(x=x, y=np.arange(400) % 2, classes=2, name="points")
    member, model = np.arange(400) < 6, homogeneous((40, 100), 0.3)
    recipe = Recipe(epochs=3000, batch=6, optimizer="sgd", learning_rate=0.1, weight_decay=1e-3)
    variables = train_one(model, recipe, data, member) if trained else model.init(jax.random.key(0))
    inputs = Inputs.box(-1, 1, (40,))
    oracle, twin = (from_model(model, variables, inputs=inputs, classes=2) for _ in range(2))
    return Victim(
        name="homogeneous:100 on points", oracle=oracle, twin=twin, dataset=data, member=member,
        inside=WhiteBox(model=model, variables=variables, inputs=inputs, classes=2),
    )  # fmt: skip


def opened(name, **options):
    return lambda _: open_victim(name, **options)


def table(name):
    return lambda folder: open_victim("full-tree", data=str(folder / f"{name}.npz"))


def from_others(_):
    """A logistic regression at its minimum, and a truth that is wrong: it learnt from the other half."""
    victim = open_victim("newton", data="wine")
    return replace(victim, member=~victim.member)


SECRET = Question(secret=(2,))
# name -> the attack, a victim that leaks and one that does not, and what is asked of each.
CASES = {
    "map": ("map", table("heart"), SECRET, table("rule"), SECRET),
    "csmia": ("csmia", table("heart"), SECRET, table("rule"), SECRET),
    "tree-counts": ("tree-counts", table("heart"), SECRET, table("rule"), SECRET),
    "convex": ("convex", opened("newton", data="wine"), Question(targets=40), from_others, Question(targets=40)),
    "informed": (
        "informed?shadows=240&epochs=20&components=100&width=128", opened("mlp:8", members=40),
        Question(targets=40, recipe=FULL), opened("mlp:8", members=600), Question(targets=40, recipe=SHORT),
    ),
    "kkt": (
        "kkt?candidates=12&runs=6&steps=1500", lambda _: points(True), Question(), lambda _: points(False), Question(),
    ),
    "update-record": (
        "update-record", opened("softmax"), Question(targets=20),
        opened("softmax", level="logit"), Question(targets=20, defences=(Noise(scale=1.0),)),
    ),
    "update-label": (
        "update-label", opened("mlp:16"), Question(targets=60),
        opened("mlp:16"), Question(targets=60, update=Update(learning_rate=1e-12)),
    ),
    "property": (
        "property?shadows=60", opened("softmax"), Question(targets=20, recipe=SHORT),
        opened("softmax"), Question(targets=20, recipe=STILL),
    ),
    "property-kl": (
        "property-kl?shadows=36&records=100", opened("softmax"), Question(targets=20, recipe=SHORT),
        opened("softmax"), Question(targets=20, recipe=STILL),
    ),
    "property-loss": (
        "property-loss?shadows=36&records=100", opened("softmax"), Question(targets=20, recipe=SHORT),
        opened("softmax"), Question(targets=20, recipe=STILL),
    ),
}  # fmt: skip


def test_every_attack_of_the_registry_has_a_case():
    assert CASES.keys() == ATTACKS.keys()


@pytest.mark.parametrize("name", CASES)
def test_an_attack_succeeds_where_something_leaks(name, tables):
    attack, victim, question, _, _ = CASES[name]
    victim = victim(tables)
    before = victim.oracle.ledger
    made = reconstruct(victim, lookup(attack), **vars(question))
    first, cost = made.findings.comparisons[0], made.findings.cost
    assert first.leaks
    assert first.leak.value > (0.05 if name.startswith("property") else 0.3)
    assert len(made.findings.targets) == len(made.reconstruction.value) or name == "kkt"
    if "updates" not in ATTACKS[name].needs:  # which are asked of oracles of their own
        assert cost.queries == (victim.oracle.ledger - before).queries
    assert (cost.queries > 0) == bool(ATTACKS[name].levels)
    assert (cost.models > 0) == ("training" in ATTACKS[name].needs)


@pytest.mark.parametrize("name", CASES)
def test_an_attack_is_no_better_than_its_baseline_where_nothing_leaks(name, tables):
    attack, _, _, victim, question = CASES[name]
    made = reconstruct(victim(tables), lookup(attack), **vars(question))
    assert not made.findings.comparisons[0].leaks


def test_the_closed_forms_give_records_and_labels_exactly():
    for attack, victim in (("convex", "newton"), ("update-record", "softmax")):
        made = reconstruct(open_victim(victim, members=150), lookup(attack), targets=10)
        assert max(target.error for target in made.findings.targets) < 1e-4
        assert all(target.label == target.true_label for target in made.findings.targets)
        assert [row.attack.value for row in made.findings.comparisons] == [1, 1]
        assert len(made.pictures) == 3 * len(made.findings.gallery) == 30
        entry = made.findings.gallery[0]
        np.testing.assert_allclose(made.pictures[entry.made], made.pictures[entry.truth].astype(int), atol=3)


def test_records_that_it_was_not_trained_on_are_guessed_no_better_than_by_imputation(tables):
    rows = reconstruct(table("heart")(tables), lookup("csmia"), **vars(SECRET)).findings.comparisons
    leaks = {(row.of, row.against): row.leaks for row in rows}
    assert leaks["members", "an imputation from other records"]
    assert leaks["members", "records that it was not trained on"]
    assert not leaks["others", "an imputation from other records"]
    assert not leaks["others", "the likeliest value"]


def test_answers_are_kept_and_not_paid_for_again(tables, tmp_path):
    def run(**options):
        return reconstruct(table("heart")(tables), lookup("csmia"), **vars(SECRET), out=tmp_path, **options)

    first, again = run(), run()
    assert first.findings.cost.kept == 0
    assert again.findings.cost.kept == again.findings.cost.queries == first.findings.cost.queries
    np.testing.assert_array_equal(first.reconstruction.value, again.reconstruction.value)
    with np.load(tmp_path / "reconstructions.npz") as file:
        np.testing.assert_array_equal(file["value"], first.reconstruction.value)
    with pytest.raises(InputError, match="give another folder"):
        run(seed=1)


def test_a_budget_decides_how_many_targets_there_are(tables):
    some = reconstruct(table("heart")(tables), lookup("csmia"), **vars(SECRET), budget=100)
    assert some.findings.cost.queries <= 100
    assert not some.findings.attack.complete
    assert len(some.findings.targets) == 12  # eight questions each
    updates = reconstruct(open_victim("softmax"), lookup("update-record"), budget=700)
    assert len(updates.findings.targets) == 4  # 130 probes each, and once before
    assert updates.findings.cost.queries == 650
    with pytest.raises(InputError, match="tree-counts asks the model nothing: leave budget out"):
        reconstruct(table("heart")(tables), lookup("tree-counts"), **vars(SECRET), budget=5)
    with pytest.raises(InputError, match="takes 260 queries for one update"):
        reconstruct(open_victim("softmax"), lookup("update-record"), budget=259)


def test_a_budget_leaves_out_as_many_members_as_others(tables):
    """Guesses beyond it are the likeliest value's: beside attacked members they would look like records that do not leak."""
    whole = reconstruct(table("rule")(tables), lookup("csmia"), **vars(SECRET))
    some = reconstruct(table("rule")(tables), lookup("csmia"), **vars(SECRET), budget=8 * 61)
    assert whole.findings.comparisons[0].targets > 31 == some.findings.comparisons[0].targets
    assert sum(bool(target.member) for target in some.findings.targets) == 31
    assert len(some.findings.targets) == 61
    assert [target.error for target in some.findings.targets] == [
        target.error for target in whole.findings.targets[:61]
    ]


def test_findings_are_plain_values_without_the_truth_of_the_attack(tables):
    plain = values(reconstruct(table("heart")(tables), lookup("tree-counts"), **vars(SECRET)).findings)
    assert plain["kind"] == "reconstruction"
    assert plain["attack"]["needs"] == [
        "a decision tree with the training counts of its leaves", "records of which one attribute is not known",
    ]  # fmt: skip
    assert plain["config"]["attack"] == "tree-counts"
    assert {row["of"] for row in plain["comparisons"]} == {"members", "others"}


@pytest.mark.parametrize(
    ("victim", "attack", "question", "message"),
    [
        ("svm", "convex", Question(), "SVC is no fitted linear model"),
        ("mlp:4", "convex", Question(), "give newton"),
        ("newton", "tree-counts", Question(secret=(1,)), "give full-tree or tree"),
        ("newton", "informed", Question(), "needs a network"),
        ("mlp:4", "kkt", Question(), "train homogeneous:200"),
        ("newton", "csmia", Question(), "secret names no column: give one with 2 to 32 values"),
        ("newton", "csmia", Question(secret=(4,)), "a record has 4 columns"),
        ("relu:4-3-1", "csmia", Question(secret=(1,)), "comes without the records"),
        (
            "newton",
            "convex",
            Question(defences=(Noise(scale=1.0),)),
            "convex asks the model nothing: leave defences out",
        ),
        ("newton", "convex", Question(secret=(1,)), "guesses no attribute: leave secret out"),
        ("mlp:4", "property", Question(has=OfClasses(classes=(10,))), r"classes is \(10,\)"),
        ("mlp:4", "property", Question(has=Above(column=64)), "column is 64"),
        ("mlp:4", "property", Question(has=Above(column=3, bound=1e6)), "give one that varies"),
    ],
)
def test_what_an_attack_cannot_read_is_refused_with_one_sentence(victim, attack, question, message):
    opened = open_victim(victim, data="iris" if victim in ("svm", "newton") else None)
    with pytest.raises(InputError, match=message):
        reconstruct(opened, lookup(attack), **vars(question))


@pytest.fixture(scope="module")
def columns(tmp_path_factory):
    """A table of three columns, one of them a thousand times as far apart."""
    folder, rng = tmp_path_factory.mktemp("columns"), np.random.default_rng(0)
    y = rng.integers(0, 2, 160)
    np.savez(folder / "far.npz", x=((rng.normal(size=(160, 3)) + y[:, None]) * [1000, 1, 1]).astype(np.float32), y=y)
    return folder


@pytest.mark.parametrize(
    ("attack", "known"),
    [
        ("informed?shadows=20&epochs=2&width=8&components=5", lambda inside, pool: inside[1:]),
        ("property?shadows=20", lambda inside, pool: pool),
        ("property-loss?shadows=20&records=20", lambda inside, pool: pool),
    ],
)
def test_networks_of_the_audit_learn_columns_far_from_one_scale_as_on_that_of_known_records(columns, attack, known):
    """By hand on the same scale, the attack makes the same; on the columns as they were measured it learnt the first one alone."""
    far, question = open_victim("mlp:4", data=str(columns / "far.npz")), {"targets": 4, "recipe": SHORT}
    case = _case(far, lookup(attack), Question(**question), 0, None, None)
    inside, _, pool = case.draw()
    x = far.dataset.x.astype(np.float64)
    mean, deviation = (part(x[known(inside, pool)], axis=0) * [1, 0, 0] for part in (np.mean, np.std))
    deviation += [0, 1, 1]
    np.savez(columns / "scaled.npz", x=((x - mean) / deviation).astype(np.float32), y=far.dataset.y)
    made = reconstruct(far, lookup(attack), **question)
    by_hand = reconstruct(open_victim("mlp:4", data=str(columns / "scaled.npz")), lookup(attack), **question)
    value = by_hand.reconstruction.value
    value = value * deviation + mean if value.ndim == 2 else value
    np.testing.assert_allclose(made.reconstruction.value, value, rtol=1e-5)
    assert made.findings.notes[-1].startswith("1 of 3 columns of")
    assert made.findings.notes[-1].endswith(
        "that this audit trains take them on that of records that the attacker knows."
    )
    assert by_hand.findings.notes == ()


def test_an_attackers_own_network_learns_columns_far_from_one_scale_as_its_victim_did(columns):
    victim = open_victim("mlp:4", data=str(columns / "far.npz"))
    how = {"targets": 4, "update": Update(learning_rate=1e-6)}
    found = reconstruct(victim, lookup("update-label?shadows=16&probes=4"), **how).findings
    assert found.notes[-1].endswith("and the attacker's own network takes them on that of its members.")
    model = replace(victim, inside=replace(victim.inside, variables=Variables({"told": np.zeros(3)}, {})))
    assert _case(model, lookup("update-label"), Question(), 0, None, None).columns == ()


def test_the_attack_that_fits_a_victim():
    names = {"newton": "convex", "tree": "tree-counts", "softmax": "update-record", "mlp:4": "informed"}
    assert {victim: usual_attack(open_victim(victim, members=40)).name for victim in names} == names
    assert usual_attack(points(False)).name == "kkt"


def test_an_attribute_of_several_columns_has_a_value_for_each_row_that_occurs():
    x = np.array([[1, 0, 5], [0, 1, 5], [1, 0, 6], [0, 1, 7]], float)
    secret = secret_of(x, (0, 1), np.array([0, 2]))
    assert secret.values.tolist() == [[0, 1], [1, 0]]
    np.testing.assert_allclose(secret.prior, [1 / 4, 3 / 4])  # by Laplace's rule


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("newton",), r"victim is 'newton', a word: give jaxattack.open_victim\('newton'\)"),
        (
            (from_function(lambda x: x[:, :2], Access(level="logit", classes=2, inputs=Inputs.box(0, 1, (3,)))),),
            "name the attack",
        ),
    ],
)
def test_a_victim_is_an_object_with_its_records(arguments, words):
    with pytest.raises(InputError, match=words):
        reconstruct(*arguments)


def test_an_attack_is_an_object():
    with pytest.raises(InputError, match=r"attack is 'map': give a ReconstructionAttack or none, as jaxattack\."):
        reconstruct(open_victim("tree", data="iris"), "map")
