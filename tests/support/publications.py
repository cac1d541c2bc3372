# SPDX-License-Identifier: Apache-2.0
"""Public files as the node of an authority of the sample network signs them, also such as none would sign."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from keys.node_keys import NodeKeys
from protocol.directory.bundle import bundle_to_bytes
from protocol.directory.replay import DirectoryState
from protocol.identifiers import NodeName
from protocol.lookup.publication import STATEMENTS, Manifest, described, public_files
from protocol.signing import labels
from tests.support.clock import START
from tests.support.directory import SampleNetwork, certified_node_keys, sample_network


@dataclass(frozen=True, slots=True)
class Publication:
    """Everything that lies in the folder."""

    manifest: Manifest
    signature: bytes
    files: Mapping[str, bytes]

    @property
    def signed(self) -> bytes:
        return self.manifest.to_bytes()

    def but(self, *, signer: NodeKeys | None = None, **changes: Any) -> "Publication":
        """The same with another manifest, signed as it should be."""
        return signed_over(replace(self.manifest, **changes), self.files, signer or certified_node_keys())


def signed_over(manifest: Manifest, files: Mapping[str, bytes], signer: NodeKeys) -> Publication:
    signature = signer.signing.sign(labels.PUBLIC_DIRECTORY, manifest.to_bytes())
    return Publication(manifest, signature, files)


def published(
    network: SampleNetwork | None = None,
    state: DirectoryState | None = None,
    *,
    path: Sequence[bytes] = (),
    at: datetime = START,
) -> Publication:
    """What the node of the first authority of a network publishes.

    Args:
        network: the sample network, if no other is given.
        state: its state; another one than its statements make if it should be so.
        path: the statements that lead to the key; the right ones if none are given.
        at: when.
    """
    network = network or sample_network()
    state = state or network.state
    files = dict(public_files(state, at))
    files[STATEMENTS] = bundle_to_bytes(network.fingerprint, path or network.statements[:3])
    node = certified_node_keys()
    manifest = Manifest(
        network=network.fingerprint,
        sample=True,
        view=state.view,
        at=at,
        publisher=NodeName(node.authority, node.node),
        key=node.signing.key_id,
        files=described(files),
    )
    return signed_over(manifest, files, node)
