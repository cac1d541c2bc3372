# SPDX-License-Identifier: Apache-2.0
"""Messages that reach a member, a joiner or somebody who keeps key packages, and what these make of them.

Whoever changes them on the way has no key: nothing changed may be taken for something else.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

from protocol.mls.changes.rules import verify_key_package
from protocol.mls.commits import CommitDraft, create_commit, group_info, install
from protocol.mls.founding import KeyPackageSecrets
from protocol.mls.framing import protect_public, sign_content
from protocol.mls.group import Group
from protocol.mls.joining import ExternalDraft, join, join_externally, open_group_info
from protocol.mls.processing import Application, Outcome, Proposed, process
from protocol.mls.sending import ProposalDraft, propose
from protocol.mls.state import core_bytes, ratchet_bytes
from protocol.mls.structures.extensions import (
    BasicCredential,
    Extension,
    ExtensionType,
    ExternalSender,
    external_senders_bytes,
)
from protocol.mls.structures.key_packages import parse_key_package
from protocol.mls.structures.messages import (
    AuthData,
    AuthenticatedContent,
    FramedContent,
    MlsMessage,
    Sender,
    SenderType,
    WireFormat,
)
from protocol.mls.structures.proposals import Add, Remove
from protocol.mls.suites import PRODUCT_SUITE
from tests.support.entropy import SeededEntropy
from tests.support.mls_members import NOW_MS, POLICY, follow, group_of, leaf_draft, say
from tests.support.mls_members import key_package as package_of
from tests.support.mls_suites import SUITES

SUITE = SUITES[int(os.environ.get("MUTATION_SUITE", PRODUCT_SUITE.number))]
"""The product's own draws inside a library; with suite 1, everything repeats itself to the last octet."""
OUTSIDE_SIGNER = SUITE.signature.key_pair(SeededEntropy("outside").random_bytes(SUITE.signature.seed_bytes))


@dataclass(frozen=True)
class Target:
    """One message and whoever takes it.

    Attributes:
        octets: as they were meant.
        take: takes octets and returns what they mean, or raises `RemoteProtocolError`.
        state: returns everything that taking may not change.
        same: what other octets may mean if they are taken; None for nothing at all.
        loose: other octets may mean something else, as whoever makes them has the right to say it.
    """

    octets: bytes
    take: Callable[[bytes], bytes]
    state: Callable[[], bytes]
    same: bytes | None = None
    loose: bool = False


def key_package(name: str) -> KeyPackageSecrets:
    return package_of(name, suite=SUITE)


def stored(group: Group) -> bytes:
    return core_bytes(group) + ratchet_bytes(group)


def meaning(outcome: Outcome) -> bytes:
    """Return what a member understands; two messages with the same meaning are the same message."""
    if isinstance(outcome, Application):
        said = b"%d %d " % (outcome.epoch, outcome.generation) + outcome.authenticated_data
        return b"said" + outcome.sender.signature_key + said + outcome.data
    if isinstance(outcome, Proposed):
        return b"proposed" + outcome.reference + outcome.authenticated_data
    return b"committed" + (b"gone" if outcome.group is None else outcome.group.context.to_bytes())


def to_member(group: Group, octets: bytes) -> Target:
    return Target(
        octets=octets,
        take=lambda data: meaning(process(group, data, POLICY, NOW_MS)),
        state=lambda: stored(group),
    )


# --- the group ----------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class World:
    """A group of three members with an epoch behind it, an outside sender, and a message that is late."""

    members: tuple[Group, Group, Group]
    late: bytes


@cache
def world() -> World:
    sender = ExternalSender(OUTSIDE_SIGNER.public, BasicCredential(b"outside"))
    extension = Extension(ExtensionType.EXTERNAL_SENDERS, external_senders_bytes((sender,)))
    one, other, third = group_of(3, suite=SUITE, extensions=(extension,))
    one, late = say(one, b"late", "late")
    pending = create_commit(one, CommitDraft(), POLICY, SeededEntropy("second epoch"))
    assert pending.group is not None
    one = install(pending.group, pending.next_group, NOW_MS)
    return World((one, follow(other, pending.message), follow(third, pending.message)), late)


def _application() -> Target:
    one, other, _ = world().members
    return to_member(other, say(one, b"what is said" * 20)[1])


def _late_application() -> Target:
    return to_member(world().members[1], world().late)


def commit_message(draft: CommitDraft) -> bytes:
    return create_commit(world().members[0], draft, POLICY, SeededEntropy("commit")).message


def _commit(*, private: bool) -> Target:
    draft = CommitDraft(
        proposals=[Add(key_package("newcomer").package), Remove(2)],
        private=private,
        authenticated_data=b"why",
        padding=30,
    )
    return to_member(world().members[1], commit_message(draft))


def _proposal(*, private: bool) -> Target:
    one, other, _ = world().members
    draft = ProposalDraft(Remove(2), authenticated_data=b"why", private=private)
    return to_member(other, propose(one, draft, SeededEntropy("propose"))[1])


def _commit_of_references() -> Target:
    one, other, third = world().members
    proposing, message = propose(
        third, ProposalDraft(Add(key_package("by name").package)), SeededEntropy("p")
    )
    assert proposing.proposals
    one_knows, other_knows = (process(group, message, POLICY, NOW_MS).group for group in (one, other))
    assert one_knows is not None
    assert other_knows is not None
    draft = CommitDraft(references=[one_knows.proposals[0].reference], private=False)
    pending = create_commit(one_knows, draft, POLICY, SeededEntropy("refer"))
    return to_member(other_knows, pending.message)


def info_message() -> bytes:
    return MlsMessage(group_info(world().members[0], with_external_pub=True)).to_bytes()


def _external_commit() -> Target:
    draft = ExternalDraft(leaf=leaf_draft("2", suite=SUITE, seed="again"), removed=2)
    pending = join_externally(SUITE, info_message(), draft, POLICY, entropy=SeededEntropy("resync"))
    return to_member(world().members[1], pending.message)


def _outside_proposal() -> Target:
    group = world().members[1]
    content = FramedContent(group.group_id, group.epoch, Sender(SenderType.EXTERNAL, 0), b"why", Remove(2))
    signature = sign_content(
        SUITE,
        content,
        wire_format=WireFormat.PUBLIC_MESSAGE,
        context=group.context,
        private_key=OUTSIDE_SIGNER.private,
    )
    signed = AuthenticatedContent(WireFormat.PUBLIC_MESSAGE, content, AuthData(signature))
    message = protect_public(SUITE, signed, context=group.context, membership_key=b"")
    return to_member(group, MlsMessage(message).to_bytes())


def _request_to_be_added() -> Target:
    group = world().members[1]
    secrets = key_package("asking")
    content = FramedContent(
        group.group_id, group.epoch, Sender(SenderType.NEW_MEMBER_PROPOSAL), b"", Add(secrets.package)
    )
    signature = sign_content(
        SUITE,
        content,
        wire_format=WireFormat.PUBLIC_MESSAGE,
        context=group.context,
        private_key=secrets.signature_private,
    )
    signed = AuthenticatedContent(WireFormat.PUBLIC_MESSAGE, content, AuthData(signature))
    message = protect_public(SUITE, signed, context=group.context, membership_key=b"")
    return to_member(group, MlsMessage(message).to_bytes())


# --- to joiners ---------------------------------------------------------------------------------------------
def joined(group: Group) -> bytes:
    """Return what a joiner came to, whatever else came with it."""
    return group.context.to_bytes() + group.epoch_authenticator


@cache
def welcome_message(*, with_tree: bool) -> bytes:
    draft = CommitDraft(proposals=[Add(key_package("joiner").package)], welcome_with_tree=with_tree)
    pending = create_commit(world().members[0], draft, POLICY, SeededEntropy("welcome"))
    return pending.welcomes[0]


@cache
def tree_beside() -> bytes:
    draft = CommitDraft(proposals=[Add(key_package("joiner").package)], welcome_with_tree=False)
    pending = create_commit(world().members[0], draft, POLICY, SeededEntropy("welcome"))
    return pending.next_group.tree.to_bytes()


def _welcome() -> Target:
    """What a Welcome has for others may be changed: a joiner does not read it."""
    octets = welcome_message(with_tree=True)
    secrets = key_package("joiner")

    def take(data: bytes) -> bytes:
        return joined(join(SUITE, data, secrets, POLICY))

    return Target(octets, take, secrets.package.to_bytes, same=take(octets))


def _tree_of_a_welcome() -> Target:
    welcome, secrets = welcome_message(with_tree=False), key_package("joiner")
    return Target(
        octets=tree_beside(),
        take=lambda data: joined(join(SUITE, welcome, secrets, POLICY, ratchet_tree=data)),
        state=secrets.package.to_bytes,
    )


def _group_info() -> Target:
    return Target(
        octets=info_message(),
        take=lambda data: open_group_info(SUITE, data).info.to_bytes(),
        state=lambda: b"",
    )


def _key_package() -> Target:
    def take(data: bytes) -> bytes:
        package = parse_key_package(data)
        verify_key_package(SUITE, package)
        return package.to_bytes()

    return Target(key_package("somebody").package.to_bytes(), take, lambda: b"")


def once(makers: Mapping[str, Callable[[], Target]]) -> dict[str, Callable[[], Target]]:
    """Return the same makers, of which each makes one target: genuine messages exist once."""
    return {name: cache(make) for name, make in makers.items()}


OUTSIDERS = once(
    {
        "application": _application,
        "late_application": _late_application,
        "private_commit": lambda: _commit(private=True),
        "public_commit": lambda: _commit(private=False),
        "commit_of_references": _commit_of_references,
        "private_proposal": lambda: _proposal(private=True),
        "public_proposal": lambda: _proposal(private=False),
        "outside_proposal": _outside_proposal,
        "request_to_be_added": _request_to_be_added,
        "external_commit": _external_commit,
        "welcome": _welcome,
        "tree_of_a_welcome": _tree_of_a_welcome,
        "group_info": _group_info,
        "key_package": _key_package,
    }
)
"""By name; made when they are wanted."""


@cache
def corpus() -> tuple[bytes, ...]:
    """Return all messages, to take pieces from."""
    return tuple(make().octets for make in OUTSIDERS.values())
