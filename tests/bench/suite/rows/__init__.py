# SPDX-License-Identifier: BSD-3-Clause
"""Experiments: each file measures one question and adds its rows to the bench."""
