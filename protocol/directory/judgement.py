# SPDX-License-Identifier: Apache-2.0
"""Whether one statement holds, given all that is held, and what is held then. It stores nothing.

1. What is held never changes; `judge` returns the next holdings, or raises and leaves everything as it was.
2. Nothing is taken on trust: a statement from a file, a peer or the own store goes through the same checks.
3. Chains are independent of each other: the same statements give the same state in any order that keeps
   each chain and has a root before what it admits. The exception is the competition for a name or a key,
   which goes to whoever came first.
4. Officers are judged by the root in force when a statement arrives. A statement missed before officers
   changed is signed again by those in office: same payload, same id.
5. A restrictive statement ahead of its chain acts on sight, is kept as pending, and takes its place when
   its turn comes. Two statements at one place make the authority disputed, whatever they say.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from hashlib import sha256

from protocol.directory.dsse import (
    SignedStatement,
    parse_signed_statement,
    verified_signers,
    verify_threshold,
)
from protocol.directory.effects import Surroundings, admit, change, lay_over, require_distinct_names
from protocol.directory.entries import AuthorityEntry, Dispute
from protocol.directory.material import Claims, KeyRole, KeyUse, Part, Uses, parts_of_signing_key
from protocol.directory.statements import (
    NETWORK_SUBJECT,
    Admission,
    Root,
    Statement,
    Suspension,
    Thresholds,
    parse_statement,
)
from protocol.errors import ReasonCode, UntrustedError
from protocol.identifiers import AuthorityId, Digest
from protocol.signing import composite
from protocol.signing.composite import PublicKey

MAX_PENDING = 8
"""Statements of one chain that may wait for their turn."""


class Outcome(StrEnum):
    """What became of a statement that holds."""

    ADMITTED = "admitted"
    KNOWN = "known"
    PENDING = "pending"
    DISPUTE = "dispute"


@dataclass(frozen=True, slots=True)
class Network:
    """The root in force.

    Attributes:
        fingerprint: SHA-256 of the payload of root 1, in hex.
        version: number of the root, from 1.
        sample: a network for trial.
        before: the root that this one replaced.
    """

    fingerprint: Digest
    version: int
    name: str
    sample: bool
    officers: tuple[PublicKey, ...]
    thresholds: Thresholds
    before: "Network | None" = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Pending:
    """A restrictive statement that acts but waits for its place."""

    statement_id: Digest
    statement: Statement


@dataclass(frozen=True, slots=True)
class Holdings:
    """All that is held, by chain, by authority and by what may exist only once.

    Attributes:
        network: the root in force.
        chains: ids of the statements of each chain, in order.
        pending: statements that wait, by chain.
        admitted: entries without what is pending.
        entries: entries as they are to be used.
        names: the shapes of legal names, and whose they are.
        uses: key material, and whose it is.
    """

    network: Network
    chains: Mapping[str, tuple[Digest, ...]]
    pending: Mapping[str, tuple[Pending, ...]]
    admitted: Mapping[AuthorityId, AuthorityEntry]
    entries: Mapping[AuthorityId, AuthorityEntry]
    names: Mapping[str, AuthorityId]
    uses: Uses

    def dispute_of(self, chain: str) -> Dispute | None:
        """The dispute over a chain, or None."""
        entry = self.admitted.get(AuthorityId(chain.removeprefix(NETWORK_SUBJECT)))
        dispute = entry.dispute if entry is not None else None
        return dispute if dispute is not None and dispute.chain == chain else None

    def has(self, chain: str, seq: int, statement_id: Digest) -> bool:
        """Whether a statement is held: in its place, waiting, or as one side of a dispute."""
        ids = self.chains.get(chain, ())
        if 1 <= seq <= len(ids) and ids[seq - 1] == statement_id:
            return True
        if any(pending.statement_id == statement_id for pending in self.pending.get(chain, ())):
            return True
        dispute = self.dispute_of(chain)
        return dispute is not None and statement_id in dispute.statements


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is held after a statement, and what became of it."""

    holdings: Holdings
    outcome: Outcome
    statement: Statement
    statement_id: Digest


def network_fingerprint(root_payload: bytes) -> Digest:
    """Return the fingerprint of a network: SHA-256 of the payload of its root 1."""
    return Digest(sha256(root_payload).hexdigest())


def begin(fingerprint: Digest, root: bytes) -> Verdict:
    """Begin with root 1 of a network whose fingerprint was pinned.

    Raises:
        RemoteProtocolError: not root 1, another network, or not signed by all its officers.

    Spec: PROTOCOL.md section 10.2.
    """
    signed = parse_signed_statement(root)
    if network_fingerprint(signed.payload) != fingerprint:
        raise UntrustedError("the root of another network")
    statement = parse_statement(signed.payload)
    if not isinstance(statement.content, Root) or statement.seq != 1:
        raise UntrustedError("not the first root of a network")
    network = _network_of(fingerprint, statement.content, 1)
    verify_threshold(signed, network.officers, len(network.officers))
    held = Holdings(
        network=network,
        chains={NETWORK_SUBJECT: (signed.statement_id,)},
        pending={},
        admitted={},
        entries={},
        names={},
        uses=_claims_of_officers({}, network.officers, ()),
    )
    return Verdict(held, Outcome.ADMITTED, statement, signed.statement_id)


def judge(held: Holdings, raw: bytes) -> Verdict:
    """Judge one statement and take it in.

    Raises:
        RemoteProtocolError: it does not hold. `dir_chain`: its predecessor is missing or another one;
            `dir_threshold`; `dir_fork`: a second root; `unknown_authority`; `disputed`: its chain forked;
            `endpoint_forbidden`; or a code of `parse_statement`.

    Spec: PROTOCOL.md section 10.6.
    """
    signed = parse_signed_statement(raw)
    statement, statement_id = parse_statement(signed.payload), signed.statement_id
    if held.has(statement.chain, statement.seq, statement_id):
        return Verdict(held, Outcome.KNOWN, statement, statement_id)
    if statement.network != held.network.fingerprint:
        raise UntrustedError("a statement of another network")
    _verify_author(held, signed, statement)
    rival = _rival(held, statement)
    if rival is not None:
        return Verdict(
            _dispute(held, statement, rival, statement_id), Outcome.DISPUTE, statement, statement_id
        )
    if held.dispute_of(statement.chain) is not None:
        raise UntrustedError("this chain forked", code=ReasonCode.DISPUTED)
    ids = held.chains.get(statement.chain, ())
    if statement.seq == len(ids) + 1:
        if statement.prev != (ids[-1] if ids else ""):
            raise UntrustedError("it follows another statement", code=ReasonCode.DIR_CHAIN)
        after = _settle(_take_in(held, signed, statement), statement.chain)
        return Verdict(after, Outcome.ADMITTED, statement, statement_id)
    return Verdict(_put_aside(held, statement, statement_id), Outcome.PENDING, statement, statement_id)


def _verify_author(held: Holdings, signed: SignedStatement, statement: Statement) -> None:
    """Check that those who may say this have signed it."""
    network, entry = held.network, held.admitted.get(statement.authority)
    content = statement.content
    if isinstance(content, Root):
        _verify_root_signers(_root_before(network, statement.seq), signed, content)
    elif isinstance(content, Admission):
        verify_threshold(signed, network.officers, network.thresholds.admit)
    elif entry is None:
        raise UntrustedError("no such authority in the directory", code=ReasonCode.UNKNOWN_AUTHORITY)
    elif isinstance(content, Suspension) and content.by == "officers":
        verify_threshold(signed, network.officers, network.thresholds.suspend)
    else:
        verify_threshold(signed, (entry.root_key,), 1)


def _root_before(network: Network, version: int) -> Network:
    """Return the root whose officers could replace it by this version; for a rival, one of the past."""
    while network.version >= version and network.before is not None:
        network = network.before
    return network


def _verify_root_signers(network: Network, signed: SignedStatement, content: Root) -> None:
    """Check the thresholds of the old and of the new root, and that every new officer holds a key.

    Spec: PROTOCOL.md section 10.2.
    """
    after = _network_of(network.fingerprint, content, network.version + 1)
    old = {officer.key_id for officer in network.officers}
    new = {officer.key_id for officer in after.officers}
    signers = verified_signers(signed, (*network.officers, *after.officers))
    enough = len(signers & old) >= network.thresholds.root and len(signers & new) >= after.thresholds.root
    if not enough or new - old - signers:
        raise UntrustedError(
            "a new root needs the old threshold, the new one and every new officer",
            code=ReasonCode.DIR_THRESHOLD,
        )


def _rival(held: Holdings, statement: Statement) -> Digest | None:
    """Return the id of another statement at the same place of the same chain."""
    ids = held.chains.get(statement.chain, ())
    if statement.seq <= len(ids):
        return ids[statement.seq - 1]
    waiting = held.pending.get(statement.chain, ())
    return next((pending.statement_id for pending in waiting if pending.statement.seq == statement.seq), None)


def _dispute(held: Holdings, statement: Statement, rival: Digest, statement_id: Digest) -> Holdings:
    """Mark an authority as disputed; the first dispute stays."""
    if isinstance(statement.content, Root):
        raise UntrustedError("two roots at one place", code=ReasonCode.DIR_FORK)
    entry = held.admitted[statement.authority]
    if entry.dispute is not None:
        raise UntrustedError("this authority is disputed already", code=ReasonCode.DISPUTED)
    first, second = sorted((rival, statement_id))
    dispute = Dispute(chain=statement.chain, seq=statement.seq, statements=(first, second))
    return _with_entry(held, replace(entry, dispute=dispute))


def _take_in(held: Holdings, signed: SignedStatement, statement: Statement) -> Holdings:
    """Apply a statement whose turn it is."""
    chain = statement.chain
    chains = {**held.chains, chain: (*held.chains.get(chain, ()), signed.statement_id)}
    content = statement.content
    if isinstance(content, Root):
        if content.sample != held.network.sample:
            raise UntrustedError("a network can't change between sample and real")
        network = replace(_network_of(held.network.fingerprint, content, statement.seq), before=held.network)
        uses = _claims_of_officers(held.uses, network.officers, held.network.officers)
        return replace(held, network=network, chains=chains, uses={**held.uses, **uses})
    around = Surroundings(held.network.fingerprint, held.network.sample, held.uses)
    names = held.names
    if isinstance(content, Admission):
        names = {**names, **require_distinct_names(content, statement.authority, names)}
        effect = admit(statement, content, held.admitted.get(statement.authority), around)
    else:
        effect = change(held.admitted[statement.authority], content, around)
    claimed: Uses = {**held.uses, **effect.claims} if effect.claims else held.uses
    return _with_entry(replace(held, chains=chains, names=names, uses=claimed), effect.entry)


def _put_aside(held: Holdings, statement: Statement, statement_id: Digest) -> Holdings:
    """Keep a restrictive statement that came before its turn, and let it act."""
    waiting = held.pending.get(statement.chain, ())
    if not statement.is_restrictive or len(waiting) >= MAX_PENDING:
        raise UntrustedError("a statement before it is missing", code=ReasonCode.DIR_CHAIN)
    waiting = (*waiting, Pending(statement_id, statement))
    after = replace(held, pending={**held.pending, statement.chain: waiting})
    return _with_entry(after, held.admitted[statement.authority])


def _settle(held: Holdings, chain: str) -> Holdings:
    """Give waiting statements of a chain their places, as far as they follow one another.

    One that does not hold in its place stays aside and goes on acting; the chain then ends there.
    """
    while True:
        ids = held.chains[chain]
        waiting = held.pending.get(chain, ())
        turn = next((pending for pending in waiting if pending.statement.seq == len(ids) + 1), None)
        if turn is None or turn.statement.prev != ids[-1]:
            return held
        entry = held.admitted[turn.statement.authority]
        left = tuple(pending for pending in waiting if pending is not turn)
        held = replace(
            held,
            chains={**held.chains, chain: (*ids, turn.statement_id)},
            pending={**held.pending, chain: left},
        )
        held = _with_entry(held, lay_over(entry, turn.statement.content))


def _with_entry(held: Holdings, entry: AuthorityEntry) -> Holdings:
    """Put an entry in, and show it with what is pending about it."""
    shown = entry
    for chain in (entry.authority, f"{NETWORK_SUBJECT}{entry.authority}"):
        for pending in held.pending.get(chain, ()):
            shown = lay_over(shown, pending.statement.content)
    return replace(
        held,
        admitted={**held.admitted, entry.authority: entry},
        entries={**held.entries, entry.authority: shown},
    )


def _network_of(fingerprint: Digest, root: Root, version: int) -> Network:
    officers = tuple(composite.parse_public_key(officer.key) for officer in root.officers)
    return Network(
        fingerprint=fingerprint,
        version=version,
        name=root.name,
        sample=root.sample,
        officers=officers,
        thresholds=root.thresholds,
    )


def _claims_of_officers(
    uses: Uses, officers: Iterable[PublicKey], before: Iterable[PublicKey]
) -> dict[Part, KeyUse]:
    """Claim the keys of new officers; two officers can't share half a key."""
    known = {officer.key_id for officer in before}
    claims = Claims(uses)
    for officer in officers:
        if officer.key_id not in known:
            use = KeyUse(f"{NETWORK_SUBJECT}{officer.key_id}", KeyRole.OFFICER)
            claims.add(parts_of_signing_key(officer), use)
    return claims.parts
