"""What is quoted, what is drawn, and what is said."""

from __future__ import annotations

import pytest

from jaxattack.report import headline
from jaxattack.report.membership.reading import attacks_to_draw, claimed, quoted_rate
from jaxattack.report.wording import duration, number, percent, rate, size, spread, times


def quoting(invent, found, interval, **changes):
    """Findings whose strongest attack and loss threshold find given shares at 0.1%."""
    findings = invent(shifts={"lira-online": 3.0, "loss": 0.0})
    lira, loss = sorted(findings["attacks"], key=lambda attack: attack["name"])
    lira["tpr"]["0.001"], lira["tpr_interval_corrected"]["0.001"], lira["auc"] = found, interval, 0.6204
    loss["tpr"]["0.001"] = 0.00095
    findings["claim"] |= changes
    return findings


def test_the_headline_says_what_the_strongest_attack_finds(invent):
    said = headline(quoting(invent, 0.0281, [0.026, 0.03]))
    assert said == (
        "lira-online finds 2.8% of the members while falsely accusing 0.1% of the non-members (28 times chance); "
        "the loss threshold finds 0.095%. For new records and new models of the same kind the 95% interval, allowing for the "
        "choice among 2 attacks, is 2.6% to 3.0%. Shown a member and a non-member, lira-online tells which is which 62.0% of the "
        "time; guessing would be right 50% of the time."
    )


def test_the_headline_does_not_call_chance_a_finding(invent):
    said = headline(quoting(invent, 0.00123, [0.0009, 0.0016]))
    assert said.startswith("No attack finds clearly more than chance would: the strongest, lira-online, finds 0.12%")
    assert "0.090% to 0.16%" in said


def test_the_headline_says_at_most_where_equal_scores_leave_no_such_threshold(invent):
    findings = quoting(invent, 0.0281, [0.026, 0.03])
    claimed(findings)["false_positives"]["0.001"] -= 1
    assert "finds 2.8% of the members while falsely accusing at most 0.1% of the non-members" in headline(findings)


def test_a_declared_attack_is_claimed_though_another_is_stronger(invent):
    findings = quoting(invent, 0.0281, [0.026, 0.03], attack="loss", choices=1, declared=True)
    loss = next(attack for attack in findings["attacks"] if attack["name"] == "loss")
    loss["tpr_interval_corrected"]["0.001"] = [0.0008, 0.0012]
    said = headline(findings)
    assert said.startswith("The loss threshold does not find clearly more than chance would: it finds 0.095%")
    assert "choice" not in said


def test_what_is_not_clearly_better_is_not_called_so(invent):
    findings = quoting(invent, 0.0281, [0.026, 0.03])
    findings["comparison"]["tpr"]["0.001"] = {"difference": 0.02, "interval": [-0.01, 0.05], "better": False}
    assert "the loss threshold finds 0.095%, which is not clearly less." in headline(findings)


def test_the_headline_of_the_loss_threshold_alone_compares_it_with_nothing(invent):
    findings = invent(shifts={"loss": 3.0})
    said = headline(findings)
    assert said.startswith("The loss threshold finds ")
    assert ";" not in said.partition(".  ")[0].partition("chance)")[2].partition(".")[0]


def test_a_small_audit_quotes_the_lowest_rate_that_allows_ten_false_positives(invent):
    findings = invent(models=4, records=60)
    assert quoted_rate(findings) == "0.1"
    assert "10% of the non-members" in headline(findings)
    assert "resolve no lower rate" in headline(findings)


def test_an_audit_that_resolves_nothing_quotes_nothing(invent):
    findings = invent(models=4, records=4, seed=3)
    assert quoted_rate(findings) is None
    assert "too few" in headline(findings)


def test_the_strongest_is_ranked_at_the_quoted_rate(invent):
    findings = invent(models=4, records=60)
    assert claimed(findings)["tpr"]["0.1"] == max(attack["tpr"]["0.1"] for attack in findings["attacks"])


def test_one_curve_a_family_and_always_the_loss_threshold(invent):
    names = ["lira-online", "lira-offline", "rmia-online", "attack-r", "attack-p", "calibration", "entropy", "gap"]
    shifts = {name: 3 - index / 4 for index, name in enumerate(names)} | {"loss-classwise": 2.9, "loss": 0.0}
    shown = [attack["name"] for attack in attacks_to_draw(invent(shifts=shifts))]
    assert set(shown) == {"lira-online", "rmia-online", "attack-r", "attack-p", "calibration", "loss"}


def test_the_strongest_is_drawn_beside_the_loss_threshold_of_its_family(invent):
    shifts = {"entropy": 3.0, "confidence": 2.0, "gap": 0.5, "loss": 0.0}
    assert [attack["name"] for attack in attacks_to_draw(invent(shifts=shifts))] == ["entropy", "gap", "loss"]


@pytest.mark.parametrize(
    ("share", "digits", "expected"),
    [
        (0, 3, "0%"), (1, 3, "100%"), (0.0281, 3, "2.81%"), (0.0281, 2, "2.8%"), (0.631, 3, "63.1%"), (0.001, 2, "0.10%"),
        (0.000043, 3, "0.0043%"), (0.99996, 3, "99.9%"), (0.996, 2, "99.6%"), (7e-29, 3, "0%"), (None, 3, "–"),
    ],
)  # fmt: skip
def test_percentages_keep_the_digits_that_count(share, digits, expected):
    assert percent(share, digits) == expected


def test_numbers_in_words():
    assert [rate(key) for key in ("0.1", "0.001", "0.00001")] == ["10%", "0.1%", "0.001%"]
    assert [duration(value) for value in (0.00036, 0.0351, 4.21, 72.4, 750, 12_000)] == [
        "0.36 ms", "35 ms", "4.2 s", "72 s", "12 min 30 s", "3 h 20 min",
    ]  # fmt: skip
    assert [times(value) for value in (28.1, 2.84, 9.96)] == ["28 times", "2.8 times", "10 times"]
    assert [size(value) for value in (12, 3 << 29, None)] == ["12 B", "1.5 GiB", "–"]
    assert spread({"mean": 0.5, "sd": 0.01}) == "0.500 ± 0.010"
    assert spread({"mean": 0.5, "sd": None}, 100, 1) == "50.0"
    assert number(None) == spread(None) == "–"
