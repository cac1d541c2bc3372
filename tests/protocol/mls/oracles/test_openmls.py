# SPDX-License-Identifier: Apache-2.0
"""Groups of ours with OpenMLS 0.8.1, another code base than mls-rs: its handshake is encrypted."""

from collections.abc import Callable

import pytest

from protocol.mls.structures.proposals import Remove
from tests.support.mls_oracles.member import OracleRefusedError
from tests.support.mls_oracles.openmls import OpenMlsMember
from tests.support.mls_oracles.ours import OurMember


def agree(ours: OurMember, theirs: OpenMlsMember) -> None:
    secrets = theirs.secrets()
    assert ours.group.epoch == theirs.epoch
    assert ours.group.epoch_authenticator == secrets.epoch_authenticator
    assert ours.group.secrets.exporter_secret == secrets.exporter_secret


def our_group() -> tuple[OurMember, OpenMlsMember]:
    ours, theirs = OurMember("ours"), OpenMlsMember("theirs")
    ours.found()
    added = ours.add(theirs.key_package())
    assert added.welcome is not None
    theirs.join(added.welcome)
    return ours, theirs


def their_group() -> tuple[OurMember, OpenMlsMember]:
    ours, theirs = OurMember("ours"), OpenMlsMember("theirs")
    added = theirs.add(ours.key_package())
    assert added.welcome is not None
    ours.join(added.welcome)
    return ours, theirs


@pytest.mark.parametrize("begun", [our_group, their_group])
def test_a_group_of_two(begun: Callable[[], tuple[OurMember, OpenMlsMember]]) -> None:
    ours, theirs = begun()
    agree(ours, theirs)
    message = ours.encrypt(b"from us", padding=100)
    assert theirs.receive(message) == "application"
    with pytest.raises(OracleRefusedError):
        theirs.receive(message)


def test_commits_of_ours() -> None:
    ours, theirs = our_group()
    for _ in range(5):
        assert theirs.receive(ours.commit().commit) == "commit"
        agree(ours, theirs)
    assert theirs.receive(ours.encrypt(b"after it")) == "application"


def test_a_third_comes_and_goes() -> None:
    ours, theirs = their_group()
    third = OurMember("third")
    added = theirs.add(third.key_package())
    ours.receive(added.commit)
    assert added.welcome is not None
    third.join(added.welcome)
    agree(third, theirs)
    removed = theirs.remove(2)
    ours.receive(removed.commit)
    third.receive(removed.commit)
    assert (third.in_group, ours.in_group) == (False, True)
    agree(ours, theirs)
    another = OpenMlsMember("another")
    welcomed = ours.add(another.key_package())
    theirs.receive(welcomed.commit)
    assert welcomed.welcome is not None
    another.join(welcomed.welcome)
    agree(ours, another)
    agree(ours, theirs)
    gone = ours.remove(2)
    assert theirs.receive(gone.commit) == "commit"
    agree(ours, theirs)


def test_members_of_both_kinds_by_turns() -> None:
    """Commits of one kind are on the path of the other kind, in a tree with blanks and unmerged leaves."""
    ours, theirs = our_group()
    third, fourth = OurMember("third"), OpenMlsMember("fourth")
    for adder, follower, joiner in ((theirs, ours, third), (ours, theirs, fourth)):
        added = adder.add(joiner.key_package())
        follower.receive(added.commit)
        if joiner is fourth:
            third.receive(added.commit)
        assert added.welcome is not None
        joiner.join(added.welcome)
    for sender in (third, ours, third):
        committed = sender.commit()
        for member in (ours, third, theirs, fourth):
            if member is not sender:
                member.receive(committed.commit)
    for one in (ours, third):
        for other in (theirs, fourth):
            agree(one, other)
    removed = fourth.remove(0)
    for member in (ours, third, theirs):
        member.receive(removed.commit)
    assert not ours.in_group
    agree(third, theirs)
    agree(third, fourth)


def test_they_take_our_proposal_and_our_external_commit() -> None:
    ours, theirs = our_group()
    second = OurMember("second")
    joined = second.join_externally(ours.group_info())
    for member in (ours, theirs):
        member.receive(joined.commit)
    agree(second, theirs)
    assert theirs.receive(second.propose_update()) == "proposal"
    assert theirs.receive(second.propose(Remove(0))) == "proposal"


@pytest.mark.parametrize("at", [10, -30, -1])
def test_they_refuse_what_was_changed(at: int) -> None:
    ours, theirs = our_group()
    message = bytearray(ours.encrypt(b"from us"))
    message[at] ^= 1
    with pytest.raises(OracleRefusedError):
        theirs.receive(bytes(message))
