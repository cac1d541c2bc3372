# SPDX-License-Identifier: Apache-2.0
"""What a node publishes of its directory is what a stranger can verify, or nothing."""

import pytest

from globe_node.directory.publication import Publisher
from globe_node.directory.register import Register
from globe_node.errors import ConfigError
from keys.node_keys import NodeKeys
from protocol.directory.bundle import parse_bundle
from protocol.errors import LocalProtocolError, ReasonCode
from protocol.lookup.publication import STATEMENTS, described, public_files, verify_manifest
from tests.support.clock import START, FixedClock
from tests.support.directory import certified_node_keys, sample_network
from tests.support.identities import node_keys
from tests.support.store import memory_store

NETWORK = sample_network()


async def publisher(mine: NodeKeys, *, filled: bool = True) -> Publisher:
    store = memory_store()
    register = Register(store, FixedClock())
    await register.load()
    if filled:
        await register.pin(NETWORK.fingerprint)
        await register.admit(NETWORK.statements, source="file")
    return Publisher(store, register, FixedClock(), mine)


async def test_a_stranger_can_verify_it() -> None:
    manifest, signature, files = await (await publisher(certified_node_keys("xb-ibu"))).make()
    assert verify_manifest(NETWORK.fingerprint, manifest.to_bytes(), signature, files[STATEMENTS]) == manifest
    assert manifest.files == described(files)
    assert {path: data for path, data in files.items() if path != STATEMENTS} == dict(
        public_files(NETWORK.state, START)
    )
    path = parse_bundle(files[STATEMENTS]).statements
    assert path == (NETWORK.statements[0], *NETWORK.statements[3:5])


async def test_a_node_that_nobody_could_verify_publishes_nothing() -> None:
    unlisted = await publisher(node_keys("xa-acc", "spare"))
    with pytest.raises(LocalProtocolError) as caught:
        await unlisted.make()
    assert caught.value.code is ReasonCode.NO_KEY
    empty = await publisher(certified_node_keys(), filled=False)
    with pytest.raises(ConfigError):
        await empty.make()
