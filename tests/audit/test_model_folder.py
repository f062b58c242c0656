"""A model folder knows its records and members, promises what its files hold, and names no code to be run."""

from __future__ import annotations

import json
import shutil
import sys

import jax
import numpy as np
import pytest
from command import run

from jaxattack.attacks.inversion import MiFace
from jaxattack.audit import extract, invert, load_victim, open_victim, train_victim
from jaxattack.audit.records import choose_records
from jaxattack.data import fingerprint, load, random_labels, save
from jaxattack.models import Architecture, build
from jaxattack.store import leaves_by_path
from jaxattack.training import Recipe
from jaxattack.training.learners import Standard
from jaxattack.types import InputError

LEARNER = Standard(recipe=Recipe(epochs=2, batch=8))
SOFTMAX = Architecture(name="softmax")
IRIS = {"records": 60, "members": 20}


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    folder = tmp_path_factory.mktemp("folder") / "model"
    train_victim(folder, model=SOFTMAX, dataset=load("iris"), records=60, learner=LEARNER, members=20, seed=3)
    return folder


@pytest.fixture
def folder(original, tmp_path):
    return shutil.copytree(original, tmp_path / "model")


def _rewrite(folder, **changes):
    file = folder / "model.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


@pytest.mark.parametrize(
    ("file", "said"),
    [("run.json", "but a run of many"), ("cells/", "but a matrix"), ("report.json", "but a report"), ("notes", ": ")],
)
def test_a_folder_of_something_else_is_named(file, said, tmp_path):
    (tmp_path / file).mkdir() if file.endswith("/") else (tmp_path / file).write_text("{}")
    with pytest.raises(InputError, match=rf"holds no model.*{said}.*give a folder that `jaxattack train` wrote"):
        open_victim(str(tmp_path))


def test_a_folder_knows_its_records_and_members(folder):
    victim = open_victim(str(folder))
    records = choose_records(load("iris"), 60, 3)
    assert fingerprint(victim.dataset) == fingerprint(records)
    assert (victim.member.sum(), len(victim.member)) == (20, 60)
    unseen = records.x[~victim.member].astype(np.float64)
    np.testing.assert_array_equal(np.sort(np.concatenate([victim.x, victim.pool]), axis=0), np.sort(unseen, axis=0))


def test_a_report_on_a_folder_tells_of_its_own_members(folder):
    made = invert(open_victim(str(folder)), MiFace(restarts=1, steps=2), evaluation=Architecture(name="softmax"))
    assert made.findings.victim.members == 20
    assert made.findings.evaluation.records == 40
    stolen = extract(open_victim(str(folder)), compare=20)
    assert stolen.findings.fidelity.held_out.records == 26


def test_records_that_changed_are_refused_wherever_they_are_read_from(tmp_path):
    data = random_labels(records=40, features=3, classes=2)
    file = tmp_path / "records.npz"
    save(data, file)
    train_victim(tmp_path / "m", model=SOFTMAX, dataset=load(str(file)), records=30, learner=LEARNER)
    open_victim(str(tmp_path / "m"))
    moved = tmp_path / "moved.npz"
    file.rename(moved)
    with pytest.raises(InputError, match=r"was trained on .*records\.npz, which cannot be read"):
        open_victim(str(tmp_path / "m"))
    assert open_victim(str(tmp_path / "m"), data=str(moved)).member.sum() == 15
    x = data.x.copy()
    x[:, 0] = np.nextafter(x[:, 0], np.float32(2))
    np.savez(file, x=x, y=data.y)
    with pytest.raises(InputError, match=r"was trained on 30 records of .* holds others now"):
        open_victim(str(tmp_path / "m"))


def test_other_data_are_compared_on_without_the_members(folder, tmp_path):
    records = choose_records(load("iris"), 60, 3)
    member = load_victim(folder).member
    strange = records.x[:30] + np.float32(0.25)
    x = np.concatenate([records.x[member], strange])
    np.savez(tmp_path / "more.npz", x=x, y=np.concatenate([records.y[member], records.y[:30]]), classes=3)
    victim = open_victim(str(folder), data=str(tmp_path / "more.npz"))
    assert len(victim.x) + len(victim.pool) == 30
    assert fingerprint(victim.dataset) == fingerprint(records)
    np.testing.assert_array_equal(victim.member, member)
    with pytest.raises(InputError, match=r"shape \(13,\) .* takes float32 records of shape \(4,\)"):
        open_victim(str(folder), data="wine")
    np.savez(tmp_path / "same.npz", x=records.x[member], y=records.y[member], classes=3)
    with pytest.raises(InputError, match="0 of its records are none that"):
        open_victim(str(folder), data=str(tmp_path / "same.npz"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"classes": 10**9}, "another architecture|that takes"),
        ({"classes": -3}, "classes is -3"),
        ({"classes": "ten"}, "classes is 'ten'"),
        ({"classes": True}, "classes is True"),
        ({"shape": [10**6, 10**6]}, "another architecture|that takes"),
        ({"shape": [10**30]}, "another architecture|can be built|that takes"),
        ({"shape": [-4]}, "a side of shape is -4"),
        ({"shape": []}, "shape has 0 sides"),
        ({"shape": "wide"}, "shape is 'wide'"),
        ({"members": 19}, "tells of 19 members"),
        ({"members": 0}, "members is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 4}, "holds others now"),
        ({"victim": [1]}, "describes no model"),
        ({"data": 3}, "describes no model"),
        ({"data": {"name": "iris", "records": 61, "sha256": "0"}}, "member.npy holds bool of shape"),
        ({"data": {"name": "synthetic:gaussian?records=1000000000000", "records": 60, "sha256": "0"}}, "memory"),
        ({"data": {"name": "nonesuch", "records": 60, "sha256": "0"}}, "no data set 'nonesuch'"),
    ],
)
def test_a_description_of_what_is_not_there_is_one_sentence(folder, changes, words):
    _rewrite(folder, **changes)
    with pytest.raises(InputError, match=words) as caught:
        open_victim(str(folder))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model": "mlp:1000000000"}, "another architecture|that takes"),
        ({"model": "mlp:" + "9" * 30}, "another architecture|that takes"),
        ({"model": "mlp:" + "-".join(["3"] * 5000)}, "another architecture|that takes"),
        ({"model": "resnet:1000004"}, "another architecture|that takes"),
        ({"model": "wrn:1000000-4"}, "another architecture|that takes"),
        ({"model": 7}, "model is 7"),
        ({"model": "vgg"}, "give one of"),
        ({"records": 50}, "holds others now"),
        ({"records": "all"}, "describes no model"),
        ({"activation": 7}, "activation is 7"),
        ({"dropout": "much"}, "dropout is 'much'"),
    ],
)
def test_a_victim_that_is_none_is_one_sentence(folder, changes, words):
    _rewrite(folder, victim=json.loads((folder / "model.json").read_text())["victim"] | changes)
    with pytest.raises(InputError, match=words) as caught:
        open_victim(str(folder))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("member", [np.ones(60), np.ones(59, bool), np.ones((60, 1), bool), np.zeros(60, bool)])
def test_members_that_are_not_those_of_the_description_are_refused(folder, member):
    np.save(folder / "member.npy", member)
    with pytest.raises(InputError, match=r"member\.npy holds"):
        load_victim(folder)


@pytest.fixture
def trap(folder, monkeypatch):
    """A folder that names a module which lies beside it and would write a file; and the weights that it would have."""
    monkeypatch.chdir(folder.parent)
    (folder.parent / "trap_module.py").write_text(
        "open('sprung', 'w').close()\nfrom jaxattack.models import build\n"
        "def factory(shape, classes):\n    return build('mlp:4', tuple(shape), classes)\n"
    )
    weights = build("mlp:4", (4,), 3).init(jax.random.key(0))
    np.savez(folder / "weights.npz", **leaves_by_path(weights))
    about = json.loads((folder / "model.json").read_text())["victim"] | {"model": "trap_module:factory"}
    _rewrite(folder, victim=about)
    yield folder
    sys.modules.pop("trap_module", None)


def test_a_factory_is_imported_only_where_the_caller_names_it(trap):
    sprung = trap.parent / "sprung"
    for factory in (None, "trap_module:other", "os:getcwd"):
        with pytest.raises(InputError, match="names the factory 'trap_module:factory'"):
            load_victim(trap, factory=factory)
        with pytest.raises(InputError, match="names the factory 'trap_module:factory'"):
            open_victim(str(trap), factory=factory)
    assert not sprung.exists()
    assert "trap_module" not in sys.modules
    assert open_victim(str(trap), factory="trap_module:factory").oracle(np.zeros((2, 4))).label.shape == (2,)
    assert sprung.exists()


def test_a_factory_that_is_named_for_a_folder_without_one_is_refused(folder):
    with pytest.raises(InputError, match="factory is 'os:getcwd' and .* names the model 'softmax', no factory"):
        open_victim(str(folder), factory="os:getcwd")


@pytest.mark.parametrize("command", [("extract",), ("invert",), ("serve", "--port", "0")])
def test_no_command_imports_what_a_folder_names(trap, command):
    done = run(command[0], trap.name, *command[1:], folder=trap.parent, expect=2)
    assert "--factory" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (trap.parent / "sprung").exists()


def test_a_command_imports_a_factory_that_is_typed(trap):
    run(
        "extract", trap.name, "--factory", "trap_module:factory", "--in-process", "--method", "uniform-retraining",
        "--budget", "50", "--compare", "20", "--quiet", folder=trap.parent,
    )  # fmt: skip
    assert (trap.parent / "sprung").exists()


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("FOLDER", {"members": 5}, "members is 5 and .* knows its records and members"),
        ("FOLDER", {"seed": 0}, "seed is 0"),
        ("FOLDER", {"fresh": True}, "fresh is True"),
        ("FOLDER", {"key": "secret"}, "key is given"),
        ("tree", {"precision": "float32"}, "precision is 'float32'"),
        ("tree", {"fresh": True}, "fresh is True"),
        ("tree", {"key": "secret"}, "key is given"),
        ("tree", {"factory": "a.b:c"}, "factory is 'a.b:c'"),
        ("mlp:3", {"factory": "a.b:c"}, "factory is 'a.b:c'"),
        ("mlp:3", {"key": "secret"}, "key is given"),
        ("relu:4-3-2", {"data": "iris"}, "data is 'iris' and relu:4-3-2 has random weights"),
        ("relu:4-3-2", {"members": 3}, "members is 3"),
        ("relu:4-3-2", {"precision": "float64"}, "precision is 'float64'"),
        ("relu:4-3-2", {"fresh": True}, "fresh is True"),
        ("head:4-9", {"data": "iris"}, "data is 'iris'"),
        ("head:4-9", {"members": 3}, "members is 3"),
        ("some.onnx", {"members": 3}, "members is 3 and some.onnx is trained already"),
        ("some.onnx", {"seed": 3}, "seed is 3"),
        ("some.onnx", {"precision": "float32"}, "precision"),
        ("some.skops", {"key": "secret"}, "key is given"),
        ("http://127.0.0.1:9", {"members": 3}, "members is 3 and .* asked over HTTP"),
        ("http://127.0.0.1:9", {"precision": "float32"}, "precision"),
        ("http://127.0.0.1:9", {"fresh": True}, "fresh"),
        ("http://127.0.0.1:9", {"seed": 1}, "seed is 1"),
    ],
)
def test_what_a_kind_of_victim_has_no_use_for_is_refused(folder, name, given, words):
    with pytest.raises(InputError, match=words) as caught:
        open_victim(str(folder) if name == "FOLDER" else name, **given)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("arguments", [("relu:4-3-2", "--members", "3"), ("tree", "--precision", "float32")])
def test_a_command_refuses_what_the_victim_has_no_use_for(tmp_path, arguments):
    done = run("invert", *arguments, folder=tmp_path, expect=2)
    assert "leave" in done.stderr
    assert not (tmp_path / "jaxattack-runs").exists()
