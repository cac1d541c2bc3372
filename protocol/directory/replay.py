# SPDX-License-Identifier: Apache-2.0
"""The directory as one set of statements makes it, and the questions it answers. It stores nothing.

1. A state never changes; `apply` returns the next one, or raises.
2. Nothing is judged here: `judgement` decides whether a statement holds.
3. Whether a key or an authority may be used is asked for a moment that the caller names.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

from protocol.directory.dsse import parse_signed_statement, verified_signers
from protocol.directory.entries import (
    STATUS_CODES,
    AuthorityEntry,
    NodeEntry,
    NodeState,
)
from protocol.directory.judgement import Holdings, Network, Verdict, begin, judge
from protocol.directory.statements import NETWORK_SUBJECT, parse_statement
from protocol.errors import LocalProtocolError, ReasonCode, UntrustedError
from protocol.identifiers import AuthorityId, Digest, DirectoryView, KeyId
from protocol.signing.composite import PublicKey


@dataclass(frozen=True, slots=True)
class DirectoryState:
    """What a pinned root and a row of statements add up to.

    Attributes:
        held: the statements' places and effects.
        view: number and digest of all statements, the same for everybody who holds the same ones.
    """

    held: Holdings = field(repr=False)
    view: DirectoryView

    @property
    def network(self) -> Network:
        """The root in force."""
        return self.held.network

    @property
    def authorities(self) -> tuple[AuthorityEntry, ...]:
        """All entries, whatever their status, sorted by id."""
        return tuple(self.held.entries[name] for name in sorted(self.held.entries))

    def authority(self, authority: AuthorityId) -> AuthorityEntry | None:
        """Return the entry of an authority, whatever its status, or None."""
        return self.held.entries.get(authority)

    def require_active_node(self, authority: AuthorityId, at: datetime) -> NodeEntry:
        """Return the node to send to at a moment: the newest whose keys are in use.

        Raises:
            LocalProtocolError: `unknown_authority`, `suspended`, `disputed`, `expired` (admission), `no_key`,
                or `revoked_key` (its newest keys are compromised and nothing replaces them).

        Spec: PROTOCOL.md section 10.6.
        """
        entry = self.authority(authority)
        if entry is None:
            raise _local("no such authority in the directory", ReasonCode.UNKNOWN_AUTHORITY)
        code = STATUS_CODES.get(entry.status_at(at))
        if code is not None:
            raise _local("exchange with this authority is stopped", code)
        node = entry.node_in_use(at)
        if node is not None:
            return node
        if entry.nodes and entry.nodes[-1].state is NodeState.COMPROMISED:
            raise _local("the keys of this authority are compromised", ReasonCode.REVOKED_KEY)
        raise _local("this authority has no keys in use", ReasonCode.NO_KEY)

    def require_sender(self, authority: AuthorityId, key_id: KeyId, at: datetime) -> NodeEntry:
        """Return the node whose key signed what arrives at a moment; it need not be the newest.

        Raises:
            UntrustedError: `refused`; the other side learns no reason.

        Spec: PROTOCOL.md section 10.6.
        """
        entry = self.authority(authority)
        if entry is None or entry.status_at(at) in STATUS_CODES:
            raise UntrustedError("exchange with this authority is stopped")
        node = entry.node_with_key(key_id)
        if node is None or node.state is not NodeState.ACTIVE or not node.covers(at):
            raise UntrustedError("not a key in use of this authority")
        return node

    def node_with_key(self, authority: AuthorityId, key_id: KeyId) -> NodeEntry:
        """Return the node that has, or had, a signing key.

        Raises:
            UntrustedError: no node of this authority ever had this key.
        """
        entry = self.authority(authority)
        node = entry.node_with_key(key_id) if entry is not None else None
        if node is None:
            raise UntrustedError("not a key of this authority")
        return node

    def signing_key(
        self, authority: AuthorityId, key_id: KeyId, *, proven_at: datetime | None = None
    ) -> PublicKey:
        """Return a signing key for judging evidence; retired keys and stopped authorities included.

        Args:
            authority: who is said to have signed.
            key_id: with which key.
            proven_at: a moment at which the evidence provably existed; only this saves what was signed by
                a key that was compromised later.

        Raises:
            UntrustedError: never a key of this authority (`refused`), or compromised (`revoked_key`).

        Spec: PROTOCOL.md section 10.6.
        """
        node = self.node_with_key(authority, key_id)
        if node.since is not None and (proven_at is None or proven_at >= node.since):
            raise UntrustedError("the key is compromised", code=ReasonCode.REVOKED_KEY)
        return node.signing

    def version_of(self, authority: AuthorityId) -> str:
        """Return a text that is another one whenever the entry of an authority is another one.

        It says nothing by itself; what is derived from entries is kept with it.
        """
        held, parts = self.held, []
        for chain in (f"{NETWORK_SUBJECT}{authority}", authority):
            ids = held.chains.get(chain, ())
            parts += [*ids[-1:], *(pending.statement_id for pending in held.pending.get(chain, ()))]
            dispute = held.dispute_of(chain)
            parts += dispute.statements if dispute is not None else ()
        return sha256(" ".join(parts).encode("ascii")).hexdigest()

    def apply(self, statement: bytes) -> "DirectoryState":
        """Return the state after one more statement.

        Raises:
            RemoteProtocolError: it does not hold; see `judgement.judge`.
        """
        return self.advance(statement)[0]

    def advance(self, statement: bytes) -> tuple["DirectoryState", Verdict]:
        """Return the state after one more statement, and what became of the statement."""
        verdict = judge(self.held, statement)
        return (self if verdict.holdings is self.held else state_of(verdict.holdings)), verdict

    def next_place(self, chain: str) -> tuple[int, str]:
        """Return `seq` and `prev` of the statement that may come next in a chain.

        Statements that wait count: who writes on after a restrictive one stands behind it.
        """
        ids = self.held.chains.get(chain, ())
        seq, prev = len(ids), str(ids[-1]) if ids else ""
        for pending in self.held.pending.get(chain, ()):
            if pending.statement.seq > seq:
                seq, prev = pending.statement.seq, pending.statement_id
        return seq + 1, prev


def state_of(held: Holdings) -> DirectoryState:
    """Return the state of some holdings."""
    return DirectoryState(held=held, view=_view_of(held))


def replay(fingerprint: Digest, statements: Iterable[bytes]) -> DirectoryState:
    """Return the state that a row of statements makes; root 1 comes first, and all must hold.

    Raises:
        RemoteProtocolError: a statement does not hold, or there is none.
    """
    held: Holdings | None = None
    for statement in statements:
        verdict = begin(fingerprint, statement) if held is None else judge(held, statement)
        held = verdict.holdings
    if held is None:
        raise UntrustedError("a directory begins with a root")
    return state_of(held)


@dataclass(frozen=True, slots=True)
class ForkProof:
    """Two signed statements at one place of one chain: evidence against its author that needs nothing else.

    Attributes:
        first: the one with the lower id, as it was received.
        second: the other.
    """

    first: bytes = field(repr=False)
    second: bytes = field(repr=False)


def fork_proof(one: bytes, other: bytes, signers: Iterable[PublicKey]) -> ForkProof:
    """Make a fork proof, or refuse to.

    Args:
        one: a signed statement.
        other: another.
        signers: keys that may sign for this chain; at least one of them must have signed each.

    Raises:
        UntrustedError: not a fork, or a signature does not hold.

    Spec: PROTOCOL.md section 10.6.
    """
    signers = tuple(signers)
    both = sorted((one, other), key=lambda raw: parse_signed_statement(raw).statement_id)
    signed = [parse_signed_statement(raw) for raw in both]
    first, second = (parse_statement(statement.payload) for statement in signed)
    same_place = (first.network, first.chain, first.seq) == (second.network, second.chain, second.seq)
    if not same_place or signed[0].statement_id == signed[1].statement_id:
        raise UntrustedError("not two statements at one place")
    for statement in signed:
        verified_signers(statement, signers)
    return ForkProof(first=both[0], second=both[1])


def _view_of(held: Holdings) -> DirectoryView:
    """Digest heads, what waits and both sides of disputes; chains make everything before follow.

    Spec: PROTOCOL.md section 10.7.
    """
    lines, size = [], 0
    for chain in held.chains.keys() | held.pending.keys():
        ids = held.chains.get(chain, ())
        dispute = held.dispute_of(chain)
        heads = ids[-1:] if dispute is None else dispute.statements
        waiting = sorted(pending.statement_id for pending in held.pending.get(chain, ()))
        size += len(ids) if dispute is None else dispute.seq + 1
        size += len(waiting)
        lines.append(" ".join((chain, *heads, *waiting)))
    return DirectoryView(size=size, root=Digest(sha256("\n".join(sorted(lines)).encode("ascii")).hexdigest()))


def _local(message: str, code: ReasonCode) -> LocalProtocolError:
    return LocalProtocolError(message, code=code)
