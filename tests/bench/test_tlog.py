# SPDX-License-Identifier: Apache-2.0
"""The measurement of logs, on a small one."""

from bench import tlog


def test_every_kind_of_proof_is_made_and_verified() -> None:
    figures = tlog.figures_of(tlog.Log(700), 3, 3)
    assert set(figures) == {f"{kind}_{step}_ms" for kind in tlog.KINDS for step in ("make", "verify")} | {
        "append_us"
    }
    assert all(value > 0 for value in figures.values())
