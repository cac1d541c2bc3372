# SPDX-License-Identifier: Apache-2.0
"""A sample network for measurements: officers, authorities with keys, and home folders of their nodes.

It calls what the commands `init`, `network create`, `network admit` and `directory publish` call.
"""

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from globe_node.clock import SystemClock
from globe_node.directory.admission_request import AdmissionRequest, AuthorityFacts
from globe_node.directory.publish import admit_authority, found_network, key_addition, update_authority
from globe_node.home import Home, make_home, write_private
from keys import keystore
from keys.entropy import SystemEntropy
from keys.keystore import PassphraseSources, read_passphrase
from keys.node_keys import AuthorityRoot, NodeKeys, OfficerKey
from protocol import limits
from protocol.directory.contacts import AuthorityKind
from protocol.directory.replay import DirectoryState
from protocol.directory.statements import Officer, Operation, PutEndpoint, Root, Thresholds
from protocol.identifiers import AuthorityId, NodeId, parse_authority_id, parse_node_id
from protocol.octets import base64_text

NODE = "main"
LOOPBACK = "127.0.0.1"
CONNECTIONS = 1_000
"""From one address: all peers of a bench are on this machine."""
OPENED = 200
"""Consultations that are opened in a row, by benches that open some."""
ENOUGH_KEY_PACKAGES = OPENED + limits.KEY_PACKAGE_REFILL - 1
"""For so many; what is left then is so little that more are asked for."""


@dataclass(frozen=True, slots=True)
class Member:
    """One authority and the keys of its node.

    Attributes:
        port: where its node listens; 0 for one that only calls.
    """

    root: AuthorityRoot
    node_keys: NodeKeys
    port: int

    @property
    def authority(self) -> AuthorityId:
        """Its id."""
        return self.root.authority

    @property
    def node(self) -> NodeId:
        """The name of its node."""
        return self.node_keys.node

    @property
    def endpoint(self) -> str:
        """Where its node is reached; empty for one that only calls."""
        return f"https://{LOOPBACK}:{self.port}" if self.port else ""


@dataclass(frozen=True, slots=True)
class Network:
    """A network that every member joins.

    Attributes:
        statements: the root, then one admission and one update for each member.
        folder: where homes are made.
        key_packages: how many each node holds of each peer.
    """

    state: DirectoryState
    statements: Sequence[bytes]
    members: Sequence[Member]
    folder: Path
    key_packages: int = limits.KEY_PACKAGE_POOL

    def as_import(self) -> dict[str, object]:
        """Return the arguments of `directory.import`."""
        statements = [base64_text(statement) for statement in self.statements]
        return {"network": self.state.network.fingerprint, "statements": statements}

    def make_home(self, member: Member) -> Home:
        """Make the home folder of a member's node, as `init` does."""
        home = Home(self.folder / member.authority)
        make_home(home)
        file = self.folder / "passphrase"
        if not file.exists():
            write_private(file, b"sample passphrase, for measurements only\n")
        passphrase = read_passphrase(PassphraseSources(file=file))
        keystore.create(home.node_keys, member.node_keys, passphrase, entropy=SystemEntropy())
        write_private(home.settings, self._settings(member, file).encode())
        return home

    def _settings(self, member: Member, passphrase_file: Path) -> str:
        return "\n".join(
            (
                f'authority = "{member.authority}"',
                f'node = "{member.node}"',
                f'network = "{self.state.network.fingerprint}"',
                f'passphrase_file = "{passphrase_file}"',
                "[peering]",
                f'endpoint = "{member.endpoint}"',
                f'listen_host = "{LOOPBACK}"',
                f"listen_port = {member.port}",
                f"max_connections = {CONNECTIONS}",
                f"max_connections_per_source = {CONNECTIONS}",
                "[delivery]",
                f"key_packages = {self.key_packages}",
                "",
            )
        )


def found(
    folder: Path, reachable: int, calling: int = 0, *, key_packages: int = limits.KEY_PACKAGE_POOL
) -> Network:
    """Found a network and admit its members: some whose nodes are reached, some that only call."""
    now = SystemClock().now().replace(microsecond=0) - timedelta(minutes=1)
    ports = [*free_ports(reachable), *([0] * calling)]
    members = [_member(f"xa-sample-{number}", port, now) for number, port in enumerate(ports, 1)]
    officers = [OfficerKey.generate(f"officer-{number}", SystemEntropy()) for number in (1, 2, 3)]
    listed = tuple(
        Officer(name=officer.office, organisation="Sample secretariat", key=officer.signing.public_key)
        for officer in officers
    )
    thresholds = Thresholds(root=2, admit=2, suspend=1)
    root = Root(name="Sample network", sample=True, officers=listed, thresholds=thresholds)
    founded = found_network(root, [officer.signing for officer in officers], now)
    state, statements = founded.state, [founded.root]
    for member in members:
        for statement in _joining(state, member, officers[:2], now):
            statements.append(statement)
            state = state.apply(statement)
    return Network(state, tuple(statements), tuple(members), folder, key_packages)


def free_ports(count: int) -> list[int]:
    """Return loopback ports that nobody listens on now."""
    listeners = [socket.create_server((LOOPBACK, 0)) for _ in range(count)]
    ports = [int(listener.getsockname()[1]) for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


def _member(authority: str, port: int, now: datetime) -> Member:
    root = AuthorityRoot.generate(parse_authority_id(authority), SystemEntropy())
    return Member(root, NodeKeys.generate(root, parse_node_id(NODE), now, SystemEntropy()), port)


def _joining(
    state: DirectoryState, member: Member, officers: Sequence[OfficerKey], now: datetime
) -> tuple[bytes, bytes]:
    """Return the two statements by which a member is admitted and says how it is reached."""
    network = state.network.fingerprint
    facts = AuthorityFacts(country="XA", names={"en": f"Sample {member.authority}"}, kind=AuthorityKind.ACA)
    request = AdmissionRequest.made_by(member.root, network, facts)
    admission = request.admission(now + timedelta(days=365))
    signers = [officer.signing for officer in officers]
    admitted = admit_authority(state, member.authority, admission, officers=signers, issued=now)
    operations: list[Operation] = [key_addition(network, member.node_keys)]
    if member.port:
        operations.append(PutEndpoint(node=member.node, url=member.endpoint))
    return admitted, update_authority(state.apply(admitted), member.root, operations, issued=now)
