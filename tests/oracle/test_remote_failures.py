"""A remote oracle whose service or wire fails: what is tried again, for how long, and what is counted."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from oracle.services import NPY, TERMS, said
from serve.victims import Said, behaving, forward, probabilities, queries, victim

from jaxattack.oracle import budgeted, journalled
from jaxattack.oracle.remote import connect
from jaxattack.serve import Settings, serving
from jaxattack.types import BudgetSpent, InputError, Ledger, OracleError


def test_retry_after_is_honoured_and_a_service_that_puts_off_for_ever_is_left(pauses):
    replies = [Said(429, {"Retry-After": "7"}, b""), said({"error": "x.", "retry_after": 0.25}, 429), said(TERMS)]
    with behaving(lambda *request: replies.pop(0)) as place:
        connect(place, retries=0).close()
    assert pauses == [7.0, 0.25]
    with (
        behaving(lambda *request: said({"error": "busy.", "retry_after": 100}, 429)) as place,
        pytest.raises(OracleError, match=r"puts a request off for more than 600 s: busy\."),
    ):
        connect(place)
    assert pauses[2:] == [100.0] * 6


def test_pauses_between_failed_attempts_double_with_jitter(pauses):
    with behaving(lambda *request: None) as place, pytest.raises(OracleError, match="after 6 attempts") as caught:
        connect(place)
    assert place in str(caught.value)
    assert len(pauses) == 5
    for attempt, pause in enumerate(pauses):
        assert 0.05 * 2**attempt <= pause <= 0.1 * 2**attempt


def test_a_service_that_is_not_there_is_one_sentence(pauses):
    with behaving(lambda *request: None) as place:
        pass
    with pytest.raises(OracleError, match=r"does not answer after 2 attempts: ConnectError .*refused.*\.$"):
        connect(place, retries=1)


def test_a_service_that_does_not_answer_in_time_is_left(pauses):
    done = threading.Event()
    with behaving(lambda *request: done.wait(10) and None) as place:
        with pytest.raises(OracleError, match="after 2 attempts: ReadTimeout"):
            connect(place, timeout=0.1, retries=1)
        done.set()


def test_a_service_that_drips_is_left(pauses):
    left = threading.Event()

    def drip(method, path, headers, body):
        yield b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
        while not left.wait(0.02):
            yield b" "

    with behaving(drip) as place:
        with pytest.raises(OracleError, match=r"ReadTimeout \(the response took more than 0\.2 s\)"):
            connect(place, timeout=0.2, retries=0)
        left.set()


class Wire:
    """A wire to a service that fails as told, request by request; then it works."""

    def __init__(self, place: str, *plan: str):
        self.place, self.plan = place, list(plan)
        self.identities: list[str] = []

    def __call__(self, method, path, headers, body):
        if method == "GET":
            return forward(self.place, method, path, headers, body)
        self.identities.append(headers["idempotency-key"])
        step = self.plan.pop(0) if self.plan else "works"
        if step == "lost":
            return None
        if step in ("502", "503", "504"):
            return Said(int(step), {"Content-Type": "text/html"}, b"<h1>gateway</h1>")
        answer = forward(self.place, method, path, headers, body)
        if step == "answer lost":
            return None
        if step == "answer cut":
            start = f"HTTP/1.1 200 OK\r\nContent-Type: {NPY}\r\nContent-Length: {len(answer.body)}\r\n\r\n".encode()
            return start, answer.body[: len(answer.body) // 2]
        return answer


FAILURES = ["lost", "answer lost", "answer cut", "502", "503", "504"]


@pytest.mark.parametrize("format", ["npy", "json"])
def test_the_count_there_and_the_ledger_here_agree_whatever_the_wire_drops(pauses, format):
    there = victim()
    rng = np.random.default_rng(3)
    with serving(there, settings=Settings(records=30)) as place:
        wire = Wire(place, *rng.choice([*FAILURES, "works"], 120).tolist())
        with behaving(wire) as through, connect(through, retries=60, format=format) as oracle:
            sizes = rng.integers(1, 80, 25)
            for seed, size in enumerate(sizes):
                x = queries(size, seed)
                np.testing.assert_array_equal(oracle(x).probability, probabilities(x))
            assert oracle.ledger.queries == there.ledger.queries == sizes.sum()
            assert oracle.ledger.calls == there.ledger.calls == len(set(wire.identities))
            assert len(wire.identities) > oracle.ledger.calls + 60
            counted = forward(place, "GET", "/metrics", {}, b"").body.decode()
            assert f'jaxattack_queries_answered_total{{key="anyone"}} {sizes.sum()}' in counted


def test_a_batch_that_failed_goes_on_where_it_stopped_and_is_paid_for_once(pauses):
    there = victim()
    with serving(there, settings=Settings(records=10)) as place:
        wire = Wire(place, "works", "answer lost", "lost")
        with behaving(wire) as through, connect(through, retries=1) as oracle:
            x = queries(35)
            with pytest.raises(OracleError, match="after 2 attempts"):
                oracle(x)
            assert oracle.ledger.queries == there.ledger.queries == 20
            np.testing.assert_array_equal(oracle(x).probability, probabilities(x))
            assert oracle.ledger.queries == there.ledger.queries == 35
            oracle(x)
            assert oracle.ledger.queries == there.ledger.queries == 70


def test_a_budget_keeps_what_a_service_was_asked_and_gives_back_the_rest_of_a_batch_that_failed(pauses):
    there = victim()
    with serving(there, settings=Settings(records=10)) as place:
        wire = Wire(place, "works", "answer lost", "lost")
        with behaving(wire) as through, connect(through, retries=1) as oracle:
            account = budgeted(oracle, 60)
            with pytest.raises(OracleError, match="after 2 attempts"):
                account(queries(35))
            assert account.left == 60 - there.ledger.queries == 40
            account(queries(35))  # which goes on where it stopped
            assert account.left == 60 - oracle.ledger.queries == 60 - there.ledger.queries == 25


def test_a_budget_that_holds_a_batch_once_lets_it_go_on_where_it_stopped(pauses, tmp_path):
    """In this process, and in the next one, which reads the failure and the answer back."""
    there, x = victim(), queries(35)
    with serving(there, settings=Settings(records=10)) as place:
        wire = Wire(place, "works", "answer lost", "lost")
        with behaving(wire) as through:
            with connect(through, retries=1) as oracle, journalled(oracle, tmp_path) as journal:
                account = budgeted(journal, 35)
                with pytest.raises(OracleError, match="after 2 attempts"):
                    account(x)
                assert account.left == 35 - there.ledger.queries == 15
                with pytest.raises(BudgetSpent, match="15 left"):
                    account(queries(35, 1))
                np.testing.assert_array_equal(account(x).probability, probabilities(x))
                assert (account.left, there.ledger.queries) == (0, 35)
            with connect(through) as oracle, journalled(oracle, tmp_path) as journal:
                account = budgeted(journal, 35)
                with pytest.raises(BudgetSpent, match="15 left"):
                    account(queries(35, 1))  # which is as little answered as before
                np.testing.assert_array_equal(account(x).probability, probabilities(x))
                assert (account.left, journal.ledger.queries, there.ledger.queries) == (0, 35, 35)
                with pytest.raises(BudgetSpent, match="0 left"):
                    account(x)


def test_of_two_threads_that_ask_a_failed_batch_again_one_goes_on_with_it_within_the_budget(pauses):
    there, x, arrived, ended = victim(), queries(35), threading.Event(), threading.Event()
    with serving(there, settings=Settings(records=10)) as place:
        wire = Wire(place, "works", "works", "lost")

        def through(method, *request):
            if method == "POST" and not wire.plan:
                arrived.set()
                ended.wait(20)
            return wire(method, *request)

        with behaving(through) as address, connect(address, retries=0) as oracle:
            account = budgeted(oracle, 35)
            with pytest.raises(OracleError, match="after 1 attempts"):
                account(x)
            assert account.left == 5  # what was lost may have been asked
            one = threading.Thread(target=account, args=(x,))
            one.start()
            assert arrived.wait(20)
            with pytest.raises(BudgetSpent):
                account(x)
            ended.set()
            one.join()
            assert (account.left, there.ledger.queries) == (0, 35)


@pytest.mark.parametrize("status", [400, 401, 402, 404])
def test_what_a_lost_answer_may_have_cost_counts_though_the_next_attempt_is_refused(pauses, status):
    refusal = said({"error": "nothing is left.", "left": 0}, status)
    replies = [None, refusal]
    with (
        behaving(lambda method, *request: said(TERMS) if method == "GET" else replies.pop(0)) as place,
        connect(place) as oracle,
    ):
        account = budgeted(oracle, 10)
        with pytest.raises(InputError):
            account(queries(3))
        assert oracle.ledger.queries == 10 - account.left == 3
        replies[:] = [refusal]
        with pytest.raises(InputError):
            account(queries(4))
        assert oracle.ledger.queries == 10 - account.left == 3


def test_a_service_that_cannot_be_reached_costs_nothing(pauses):
    with serving(victim()) as place:
        oracle = connect(place, retries=1)
    account = budgeted(oracle, 10)
    with oracle, pytest.raises(OracleError, match="after 2 attempts: ConnectError"):
        account(queries(5))
    assert (account.left, oracle.ledger) == (10, Ledger())


def test_a_batch_that_failed_is_not_forgotten_over_another(pauses):
    there = victim()
    with serving(there, settings=Settings(records=10)) as place:
        wire = Wire(place, "works", "lost", "works", "lost", "works", "works")
        with behaving(wire) as through, connect(through, retries=0) as oracle:
            one, other, more = queries(20), queries(20, 1), queries(20, 2)
            for x in (one, other):
                with pytest.raises(OracleError):
                    oracle(x)
            for x in (more, other, one):
                np.testing.assert_array_equal(oracle(x).probability, probabilities(x))
            assert oracle.ledger.queries == there.ledger.queries == 60
