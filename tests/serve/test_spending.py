from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from serve.victims import queries

from jaxattack.serve.spending import Spending, Spent
from jaxattack.types import InputError

PROGRAM = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from serve.victims import victim
from jaxattack.serve import Key, serve

keys = [Key(name="alice", secret="a", queries=10)]
serve(victim(), port=0, keys=keys, spending=Path(sys.argv[1]), ready=lambda url: print(url, flush=True))
"""


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20, deadline=None)
@given(
    st.lists(
        st.dictionaries(st.from_regex(r"[A-Za-z0-9_.-]{1,8}", fullmatch=True), st.integers(1, 10**9)),
        max_size=6,
    )
)
def test_what_is_added_is_there_when_the_file_is_opened_again(tmp_path_factory, batches):
    path = tmp_path_factory.mktemp("spending") / "spent"
    total: Counter[str] = Counter()
    for batch in batches:
        with Spending(path) as file:
            assert file.total == total
            file.add([Spent(name, count) for name, count in batch.items()])
        total += Counter(batch)
    with Spending(path) as file:
        assert file.total == total
    assert len(path.read_bytes().splitlines()) == len(total)


def test_a_half_written_line_is_left_out_and_does_not_join_the_next(tmp_path):
    path = tmp_path / "spent"
    path.write_bytes(b"alice 5\nali")
    with Spending(path) as file:
        assert file.total == {"alice": 5}
        file.add([Spent("bob", 2)])
    with Spending(path) as file:
        assert file.total == {"alice": 5, "bob": 2}


def test_a_last_line_without_an_end_counts_for_as_much_as_it_says(tmp_path):
    """As an editor leaves it; and of one that a power failure has cut short, for some of it."""
    path = tmp_path / "spent"
    path.write_bytes(b"bob 1\nalice 500")
    with Spending(path) as file:
        assert file.total == {"alice": 500, "bob": 1}
        file.add([Spent("alice", 2)])
    with Spending(path) as file:
        assert file.total == {"alice": 502, "bob": 1}


def test_a_line_that_finds_no_room_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    with Spending(tmp_path / "spent") as file:
        file.add([Spent("alice", 5)])
        write = os.write
        monkeypatch.setattr("os.write", lambda descriptor, text: write(descriptor, text[:3]))
        with pytest.raises(OSError, match="No space left"):
            file.add([Spent("alice", 7)])
        monkeypatch.undo()
        file.add([Spent("bob", 1)])
    with Spending(tmp_path / "spent") as file:
        assert file.total == {"alice": 5, "bob": 1}


@pytest.mark.parametrize("content", [b"\x00\n", b"alice\n", b"alice -5\n", b"alice 5 6\n", b'{"alice": 5}\n'])
def test_another_file_is_refused_and_stays(tmp_path, content):
    path = tmp_path / "spent"
    path.write_bytes(content)
    with pytest.raises(InputError, match="no file of spending"):
        Spending(path)
    assert path.read_bytes() == content


def test_the_newest_receipts_stay_and_one_that_was_cut_short_is_none_of_its_queries(tmp_path):
    path = tmp_path / "spent"
    receipts = [f"{number:032x}" for number in range(3)]
    with Spending(path, 2) as file:
        assert dict(file.receipts) == {}
        file.add([Spent("alice", 3, receipts[0]), Spent("bob", 1), Spent("alice", 4, receipts[1])])
        file.add([Spent("alice", 5, receipts[2])])
    path.write_bytes(path.read_bytes() + f"bob 7 {receipts[0][:-1]}".encode())
    for _ in range(2):
        with Spending(path, 2) as file:
            assert file.total == {"alice": 12, "bob": 8}
            assert {name: list(kept) for name, kept in file.receipts.items()} == {"alice": receipts[1:]}


def test_two_servers_do_not_share_a_file(tmp_path):
    with Spending(tmp_path / "spent"), pytest.raises(InputError, match="another server has it"):
        Spending(tmp_path / "spent")
    with pytest.raises(InputError, match="cannot be written"):
        Spending(tmp_path)


def test_a_budget_holds_over_a_kill(tmp_path, request):
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "spent"), str(request.config.rootpath / "tests")]
    statuses = []
    for sizes in ((6,), (4, 1)):
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            url = process.stdout.readline().decode().strip()
            for size in sizes:
                asked = {"inputs": queries(size).tolist()}
                reply = httpx.post(f"{url}/predict", json=asked, headers={"Authorization": "Bearer a"})
                statuses.append(reply.status_code)
            process.kill()
    assert statuses == [200, 200, 402]
    assert reply.json()["left"] == 0


def test_a_request_that_is_repeated_after_a_restart_is_answered_and_counted_once(tmp_path, request):
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "spent"), str(request.config.rootpath / "tests")]
    six, seven = queries(6).tolist(), queries(7).tolist()
    asked = [("one", six), ("two", six[:4]), ("one", six), ("two", six[:4]), ("two", six[:4]), ("one", seven)]
    replies = []
    for some in (asked[:2], asked[2:]):
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            url = process.stdout.readline().decode().strip()
            for name, inputs in some:
                headers = {"Authorization": "Bearer a", "Idempotency-Key": name, "Batch-Queries": str(len(inputs))}
                replies.append(httpx.post(f"{url}/predict", json={"inputs": inputs}, headers=headers))
            counted = httpx.get(f"{url}/metrics", headers={"Authorization": "Bearer a"}).text
            process.kill()
    assert [reply.status_code for reply in replies] == [200] * 5 + [422]
    assert ["idempotent-replayed" in reply.headers for reply in replies] == [False, False, True, True, True, False]
    assert replies[0].json() == replies[2].json()
    assert 'queries_answered_total{key="alice"} 10\n' in counted
    with Spending(tmp_path / "spent") as file:
        assert file.total == {"alice": 10}
