# SPDX-License-Identifier: Apache-2.0
"""Leaf keys and leaf certificates of sample nodes: the same for the same names."""

from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from typing import Any

from nacl.signing import SigningKey

from globe_node.directory.publish import key_addition
from keys.node_keys import NodeKeys
from protocol.directory.replay import DirectoryState
from protocol.groups.certificate import LeafCertificate, issue_leaf_certificate
from protocol.identifiers import AuthorityId, NodeId
from tests.support.clock import START
from tests.support.directory import certified_node_keys, sample_network, updated


@lru_cache(maxsize=256)
def leaf_seed(name: str) -> bytes:
    """The private key of a leaf, 32 bytes."""
    return sha256(f"leaf {name}".encode()).digest()


@lru_cache(maxsize=256)
def leaf_key(name: str) -> bytes:
    """The public key of a leaf."""
    return bytes(SigningKey(leaf_seed(name)).verify_key)


def leaf_certificate(authority: str = "xa-acc", node: str = "main", **changes: Any) -> LeafCertificate:
    certificate = LeafCertificate(
        serial=sha256(f"{authority}/{node}".encode()).hexdigest()[:32],
        authority=AuthorityId(authority),
        node=NodeId(node),
        key=leaf_key(f"{authority}/{node}"),
        not_before=START,
        not_after=START + timedelta(days=30),
        issuer=certified_node_keys(authority, node).signing.key_id,
    )
    return replace(certificate, **changes)


@lru_cache(maxsize=256)
def issued(certificate: LeafCertificate, signer: NodeKeys | None = None) -> bytes:
    """The certificate, signed by the node it names; once in a test run, because signing draws chance."""
    node = signer or certified_node_keys(certificate.authority, certificate.node)
    return issue_leaf_certificate(node.signing, certificate)


@lru_cache(maxsize=8)
def two_node_network(authority: str = "xa-acc", node: str = "second", at: datetime = START) -> DirectoryState:
    """The sample network, in which one authority has a node more."""
    state = sample_network().state
    addition = key_addition(state.network.fingerprint, certified_node_keys(authority, node))
    return state.apply(updated(state, authority, addition, issued=at))
