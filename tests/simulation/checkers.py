# SPDX-License-Identifier: Apache-2.0
"""What must hold whatever happened, looked up in the databases when all is over. Each finding is one line.

The promises are those of the design: nothing lost, doubled or invented, order within a route, one end with
signed evidence for each message, states that only move forward, few retries, and sums that add up.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import NamedTuple
from uuid import UUID

from globe_node.audit.fsck import verify
from globe_node.audit.log import AuditLog, LogName
from globe_node.audit.vault import DerivedPeriodKeys, Vault
from globe_node.consultations.casebook import roster_of
from globe_node.consultations.casefile import in_order
from globe_node.consultations.moments import unix_milliseconds
from globe_node.consultations.records import list_consultations, records_of
from globe_node.delivery import inbox, outbox
from globe_node.delivery.journal import LATE
from globe_node.delivery.outbox import SentRow
from globe_node.store.door import Transaction
from globe_node.store.driver import driver_of
from protocol.audit.events import AuditEvent, EventKind
from protocol.consultations.roster import Roster
from protocol.consultations.table import State
from protocol.errors import ReasonCode, RemoteProtocolError
from protocol.identifiers import AuthorityId, ConsultationId, EnvelopeId
from protocol.receipts import DeliveryState, ReceiptStatus, SignedReceipt, parse_signed_receipt
from protocol.signing import labels
from protocol.signing.batch import BatchVerifier
from tests.simulation.groups import Links, is_dead, is_paced, left_out, links_in
from tests.simulation.residents import Said
from tests.support.audit import recorded
from tests.support.clock import START
from tests.support.directory import certified_node_keys
from tests.support.entropy import SeededEntropy

_TAKEN = (DeliveryState.RECEIVED, DeliveryState.READ)
_ATTEMPTS_FOR_EACH = 6
"""Requests that a message may cost in the long run, bad weather included."""
_KEYS_GONE = (ReasonCode.KEY_GONE, ReasonCode.KEY_PACKAGE_GONE)
_TIME_TO_SAY_AGAIN_MS = 1_800_000
"""What had less time left when its keys were found to be gone may end so."""
_ATTEMPTS_ANYWAY = 160
"""Requests of one direction that are no sign of haste in a bad day and its calm: about one a minute."""
_DAY_SECONDS = 6_000.0
_ATTEMPTS_AN_HOUR = 10
"""And in each hour beyond that: about as many as the longest pauses allow."""


@dataclass(frozen=True, slots=True)
class Remains:
    """What is left of some nodes when they are all down.

    Attributes:
        databases: a connection to the store of each authority's node.
        incarnations: the life that each store is in.
        said: what the nodes said they had stored.
        errors: exceptions that were nobody's plan.
        attempts: requests with envelopes or receipts, by (from, to); empty if nobody counted.
        seconds: how long the nodes lived.
        bereft: nodes that lost the secrets of their groups.
    """

    databases: Mapping[str, Transaction]
    incarnations: Mapping[str, str]
    said: Sequence[Said]
    errors: Sequence[str] = ()
    attempts: Mapping[tuple[str, str], int] = field(default_factory=dict)
    seconds: float = 0.0
    bereft: Collection[str] = ()


class Seen(NamedTuple):
    """One record as a node holds it, in the order in which it was stored."""

    record_id: str
    consultation: str
    author: str
    author_seq: int
    record_hash: str
    envelope_id: EnvelopeId
    inbound: int
    expires_ms: int


@dataclass(frozen=True, slots=True)
class Findings:
    """The stores of nodes, read once.

    Attributes:
        sent: what is known of each envelope at its sender, by sender, envelope id and recipient.
        held: the records of each node.
        events: the acts in each node's audit log.
        about: the record in each envelope, said for the first time or again, by sender and envelope id.
    """

    remains: Remains
    sent: dict[tuple[str, EnvelopeId, str], SentRow]
    held: dict[str, list[Seen]]
    events: dict[str, list[AuditEvent]]
    about: dict[tuple[str, EnvelopeId], Seen]

    def problems(self) -> list[str]:
        """Everything that does not hold."""
        return [
            *self.remains.errors,
            *self._lost(),
            *self._doubled_or_invented(),
            *self._said_twice(),
            *self._out_of_order(),
            *self._without_end(),
            *self._moved_back(),
            *self._hasty(),
            *self._sums(),
            *self._logs(),
            *self._disagreed(),
            *left_out(self.remains.databases),
            *self._unreadable(),
        ]

    @property
    def _there(self) -> set[tuple[str, str]]:
        """The records of others that each node holds."""
        return {(name, row.record_hash) for name, rows in self.held.items() for row in rows if row.inbound}

    def _lost(self) -> Iterator[str]:
        own = {
            (name, row.record_id): row for name, rows in self.held.items() for row in rows if not row.inbound
        }
        there = self._there
        for said in self.remains.said:
            if (said.source, said.record_id) not in own:
                yield f"lost: {said} was stored and is nowhere"
        queued = {(source, envelope_id) for source, envelope_id, _ in self.sent}
        for (source, _), row in own.items():
            if (source, row.envelope_id) not in queued:
                yield f"lost: {row} was never queued"
        for (source, envelope_id, peer), sent in self.sent.items():
            said_to = self.about.get((source, envelope_id))
            if said_to is None:  # about the group, not a record
                continue
            if sent.state in _TAKEN and (peer, said_to.record_hash) not in there:
                yield f"lost: {said_to} has a receipt and is not there"
            elif sent.reason == ReasonCode.KEY_GONE:  # it was said again, in another envelope
                continue
            elif sent.state is DeliveryState.REJECTED and (peer, said_to.record_hash) in there:
                yield f"contradiction: {said_to} was rejected and is there"

    def _doubled_or_invented(self) -> Iterator[str]:
        own = {row.record_hash for rows in self.held.values() for row in rows if not row.inbound}
        for name, rows in self.held.items():
            inbound = [row for row in rows if row.inbound]
            count = Counter((row.author, row.consultation, row.author_seq) for row in inbound)
            yield from (f"doubled: {what} at {name}" for what, times in count.items() if times > 1)
            yield from (f"phantom: {row} at {name}" for row in inbound if row.record_hash not in own)
        for name, events in self.events.items():
            for kind in EventKind.RECEIVED, EventKind.OPENED:
                acts = Counter((event.peer, event.msg) for event in events if event.kind is kind)
                twice = [what for what, times in acts.items() if times > 1]
                yield from (f"doubled: {kind} of {what} at {name}" for what in twice)

    def _said_twice(self) -> Iterator[str]:
        """A record goes to its reader in one envelope, and in one more each time it is said again."""
        for name, tx in self.remains.databases.items():
            again = Counter(driver_of(tx).execute("SELECT record_id, peer FROM resent").fetchall())
            ids = {row.record_hash: row.record_id for row in self.held[name] if not row.inbound}
            for peer in self.remains.databases.keys() - {name}:
                came = _envelopes_taken(self.remains.databases[peer], peer, name)
                for record_hash, envelopes in came.items():
                    record_id = ids.get(record_hash, "")
                    if record_id and len(envelopes) > 1 + again[record_id, peer]:
                        yield f"doubled: {record_id} of {name} came to {peer} in {len(envelopes)} envelopes"

    def _out_of_order(self) -> Iterator[str]:
        """Records must be shown in their author's order, and have come in it, but for what is said again."""
        again = {
            row[0]
            for tx in self.remains.databases.values()
            for row in driver_of(tx).execute("SELECT envelope_id FROM resent")
        }
        for name, rows in self.held.items():
            tx = self.remains.databases[name]
            for consultation in sorted({row.consultation for row in rows}):
                shown = in_order(records_of(tx, ConsultationId(consultation)))
                for author in sorted({row.author for row in shown}):
                    numbers = [row.author_seq for row in shown if row.author == author]
                    if numbers != sorted(set(numbers)):
                        yield f"order: {numbers} of {author} in {consultation} at {name}"
            came = driver_of(tx).execute(
                "SELECT r.author, r.consultation, r.author_seq, r.envelope_id FROM inbox i JOIN record r"
                " ON r.envelope_id = i.envelope_id AND r.author = i.sender ORDER BY i.position"
            )
            last: dict[tuple[str, str], int] = {}
            for author, consultation, number, envelope_id in came:
                if envelope_id in again:
                    continue
                if number < last.get((author, consultation), 0):
                    yield f"order: {number} of {author} in {consultation} came late to {name}"
                last[author, consultation] = number

    def _without_end(self) -> Iterator[str]:
        verifier, links = BatchVerifier(10_000), links_in(self.remains.databases)
        for (source, _, _), row in self.sent.items():
            if not row.state.is_terminal:
                outlives_the_world = (source, row.envelope_id) not in self.about
                if not (outlives_the_world and self._is_without_keys(links, source, row)):
                    yield f"no end: {row.envelope_id.hex()} from {source} to {row.peer}"
                continue
            tx = self.remains.databases[source]
            receipts = [parse_signed_receipt(octets) for octets in outbox.evidence(tx, [row])[row.position]]
            if not any(_proves(row, signed) for signed in receipts):
                yield f"no evidence: {row.envelope_id.hex()} is {row.state} at {source}"
            yield from (
                f"bad evidence: {row.envelope_id.hex()} at {source}"
                for signed in receipts
                if not _genuine(signed, verifier, (source, row.peer))
            )

    def unfinished(self) -> list[str]:
        """What is open in a calm though nothing holds it up. What is held up must end at its deadline.

        A record is held up that builds on a record of its requester which ended without coming there: nobody
        can tell whether it was for its reader. So is what was said in a group to which nobody has the keys,
        or which one of the two has lost for the second time in a day.
        """
        links = links_in(self.remains.databases)
        return [
            f"no end: {envelope_id.hex()} from {source} to {peer}"
            for (source, envelope_id, peer), row in self.sent.items()
            if not row.state.is_terminal
            and not self._builds_on_what_was_lost(source, row)
            and not self._is_without_keys(links, source, row)
            and not self._is_paced(links, source, row)
        ]

    def _builds_on_what_was_lost(self, source: str, row: SentRow) -> bool:
        """Say whether a record waits for one of its requester that ended elsewhere than at its reader.

        It waits there, opened. Or it waits here: who was to be added never came into the group; or its author
        has not heard who came, and seals nothing for somebody it does not know, until the requester speaks.
        """
        record = self.about.get((source, row.envelope_id))
        if record is None:
            return False
        requester = _rosters_of(self.remains.databases[source])[record.consultation].requester
        waits_here = row.reason == ReasonCode.AWAITING_KEYS
        who_missed = source if waits_here and source != requester else row.peer
        is_missing = any(
            _came_to_nothing(self.sent[requester, one.envelope_id, who_missed])
            for one in self.held[requester]
            if one.consultation == record.consultation
            and one.record_id != record.record_id
            and (requester, one.envelope_id, who_missed) in self.sent
        )
        if waits_here:
            return is_missing
        sql = "SELECT 1 FROM inbox WHERE sender = ? AND envelope_id = ? AND state = 0 AND opened = 1"
        at_peer = driver_of(self.remains.databases[row.peer])
        is_opened = at_peer.execute(sql, (source, row.envelope_id)).fetchone() is not None
        return source != requester and is_opened and is_missing

    def _is_without_keys(self, links: Links, source: str, row: SentRow) -> bool:
        """Say whether its reader can't come into the group any more.

        All who were in it have lost it; or its reader lost the keys of its invitation, or the hub forgot that
        it had used them up, and the reader was removed before it got another one.
        """
        link = links[source].get(self._consultation_of(source, row))
        if link is None:
            return False
        bereft = {row.peer, link.hub.partition("/")[0]}.intersection(self.remains.bereft)
        is_shut_out = bool(bereft) and row.peer not in link.roster
        return is_shut_out or is_dead(links, link.consultation)

    def _consultation_of(self, source: str, row: SentRow) -> str:
        """Return the consultation that an envelope is about, empty if its sender does not know it."""
        sql = (
            "SELECT l.consultation FROM outbox o JOIN group_link l ON l.routing_id = o.routing_id"
            " WHERE o.position = ?"
        )
        found = driver_of(self.remains.databases[source]).execute(sql, (row.position,)).fetchone()
        return "" if found is None else str(found[0])

    def _is_paced(self, links: Links, source: str, row: SentRow) -> bool:
        """Say whether one of two has lost the group and may not come back into it yet."""
        consultation = self._consultation_of(source, row)
        now_ms = unix_milliseconds(START) + int(self.remains.seconds * 1000)
        return any(
            is_paced(self.remains.databases, links[name][consultation], name, now_ms)
            for name in (source, row.peer)
            if consultation in links[name]
        )

    def _unreadable(self) -> Iterator[str]:
        """Nothing that an honest node sent may be rejected, but for what it could not know in time.

        That is: its own deadline; that what it builds on would end; that both spoke at once; that somebody
        had been removed. And what our own code failed on three times, where the world lets it fail.
        """
        rejected_at = {
            (name, event.peer, event.msg): event.at
            for name, events in self.events.items()
            for event in events
            if event.kind in (EventKind.REJECTED, EventKind.QUARANTINED)
        }
        for (source, envelope_id, peer), row in self.sent.items():
            if row.state is not DeliveryState.REJECTED or row.reason == ReasonCode.QUARANTINED:
                continue
            at = rejected_at.get((peer, source, str(UUID(bytes=envelope_id))))
            if at is None or not self._is_excused(source, row, unix_milliseconds(at)):
                yield f"group: {row.reason} for {envelope_id.hex()} from {source} at {peer}"

    def _is_excused(self, source: str, row: SentRow, at_ms: int) -> bool:
        record = self.about.get((source, row.envelope_id))
        parties = {source, row.peer, self._hub_of(source, row)}  # a hub may have used up a key package twice
        if parties.intersection(self.remains.bereft) and row.reason in _KEYS_GONE:
            return record is None or self._is_said_again(source, row, record, at_ms)
        if record is None:
            return False
        is_over = at_ms >= min(row.deadline_ms, record.expires_ms)  # what is said again lives on in its frame
        if row.reason == ReasonCode.SEQUENCE_GAP:
            return is_over or self._lacks_one_before(source, row, record)
        if row.reason == ReasonCode.REFUSED:
            return self._is_parted(source, row.peer, record)
        return row.reason == ReasonCode.ILLEGAL_MOVE or (row.reason == ReasonCode.EXPIRED and is_over)

    def _hub_of(self, source: str, row: SentRow) -> str:
        """Return whose node is the hub of the group of an envelope, empty if it is not known."""
        sql = (
            "SELECT l.hub FROM outbox AS o JOIN group_link AS l ON l.routing_id = o.routing_id"
            " WHERE o.position = ?"
        )
        found = driver_of(self.remains.databases[source]).execute(sql, (row.position,)).fetchone()
        return "" if found is None else str(found[0]).partition("/")[0]

    def _is_said_again(self, source: str, row: SentRow, record: Seen, at_ms: int) -> bool:
        """Say whether what a reader had lost the keys for was said again, if there was time.

        What became of it then is judged by itself.
        """
        again = any(
            one.position > row.position and (name, peer) == (source, row.peer)
            for (name, envelope_id, peer), one in self.sent.items()
            if self.about.get((name, envelope_id)) == record
        )
        is_there = (row.peer, row.record_hash) in self._there
        ends_ms = min(row.deadline_ms, record.expires_ms)  # in a frame that outlives it, too
        is_short = ends_ms - at_ms < _TIME_TO_SAY_AGAIN_MS
        return again or is_there or is_short or self._is_parted(source, row.peer, record)

    def _is_parted(self, source: str, peer: str, record: Seen) -> bool:
        """Say whether one of two is known to the other to have been removed."""
        rosters = [
            _rosters_of(self.remains.databases[name]).get(record.consultation) for name in (source, peer)
        ]
        sides = [roster.sides for roster in rosters if roster is not None]
        return any(
            State.REMOVED in (one.get(AuthorityId(source)), one.get(AuthorityId(peer))) for one in sides
        )

    def _lacks_one_before(self, source: str, row: SentRow, record: Seen) -> bool:
        """Say whether an earlier record of the same author ended without coming to that reader."""
        before = [
            one.envelope_id
            for one in self.held[source]
            if one.consultation == record.consultation
            and not one.inbound
            and one.author_seq < record.author_seq
        ]
        return any(
            _came_to_nothing(self.sent[source, one, row.peer])
            for one in before
            if (source, one, row.peer) in self.sent
        )

    def _disagreed(self) -> Iterator[str]:
        """Members that hold all records must see the same sides, and each its own as the requester does."""
        rosters = {name: _rosters_of(tx) for name, tx in self.remains.databases.items()}
        holding = {
            (name, consultation): {row.record_hash for row in rows if row.consultation == consultation}
            for name, rows in self.held.items()
            for consultation in rosters[name]
        }
        for name, cases in rosters.items():
            for consultation, roster in cases.items():
                if roster.requester != name:
                    continue
                for member in sorted(roster.members - {roster.requester}):
                    theirs = rosters[member].get(consultation)
                    if theirs is None or holding[member, consultation] != holding[name, consultation]:
                        continue
                    if theirs != roster:
                        yield f"disagreed: {theirs} at {member}, {roster} at {name} in {consultation}"

    def _moved_back(self) -> Iterator[str]:
        """Read the states of each message from the audit log of its sender, in order."""
        level = {"received": 1, "read": 2}
        for name, events in self.events.items():
            states: dict[tuple[str, str], str] = {}
            for event in events:
                if event.kind is EventKind.UNDELIVERABLE:
                    state = "undeliverable"
                elif event.kind is EventKind.RECEIPT and event.result != LATE:
                    state = event.result
                else:
                    continue
                before = states.get((event.peer, event.msg))
                if before is not None and not level.get(before, 9) < level.get(state, 0):
                    yield f"moved back: {event.msg} from {before} to {state} at {name}"
                states[event.peer, event.msg] = state

    def _hasty(self) -> Iterator[str]:
        begun = Counter((source, peer) for source, _, peer in self.sent)
        anyway = _ATTEMPTS_ANYWAY + _ATTEMPTS_AN_HOUR * max(0.0, self.remains.seconds - _DAY_SECONDS) / 3_600
        for (source, to), attempts in self.remains.attempts.items():
            messages = begun[source, to] + begun[to, source]
            if attempts > anyway + _ATTEMPTS_FOR_EACH * messages:
                yield f"hasty: {attempts} requests from {source} to {to} for {messages} messages"

    def _sums(self) -> Iterator[str]:
        for source in self.remains.databases:
            tx = self.remains.databases[source]
            counts = outbox.counts(tx)
            for to in self.remains.databases:
                queued = sum(count for (peer, _), count in counts.items() if peer == to)
                at_peer = [key for key in self.sent if (key[0], key[2]) == (source, to)]
                if queued != len(at_peer):
                    yield f"sum: {queued} counted, {len(at_peer)} sent from {source} to {to}"
                yield from self._unequal_receipts(source, to)

    def _unequal_receipts(self, source: str, to: str) -> Iterator[str]:
        """The receipt that decided a message must lie at both sides, octet for octet."""
        rows = [row for (name, _, peer), row in self.sent.items() if (name, peer) == (source, to)]
        ids = {row.envelope_id for row in rows}
        issued = inbox.issued(self.remains.databases[to], AuthorityId(source), ids)
        kept = outbox.evidence(self.remains.databases[source], rows)
        for row in rows:
            if row.state in (*_TAKEN, DeliveryState.REJECTED):
                octets = issued.get(row.envelope_id)
                if octets is None or (
                    octets not in kept[row.position] and row.state is not DeliveryState.READ
                ):
                    yield f"sum: {row.envelope_id.hex()} is {row.state} at {source}, not at {to}"

    def _logs(self) -> Iterator[str]:
        for name in self.remains.databases:
            log, keys_of_node = _log_of(self.remains, name), certified_node_keys(name)
            report = verify(
                self.remains.databases[name],
                vault=log.vault,
                name=log.name,
                signer=keys_of_node.log,
                marks=None,
            )
            yield from (f"audit log: {problem} at {name}" for problem in report.problems)


def findings(remains: Remains) -> Findings:
    """Read everything that the checkers need."""
    sent: dict[tuple[str, EnvelopeId, str], SentRow] = {}
    held: dict[str, list[Seen]] = {}
    events: dict[str, list[AuditEvent]] = {}
    for name, tx in remains.databases.items():
        driver = driver_of(tx)
        ids = [row[0] for row in driver.execute("SELECT envelope_id FROM outbox WHERE operation = 0")]
        sent.update(((name, row.envelope_id, row.peer), row) for row in outbox.sent(tx, ids))
        sql = (
            "SELECT record_id, consultation, author, author_seq, record_hash, envelope_id, direction,"
            " expires_ms FROM record ORDER BY position"
        )
        held[name] = [Seen(*row) for row in driver.execute(sql)]
        events[name] = recorded(tx, _log_of(remains, name))
    about = {(name, row.envelope_id): row for name, rows in held.items() for row in rows if not row.inbound}
    for name, tx in remains.databases.items():
        by_id = {row.record_id: row for row in held[name]}
        again = driver_of(tx).execute("SELECT envelope_id, record_id FROM resent")
        about.update(
            ((name, envelope_id), by_id[record_id]) for envelope_id, record_id in again if record_id in by_id
        )
    return Findings(remains, sent, held, events, about)


def _envelopes_taken(tx: Transaction, issuer: str, sender: str) -> dict[str, set[str]]:
    """Return for each record which envelopes a node has signed to have received it in."""
    sql = "SELECT signed FROM receipt WHERE issuer = ? AND recipient = ?"
    found: dict[str, set[str]] = {}
    for (octets,) in driver_of(tx).execute(sql, (issuer, sender)):
        for entry in parse_signed_receipt(octets).content.entries:
            if entry.status is ReceiptStatus.RECEIVED:
                found.setdefault(entry.record, set()).add(entry.envelope)
    return found


def _came_to_nothing(row: SentRow) -> bool:
    return row.state.is_terminal and row.state not in _TAKEN


def _rosters_of(tx: Transaction) -> dict[str, Roster]:
    return {row.id: roster_of(row) for row in list_consultations(tx, states=(), before=None, limit=1_000_000)}


def _log_of(remains: Remains, name: str) -> AuditLog:
    keys_of_node = certified_node_keys(name)
    whose = LogName(keys_of_node.authority, keys_of_node.node, remains.incarnations[name])
    return AuditLog(whose, Vault(DerivedPeriodKeys(keys_of_node.storage)), SeededEntropy(0))


def _proves(row: SentRow, signed: SignedReceipt) -> bool:
    wanted = {
        DeliveryState.RECEIVED: (ReceiptStatus.RECEIVED,),
        DeliveryState.READ: (ReceiptStatus.READ,),
        DeliveryState.REJECTED: (ReceiptStatus.REJECTED,),
        DeliveryState.UNDELIVERABLE: (ReceiptStatus.UNDELIVERABLE,),
        DeliveryState.QUEUED: (),
    }[row.state]
    return any(
        entry.envelope == row.envelope_hash
        and entry.status in wanted
        and entry.record in ("", row.record_hash)
        for entry in signed.content.entries
    )


def _genuine(signed: SignedReceipt, verifier: BatchVerifier, issuers: tuple[str, str]) -> bool:
    issuer = signed.content.issuer
    key = certified_node_keys(issuer.authority).signing.admitted
    if issuer.authority not in issuers or issuer.key != key.key_id:
        return False
    try:
        verifier.verify(key, labels.RECEIPT, sha256(signed.receipt).digest(), signed.signature)
    except RemoteProtocolError:
        return False
    return True
