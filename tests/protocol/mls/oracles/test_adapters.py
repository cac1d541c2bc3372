# SPDX-License-Identifier: Apache-2.0
"""The other implementations among themselves: what the adapters say is what the libraries do."""

from pathlib import Path

import pytest

from tests.support.mls_oracles.member import OracleRefusedError, oracle_module
from tests.support.mls_oracles.mls_rs import MlsRsMember
from tests.support.mls_oracles.openmls import OpenMlsMember
from tests.support.mls_oracles.rine import RineMember


def test_two_members_of_mls_rs() -> None:
    first, second = MlsRsMember("first"), MlsRsMember("second")
    first.found()
    added = first.add(second.key_package())
    assert added.welcome is not None
    second.join(added.welcome)
    assert first.export(b"label", b"context", 32) == second.export(b"label", b"context", 32)
    message = first.encrypt(b"data")
    assert second.receive(message) == b"data"
    with pytest.raises(OracleRefusedError):
        second.receive(message)
    assert second.receive(first.commit().commit) is None
    removed = second.remove_last_sender()
    assert removed.welcome is None


def test_two_members_of_rine(tmp_path: Path) -> None:
    first, second = RineMember(tmp_path / "first", 1), RineMember(tmp_path / "second", 2)
    first.found()
    added = first.add(second.key_package())
    assert added.welcome is not None
    second.join(added.welcome)
    assert second.decrypt(first.encrypt(b"data")) == b"data"
    again = RineMember(tmp_path / "again", 2).join_again(first.group_info(), 1)
    first.apply(again.commit)
    assert list(first.leaves()) == [0, 1]
    joined = RineMember(tmp_path / "third", 3).join_externally(first.group_info())
    first.apply(joined.commit)
    first.remove(1)
    assert list(first.leaves()) == [0, 2]


def test_two_members_of_openmls() -> None:
    first, second = OpenMlsMember("first"), OpenMlsMember("second")
    added = first.add(second.key_package())
    assert added.welcome is not None
    second.join(added.welcome)
    assert first.secrets() == second.secrets()
    assert first.receive(second.remove(0).commit) == "commit"


def test_mls_rs_with_rine(tmp_path: Path) -> None:
    member, rine = MlsRsMember("mls-rs"), RineMember(tmp_path, 1)
    rine.found()
    added = rine.add(member.key_package())
    assert added.welcome is not None
    member.join(added.welcome)
    assert rine.decrypt(member.encrypt(b"data")) == b"data"
    assert member.receive(rine.encrypt(b"data")) == b"data"


@pytest.mark.parametrize(("setting", "outcome"), [("", "Skipped"), ("true", "Failed")])
def test_a_library_that_is_not_there(monkeypatch: pytest.MonkeyPatch, setting: str, outcome: str) -> None:
    monkeypatch.setenv("CI", setting)
    with pytest.raises(BaseException, match="not installed") as caught:
        oracle_module("no_such_implementation")
    assert type(caught.value).__name__ == outcome
