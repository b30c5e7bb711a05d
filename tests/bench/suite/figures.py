# SPDX-License-Identifier: BSD-3-Clause
"""Figures as a person reads them."""


def short(value: float) -> str:
    """Three digits: 1.43 M, 155 k, 12.3, 0.31."""
    for limit, suffix in ((1e9, ' G'), (1e6, ' M'), (1e3, ' k')):
        if abs(value) >= limit * 0.9995:
            return three_digits(value / limit) + suffix
    return three_digits(value)


def three_digits(value: float) -> str:
    size = abs(value)
    if size >= 99.95 or value == int(value):
        return f'{value:.0f}'
    if size >= 9.995:
        return f'{value:.1f}'
    return f'{value:.2f}' if size >= 0.01 else f'{value:.2g}'


def share(value: float | None) -> str:
    return '' if value is None else f'{value:.0%}'
