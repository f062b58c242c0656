"""Stealing end to end: a victim opened by name, an attack, findings, and nothing paid for twice."""

from __future__ import annotations

import json
from contextlib import closing, contextmanager

import numpy as np
import pytest

from jaxattack.attacks.extraction import Retraining, Softmax, lookup
from jaxattack.audit import ExtractionAudit, Victim, extract, open_victim
from jaxattack.audit.findings import values
from jaxattack.audit.findings.extraction import FidelityFindings
from jaxattack.defences import MemGuard, Round, TopK
from jaxattack.oracle import PRADA, from_function, label_only
from jaxattack.report import headline, write
from jaxattack.report.extraction.reading import noticed
from jaxattack.serve import Key, serving
from jaxattack.types import Access, Answer, InputError, Inputs, OracleError

WEIGHT = np.array([[1.0, -1.0, 0.0], [0.5, 0.0, -0.5]])
BIAS = np.array([0.1, -0.3, 0.2])


def _softmax(x):
    logit = x @ WEIGHT + BIAS
    odds = np.exp(logit - logit.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


def _linear(answer=_softmax, level="probability") -> Victim:
    """Two features, three classes, parameters of zero mean over classes."""
    access = Access(level=level, classes=3, inputs=Inputs.box(-1, 1, (2,)))
    oracle = from_function(answer, access)
    twin = from_function(_softmax, Access(level="probability", classes=3, inputs=access.inputs))
    return Victim(name="three lines", oracle=oracle, twin=twin, attack=Softmax())


def test_a_linear_victim_is_stolen_and_lined_up_with_its_own_weights():
    stolen = extract(_linear(), compare=200)
    found = stolen.findings
    assert found.fidelity.uniform.agreement == 1
    assert found.fidelity.uniform.total_variation.max < 1e-9
    assert found.fidelity.held_out is None
    parts = {part.name: part for part in found.parameters.parts}
    np.testing.assert_allclose(parts["weight"].true, WEIGHT.ravel(), atol=1e-12)
    np.testing.assert_allclose(parts["bias"].stolen, BIAS, atol=1e-9)
    assert found.parameters.unknowns == 9
    assert found.cost.queries == stolen.extraction.cost.queries


def test_the_findings_are_all_that_a_report_needs(tmp_path):
    found = extract(_linear(), compare=50).findings
    assert "report.html" in {path.name for path in write(tmp_path, found)}


def test_kept_answers_are_not_paid_for_again(tmp_path):
    asked = []

    def counting(x):
        asked.append(len(x))
        return _softmax(x)

    first = extract(_linear(counting), compare=50, out=tmp_path).findings
    paid = sum(asked)
    again = extract(_linear(counting), compare=50, out=tmp_path).findings
    assert sum(asked) == paid
    assert first.cost.queries == again.cost.queries == again.cost.kept
    assert first.cost.kept == 0
    assert first.parameters == again.parameters


def test_a_folder_of_another_extraction_is_refused(tmp_path):
    extract(_linear(), compare=50, out=tmp_path)
    with pytest.raises(InputError, match="seed was 0 and is now 1"):
        extract(_linear(), compare=50, seed=1, out=tmp_path)


def test_a_budget_too_small_says_what_is_needed():
    with pytest.raises(InputError, match="softmax needs at least 3 queries"):
        extract(_linear(), budget=1)


@pytest.mark.parametrize(
    ("answer", "match"),
    [
        (lambda x: np.full((len(x), 3), np.nan), "NaN"),
        (lambda x: _softmax(x)[:-1], "shape"),
        (lambda x: Answer(np.full(len(x), 7), _softmax(x)), "outside"),
        (lambda x: 2 * _softmax(x), "sum|exceed|above"),
    ],
)
def test_a_victim_that_cannot_be_believed_is_named(answer, match):
    with pytest.raises(OracleError, match=match):
        extract(_linear(answer))


def test_silent_rounding_is_told():
    found = extract(_linear(lambda x: _softmax(x).round(3)), attack=Softmax(queries=40), compare=50)
    assert any("answers are rounded" in sentence for sentence in found.findings.warnings)


@pytest.mark.parametrize(
    "wrong",
    [
        {"budget": 0},
        {"compare": 0},
        {"budget": 2.5},
        {"seed": -1},
        {"trials": -1},
        {"attack": "softmax"},
        {"attack": 3},
        {"attack": Softmax},
    ],
)
def test_settings_out_of_range_are_refused(wrong):
    for refuse in (lambda: ExtractionAudit(**wrong), lambda: extract(_linear(), **wrong)):
        with pytest.raises(InputError, match=f"^{next(iter(wrong))} is ") as caught:
            refuse()
        assert "\n" not in str(caught.value)


def test_a_watching_owner_sees_the_attack_and_its_verification_and_pays_for_nothing(tmp_path):
    victim = open_victim("logistic", data="digits")
    plain = extract(victim, Softmax(), budget=520, compare=50, out=tmp_path).findings
    found = extract(victim, Softmax(), budget=520, compare=50, watch=PRADA(delta=0.97), out=tmp_path).findings
    assert plain.watch is None
    assert (found.cost.queries, found.cost.kept) == (plain.cost.queries, plain.cost.queries)
    assert found.parameters == plain.parameters
    watch = found.watch
    assert watch.questions == found.cost.queries
    assert watch.repeats >= 1  # the check asks the first question twice
    assert 100 < watch.alarm <= watch.questions
    assert (watch.curve[-1].question, watch.curve[-1].statistic) == (watch.alarm, watch.lowest)
    assert watch.lowest < watch.delta
    assert found.config["watch"] == "prada?delta=0.97"
    assert f"at question {watch.alarm}" in noticed(values(found))
    page = {path.name: path for path in write(tmp_path / "report", found)}["report.html"].read_text()
    assert "Would the owner have noticed?" in page


def test_an_attack_of_few_questions_is_not_tested():
    found = extract(_linear(), compare=50, trials=10, watch=PRADA()).findings
    assert (found.watch.alarm, found.watch.lowest, found.watch.curve) == (None, None, ())
    assert "too few distances" in noticed(values(found))
    with pytest.raises(InputError, match=r"^watch is 'prada': give .* as jaxattack\.oracle\.PRADA\(\)"):
        extract(_linear(), watch="prada")


def test_the_folder_says_whose_answers_it_keeps(tmp_path):
    extract(_linear(), compare=50, out=tmp_path)
    kept = json.loads((tmp_path / "extraction.json").read_text())
    assert (kept["victim"], kept["method"], kept["seed"]) == ("three lines", "softmax", 0)


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("relu:20", "relu:20-10-1"),
        ("relu:a-b-c", "relu:20-10-1"),
        ("head:64", "head:64-1000"),
        ("nonesuch", "nonesuch"),
        ("missing.skops", "missing.skops"),
        ("missing.onnx", "missing.onnx"),
    ],
)
def test_a_victim_that_is_none_is_named_with_the_remedy(name, match):
    with pytest.raises(InputError, match=match):
        open_victim(name, data="iris")


@pytest.mark.parametrize(
    "name", ["logistic", "ovr", "tanh", "kernel", "svm", "tree", "partial-tree", "regression-tree", "binned"]
)
def test_every_estimator_opens_with_records_to_compare_on(name):
    victim = open_victim(name, data="iris")
    assert victim.x is not None
    assert (victim.y is None) == (name == "regression-tree")  # a number is right or wrong about no class
    assert victim.pool is not None
    assert len(victim.x) + len(victim.pool) == 75
    answer = victim.oracle(victim.x[:5])
    assert answer.label.shape == (5,)
    assert victim.oracle.ledger.queries == 5
    victim.twin(victim.x)
    assert victim.oracle.ledger.queries == 5


def test_an_estimator_that_cannot_be_fitted_says_so_in_a_sentence(tmp_path):
    np.savez(tmp_path / "five.npz", x=np.random.default_rng(0).random((5, 3), np.float32), y=np.array([0, 0, 0, 0, 1]))
    with pytest.raises(InputError, match=r"kernel cannot be fitted on the 2 records .* or more members"):
        open_victim("kernel", data=str(tmp_path / "five.npz"), members=2, seed=0)


@pytest.mark.parametrize("budget", [100, 400])
def test_a_budget_holds_for_the_check_and_the_verification_too(budget):
    victim = _linear()
    cost = extract(victim, Retraining(strategy="uniform"), budget=budget, compare=50).findings.cost
    assert cost.queries == victim.oracle.ledger.queries == budget
    assert cost.attack + cost.verification == budget
    assert cost.verification >= budget // 5 - 1
    assert cost.comparison is None


@contextmanager
def _served(**terms):
    """A prediction API on loopback, and how many queries it has answered."""
    there = _linear().oracle
    with serving(there, **terms) as url:
        yield url, lambda: there.ledger.queries


@pytest.mark.parametrize(
    ("method", "budget"),
    [
        ("softmax", None),
        ("softmax", 200),
        ("softmax", 40),
        ("softmax", 3),
        ("uniform-retraining?substitute=softmax", 300),
    ],
)
def test_what_is_reported_is_what_the_server_counted_within_the_budget(method, budget, tmp_path):
    attack = lookup(method)
    with _served() as (url, counted):
        victim, again = open_victim(url), open_victim(url)
        before = counted()
        with closing(victim.oracle):
            found = extract(victim, attack, budget=budget, out=tmp_path).findings
        cost = found.cost
        assert cost.queries == counted() - before == cost.attack + cost.verification + cost.comparison
        assert cost.queries <= (budget or 700)
        assert cost.price == pytest.approx(1e-4 * cost.queries)
        assert (cost.comparison == 100) == (budget is None)
        with closing(again.oracle):
            second = extract(again, attack, budget=budget, out=tmp_path).findings
        # A few questions are asked again, to see whether the service is still the same.
        assert cost.queries <= second.cost.queries == counted() - before <= (budget or 700)
        assert second.cost.kept == cost.queries
        assert second.fidelity == found.fidelity
    assert "report.html" in {path.name for path in write(tmp_path / "report", found)}
    assert found.attack.complete == (method == "softmax" and budget in (None, 200))


@pytest.mark.parametrize("budget", [None, 80])
def test_a_small_key_ends_in_a_report(tmp_path, budget):
    key = Key(name="small", secret="sesame", queries=60)
    with _served(keys=[key]) as (url, counted):
        victim = open_victim(url, key="sesame")
        before = counted()
        with closing(victim.oracle):
            found = extract(victim, Softmax(), budget=budget, out=tmp_path).findings
        assert found.cost.queries == counted() - before
        assert counted() <= 60
    assert found.cost.comparison == 0
    assert found.fidelity == FidelityFindings(held_out=None, uniform=None)
    assert not found.attack.complete
    assert "takes 100 to be verified" in found.attack.reason
    assert "was not compared further" in headline(found)
    assert "report.html" in {path.name for path in write(tmp_path / "report", found)}


def test_a_bare_oracle_is_stolen_for_what_its_ledger_says(tmp_path):
    oracle = _linear().oracle
    found = extract(oracle, budget=900, compare=40).findings
    assert oracle.ledger.queries == found.cost.queries <= 900
    assert found.cost.comparison == found.fidelity.uniform.records == 40
    assert found.attack.name == "hypotheses"
    labels = label_only(_linear().oracle)
    assert extract(labels, budget=120).findings.attack.name == "adaptive-retraining"
    with pytest.raises(InputError, match="nothing tells what answers behind an oracle"):
        extract(oracle, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_white_box_is_a_victim_too():
    inside = open_victim("softmax", data="iris", fresh=True).inside
    found = extract(inside, Softmax(), compare=50).findings
    assert found.attack.complete, found.attack.reason
    assert found.fidelity.uniform.agreement == 1
    assert found.cost.comparison is None


@pytest.mark.parametrize(
    ("victim", "words"),
    [
        ("softmax", r"victim is 'softmax', a word: give jaxattack\.open_victim\('softmax'\)\."),
        (3, "give a Victim, an oracle"),
    ],
)
def test_what_is_no_victim_is_refused_in_a_sentence(victim, words):
    with pytest.raises(InputError, match=words):
        extract(victim)


def test_a_victim_behind_defences_is_judged_as_it_is():
    victim = _linear().behind((TopK(k=2), Round(decimals=2)))
    answer = victim.oracle(np.zeros((4, 2)))
    assert np.isnan(answer.probability).sum() == 4
    found = extract(victim, Retraining(), budget=120, compare=50).findings
    assert (found.victim.top, found.victim.decimals) == (2, 2)
    assert victim.twin(np.zeros((1, 2))).probability.shape == (1, 3)
    assert found.cost.comparison is None


def test_a_defence_that_learns_needs_the_victims_records():
    victim = open_victim("logistic", data="iris")
    x = victim.x[:20]
    guarded = victim.behind((MemGuard(),), seed=1)
    same = victim.behind((MemGuard(),), seed=1)
    bare, moved = victim.oracle(x), guarded.oracle(x)
    np.testing.assert_array_equal(bare.label, moved.label)
    assert np.abs(bare.probability - moved.probability).max() > 0.01
    np.testing.assert_array_equal(moved.probability, same.oracle(x).probability)
    with pytest.raises(InputError, match=r"MemGuard learns from the records of three lines .* not at hand"):
        _linear().behind((MemGuard(),))


@pytest.mark.parametrize("name", ["relu:1000000-1000000-1", "head:1000000-1000000", "dae:10000000-100000"])
def test_a_victim_beyond_memory_is_refused_before_it_is_made(name):
    with pytest.raises(InputError, match=f"victim is {name}: that takes .* GiB and .* are free"):
        open_victim(name)
