"""Numbers in words, the same way everywhere: on the page, in figures and in the terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

MISSING = "–"
_UNITS = ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


def percent(share: float | None, digits: int = 3) -> str:
    """A share as a percentage, such as "2.81%".

    Args:
        share: 0 to 1.
        digits: how many of its digits count; a share short of 1 is never rounded up to 100%.
    """
    return MISSING if share is None else f"{points(share, digits)}%"


FINEST = 1e-6
"""Percentage points below which a share is 0 in words: a bound is that small, as of an interval on the logit scale."""


def points(share: float | None, digits: int = 3) -> str:
    """A share in percentage points without the sign, such as "2.81"."""
    if share is None:
        return MISSING
    value = 100 * share
    if abs(value) < FINEST:
        return "0"
    if value == 100:
        return "100"
    magnitude = math.floor(math.log10(abs(value)))
    decimals = min(max(digits - 1 - magnitude, 0), max(2, 1 - magnitude))
    text = f"{value:.{decimals}f}"
    return text if share == 1 or float(text) != 100 else f"{math.floor(value * 10) / 10:.1f}"


def rate(key: str | float) -> str:
    """The name of a rate in the findings as a percentage: "0.001" is "0.1%"."""
    return f"{100 * float(key):.6g}%"


def number(value: float | None, decimals: int = 3) -> str:
    """A number with its decimals."""
    return MISSING if value is None else f"{value:.{decimals}f}"


def count(value: float | None) -> str:
    """A whole number with thousands apart."""
    return MISSING if value is None else f"{value:,.0f}"


def quantity(value: int, thing: str) -> str:
    """So many of a thing: "1 call", "1,200 queries"."""
    plural = f"{thing[:-1]}ies" if thing.endswith("y") else f"{thing}s"
    return f"{value:,} {thing if value == 1 else plural}"


def spread(figure: dict[str, float | None] | None, scale: float = 1, decimals: int = 3) -> str:
    """A mean and its standard deviation, such as "0.620 ± 0.012"."""
    if not figure or figure["mean"] is None:
        return MISSING
    mean = f"{scale * figure['mean']:.{decimals}f}"
    return mean if figure["sd"] is None else f"{mean} ± {scale * figure['sd']:.{decimals}f}"


def times(ratio: float) -> str:
    """A ratio in words: "28 times", "2.8 times"."""
    return f"{ratio:,.0f} times" if ratio >= 9.95 else f"{ratio:.1f} times"


def duration(seconds: float | None) -> str:
    """A time in words: "35 ms", "4.2 s", "72 s", "12 min 30 s", "3 h 20 min"."""
    if seconds is None:
        return MISSING
    if seconds < 0.995:
        return f"{1000 * seconds:.0f} ms" if seconds >= 0.00995 else f"{1000 * seconds:.2g} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    total = round(seconds)
    if total < 120:
        return f"{total} s"
    if total < 7200:
        return f"{total // 60} min {total % 60} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min"


def size(octets: float | None) -> str:
    """An amount of memory in binary units."""
    if octets is None:
        return MISSING
    for unit, name in _UNITS:
        if octets >= unit:
            return f"{small(octets / unit)} {name}"
    return f"{octets:.0f} B"


def small(value: float | None) -> str:
    """A number of any size in three digits, such as "1.2e-9", "0.031" or "1,460"."""
    if value is None:
        return MISSING
    if 999.5 <= abs(value) < 99_995:
        return f"{float(f'{value:.3g}'):,.0f}"
    if value == 0 or 1e-3 <= abs(value) < 1e3:
        return f"{value:.3g}"
    return f"{value:.1e}".replace("e-0", "e-").replace("e+0", "e").replace("e+", "e")


def dollars(value: float | None) -> str:
    """An amount of money, to the hundredth of a cent below a dollar, and less than that in three digits."""
    if value is None:
        return MISSING
    if 0 < value < 1e-4:
        return f"${small(value)}"
    return f"${value:,.2f}" if value >= 1 else f"${value:.4f}"


def words(name: str) -> str:
    """A name that programs use in words: "learning_rate" is "learning rate"."""
    return name.replace("_", " ").strip()


def shown(value: Any) -> str:
    """A plain value as a person reads it: numbers to six digits, lists by commas, mappings as "name: value; name: value"."""
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}".replace("e-0", "e-").replace("e+0", "e").replace("e+", "e")
    if isinstance(value, Mapping):
        return "; ".join(_named(words(str(name)), part) for name, part in value.items()) or MISSING
    if isinstance(value, list | tuple):
        return ", ".join(map(shown, value)) or MISSING
    return str(value)


def _named(name: str, value: Any) -> str:
    return f"{name} ({shown(value)})" if isinstance(value, Mapping) and value else f"{name}: {shown(value)}"
