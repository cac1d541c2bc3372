# SPDX-License-Identifier: Apache-2.0
"""Groups of ours with mls-rs 0.55.2 by rine: external commits of theirs, and coming back."""

from pathlib import Path

import pytest

from tests.support.mls_oracles.member import OracleRefusedError
from tests.support.mls_oracles.ours import OurMember
from tests.support.mls_oracles.rine import RineMember


def agree(ours: OurMember, theirs: RineMember) -> None:
    """They do not say what they export, so it is looked for in what they store."""
    assert ours.group.epoch == theirs.epoch
    assert theirs.holds(ours.group.secrets.exporter_secret)
    assert theirs.holds(ours.group.epoch_authenticator)
    assert not theirs.holds(b"something else" * 2)


def talk(ours: OurMember, theirs: RineMember) -> None:
    message = ours.encrypt(b"from us")
    assert theirs.decrypt(message) == b"from us"
    with pytest.raises(OracleRefusedError):
        theirs.decrypt(message)
    assert ours.receive(theirs.encrypt(b"from them")) == b"from them"


@pytest.fixture(name="ours")
def _ours() -> OurMember:
    ours = OurMember("ours")
    ours.found()
    return ours


@pytest.fixture(name="theirs")
def _theirs(tmp_path: Path, ours: OurMember) -> RineMember:
    theirs = RineMember(tmp_path / "theirs", 1)
    added = ours.add(theirs.key_package())
    assert added.welcome is not None
    theirs.join(added.welcome)
    return theirs


def test_a_group_of_ours(ours: OurMember, theirs: RineMember) -> None:
    agree(ours, theirs)
    talk(ours, theirs)
    theirs.apply(ours.commit().commit)
    theirs.apply(ours.commit(private=False).commit)
    agree(ours, theirs)
    talk(ours, theirs)


def test_a_group_of_theirs(tmp_path: Path) -> None:
    ours, theirs = OurMember("ours"), RineMember(tmp_path, 1)
    theirs.found()
    added = theirs.add(ours.key_package())
    assert added.welcome is not None
    ours.join(added.welcome)
    agree(ours, theirs)
    talk(ours, theirs)
    third = OurMember("third")
    third_added = theirs.add(third.key_package())
    ours.receive(third_added.commit)
    assert third_added.welcome is not None
    third.join(third_added.welcome)
    removed = theirs.remove(1)
    ours.receive(removed.commit)
    third.receive(removed.commit)
    assert not ours.in_group
    agree(third, theirs)


def test_they_join_from_outside(tmp_path: Path, ours: OurMember, theirs: RineMember) -> None:
    second = RineMember(tmp_path / "second", 2)
    joined = second.join_externally(ours.group_info())
    ours.receive(joined.commit)
    theirs.apply(joined.commit)
    agree(ours, second)
    agree(ours, theirs)
    talk(ours, second)


def test_they_come_back_from_outside(tmp_path: Path, ours: OurMember, theirs: RineMember) -> None:
    """Their state is lost; the new one takes the place of the old, which is told so."""
    again = RineMember(tmp_path / "again", 1)
    rejoined = again.join_again(ours.group_info(), 1)
    ours.receive(rejoined.commit)
    agree(ours, again)
    assert [one.leaf_index for one in ours.group.members()] == [0, 1]
    talk(ours, again)
    theirs.apply(rejoined.commit)
    assert not theirs.active


def test_we_join_their_group_from_outside(tmp_path: Path) -> None:
    theirs = RineMember(tmp_path, 1)
    theirs.found()
    ours = OurMember("ours")
    theirs.apply(ours.join_externally(theirs.group_info()).commit)
    agree(ours, theirs)
    talk(ours, theirs)
    again = OurMember("ours", again=1)
    theirs.apply(again.join_externally(theirs.group_info(), removed=1).commit)
    agree(again, theirs)
    talk(again, theirs)
    assert list(theirs.leaves()) == [0, 1]
