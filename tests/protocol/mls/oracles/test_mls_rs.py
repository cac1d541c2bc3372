# SPDX-License-Identifier: Apache-2.0
"""Groups of ours with mls-rs 0.55.0: its handshake is in clear, it reads both forms."""

from collections.abc import Callable

import pytest

from protocol.errors import RemoteProtocolError
from protocol.mls.structures.proposals import Remove
from tests.support.mls_oracles.member import OracleRefusedError
from tests.support.mls_oracles.mls_rs import MlsRsMember
from tests.support.mls_oracles.ours import OurMember


def agree(ours: OurMember, theirs: MlsRsMember) -> None:
    assert ours.export(b"label", b"context", 32) == theirs.export(b"label", b"context", 32)


def talk(ours: OurMember, theirs: MlsRsMember) -> None:
    """Data goes both ways, and nobody takes a message twice."""
    message = ours.encrypt(b"from us", padding=100)
    assert theirs.receive(message) == b"from us"
    with pytest.raises(OracleRefusedError):
        theirs.receive(message)
    answer = theirs.encrypt(b"from them")
    assert ours.receive(answer) == b"from them"
    with pytest.raises(RemoteProtocolError):
        ours.receive(answer)


def our_group() -> tuple[OurMember, MlsRsMember]:
    ours, theirs = OurMember("ours"), MlsRsMember("theirs")
    ours.found()
    added = ours.add(theirs.key_package())
    assert added.welcome is not None
    theirs.join(added.welcome)
    return ours, theirs


def their_group() -> tuple[OurMember, MlsRsMember]:
    ours, theirs = OurMember("ours"), MlsRsMember("theirs")
    theirs.found()
    added = theirs.add(ours.key_package())
    assert added.welcome is not None
    ours.join(added.welcome)
    return ours, theirs


@pytest.mark.parametrize("begun", [our_group, their_group])
def test_a_group_of_two(begun: Callable[[], tuple[OurMember, MlsRsMember]]) -> None:
    ours, theirs = begun()
    agree(ours, theirs)
    talk(ours, theirs)


@pytest.mark.parametrize("private", [True, False])
def test_commits_by_turns(private: bool) -> None:
    ours, theirs = our_group()
    for _ in range(3):
        theirs.receive(ours.commit(private=private).commit)
        agree(ours, theirs)
        ours.receive(theirs.commit().commit)
        agree(ours, theirs)
        talk(ours, theirs)


def test_messages_out_of_order_and_of_the_epoch_before() -> None:
    ours, theirs = their_group()
    messages = [theirs.encrypt(f"{number}".encode()) for number in range(4)]
    assert ours.receive(messages[3]) == b"3"
    assert ours.receive(messages[0]) == b"0"
    ours.receive(theirs.commit().commit)
    assert ours.receive(messages[1]) == b"1"
    theirs.receive(ours.commit().commit)
    assert ours.receive(messages[2]) == b"2"


@pytest.mark.parametrize("private", [True, False])
def test_we_add_a_third_and_remove_a_member(private: bool) -> None:
    ours, theirs = our_group()
    third = MlsRsMember("third")
    added = ours.add(third.key_package(), private=private)
    theirs.receive(added.commit)
    assert added.welcome is not None
    third.join(added.welcome)
    agree(ours, third)
    agree(ours, theirs)
    removed = ours.remove(1, private=private)
    third.receive(removed.commit)
    theirs.receive(removed.commit)
    agree(ours, third)
    assert theirs.export(b"label", b"context", 32) != third.export(b"label", b"context", 32)


def test_they_add_a_third_of_ours_and_remove_it() -> None:
    ours, theirs = our_group()
    third = OurMember("third")
    added = theirs.add(third.key_package())
    ours.receive(added.commit)
    assert added.welcome is not None
    third.join(added.welcome)
    agree(third, theirs)
    theirs.receive(third.encrypt(b"here I am"))
    removed = theirs.remove_last_sender()
    third.receive(removed.commit)
    ours.receive(removed.commit)
    assert (third.in_group, ours.in_group) == (False, True)
    agree(ours, theirs)


def test_we_commit_what_they_proposed() -> None:
    ours, theirs = our_group()
    third = OurMember("third")
    ours.receive(theirs.propose_add(third.key_package()))
    committed = ours.commit()
    theirs.receive(committed.commit)
    assert committed.welcome is not None
    third.join(committed.welcome)
    agree(third, theirs)
    agree(ours, theirs)


@pytest.mark.parametrize("private", [True, False])
def test_they_commit_what_we_proposed(private: bool) -> None:
    ours, theirs = our_group()
    theirs.receive(ours.propose_update(private=private))
    ours.receive(theirs.commit().commit)
    agree(ours, theirs)
    third = MlsRsMember("third")
    added = ours.add(third.key_package())
    theirs.receive(added.commit)
    assert added.welcome is not None
    third.join(added.welcome)
    for member in (theirs, third):
        member.receive(ours.encrypt(b"who is here?"))
    proposal = ours.propose(Remove(2), private=private)
    theirs.receive(proposal)
    ours.receive(theirs.commit().commit)
    agree(ours, theirs)


def test_they_take_our_external_commit() -> None:
    ours, theirs = our_group()
    second = OurMember("second")
    joined = second.join_externally(ours.group_info())
    for member in (ours, theirs):
        member.receive(joined.commit)
    agree(second, theirs)
    again = OurMember("second", again=1)
    rejoined = again.join_externally(ours.group_info(), removed=second.group.own_leaf)
    for member in (ours, theirs):
        member.receive(rejoined.commit)
    agree(again, theirs)
    talk(again, theirs)


def test_eight_members_of_both_kinds() -> None:
    """Every second member is theirs; each one commits once, and all follow."""
    ours, theirs = our_group()
    members: list[OurMember | MlsRsMember] = [ours, theirs]
    for number in range(6):
        joiner = OurMember(f"our {number}") if number % 2 else MlsRsMember(f"their {number}")
        adder = members[number]
        added = adder.add(joiner.key_package())
        for member in members:
            if member is not adder:
                member.receive(added.commit)
        assert added.welcome is not None
        joiner.join(added.welcome)
        members.append(joiner)
    for sender in members:
        committed = sender.commit()
        for member in members:
            if member is not sender:
                member.receive(committed.commit)
        assert len({member.export(b"label", b"", 32) for member in members}) == 1
