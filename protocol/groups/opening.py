# SPDX-License-Identifier: Apache-2.0
"""How a consultation's opening record and its group agree. Not the record's own rules.

1. The node that opens a consultation is the hub of its group; author and recipients are its first roster.
2. The extension names the hash of the record, so a group cannot be passed off as that of another opening.
3. What the record says about who belongs holds for the first version only: later the roster speaks.
"""

from collections.abc import Sequence

from protocol.errors import UntrustedError
from protocol.groups.extension import ConsultationExtension
from protocol.identifiers import NodeName
from protocol.record import parse_record, record_hash


def founding_extension(opening: bytes, successors: Sequence[NodeName] = ()) -> ConsultationExtension:
    """Return the extension with which the author of an opening record founds the group.

    Args:
        opening: the bytes of the record.
        successors: who would follow the hub, the first one first.

    Raises:
        RemoteProtocolError: not a record.

    Spec: PROTOCOL.md section 16.3.
    """
    record = parse_record(opening)
    return ConsultationExtension(
        consultation=record.consultation,
        hub=NodeName(record.author.authority, record.author.node),
        successors=tuple(successors),
        roster=tuple(sorted({record.author.authority, *record.recipients})),
        policy_version=1,
        opening=bytes.fromhex(record_hash(opening)),
    )


def verify_opening(extension: ConsultationExtension, opening: bytes) -> None:
    """Check that a record is the one that a group was opened with.

    Args:
        extension: of the group, as we joined it.
        opening: the bytes of the first record that we received in it.

    Raises:
        RemoteProtocolError: not a record.
        UntrustedError: another record, or one that agrees with the group in name only.

    Spec: PROTOCOL.md section 16.3.
    """
    founding = founding_extension(opening, extension.successors)
    same = (founding.consultation, founding.opening) == (extension.consultation, extension.opening)
    if not same or (extension.policy_version == 1 and founding != extension):
        raise UntrustedError("an opening record of another group")
