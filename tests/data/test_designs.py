from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxattack.data import Exact, Halves, Mask, Poisson, Sized, design
from jaxattack.types import InputError

MASK = np.random.default_rng(0).random((64, 40)) < 0.5
DESIGNS = [Halves(), Exact(), Poisson(rate=0.3), Sized(members=11), Mask(mask=MASK)]

counts = st.integers(1, 12)
sizes = st.integers(30, 60)
seeds = st.integers(0, 2**70)


@pytest.mark.parametrize("who", DESIGNS, ids=lambda who: who.describe)
def test_a_member_matrix_is_boolean_and_follows_from_the_seed(who):
    member = who(8, 40, 5)
    assert (member.shape, member.dtype) == ((8, 40), np.bool_)
    np.testing.assert_array_equal(member, who(8, 40, 5))
    assert np.array_equal(member, who(8, 40, 6)) == isinstance(who, Mask)
    member[:] = False
    assert who(8, 40, 5).any()


@given(models=counts, more=counts, records=sizes, seed=seeds)
def test_adding_models_never_changes_the_earlier_rows(models, more, records, seed):
    mask = np.random.default_rng(seed).random((24, records)) < 0.9
    for who in (Halves(), Poisson(rate=0.7), Sized(members=11), Mask(mask=mask)):
        assert who.extendable
        np.testing.assert_array_equal(who(models, records, seed), who(models + more, records, seed)[:models])


@given(pairs=counts, records=sizes, seed=seeds)
def test_halves_are_complementary_halves(pairs, records, seed):
    member = Halves()(2 * pairs, records, seed)
    np.testing.assert_array_equal(member[0::2], ~member[1::2])
    assert (member[0::2].sum(axis=1) == records // 2).all()
    assert len(np.unique(member[0::2], axis=0)) == pairs


@given(pairs=st.integers(3, 8), records=sizes, seed=seeds)
def test_exact_puts_each_record_in_half_of_the_models(pairs, records, seed):
    member = Exact()(2 * pairs, records, seed)
    assert (member.sum(axis=0) == pairs).all()
    assert len(np.unique(member, axis=1).T) > 1


def test_exact_cannot_grow():
    assert not Exact().extendable
    assert not np.array_equal(Exact()(4, 40, 0), Exact()(8, 40, 0)[:4])


@given(models=counts, records=sizes, members=st.integers(1, 20), seed=seeds)
def test_sized_gives_each_model_as_many_members(models, records, members, seed):
    assert (Sized(members=members)(models, records, seed).sum(axis=1) == members).all()


@pytest.mark.parametrize(
    ("who", "share"), [(Halves(), 0.5), (Exact(), 0.5), (Poisson(rate=0.3), 0.3), (Sized(members=8), 0.2)]
)
def test_every_record_is_as_likely_to_be_in_and_pairs_are_independent(who, share):
    member = np.concatenate([who(20, 40, seed)[::2] for seed in range(200)])
    rate = member.mean(axis=0)
    assert np.abs(rate - share).max() < 5 * np.sqrt(share * (1 - share) / len(member))
    both = member[:, :-1] & member[:, 1:]
    without_replacement = {"halves": 20 * 19 / (40 * 39), "sized:8": 8 * 7 / (40 * 39)}
    exactly = without_replacement.get(who.describe) or share**2
    assert np.abs(both.mean(axis=0) - exactly).max() < 5 * np.sqrt(exactly * (1 - exactly) / len(member))


@settings(max_examples=20)
@given(seed=st.integers(0, 2**31), index=st.integers(1, 50))
def test_a_large_seed_does_not_repeat_the_rows_of_a_small_one(seed, index):
    # Seeds of more than 32 bits spill into a second word, where an index mixed in by hand would collide.
    large = Halves()(2, 40, seed + 2**32 * index)[0]
    assert not np.array_equal(large, Halves()(2 * index + 2, 40, seed)[2 * index])


@pytest.mark.parametrize("who", DESIGNS[:-1], ids=lambda who: who.describe)
def test_the_word_for_a_design_reads_back(who):
    assert design(who.describe) == who


def test_a_mask_is_read_from_a_file(tmp_path):
    np.save(tmp_path / "who:in.npy", MASK)
    who = design(f"mask:{tmp_path}/who:in.npy")
    assert who == Mask(mask=MASK) != Mask(mask=~MASK)
    assert who.describe == Mask(mask=MASK).describe
    np.testing.assert_array_equal(who(10, 40, 0), MASK[:10])


def test_a_given_mask_is_not_changed_from_outside():
    mask = MASK.copy()
    who = Mask(mask=mask)
    mask[:] = True
    np.testing.assert_array_equal(who(64, 40, 0), MASK)


def test_a_plain_poisson_is_a_fair_coin():
    assert design("poisson") == Poisson(rate=0.5)


@pytest.mark.parametrize(
    "text",
    ["", "half", "halves:2", "exact:", "quarters", "mask", "mask:", "HALVES", "sized:1200:3", "sized", "poisson:"],
)
def test_another_design_lists_those_there_are(text):
    with pytest.raises(InputError, match=r"write halves, exact, poisson:RATE, sized:MEMBERS or mask:PATH\.npy"):
        design(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("poisson:0", r"poisson: rate=0\.0: give a probability between 0 and 1"),
        ("poisson:1", r"rate=1\.0"),
        ("poisson:nan", r"rate is nan"),
        ("poisson:half", r"has no number after poisson: write"),
        ("sized:0", r"sized: members=0: give at least 1"),
        ("sized:1.5", r"has no number after sized: write"),
        (
            "mask:nowhere.npy",
            r"the mask nowhere\.npy cannot be read \(No such file.*\): write a Boolean array \[model, record\]",
        ),
    ],
)
def test_a_design_with_a_number_out_of_range_is_refused(text, message):
    with pytest.raises(InputError, match=message):
        design(text)


@pytest.mark.parametrize(
    ("who", "models", "records", "seed", "message"),
    [
        (Halves(), 0, 40, 0, r"models=0: give at least 1"),
        (Halves(), 4, 0, 0, r"records=0: give at least 1"),
        (Halves(), 4, 40, -1, r"seed=-1: give at least 0"),
        (Halves(), 4, 1, 0, r"halves: model 0 would have no members among 1 records: give more records"),
        (Exact(), 5, 40, 0, r"models=5 is odd: give an even number, or use the design halves"),
        (Poisson(rate=1e-9), 2, 5, 0, r"poisson:1e-09: model 0 would have no members among 5 records"),
        (Sized(members=41), 2, 40, 0, r"sized:41 asks for more members than the 40 records there are: lower it"),
        (Mask(mask=MASK), 65, 40, 0, r"shape \(64, 40\) and there are 65 models and 40 records: give a row for each"),
        (Mask(mask=MASK), 4, 41, 0, r"there are 4 models and 41 records"),
        (Mask(mask=MASK & False), 4, 40, 0, r"mask: model 0 would have no members"),
    ],
)
def test_a_matrix_without_meaning_is_refused(who, models, records, seed, message):
    with pytest.raises(InputError, match=message):
        who(models, records, seed)


@pytest.mark.parametrize("mask", [MASK.astype(int), MASK[0], np.array(["in"])])
def test_a_mask_of_another_kind_is_refused(mask):
    with pytest.raises(InputError, match=r"give a Boolean array \[model, record\]"):
        Mask(mask=mask)


def test_a_mask_file_of_another_kind_is_refused(tmp_path):
    np.savez(tmp_path / "mask.npz", a=MASK)
    with pytest.raises(InputError, match=r"\(it is an archive of arrays\): write a Boolean array"):
        design(f"mask:{tmp_path}/mask.npz")
    np.save(tmp_path / "objects.npy", MASK.astype(object))
    with pytest.raises(InputError, match=r"cannot be read \(it holds Python objects.*\): write a Boolean array"):
        design(f"mask:{tmp_path}/objects.npy")
