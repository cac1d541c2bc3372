# SPDX-License-Identifier: Apache-2.0
"""The word of a successor: that it continues a consultation in a new group, since the hub is gone.

Whether it may is asked in `protocol.groups.opening`; whether the hub is gone, by each node for itself.

1. It names the group that it continues, the last epoch that it knows of it, and the hash of the authenticator
   of that epoch; and the new group, with the extension that the new group was founded with.
2. It goes with every invitation to the new group, and to each group that continues that one: who was away in
   between sees how one came from the other. Such a history is the statements, the oldest first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from protocol.directory.replay import DirectoryState
from protocol.errors import MalformedError, ReasonCode, UntrustedError
from protocol.groups.extension import ConsultationExtension, parse_consultation_extension
from protocol.groups.testimony.form import (
    digest_of,
    group_id_of,
    issuer_of,
    kind_of_testimony,
    sign_testimony,
    verify_testimony,
)
from protocol.identifiers import Digest, NodeName, parse_digest
from protocol.interfaces import Signer
from protocol.octets import Reader, Writer, base64_text
from protocol.receipts import Issuer
from protocol.signing.labels import CONTINUED
from protocol.signing.signed_object import Members, parse_signed

_KIND = kind_of_testimony(
    "a continued statement",
    CONTINUED,
    frozenset(("continues", "epoch", "authenticator", "group", "extension")),
    max_body_bytes=8192,
)
MAX_CONTINUED_BYTES = _KIND.max_bytes
MAX_HISTORY = 16
"""How often one consultation is continued."""


@dataclass(frozen=True, slots=True)
class Continued:
    """What a successor says.

    Attributes:
        continues: the group that it continues, 32 bytes.
        epoch: the last epoch of that group that it knows.
        authenticator: SHA-256 of that epoch's authenticator, hex.
        group_id: the new group, 32 bytes.
        extension: which the new group was founded with.
        created: when, UTC.
        issuer: the successor.

    Spec: PROTOCOL.md section 16.10.
    """

    continues: bytes
    epoch: int
    authenticator: Digest
    group_id: bytes
    extension: ConsultationExtension
    created: datetime
    issuer: Issuer

    @property
    def name(self) -> NodeName:
        """The full name of the successor."""
        return NodeName(self.issuer.authority, self.issuer.node)


def sign_continued(signer: Signer, continued: Continued) -> bytes:
    """Sign the statement: `u8 1 || op(body) || op(signature)`.

    Raises:
        LocalProtocolError: another issuer than the signer, or what nobody would take (`bad_field`).

    Spec: PROTOCOL.md section 16.10.
    """
    return sign_testimony(
        _KIND,
        signer,
        {
            "continues": continued.continues.hex(),
            "epoch": continued.epoch,
            "authenticator": continued.authenticator,
            "group": continued.group_id.hex(),
            "extension": base64_text(continued.extension.to_bytes()),
        },
        issuer=continued.issuer,
        created=continued.created,
        read=_read,
    )


def parse_continued(data: bytes) -> Continued:
    """Read the statement; its signature is not checked here.

    Raises:
        MalformedError: cut off, too long, not canonical, or a member outside its rule.
        UnsupportedVersionError: a statement of another version.

    Spec: PROTOCOL.md section 16.10.
    """
    return _read(parse_signed(_KIND, data).members)


def verify_continued(data: bytes, directory: DirectoryState, now: datetime) -> Continued:
    """Read the statement and check that the node it names made it.

    Raises:
        RemoteProtocolError: as for `form.verify_testimony`.

    Spec: PROTOCOL.md section 16.10.
    """
    return verify_testimony(_KIND, data, _read, directory, now)


def verify_history(
    statements: Sequence[bytes], directory: DirectoryState, now: datetime
) -> tuple[Continued, ...]:
    """Read how a group came from others, and check that the nodes that are named there have said so.

    Args:
        statements: the oldest first; there may be none.
        directory: as it is known here.
        now: our time.

    Raises:
        RemoteProtocolError: one of them does not hold: as for `form.verify_testimony`.
        UntrustedError: they do not follow each other, or are of several consultations.

    Spec: PROTOCOL.md section 16.10.
    """
    history = tuple(verify_continued(one, directory, now) for one in statements)
    for one, following in pairwise(history):
        kept = (one.group_id, one.extension.consultation, one.extension.opening)
        told = (following.continues, following.extension.consultation, following.extension.opening)
        is_later = following.extension.policy_version > one.extension.policy_version
        if kept != told or not is_later:
            raise UntrustedError("a group with a history that does not hold together")
    groups = {one.continues for one in history} | {one.group_id for one in history}
    if history and len(groups) != len(history) + 1:
        raise UntrustedError("a group that comes from itself")
    return history


def with_history(writer: Writer, statements: Sequence[bytes]) -> Writer:
    """Write a history: `u8 n || n * op(statement)`."""
    writer.u8(len(statements))
    for one in statements:
        writer.op(one)
    return writer


def read_history(reader: Reader) -> tuple[bytes, ...]:
    """Read a history; nothing in it is judged.

    Raises:
        MalformedError: more than a consultation has (`too_large`), or cut off.

    Spec: PROTOCOL.md section 16.10.
    """
    count = reader.u8()
    if count > MAX_HISTORY:
        raise MalformedError("a group that came from too many others", code=ReasonCode.TOO_LARGE)
    return tuple(reader.op(MAX_CONTINUED_BYTES) for _ in range(count))


def _read(members: Members) -> Continued:
    issuer = issuer_of(members)
    continues, group_id = bytes.fromhex(parse_digest(members.text("continues"))), group_id_of(members)
    extension = parse_consultation_extension(members.octets("extension"))
    if extension.hub != NodeName(issuer.authority, issuer.node) or extension.policy_version < 2:
        raise members.refusal("extension")
    if continues == group_id:
        raise members.refusal("group")
    return Continued(
        continues=continues,
        epoch=members.count("epoch"),
        authenticator=digest_of(members, "authenticator"),
        group_id=group_id,
        extension=extension,
        created=members.moment("created"),
        issuer=issuer,
    )
