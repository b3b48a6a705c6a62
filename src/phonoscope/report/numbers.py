"""Numbers as reports print them: few digits, true minus signs, a dash where nothing is known."""

from __future__ import annotations

from typing import Any

import numpy as np

UNKNOWN = "–"


def is_known(value: Any) -> bool:
    """Whether a value is a finite number."""
    try:
        return bool(np.isfinite(float(value)))
    except (TypeError, ValueError):  # None, pandas' missing value, text
        return False


def fixed(value: Any, digits: int = 2) -> str:
    """A number with so many decimals."""
    return f"{float(value):.{digits}f}".replace("-", "−") if is_known(value) else UNKNOWN


def one_decimal(value: Any) -> str:
    """A number with one decimal."""
    return fixed(value, 1)


def whole(value: Any) -> str:
    """A number without decimals, its thousands set apart."""
    return f"{round(float(value)):,}".replace(",", "\u202f").replace("-", "−") if is_known(value) else UNKNOWN


def significant(value: Any) -> str:
    """A number with three significant digits."""
    return f"{float(value):.3g}" if is_known(value) else UNKNOWN


def percent(value: Any, digits: int = 1) -> str:
    """A share between 0 and 1 as percent."""
    return f"{100 * float(value):.{digits}f} %" if is_known(value) else UNKNOWN


def percentage(value: Any) -> str:
    """A number that is percent already."""
    return f"{float(value):.1f} %" if is_known(value) else UNKNOWN


def interval(low: Any, high: Any) -> str:
    """An interval of shares as percent, in brackets; empty where it is not known."""
    return f"({100 * float(low):.1f}–{100 * float(high):.1f} %)" if is_known(low) and is_known(high) else ""


def p_value(value: Any) -> str:
    """A p-value as journals write it."""
    if not is_known(value):
        return UNKNOWN
    return "< .001" if float(value) < 0.001 else f"{float(value):.3f}".lstrip("0")
