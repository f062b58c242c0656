"""Numbers and values as a person reads them."""

from __future__ import annotations

import pytest

from jaxattack.report.html import SettingRow, setting_rows
from jaxattack.report.style import power
from jaxattack.report.wording import MISSING, dollars, shown, size, small, words


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (0.0314159, "0.0314"), (1.2e-9, "1.2e-9"), (0.00099, "9.9e-4"), (999.4, "999"), (999.6, "1,000"),
        (1463.2, "1,460"), (-65_025.0, "-65,000"), (1.5e6, "1.5e6"), (2e12, "2.0e12"), (None, MISSING),
    ],
)  # fmt: skip
def test_a_number_of_any_size_has_three_digits_at_most(value, text):
    assert small(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "yes"), (False, "no"), (None, MISSING), (3, "3"), (1e-5, "1e-5"), (0.1 + 0.2, "0.3"), (1e20, "1e20"),
        ("halves", "halves"), ((0.5, None, "a"), f"0.5, {MISSING}, a"), ([], MISSING), ({}, MISSING),
        ({"learning_rate": 0.1, "network": {"joint": (64, 32)}}, "learning rate: 0.1; network (joint: 64, 32)"),
    ],
)  # fmt: skip
def test_a_value_is_shown_in_words_and_at_six_digits(value, text):
    assert shown(value) == text


def test_settings_are_named_by_the_words_that_lead_to_them_and_names_of_programs_are_code():
    nested = {"recipe": {"weight_decay": 0.0, "precision": "float32"}, "data": "my_faces.npz", "models": 64}
    assert list(setting_rows(nested)) == [
        SettingRow("recipe · weight decay", "0", False),
        SettingRow("recipe · precision", "float32", False),
        SettingRow("data", "my_faces.npz", True),
        SettingRow("models", "64", False),
    ]


def test_words_and_powers():
    assert words("many_runs_gdp") == "many runs gdp"
    assert (power(-15), power(2)) == ("10⁻¹⁵", "10²")


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1536, "1.5 KiB"),
        (1000 << 20, "1,000 MiB"),
        (1023 << 10, "1,020 KiB"),
        (5 << 40, "5 TiB"),
    ],
)
def test_an_amount_of_memory_has_no_power_of_ten(octets, text):
    assert size(octets) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "$0.0000"), (7e-6, "$7.0e-6"), (0.0007, "$0.0007"), (0.25, "$0.2500"), (1234.5, "$1,234.50")],
)
def test_an_amount_of_money_that_is_not_0_is_not_shown_as_0(value, text):
    assert dollars(value) == text
