# SPDX-License-Identifier: Apache-2.0
"""Statements that we make: the network's root, admissions, and what an authority says about itself.

It stores and sends nothing. What it returns was checked as a peer will check it.

1. Whoever signs gives the time; places in a chain come from the state the author stands on.
2. A statement that peers would refuse is never returned: it raises `LocalProtocolError` with their code.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256

from keys.node_keys import AuthorityRoot, NodeKeys
from protocol import canonical
from protocol.directory.dsse import SignedStatement, sign_statement
from protocol.directory.judgement import Outcome, network_fingerprint
from protocol.directory.replay import DirectoryState, replay
from protocol.directory.statements import (
    MAX_OPERATIONS,
    NETWORK_SUBJECT,
    AddKey,
    Admission,
    Content,
    NodeKeyHashes,
    Operation,
    Root,
    Statement,
    Suspension,
    Update,
    node_possession_message,
    possession_message,
)
from protocol.errors import LocalProtocolError, ReasonCode, RemoteProtocolError
from protocol.identifiers import AuthorityId, Digest
from protocol.interfaces import Signer
from protocol.signing import labels

MAX_PART_BYTES = 40_000
"""Octets of operations in one statement: a third more as base64, and the signature, fit 65,535."""


@dataclass(frozen=True, slots=True)
class Founded:
    """A new network.

    Attributes:
        state: with nothing but its root.
        root: the signed root statement.
    """

    state: DirectoryState
    root: bytes


def found_network(root: Root, officers: Sequence[Signer], issued: datetime) -> Founded:
    """Make root 1 of a network, signed by all its officers.

    Raises:
        LocalProtocolError: the root would be refused.
    """
    statement = Statement(network="", subject=NETWORK_SUBJECT, seq=1, prev="", issued=issued, content=root)
    signed = sign_statement(statement.to_payload(), officers)
    raw = signed.to_bytes()
    try:
        state = replay(network_fingerprint(signed.payload), [raw])
    except RemoteProtocolError as error:
        raise _local(error) from error
    return Founded(state=state, root=raw)


def prove_root(network: Digest, root: AuthorityRoot) -> bytes:
    """Return the proof that whoever asks for admission holds the authority's root key."""
    return root.signing.sign(labels.POSSESSION, possession_message(network, root.authority))


def key_addition(network: Digest, node: NodeKeys) -> AddKey:
    """Return the operation that publishes the keys of a node, with its proof of possession."""
    hashes = NodeKeyHashes(
        certificate=_digest(node.certificate),
        encryption_key=_digest(node.encryption.public_key),
        tls_certificate=_digest(node.tls.certificate_der),
    )
    message = node_possession_message(network, node.authority, hashes=hashes)
    return AddKey(
        certificate=node.certificate,
        encryption_key=node.encryption.public_key,
        tls_certificate=node.tls.certificate_der,
        proof=node.signing.sign(labels.POSSESSION, message),
    )


def admit_authority(
    state: DirectoryState,
    authority: AuthorityId,
    admission: Admission,
    *,
    officers: Sequence[Signer],
    issued: datetime,
) -> bytes:
    """Let an authority in, or renew its admission.

    Raises:
        LocalProtocolError: it would be refused.
    """
    return finished(state, draft_statement(state, authority, admission, signers=officers, issued=issued))


def suspend_authority(
    state: DirectoryState,
    authority: AuthorityId,
    suspension: Suspension,
    *,
    signers: Sequence[Signer],
    issued: datetime,
) -> bytes:
    """Stop all exchange with an authority; by officers, or by itself.

    Raises:
        LocalProtocolError: it would be refused.
    """
    return finished(state, draft_statement(state, authority, suspension, signers=signers, issued=issued))


def update_authority(
    state: DirectoryState, root: AuthorityRoot, operations: Sequence[Operation], *, issued: datetime
) -> bytes:
    """Change what an authority says about itself.

    Raises:
        LocalProtocolError: it would be refused, or it names something that is not there.
    """
    update = Update(ops=tuple(operations))
    signed = draft_statement(state, root.authority, update, signers=(root.signing,), issued=issued)
    return finished(state, signed)


def update_in_parts(
    state: DirectoryState, root: AuthorityRoot, operations: Sequence[Operation], *, issued: datetime
) -> list[bytes]:
    """Change what an authority says about itself, in as many statements as the operations need.

    Raises:
        LocalProtocolError: as in `update_authority`; nothing was returned then.
    """
    statements = []
    for part in _parts(operations):
        statements.append(update_authority(state, root, part, issued=issued))
        state = state.apply(statements[-1])
    return statements


def _parts(operations: Sequence[Operation]) -> Iterator[list[Operation]]:
    """Divide operations, in order, into parts that fit one statement each."""
    part: list[Operation] = []
    size = 0
    for operation in operations:
        length = len(canonical.to_bytes(operation.to_object()))
        if part and (size + length > MAX_PART_BYTES or len(part) >= MAX_OPERATIONS):
            yield part
            part, size = [], 0
        part.append(operation)
        size += length
    if part:
        yield part


def draft_statement(
    state: DirectoryState,
    authority: AuthorityId,
    content: Content,
    *,
    signers: Sequence[Signer],
    issued: datetime,
) -> SignedStatement:
    """Write a statement for its next place and sign it; whether it holds is asked by `finished`.

    Raises:
        LocalProtocolError: nobody signs, a key signs twice (`dir_threshold`), or it is too large.
    """
    draft = Statement(
        network=state.network.fingerprint,
        subject=authority,
        seq=1,
        prev="",
        issued=issued,
        content=content,
    )
    seq, prev = state.next_place(draft.chain)
    return sign_statement(replace(draft, seq=seq, prev=prev).to_payload(), signers)


def finished(state: DirectoryState, signed: SignedStatement) -> bytes:
    """Return a statement as it is sent, after judging it as a peer will.

    Raises:
        LocalProtocolError: it would be refused, with the peers' code; or it would change nothing.
    """
    raw = signed.to_bytes()
    try:
        outcome = state.advance(raw)[1].outcome
    except RemoteProtocolError as error:
        raise _local(error) from error
    if outcome not in (Outcome.ADMITTED, Outcome.PENDING):
        raise LocalProtocolError("this would change nothing", code=ReasonCode.DIR_CHAIN)
    return raw


def _digest(data: bytes) -> Digest:
    return Digest(sha256(data).hexdigest())


def _local(error: RemoteProtocolError) -> LocalProtocolError:
    return LocalProtocolError(str(error), code=error.code)
