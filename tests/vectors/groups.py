# SPDX-License-Identifier: Apache-2.0
"""Test data for PROTOCOL.md section 16: what a receiver takes, and what it refuses for which reason."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from protocol import canonical
from protocol.canonical import JSONValue
from protocol.directory.entries import AuthorityEntry, NodeEntry, NodeState
from protocol.directory.replay import DirectoryState
from protocol.errors import ReasonCode
from protocol.groups.certificate import LeafCertificate, leaf_certificate_hash
from protocol.groups.credential import LeafIdentity
from protocol.groups.extension import ConsultationExtension
from protocol.groups.testimony.continued import with_history
from protocol.groups.testimony.hub_receipt import EquivocationProof
from protocol.identifiers import AuthorityId, ConsultationId, NodeId, NodeName, owned_uuid7
from protocol.octets import Writer, base64_text, op
from protocol.signing import labels
from tests.support.directory import sample_network
from tests.support.leaves import leaf_key
from tests.support.signers import seeded_signer
from tests.vectors.files import Document, RememberingSigner, octets

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)
A, B = AuthorityId("xa-acc"), AuthorityId("xb-ibu")
MAIN = NodeId("main")
Make = Callable[[Document], Document]
Case = dict[str, Any]


# --- the directory that the cases are judged by -------------------------------------------------------------
def directory(a_state: NodeState = NodeState.ACTIVE, *, suspended: bool = False) -> DirectoryState:
    """Two authorities with a node each; the node of the first is as the case says."""
    state = sample_network().state
    entries = dict(state.held.entries)
    for name in (A, B):
        entry: AuthorityEntry = entries[name]
        node: NodeEntry = replace(
            entry.nodes[0],
            signing=seeded_signer(f"vectors {name}").admitted,
            not_before=START - DAY,
            not_after=START + 365 * DAY,
            state=a_state if name == A else NodeState.ACTIVE,
            since=START if name == A and a_state is NodeState.COMPROMISED else None,
        )
        entries[name] = replace(entry, nodes=(node,), suspended_by_officers=suspended and name == A)
    return replace(state, held=replace(state.held, entries=entries))


DIRECTORIES: dict[str, DirectoryState] = {
    "listed": directory(),
    "retired": directory(NodeState.RETIRED),
    "compromised": directory(NodeState.COMPROMISED),
    "suspended": directory(suspended=True),
}


def facts() -> list[Case]:
    """What the directories say, for whoever has none."""
    found: list[Case] = []
    for name, state in DIRECTORIES.items():
        for authority in (A, B):
            entry = state.held.entries[authority]
            node = entry.nodes[0]
            found.append(
                {
                    "directory": name,
                    "authority": authority,
                    "in_exchange": not entry.suspended_by_officers,
                    "node": node.node,
                    "key_id": node.signing.key_id,
                    "state": node.state.value.lower(),
                    "not_before": canonical.moment_text(node.not_before),
                    "not_after": canonical.moment_text(node.not_after),
                }
            )
    return found


def signed_file(section: str, about: str, cases: list[Case]) -> Document:
    signing_keys = {
        seeded_signer(f"vectors {name}").key_id: octets(seeded_signer(f"vectors {name}").public_key)
        for name in (A, B)
    }
    return {
        "section": section,
        "about": about,
        "signing_keys": signing_keys,
        "directories": facts(),
        "cases": cases,
    }


# --- cases --------------------------------------------------------------------------------------------------
def good(name: str, data: bytes, **more: Any) -> Case:
    return {"name": name, "octets": octets(data), "result": "ok", **more}


def bad(name: str, data: bytes, code: ReasonCode, **more: Any) -> Case:
    return {"name": name, "octets": octets(data), "result": code.value, **more}


def flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes((data[place] ^ 1,)) + data[place + 1 :]


class Maker:
    """Signs bodies as they are, good or bad."""

    def __init__(self, before: Document) -> None:
        self._signers = {name: RememberingSigner(seeded_signer(f"vectors {name}"), before) for name in (A, B)}

    def key_id(self, authority: AuthorityId) -> str:
        return self._signers[authority].key_id

    def sign(self, authority: AuthorityId, label: str, body: bytes, version: int = 1) -> bytes:
        signature = self._signers[authority].sign(label, body)
        return Writer().u8(version).op(body).op(signature).to_bytes()


# --- 16.1 ---------------------------------------------------------------------------------------------------
CERTIFICATE = LeafCertificate(
    serial="0" * 31 + "1",
    authority=A,
    node=MAIN,
    key=leaf_key("vectors"),
    not_before=START,
    not_after=START + 30 * DAY,
    issuer=seeded_signer(f"vectors {A}").key_id,
)
END, TICK = START + 30 * DAY, timedelta(milliseconds=1)


def judged(question: str, at: datetime, state: str = "listed") -> Case:
    return {"question": question, "at": canonical.moment_text(at), "directory": state}


ENTERS = judged("enters", START)


def leaf_certificates(before: Document) -> Document:
    maker = Maker(before)
    members = dict(canonical.parse_object(CERTIFICATE.to_bytes(), 4096))

    def made(label: str = labels.LEAF_CERTIFICATE, by: AuthorityId = A, **changes: JSONValue) -> bytes:
        return maker.sign(by, label, canonical.to_bytes({**members, **changes}))

    spaced = maker.sign(A, labels.LEAF_CERTIFICATE, CERTIFICATE.to_bytes().replace(b":", b": ", 1))
    cases = [
        *leaves_in_time(made()),
        *certificates_that_do_not_chain(made),
        *certificates_out_of_form(made),
        bad("a space in the body", spaced, ReasonCode.BAD_JSON, **ENTERS),
    ]
    return signed_file("16.1", "leaf certificates, and when their leaves enter and stand", cases)


def leaves_in_time(data: bytes) -> list[Case]:
    named = {"hash": leaf_certificate_hash(data).hex()}
    early, retired = judged("enters", START - TICK), judged("enters", START, "retired")
    compromised = judged("stands", START, "compromised")
    return [
        good("enters at its first moment", data, **ENTERS, **named),
        good("enters at its last moment", data, **judged("enters", END - TICK)),
        bad("does not enter at its end", data, ReasonCode.EXPIRED, **judged("enters", END)),
        bad("does not enter before it begins", data, ReasonCode.NOT_YET_VALID, **early),
        good("stands for sixty days more", data, **judged("stands", END + 60 * DAY - TICK)),
        bad("falls after sixty days more", data, ReasonCode.EXPIRED, **judged("stands", END + 60 * DAY)),
        good("stands under a retired key", data, **judged("stands", START, "retired")),
        bad("does not enter under a retired key", data, ReasonCode.REFUSED, **retired),
        bad("falls with a compromised key", data, ReasonCode.REFUSED, **compromised),
        bad("falls with its authority", data, ReasonCode.REFUSED, **judged("stands", START, "suspended")),
    ]


def certificates_that_do_not_chain(made: Callable[..., bytes]) -> list[Case]:
    data, late = made(), judged("enters", START + 364 * DAY)
    beyond = made(not_before="2027-03-01T09:00:00.000Z", not_after="2027-03-02T09:00:00.001Z")
    return [
        bad("another label", made(labels.NODE_CERTIFICATE), ReasonCode.REFUSED, **ENTERS),
        bad("another signer", made(by=B), ReasonCode.REFUSED, **ENTERS),
        bad("another node of the authority", made(node="other"), ReasonCode.REFUSED, **ENTERS),
        bad("an issuer that is not listed", made(issuer="00" * 32), ReasonCode.REFUSED, **ENTERS),
        bad("an issuer of another authority", made(authority=B), ReasonCode.REFUSED, **ENTERS),
        bad("ends after its issuer", beyond, ReasonCode.REFUSED, **late),
        bad("a changed ML-DSA half", flipped(data, len(data) - 100), ReasonCode.REFUSED, **ENTERS),
        bad("a changed Ed25519 half", flipped(data, len(data) - 1), ReasonCode.REFUSED, **ENTERS),
    ]


def certificates_out_of_form(made: Callable[..., bytes]) -> list[Case]:
    data, begins = made(), canonical.moment_text(START)
    long = made(not_after=canonical.moment_text(END + TICK))
    small, short = base64_text(b"\1" + bytes(31)), base64_text(CERTIFICATE.key[1:])
    return [
        bad("longer than 30 days", long, ReasonCode.BAD_FIELD, **ENTERS),
        bad("ends as it begins", made(not_after=begins), ReasonCode.BAD_FIELD, **ENTERS),
        bad("a small key", made(key=small), ReasonCode.REFUSED, **ENTERS),
        bad("a key of 31 octets", made(key=short), ReasonCode.REFUSED, **ENTERS),
        bad("a member more", made(note="x"), ReasonCode.UNKNOWN_FIELD, **ENTERS),
        bad("a serial in capitals", made(serial="A" * 32), ReasonCode.BAD_FIELD, **ENTERS),
        bad("version 2 in the body", made(v=2), ReasonCode.BAD_VERSION, **ENTERS),
        bad("version 2 outside", b"\2" + data[1:], ReasonCode.BAD_VERSION, **ENTERS),
        bad("an octet more", data + b"\0", ReasonCode.BAD_CONTENT, **ENTERS),
        bad("cut off", data[:-1], ReasonCode.BAD_CONTENT, **ENTERS),
    ]


# --- 16.2 ---------------------------------------------------------------------------------------------------
def identities(_before: Document) -> Document:
    digest = bytes(range(32))
    data = LeafIdentity(NodeName(A, MAIN), digest).to_bytes()
    value = {"authority": A, "node": MAIN, "certificate": digest.hex()}
    long = Writer().raw(b"anp1").op(b"a" * 64).op(b"main").raw(digest).to_bytes()
    cases = [
        good("a node", data, value=value),
        bad("another kind", b"anp2" + data[4:], ReasonCode.BAD_CONTENT),
        bad("cut off", data[:-1], ReasonCode.BAD_CONTENT),
        bad("an octet more", data + b"\0", ReasonCode.BAD_CONTENT),
        bad("a length not in its shortest form", data.replace(b"\6xa", b"\x40\6xa"), ReasonCode.BAD_CONTENT),
        bad("capitals", data.replace(b"xa-acc", b"XA-ACC"), ReasonCode.BAD_FIELD),
        bad("no node", data.replace(b"\4main", b"\0"), ReasonCode.BAD_FIELD),
        bad("64 characters", long, ReasonCode.TOO_LARGE),
    ]
    return {"section": "16.2", "about": "identities in the credentials of leaves", "cases": cases}


# --- 16.3 ---------------------------------------------------------------------------------------------------
def consultation_extensions(_before: Document) -> Document:
    extension = ConsultationExtension(
        consultation=ConsultationId("019f1d03-8dc1-7000-8000-000000000001"),
        hub=NodeName(A, MAIN),
        successors=(NodeName(B, MAIN), NodeName(A, NodeId("second"))),
        roster=(A, B),
        policy_version=1,
        opening=bytes(range(32)),
    )
    names = [f"x{number:02}".encode() for number in range(21)]

    def made(**changes: Any) -> bytes:
        fields: dict[str, Any] = {
            "consultation": extension.consultation.encode(),
            "hub": b"xa-acc/main",
            "successors": [b"xb-ibu/main", b"xa-acc/second"],
            "roster": [b"xa-acc", b"xb-ibu"],
            "version": 1,
            "opening": extension.opening,
            **changes,
        }
        writer = Writer().op(fields["consultation"]).op(fields["hub"])
        writer.op(b"".join(map(op, fields["successors"]))).op(b"".join(map(op, fields["roster"])))
        return writer.u64(fields["version"]).op(fields["opening"]).to_bytes()

    def value(of: ConsultationExtension) -> Case:
        return {
            "consultation": of.consultation,
            "hub": str(of.hub),
            "successors": [str(name) for name in of.successors],
            "roster": list(of.roster),
            "policy_version": str(of.policy_version),
            "opening": of.opening.hex(),
        }

    largest = replace(extension, policy_version=2**64 - 1, successors=())
    field = ReasonCode.BAD_FIELD
    cases = [
        good("two authorities", extension.to_bytes(), value=value(extension)),
        good("without successors, with the last version", largest.to_bytes(), value=value(largest)),
        bad("one authority", made(roster=[b"xa-acc"], successors=[]), field),
        bad("21 authorities", made(roster=names, hub=b"x00/main", successors=[]), field),
        bad("a roster that is not sorted", made(roster=[b"xb-ibu", b"xa-acc"]), field),
        bad("an authority twice", made(roster=[b"xa-acc", b"xa-acc", b"xb-ibu"]), field),
        bad("a hub off the roster", made(hub=b"xc-aco/main"), field),
        bad("a hub without a node", made(hub=b"xa-acc"), field),
        bad("a successor off the roster", made(successors=[b"xc-aco/main"]), field),
        bad("the hub as its successor", made(successors=[b"xa-acc/main"]), field),
        bad("a successor twice", made(successors=[b"xb-ibu/main"] * 2), field),
        bad("version 0", made(version=0), field),
        bad("an id in capitals", made(consultation=extension.consultation.upper().encode()), field),
        bad("an opening of 31 octets", made(opening=bytes(31)), ReasonCode.BAD_CONTENT),
        bad("an opening of 33 octets", made(opening=bytes(33)), ReasonCode.TOO_LARGE),
        bad("an octet more", made() + b"\0", ReasonCode.BAD_CONTENT),
        bad("cut off", made()[:-1], ReasonCode.BAD_CONTENT),
    ]
    return {"section": "16.3", "about": "data of the extension `consultation`, 0xF0E1", "cases": cases}


# --- 16.5 to 16.7 -------------------------------------------------------------------------------------------
GROUP = sha256(b"group").hexdigest()
COMMIT = b"a commit"


def said(maker: Maker, label: str, members: dict[str, JSONValue], by: AuthorityId) -> Callable[..., bytes]:
    """Return a function that signs a body with these members, or with others."""
    whole: dict[str, JSONValue] = {
        "v": 1,
        "created": canonical.moment_text(START),
        "issuer": {"authority": by, "node": MAIN, "key": maker.key_id(by)},
        **members,
    }

    def made(label_used: str = label, signed_by: AuthorityId = by, **changes: JSONValue) -> bytes:
        return maker.sign(signed_by, label_used, canonical.to_bytes({**whole, **changes}))

    return made


def hub_receipts(before: Document) -> Document:
    members: dict[str, JSONValue] = {
        "consultation": "019f1d03-8dc1-7000-8000-000000000001",
        "group": GROUP,
        "epoch": 3,
        "commit": sha256(COMMIT).hexdigest(),
        "authenticator": sha256(b"an epoch authenticator").hexdigest(),
    }
    made = said(Maker(before), labels.HUB_RECEIPT, members, A)
    data, other = made(), made(commit=sha256(b"another").hexdigest())
    elsewhere = made(authenticator=sha256(b"elsewhere").hexdigest())
    next_epoch = made(epoch=4, commit=sha256(b"another").hexdigest())
    other_matter = made(
        consultation="019f1d03-8dc1-7000-8000-000000000002", commit=sha256(b"another").hexdigest()
    )
    now = {"at": canonical.moment_text(START), "directory": "listed"}
    receipt, proof = {"kind": "receipt", **now}, {"kind": "equivocation", **now}

    def pair(one: bytes, two: bytes) -> bytes:
        return EquivocationProof(*sorted((one, two))).to_bytes()

    turned = EquivocationProof(*sorted((data, other), reverse=True)).to_bytes()
    key_of_b = {"authority": A, "node": MAIN, "key": Maker(before).key_id(B)}
    cases = [
        good("a receipt", data, **receipt, commit=octets(COMMIT)),
        good("another receipt for the same place", other, **receipt),
        good("the same commit, another outcome", elsewhere, **receipt),
        good("the next place", next_epoch, **receipt),
        good("a place of another consultation", other_matter, **receipt),
        good("by a key that was retired", data, **{**receipt, "directory": "retired"}),
        bad(
            "by a key that is compromised",
            data,
            ReasonCode.REFUSED,
            **{**receipt, "directory": "compromised"},
        ),
        bad("from the future", made(created="2026-03-02T09:05:00.001Z"), ReasonCode.NOT_YET_VALID, **receipt),
        bad("before the key", made(created="2026-03-01T08:59:59.999Z"), ReasonCode.REFUSED, **receipt),
        bad("another label", made(labels.JOINED), ReasonCode.REFUSED, **receipt),
        bad("another signer", made(signed_by=B), ReasonCode.REFUSED, **receipt),
        bad("a key of another authority", made(issuer=key_of_b), ReasonCode.REFUSED, **receipt),
        bad("an epoch below 0", made(epoch=-1), ReasonCode.BAD_FIELD, **receipt),
        bad("an epoch as text", made(epoch="3"), ReasonCode.BAD_FIELD, **receipt),
        bad("no consultation", made(consultation="x"), ReasonCode.BAD_FIELD, **receipt),
        bad("a group of 31 octets", made(group=GROUP[2:]), ReasonCode.BAD_FIELD, **receipt),
        bad("a member more", made(hub="x"), ReasonCode.UNKNOWN_FIELD, **receipt),
        good("two commits in one place", pair(data, other), **proof, hub="xa-acc/main"),
        good("two outcomes of one commit", pair(data, elsewhere), **proof, hub="xa-acc/main"),
        bad("two consultations", pair(data, other_matter), ReasonCode.REFUSED, **proof),
        bad("two places", pair(data, next_epoch), ReasonCode.REFUSED, **proof),
        bad("in another order", turned, ReasonCode.BAD_CONTENT, **proof),
        bad("the same twice", EquivocationProof(data, data).to_bytes(), ReasonCode.BAD_CONTENT, **proof),
    ]
    return signed_file("16.5", "hub receipts and proofs of equivocation", cases)


def joined_statements(before: Document) -> Document:
    members: dict[str, JSONValue] = {
        "by": "welcome",
        "consultation": "019f1d03-8dc1-7000-8000-000000000001",
        "group": GROUP,
        "epoch": 1,
        "authenticator": sha256(b"an epoch authenticator").hexdigest(),
        "opening": sha256(b"an opening record").hexdigest(),
    }
    made = said(Maker(before), labels.JOINED, members, B)
    now = {"at": canonical.moment_text(START), "directory": "listed"}
    cases = [
        good("by a Welcome", made(), **now),
        good("by a resync", made(by="resync", epoch=7), **now),
        bad("by another way", made(by="branch"), ReasonCode.BAD_FIELD, **now),
        bad("no opening", made(opening=""), ReasonCode.BAD_FIELD, **now),
        bad("no consultation", made(consultation="x"), ReasonCode.BAD_FIELD, **now),
        bad("another label", made(labels.HUB_RECEIPT), ReasonCode.REFUSED, **now),
    ]
    return signed_file("16.6", "joined statements", cases)


def continued_statements(before: Document) -> Document:
    founded = ConsultationExtension(
        consultation=ConsultationId("019f1d03-8dc1-7000-8000-000000000001"),
        hub=NodeName(B, MAIN),
        successors=(NodeName(A, MAIN),),
        roster=(A, B),
        policy_version=2,
        opening=sha256(b"an opening record").digest(),
    )
    second, third = sha256(b"second").hexdigest(), sha256(b"third").hexdigest()
    again = replace(founded, hub=NodeName(A, MAIN), successors=(NodeName(B, MAIN),), policy_version=4)
    members: dict[str, JSONValue] = {
        "continues": GROUP,
        "epoch": 7,
        "authenticator": sha256(b"an epoch authenticator").hexdigest(),
        "group": second,
        "extension": base64_text(founded.to_bytes()),
    }
    made = said(Maker(before), labels.CONTINUED, members, B)
    follows = said(
        Maker(before),
        labels.CONTINUED,
        {**members, "continues": second, "group": third, "extension": base64_text(again.to_bytes())},
        A,
    )

    def history(*statements: bytes) -> bytes:
        return with_history(Writer(), statements).to_bytes()

    def then(**changes: Any) -> bytes:
        return follows(extension=base64_text(replace(again, **changes).to_bytes()))

    now = {"at": canonical.moment_text(START), "directory": "listed"}
    field, refused = ReasonCode.BAD_FIELD, ReasonCode.REFUSED
    cases = [
        good("none", history(), **now),
        good("one", history(made()), **now, group=second),
        good("two", history(made(), follows()), **now, group=third),
        bad(
            "by another than the new hub",
            history(made(extension=base64_text(again.to_bytes()))),
            field,
            **now,
        ),
        bad("with the first version", history(made(extension=_first_version(founded))), field, **now),
        bad("of itself", history(made(group=GROUP)), field, **now),
        bad("an extension that is none", history(made(extension="")), ReasonCode.BAD_CONTENT, **now),
        bad("an epoch below 0", history(made(epoch=-1)), field, **now),
        bad("a member more", history(made(hub="x")), ReasonCode.UNKNOWN_FIELD, **now),
        bad("another label", history(made(labels.JOINED)), refused, **now),
        bad("another signer", history(made(signed_by=A)), refused, **now),
        bad("from the future", history(made(created="2026-03-02T09:05:00.001Z")), _EARLY, **now),
        bad("in another order", history(follows(), made()), refused, **now),
        bad("a gap", history(made(), follows(continues=GROUP)), refused, **now),
        bad("back to where it came from", history(made(), follows(group=GROUP)), refused, **now),
        bad("not a later version", history(made(), then(policy_version=2)), refused, **now),
        bad("another opening", history(made(), then(opening=bytes(32))), refused, **now),
        bad("17 of them", history(*[made()] * 17), ReasonCode.TOO_LARGE, **now),
    ]
    return signed_file("16.10", "histories of groups: how one came from others", cases)


_EARLY = ReasonCode.NOT_YET_VALID


def _first_version(founded: ConsultationExtension) -> str:
    return base64_text(replace(founded, policy_version=1).to_bytes())


def controls(before: Document) -> Document:
    control_id = str(owned_uuid7(int(START.timestamp() * 1000), bytes(10), B))
    members: dict[str, JSONValue] = {
        "kind": "nack",
        "control_id": control_id,
        "consultation": "019f1d03-8dc1-7000-8000-000000000001",
        "group": GROUP,
        "envelope": "019f1d038dc170008000000000000002",
        "reason": "refused",
        "ranges": [],
    }

    def places(first: int, last: int, authority: str = A, incarnation: str = "0" * 16) -> JSONValue:
        return {"authority": authority, "incarnation": incarnation, "first": first, "last": last}

    made = said(Maker(before), labels.CONTROL, members, B)

    def resend(*ranges: JSONValue) -> bytes:
        return made(kind="resend", envelope="", reason="", ranges=list(ranges))

    now = {"at": canonical.moment_text(START), "directory": "listed"}
    field = ReasonCode.BAD_FIELD
    cases = [
        good("nack", made(), **now),
        good("resend", resend(places(2, 4), places(7, 7)), **now),
        good(
            "resend of all that follow, in every chain", resend(places(1, 2**53 - 1, incarnation="")), **now
        ),
        good("resend of own records", resend(places(1, 2**53 - 1, B)), **now),
        bad("nack without an envelope", made(envelope=""), field, **now),
        bad("nack with an unknown reason", made(reason="tired"), field, **now),
        bad("an id of somebody else", made(control_id=members["consultation"]), field, **now),
        bad("resend of nothing", resend(), field, **now),
        bad("ranges that touch", resend(places(1, 2), places(3, 4)), field, **now),
        bad("ranges that are not sorted", resend(places(5, 6), places(1, 2)), field, **now),
        bad("place 0", resend(places(0, 1)), field, **now),
        bad("another label", made(labels.JOINED), ReasonCode.REFUSED, **now),
    ]
    return signed_file("16.7", "controls", cases)


FILES: dict[str, Make] = {
    "leaf_certificates.json": leaf_certificates,
    "identities.json": identities,
    "consultation_extensions.json": consultation_extensions,
    "hub_receipts.json": hub_receipts,
    "joined.json": joined_statements,
    "continued.json": continued_statements,
    "controls.json": controls,
}
