# SPDX-License-Identifier: Apache-2.0
"""What counts as a reason code that a test produced."""

from pathlib import Path

import pytest

from protocol.errors import ReasonCode, UntrustedError
from protocol.octets import Reader
from tests.conftest import WATCH
from tests.support.produced import Watch, looked_for, unproduced
from tests.support.refusals import refused

HERE = "tests/house/test_produced.py"


def made(code: ReasonCode, place: str, *, by_class: bool = False) -> bool:
    watch = Watch()
    watch.note(code, place, by_class=by_class)
    return watch.pairs == {(code, HERE)}


def test_a_code_counts_where_the_product_decides_on_it() -> None:
    assert made(ReasonCode.DIR_FORK, "protocol/directory/judgement.py")
    assert made(ReasonCode.CLOCK_WRONG, "globe_node/neighbours/rounds.py")
    assert made(ReasonCode.NOT_FOUND, "globe_node/neighbours/rounds.py", by_class=True)


def test_what_a_test_makes_or_another_process_told_does_not_count() -> None:
    assert not made(ReasonCode.DIR_FORK, HERE)
    assert not made(ReasonCode.DIR_FORK, "")
    assert not made(ReasonCode.RATE_LIMITED, "globe_node/neighbours/rounds.py")


def test_errors_are_watched_where_they_are_built() -> None:
    refused(lambda: Reader(b"").u8(), ReasonCode.BAD_CONTENT)
    assert (ReasonCode.BAD_CONTENT, HERE) in WATCH.pairs
    with pytest.raises(UntrustedError):
        raise UntrustedError("by the test itself", code=ReasonCode.DIR_CHAIN)
    assert (ReasonCode.DIR_CHAIN, HERE) not in WATCH.pairs


def test_only_a_module_that_looks_for_a_code_answers_for_it(tmp_path: Path) -> None:
    module = tmp_path / "test_sample.py"
    module.write_text(
        "def test_it():\n"
        "    assert code is ReasonCode.BUSY\n"
        "    assert word == 'dir_fork'\n"
        "    raise StoreError('stub', code=ReasonCode.STORAGE_FULL)\n"
    )
    assert looked_for(module) == {ReasonCode.BUSY, ReasonCode.DIR_FORK}
    left = set(unproduced((code, str(module)) for code in ReasonCode))
    assert left == set(ReasonCode) - {ReasonCode.BUSY, ReasonCode.DIR_FORK}
