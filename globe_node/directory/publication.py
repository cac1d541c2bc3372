# SPDX-License-Identifier: Apache-2.0
"""Makes and signs what anybody may see of this node's directory. It writes no file and decides no rule.

1. Everything comes from one state at one moment; the directory may change meanwhile, the files do not.
2. The node signs with the key that the directory lists for it. A node that the directory does not list, or
   whose authority is stopped, signs nothing: nobody could verify it.
3. Other work of the node goes on while a large directory is written.
"""

from collections.abc import Mapping
from datetime import datetime

from globe_node.clock import Clock
from globe_node.directory import records
from globe_node.directory.register import Register
from globe_node.store.door import Store, Transaction
from keys.node_keys import NodeKeys
from protocol import canonical
from protocol.directory.bundle import bundle_to_bytes
from protocol.directory.replay import DirectoryState
from protocol.errors import LocalProtocolError, ReasonCode, UntrustedError
from protocol.identifiers import NodeName
from protocol.lookup.publication import (
    STATEMENTS,
    Manifest,
    chains_of_trust,
    described,
    public_files,
)
from protocol.signing import labels

PART = 25
"""Files that are made before others have their turn: some milliseconds."""


class Publisher:
    """Makes the public files of one node.

    Args:
        store: where the statements are kept.
        register: the directory.
        clock: the time of day.
        node_keys: whose signature stands under the files.
    """

    def __init__(self, store: Store, register: Register, clock: Clock, node_keys: NodeKeys) -> None:
        self._store = store
        self._register = register
        self._clock = clock
        self._node_keys = node_keys

    async def make(self) -> tuple[Manifest, bytes, Mapping[str, bytes]]:
        """Return the manifest, its signature, and the files by path.

        Raises:
            ConfigError: there is no directory yet.
            LocalProtocolError: the directory does not list the key of this node (`no_key`).

        Spec: PROTOCOL.md section 10.9.
        """
        state = self._register.state
        now = canonical.parse_moment(canonical.moment_text(self._clock.now()))
        self._require_listed(state, now)
        files: dict[str, bytes] = {}
        for number, (path, data) in enumerate(public_files(state, now), 1):
            files[path] = data
            if number % PART == 0:
                await self._clock.sleep(0)
        files[STATEMENTS] = await self._store.read(self._statements)
        manifest = Manifest(
            network=state.network.fingerprint,
            sample=state.network.sample,
            view=state.view,
            at=now,
            publisher=NodeName(self._node_keys.authority, self._node_keys.node),
            key=self._node_keys.signing.key_id,
            files=described(files),
        )
        signature = self._node_keys.signing.sign(labels.PUBLIC_DIRECTORY, manifest.to_bytes())
        return manifest, signature, files

    def _statements(self, tx: Transaction) -> bytes:
        """Return the bundle that leads from the network's root to the key of this node."""
        wanted = chains_of_trust(self._node_keys.authority)
        ids = [place.statement_id for place in records.places(tx) if place.chain in wanted]
        found = records.statements_by_id(tx, ids)
        network = self._register.state.network.fingerprint
        return bundle_to_bytes(network, [found[statement_id] for statement_id in ids])

    def _require_listed(self, state: DirectoryState, now: datetime) -> None:
        """Check that a stranger will find the key of this node in use."""
        mine = self._node_keys
        try:
            state.require_sender(mine.authority, mine.signing.key_id, now)
        except UntrustedError:
            raise LocalProtocolError(
                "the directory does not list the key of this node as one in use", code=ReasonCode.NO_KEY
            ) from None
