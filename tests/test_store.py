from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import resource
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxattack.disk import (
    ABANDONED,
    make_folder,
    read_array,
    read_json,
    write_arrays,
    write_atomically,
    write_json,
)
from jaxattack.models import build
from jaxattack.npz import Archive
from jaxattack.store import Cost, RunFolder, leaves_by_path, read_leaves, run_folder
from jaxattack.types import InputError, Variables

RNG = np.random.default_rng(0)
MODELS, RECORDS = 10, 21
MEMBER = RNG.random((MODELS, RECORDS)) < 0.5
LABEL = RNG.integers(0, 3, RECORDS)
SIGNALS = {
    "phi": RNG.standard_normal((MODELS, RECORDS, 2)).astype(np.float32),
    "correct": RNG.integers(0, 2, (MODELS, RECORDS, 1)).astype(np.float32),
}
IDENTITY = {"data": {"name": "digits", "records": RECORDS}, "recipe": {"epochs": 3}, "signals": ["phi", "correct"]}


def opened(path, **changes):
    return RunFolder.open(path, IDENTITY | changes, LABEL)


def fill(folder, *spans):
    for span in spans:
        models = np.arange(*span)
        folder.write(models, MEMBER[models], {name: values[models] for name, values in SIGNALS.items()})
    return folder


def assert_holds(observations, models):
    np.testing.assert_array_equal(observations.member, MEMBER[:models])
    np.testing.assert_array_equal(observations.label, LABEL)
    for name, values in SIGNALS.items():
        np.testing.assert_array_equal(observations.signal(name), values[:models])


def files(path):
    return sorted(file.name for file in path.iterdir())


@pytest.mark.parametrize("spans", [[(0, 10)], [(0, 4), (4, 8), (8, 10)], [(7, 10), (0, 1), (1, 7)]])
def test_what_is_read_does_not_depend_on_where_chunks_end(tmp_path, spans):
    folder = fill(opened(tmp_path / "run"), *spans)
    assert folder.complete_models() == set(range(10))
    assert_holds(folder.observations(10), 10)
    assert_holds(RunFolder.existing(tmp_path / "run").observations(10), 10)


@pytest.mark.parametrize("models", [1, 4, 5])
def test_the_first_models_can_be_read_alone(tmp_path, models):
    assert_holds(fill(opened(tmp_path), (0, 4), (4, 10)).observations(models), models)


def test_a_run_grows_by_later_models(tmp_path):
    fill(opened(tmp_path), (0, 4))
    again = opened(tmp_path)
    assert again.complete_models() == {0, 1, 2, 3}
    assert_holds(fill(again, (4, 10)).observations(10), 10)


def test_missing_models_are_named(tmp_path):
    folder = fill(opened(tmp_path), (0, 3), (6, 10))
    with pytest.raises(InputError, match=r"lacks 3 of 10 models \(model 3 first\)"):
        folder.observations(10)


def test_a_signal_is_read_only_when_it_is_asked_for(tmp_path, monkeypatch):
    read = []
    folder = fill(opened(tmp_path), (0, 10))
    original = Archive.read
    monkeypatch.setattr(Archive, "read", lambda self, key: read.append(key) or original(self, key))
    observed = folder.observations(10)
    assert not {"phi", "correct"} & set(read)
    assert (set(observed.signals), len(observed.signals)) == ({"phi", "correct"}, 2)
    assert not {"phi", "correct"} & set(read)
    observed.signal("correct")
    assert read.count("correct") == 1
    assert "phi" not in read
    with pytest.raises(InputError, match="the signal 'hinge' was not observed"):
        observed.signal("hinge")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"recipe": {"epochs": 4}}, "recipe.epochs is 3 there and 4 here"),
        ({"data": {"name": "iris", "records": RECORDS}}, "data.name is 'digits' there and 'iris' here"),
        ({"design": "exact"}, "design is None there and 'exact' here"),
    ],
)
def test_another_configuration_is_refused_by_the_field_that_differs(tmp_path, changes, words):
    fill(opened(tmp_path), (0, 4))
    before = files(tmp_path)
    with pytest.raises(InputError, match=words):
        opened(tmp_path, **changes)
    assert files(tmp_path) == before
    assert opened(tmp_path).complete_models() == {0, 1, 2, 3}


def test_records_are_known_by_their_fingerprint_and_not_by_their_name(tmp_path):
    opened(tmp_path, data={"name": "x.npz", "records": 5, "sha256": "ab"})
    opened(tmp_path, data={"name": "./x.npz", "records": 5, "sha256": "ab"})
    with pytest.raises(InputError, match=r"data\.name is 'x\.npz' there and 'y\.npz' here; data\.sha256"):
        opened(tmp_path, data={"name": "y.npz", "records": 5, "sha256": "cd"})


def test_a_folder_of_other_files_is_refused_and_left_as_it_is(tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(InputError, match="holds files that are no run"):
        opened(tmp_path)
    assert files(tmp_path) == ["thesis.tex"]


def test_a_file_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(InputError, match="cannot make the folder"):
        opened(tmp_path / "run")


@pytest.mark.parametrize("left", [[".run.json.17.partial"], ["run.json"], ["run.json", "label.npy"]])
def test_a_folder_whose_making_was_killed_is_made_again(tmp_path, left):
    opened(tmp_path / "whole")
    for name in left:
        whole = tmp_path / "whole" / name
        (tmp_path / "run").mkdir(exist_ok=True)
        (tmp_path / "run" / name).write_bytes(whole.read_bytes() if name == "run.json" else b"half")
    assert_holds(fill(opened(tmp_path / "run"), (0, 10)).observations(10), 10)


def test_a_half_written_file_is_removed_once_it_has_no_writer_any_more(tmp_path):
    fill(opened(tmp_path), (0, 4))
    fresh, old = (tmp_path / f".chunk-000004-00000{last}.npz.999.partial" for last in (7, 8))
    for file in (fresh, old):
        file.write_bytes(b"half a chunk")
    os.utime(old, (time.time() - ABANDONED - 60,) * 2)
    assert opened(tmp_path).complete_models() == {0, 1, 2, 3}
    assert fresh.exists(), "another process is writing it"
    assert not old.exists()


def test_many_processes_may_start_and_fill_a_run_at_the_same_time(tmp_path):
    # Every one opens the folder itself; spans overlap, and some are written twice.
    spans = [(0, 4), (2, 6), (4, 10), (0, 4), (5, 7), (6, 10)] * 4
    with ThreadPoolExecutor(len(spans)) as threads:
        list(threads.map(lambda span: fill(opened(tmp_path / "run"), span), spans))
    assert_holds(RunFolder.existing(tmp_path / "run").observations(10), 10)
    assert not list((tmp_path / "run").glob(".*"))


def test_of_two_different_runs_that_start_in_one_folder_the_second_is_refused(tmp_path, monkeypatch):
    original = run_folder.write_json_once

    def after_another(file, plain):
        monkeypatch.undo()
        fill(opened(tmp_path, seed=1), (0, 10))
        original(file, plain)

    monkeypatch.setattr(run_folder, "write_json_once", after_another)
    with pytest.raises(InputError, match="seed is 1 there and 2 here"):
        RunFolder.open(tmp_path, IDENTITY | {"seed": 2}, LABEL + 1)
    assert_holds(opened(tmp_path, seed=1).observations(10), 10)


def test_a_file_system_without_hard_links_will_do(tmp_path, monkeypatch):
    def refuse(*arguments):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    assert_holds(fill(opened(tmp_path), (0, 10)).observations(10), 10)
    with pytest.raises(InputError, match="seed is None there and 1 here"):
        opened(tmp_path, seed=1)


def test_a_chunk_with_gaps_does_not_replace_another_of_the_same_span(tmp_path):
    folder = fill(opened(tmp_path), (0, 4))
    for models in ([0, 3], [0, 2, 3], [0, 1, 3]):
        folder.write(np.array(models), MEMBER[models], {name: values[models] for name, values in SIGNALS.items()})
    assert len([name for name in files(tmp_path) if name.startswith("chunk-")]) == 4
    assert_holds(folder.observations(4), 4)


COST = Cost(gradient_steps=30, compile=1.5, train=2.0, observe=0.25, device="1 x cpu")


def test_what_chunks_cost_is_kept_beside_them(tmp_path):
    folder = opened(tmp_path)
    assert folder.costs() == []
    for models, cost in ((np.arange(4), COST), (np.arange(4, 6), COST._replace(train=1.0)), (np.arange(6, 10), None)):
        rows = {name: values[models] for name, values in SIGNALS.items()}
        folder.write(models, MEMBER[models], rows, cost=cost)
    assert folder.costs() == [(4, COST), (2, COST._replace(train=1.0))]
    (tmp_path / "chunk-000000-000003.npz").unlink()
    assert folder.costs() == [(2, COST._replace(train=1.0))], "a cost without its chunk counts for nothing"


@pytest.mark.parametrize("train", ["x", -1, None, [2.0], math.nan])
def test_an_impossible_cost_is_refused(tmp_path, train):
    damage_cost(tmp_path, json.dumps(COST._asdict() | {"train": train}))


@pytest.mark.parametrize("text", ["", "{", "[1]", "{}", '{"train": 1}', "\x00", '{"device": 3}'])
def test_a_damaged_cost_is_one_sentence_with_the_remedy(tmp_path, text):
    damage_cost(tmp_path, text)


def damage_cost(tmp_path, text):
    folder = opened(tmp_path)
    folder.write(np.arange(4), MEMBER[:4], {name: values[:4] for name, values in SIGNALS.items()}, cost=COST)
    file = tmp_path / "cost-000000-000003.json"
    file.write_text(text)
    with pytest.raises(InputError, match=r"cost-000000-000003\.json is damaged: delete this file"):
        folder.costs()
    file.unlink()
    assert folder.costs() == []
    assert_holds(folder.observations(4), 4)


def test_no_run_and_another_format_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"run\.json does not exist: give the folder of a run"):
        RunFolder.existing(tmp_path)
    (tmp_path / "run.json").write_text(json.dumps({"format": 99}))
    with pytest.raises(InputError, match="has run format 99, and this version reads 1"):
        RunFolder.existing(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[1]", '"run"', "\x00"])
def test_a_damaged_description_is_refused(tmp_path, text):
    (tmp_path / "run.json").write_text(text)
    for read in (lambda: RunFolder.existing(tmp_path), lambda: opened(tmp_path)):
        with pytest.raises(InputError, match=r"run\.json"):
            read()


def test_a_truncated_chunk_is_refused_and_its_models_are_missing_once_it_is_deleted(tmp_path):
    folder = fill(opened(tmp_path), (0, 4), (4, 10))
    chunk = tmp_path / "chunk-000004-000009.npz"
    for size in (0, 1, 100, chunk.stat().st_size - 1):
        os.truncate(chunk, size)
        with pytest.raises(InputError, match=r"chunk-000004-000009\.npz is damaged .* delete this file and run again"):
            folder.complete_models()
    chunk.unlink()
    assert folder.complete_models() == {0, 1, 2, 3}


@pytest.mark.parametrize("name", ["chunk-000000-000001.npz", "label.npy"])
def test_a_changed_byte_is_refused_or_does_not_matter(tmp_path, name):
    models = np.arange(2)
    folder = opened(tmp_path)
    folder.write(models, MEMBER[:2], {name: values[:2] for name, values in SIGNALS.items()})
    chunk = tmp_path / name
    whole, refused, escaped = chunk.read_bytes(), 0, {}
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        chunk.write_bytes(damaged)
        try:
            assert_holds(folder.observations(2), 2)
        except InputError:
            refused += 1
        except Exception as error:
            escaped.setdefault(repr(error).splitlines()[0], place)
    assert not escaped
    assert refused > len(whole) / 2
    if name == "label.npy":
        for cut in range(len(whole)):
            chunk.write_bytes(whole[:cut])
            with contextlib.suppress(InputError):
                assert_holds(folder.observations(2), 2)
        assert_holds(opened(tmp_path).observations(2), 2)  # whoever knows the records writes it anew
        assert np.array_equal(np.load(chunk), LABEL)
        np.save(chunk, LABEL)  # as earlier versions did
        assert_holds(folder.observations(2), 2)


def test_a_full_disk_leaves_nothing_behind_and_names_the_remedy(tmp_path, monkeypatch):
    folder = fill(opened(tmp_path), (0, 4))
    before = files(tmp_path)

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left on device: make room .* what was finished is kept"):
        fill(folder, (4, 10))
    assert files(tmp_path) == before
    monkeypatch.undo()
    assert_holds(fill(folder, (4, 10)).observations(10), 10)


def test_a_write_that_stops_half_way_leaves_nothing_behind(tmp_path):
    # The largest size of a file stands in for a full disk: the system itself refuses, in the middle of an array.
    large = np.zeros(10_000)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(InputError, match="make room"):
            write_arrays(tmp_path / "large.npz", {"large": large})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert files(tmp_path) == []


def test_a_failure_that_is_not_the_disk_leaves_nothing_behind_either(tmp_path):
    def stop(file):
        file.write(b"half")
        raise KeyboardInterrupt

    (tmp_path / "kept").write_text("old")
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "kept", stop)
    assert files(tmp_path) == ["kept"]
    assert (tmp_path / "kept").read_text() == "old"


def test_a_read_only_file_system_is_refused_in_a_sentence(tmp_path, monkeypatch):
    # There even the removal of a file that is not there fails with EROFS.
    def refuse(*arguments, **options):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("builtins.open", refuse)
    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(InputError, match="Read-only file system: make room or choose a folder you may write to"):
        write_atomically(tmp_path / "file", lambda file: None)


def test_a_path_through_a_file_is_refused_in_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="Not a directory"):
        write_json(tmp_path / "file" / "run.json", {})


def test_json_and_arrays_survive_the_round_trip(tmp_path):
    write_json(tmp_path / "a.json", {"x": [1, None, 0.1]})
    assert read_json(tmp_path / "a.json") == {"x": [1, None, 0.1]}
    with pytest.raises(ValueError, match="Out of range"):
        write_json(tmp_path / "b.json", {"x": float("nan")})
    np.save(tmp_path / "a.npy", LABEL)
    np.testing.assert_array_equal(read_array(tmp_path / "a.npy"), LABEL)
    (tmp_path / "bad.npy").write_bytes(b"no array")
    for name in ("bad.npy", "missing.npy"):
        with pytest.raises(InputError, match="cannot be read"):
            read_array(tmp_path / name)
    make_folder(tmp_path / "deep" / "er")
    make_folder(tmp_path / "deep" / "er")


def test_objects_are_never_unpickled(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="cannot be read"):
        read_array(tmp_path / "a.npy")


@pytest.mark.parametrize("text", ["mlp:6-4", "resnet:8"])
def test_weights_survive_the_round_trip_and_another_architecture_is_refused(tmp_path, text):
    shape = (8, 8, 1)
    init = build(text, shape, 3).init
    like = jax.eval_shape(init, jax.random.key(0))
    rng = np.random.default_rng(1)
    variables = Variables(*jax.tree.map(lambda leaf: rng.standard_normal(leaf.shape).astype(leaf.dtype), tuple(like)))
    write_arrays(tmp_path / "weights.npz", leaves_by_path(variables))
    found = read_leaves(tmp_path / "weights.npz", like)
    assert jax.tree.structure(found) == jax.tree.structure(variables)
    jax.tree.map(np.testing.assert_array_equal, found, variables)
    names = leaves_by_path(variables)
    assert any(name.startswith("params/") for name in names)
    assert any(name.startswith("rest/") for name in names) == (text == "resnet:8")
    for other in ("mlp:6-5", "mlp:6-4-4", "wrn:10-1"):
        with pytest.raises(InputError, match="it is of another architecture"):
            read_leaves(tmp_path / "weights.npz", jax.eval_shape(build(other, shape, 3).init, jax.random.key(0)))


def test_weights_are_kept_beside_their_chunk(tmp_path):
    folder = opened(tmp_path)
    init = build("mlp:4", (5,), 3).init
    variables = jax.vmap(init)(jax.random.split(jax.random.key(0), 4))
    folder.write(np.arange(4), MEMBER[:4], {name: values[:4] for name, values in SIGNALS.items()}, variables)
    found = read_leaves(tmp_path / "weights-000000-000003.npz", jax.eval_shape(lambda: variables))
    jax.tree.map(np.testing.assert_array_equal, found, variables)
