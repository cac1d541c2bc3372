# SPDX-License-Identifier: Apache-2.0
"""The vault: opens in its own row, under its own period, and nowhere else."""

import pytest

from globe_node.audit.vault import DerivedPeriodKeys, Vault
from protocol.audit.leaf import build_entry
from protocol.errors import ReasonCode, RemoteProtocolError, UntrustedError
from tests.protocol.audit.test_events import FULL
from tests.support.audit import STORAGE_KEY

ENTRY = build_entry(FULL, bytes(range(32)))
VAULT = Vault(DerivedPeriodKeys(STORAGE_KEY))
SEALED = VAULT.seal(ENTRY, 7)


def test_an_entry_opens_where_it_was_sealed() -> None:
    assert VAULT.open_entry(ENTRY.leaf, SEALED, 7) == FULL


def test_it_opens_nowhere_else() -> None:
    other = build_entry(FULL, bytes(32))
    for leaf, sealed, row_id in (
        (ENTRY.leaf, SEALED, 8),
        (other.leaf, SEALED, 7),
        (ENTRY.leaf, SEALED[:-1], 7),
        (ENTRY.leaf, b"", 7),
        (ENTRY.leaf.replace(b"2026-11-23", b"2026-11-16"), SEALED, 7),
    ):
        with pytest.raises(UntrustedError) as caught:
            VAULT.open_entry(leaf, sealed, row_id)
        assert caught.value.code is ReasonCode.LOG_INCONSISTENT
    with pytest.raises(RemoteProtocolError):
        VAULT.open_entry(b"{}", SEALED, 7)


def test_nothing_of_the_act_can_be_read_in_the_row() -> None:
    row = ENTRY.leaf + SEALED
    for value in FULL.values():
        if isinstance(value, str) and len(value) > 4:
            assert value.encode() not in row


def test_with_its_key_gone_a_period_is_forgotten() -> None:
    class OtherKeys:
        def key_of(self, period: str) -> bytes:
            return bytes(32)

    with pytest.raises(UntrustedError):
        Vault(OtherKeys()).open_entry(ENTRY.leaf, SEALED, 7)


def test_ciphers_are_kept_for_some_periods_only() -> None:
    asked: list[str] = []

    class Counting:
        def key_of(self, period: str) -> bytes:
            asked.append(period)
            return bytes(32)

    vault = Vault(Counting())
    vault.seal(ENTRY, 1)
    vault.seal(ENTRY, 2)
    assert asked == ["2026-11-23/a"]
    for number in range(70):
        with pytest.raises(UntrustedError):
            vault.open_sealed(SEALED, period=str(number), found=ENTRY.leaf_hash, row_id=7)
    vault.seal(ENTRY, 3)
    assert asked.count("2026-11-23/a") == 2
