"""The command on many machines: the parts of a Slurm array, and a Ray cluster on loopback whose machines and driver die."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

import jax
import numpy as np
import pytest
from command import free_port, run

from jaxattack import InputError, Recipe, load, membership
from jaxattack.attacks.membership import Threshold
from jaxattack.cli import application
from jaxattack.models import Architecture
from jaxattack.store import RunFolder
from jaxattack.training import Placement
from jaxattack.training.learners import Standard

MODELS = 40
SMALL = ("--data", "iris", "--model", "softmax", "--epochs", "3000", "--attacks", "loss", "--models", str(MODELS))


def phi(folder):
    return RunFolder.existing(folder).observations(MODELS).signal("phi")


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    folder = tmp_path_factory.mktemp("machines") / "plain"
    membership(
        folder,
        model=Architecture(name="softmax"),
        dataset=load("iris"),
        learner=Standard(recipe=Recipe(epochs=3000)),
        models=MODELS,
        attacks=(Threshold(quantity="loss"),),
        placement=Placement(chunk=MODELS),
    )
    return phi(folder)


def test_the_last_part_attacks_and_the_others_say_what_is_left(tmp_path, plain):
    first = run("membership", *SMALL, "--part", "2/2", "--json", "--out", "run", folder=tmp_path)
    then = "jaxattack report run --attacks loss"
    assert json.loads(first.stdout) == {"part": "2/2", "unfinished": ["1/2"], "then": then}
    assert f"Part 2/2 is finished; these are not: 1/2. When they are: {then}" in first.stderr
    # The only process of a Slurm step has all of the run: it trains what is left.
    step = {"JOB_ID": "1", "STEP_NODELIST": "localhost", "NTASKS": "1", "PROCID": "0", "LOCALID": "0"}
    step = {f"SLURM_{name}": value for name, value in step.items()}
    address = f"127.0.0.1:{free_port()}"
    environment = os.environ | step | {"JAX_COORDINATOR_ADDRESS": address, "JAX_COORDINATOR_BIND_ADDRESS": address}
    last = run("membership", *SMALL, "--part", "auto", "--json", "--out", "run", folder=tmp_path, env=environment)
    assert json.loads(last.stdout)["cost"]["models"] == MODELS
    np.testing.assert_allclose(phi(tmp_path / "run"), plain, rtol=1e-3, atol=1e-3)


def test_what_a_part_leaves_to_do_speaks_of_the_attack_that_was_declared(tmp_path):
    options = ("--data", "iris", "--model", "softmax", "--epochs", "1", "--models", "8", "--attacks", "loss", "gap")
    options = (*options, "--declare", "gap", "--all-scores", "--json", "--out", "run")
    left = json.loads(run("membership", *options, "--part", "1/2", folder=tmp_path).stdout)["then"]
    assert left == "jaxattack report run --attacks loss gap --declare gap --all-scores"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--part", "17/16"), "give 1/16 to 16/16"),
        (("--part", ""), "give which of how many"),
        (("--part", "auto"), "jax.distributed finds no processes"),
        (("--part", "1/2", "--cluster", "local"), "give one"),
        (("--cluster", "here"), "give local, auto or HOST:PORT"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(tmp_path, monkeypatch, options, words):
    monkeypatch.setattr(jax.config, "update", lambda *given: None)  # this process keeps its devices
    with pytest.raises(InputError, match=words) as caught:
        application()(["membership", *SMALL, *options, "--quiet", "--out", str(tmp_path / "run")], exit_on_error=False)
    assert "\n" not in str(caught.value)


NODES = """
import os
import sys
import time

# There Ray notes the address of the newest cluster: not where a cluster of the user's own may have noted its own, and in a
# folder that is there, for Ray makes none.
folder = os.path.join(sys.argv[1], "ray")
os.mkdir(folder)
os.environ["RAY_TMPDIR"] = sys.argv[1]

from ray.cluster_utils import Cluster

# An address that is loopback's but not 127.0.0.1, which Ray takes for the machine's own and puts on the network.
node = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "node_ip_address": "127.0.0.2"}
cluster = Cluster()
try:
    # Ray itself would wait for each node for thirty seconds, which a busy machine may need for the processes alone.
    cluster.add_node(wait=False, **node, include_dashboard=False, temp_dir=folder)
    second = cluster.add_node(wait=False, **node)
    end = time.monotonic() + 300
    while len(cluster.global_state._live_node_ids()) < 2:
        assert time.monotonic() < end, "a node has not registered"
        time.sleep(0.1)
    print(cluster.address, flush=True)
    for line in sys.stdin:
        cluster.remove_node(second, allow_graceful=False)
        print("killed", flush=True)
finally:
    cluster.shutdown()
"""

PATIENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_NUM_REDIS_GET_RETRIES": "300",  # a second each, until the head answers
    "RAY_gcs_server_port_wait_time_s": "300",
    "RAY_gcs_server_request_timeout_seconds": "300",
}


class Nodes(NamedTuple):
    """A head and a second machine, each of one core, both registered, in a process that kills the second when told to."""

    process: subprocess.Popen
    address: str


@pytest.fixture(scope="module")
def nodes():
    if not importlib.util.find_spec("ray"):
        pytest.skip("Ray is not installed (the extra cluster)")
    with (
        tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder,
        tempfile.TemporaryFile("w+") as said,
        subprocess.Popen(
            [sys.executable, "-c", NODES, folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
            env=os.environ | PATIENT,
        ) as process,
    ):
        try:
            address = process.stdout.readline().strip()  # nothing comes only from a process that has ended
            if not address:
                said.seek(0)
                pytest.fail(f"Ray did not start: {said.read()[-3000:]}")
            yield Nodes(process, address)
        finally:
            process.stdin.close()
            process.stdout.read()


def wait_for(condition, driver):
    """Wait while the driver runs, however long a busy machine takes."""
    while not condition():
        assert driver.poll() is None, f"the driver ended too early to test anything: {driver.stderr.read().decode()}"
        time.sleep(0.01)


def test_a_run_outlives_a_machine_and_its_driver(tmp_path, nodes, plain):
    folder = tmp_path / "run"
    arguments = ("membership", *SMALL, "--chunk", "1", "--cluster", nodes.address, "--out", "run")
    chunks = lambda: len(list(folder.glob("chunk-*")))  # noqa: E731
    compiled = lambda: sum(cost.compile > 0 for _, cost in RunFolder.existing(folder).costs())  # noqa: E731

    with subprocess.Popen(
        [sys.executable, "-m", "jaxattack", *arguments], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as driver:
        wait_for(lambda: chunks() and compiled() >= 2, driver)  # both machines have trained, and train
        nodes.process.stdin.write("kill\n")
        nodes.process.stdin.flush()
        assert nodes.process.stdout.readline() == "killed\n"
        before = chunks()
        wait_for(lambda: chunks() > before, driver)
        driver.send_signal(signal.SIGKILL)
    kept = {file: file.stat().st_mtime_ns for file in folder.glob("chunk-*")}
    assert 2 < len(kept) < MODELS, "the kills came too late to test anything"

    done = run(*arguments, "--json", folder=tmp_path)
    assert {file: file.stat().st_mtime_ns for file in kept} == kept
    assert json.loads(done.stdout)["cost"]["models"] == MODELS
    np.testing.assert_allclose(phi(folder), plain, rtol=1e-3, atol=1e-3)
