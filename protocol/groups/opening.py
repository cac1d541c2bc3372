# SPDX-License-Identifier: Apache-2.0
"""How a consultation and its group agree: at the opening, and when a successor continues in a new group.

Not the rules of the record itself.

1. The node that opens a consultation is the hub of its group; author and recipients are its first roster.
2. The extension names the hash of the record, so a group cannot be passed off as that of another opening.
3. What the record says about who belongs holds for the first version only: later the roster speaks.
4. Who continues a consultation is a successor that the last extension names; its group has the next version,
   the same opening, and the same roster: who belongs is for people to change, with a record.
5. Of two groups that continue one, that of the earlier successor counts; the old group itself, if its hub has
   changed it meanwhile, counts before both. So all come to the same group, in whatever order they hear of it.
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


def verify_continuation(last: ConsultationExtension, new: ConsultationExtension) -> None:
    """Check that a new group may continue a consultation whose hub is gone.

    Args:
        last: the extension of the old group, as it is known here.
        new: the extension that the new group was founded with.

    Raises:
        UntrustedError: by nobody who may, with others than before, or the old group was changed since.

    Spec: PROTOCOL.md section 16.10.
    """
    kept = (new.consultation, new.opening, new.policy_version, new.roster)
    if kept != (last.consultation, last.opening, last.policy_version + 1, last.roster):
        raise UntrustedError("a group that does not continue this one")
    if new.hub not in last.successors:
        raise UntrustedError("a group continued by somebody who may not")


def rank(last: ConsultationExtension, founder: NodeName | None, policy_version: int) -> tuple[int, int]:
    """Return how a group ranks among those that come from the same group; the highest counts.

    Args:
        last: the extension of the group that they come from.
        founder: the successor that founded it; None for the group that they come from itself.
        policy_version: of its extension as it is now.

    Returns:
        How often it was changed, and then: the old group before all, the earlier successor before the later.

    Spec: PROTOCOL.md section 16.10.
    """
    if founder is None:
        return policy_version, 1
    turn = last.successors.index(founder) if founder in last.successors else len(last.successors)
    return policy_version, -turn
