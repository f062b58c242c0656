"""Observations that stay on the disk: scored alike, in memory that the block bounds and not the signal."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from attacks.planted import complementary, observe

from jaxattack import threads
from jaxattack.attacks.membership import LiRA, lira
from jaxattack.audit import evaluation, observations, read_observations
from jaxattack.audit.findings import values
from jaxattack.audit.observation_scoring import score_records
from jaxattack.types import InputError

MODELS, RECORDS, QUERIES = 8, 20_000, 2


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    member = complementary(MODELS, RECORDS, seed=0)
    phi = observe(member, leak=1.0, seed=1).signals["phi"]
    arrays = {"member": member, "label": np.arange(RECORDS) % 3, "phi": np.repeat(phi[:, :, :1], QUERIES, axis=2)}
    arrays["phi"] = arrays["phi"].astype(np.float32) + np.array([0.0, 0.5], np.float32)
    folder = tmp_path_factory.mktemp("observed")
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    np.savez(folder / "all.npz", **arrays)
    return folder


def test_a_folder_of_arrays_is_scored_as_the_archive_of_them(folder):
    attacks = (LiRA(online=True), LiRA(online=False, variance="bayes"))
    mapped, read = read_observations(folder, attacks), read_observations(folder / "all.npz", attacks)
    assert isinstance(mapped.signals["phi"].base, np.memmap) or isinstance(mapped.signals["phi"], np.memmap)
    found, expected = (values(score_records(one, attacks).findings) for one in (mapped, read))
    for name in ("attacks", "claim", "comparison", "calibration", "vulnerability", "vulnerable"):
        for part in (found, expected):
            for entry in part["attacks"]:
                entry.pop("seconds", None)
        assert found[name] == expected[name]


def test_scoring_takes_memory_for_scores_and_blocks_alone(folder, monkeypatch):
    monkeypatch.setattr(lira, "CACHED_VALUES", 2**10)
    monkeypatch.setattr(threads.os, "cpu_count", lambda: 2)
    mapped = read_observations(folder)
    LiRA(online=True, variance="record")(mapped, [0])  # what is imported or compiled at first
    tracemalloc.start()
    scores = LiRA(online=True, variance="record")(mapped)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    signal = 8 * mapped.signals["phi"].size
    # Masks of members take a byte a value of `member`, twice; a block some thirty arrays of 2**10, for each of two threads.
    assert peak - scores.nbytes < 4 * mapped.member.size + 2 * 30 * 8 * 2**10 < signal / 2


def test_what_needs_no_attack_is_the_same_beside_the_attacks_and_after_them(monkeypatch):
    observed = observe(complementary(16, 200, seed=0), leak=1.0, seed=1)
    attacks = (LiRA(online=True), LiRA(online=False))
    beside = score_records(observed, attacks)
    monkeypatch.setattr(evaluation, "BESIDE", 0)
    after = score_records(observed, attacks)
    assert beside.findings.calibration == after.findings.calibration
    assert beside.findings.vulnerability == after.findings.vulnerability
    np.testing.assert_array_equal(beside.records.interval, after.records.interval)


def test_scoring_and_its_curves_take_few_bytes_a_score(monkeypatch):
    monkeypatch.setattr(evaluation, "BESIDE", 0)  # as of scores that are many
    member = complementary(64, 10_000, seed=0)
    attack = LiRA(online=True)
    observations = observe(member, leak=1.0, seed=1).only(attack.signals)
    score_records(observations.take_records(np.arange(100)), (attack,))  # what is imported or compiled at first
    tracemalloc.start()
    score_records(observations, (attack,))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # Where the curve held its thresholds, and one size of groups lived on while the next was scored, it was 83.
    assert peak < 70 * member.size


def test_a_folder_without_members_is_no_observations(tmp_path):
    np.save(tmp_path / "phi.npy", np.zeros((4, 6)))
    with pytest.raises(InputError, match="has no member and label: it holds phi; add it"):
        read_observations(tmp_path)


def test_numbers_that_are_converted_are_refused_where_they_would_not_fit(tmp_path, monkeypatch):
    np.savez(tmp_path / "o.npz", member=np.eye(4, 6), label=np.zeros(6, int), phi=np.zeros((4, 6)))
    for name, array in np.load(tmp_path / "o.npz").items():
        np.save(tmp_path / f"{name}.npy", array)
    monkeypatch.setattr(observations, "free_memory", lambda: 95)
    with pytest.raises(InputError, match="takes 96 bytes as float32 and 95 are free"):
        read_observations(tmp_path)
    np.save(tmp_path / "phi.npy", np.zeros((4, 6), np.float32))
    assert read_observations(tmp_path).models == 4
