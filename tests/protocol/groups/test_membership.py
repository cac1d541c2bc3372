# SPDX-License-Identifier: Apache-2.0
"""Leaves as nodes of the directory: one each, on the roster, and when they have fallen."""

from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from protocol.directory.statements import CompromisedKey, RetireKey
from protocol.errors import ReasonCode
from protocol.groups.certificate import leaf_certificate_hash
from protocol.groups.credential import LeafIdentity
from protocol.groups.errors import UnknownCertificateError, UnknownIssuerError
from protocol.groups.membership import (
    FallenLeaf,
    fallen_leaves,
    identity_in,
    verify_leaf_identity,
    verify_membership,
)
from protocol.identifiers import NodeName
from protocol.mls.structures.extensions import BasicCredential, X509Credential
from protocol.mls.structures.nodes import LeafNode
from tests.support.clock import START
from tests.support.directory import certified_node_keys, sample_network, updated
from tests.support.leaves import issued, leaf_certificate, leaf_key
from tests.support.memberships import (
    CERTIFICATES,
    EXTENSION,
    HUB,
    OTHER,
    SECOND,
    STATE,
    THIRD,
    TREE,
    A,
    B,
    C,
    sample_leaf,
    sample_tree,
)
from tests.support.refusals import refused

CERTIFICATE = issued(leaf_certificate(*OTHER))


def test_a_leaf_is_the_node_of_its_certificate() -> None:
    leaf = sample_leaf(OTHER)
    assert identity_in(leaf) == LeafIdentity(OTHER, leaf_certificate_hash(CERTIFICATE))
    assert verify_leaf_identity(leaf, CERTIFICATES, STATE) == leaf_certificate(*OTHER)


def test_an_unknown_certificate_is_asked_for_by_its_hash() -> None:
    with pytest.raises(UnknownCertificateError) as unknown:
        verify_leaf_identity(sample_leaf(OTHER), {}, STATE)
    assert unknown.value.certificate_hash == leaf_certificate_hash(CERTIFICATE)
    assert unknown.value.code is ReasonCode.REFUSED


def test_an_unknown_issuer_is_asked_for() -> None:
    with pytest.raises(UnknownIssuerError):
        verify_leaf_identity(sample_leaf(SECOND), CERTIFICATES, sample_network().state)


def identified(name: NodeName, certificate: bytes) -> BasicCredential:
    return BasicCredential(LeafIdentity(name, leaf_certificate_hash(certificate)).to_bytes())


@pytest.mark.parametrize(
    ("leaf", "code"),
    [
        pytest.param(
            sample_leaf(OTHER, signature_key=leaf_key("another")), ReasonCode.REFUSED, id="another key"
        ),
        pytest.param(
            sample_leaf(OTHER, credential=identified(SECOND, CERTIFICATE)),
            ReasonCode.REFUSED,
            id="another node",
        ),
        pytest.param(
            sample_leaf(OTHER, credential=identified(THIRD, CERTIFICATE)),
            ReasonCode.REFUSED,
            id="another authority",
        ),
        pytest.param(
            sample_leaf(OTHER, credential=BasicCredential(b"somebody")),
            ReasonCode.BAD_CONTENT,
            id="no identity",
        ),
        pytest.param(
            sample_leaf(OTHER, credential=X509Credential((b"der",))), ReasonCode.BAD_CONTENT, id="X.509"
        ),
    ],
)
def test_a_leaf_that_is_somebody_else(leaf: LeafNode, code: ReasonCode) -> None:
    refused(partial(verify_leaf_identity, leaf, CERTIFICATES, STATE), code)


def test_members_are_those_of_the_extension() -> None:
    verify_membership(TREE, EXTENSION)
    verify_membership(TREE, replace(EXTENSION, roster=(A, B, C)))
    verify_membership(sample_tree(sample_leaf(HUB)), EXTENSION)


@pytest.mark.parametrize(
    "names",
    [(HUB, OTHER, OTHER), (HUB, OTHER, THIRD), (OTHER, SECOND)],
    ids=["twice", "off the roster", "no hub"],
)
def test_other_members(names: tuple[NodeName, ...]) -> None:
    tree = sample_tree(*map(sample_leaf, names))
    refused(lambda: verify_membership(tree, EXTENSION), ReasonCode.REFUSED)


def test_leaves_that_have_fallen_are_named() -> None:
    assert fallen_leaves(TREE, CERTIFICATES, STATE, START) == ()
    key = certified_node_keys(*OTHER).signing.key_id
    compromised = STATE.apply(updated(STATE, OTHER.authority, CompromisedKey(key=key, since=START)))
    assert fallen_leaves(TREE, CERTIFICATES, compromised, START) == (
        FallenLeaf(1, OTHER, ReasonCode.REFUSED),
    )
    retired = STATE.apply(updated(STATE, OTHER.authority, RetireKey(key=key)))
    assert fallen_leaves(TREE, CERTIFICATES, retired, START) == ()


def test_leaves_fall_when_their_time_is_long_over() -> None:
    end = START + timedelta(days=90)
    assert fallen_leaves(TREE, CERTIFICATES, STATE, end - timedelta(milliseconds=1)) == ()
    assert [(one.leaf, one.code) for one in fallen_leaves(TREE, CERTIFICATES, STATE, end)] == [
        (number, ReasonCode.EXPIRED) for number in range(3)
    ]


def test_a_certificate_that_should_have_been_kept() -> None:
    with pytest.raises(UnknownCertificateError):
        fallen_leaves(TREE, {}, STATE, START)
