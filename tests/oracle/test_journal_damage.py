from __future__ import annotations

import io
import os
import resource
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import numpy as np
import pytest
from oracle.kept import BATCHES, file, fill, same, silent, victim

from jaxattack.oracle import journalled
from jaxattack.types import InputError


@pytest.fixture
def unflushed(monkeypatch):
    """Without flushing to the disk, whose speed is not ours."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.mark.usefixtures("unflushed")
def test_a_journal_cut_at_any_byte_pays_only_for_the_calls_that_were_cut(tmp_path):
    _, answers = fill(tmp_path / "whole", BATCHES[:2])
    whole = file(tmp_path / "whole").read_bytes()
    ends = [at for at in range(1, len(whole) + 1) if whole[at:].startswith(b"JATK") or at == len(whole)]
    (tmp_path / "cut").mkdir()
    for cut in sorted({*range(0, len(whole), 5), *(end + near for end in (0, *ends) for near in range(-20, 21))}):
        if not 0 <= cut <= len(whole):
            continue
        file(tmp_path / "cut").write_bytes(whole[:cut])
        kept = max(sum(end <= cut for end in ends) - 1, 0)
        inner = victim()
        with journalled(inner, tmp_path / "cut") as oracle:
            assert oracle.paid.calls == kept
            for x, answer in zip(BATCHES, answers, strict=False):
                same(oracle(x), answer)
            assert inner.ledger.calls == 2 - kept
            assert (oracle.ledger.calls, oracle.ledger.queries) == (2, 3)
        with journalled(silent(), tmp_path / "cut") as again:
            for x, answer in zip(BATCHES, answers, strict=False):
                same(again(x), answer)


@pytest.mark.usefixtures("unflushed")
def test_a_damaged_byte_is_refused_or_its_call_asked_again_and_never_believed(tmp_path):
    _, answers = fill(tmp_path / "whole", BATCHES[:2])
    whole = file(tmp_path / "whole").read_bytes()
    last = whole.rindex(b"JATK")
    (tmp_path / "bad").mkdir()
    for at in (at for at in range(len(whole)) if at % 4 == 0 or b"JATK" in whole[max(at - 20, 0) : at + 24]):
        file(tmp_path / "bad").write_bytes(whole[:at] + bytes([whole[at] ^ 0x41]) + whole[at + 1 :])
        if at < last + 16:  # only what comes after can be a call cut short
            with pytest.raises(InputError, match="is damaged at byte"):
                journalled(victim(), tmp_path / "bad")
            continue
        with journalled(victim(), tmp_path / "bad") as oracle:
            assert oracle.paid.calls == 1
            for x, answer in zip(BATCHES, answers, strict=False):
                same(oracle(x), answer)


def test_zeros_that_a_power_failure_left_at_the_end_are_dropped(tmp_path):
    fill(tmp_path, BATCHES[:1])
    with open(file(tmp_path), "ab") as end:
        end.write(bytes(1000))
    with journalled(silent(), tmp_path) as oracle:
        oracle(BATCHES[0])
        assert oracle.paid.calls == 1


@pytest.mark.parametrize("others", [b"not a journal", b"x", b"{}" * 100])
def test_another_file_of_that_name_is_left_alone(tmp_path, others):
    file(tmp_path).write_bytes(others)
    with pytest.raises(InputError, match="is damaged at byte 0"):
        journalled(victim(), tmp_path)
    assert file(tmp_path).read_bytes() == others


@contextmanager
def largest_file(size):
    """The largest size of a file stands in for a full disk: the system itself refuses, in the middle of an array."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_one_sentence_and_keeps_what_was_answered_before(tmp_path):
    with journalled(victim(), tmp_path) as oracle:
        first = oracle(BATCHES[0])
        whole = file(tmp_path).stat().st_size
        with (
            largest_file(whole + 100),
            pytest.raises(InputError, match="cannot write .* what was answered before is kept"),
        ):
            oracle(BATCHES[1])
        assert oracle.ledger.calls == 1
        oracle(BATCHES[1])  # there is room again
        # The call that was lost was paid, and the ledger says so.
        assert (oracle.ledger.calls, oracle.ledger.queries) == (3, 5)
    with journalled(silent(), tmp_path) as again:
        same(again(BATCHES[0]), first)
        assert again.paid.calls == 3


def test_an_entry_that_the_system_reads_in_parts_is_read_whole(tmp_path, monkeypatch):
    class Halting(io.FileIO):
        """As the system does beyond 2 GiB."""

        def read(self, size=-1):
            return super().read(min(size, 7) if size >= 0 else size)

    monkeypatch.setattr(os, "fdopen", lambda descriptor, *_, **__: Halting(descriptor, "r+b"))
    _, answers = fill(tmp_path, BATCHES[:2])
    with journalled(silent(), tmp_path) as oracle:
        for x, answer in zip(BATCHES, answers, strict=False):
            same(oracle(x), answer)


@pytest.mark.usefixtures("unflushed")
def test_thousands_of_calls_append_and_rewrite_nothing(tmp_path):
    x, sizes, spent = BATCHES[0], [], []
    with journalled(victim(), tmp_path) as oracle:
        for _ in range(6):
            started = time.process_time()
            for _ in range(200):
                oracle(x)
            spent.append(time.process_time() - started)
            sizes.append(file(tmp_path).stat().st_size)
    assert np.ptp(np.diff(sizes)) < 200 * 24  # the figures of the ledger differ in length
    assert min(spent[-2:]) < 5 * max(spent[:2])
    with journalled(silent(), tmp_path) as again:
        for _ in range(1200):
            again(x)
        assert again.ledger.calls == 1200


ATTACK = """
import time
import numpy as np
from pathlib import Path
from jaxattack.oracle import from_function, journalled
from jaxattack.types import Access, Inputs

def attack(folder, slow):
    def function(x):
        time.sleep(slow)
        p = 1 / (1 + np.exp(-x.sum(1)))
        return np.stack([p, 1 - p], axis=1)

    victim = from_function(function, Access(level="probability", classes=2, inputs=Inputs.box(-1, 1, (3,))))
    with journalled(victim, Path(folder)) as oracle:
        rng = np.random.default_rng(0)
        stolen = 0.0
        for call in range(40):
            stolen += oracle(rng.uniform(-1, 1, (1000, 3))).probability[:, 0].sum()
            print(call, flush=True)
        return stolen, oracle.ledger.queries, oracle.ledger.calls, victim.ledger.calls
"""


def test_a_killed_process_is_repeated_without_paying_again(tmp_path):
    command = [sys.executable, "-c", f"{ATTACK}\nattack({str(tmp_path / 'killed')!r}, 0.02)"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout
        for line in child.stdout:
            if int(line) == 12:
                os.kill(child.pid, signal.SIGKILL)
                break
        answered = 13 + len(child.stdout.read().split())
    assert child.returncode == -signal.SIGKILL
    names = {}
    exec(ATTACK, names)
    *killed, asked = names["attack"](tmp_path / "killed", 0.0)
    *whole, _ = names["attack"](tmp_path / "whole", 0.0)
    assert killed == whole  # the same answers at the same cost
    assert answered <= 40 - asked <= answered + 1  # what had been answered was not asked again
