# SPDX-License-Identifier: Apache-2.0
"""Keys of sample authorities, nodes and officers: the same for the same names, made once in a test run."""

from functools import lru_cache

from keys.node_keys import AuthorityRoot, NodeKeys, OfficerKey
from protocol.identifiers import parse_authority_id, parse_node_id
from tests.support.clock import START
from tests.support.entropy import SeededEntropy


@lru_cache(maxsize=64)
def authority_root(authority: str = "xa-acc") -> AuthorityRoot:
    return AuthorityRoot.generate(parse_authority_id(authority), SeededEntropy(f"root {authority}"))


@lru_cache(maxsize=64)
def node_keys(authority: str = "xa-acc", node: str = "main") -> NodeKeys:
    """Keys of one node, certified by `authority_root(authority)` at `tests.support.clock.START`."""
    entropy = SeededEntropy(f"node {authority} {node}")
    return NodeKeys.generate(authority_root(authority), parse_node_id(node), START, entropy)


@lru_cache(maxsize=16)
def officer_key(office: str = "officer-1") -> OfficerKey:
    return OfficerKey.generate(office, SeededEntropy(f"officer {office}"))
