# SPDX-License-Identifier: Apache-2.0
"""What two nodes tell each other about the directory until both hold the same. It knows no line.

1. Both sides send the same kind of message: how far they are in each chain, and what they think the other
   lacks. Messages go back and forth until neither has anything to say.
2. A statement from a peer is judged like any other; a peer can neither add, change nor order anything.
3. Every message is bounded; what does not fit comes with the next one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from globe_node.directory import records
from globe_node.directory.records import Place
from globe_node.directory.register import Register, Report
from globe_node.store.door import Store, Transaction
from protocol import canonical, limits
from protocol.canonical import JSONValue, object_of, require_members, texts_of
from protocol.directory.dsse import parse_signed_statement
from protocol.directory.replay import DirectoryState
from protocol.errors import MalformedError, ReasonCode
from protocol.identifiers import Digest, parse_digest
from protocol.octets import base64_text, parse_base64

MAX_STATEMENTS = 500
"""Statements in one message."""
MAX_STATEMENT_TOTAL_BYTES = 2 * 1024 * 1024
"""Octets of statements in one message: as base64, with the heads beside them, within 4 MiB."""
MAX_ROUNDS = 64
"""Messages of one side in one meeting; the next meeting goes on."""
_MAX_EXTRAS = 16
"""Ids named beside the head of a chain: what waits and both sides of a dispute."""


@dataclass(frozen=True, slots=True)
class Head:
    """How far somebody is in one chain.

    Attributes:
        seq: number of statements in their places, 0 for none.
        statement_id: the last of them, or "".
        extras: what is held beside: waiting statements and sides of a dispute.
    """

    seq: int
    statement_id: str
    extras: frozenset[Digest] = frozenset()


Heads = Mapping[str, Head]
_NOTHING = Head(0, "")


@dataclass(frozen=True, slots=True)
class Message:
    """What one side says."""

    heads: Heads
    statements: tuple[bytes, ...] = field(default=(), repr=False)

    def to_bytes(self) -> bytes:
        """Write the message.

        Spec: PROTOCOL.md section 10.7.
        """
        heads: dict[str, JSONValue] = {
            chain: [head.seq, head.statement_id, *sorted(head.extras)] for chain, head in self.heads.items()
        }
        return canonical.to_bytes(
            {"heads": heads, "statements": [base64_text(statement) for statement in self.statements]}
        )


def parse_message(body: bytes) -> Message:
    """Read what the other side says; its statements are not judged here.

    Raises:
        MalformedError: too long (`too_large`), not JSON (`bad_json`), or a field outside its rule.

    Spec: PROTOCOL.md section 10.7.
    """
    value = canonical.parse_object(body, limits.MAX_DIRECTORY_ANSWER_BYTES)
    require_members(value, {"heads", "statements"}, "message")
    heads = object_of(value["heads"], "heads")
    statements = texts_of(value["statements"], MAX_STATEMENTS, "statements")
    return Message(
        heads={chain: _parse_head(head) for chain, head in heads.items()},
        statements=tuple(parse_base64(text) for text in statements),
    )


def heads_of(state: DirectoryState) -> Heads:
    """Return how far we are in each chain."""
    held = state.held
    heads: dict[str, Head] = {}
    for chain in held.chains.keys() | held.pending.keys():
        ids = held.chains.get(chain, ())
        extras = {pending.statement_id for pending in held.pending.get(chain, ())}
        dispute = held.dispute_of(chain)
        if dispute is not None:
            extras.update(dispute.statements)
        heads[chain] = Head(len(ids), ids[-1] if ids else "", frozenset(extras))
    return heads


def missing(state: DirectoryState, places: Sequence[Place], theirs: Heads) -> list[Place]:
    """Return what the other side lacks as far as its heads tell, in the order of arrival here.

    Where its head is not in our chain, the chains fork somewhere: it gets ours whole, so that it can find
    the two statements at one place.
    """
    ours, wanted = heads_of(state), []
    apart = {chain for chain, head in theirs.items() if _is_apart(state.held.chains.get(chain, ()), head)}
    for place in places:
        head = theirs.get(place.chain, _NOTHING)
        beyond = place.seq > head.seq or place.statement_id in ours[place.chain].extras
        if (place.chain in apart or beyond) and place.statement_id not in head.extras:
            wanted.append(place)
    return wanted


async def answer(register: Register, store: Store, body: bytes, peer: str) -> tuple[bytes, Report]:
    """Take in what a peer said and return what we say to it.

    Args:
        register: the directory.
        store: where it is kept.
        body: untrusted.
        peer: `authority/node` as the line has authenticated it.

    Raises:
        MalformedError: not a message.

    Spec: PROTOCOL.md section 10.7.
    """
    message = parse_message(body)
    report = await register.admit(message.statements, source=peer)
    reply = await _reply(register, store, message.heads, frozenset())
    return reply.to_bytes(), report


class Meeting:
    """Our side of one meeting that we began. Feed each answer to `take` until it returns None.

    Args:
        register: the directory.
        store: where it is kept.
        peer: `authority/node` of the other side.
    """

    def __init__(self, register: Register, store: Store, peer: str) -> None:
        self._register = register
        self._store = store
        self._peer = peer
        self._sent: set[Digest] = set()
        self._rounds = 0
        self.changed = False

    def opening(self) -> bytes:
        """Return the first message: how far we are."""
        heads = {} if self._register.is_empty else heads_of(self._register.state)
        return Message(heads=heads).to_bytes()

    async def take(self, body: bytes) -> bytes | None:
        """Take in an answer; return the next message, or None when there is nothing more to say.

        Raises:
            MalformedError: not a message.
        """
        message = parse_message(body)
        report = await self._register.admit(message.statements, source=self._peer)
        self.changed = self.changed or report.changed
        self._rounds += 1
        if self._rounds >= MAX_ROUNDS:
            return None
        reply = await _reply(self._register, self._store, message.heads, frozenset(self._sent))
        if not reply.statements and not report.changed:
            return None
        self._sent.update(parse_signed_statement(statement).statement_id for statement in reply.statements)
        return reply.to_bytes()


async def _reply(register: Register, store: Store, theirs: Heads, sent: frozenset[Digest]) -> Message:
    if register.is_empty:
        return Message(heads={})
    state = register.state
    ours = heads_of(state)
    if ours == theirs:
        return Message(heads=ours)

    def gather(tx: Transaction) -> tuple[bytes, ...]:
        lacking = missing(state, records.places(tx), theirs)
        chosen = _that_fit([place for place in lacking if place.statement_id not in sent])
        found = records.statements_by_id(tx, [place.statement_id for place in chosen])
        return tuple(found[place.statement_id] for place in chosen)

    return Message(heads=ours, statements=await store.read(gather))


def _that_fit(places: Sequence[Place]) -> list[Place]:
    chosen: list[Place] = []
    total = 0
    for place in places[:MAX_STATEMENTS]:
        total += place.size
        if total > MAX_STATEMENT_TOTAL_BYTES:
            break
        chosen.append(place)
    return chosen


def _is_apart(ours: Sequence[Digest], head: Head) -> bool:
    return 0 < head.seq <= len(ours) and ours[head.seq - 1] != head.statement_id


def _parse_head(head: JSONValue) -> Head:
    if not isinstance(head, list) or not 2 <= len(head) <= 2 + _MAX_EXTRAS:
        raise MalformedError("not a head of a chain", code=ReasonCode.BAD_FIELD)
    seq, *ids = head
    texts = [text for text in ids if isinstance(text, str)]
    if not isinstance(seq, int) or isinstance(seq, bool) or seq < 0 or len(texts) != len(ids):
        raise MalformedError("not a head of a chain", code=ReasonCode.BAD_FIELD)
    if (seq == 0) != (texts[0] == ""):
        raise MalformedError("not a head of a chain", code=ReasonCode.BAD_FIELD)
    last = parse_digest(texts[0]) if seq else ""
    return Head(seq=seq, statement_id=last, extras=frozenset(parse_digest(text) for text in texts[1:]))
