from __future__ import annotations

import gc
from contextlib import ExitStack
from dataclasses import replace

import jax
import numpy as np
import pytest
from oracle.kept import ACCESS, BATCHES, INPUTS, file, fill, probability, same, silent, untimed, victim

from jaxattack.models import build
from jaxattack.oracle import budgeted, cached, checked, from_function, from_model, journalled, noisy, rounded
from jaxattack.types import Answer, Bias, BudgetSpent, InputError, Inputs, Ledger, OracleError


def test_what_was_answered_is_answered_again_without_asking(tmp_path):
    first, answers = fill(tmp_path / "run")
    with journalled(silent(), tmp_path / "run") as again:
        assert again.paid == first.ledger
        assert again.ledger == Ledger()
        for x, answer in zip(BATCHES, answers, strict=True):
            same(again(x), answer)
        assert again.ledger == first.ledger
        assert (again.ledger.queries, again.ledger.calls) == (10, 4)
        with pytest.raises(AssertionError, match="was asked"):
            again(BATCHES[0])


def test_an_answer_is_on_disk_before_it_is_returned(tmp_path):
    with journalled(victim(), tmp_path) as oracle:
        for number, x in enumerate(BATCHES):
            answer = oracle(x)
            (tmp_path / "copy").mkdir(exist_ok=True)
            file(tmp_path / "copy").write_bytes(file(tmp_path).read_bytes())
            with journalled(silent(), tmp_path / "copy") as copy:
                for before in BATCHES[: number + 1]:
                    last = copy(before)
                same(last, answer)


@pytest.mark.parametrize(
    "x",
    [BATCHES[1] + 1e-16, BATCHES[1].astype(np.float32), BATCHES[1][::-1], BATCHES[1][:1], BATCHES[2]],
    ids=["value", "type", "order", "part", "other"],
)
def test_an_attack_that_asks_otherwise_is_refused(tmp_path, x):
    fill(tmp_path)
    with journalled(silent(), tmp_path) as oracle:
        oracle(BATCHES[0])
        with pytest.raises(InputError, match=r"call 2 of this attack asks other queries .* give another folder"):
            oracle(x)


def test_what_a_call_cost_that_failed_is_kept(tmp_path):
    def spoilt(x):
        return probability(x) if len(x) == len(BATCHES[0]) and broken[0] else np.full((len(x), 3), np.nan)

    broken = [False]
    make = lambda: checked(from_function(spoilt, ACCESS, content=lambda: {"file": "0"}), repeat=False)  # noqa: E731
    for _ in range(2):  # answered and charged, but nothing that can be believed
        with journalled(make(), tmp_path) as oracle, pytest.raises(OracleError, match="NaN"):
            oracle(BATCHES[0])
    broken[0] = True
    paid = 3 * len(BATCHES[0])
    with journalled(make(), tmp_path) as oracle:
        assert oracle.paid.queries == paid - len(BATCHES[0])
        oracle(BATCHES[0])
        assert (oracle.ledger.queries, oracle.paid.queries, oracle.rechecked) == (paid, paid, 0)
    with journalled(make(), tmp_path) as oracle:
        oracle(BATCHES[0])
        assert (oracle.ledger.queries, oracle.paid.queries) == (paid, paid)


def test_what_the_first_call_cost_that_failed_is_among_what_the_attack_costs(tmp_path):
    """Nothing was kept, so that nothing is replayed: an attack's cost is its ledger's difference."""
    content = {"file": "0"}
    failing = from_function(lambda x: 1 / 0, ACCESS, content=lambda: content)
    with journalled(failing, tmp_path) as oracle, pytest.raises(ZeroDivisionError):
        oracle(BATCHES[3])
    with journalled(victim(content=lambda: content), tmp_path) as kept:
        oracle = budgeted(kept, 20)
        before = oracle.ledger
        oracle(BATCHES[2])
        assert (oracle.ledger - before).queries == kept.paid.queries == 20 - oracle.left == 7


def test_a_budget_holds_over_processes_where_a_call_failed(tmp_path):
    def failing(some):
        return probability(some) if len(some) < queries else 1 / 0

    def account(function):
        counted = from_function(function, ACCESS, content=lambda: {"file": "0"})
        return counted, budgeted(stack.enter_context(journalled(counted, tmp_path)), 2 * queries)

    x = np.concatenate(BATCHES)
    queries = len(x)
    with ExitStack() as stack:
        one, oracle = account(failing)
        oracle(x[:1])
        with pytest.raises(ZeroDivisionError):
            oracle(x)
        left = oracle.left
    with ExitStack() as stack:
        two, oracle = account(probability)
        oracle(x[:1])
        assert oracle.left == left == queries - 1
        with pytest.raises(BudgetSpent):
            oracle(x)
        oracle(x[:left])
        assert one.ledger.queries + two.ledger.queries == 2 * queries
    with ExitStack() as stack:  # and whoever starts again is refused the same call
        three, oracle = account(probability)
        oracle(x[:1])
        assert oracle.left == left
        oracle(x[:left])
        assert (oracle.left, three.ledger.queries) == (0, 0)


def test_a_bias_belongs_to_the_question(tmp_path):
    def biased(x, bias):
        return probability(x) if bias is None else np.roll(probability(x), 1, axis=1)

    access = replace(ACCESS, bias=2.0)
    bias = Bias(np.array([[1]]), np.array([[2.0]]))
    x = BATCHES[0]
    with journalled(from_function(biased, access), tmp_path) as oracle:
        plain, moved = oracle(x), oracle(x, bias)
    with journalled(from_function(lambda x, bias: 1 / 0, access), tmp_path) as again:
        same(again(x), plain)
        with pytest.raises(InputError, match="other queries"):
            again(x, bias._replace(value=np.array([[1.0]])))
        same(again(x, bias), moved)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"classes": 4}, "classes"),
        ({"decimals": 3}, "decimals"),
        ({"precision": "float32"}, "precision"),
        ({"inputs": Inputs.box(-2, 1, (2,))}, "low"),
        ({"inputs": Inputs.box(-1, 1, (2, 1))}, "shape"),
        ({"bias": 1.0}, "bias"),
    ],
)
def test_the_answers_of_another_victim_are_refused(tmp_path, changes, name):
    fill(tmp_path)
    with pytest.raises(InputError, match=f"another victim or attack .*{name}.* differ"):
        journalled(victim(replace(ACCESS, **changes)), tmp_path)
    with journalled(silent(), tmp_path) as oracle:  # and nothing was harmed
        oracle(BATCHES[0])


def test_an_identity_tells_victims_of_the_same_terms_apart(tmp_path):
    fill(tmp_path, identity={"url": "http://a", "seed": 1})
    with pytest.raises(InputError, match=r"\(identity.url differ\)"):
        journalled(victim(), tmp_path, identity={"url": "http://b", "seed": 1})
    with pytest.raises(InputError, match="no plain JSON"):
        journalled(victim(), tmp_path / "other", identity={"url": object()})
    with journalled(silent(), tmp_path, identity={"url": "http://a", "seed": np.int64(1)}) as oracle:
        oracle(BATCHES[0])


def test_terms_of_numpy_numbers_are_kept(tmp_path):
    access = replace(ACCESS, classes=np.int64(3), bias=np.float64(0))
    journalled(victim(access), tmp_path).close()
    journalled(victim(), tmp_path).close()


def test_two_processes_do_not_share_a_folder(tmp_path):
    with (
        journalled(victim(), tmp_path),
        pytest.raises(InputError, match="in use by another attack"),
    ):
        journalled(victim(), tmp_path)
    journalled(victim(), tmp_path).close()


def test_a_closed_journal_says_so_and_a_forgotten_one_is_closed(tmp_path):
    oracle = journalled(victim(), tmp_path)
    oracle.close()
    with pytest.raises(InputError, match="was closed"):
        oracle(BATCHES[0])
    again = journalled(victim(), tmp_path)
    again(BATCHES[0])
    del again
    gc.collect()
    journalled(silent(), tmp_path).close()


def test_a_folder_that_cannot_be_written_to_is_refused_before_anything_is_asked(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot make the folder"):
        journalled(silent(), tmp_path / "file")
    (tmp_path / "run" / "answers.journal").mkdir(parents=True)
    with pytest.raises(InputError, match="choose a folder you may write to"):
        journalled(silent(), tmp_path / "run")


def test_a_budget_outside_holds_over_all_processes_together(tmp_path):
    def attack(oracle):
        asked = 0
        for x in BATCHES * 2:
            try:
                oracle(x)
            except BudgetSpent:
                return asked
            asked += len(x)
        return asked

    for _ in range(3):
        with journalled(victim(), tmp_path) as kept:
            assert attack(budgeted(kept, 7)) == 6
            assert kept.paid.queries == 6
    inner = victim()
    with journalled(inner, tmp_path) as kept:
        assert attack(budgeted(kept, 13)) == 13  # a larger budget pays only for what is new
        assert inner.ledger.queries == 7


def test_a_refused_call_is_not_kept(tmp_path):
    with journalled(budgeted(victim(), 3), tmp_path) as oracle:
        oracle(BATCHES[1])
        with pytest.raises(BudgetSpent):
            oracle(BATCHES[2])
        with pytest.raises(InputError, match="infinity"):
            oracle(np.full((1, 2), np.inf))
        oracle(BATCHES[0])
        assert oracle.paid.calls == 2


def test_an_answer_that_is_none_is_not_kept_when_checked_within(tmp_path):
    broken = from_function(lambda x: np.full((len(x), 3), np.nan), ACCESS)
    with journalled(checked(broken), tmp_path) as oracle, pytest.raises(InputError, match="NaN"):
        oracle(BATCHES[0])
    with journalled(checked(victim(), repeat=False), tmp_path) as oracle:
        same(oracle(BATCHES[0]), victim()(BATCHES[0]))


def test_a_check_outside_finds_what_is_odd_about_answers_that_were_kept(tmp_path):
    def silently(x):
        return np.round(probability(x), 2)

    many = np.random.default_rng(0).uniform(-1, 1, (200, 2))
    for _ in range(2):
        with journalled(checked(from_function(silently, ACCESS)), tmp_path) as kept:
            oracle = checked(kept, repeat=False)
            oracle(many)
            assert "0.01" in oracle.findings["rounding"]
            assert oracle.ledger.queries == 201


def test_no_queries_are_no_call(tmp_path):
    with journalled(victim(), tmp_path) as oracle:
        assert len(oracle(np.zeros((0, 2))).label) == 0
        assert oracle.paid == Ledger()


def test_every_part_and_type_of_an_answer_comes_back(tmp_path):
    answers = [
        Answer(np.array([1, 2]), None, np.array([[1.0, 2, 3], [np.inf, np.nan, -0.0]])),
        Answer(np.array([0]), np.array([[1.0, np.nan, np.nan]], np.float32)),
        Answer(np.array([2], np.int32), np.ones((1, 3), np.float32), np.asfortranarray(np.ones((1, 3)))),
    ]
    access = replace(ACCESS, level="logit")
    script = iter(answers)
    with journalled(from_function(lambda x: next(script), access), tmp_path) as oracle:
        for answer in answers:
            same(oracle(np.zeros((len(answer.label), 2))), answer)
    with journalled(from_function(lambda x: 1 / 0, access), tmp_path) as again:
        for answer in answers:
            same(again(np.zeros((len(answer.label), 2))), answer)


@pytest.mark.parametrize("order", range(4))
def test_a_whole_chain_replays_wherever_the_journal_is(tmp_path, order):
    model = build("softmax", (2,), 3)
    variables = model.init(jax.random.key(0))
    bare = []

    def chain():
        oracle = from_model(model, variables, inputs=INPUTS, classes=3, precision="float64")
        bare.append(oracle)
        wrap = [
            lambda o: rounded(noisy(o, 0.01, seed=1), 3),
            lambda o: budgeted(o, 1000),
            checked,
            lambda o: cached(o, 100),
        ]
        wrap.insert(order, lambda o: journalled(o, tmp_path))
        for wrapper in wrap:
            oracle = wrapper(oracle)
            keep.append(oracle)
        return oracle

    ledgers = []
    for _ in range(2):
        keep = []
        oracle = chain()
        before = oracle.ledger
        answers = [oracle(x) for x in [*BATCHES, *BATCHES]]
        ledgers.append(untimed(oracle.ledger - before))
        keep[order].close()
    assert ledgers[0] == ledgers[1]
    assert bare[1].ledger == Ledger()
    np.testing.assert_allclose(answers[0].probability.sum(1), 1, atol=2e-3)
