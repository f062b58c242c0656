"""Run folders know a victim by its content, defences, terms, data and members, whatever its name and path."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from scaled_factories import write_factories
from sklearn.linear_model import LogisticRegression

from jaxattack.attacks.extraction import Retraining, Softmax
from jaxattack.attacks.inversion import MiFace, Numeric
from jaxattack.attacks.inversion.gradient import Analytic
from jaxattack.attacks.membership import Threshold
from jaxattack.audit import (
    MembershipAudit,
    Victim,
    extract,
    invert,
    open_victim,
    train_victim,
)
from jaxattack.audit.model_source import load_factory
from jaxattack.audit.plan import planned
from jaxattack.audit.session import open_session
from jaxattack.cli.extraction import named_run
from jaxattack.data import load, random_labels, save
from jaxattack.defences import Noise, Round, Temperature
from jaxattack.models import Architecture
from jaxattack.oracle import connect, from_estimator, from_function
from jaxattack.oracle.identity import fingerprint_of
from jaxattack.oracle.ledger import OracleWrapper
from jaxattack.serve import serving
from jaxattack.training import Recipe
from jaxattack.training.learners import Standard
from jaxattack.types import Access, BudgetSpent, InputError, Inputs

HOW = {"attack": Softmax(), "compare": 20}
LEARNER = Standard(recipe=Recipe(epochs=2, batch=8))
RNG = np.random.default_rng(0)
WEIGHT = RNG.normal(size=(2, 3))
INPUTS = Inputs.box(-1, 1, (2,))


def _linear(weight=WEIGHT):
    """A victim of any Python function, whose content nothing tells but its answers."""

    def answer(x):
        odds = np.exp(x @ weight)
        return odds / odds.sum(axis=1, keepdims=True)

    access = Access(level="probability", classes=3, inputs=INPUTS)
    return Victim(
        name="lines", oracle=from_function(answer, access), twin=from_function(answer, access), attack=Softmax()
    )


def _identity(victim):
    return fingerprint_of({name: value for name, value in victim.identity.items() if name != "victim"})


@pytest.fixture(scope="module")
def tree():
    return open_victim("tree", data="iris")


def test_any_single_ingredient_makes_another_victim(tree):
    y = tree.dataset.y.copy()
    y[0] = 1 - y[0]
    x = tree.dataset.x.copy()
    x[0, 0] = np.nextafter(x[0, 0], np.float32(9))
    member = tree.member.copy()
    member[[0, -1]] = ~member[[0, -1]]
    pool = tree.pool.copy()
    pool[0, 0] = np.nextafter(pool[0, 0], 9)
    others = [
        replace(tree, dataset=replace(tree.dataset, y=y)),
        replace(tree, dataset=replace(tree.dataset, x=x)),
        replace(tree, dataset=replace(tree.dataset, classes=4)),
        replace(tree, member=member),
        replace(tree, pool=pool),
        open_victim("tree", data="iris", seed=1),
        open_victim("tree", data="iris", members=74),
        open_victim("binned", data="iris"),
        open_victim("kernel", data="iris"),
    ]
    assert len({_identity(victim) for victim in [tree, *others]}) == len(others) + 1
    assert _identity(tree) == _identity(replace(tree, name="another name"))
    assert _identity(tree) == _identity(open_victim("tree", data="iris"))


@pytest.mark.parametrize("name", ["relu:4-3-2", "head:4-9"])
def test_a_random_victim_is_known_by_its_numbers(name):
    assert _identity(open_victim(name)) == _identity(open_victim(name, seed=0))
    assert _identity(open_victim(name)) != _identity(open_victim(name, seed=1))


def test_a_python_function_is_known_by_its_answers():
    moved = WEIGHT.copy()
    moved[0, 0] += 1e-4
    assert _identity(_linear()) == _identity(_linear(WEIGHT.copy())) != _identity(_linear(moved))


def test_a_model_folder_is_known_by_its_weights_and_not_by_its_path(tmp_path):
    train_victim(tmp_path / "v", model=Architecture(name="softmax"), dataset=load("iris"), learner=LEARNER)
    shutil.copytree(tmp_path / "v", tmp_path / "copy")
    first, copied = open_victim(str(tmp_path / "v")), open_victim(str(tmp_path / "copy"))
    assert _identity(first) == _identity(copied)
    run = tmp_path / "run"
    stolen = extract(first, **HOW, out=run).findings
    again = extract(copied, **HOW, out=run).findings
    assert again.cost.kept == again.cost.queries == stolen.cost.queries
    longer = Standard(recipe=Recipe(epochs=3, batch=8))
    train_victim(tmp_path / "v", model=Architecture(name="softmax"), dataset=load("iris"), learner=longer, replace=True)
    retrained = open_victim(str(tmp_path / "v"))
    with pytest.raises(
        InputError, match=r"content\.weights was '[0-9a-f]{12}' and is now '[0-9a-f]{12}'\): give another"
    ):
        extract(retrained, **HOW, out=run)
    assert named_run("extract", "v", first) != named_run("extract", "v", retrained)
    with np.load(tmp_path / "v" / "weights.npz") as weights:
        arrays = dict(weights)
    name = next(iter(arrays))
    arrays[name].flat[0] = np.nextafter(arrays[name].flat[0], np.float32(9))
    np.savez(tmp_path / "v" / "weights.npz", **arrays)
    assert _identity(open_victim(str(tmp_path / "v"))) != _identity(retrained)


def test_a_data_file_that_changed_makes_another_victim(tmp_path):
    data = random_labels(records=60, features=3, classes=3)
    file = tmp_path / "records.npz"
    save(data, file)
    run = tmp_path / "run"
    extract(open_victim("logistic", data=str(file)), **HOW, out=run)
    shutil.copy(file, tmp_path / "moved.npz")
    extract(open_victim("logistic", data=str(tmp_path / "moved.npz")), **HOW, out=run)
    y = data.y.copy()
    y[[0, 1]] = y[[1, 0]] if y[0] != y[1] else (y[[0, 1]] + 1) % 3
    save(replace(data, y=y), file)
    with pytest.raises(InputError, match=r"data\.sha256 was"):
        extract(open_victim("logistic", data=str(file)), **HOW, out=run)


@pytest.mark.parametrize("kind", ["skops", "onnx"])
def test_a_file_that_was_saved_anew_is_another_victim(tmp_path, kind):
    x, y = load("iris").x, load("iris").y
    file = tmp_path / f"model.{kind}"

    def save_model(penalty):
        fitted = LogisticRegression(C=penalty).fit(x, y)
        if kind == "skops":
            pytest.importorskip("skops.io").dump(fitted, file)
        else:
            convert = pytest.importorskip("skl2onnx")
            pytest.importorskip("onnxruntime")
            file.write_bytes(
                convert.to_onnx(fitted, x[:1], options={"zipmap": False}, target_opset=15).SerializeToString()
            )

    save_model(1.0)
    first, run = open_victim(str(file)), tmp_path / "run"
    extract(first, **HOW, out=run)
    copied = shutil.copy(file, tmp_path / f"moved.{kind}")
    extract(open_victim(str(copied)), **HOW, out=run)
    save_model(0.01)
    second = open_victim(str(file))
    with pytest.raises(InputError, match=r"content\.file was"):
        extract(second, **HOW, out=run)
    assert named_run("extract", "model", first) != named_run("extract", "model", second)


OTHERS = {
    "noise": ((Noise(scale=0.3),), (Noise(scale=0.001),), "defences was .*0.3.* and is now .*0.001"),
    "temperature": (
        (Temperature(temperature=2.0),),
        (Temperature(temperature=10.0),),
        "defences was .*2.0.* and is now .*10.0",
    ),
    "none": ((), (Noise(scale=0.001),), "defences was"),
    "decimals": ((Round(decimals=5),), (Round(decimals=4),), "access.decimals was 5 and is now 4"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_defences_are_refused_with_their_values(tree, tmp_path, name):
    one, other, words = OTHERS[name]
    extract(tree.behind(one), **RETRAINING, out=tmp_path)
    with pytest.raises(InputError, match=words):
        extract(tree.behind(other), **RETRAINING, out=tmp_path)


RETRAINING = {"attack": Retraining(strategy="uniform"), "budget": 60, "compare": 20}


def test_what_is_asked_with_other_settings_is_refused(tree, tmp_path):
    extract(tree, **RETRAINING, out=tmp_path)
    for victim, other, words in (
        (tree, {"seed": 1}, "seed was 0 and is now 1"),
        (tree, {"attack": Softmax()}, "method was .* and is now 'softmax'"),
        (replace(tree, member=~tree.member), {}, r"members\.sha256 was"),
        (replace(tree, pool=tree.pool[:-1]), {}, "pool was"),
    ):
        with pytest.raises(InputError, match=words) as caught:
            extract(victim, **RETRAINING | other, out=tmp_path)
        assert "\n" not in str(caught.value)


QUICK = MiFace(restarts=1, steps=2)


@pytest.mark.parametrize(
    "how",
    [
        {"attack": QUICK, "targets": (0,)},
        {"attack": Analytic(), "users": 2},
        {"attack": Numeric(steps=1), "targets": (0,)},
        {"attack": QUICK, "extract": Softmax(), "targets": (0,)},
    ],
    ids=["white box", "gradients", "black box", "stolen first"],
)
def test_an_inversion_of_another_victim_is_refused_whatever_the_method(tmp_path, how):
    how = how | {"evaluation": Architecture(name="softmax"), "out": tmp_path}
    first = open_victim("softmax" if "extract" in how else "mlp:4", data="iris", fresh=True)
    invert(first, **how)
    invert(first, **how)
    for other, words in (
        (open_victim("mlp:5", data="iris", fresh=True), "content"),
        (replace(first, member=~first.member), "members"),
    ):
        with pytest.raises(InputError, match=words):
            invert(other, **how)
    with pytest.raises(InputError, match="seed was 0 and is now 1"):
        invert(first, **how, seed=1)


def test_a_sweep_of_a_factory_whose_code_changed_is_refused(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    data = random_labels(records=24, features=3, classes=2)

    def plan(module, out="run"):
        source = load_factory(f"{module}:small")
        return planned(
            tmp_path / out,
            MembershipAudit(
                model=source, dataset=data, learner=LEARNER, models=4, attacks=(Threshold(quantity="loss"),)
            ),
        )

    write_factories(tmp_path, first_factory=1.0, second_factory=2.0)
    plan("first_factory")
    plan("first_factory")
    kept = json.loads((tmp_path / "run" / "run.json").read_text())
    kept["victim"]["model"] = "second_factory:small"  # the module was edited, its name stayed
    (tmp_path / "run" / "run.json").write_text(json.dumps(kept))
    with pytest.raises(InputError, match=r"victim\.code is"):
        plan("second_factory")


class _Service(OracleWrapper):
    """One address, and a model behind it that may be replaced."""

    def put(self, oracle):
        self._oracle = oracle

    def __call__(self, x, bias=None):
        return self._oracle(x, bias)


def _stolen(url, folder):
    victim = open_victim(url)
    with victim.oracle:
        return extract(victim, **HOW, out=folder).findings


def test_another_model_at_the_same_address_is_refused_and_the_same_is_paid_for_as_told(tmp_path):
    models = [from_estimator(LogisticRegression(C=c).fit(load("iris").x, load("iris").y)) for c in (1.0, 0.01)]
    service = _Service(models[0])
    with serving(service) as url:
        first = _stolen(url, tmp_path)
        counted = models[0].ledger.queries
        again = _stolen(url, tmp_path)
        assert again.attack == first.attack
        assert again.cost.kept > 0
        more = models[0].ledger.queries - counted
        assert again.cost.queries - again.cost.kept <= more
        service.put(models[1])
        with pytest.raises(InputError, match="answers of another victim"):
            _stolen(url, tmp_path)


def _ask(url, folder, budget, count):
    """What an audit hands to an attack, asked in batches of ten."""
    with (
        connect(url) as oracle,
        open_session(
            oracle, kind="extraction", identity={"content": {"url": "x"}}, out=folder, budget=budget
        ) as handed,
    ):
        x = np.random.default_rng(0).uniform(-1, 1, (count, 4))
        for at in range(0, count, 10):
            handed.oracle(x[at : at + 10])
        return handed.warnings, handed.oracle.ledger.queries, oracle.ledger.queries


def test_asking_again_stays_within_the_budget_over_all_starts(tmp_path):
    model = from_estimator(LogisticRegression().fit(load("iris").x, load("iris").y))
    with serving(model) as url:
        for _start in range(8):
            warnings, told, _ = _ask(url, tmp_path, 400, 380)
            assert model.ledger.queries <= 400
            assert told == model.ledger.queries
        assert any("leaves no query to see whether the service is still" in sentence for sentence in warnings)
        with pytest.raises(BudgetSpent):
            _ask(url, tmp_path / "other", 400, 400)


def test_a_folder_of_an_older_format_says_so(tmp_path):
    extract(_linear(), **HOW, out=tmp_path)
    file = tmp_path / "extraction.json"
    file.write_text(json.dumps({"format": 1, "victim": "lines", "members": None, "method": "softmax", "seed": 0}))
    with pytest.raises(InputError, match="give another folder"):
        extract(_linear(), **HOW, out=tmp_path)


def test_records_of_another_size_than_an_address_takes_are_one_sentence():
    fitted = LogisticRegression().fit(load("iris").x, load("iris").y)
    sentence = "data is digits with records of shape .*, and the victim takes records of shape \\(4,\\)"
    with serving(from_estimator(fitted)) as url, pytest.raises(InputError, match=sentence):
        open_victim(url, data="digits")
