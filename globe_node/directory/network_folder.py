# SPDX-License-Identifier: Apache-2.0
"""The folder in which officers keep a network: its statements in one bundle, and drafts that need more names.

Officers' keys are not read here; who signs hands a signer in.

1. The bundle holds every statement in an order in which it can be replayed; it is replaced as a whole.
2. The first line of the bundle names the network; whoever got the folder from somebody else compares the
   fingerprint by another way before signing in it.
3. A draft is a statement with too few signatures. It is put into the bundle when it has enough.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from globe_node.directory.publish import finished
from globe_node.errors import ConfigError, ConflictError, SecondApproverError
from globe_node.home import replace_private, write_private
from protocol.directory.bundle import MAX_BUNDLE_BYTES, bundle_to_bytes, parse_bundle
from protocol.directory.dsse import SignedStatement
from protocol.directory.judgement import Outcome
from protocol.directory.replay import DirectoryState, replay
from protocol.directory.statements import Suspension, parse_statement
from protocol.errors import RemoteProtocolError
from protocol.identifiers import Digest


@dataclass(frozen=True, slots=True)
class NetworkFolder:
    """The places in the folder of a network."""

    folder: Path

    @property
    def bundle(self) -> Path:
        """All statements."""
        return self.folder / "network.bundle"

    def officer_key(self, number: int) -> Path:
        """The sealed key file of an officer, until it is handed over."""
        return self.folder / f"officer-{number}.sealed"

    def draft(self, statement_id: Digest) -> Path:
        """A statement that waits for more signatures."""
        return self.folder / f"draft-{statement_id[:12]}.json"

    def require_none(self) -> None:
        """Refuse a folder in which a network was founded.

        Raises:
            ConflictError: there is one.
        """
        if self.bundle.exists():
            raise ConflictError(
                f"there is a network in {self.folder} already",
                hint="Name another folder with --dir; a network is founded once.",
            )


@dataclass(frozen=True, slots=True)
class KeptNetwork:
    """A network as its folder holds it."""

    folder: NetworkFolder
    statements: tuple[bytes, ...]
    state: DirectoryState

    def with_statements(self, added: Sequence[bytes]) -> "KeptNetwork":
        """Return the network with more statements; known ones are passed over.

        Raises:
            RemoteProtocolError: one does not hold.
        """
        state, statements = self.state, list(self.statements)
        for statement in added:
            after, verdict = state.advance(statement)
            if verdict.outcome is not Outcome.KNOWN:
                statements.append(statement)
            state = after
        return KeptNetwork(self.folder, tuple(statements), state)

    def settled(self, signed: SignedStatement) -> "KeptNetwork":
        """Take a statement of officers in, or keep it as a draft while signatures are missing.

        Raises:
            SecondApproverError: a draft was written.
            LocalProtocolError: it would be refused.
        """
        thresholds = self.state.network.thresholds
        suspends = isinstance(parse_statement(signed.payload).content, Suspension)
        needed = thresholds.suspend if suspends else thresholds.admit
        if len(signed.signatures) >= needed:
            return self.with_statements([finished(self.state, signed)])
        path = self.folder.draft(signed.statement_id)
        replace_private(path, signed.to_bytes())
        raise SecondApproverError(
            f"signed by {len(signed.signatures)} of {needed} officers; the draft is {path}",
            hint="The next officer runs: globe-node network countersign FILE --dir DIR --sign-with FILE",
        )

    def to_bytes(self) -> bytes:
        """Write the bundle that nodes import."""
        return bundle_to_bytes(self.state.network.fingerprint, self.statements)

    def save(self) -> None:
        """Put the bundle in the place of the one before."""
        replace_private(self.folder.bundle, self.to_bytes())


def make_network(folder: NetworkFolder, state: DirectoryState, root: bytes) -> KeptNetwork:
    """Begin the bundle of a new network.

    Raises:
        ConflictError: there is a network in the folder.
        ConfigError: the disk does not take it.
    """
    folder.require_none()
    kept = KeptNetwork(folder, (root,), state)
    write_private(folder.bundle, kept.to_bytes())
    return kept


def open_network(folder: NetworkFolder) -> KeptNetwork:
    """Read and replay the network of a folder.

    Raises:
        ConfigError: there is none, or a statement in it does not hold.
    """
    try:
        with folder.bundle.open("rb") as file:
            data = file.read(MAX_BUNDLE_BYTES + 1)
    except OSError:
        raise ConfigError(
            f"no network in {folder.folder}",
            hint="Found one with `globe-node network create`, or name its folder with --dir.",
        ) from None
    try:
        bundle = parse_bundle(data)
        state = replay(bundle.network, bundle.statements)
    except RemoteProtocolError as error:
        raise ConfigError(
            f"the bundle in {folder.folder} does not hold: {error} ({error.code})",
            hint="Restore the folder from a copy; nothing was changed.",
            code=error.code,
        ) from None
    return KeptNetwork(folder, bundle.statements, state)
