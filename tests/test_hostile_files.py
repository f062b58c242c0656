"""Every door through which a file comes, and files that promise more than they hold: one sentence, little memory, at once."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
import tracemalloc
import zipfile

import numpy as np
import pytest
from hostile import TEXTS, archives, descriptions, npy, packed
from oracle.kept import BATCHES, fill, victim

from jaxattack import report
from jaxattack.attacks.membership import lookup
from jaxattack.audit import (
    open_victim,
    read_canary_scores,
    read_observations,
    read_scores,
    rescore,
    train_victim,
)
from jaxattack.cli.extraction import _keys
from jaxattack.data import design, load
from jaxattack.disk import read_array, read_arrays, read_json
from jaxattack.models import Architecture
from jaxattack.npz import UnreadableError, free_memory, open_arrays
from jaxattack.oracle import frames, from_onnx, from_skops, journalled
from jaxattack.store import RunFolder
from jaxattack.training import Recipe
from jaxattack.training.learners import Standard
from jaxattack.types import InputError

MEMBER = np.arange(24).reshape(4, 6) % 2 == 0
LABEL = np.array([0, 1, 0, 1, 0, 1])
SECONDS, MEMORY = 5.0, 100 << 20


def refused(name, read):
    """That a file is refused in a sentence, soon and without taking memory."""
    tracemalloc.start()
    started = time.process_time()
    try:
        with pytest.raises(InputError) as caught:
            read()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    said = str(caught.value)
    assert said.isprintable(), (name, said)
    assert len(said) < 1000, name
    assert time.process_time() - started < SECONDS, name
    assert peak < MEMORY, name
    return said


@pytest.fixture
def run(tmp_path):
    """A run folder of four models."""
    folder = tmp_path / "run"
    identity = {
        "data": {"name": "synthetic:gaussian", "records": 6, "sha256": "00"},
        "victim": {"model": "softmax"},
        "recipe": {"flip": False, "crop": 0},
        "queries": 1,
        "seed": 0,
        "signals": ["phi"],
    }
    opened = RunFolder.open(folder, identity, LABEL)
    phi = np.random.default_rng(0).normal(size=(4, 6, 1)).astype(np.float32)
    opened.write(np.arange(4), MEMBER, {"phi": phi})
    return folder


def test_scores_of_canaries(tmp_path):
    path = tmp_path / "canaries.npz"
    for hostile in ("score", "member", "canary", "model"):
        for name, data in archives(hostile).items():
            path.write_bytes(data)
            refused(f"{hostile}: {name}", lambda: read_canary_scores(path))


@pytest.mark.parametrize("hostile", ["member", "record", "scores/loss"])
def test_scores_of_records(tmp_path, hostile):
    path = tmp_path / "scores.npz"
    for name, data in archives(hostile).items():
        path.write_bytes(data)
        refused(name, lambda: read_scores(path))


def test_scores(tmp_path):
    path = tmp_path / "scores.npz"
    for name, data in archives("logits").items():
        path.write_bytes(data)
        refused(name, lambda: read_observations(path))


def test_data_sets(tmp_path):
    path = tmp_path / "data.npz"
    for name, data in archives("x").items():
        path.write_bytes(data)
        refused(name, lambda: load(str(path)))


@pytest.mark.parametrize(
    "data",
    [npy("(1000000000000,)"), npy("(4, 6)", "'|O'"), packed([("a", b"")]), b"", b"\x93NUMPY"],
    ids=["large", "objects", "archive", "empty", "cut short"],  # an archive's own bytes hold the time
)
def test_masks_and_single_arrays(tmp_path, data):
    path = tmp_path / "mask.npy"
    path.write_bytes(data)
    refused(data[:80], lambda: design(f"mask:{path}"))
    refused(data[:80], lambda: read_array(path))


def test_what_is_there_is_read_in_the_order_of_the_machine(tmp_path):
    x = np.arange(12.0).reshape(3, 4)
    for order in "<>":
        for layout in (np.ascontiguousarray, np.asfortranarray):
            np.savez(tmp_path / "x.npz", x=layout(x.astype(f"{order}f8")))
            read = read_arrays(tmp_path / "x.npz")["x"]
            assert read.dtype.isnative
            np.testing.assert_array_equal(read, x)
            np.save(tmp_path / "x.npy", layout(x.astype(f"{order}i4")))
            np.testing.assert_array_equal(read_array(tmp_path / "x.npy"), x)
    # Zeros are no bomb as long as they are few.
    np.savez_compressed(tmp_path / "x.npz", x=np.zeros(67_000_000, np.uint8), y=np.zeros((0, 7)))
    assert read_arrays(tmp_path / "x.npz")["x"].nbytes == 67_000_000
    assert read_arrays(tmp_path / "x.npz")["y"].shape == (0, 7)


def test_an_array_that_does_not_fit_into_memory_is_refused_before_it_is_read(tmp_path, monkeypatch):
    np.savez(tmp_path / "x.npz", x=np.zeros(1000))
    monkeypatch.setattr("jaxattack.npz.free_memory", lambda: 7999)
    with pytest.raises(InputError, match="takes 8,000 bytes and 7,999 bytes of memory are free"):
        read_arrays(tmp_path / "x.npz")
    monkeypatch.setattr("jaxattack.npz.free_memory", lambda: 8000)
    assert len(read_arrays(tmp_path / "x.npz")["x"]) == 1000


def test_the_memory_that_is_free_is_known(monkeypatch):
    assert 1 << 20 < free_memory() < 1 << 50
    monkeypatch.setattr(resource, "getrlimit", lambda which: (1 << 30, 1 << 30))
    assert free_memory() <= 1 << 30


@pytest.mark.parametrize("name", ["chunk-000000-000003.npz", "label.npy"])
def test_the_arrays_of_a_run(run, name):
    cases = (
        archives("phi")
        if name.endswith("npz")
        else {"large": npy("(1000000000000,)"), "matrix": npy("(1, 1)", data=bytes(8))}
    )
    for case, data in cases.items():
        (run / name).write_bytes(data)
        refused(case, lambda: rescore(run, (lookup("loss"),)))


CHUNKS = {
    "a negative model": {"models": np.array([-1, 1, 2, 3])},
    "a model twice": {"models": np.array([0, 0, 2, 3])},
    "a model of 10^15": {"models": np.array([0, 1, 2, 10**15])},
    "models of floats": {"models": np.arange(4.0)},
    "models of text": {"models": np.array(["0", "1", "2", "3"])},
    "a matrix of models": {"models": np.arange(4).reshape(2, 2)},
    "no models": {"models": np.arange(0)},
    "members of too few records": {"member": np.zeros((4, 0), np.uint8)},
    "members of floats": {"member": np.zeros((4, 1))},
    "a signal of too few records": {"phi": np.zeros((4, 5, 1), np.float32)},
    "a flat signal": {"phi": np.zeros((4, 6), np.float32)},
    "a signal of text": {"phi": np.full((4, 6, 1), "x")},
}


@pytest.mark.parametrize("case", CHUNKS)
def test_a_chunk_of_other_arrays(run, case):
    good = read_arrays(run / "chunk-000000-000003.npz")
    np.savez(run / "chunk-000000-000003.npz", **good | CHUNKS[case])
    refused(case, lambda: rescore(run, (lookup("loss"),)))


def test_chunks_that_do_not_fit_together(run):
    good = read_arrays(run / "chunk-000000-000003.npz")
    models = np.arange(4, 8)
    np.savez(run / "chunk-000004-000007.npz", **good | {"models": models, "phi": np.zeros((4, 6, 2), np.float32)})
    assert "in other chunks" in refused("queries", lambda: rescore(run, (lookup("loss"),)))


def test_the_description_of_a_run(run):
    good = json.loads((run / "run.json").read_text())
    for name, data in descriptions(good).items():
        (run / "run.json").write_bytes(data)
        refused(name, lambda: rescore(run, (lookup("loss"),)))


def test_the_cost_of_a_chunk(run):
    for name, data in TEXTS.items():
        (run / "cost-000000-000003.json").write_bytes(data)
        refused(name, lambda: rescore(run, (lookup("loss"),)))


def test_a_run_names_no_folder_of_prepared_sets(run):
    good = json.loads((run / "run.json").read_text())
    good["data"]["name"] = f"tfds:planted?data_dir={run}"
    (run / "run.json").write_text(json.dumps(good))
    before = set(sys.modules)
    assert rescore(run, (lookup("loss"),)).pictures == {}  # the models are scored, without pictures of the records
    assert "tensorflow_datasets" not in set(sys.modules) - before


def test_a_report(tmp_path):
    for name, data in TEXTS.items():
        (tmp_path / "report.json").write_bytes(data)
        refused(name, lambda: report.read(tmp_path))


def test_the_keys_of_a_server(tmp_path):
    good = {"name": "me", "secret": "hunter2-hunter2"}
    cases = TEXTS | {
        f"{field} is {value!r}": json.dumps([good | {field: value}]).encode()
        for field in good
        for value in (None, 3, [], {}, "", "two words", "x" * 10_000)
    }
    cases["a secret in the place of a name"] = b'[{"hunter2-hunter2": 1}]'
    for name, data in cases.items():
        (tmp_path / "keys.json").write_bytes(data)
        assert "hunter2" not in refused(name, lambda: _keys(tmp_path / "keys.json"))


def journal_of(*entries):
    return b"".join(bytes(piece) for pieces in entries for piece in pieces)


def test_a_journal(tmp_path):
    fill(tmp_path / "whole", BATCHES[:1])
    whole = (tmp_path / "whole" / "answers.journal").read_bytes()
    first = whole[: whole.rindex(b"JATK")]
    line = json.loads(whole[whole.rindex(b"JATK") + 16 :].partition(b"\n")[0])
    queries = len(BATCHES[0])

    def answered(*arrays, **changes):
        return first + journal_of(frames.frame(line | changes, *arrays))

    label, scores = np.zeros(queries, np.int64), np.full((queries, 2), 0.5)
    cases = {
        **{f"described by {name}": journal_of(_sealed(data + b"\n")) for name, data in TEXTS.items()},
        **{f"an entry of {name}": first + journal_of(_sealed(data + b"\n")) for name, data in TEXTS.items()},
        "a label of text": answered(np.full(queries, "x"), scores),
        "a label out of range": answered(label + 7, scores),
        "too few labels": answered(label[:0], scores[:0]),
        "scores of objects": first + journal_of(_sealed(json.dumps(line).encode() + b"\n" + npy("(1,)", "'|O'"))),
        "scores of 10^12": first + journal_of(_sealed(json.dumps(line).encode() + b"\n" + npy("(1000000000000,)"))),
        "scores of another shape": answered(label, scores.T),
        "parts of other names": answered(label, scores, parts=["label", "__class__"]),
        "no parts": answered(label, scores, parts=3),
        "a negative cost": answered(label, scores, cost=line["cost"] | {"queries": -5}),
        "a cost of text": answered(label, scores, cost=line["cost"] | {"price": "0"}),
        "a cost of 10^30": answered(label, scores, cost=line["cost"] | {"queries": 10**30}),
        "a cost of something else": answered(label, scores, cost={"a": 1}),
        "no digest": answered(label, scores, digest=[1]),
    }
    folder = tmp_path / "bad"
    folder.mkdir()
    for name, data in cases.items():
        (folder / "answers.journal").write_bytes(data)

        def read():
            with journalled(victim(), folder) as oracle:
                oracle(BATCHES[0])

        refused(name, read)


def _sealed(body):
    """A frame around any bytes, sealed as a whole one is."""
    return frames._head(len(body)), body, frames._seal(body)


def test_a_journal_is_not_written_through_a_link_or_into_a_pipe(tmp_path):
    (tmp_path / "precious").write_bytes(b"")
    (tmp_path / "run").mkdir()
    path = tmp_path / "run" / "answers.journal"
    for target in (tmp_path / "precious", tmp_path / "absent"):
        path.symlink_to(target)
        refused("link", lambda: journalled(victim(), tmp_path / "run"))
        path.unlink()
    assert (tmp_path / "precious").read_bytes() == b""
    assert not (tmp_path / "absent").exists()
    os.mkfifo(path)
    refused("pipe", lambda: journalled(victim(), tmp_path / "run"))


def test_a_file_of_a_folder_that_links_out_of_it_and_a_pipe_are_not_read(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    np.savez(tmp_path / "a.npz", a=LABEL)
    np.save(tmp_path / "a.npy", LABEL)
    (tmp_path / "a.json").write_text("{}")
    for name, read in (("a.npz", read_arrays), ("a.npy", read_array), ("a.json", read_json)):
        (folder / name).symlink_to(tmp_path / name)
        assert "link to a file outside" in refused(name, lambda read=read, name=name: read(folder / name))
        (folder / name).unlink()
        (tmp_path / name).rename(folder / name)
        (folder / f"again-{name}").symlink_to(name)
        read(folder / f"again-{name}")
        (folder / name).unlink()
        os.mkfifo(folder / name)
        assert "it is a pipe or a device" in refused(name, lambda read=read, name=name: read(folder / name))
    refused(
        "device",
        lambda: (
            load("/dev/zero.npz") if os.path.exists("/dev/zero.npz") else read_array(tmp_path / "../../../dev/zero")
        ),
    )


def test_a_saved_model_of_scikit_learn(tmp_path):
    pytest.importorskip("skops")
    from sklearn.linear_model import LogisticRegression
    from skops import io as skops

    path = tmp_path / "model.skops"
    skops.dump(LogisticRegression().fit(np.arange(8.0).reshape(4, 2), [0, 1, 0, 1]), path)
    with zipfile.ZipFile(path) as archive:
        members = [(part.filename, archive.read(part)) for part in archive.infolist()]
    arrays = [name for name, data in members if data.startswith(b"\x93NUMPY")]
    assert arrays
    sparse = packed([("data.npy", bytes(60_000_000))], zipfile.ZIP_DEFLATED)

    def with_array(data, text=None):
        return packed(
            [
                (name, data if name in arrays else text if text and name == "schema.json" else old)
                for name, old in members
            ]
        )

    cases = {
        **dict(archives("schema.json").items()),
        "an array of 10^12 numbers": with_array(npy("(1000000000000,)")),
        "an array of Python objects": with_array(npy("(1,)", "'|O'", b"cos\nsystem\n(S'true'\ntR.")),
        "half of an array": with_array(npy("(100, 100)", data=bytes(80))),
        "sparse matrices in one another": with_array(sparse),
        **{f"schema of {name}": with_array(members[0][1], data or b"{") for name, data in TEXTS.items()},
    }
    for name, data in cases.items():
        path.write_bytes(data)
        refused(name, lambda: from_skops(path))


def test_a_saved_graph_reads_no_file_beside_it(tmp_path):
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper

    (tmp_path / "secret").write_bytes(np.arange(4, dtype="<f4").tobytes())
    (tmp_path / "models").mkdir()
    path = tmp_path / "models" / "model.onnx"

    def graph(**external):
        weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2, 2], data_location=TensorProto.EXTERNAL)
        for key, value in external.items():
            weight.external_data.add(key=key, value=value)
        node = helper.make_node("MatMul", ["x", "w"], ["y"])
        info = helper.make_tensor_value_info
        body = helper.make_graph(
            [node], "g", [info("x", TensorProto.FLOAT, [None, 2])], [info("y", TensorProto.FLOAT, [None, 2])], [weight]
        )
        return helper.make_model(body, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString()

    whole = graph(location="../secret")
    cases = {
        "a file outside": whole,
        "an absolute path": graph(location=str(tmp_path / "secret")),
        "a device": graph(location="/dev/zero", length="10000000000"),
        "beyond the end": graph(location="../secret", offset="99999999999"),
        "no place": graph(),
        "half of a graph": whole[: len(whole) // 2],
        "noise": bytes(range(256)) * 40,
        **TEXTS,
    }
    assert onnx.__version__
    for name, data in cases.items():
        path.write_bytes(data)
        refused(name, lambda: from_onnx(path))


def test_a_model_folder(tmp_path):
    folder = tmp_path / "victim"
    train_victim(
        folder,
        model=Architecture(name="softmax"),
        dataset=load("iris"),
        learner=Standard(recipe=Recipe(epochs=1)),
    )
    whole = {name: (folder / name).read_bytes() for name in ("model.json", "weights.npz", "member.npy")}
    cases = {
        "model.json": TEXTS,
        "weights.npz": archives("params/0/bias"),
        "member.npy": {"large": npy("(1000000000000,)", "'|b1'"), "objects": npy("(150,)", "'|O'"), "nothing": b""},
    }
    for file, contents in cases.items():
        for name, data in contents.items():
            (folder / file).write_bytes(data)
            refused(f"{file}: {name}", lambda: open_victim(str(folder)))
        (folder / file).write_bytes(whole[file])
    open_victim(str(folder))


COMMANDS = """
import resource, sys

resource.setrlimit(resource.RLIMIT_AS, (12 << 30, 12 << 30))
from jaxattack.cli import main

for command in {commands!r}:
    sys.argv[1:] = command
    try:
        main()
    except SystemExit as ended:
        print("ended with", ended.code, flush=True)
"""


def test_the_commands_end_with_a_sentence_and_status_2(tmp_path, run):
    (tmp_path / "large.npz").write_bytes(archives("x")["a header of 10^12 numbers"])
    (tmp_path / "bomb.npz").write_bytes(archives("x")["a member said to unpack to 4 GiB"])
    (run / "run.json").write_bytes(b"[" * 100_000)
    (tmp_path / "keys.json").write_bytes(b"[" * 100_000)
    commands = [
        ["score", "large.npz"],
        ["score", "bomb.npz"],
        ["membership", "--data", "large.npz"],
        ["data", "bomb.npz"],
        ["report", "run"],
        ["extract", "run"],
        ["serve", "--keys", "keys.json"],
    ]
    done = subprocess.run(
        [sys.executable, "-c", COMMANDS.format(commands=commands)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.stdout.split("\n") == ["ended with 2"] * len(commands) + [""], done.stderr
    said = [line for line in done.stderr.splitlines() if line.strip()]
    assert all(line.startswith("jaxattack: ") for line in said), done.stderr
    assert len(said) == len(commands)


def test_an_archive_is_opened_without_reading_its_arrays(tmp_path):
    np.savez(tmp_path / "x.npz", x=np.zeros((5, 2)), y=np.arange(5))
    with open_arrays(tmp_path / "x.npz") as archive:
        assert archive.names == ("x", "y")
        assert archive.header("x").shape == (5, 2)
        with pytest.raises(UnreadableError, match="z: there is no such array"):
            archive.read("z")


def test_text_of_a_file_commands_no_terminal(tmp_path):
    (tmp_path / "a.json").write_text(
        json.dumps({"a\x1b": ["\x1b[31mred\x9b0m\r", {"b": "two\nlines\t\u00e9"}], "n": 1.5})
    )
    assert read_json(tmp_path / "a.json") == {"a?": ["?[31mred?0m?", {"b": "two\nlines\t\u00e9"}], "n": 1.5}
