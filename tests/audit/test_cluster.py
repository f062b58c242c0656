"""Chunks as tasks, on a stand-in for Ray that runs them in this process; tests/test_machines.py has a real cluster."""

from __future__ import annotations

import socket
import sys
import types
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

from jaxattack.attacks.membership import Threshold
from jaxattack.audit import cluster, membership
from jaxattack.data import load
from jaxattack.disk import read_arrays
from jaxattack.models import Architecture
from jaxattack.store import RunFolder
from jaxattack.training import Placement, Recipe
from jaxattack.training.learners import Standard
from jaxattack.types import InputError

MODELS = 7
RUN = {
    "model": Architecture(name="softmax"),
    "dataset": load("synthetic:random-labels?records=40&features=5&classes=3"),
    "learner": Standard(recipe=Recipe(epochs=2, batch=5)),
    "models": MODELS,
    "attacks": (Threshold(quantity="loss"),),
    "placement": Placement(chunk=2, vmap=1),
}


class Lost(Exception):
    """Ray's RayError."""


class Failed(Lost):
    """Ray's RayTaskError."""

    def __init__(self, cause):
        super().__init__("a long traceback\nof the worker")
        self.cause = cause


class Task(NamedTuple):
    """What submitting answers with."""

    function: Callable[..., Any]
    given: tuple[Any, ...]

    def __hash__(self):
        return id(self)

    def __eq__(self, other):
        return self is other


class Ray(types.ModuleType):
    """Ray's functions as far as they are called; the last task submitted is the first that is done."""

    exceptions = types.SimpleNamespace(RayError=Lost, RayTaskError=Failed)

    def __init__(self, resources, lose=None):
        super().__init__("ray")
        self.resources, self.lose = resources, lose
        self.connected, self.asked, self.most, self.running, self.cancelled = False, [], 0, [], []

    def init(self, **options):
        self.connected, self.options = True, options

    def is_initialized(self):
        return self.connected

    def shutdown(self):
        self.connected = False

    def cluster_resources(self):
        return self.resources

    def nodes(self):
        half = {kind: amount / 2 for kind, amount in self.resources.items()}
        return [{"Alive": True, "Resources": half}] * 2 + [{"Alive": False, "Resources": {}}]

    def put(self, value):
        return value

    def remote(self, **options):
        self.asked.append(options)
        return lambda function: types.SimpleNamespace(remote=lambda *given: self.submit(function, given))

    def submit(self, function, given):
        task = Task(function, given)
        self.running.append(task)
        self.most = max(self.most, len(self.running))
        return task

    def wait(self, tasks, num_returns, timeout):
        return ([tasks[-1]], tasks[:-1]) if self.resources else ([], tasks)

    def get(self, task):
        self.running.remove(task)
        if self.lose is not None and self.lose in task.given[1]:
            raise Lost("The node died.\nIt was old.")
        try:
            return task.function(*task.given)
        except Exception as error:
            raise Failed(error) from None

    def cancel(self, task, force):
        self.cancelled.append(task)


@pytest.fixture
def ray(monkeypatch):
    def use(resources=None, **options):
        stand_in = Ray({"CPU": 2.0} if resources is None else resources, **options)
        monkeypatch.setitem(sys.modules, "ray", stand_in)
        return stand_in

    monkeypatch.setattr(cluster, "_settle", lambda accelerator: None)
    monkeypatch.setattr(cluster, "PATIENCE", 0.3)
    return use


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cluster") / "plain"
    membership(folder, **RUN)
    return phi(folder)


def phi(folder):
    return RunFolder.existing(folder).observations(MODELS).signal("phi")


def test_a_cluster_gives_the_observations_of_the_plain_run(ray, plain, tmp_path, monkeypatch):
    stand_in, seen, engines = ray(), [], []
    original = cluster.Engine
    monkeypatch.setattr(cluster, "Engine", lambda *given, **options: engines.append(1) or original(*given, **options))
    found = membership(tmp_path / "run", **RUN, cluster="local", progress=lambda *now: seen.append(now))
    np.testing.assert_allclose(phi(tmp_path / "run"), plain, rtol=1e-4, atol=1e-5)
    assert [now for now in seen if now[0] == "models"] == [("models", done, 7) for done in (0, 1, 3, 5, 7)]
    assert stand_in.asked == [{"max_retries": cluster.RETRIES, "max_calls": 0, "num_cpus": 1}]
    assert stand_in.most == 4, "two tasks a core are under way"
    assert not stand_in.connected
    assert found.findings.cost.gradient_steps == MODELS * 2 * 4
    assert len(engines) == 1, "a worker compiles once"


def test_what_is_finished_is_not_trained_again(ray, plain, tmp_path):
    stand_in = ray()
    membership(tmp_path / "run", **RUN | {"models": 4})
    seen = []
    membership(tmp_path / "run", **RUN, cluster="local", progress=lambda *now: seen.append(now))
    assert seen[:3] == [("models", 4, 7), ("models", 5, 7), ("models", 7, 7)]
    np.testing.assert_allclose(phi(tmp_path / "run"), plain, rtol=1e-4, atol=1e-5)
    stand_in.cluster_resources = None  # nothing is missing: the cluster is not even asked
    membership(tmp_path / "run", **RUN, cluster="local")


def test_weights_come_back_where_they_are_kept(ray, tmp_path):
    ray()
    run = RUN | {"models": 4, "keep_weights": True}
    membership(tmp_path / "plain", **run)
    membership(tmp_path / "run", **run, cluster="local")
    (expected,) = (read_arrays(file) for file in (tmp_path / "plain").glob("weights-*"))
    for first in (0, 2):
        found = read_arrays(tmp_path / f"run/weights-{first:06d}-{first + 1:06d}.npz")
        assert found.keys() == expected.keys()
        for leaf in found:
            np.testing.assert_allclose(found[leaf], expected[leaf][first : first + 2], rtol=1e-4, atol=1e-5)


def test_a_task_gets_all_gpus_of_a_machine_where_there_are_any(ray, tmp_path):
    stand_in = ray({"GPU": 8.0, "CPU": 64.0})
    membership(tmp_path / "run", **RUN, cluster="local")
    assert stand_in.asked == [{"max_retries": cluster.RETRIES, "max_calls": 0, "num_cpus": 0, "num_gpus": 4}]
    assert stand_in.most == 4, "two tasks a machine are under way"


@pytest.mark.parametrize(
    ("models", "slots", "chunk", "fills", "sizes"),
    [
        (33, 1, 32, 1, [17, 16]),
        (33, 2, None, 2, [2] * 16 + [1]),
        (256, 8, None, 64, [32] * 8),
        (1000, 4, None, 64, [63] * 8 + [62] * 8),
        (1000, 2, None, 1, [32] * 8 + [31] * 24),
        (3, 64, None, 64, [1] * 3),
        (5, 2, 100, 1, [5]),
    ],
)
def test_chunks_are_even(models, slots, chunk, fills, sizes):
    pieces = cluster._pieces(range(10, 10 + models), slots, chunk, fills)
    assert [len(piece) for piece in pieces] == sizes
    assert [model for piece in pieces for model in piece] == list(range(10, 10 + models))


def test_a_chunk_that_is_lost_too_often_is_named_and_the_rest_is_kept(ray, plain, tmp_path):
    stand_in = ray(lose=0)
    with pytest.raises(InputError) as caught:
        membership(tmp_path / "run", **RUN, cluster="local")
    assert "the cluster lost models 0 to 1 4 times (Lost: The node died): " in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not stand_in.connected
    kept = RunFolder.existing(tmp_path / "run").complete_models()
    assert kept == {2, 3, 4, 5, 6}
    stand_in.lose = None
    membership(tmp_path / "run", **RUN, cluster="local")
    np.testing.assert_allclose(phi(tmp_path / "run"), plain, rtol=1e-4, atol=1e-5)


def test_a_training_that_diverges_says_so_as_it_does_at_home_and_stops_the_others(ray, tmp_path, monkeypatch):
    def diverge(*given):
        raise InputError("training diverged: model 3 is lost: lower learning_rate.")

    stand_in = ray()
    monkeypatch.setattr(cluster, "_train", diverge)
    with pytest.raises(InputError, match=r"^training diverged: model 3 is lost: lower learning_rate\.$"):
        membership(tmp_path / "run", **RUN, cluster="local")
    assert len(stand_in.cancelled) == 3


def test_a_connection_that_is_there_is_used_and_left_open(ray, tmp_path):
    stand_in = ray()
    stand_in.connected = True
    membership(tmp_path / "run", **RUN, cluster="anything")
    assert stand_in.connected


def test_a_cluster_without_devices_is_not_waited_for_without_end(ray, tmp_path):
    ray({"memory": 1e9})
    with pytest.raises(InputError, match=r"cluster local has had no core and no GPU for 0 seconds: start workers"):
        membership(tmp_path / "run", **RUN, cluster="local")


def test_a_cluster_that_loses_all_devices_is_not_waited_for_without_end(ray, tmp_path):
    stand_in = ray()
    stand_in.put = lambda value: stand_in.resources.clear() or value
    with pytest.raises(InputError, match=r"the cluster has had no CPU for 0 seconds: .* what was finished is kept"):
        membership(tmp_path / "run", **RUN, cluster="local")


def test_without_ray_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"cluster local needs Ray: pip install 'ray>="):
        membership(tmp_path / "run", **RUN, cluster="local")


@pytest.mark.parametrize(
    "address", ["", "here", "host:", ":6379", "host:port", "127.0.0.1:99999", "ray://127.0.0.1:10001"]
)
def test_an_address_that_is_none_is_refused(ray, tmp_path, address):
    ray()
    with pytest.raises(InputError, match=r"^cluster.*: (start it|give local, auto or HOST:PORT)"):
        membership(tmp_path / "run", **RUN, cluster=address)


def test_an_address_where_nobody_listens_is_refused_at_once(ray, tmp_path):
    ray()
    with socket.socket() as bound:  # bound, and nobody else's; but it does not listen
        bound.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{bound.getsockname()[1]}"
        with pytest.raises(InputError, match=rf"cluster {address} cannot be reached .*refused.*: start it"):
            membership(tmp_path / "run", **RUN, cluster=address)


@pytest.mark.parametrize(
    ("address", "error", "message"),
    [
        ("auto", RuntimeError("Version mismatch.\nYours is old."), r"joined \(Version mismatch\): start it"),
        ("local", Exception("The node timed out."), r"started \(The node timed out\): give the command again"),
    ],
    ids=["joined", "started"],
)
def test_a_cluster_that_cannot_be_reached_is_refused_in_one_sentence(ray, tmp_path, address, error, message):
    def refuse(**options):
        raise error

    ray().init = refuse
    with pytest.raises(InputError, match=rf"cluster {address} cannot be {message}") as caught:
        membership(tmp_path / "run", **RUN, cluster=address)
    assert "\n" not in str(caught.value)
