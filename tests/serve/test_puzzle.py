"""Work before an answer: the client solves puzzles by itself, and a caller who does not, or cheats, gets a sentence and no answer."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pytest
from serve.victims import Said, behaving, forward, probabilities, queries, victim

from jaxattack.oracle import from_function
from jaxattack.oracle.remote import client, connect
from jaxattack.oracle.remote.puzzle import MOST, PROOF, Puzzle, is_solved, proof, solve
from jaxattack.serve import Key, Settings, serving
from jaxattack.serve.puzzle import Puzzles
from jaxattack.serve.refusal import Refusal
from jaxattack.types import InputError, OracleError

KEYS = [Key(name="alice", secret="a"), Key(name="bob", secret="b")]
BITS = 6


@pytest.fixture(scope="module")
def url():
    with serving(victim(), keys=KEYS, settings=Settings(puzzle=BITS)) as place:
        yield place


def of(key: str, **headers: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}", **headers}


def asked(url: str, count: int = 3, key: str = "a") -> Puzzle:
    reply = httpx.get(f"{url}/puzzle", headers=of(key, **{"Batch-Queries": str(count)}))
    assert reply.status_code == 200, reply.text
    return Puzzle(**reply.json())


def predict(url: str, value: str | None, count: int = 3, key: str = "a", **headers: str) -> httpx.Response:
    sent = of(key, **headers) | ({} if value is None else {PROOF: value})
    return httpx.post(f"{url}/predict", json={"inputs": queries(count).tolist()}, headers=sent)


def refused(reply: httpx.Response, words: str, status: int = 428) -> None:
    assert reply.status_code == status, reply.text
    assert words in reply.json()["error"]
    assert reply.json()["error"].endswith(".")


def test_a_puzzle_takes_as_many_hashes_as_it_says():
    tried = [solve(Puzzle(f"challenge-{number}", 50)) + 1 for number in range(400)]
    assert 42 < np.mean(tried) < 59  # geometric: a standard error of 2.5
    puzzle = Puzzle("challenge", 3000)
    first = solve(puzzle)
    assert is_solved(puzzle, first)
    assert not any(is_solved(puzzle, counter) for counter in range(first))
    assert all(is_solved(Puzzle("free", 1), counter) for counter in range(20))


def test_a_client_works_for_every_part_and_gets_its_answers(url, monkeypatch):
    monkeypatch.setattr(client, "PART", 20 << BITS)
    with connect(url, key="a") as oracle:
        answer = oracle(queries(50))
        assert (oracle.ledger.queries, oracle.ledger.calls) == (50, 3)
    np.testing.assert_allclose(answer.probability, probabilities(queries(50)), rtol=1e-12)


def test_the_terms_say_how_much_work_and_are_as_before_where_there_is_none(url):
    assert httpx.get(f"{url}/describe", headers=of("a")).json()["puzzle"] == {"bits": BITS, "seconds": 600.0}
    assert asked(url, 3).hashes == 3 << BITS
    with serving(victim()) as free:
        assert "puzzle" not in httpx.get(free).json()
        refused(httpx.get(f"{free}/puzzle"), "asks for no work", 404)


def test_an_answer_takes_a_puzzle_that_is_solved_and_ones_own_and_new_and_large_enough(url):
    refused(predict(url, None), "asks for work before it answers")
    puzzle = asked(url)
    solved = proof(puzzle, solve(puzzle))
    wrong = next(counter for counter in range(10**6) if not is_solved(puzzle, counter))
    refused(predict(url, proof(puzzle, wrong)), "does not solve")
    refused(predict(url, solved, key="b"), "none that this service gave to this key")
    refused(predict(url, solved, count=4), "was for 3 queries and 4 are asked")
    assert predict(url, solved, count=2).status_code == 200
    refused(predict(url, solved), "has been used")


@pytest.mark.parametrize(
    "value",
    [
        "",
        "x",
        "x 1",
        "A" * 56,
        f"{'A' * 56} 1",
        f"{'A' * 56} -1",
        f"{'A' * 56} {'9' * 30}",
        "=" * 56 + " 1",
        "A" * 8000,
    ],
)
def test_what_is_no_proof_is_refused(url, value):
    refused(predict(url, value), "ask GET /puzzle for a challenge")


def test_a_challenge_cannot_be_made_easier(url):
    puzzle = asked(url, 3)
    for place in (0, 20, 34, 50):
        letter = "B" if puzzle.challenge[place] == "A" else "A"
        forged = puzzle._replace(challenge=puzzle.challenge[:place] + letter + puzzle.challenge[place + 1 :])
        refused(predict(url, proof(forged, solve(forged))), "none that this service gave")


@pytest.mark.parametrize("count", ["0", "5000", "-3", "many", ""])
def test_a_puzzle_is_for_the_queries_of_a_request(url, count):
    reply = httpx.get(f"{url}/puzzle", headers=of("a", **{"Batch-Queries": count}))
    refused(reply, "Batch-Queries is", 400)


def test_a_puzzle_is_for_who_has_a_key(url):
    refused(httpx.get(f"{url}/puzzle", headers={"Batch-Queries": "3"}), "the key is unknown", 401)


def test_one_proof_sent_many_times_at_once_is_taken_once(url):
    puzzle = asked(url)
    solved = proof(puzzle, solve(puzzle))
    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(lambda _: predict(url, solved).status_code, range(8)))
    assert statuses == [200, *[428] * 7]


def test_a_request_that_is_answered_again_needs_no_more_work_and_one_that_is_refused_loses_none(url):
    puzzle = asked(url)
    solved = proof(puzzle, solve(puzzle))
    refused(
        httpx.post(
            f"{url}/predict", content=b"[", headers=of("a", **{PROOF: solved, "Content-Type": "application/json"})
        ),
        "",
        400,
    )
    first = predict(url, solved, **{"Idempotency-Key": "once"})
    again = predict(url, solved, **{"Idempotency-Key": "once"})
    assert first.json() == again.json()
    assert again.headers["Idempotent-Replayed"] == "true"


def test_a_model_that_fails_costs_no_work():
    working = [False]

    def answer(x):
        if not working[0]:
            raise RuntimeError("out of order")
        return probabilities(x)

    with serving(from_function(answer, victim().access), settings=Settings(puzzle=1)) as url:
        puzzle = Puzzle(**httpx.get(f"{url}/puzzle", headers={"Batch-Queries": "3"}).json())
        solved = proof(puzzle, solve(puzzle))
        refused(predict(url, solved), "the model failed", 503)
        working[0] = True
        assert predict(url, solved).status_code == 200


def test_a_puzzle_expires_and_its_name_is_kept_no_longer():
    now = [100.0]
    puzzles = Puzzles(1, 60, clock=lambda: now[0])

    def spend(puzzle):
        with puzzles.spend("alice", proof(puzzle, solve(puzzle))) as queries:
            return queries

    first, second = puzzles.issue("alice", 4), puzzles.issue("alice", 5)
    assert (spend(first), first.hashes) == (4, 8)
    now[0] = 161.0
    with pytest.raises(Refusal, match="older than 60 s"):
        spend(second)
    assert spend(puzzles.issue("alice", 7)) == 7
    assert len(puzzles._spent) == len(puzzles._expiry) == 1


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"challenge": "x", "hashes": MOST + 1}, "and 1 to 2\\^28 are tried, some four minutes of one core"),
        ({"challenge": "x", "hashes": 0}, "asks for 0 hashes"),
        ({"challenge": "x", "hashes": 2.5}, "asks for 2.5 hashes"),
        ({"challenge": "a b", "hashes": 4}, "should be a token"),
        ({"challenge": "x" * 300, "hashes": 4}, "should be a token"),
        ({"challenge": "x"}, "sends no puzzle"),
    ],
)
def test_a_service_that_asks_for_what_is_no_puzzle_is_not_believed(url, sent, words):
    def behave(method, path, headers, body):
        if path == "/puzzle":
            return Said(200, {"Content-Type": "application/json"}, json.dumps(sent).encode())
        return forward(url, method, path, headers, body)

    with behaving(behave) as place, connect(place, key="a") as oracle, pytest.raises(OracleError, match=words):
        oracle(queries(2))


def test_a_service_that_takes_no_proof_ends_in_a_sentence(url):
    def behave(method, path, headers, body):
        if path == "/predict":
            return Said(428, {"Content-Type": "application/json"}, b'{"error": "not enough."}')
        return forward(url, method, path, headers, body)

    with (
        behaving(behave) as place,
        connect(place, key="a") as oracle,
        pytest.raises(OracleError, match="of 5 that it was"),
    ):
        oracle(queries(2))


@pytest.mark.parametrize("wrong", [{"puzzle": -1}, {"puzzle": 33}, {"puzzle_seconds": 0.0}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(InputError, match=f"^{next(iter(wrong))} is "):
        Settings(**wrong)
