# SPDX-License-Identifier: Apache-2.0
"""Attack group C on a whole node: forged, changed, mixed and misdated messages.

C04 to C06, C09 to C13, C19 to C22.

Unless said otherwise the attacker is A or C, with its own true keys, and B must not be deceived.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import cache

import pytest

from globe_node.delivery import wire
from globe_node.delivery.link import Operation
from globe_node.directory.publish import suspend_authority
from protocol.audit.events import EventKind
from protocol.directory.statements import CompromisedKey, Suspension, SuspensionReason
from protocol.envelope import EnvelopeClass, envelope_hash, parse_envelope
from protocol.errors import ReasonCode
from protocol.identifiers import AuthorityId, KeyId, NodeId, key_id_of
from protocol.octets import Reader, op
from protocol.receipts import ReceiptEntry, ReceiptStatus, parse_signed_receipt
from protocol.signing import labels
from tests.simulation.loop import run_virtual
from tests.support.directory import certified_node_keys, officers, updated
from tests.support.hostile import RECEIVED, Hostile, Verdict, refused, rejected
from tests.support.identities import authority_root
from tests.support.nodes import A, B, C, Town, town
from tests.support.signers import seeded_signer

REFUSED, BAD_FIELD, BAD_VERSION = ReasonCode.REFUSED, ReasonCode.BAD_FIELD, ReasonCode.BAD_VERSION
BAD_CONTENT = ReasonCode.BAD_CONTENT
KEYS_A, KEYS_B, KEYS_C = (certified_node_keys(name) for name in (A, B, C))
Forge = Callable[[Hostile], bytes]
DAY = 86_400
PENDING = Verdict("pending")


def claiming(peer: Hostile, name: str, key: KeyId) -> bytes:
    """A record in the name of another, in a frame of one's own."""
    author = replace(peer.author(), authority=AuthorityId(name), key=key)
    return peer.envelope(peer.record(A if name == B else B, author=author))


def dated(peer: Hostile, **shift: float) -> bytes:
    """A record made at another time."""
    return peer.envelope(peer.record(created=peer.now + timedelta(**shift)))


def sealed(peer: Hostile, change: Callable[[bytes], bytes]) -> bytes:
    """A good envelope whose sealed part was changed after it was made."""
    return resealed(peer.envelope(), change)


def flipped(place: int) -> Callable[[bytes], bytes]:
    """Change one bit of an octet."""

    def flip(octets: bytes) -> bytes:
        at = place % len(octets)
        return octets[:at] + bytes([octets[at] ^ 1]) + octets[at + 1 :]

    return flip


def resealed(envelope: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """Change the sealed part of an envelope."""
    opened = parse_envelope(envelope)
    return op(opened.frame_bytes) + op(change(opened.sealed))


def reframed(envelope: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """Change the frame of an envelope."""
    opened = parse_envelope(envelope)
    return op(change(opened.frame_bytes)) + op(opened.sealed)


def now_ms(peer: Hostile) -> int:
    return int(peer.now.timestamp() * 1000)


def false_receipt(peer: Hostile) -> bytes:
    """A signed receipt in the place of a signed record."""
    entry = ReceiptEntry(peer.town.network.fingerprint, "1" * 64, ReceiptStatus.RECEIVED)
    return peer.seal(peer.sign_receipt(peer.receipt(B, [entry])), peer.frame(peer.record()))


def moved(peer: Hostile) -> bytes:
    """The sealed part of one message in the frame of another one of the same group."""
    record = peer.record()
    first, second = peer.envelope(record), peer.envelope(record)
    return op(parse_envelope(first).frame_bytes) + op(parse_envelope(second).sealed)


def marked_as_another(peer: Hostile) -> bytes:
    """A message of one group that is marked as one of another group, which the recipient is in too."""
    other = peer.record()
    peer.envelope(other)
    return peer.envelope(frame_routing_id=peer.frame(other).routing_id)


def to_both(peer: Hostile) -> bytes:
    """An envelope to B and C."""
    record = peer.record(B, C)
    return peer.seal(peer.signed(record), peer.frame(record), B, C)


def batch_of_another(peer: Hostile) -> bytes:
    """A true signature block, of another record."""
    first, second = peer.record(), peer.record()
    return peer.envelope(second, block=block_of(peer.signed(first)))


def block_of(signed: bytes) -> bytes:
    """The signature block of a signed record."""
    reader = Reader(signed)
    reader.u8()
    reader.op(300_000)
    return reader.op(5_000)


FORGED: dict[str, tuple[Forge, Verdict]] = {
    "C04 no signature": (lambda p: p.envelope(block=b""), rejected(BAD_CONTENT)),
    "C04 zeros": (lambda p: p.envelope(block=bytes(3_410)), rejected(BAD_CONTENT)),
    "C04 a bare signature": (
        lambda p: p.envelope(block=p.signing.sign(labels.RECORD, b"x")),
        rejected(BAD_CONTENT),
    ),
    "C04 the signature of another record": (batch_of_another, rejected(REFUSED)),
    "C04 by a key of nobody": (lambda p: p.envelope(signer=seeded_signer("nobody")), rejected(REFUSED)),
    "C04 by another authority": (lambda p: p.envelope(signer=KEYS_C.signing), rejected(REFUSED)),
    "C04 by the root of the authority": (
        lambda p: p.envelope(signer=authority_root(A).signing),
        rejected(REFUSED),
    ),
    "C06 a signature for receipts": (lambda p: p.envelope(label=labels.RECEIPT), rejected(REFUSED)),
    "C06 a signature for statements": (lambda p: p.envelope(label=labels.STATEMENT), rejected(REFUSED)),
    "C06 a signature for certificates": (
        lambda p: p.envelope(label=labels.NODE_CERTIFICATE),
        rejected(REFUSED),
    ),
    "C06 a receipt for a record": (false_receipt, rejected(BAD_CONTENT)),
    "C09 somebody else's name and key": (
        lambda p: claiming(p, C, KEYS_C.signing.key_id),
        rejected(REFUSED),
    ),
    "C09 somebody else's key under the own name": (
        lambda p: p.envelope(p.record(author=p.author(key=KEYS_C.signing.key_id))),
        rejected(REFUSED),
    ),
    "C12 the id of an encryption key": (
        lambda p: p.envelope(p.record(author=p.author(key=KEYS_A.encryption.key_id))),
        rejected(REFUSED),
    ),
    "C12 the id of the root key": (
        lambda p: p.envelope(p.record(author=p.author(key=authority_root(A).signing.key_id))),
        rejected(REFUSED),
    ),
    "C12 the own key under another algorithm": (
        lambda p: p.envelope(p.record(author=p.author(key=key_id_of("x-wing", p.signing.public_key)))),
        rejected(REFUSED),
    ),
    "C12 another node of the own authority": (
        lambda p: p.envelope(p.record(author=p.author(node=NodeId("other")))),
        rejected(REFUSED),
    ),
    "C11 in the frame of another message": (moved, rejected(REFUSED)),
    "C11 another form of message": (lambda p: sealed(p, flipped(3)), rejected(BAD_CONTENT)),
    "C13 a later version of MLS": (lambda p: sealed(p, lambda s: b"\0\2" + s[2:]), rejected(BAD_VERSION)),
    "C13 version 0 of MLS": (lambda p: sealed(p, lambda s: b"\0\0" + s[2:]), rejected(BAD_VERSION)),
    "C13 a frame of another version": (
        lambda p: reframed(p.envelope(), lambda f: b"\x02" + f[1:]),
        refused(BAD_VERSION),
    ),
    "C13 signed content of another version": (
        lambda p: p.seal(b"\x02" + p.signed(p.record())[1:], p.frame(p.record())),
        rejected(BAD_VERSION),
    ),
    "cut off": (lambda p: sealed(p, lambda s: s[:-1]), rejected(BAD_CONTENT)),
    "octets after it": (lambda p: sealed(p, lambda s: s + b"\0"), rejected(BAD_CONTENT)),
    "C19 before its key was valid": (
        lambda p: p.envelope(p.record(created=p.now - timedelta(days=3))),
        rejected(REFUSED),
    ),
    "C19 over before it came": (lambda p: dated(p, days=-9, seconds=-1), rejected(ReasonCode.EXPIRED)),
    "C19 from tomorrow": (lambda p: dated(p, days=1), refused(ReasonCode.NOT_YET_VALID)),
    "C19 five minutes and a second ahead": (
        lambda p: dated(p, minutes=5, seconds=1),
        refused(ReasonCode.NOT_YET_VALID),
    ),
    "C19 a life of 31 days": (
        lambda p: p.envelope(frame_expires_ms=int((p.now + timedelta(days=31)).timestamp() * 1000)),
        rejected(BAD_FIELD),
    ),
    "C19 a frame that is younger than its record": (
        lambda p: p.envelope(p.record(created=p.now - timedelta(hours=1)), frame_created_ms=now_ms(p)),
        rejected(BAD_FIELD),
    ),
    "C20 in the name of B itself": (lambda p: claiming(p, B, KEYS_B.signing.key_id), rejected(REFUSED)),
    "C20 in A's name by B's stolen key": (
        lambda p: p.envelope(p.record(author=p.author(key=KEYS_B.signing.key_id)), signer=KEYS_B.signing),
        rejected(REFUSED),
    ),
    "C20 in A's name, signed by B's stolen key": (
        lambda p: p.envelope(signer=KEYS_B.signing),
        rejected(REFUSED),
    ),
    "C21 the frame of another consultation": (marked_as_another, rejected(ReasonCode.NOT_FOUND)),
    "C21 the frame of no consultation": (lambda p: p.envelope(frame_routing_id=bytes(16)), PENDING),
    "a class for receipts": (
        lambda p: p.envelope(frame_envelope_class=EnvelopeClass.CONTROL),
        rejected(BAD_FIELD),
    ),
    "a message that says it is a commit": (
        lambda p: p.envelope(frame_envelope_class=EnvelopeClass.COMMIT),
        rejected(BAD_VERSION),
    ),
    "a message that says it is an invitation": (
        lambda p: p.envelope(frame_envelope_class=EnvelopeClass.WELCOME),
        rejected(BAD_VERSION),
    ),
}


@cache
def verdicts() -> dict[str, Verdict]:
    """What one node makes of them, one request each, and of a good one in the end."""
    found: dict[str, Verdict] = {}

    async def main() -> None:
        async with town(B) as nodes:
            nodes.clock.skew += DAY
            peer = Hostile(nodes, A)
            for name, (forge, _) in FORGED.items():
                (found[name],) = await peer.post(forge(peer))
            assert await nodes.entries(B, EventKind.OPENED) == []
            (found["good"],) = await peer.post(peer.envelope())
            assert nodes.warnings(B) == []

    run_virtual(main())
    return found


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_message_is_not_taken(name: str) -> None:
    assert verdicts()[name] == FORGED[name][1]


def test_a_good_one_after_all_the_forged_ones_is_taken() -> None:
    assert verdicts()["good"] == RECEIVED


def test_c05_no_changed_bit_gets_through() -> None:
    """One bit in every 61st octet, each in its own envelope; the tests of the protocol change every bit."""

    async def main() -> None:
        async with town(B) as nodes:
            peer = Hostile(nodes, A)
            length = len(peer.envelope())
            changed = [flipped(place)(peer.envelope()) for place in range(0, length, 61)]
            answer = await peer.ask(Operation.ENVELOPES, wire.write_items(changed))
            told = wire.parse_envelopes_answer(answer.body)
            entries = [
                one for octets in told.receipts for one in parse_signed_receipt(octets).content.entries
            ]
            assert {entry.status for entry in entries} == {ReceiptStatus.REJECTED}
            assert len(entries) > len(changed) * 0.9
            assert not told.pending
            assert await nodes.entries(B, EventKind.OPENED) == []
            assert await peer.post(peer.envelope()) == [RECEIVED]

    run_virtual(main())


def test_f50_one_forged_message_in_a_batch_spoils_only_itself() -> None:
    async def main() -> None:
        async with town(B) as nodes:
            peer = Hostile(nodes, A)
            batch = [peer.envelope() for _ in range(6)]
            batch[3] = peer.envelope(signer=KEYS_C.signing)
            assert await peer.post(*batch) == [RECEIVED] * 3 + [rejected(REFUSED)] + [RECEIVED] * 2

    run_virtual(main())


# --- C10: two recipients ----------------------------------------------------------------------------------


def test_c10_what_goes_to_two_is_one_ciphertext_and_both_notice_another_one() -> None:
    """Its key is a secret of the group, so nobody can be given another content in the same octets."""

    async def main() -> None:
        async with town(B, C) as nodes:
            peer = Hostile(nodes, A)
            envelope = to_both(peer)
            assert await peer.post(envelope) == [RECEIVED]
            assert await peer.post(envelope, to=C) == [RECEIVED]
            other = resealed(to_both(peer), flipped(-20))
            assert await peer.post(other) == [rejected(REFUSED)]
            assert await peer.post(other, to=C) == [rejected(REFUSED)]

    run_virtual(main())


# --- C19, C22: trust that ended, and one answer for every failure of trust ---------------------------------


def suspended(nodes: Town) -> bytes:
    suspension = Suspension(by="officers", reason=SuspensionReason.MISUSE)
    return suspend_authority(
        nodes.network.state,
        AuthorityId(A),
        suspension,
        signers=[officers()[0].signing],
        issued=nodes.clock.now(),
    )


def compromised(nodes: Town) -> bytes:
    key = KEYS_A.signing.key_id
    return updated(nodes.network.state, A, CompromisedKey(key=key, since=nodes.clock.now()))


@pytest.mark.parametrize("end_trust", [suspended, compromised])
def test_c19_after_trust_ended_even_what_was_written_before_is_refused(
    end_trust: Callable[[Town], bytes],
) -> None:
    async def main() -> None:
        async with town(B) as nodes:
            nodes.clock.skew += DAY
            peer = Hostile(nodes, A)
            before, taken = (
                peer.envelope(peer.record(created=peer.now - timedelta(hours=1))) for _ in range(2)
            )
            later = peer.envelope()
            assert await peer.post(taken) == [RECEIVED]
            await nodes.nodes[B].register.admit([end_trust(nodes)], source="file")
            assert await peer.post(before, later) == [rejected(REFUSED)] * 2

    run_virtual(main())


def resigned(peer: Hostile) -> bytes:
    """The signature is cut off and put on again with its last bit changed."""
    record = peer.record()
    block = block_of(peer.signed(record))
    return peer.envelope(record, block=block[:-1] + bytes([block[-1] ^ 1]))


FAILURES_OF_TRUST: dict[str, Forge] = {
    "a key of nobody": lambda p: p.envelope(signer=seeded_signer("nobody")),
    "a signature with one bit changed": resigned,
    "an author that is not the sender": lambda p: claiming(p, C, KEYS_C.signing.key_id),
    "an unknown author": lambda p: claiming(p, "xz-nobody", p.signing.key_id),
    "not addressed to B": lambda p: p.envelope(p.record(C)),
    "one bit of the content changed": lambda p: sealed(p, flipped(2_000)),
    "one bit of its tag changed": lambda p: sealed(p, flipped(-1)),
    "in the frame of another message": moved,
}


def test_c22_every_failure_of_trust_looks_the_same() -> None:
    """Status, reason and what the receipt names; only the hash of what was sent itself differs."""

    async def main() -> None:
        told: dict[str, set[tuple[str, str, str]]] = {}
        async with town(B) as nodes:
            peer = Hostile(nodes, A)
            for name, forge in FAILURES_OF_TRUST.items():
                told[name] = await entries_for(peer, forge(peer))
            late = peer.envelope()
            await nodes.nodes[B].register.admit([suspended(nodes)], source="file")
            told["suspended"] = await entries_for(peer, late)
        async with town(B) as nodes:
            peer = Hostile(nodes, A)
            late = peer.envelope()
            await nodes.nodes[B].register.admit([compromised(nodes)], source="file")
            told["compromised"] = await entries_for(peer, late)
        assert set(map(frozenset, told.values())) == {frozenset({("rejected", "refused", "")})}

    run_virtual(main())


async def entries_for(peer: Hostile, envelope: bytes) -> set[tuple[str, str, str]]:
    answer = await peer.ask(Operation.ENVELOPES, wire.write_items([envelope]))
    told = wire.parse_envelopes_answer(answer.body)
    assert (told.pending, dict(told.refused)) == ((), {})
    return {
        (one.status.value, one.reason or "", one.record)
        for receipt in told.receipts
        for one in parse_signed_receipt(receipt).content.entries
        if one.envelope == envelope_hash(envelope)
    }
