# SPDX-License-Identifier: Apache-2.0
"""Test data for PROTOCOL.md section 7: envelopes with frames and times, and what is in their sealed parts."""

from typing import Any

from protocol import canonical
from protocol.envelope import EnvelopeClass, Frame, envelope_hash, routing_id_of
from protocol.errors import ReasonCode
from protocol.groups.sealed import Invitation, OrderedCommit, frame_binding
from protocol.identifiers import EnvelopeId, NodeName, uuid7
from protocol.octets import Writer, op
from tests.vectors.files import Document
from tests.vectors.groups import DAY, MAIN, START, TICK, A, Case, Make, bad, good

GROUP = bytes(range(32))
START_MS = int(START.timestamp() * 1000)
MINUTE = 60_000


# --- 7 ------------------------------------------------------------------------------------------------------
def _frame(**changes: Any) -> bytes:
    fields: dict[str, Any] = {
        "version": 1,
        "class": EnvelopeClass.APPLICATION,
        "sender": b"xa-acc/main",
        "route": routing_id_of(GROUP),
        "id": uuid7(START_MS, bytes(range(10))).bytes,
        "created": START_MS,
        "expires": START_MS + 9 * 1440 * MINUTE,
        **changes,
    }
    writer = Writer().u8(fields["version"]).u8(fields["class"]).op(fields["sender"]).op(fields["route"])
    return writer.op(fields["id"]).u64(fields["created"]).u64(fields["expires"]).to_bytes()


def _envelope(**changes: Any) -> bytes:
    return op(_frame(**changes)) + op(b"sealed")


def envelopes(_before: Document) -> Document:
    frame = Frame(
        envelope_class=EnvelopeClass.APPLICATION,
        sender=NodeName(A, MAIN),
        routing_id=routing_id_of(GROUP),
        envelope_id=EnvelopeId(uuid7(START_MS, bytes(range(10))).bytes),
        created_ms=START_MS,
        expires_ms=START_MS + 9 * 1440 * MINUTE,
    )
    value = {
        "class": int(frame.envelope_class),
        "sender": str(frame.sender),
        "group": GROUP.hex(),
        "routing_id": frame.routing_id.hex(),
        "envelope_id": frame.envelope_id.hex(),
        "created": str(frame.created_ms),
        "expires": str(frame.expires_ms),
        "sealed": b"sealed".hex(),
        "authenticated_data": frame_binding(frame.to_bytes()).hex(),
    }
    data, now = _envelope(), {"at": canonical.moment_text(START)}
    cases = [
        good("an envelope", data, **now, value=value, hash=envelope_hash(data)),
        *_out_of_form(data, now),
        *_out_of_time(data),
    ]
    return {"section": "7", "about": "envelopes, their frames and their times", "cases": cases}


def _out_of_form(data: bytes, now: Case) -> list[Case]:
    field, content = ReasonCode.BAD_FIELD, ReasonCode.BAD_CONTENT
    version_4 = bytearray(uuid7(START_MS, bytes(range(10))).bytes)
    version_4[6] = 0x40 | version_4[6] & 0x0F
    return [
        bad("version 2 of the frame", _envelope(version=2), ReasonCode.BAD_VERSION, **now),
        bad("class 0", _envelope(**{"class": 0}), field, **now),
        bad("class 5", _envelope(**{"class": 5}), field, **now),
        bad("a sender without a node", _envelope(sender=b"xa-acc"), field, **now),
        bad("a sender in capitals", _envelope(sender=b"XA-ACC/main"), field, **now),
        bad("a routing id of 15 octets", _envelope(route=bytes(15)), content, **now),
        bad("an id that is no UUIDv7", _envelope(id=bytes(version_4)), field, **now),
        bad("expires as it is created", _envelope(expires=START_MS), field, **now),
        bad("times of 2^48", _envelope(created=START_MS, expires=1 << 48), field, **now),
        bad("an octet more in the frame", op(_frame() + b"\0") + op(b"sealed"), content, **now),
        bad("an octet more", data + b"\0", content, **now),
        bad("cut off", data[:-1], content, **now),
        bad("a length not in its shortest form", op(_frame()) + b"\x40\x06sealed", content, **now),
    ]


def _out_of_time(data: bytes) -> list[Case]:
    end = canonical.moment_text(START + 9 * DAY)
    month = _envelope(expires=START_MS + 30 * 1440 * MINUTE)
    longer = _envelope(expires=START_MS + 30 * 1440 * MINUTE + 1)
    now = {"at": canonical.moment_text(START)}
    early = canonical.moment_text(START - TICK * 300_000)
    earlier = canonical.moment_text(START - TICK * 300_001)
    return [
        good("at its last moment", data, at=canonical.moment_text(START + 9 * DAY - TICK)),
        bad("at its end", data, ReasonCode.EXPIRED, at=end),
        good("by a clock that is 300 seconds behind", data, at=early),
        bad("by a clock that is further behind", data, ReasonCode.NOT_YET_VALID, at=earlier),
        good("a life of 30 days", month, **now),
        bad("a longer life", longer, ReasonCode.BAD_FIELD, **now),
    ]


# --- 7.1 ----------------------------------------------------------------------------------------------------
def sealed_parts(_before: Document) -> Document:
    invitation = Invitation(b"a Welcome", (b"one certificate", b"another"), (b"a continued statement",))
    plain = Invitation(b"a Welcome", (b"one certificate",))
    commit = OrderedCommit(b"a commit", b"a hub receipt", (b"one certificate",))
    bare = OrderedCommit(b"a commit", b"a hub receipt", ())
    return {
        "section": "7.1",
        "about": "invitations, commits and application data; texts stand for the structures in them",
        "cases": [
            *_forms(
                "invitation",
                invitation.to_bytes(),
                {**_told(welcome=invitation.welcome), "history": [one.hex() for one in invitation.history]},
                invitation,
            ),
            good("an invitation to a first group", plain.to_bytes(), kind="invitation"),
            bad(
                "invitation: a history of 17",
                Invitation(b"a Welcome", (), (b"s",) * 17).to_bytes(),
                ReasonCode.TOO_LARGE,
                kind="invitation",
            ),
            *_forms("commit", commit.to_bytes(), _told(commit=commit.commit, receipt=commit.receipt), commit),
            good("a commit without certificates", bare.to_bytes(), kind="commit"),
            *_application_data(),
        ],
    }


def _told(**octets: bytes) -> Case:
    return {name: value.hex() for name, value in octets.items()}


def _forms(kind: str, data: bytes, value: Case, part: Invitation | OrderedCommit) -> list[Case]:
    told = {**value, "certificates": [one.hex() for one in part.certificates]}
    content = ReasonCode.BAD_CONTENT
    many = data[: -sum(len(op(one)) for one in part.certificates) - 1] + b"\x41" + op(b"c") * 65
    return [
        good(f"{kind}", data, kind=kind, value=told, hash=part.digest),
        bad(f"{kind}: version 2", b"\2" + data[1:], ReasonCode.BAD_VERSION, kind=kind),
        bad(f"{kind}: an octet more", data + b"\0", content, kind=kind),
        bad(f"{kind}: cut off", data[:-1], content, kind=kind),
        bad(f"{kind}: 65 certificates", many, ReasonCode.TOO_LARGE, kind=kind),
    ]


def _application_data() -> list[Case]:
    kind = "application data"
    return [
        good("a signed record", b"\1 and the rest of it", kind=kind, value={"says": "record"}),
        good("a joined statement", b"\2\1 and the rest of it", kind=kind, value={"says": "joined"}),
        good("a control", b"\3\1 and the rest of it", kind=kind, value={"says": "control"}),
        good("a record said before", b"\4\1 and the rest of it", kind=kind, value={"says": "resent"}),
        bad("something else", b"\xff and the rest of it", ReasonCode.BAD_VERSION, kind=kind),
        bad("nothing", b"", ReasonCode.BAD_VERSION, kind=kind),
    ]


FILES: dict[str, Make] = {"envelopes.json": envelopes, "sealed_parts.json": sealed_parts}
