"""The command `own`, as a user runs it."""

from __future__ import annotations

import json

import pytest
from command import run
from report.readable import check_report

SMALL = (
    "--data", "iris", "--model", "softmax", "--epochs", "2", "--tests", "rank-label", "--independents", "3", "--others", "0",
    "--overlapping", "0", "--references", "19", "--seeds", "1",
)  # fmt: skip


def test_copies_are_made_and_tested_and_the_folder_goes_on(tmp_path):
    done = run("own", *SMALL, "--copies", "int8", "--out", "made", "--json", folder=tmp_path)
    report = json.loads(done.stdout)
    assert [cell["kind"] for cell in report["cells"]] == ["victim", "int8", "independent"]
    check_report(tmp_path / "made")
    more = run("own", *SMALL, "--copies", "int8", "int8?bits=4", "--out", "made", folder=tmp_path)
    assert "rank-label" in more.stdout
    assert "they are used again" in more.stderr
    assert len(list((tmp_path / "made" / "models").glob("*.npz"))) == 3


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--tests", "rank-lyra"), "did you mean 'rank-lira'"),
        (("--copies", "prun"), "did you mean 'prune'"),
        (("--copies", "prune?share=1.5"), "share is 1.5"),
        (("--overlap", "2"), "overlap is 2"),
        (("--data", "iris", "--members", "140"), "of 150 records 140 are the owner's"),
    ],
)
def test_bad_input_is_one_sentence(arguments, sentence, tmp_path):
    done = run("own", *arguments, folder=tmp_path, expect=2)
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
