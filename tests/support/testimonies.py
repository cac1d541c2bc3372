# SPDX-License-Identifier: Apache-2.0
"""Sample hub receipts, joined and continued statements and controls of the sample network."""

from dataclasses import replace
from functools import lru_cache
from hashlib import sha256
from typing import Any

from protocol.errors import ReasonCode
from protocol.groups.extension import ConsultationExtension
from protocol.groups.testimony.continued import Continued
from protocol.groups.testimony.control import Control, ControlKind, SequenceRange
from protocol.groups.testimony.form import authenticator_hash
from protocol.groups.testimony.hub_receipt import HubReceipt, commit_hash, sign_hub_receipt
from protocol.groups.testimony.joined import Joined, JoinedBy
from protocol.identifiers import (
    AuthorityId,
    ConsultationId,
    Digest,
    EnvelopeId,
    NodeId,
    NodeName,
    RecordId,
    owned_uuid7,
)
from protocol.receipts import Issuer
from tests.support.clock import START
from tests.support.directory import certified_node_keys

GROUP = sha256(b"sample group").digest()
COMMIT = b"a commit"
AUTHENTICATOR = b"an epoch authenticator"
OPENING = Digest(sha256(b"an opening record").hexdigest())
CONSULTATION = ConsultationId("019f1d03-8dc1-7000-8000-000000000001")
MILLISECONDS = int(START.timestamp() * 1000)


def issuer(authority: str = "xa-acc", node: str = "main") -> Issuer:
    key = certified_node_keys(authority, node).signing.key_id
    return Issuer(authority=AuthorityId(authority), node=NodeId(node), key=key)


def hub_receipt(**changes: Any) -> HubReceipt:
    receipt = HubReceipt(
        consultation=CONSULTATION,
        group_id=GROUP,
        epoch=3,
        commit=commit_hash(COMMIT),
        authenticator=authenticator_hash(AUTHENTICATOR),
        created=START,
        issuer=issuer(),
    )
    return replace(receipt, **changes)


@lru_cache(maxsize=64)
def signed_receipt(receipt: HubReceipt) -> bytes:
    signer = certified_node_keys(receipt.issuer.authority, receipt.issuer.node).signing
    return sign_hub_receipt(signer, receipt)


def joined(**changes: Any) -> Joined:
    statement = Joined(
        by=JoinedBy.WELCOME,
        consultation=CONSULTATION,
        group_id=GROUP,
        epoch=1,
        authenticator=authenticator_hash(AUTHENTICATOR),
        opening=OPENING,
        created=START,
        issuer=issuer("xb-ibu"),
    )
    return replace(statement, **changes)


def continued(**changes: Any) -> Continued:
    statement = Continued(
        continues=GROUP,
        epoch=3,
        authenticator=authenticator_hash(AUTHENTICATOR),
        group_id=sha256(b"another group").digest(),
        extension=ConsultationExtension(
            consultation=CONSULTATION,
            hub=NodeName(AuthorityId("xb-ibu"), NodeId("main")),
            successors=(),
            roster=(AuthorityId("xa-acc"), AuthorityId("xb-ibu")),
            policy_version=2,
            opening=bytes.fromhex(OPENING),
        ),
        created=START,
        issuer=issuer("xb-ibu"),
    )
    return replace(statement, **changes)


def control_id(authority: str = "xb-ibu", number: int = 1) -> RecordId:
    return RecordId(str(owned_uuid7(MILLISECONDS, number.to_bytes(10, "big"), AuthorityId(authority))))


def nack(**changes: Any) -> Control:
    control = Control(
        kind=ControlKind.NACK,
        control_id=control_id(),
        consultation=CONSULTATION,
        group_id=GROUP,
        envelope=EnvelopeId(bytes(range(16))),
        reason=ReasonCode.REFUSED,
        ranges=(),
        created=START,
        issuer=issuer("xb-ibu"),
    )
    return replace(control, **changes)


def places(first: int, last: int, authority: str = "xa-acc", incarnation: str = "0" * 16) -> SequenceRange:
    return SequenceRange(AuthorityId(authority), incarnation, first, last)


def resend(*ranges: SequenceRange, **changes: Any) -> Control:
    whole = ranges or (places(2, 4), places(7, 7))
    return nack(kind=ControlKind.RESEND, envelope=None, reason=None, ranges=whole, **changes)
