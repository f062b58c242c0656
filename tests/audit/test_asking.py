"""Finished runs asked for signals that nobody observed."""

from __future__ import annotations

import json
import shutil

import jax
import numpy as np
import pytest
from jax.sharding import Mesh

from jaxattack.attacks.membership import ATTACKS, ON_DEMAND, lookup
from jaxattack.audit import MembershipAudit, asking, plan, run_observations
from jaxattack.audit.optimising import variables_of, work_of
from jaxattack.audit.sweep import run_membership
from jaxattack.data import Halves, load
from jaxattack.defences import LabelOnly, Noise
from jaxattack.models import Architecture, build
from jaxattack.signals import GradientNorm, Hinge, NoiseRobustness, Posterior
from jaxattack.training import Placement, Recipe, afterwards, train_ensemble
from jaxattack.training.learners import Standard
from jaxattack.training.program import models_at_once
from jaxattack.types import InputError

NAME = "synthetic:random-labels?records=40&features=5&classes=3"
DATA = load(NAME)
RECIPE = Recipe(epochs=2, batch=5)
PLACEMENT = Placement(chunk=4, vmap=1)


def settings(attacks=("loss", "gap"), **changes):
    return MembershipAudit(
        **{
            "model": Architecture(name="softmax"),
            "dataset": DATA,
            "standardise": "none",
            "learner": Standard(recipe=RECIPE),
            "models": 6,
            "attacks": tuple(map(lookup, attacks)),
        }
        | changes
    )


def run(folder, **changes):
    return run_membership(folder, settings(**changes), placement=PLACEMENT).findings


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("asking") / "run"
    run(folder)
    return folder


def in_memory(signal, defences=()):
    """The same sweep, with the signal observed while it is trained."""
    model, member = build("softmax", DATA.shape, DATA.classes), Halves()(6, len(DATA), 0)
    _, observed = train_ensemble(model, RECIPE, DATA, member, signals=(signal,), defences=defences, placement=PLACEMENT)
    return observed.of(signal)


@pytest.mark.parametrize("signal", [Hinge(), Posterior(top=2), GradientNorm()], ids=lambda signal: signal.name)
def test_kept_models_say_what_they_would_have_said(finished, no_training, signal):
    observations = run_observations(finished, settings())
    np.testing.assert_allclose(observations.of(signal), in_memory(signal), rtol=1e-3, atol=1e-4)
    assert len(list(finished.glob(f"signal-{signal.name}-*.npz"))) == 2


def test_a_signal_that_draws_says_the_same_of_models_asked_together_and_one_by_one(finished, no_training, monkeypatch):
    signal, groups = NoiseRobustness(copies=20, sigma=1.0), []

    def record(work, group, models):
        groups.append(models_at_once(work, group, models))
        return group

    one = Mesh(np.array(jax.local_devices()[:1]), ("model",))
    monkeypatch.setattr(afterwards, "device_mesh", lambda: one)
    together = run_observations(finished, settings()).of(signal)
    for file in finished.glob(f"signal-{signal.name}-*.npz"):
        file.unlink()
    afterwards._observer.cache_clear()
    monkeypatch.setattr(afterwards, "models_at_once", record)
    np.testing.assert_array_equal(run_observations(finished, settings()).of(signal), together)
    assert groups == [4, 2]
    assert len(np.unique(together)) > 5


def test_what_was_asked_is_kept_and_not_asked_again(finished, monkeypatch):
    first = run_observations(finished, settings()).of(Hinge())
    monkeypatch.setattr(asking, "ask_afterwards", None)
    again = run_observations(str(finished), settings())
    np.testing.assert_array_equal(again.of(Hinge()), first)
    np.testing.assert_array_equal(again.take(np.array([4, 1])).of(Hinge()), first[[4, 1]])
    np.testing.assert_array_equal(again.take_records(np.arange(3)).of(Hinge()), first[:, :3])


def test_a_new_attack_of_a_finished_run_asks_for_what_it_reads(finished, no_training):
    findings = run(finished, attacks=("loss", "rmia-offline?temperature=3"))
    assert {entry.name for entry in findings.attacks} == {"loss", "rmia-offline?temperature=3"}
    assert list(finished.glob("signal-*_t3-*.npz"))


def test_the_signals_of_a_run_are_no_part_of_what_it_is(tmp_path):
    run(tmp_path / "run")
    file = tmp_path / "run" / "run.json"
    old = json.loads(file.read_text())
    old["signals"] = ["phi", "correct"]
    file.write_text(json.dumps(old))
    more = run(tmp_path / "run", models=8)
    assert more.models.count == 8
    assert json.loads(file.read_text())["signals"] == ["phi", "correct"]


def test_a_defended_run_is_asked_behind_its_defences(tmp_path):
    noise = (Noise(scale=0.1),)
    run(tmp_path / "run", defences=noise)
    observations = run_observations(tmp_path / "run", settings(defences=noise))
    np.testing.assert_allclose(observations.of(Hinge()), in_memory(Hinge(), noise), rtol=1e-3, atol=1e-3)
    with pytest.raises(InputError, match="gradient_norm sees weights and the defended models show probability"):
        observations.of(GradientNorm())


def test_labels_alone_are_still_all_that_is_asked(tmp_path):
    run(tmp_path / "run", defences=(LabelOnly(),))
    with pytest.raises(InputError, match="hinge sees probability and the defended models show label"):
        run_observations(tmp_path / "run", settings(defences=(LabelOnly(),))).of(Hinge())


def test_without_weights_the_remedy_is_named(tmp_path):
    run(tmp_path / "run", keep_weights=False)
    assert not list((tmp_path / "run").glob("weights-*"))
    with pytest.raises(InputError, match="hinge was not observed and .* keeps no weights of models 0 to 3"):
        run_observations(tmp_path / "run", settings()).of(Hinge())


def test_models_that_were_trained_again_for_their_weights_are_asked(tmp_path):
    """The chunks of the first start, which kept none, lie beside those of the second, of another length."""
    audit = settings(keep_weights=True)
    run(tmp_path / "run", keep_weights=False)
    run_membership(tmp_path / "run", audit, placement=Placement(chunk=8, vmap=1))
    chunks, weights = (len(list((tmp_path / "run").glob(f"{kind}-*"))) for kind in ("chunk", "weights"))
    assert (chunks, weights) == (3, 1)
    np.testing.assert_allclose(
        run_observations(tmp_path / "run", audit).of(Hinge()), in_memory(Hinge()), rtol=1e-3, atol=1e-3
    )


def test_models_in_two_chunks_are_learnt_of_once(finished, tmp_path):
    made = plan.planned(finished, settings())
    twice = shutil.copytree(finished, tmp_path / "run")
    first, *_ = sorted(finished.glob("chunk-*"))
    for file in (first, made.folder.weights_of(first)):
        name = file.name.replace("000003", "000003-00000000")
        shutil.copy(file, twice / name)
    again = plan.planned(twice, settings())
    models = np.arange(6)
    ours, theirs = (variables_of(one, work_of(one, ()), models) for one in (made, again))
    jax.tree.map(np.testing.assert_array_equal, ours, theirs)


def test_weights_that_do_not_fit_are_not_kept_unless_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(plan, "KEPT", 6 * 4 * 18 - 1)  # softmax of 5 features and 3 classes has 18 numbers
    run(tmp_path / "run")
    assert not list((tmp_path / "run").glob("weights-*"))
    monkeypatch.setattr(plan, "KEPT", 6 * 4 * 18)
    run(tmp_path / "other")
    assert list((tmp_path / "other").glob("weights-*"))


def test_attacks_that_ask_more_are_run_where_they_are_named_and_find_a_leak(tmp_path):
    names = ("gradient-norm", "input-gradient-norm", "noise-robustness", "merlin", "boundary-distance")
    assert {*names} <= {*ON_DEMAND}
    assert not {*ON_DEMAND} & {*ATTACKS}
    learner = Standard(recipe=Recipe(epochs=200, batch=5, learning_rate=0.05))
    options = {"attacks": names, "model": Architecture(name="mlp:32"), "learner": learner}
    findings = run(tmp_path / "run", **options)
    area = {entry.name: entry.auc for entry in findings.attacks}
    assert {*area} == {*names}
    # Random labels are remembered or guessed: whoever is right, and flat, is a member.
    assert all(area[name] > 0.6 for name in {*names} - {"merlin"})
    behind = run(tmp_path / "other", defences=(LabelOnly(),), **options)
    assert {entry.name for entry in behind.attacks} == {"noise-robustness", "boundary-distance"}
    assert sum("do not allow" in note for note in behind.notes) == 3
