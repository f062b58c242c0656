"""Shares of a run: which models they are, and that any order of them, side by side or again, gives the plain run."""

from __future__ import annotations

import subprocess
import sys

import jax
import numpy as np
import pytest
from command import free_port

from jaxattack.attacks.membership import Threshold
from jaxattack.audit import MembershipAudit, Part, environment, rescore, sweep, train_part
from jaxattack.audit.sweep import run_membership
from jaxattack.data import load
from jaxattack.models import Architecture
from jaxattack.store import RunFolder
from jaxattack.training import Placement, Recipe
from jaxattack.training.learners import Standard
from jaxattack.types import InputError

MODELS = 6
LOSS = (Threshold(quantity="loss"),)
AUDIT = MembershipAudit(
    model=Architecture(name="softmax"),
    dataset=load("synthetic:random-labels?records=40&features=5&classes=3"),
    learner=Standard(recipe=Recipe(epochs=2, batch=5)),
    models=MODELS,
    attacks=LOSS,
)
PLACEMENT = Placement(chunk=4, vmap=1)


def phi(folder):
    return RunFolder.existing(folder).observations(MODELS).signal("phi")


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    folder = tmp_path_factory.mktemp("parts") / "plain"
    findings = run_membership(folder, AUDIT, placement=PLACEMENT).findings
    return phi(folder), findings


def test_a_run_that_goes_on_under_another_version_tells_both(tmp_path, monkeypatch):
    train_part(tmp_path / "run", AUDIT, Part(1, 2), placement=PLACEMENT)
    monkeypatch.setattr(environment, "release", lambda package: f"{package}'s next")
    device = run_membership(tmp_path / "run", AUDIT, placement=PLACEMENT).findings.cost.device
    assert f"jax {jax.__version__}" in device
    assert "jax jax's next" in device


@pytest.mark.parametrize(("count", "of"), [(256, 16), (10, 3), (5, 8), (1, 1), (7, 7), (1000, 13)])
def test_parts_cover_a_run_once_and_evenly(count, of):
    parts = [Part(number, of).models(count) for number in range(1, of + 1)]
    assert [model for part in parts for model in part] == list(range(count))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("text", ["3/16", " 16/16 ", "1/1"])
def test_a_part_is_read_as_it_is_written(text):
    assert str(Part.parse(text)) == text.strip()


@pytest.mark.parametrize(
    "text", ["", "3", "3/", "/16", "0/16", "17/16", "-1/16", "3/0", "0/0", "a/b", "1/2/3", "1.0/2"]
)
def test_what_is_no_part_is_refused_with_the_remedy(text):
    with pytest.raises(InputError, match=r"part is .*: give .*\d/\d") as caught:
        Part.parse(text)
    assert "\n" not in str(caught.value)


def test_a_process_alone_has_all_of_the_run():
    assert Part.of_process() == Part(1, 1)


def test_parts_that_are_unfinished_are_named():
    part = Part(1, 4)
    assert part.unfinished(8, {0, 1, 2, 6, 7}) == (Part(2, 4), Part(3, 4))
    assert part.unfinished(8, set(range(9))) == ()
    assert Part(9, 9).unfinished(2, {0}) == (Part(9, 9),), "a part without models lacks none"


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 1, 2), (2, 2, 3, 1, 3)])
def test_any_order_of_parts_gives_the_observations_of_the_plain_run(tmp_path, plain, order):
    left = {Part(number, 3) for number in (1, 2, 3)}
    for number in order:
        left -= {Part(number, 3)}
        assert set(train_part(tmp_path / "run", AUDIT, Part(number, 3), placement=PLACEMENT)) == left
    np.testing.assert_allclose(phi(tmp_path / "run"), plain[0], rtol=1e-4, atol=1e-5)
    found = rescore(tmp_path / "run", LOSS).findings
    assert found.attacks[0].auc == pytest.approx(plain[1].attacks[0].auc, abs=1e-6)
    assert found.cost.gradient_steps == plain[1].cost.gradient_steps == MODELS * 2 * 4


def test_a_part_trains_its_own_missing_models_alone_and_tells_how_far_it_is(tmp_path):
    seen = []
    train_part(tmp_path / "run", AUDIT, Part(2, 6), placement=PLACEMENT)
    train_part(tmp_path / "run", AUDIT, Part(1, 2), placement=PLACEMENT, progress=lambda *now: seen.append(now))
    assert seen == [("models", 1, 3), ("models", 3, 3)]
    assert RunFolder.existing(tmp_path / "run").complete_models() == {0, 1, 2}


def test_parts_that_overlap_do_no_harm(tmp_path, plain, monkeypatch):
    # The second part starts while the first trains: neither sees what the other will write.
    original = sweep.Engine

    def started(*arguments, **options):
        monkeypatch.undo()
        train_part(tmp_path / "run", AUDIT, Part(2, 3), placement=Placement(chunk=1, vmap=1))
        return original(*arguments, **options)

    monkeypatch.setattr(sweep, "Engine", started)
    assert train_part(tmp_path / "run", AUDIT, Part(1, 1), placement=PLACEMENT) == ()
    np.testing.assert_allclose(phi(tmp_path / "run"), plain[0], rtol=1e-4, atol=1e-5)
    assert rescore(tmp_path / "run", LOSS).findings.cost.gradient_steps == MODELS * 2 * 4


PROCESS = """
import sys
from pathlib import Path

import jax

address, number, folder = sys.argv[1:]
jax.config.update("jax_num_cpu_devices", 2)
jax.distributed.initialize(address, 2, int(number), coordinator_bind_address=address)
assert (len(jax.devices()), len(jax.local_devices())) == (4, 2)

import jaxattack as ja
from jaxattack.attacks.membership import Threshold
from jaxattack.audit import MembershipAudit, train_part
from jaxattack.models import Architecture
from jaxattack.training import Recipe
from jaxattack.training.learners import Standard

run = {
    "model": Architecture(name="softmax"),
    "dataset": ja.load("synthetic:random-labels?records=40&features=5&classes=3"),
    "learner": Standard(recipe=Recipe(epochs=2, batch=5)),
    "models": 6,
    "attacks": (Threshold(quantity="loss"),),
}
try:
    ja.membership(Path(folder), **run)
except ja.InputError as error:
    assert "jax.distributed runs 2 processes" in str(error), error
else:
    raise AssertionError("every process would have trained the whole run")
seen = []
train_part(Path(folder), MembershipAudit(**run), progress=lambda *now: seen.append(now))
assert seen[-1] == ("models", 3, 3), seen
"""


def test_processes_of_jax_distributed_take_a_part_each(tmp_path, plain):
    command = [sys.executable, "-c", PROCESS, f"127.0.0.1:{free_port()}"]
    running = [
        subprocess.Popen([*command, str(number), str(tmp_path / "run")], stderr=subprocess.PIPE, text=True)
        for number in range(2)
    ]
    try:
        said = [process.communicate(timeout=120)[1] for process in running]
    finally:
        for process in running:
            process.kill()
    assert [process.returncode for process in running] == [0, 0], said
    np.testing.assert_allclose(phi(tmp_path / "run"), plain[0], rtol=1e-4, atol=1e-5)
    assert run_membership(tmp_path / "run", AUDIT, placement=PLACEMENT).findings.cost.device.startswith("2 x cpu")
