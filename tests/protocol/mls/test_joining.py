# SPDX-License-Identifier: Apache-2.0
"""RFC 9420 sections 12.4.3 and 12.4.3.1: what a joiner refuses of a Welcome, one rule broken in each.

Where the breach is an insider's, everything else fits: tree hash, signature and confirmation are made for it.
"""

from dataclasses import replace
from functools import cache, partial
from operator import eq
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.errors import (
    MalformedError,
    ReasonCode,
    RemoteProtocolError,
    UnsupportedVersionError,
    UntrustedError,
)
from protocol.mls import schedule
from protocol.mls.changes.epochs import KnownPsks
from protocol.mls.group import Group
from protocol.mls.joining import join
from protocol.mls.policy import Policy
from protocol.mls.structures.extensions import Extension, ExtensionType, RequiredCapabilities
from protocol.mls.structures.group_info import Welcome, verify_group_info_signature
from protocol.mls.structures.key_packages import KeyPackage
from protocol.mls.structures.messages import MlsMessage, parse_mls_message
from protocol.mls.structures.nodes import ParentNode, ratchet_tree_bytes
from protocol.mls.structures.proposals import (
    ExternalPskId,
    PreSharedKey,
    Remove,
)
from protocol.mls.suites import PRODUCT_SUITE
from protocol.mls.tree.leaves import sign_leaf
from protocol.mls.tree.ratchet_tree import RatchetTree
from protocol.octets import Writer, op
from tests.support.mls_members import GROUP_ID, POLICY, group_of, key_package
from tests.support.mls_policy import Refusing
from tests.support.mls_suites import SUITE_1, SUITES
from tests.support.mls_welcomes import Invitation, invitation, open_parts, with_tree
from tests.support.vectors import vector_json

NONCE = bytes(PRODUCT_SUITE.hash_bytes)


@cache
def invited() -> Invitation:
    """Into a group of four of which one has gone: leaves 0, 2 and 3 stay, and leaf 1 is the joiner's."""
    return invitation(4, proposals=[Remove(1)])


def joined(welcome: bytes, invitation: Invitation | None = None, **changes: Any) -> Group:
    """Join, with what the test changes."""
    policy: Policy = changes.pop("policy", POLICY)
    secrets = changes.pop("secrets", (invitation or invited()).secrets)
    return join(changes.pop("suite", PRODUCT_SUITE), welcome, secrets, policy, **changes)


def test_what_was_not_changed_is_joined() -> None:
    found = invited()
    for welcome in (found.welcome, found.sealed(), found.sealed(found.forged())):
        group = joined(welcome)
        assert group.own_leaf == 1
        assert group.epoch_authenticator == found.committer.epoch_authenticator
    assert sorted(found.members) == [0, 2, 3]
    assert found.told.path_secret is not None


@pytest.mark.vectors
@pytest.mark.parametrize("case", range(7))
def test_official_welcomes(case: int) -> None:
    vector = vector_json("mls-implementations/welcome.json")[case]
    suite = SUITES[vector["cipher_suite"]]
    package = parse_mls_message(bytes.fromhex(vector["key_package"])).body
    assert isinstance(package, KeyPackage)
    welcome, init_private = bytes.fromhex(vector["welcome"]), bytes.fromhex(vector["init_priv"])
    told, info, psk = open_parts(suite, welcome, package, init_private)
    verify_group_info_signature(suite, info, bytes.fromhex(vector["signer_pub"]))
    context = info.group_context
    beginning = schedule.begin_epoch(suite, told.joiner_secret, psk, context.to_bytes())
    schedule.verify_confirmation(
        suite, beginning.confirmation_key, context.confirmed_transcript_hash, info.confirmation_tag
    )


# --- the message itself -------------------------------------------------------------------------------------
def test_another_version_is_refused() -> None:
    welcome = invited().welcome
    assert welcome[:2] == b"\0\1"
    with pytest.raises(UnsupportedVersionError):
        joined(b"\0\2" + welcome[2:])


def test_octets_after_a_welcome_are_refused() -> None:
    with pytest.raises(MalformedError):
        joined(invited().welcome + b"\0")


def test_octets_after_secrets_or_information_are_refused() -> None:
    found = invited()
    with pytest.raises(MalformedError):
        joined(found.sealed(plaintext=found.told.to_bytes() + b"\0"))
    with pytest.raises(MalformedError):
        joined(found.sealed(found.info.to_bytes() + b"\0"))


# --- for whom -----------------------------------------------------------------------------------------------
def test_a_welcome_for_nobody() -> None:
    body = parse_mls_message(invited().welcome).body
    assert isinstance(body, Welcome)
    with pytest.raises(RemoteProtocolError) as refused:
        joined(MlsMessage(replace(body, secrets=())).to_bytes())
    assert refused.value.code == ReasonCode.NOT_FOUND


def test_a_key_package_of_another_suite() -> None:
    found = invited()
    for suite, secrets in (
        (PRODUCT_SUITE, key_package("newcomer", suite=SUITE_1)),
        (SUITE_1, found.secrets),
        (SUITE_1, key_package("newcomer", suite=SUITE_1)),
    ):
        with pytest.raises(UnsupportedVersionError):
            joined(found.welcome, suite=suite, secrets=secrets)


def test_secrets_belong_to_their_group_information() -> None:
    found = invited()
    with pytest.raises(UntrustedError):
        joined(found.sealed(context=b""))
    one = parse_mls_message(found.welcome).body
    other = parse_mls_message(found.sealed(found.forged(by=3))).body
    assert isinstance(one, Welcome)
    assert isinstance(other, Welcome)
    mixed = replace(one, encrypted_group_info=other.encrypted_group_info)
    with pytest.raises(UntrustedError):
        joined(MlsMessage(mixed).to_bytes())


# --- pre-shared keys ----------------------------------------------------------------------------------------
PSK = ExternalPskId(b"vault", NONCE)
KNOWN = KnownPsks(external={b"vault": b"secret" * 8})


@cache
def invited_with_psk() -> Invitation:
    return invitation(2, proposals=[PreSharedKey(PSK)], psks=KNOWN)


def test_a_pre_shared_key_that_we_have() -> None:
    found = invited_with_psk()
    assert found.told.psks == (PSK,)
    assert joined(found.welcome, found, psks=KNOWN).epoch == 2


def test_another_pre_shared_key() -> None:
    found = invited_with_psk()
    for wrong in (b"", bytes(48), b"secret" * 7):
        with pytest.raises(UntrustedError):
            joined(found.welcome, found, psks=KnownPsks(external={b"vault": wrong}))


# --- who vouches for the group ------------------------------------------------------------------------------
def test_information_that_is_signed_for_another_leaf() -> None:
    found = invited()
    for signer in (2, 3):
        with pytest.raises(UntrustedError, match="a signature does not hold"):
            joined(found.sealed(found.forged(signer=signer, signed_by=found.committer)))


def test_the_joiner_does_not_vouch_for_its_own_group() -> None:
    """Only the joiner could sign so, and its Welcome would not come from a member."""
    found = invited()
    private = found.secrets.signature_private
    own = replace(found.committer, signature_private=private)
    with pytest.raises(UntrustedError, match="does not meet ours"):
        joined(found.sealed(found.forged(signer=1, signed_by=own)))


# --- which group --------------------------------------------------------------------------------------------
def test_a_group_of_another_version() -> None:
    encoded = invited().info.to_bytes()
    assert encoded[:2] == b"\0\1"
    with pytest.raises(UnsupportedVersionError):
        joined(invited().sealed(b"\0\2" + encoded[2:]))


def test_a_wrong_confirmation() -> None:
    found = invited()
    good = found.info.confirmation_tag
    for tag in (b"", bytes(48), good[:-1], good + b"\0"):
        with pytest.raises(UntrustedError, match="a confirmation that does not hold"):
            joined(found.sealed(found.forged(confirmation_tag=tag)))


def test_another_group_id_with_leaves_that_are_signed_for_this_one() -> None:
    found = invited()
    with pytest.raises(UntrustedError, match="a signature does not hold"):
        joined(found.sealed(found.forged(group_id=b"another")))


# --- the tree -----------------------------------------------------------------------------------------------
def test_a_tree_of_another_epoch_wherever_it_comes_from() -> None:
    found = invited()
    other = group_of(3)[0].tree.to_bytes()
    with pytest.raises(UntrustedError, match="a tree of another group or epoch"):
        joined(found.sealed(found.forged(extensions=with_tree(found.info.extensions, other))))
    bare = found.forged(extensions=with_tree(found.info.extensions, None))
    with pytest.raises(UntrustedError, match="a tree of another group or epoch"):
        joined(found.sealed(bare), ratchet_tree=other)
    with pytest.raises(UntrustedError, match="a tree of another group or epoch"):
        joined(found.sealed(found.forged(tree_hash=bytes(48))))


def refused_tree(tree: RatchetTree, error: type[RemoteProtocolError], match: str) -> None:
    found = invited()
    with pytest.raises(error, match=match):
        joined(found.sealed(found.forged(tree=tree)))


def parent_of(tree: RatchetTree, node: int) -> ParentNode:
    parent = tree.nodes[node]
    assert isinstance(parent, ParentNode)
    return parent


def test_a_tree_with_unmerged_leaves_of_nobody() -> None:
    found = invitation(3, path=False)
    tree = found.committer.tree
    root = parent_of(tree, 3)
    assert root.unmerged_leaves == (3,)
    for below in ((3, 4), (3, 9)):
        changed = tree.with_nodes({3: replace(root, unmerged_leaves=below)})
        with pytest.raises(MalformedError, match="an unmerged leaf of nobody below"):
            joined(found.sealed(found.forged(tree=changed)), found)
    for untold in (tuple[int, ...](), (2, 3)):
        changed = tree.with_nodes({3: replace(root, unmerged_leaves=untold)})
        with pytest.raises(UntrustedError, match="a parent that no leaf stands for"):
            joined(found.sealed(found.forged(tree=changed)), found)
    assert joined(found.sealed(found.forged(by=2)), found).own_leaf == 3


def test_a_tree_with_a_key_twice() -> None:
    tree = invited().committer.tree
    third = tree.leaf(3)
    second = tree.leaf(2)
    assert second is not None
    assert third is not None
    signed = sign_leaf(
        replace(third, encryption_key=second.encryption_key),
        suite=PRODUCT_SUITE,
        signature_key=invited().members[3].signature_private,
        group_id=GROUP_ID,
        leaf_index=3,
    )
    refused_tree(tree.with_nodes({6: signed}), UntrustedError, "an encryption key that is in the tree twice")
    copied = sign_leaf(
        replace(third, signature_key=second.signature_key),
        suite=PRODUCT_SUITE,
        signature_key=invited().members[2].signature_private,
        group_id=GROUP_ID,
        leaf_index=3,
    )
    refused_tree(tree.with_nodes({6: copied}), UntrustedError, "a signature key that is in the tree twice")


def test_a_tree_in_a_form_that_it_must_not_have() -> None:
    found = invited()
    nodes = found.committer.tree.nodes
    for wrong in (
        ratchet_tree_bytes((*nodes, None)),
        ratchet_tree_bytes((*nodes, None, None)),
        ratchet_tree_bytes(nodes[1:]),
        ratchet_tree_bytes(()),
        found.committer.tree.to_bytes() + b"\0",
        b"",
    ):
        info = found.forged(extensions=with_tree(found.info.extensions, wrong))
        with pytest.raises(MalformedError):
            joined(found.sealed(info))


# --- what members must support: sections 7.3, 11.1 and 13.4 -------------------------------------------------
@pytest.mark.parametrize(
    "extension",
    [
        Extension(0xF0E1, b""),
        Extension(0x0A0A, b""),
        Extension(ExtensionType.REQUIRED_CAPABILITIES, RequiredCapabilities(extensions=(0xF0E1,)).to_bytes()),
        Extension(ExtensionType.REQUIRED_CAPABILITIES, RequiredCapabilities(proposals=(8,)).to_bytes()),
        Extension(ExtensionType.REQUIRED_CAPABILITIES, RequiredCapabilities(credentials=(2,)).to_bytes()),
        Extension(ExtensionType.REQUIRED_CAPABILITIES, b"\1"),
    ],
    ids=["unknown", "grease", "extension", "proposal", "credential", "broken"],
)
def test_a_group_that_asks_for_more_than_members_support(extension: Extension) -> None:
    found = invited()
    with pytest.raises(MalformedError):
        joined(found.sealed(found.forged(group_extensions=(extension,))))


def test_an_extension_twice() -> None:
    found = invited()
    with pytest.raises(MalformedError, match="an extension twice in a list"):
        joined(found.sealed(_with_extension_twice(found)))


def _with_extension_twice(found: Invitation) -> bytes:
    """The information with its last extension repeated; the list is written by hand."""
    inner = Writer()
    for extension in (*found.info.extensions, found.info.extensions[-1]):
        inner.u16(extension.extension_type).op(extension.data)
    head = found.info.group_context.to_bytes()
    tail = Writer().op(found.info.confirmation_tag).u32(found.info.signer).op(found.info.signature)
    return head + op(inner.to_bytes()) + tail.to_bytes()


def test_unknown_information_about_the_group_is_ignored() -> None:
    found = invited()
    more = (*found.info.extensions, Extension(0x1A1A, b"?"), Extension(0xFEFE, b""))
    assert joined(found.sealed(found.forged(extensions=more))).own_leaf == 1


# --- the application ----------------------------------------------------------------------------------------
def test_a_group_that_is_too_large() -> None:
    found = invited()
    assert joined(found.welcome, policy=Refusing(max_members=4)).own_leaf == 1
    with pytest.raises(RemoteProtocolError) as refused:
        joined(found.welcome, policy=Refusing(max_members=3))
    assert refused.value.code == ReasonCode.QUOTA_EXCEEDED


def test_members_or_groups_that_the_policy_refuses() -> None:
    found = invited()
    for leaf in (0, 1, 2, 3):
        refused_leaf = found.committer.tree.leaf(leaf)
        with pytest.raises(UntrustedError, match="a leaf that the policy refuses"):
            joined(found.welcome, policy=Refusing(leaf=partial(eq, refused_leaf)))
    with pytest.raises(UntrustedError, match="a group that the policy refuses"):
        joined(found.welcome, policy=Refusing(group=lambda view: view.signer == 0 and not view.external))


def test_the_policy_is_asked_after_all_other_rules() -> None:
    found = invited()
    for wrong in (
        found.sealed(found.forged(confirmation_tag=bytes(48))),
        found.sealed(found.forged(signed_by=found.members[3])),
        found.sealed(told=replace(found.told, path_secret=bytes(48))),
    ):
        policy = Refusing()
        with pytest.raises(UntrustedError):
            joined(wrong, policy=policy)
        assert policy.asked == []


# --- anything else ------------------------------------------------------------------------------------------
@settings(max_examples=150)
@given(st.data())
def test_no_changed_welcome_is_joined(data: st.DataObject) -> None:
    welcome = bytearray(invited().welcome)
    at = data.draw(st.integers(0, len(welcome) - 1))
    welcome[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(RemoteProtocolError):
        joined(bytes(welcome))


@settings(max_examples=150)
@given(st.data())
def test_no_changed_information_is_believed(data: st.DataObject) -> None:
    info = bytearray(invited().info.to_bytes())
    at = data.draw(st.integers(0, len(info) - 1))
    info[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(RemoteProtocolError):
        joined(invited().sealed(bytes(info)))
