# SPDX-License-Identifier: Apache-2.0
"""Who took part in a consultation, as its records say, and what a member need not have had.

It verifies no signature and no order: `signers` and `course` do.

1. The requester is whoever made the id of the consultation. It alone opens it for somebody.
2. Each record of the requester says who takes part. One that follows another begins with the members after
   that one.
3. A record of anybody else is between the members of a moment: at best of the one that its author had seen.
4. A bundle may be of an authority that was added later or removed, and what a removed one said may have come
   too late to be taken. That such a thing is absent is noted.
"""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass

from protocol.codes.message_types import MessageType
from protocol.consultations.content import verify_content
from protocol.consultations.roster import members_after, members_before
from protocol.errors import RemoteProtocolError
from protocol.evidence.exhibits import Exhibit
from protocol.evidence.report import Check, Finding
from protocol.identifiers import AuthorityId, ConsultationId, Digest, is_owned
from protocol.messages.membership import Members
from protocol.messages.parse import parse_body

Names = Set[AuthorityId]


@dataclass(frozen=True, slots=True)
class Moment:
    """Who took part around one record of the requester.

    Attributes:
        before: the members before it.
        after: the members after it.
        prev: hash of the requester's record before.
    """

    before: Names
    after: Names
    prev: str


@dataclass(frozen=True, slots=True)
class Parties:
    """Who took part, and when.

    Attributes:
        requester: whose consultation it is; None if no author here made its id.
        moments: by hash of the requester's record.
        faults: why a change of the members does not hold by itself, by its hash.
        left: everybody who was removed at some time.
        added_later: the requester's records begin with a change of the members: the bundle is of somebody
            who was added by it.
        farewell: hash of its last record, if that removes somebody; else empty.
    """

    requester: AuthorityId | None
    moments: Mapping[Digest, Moment]
    faults: Mapping[Digest, str]
    left: Names
    added_later: bool
    farewell: str

    def check(self, exhibit: Exhibit) -> Check:
        """Check that a record is between members, and that only the requester opens and changes.

        Spec: PROTOCOL.md section 14.2.
        """
        content = exhibit.content
        author = content.author.authority
        if content.type.opens and author != self.requester:
            return exhibit.check("parties", Finding.FAILS, "the consultation is of another authority")
        if exhibit.digest in self.faults:
            return exhibit.check("parties", Finding.FAILS, self.faults[exhibit.digest])
        if author == self.requester:
            return self._check_requester(exhibit)
        return self._check_other(exhibit)

    def _check_other(self, exhibit: Exhibit) -> Check:
        content = exhibit.content
        author = content.author.authority
        if not self.moments:
            return exhibit.check("parties", Finding.INCOMPLETE, "no record here says who takes part")
        everybody = {author, *content.recipients}
        seen = self.moments.get(Digest(content.seen.get(self.requester or author, "")))
        if seen is not None and seen.after == everybody:
            return exhibit.check("parties", Finding.HOLDS, "a member, to all others")
        if all(moment.after != everybody for moment in self.moments.values()):
            return exhibit.check("parties", Finding.FAILS, "not between the members of any moment")
        return exhibit.check("parties", Finding.NOTED, "between the members of another moment than it saw")

    def _check_requester(self, exhibit: Exhibit) -> Check:
        moment = self.moments[exhibit.digest]
        previous = self.moments.get(Digest(moment.prev))
        if previous is not None and previous.after != moment.before:
            return exhibit.check("parties", Finding.FAILS, "the members are others than after the one before")
        return exhibit.check("parties", Finding.HOLDS, f"the requester, to all {len(moment.before)} members")


def parties_of(consultation: ConsultationId, exhibits: Iterable[Exhibit]) -> Parties:
    """Look at who takes part; records are in the order of a bundle."""
    exhibits = tuple(exhibits)
    authors = (one.content.author.authority for one in exhibits)
    requester = next((author for author in authors if is_owned(consultation, author)), None)
    own = [one for one in exhibits if one.content.author.authority == requester]
    changes = {one.digest: _change_of(one) for one in own if one.content.type is MessageType.MEMBERS}
    moments = {one.digest: _moment_of(one, changes.get(one.digest)) for one in own}
    faults: dict[Digest, str] = {}
    left: set[AuthorityId] = set()
    for digest, change in changes.items():
        if change is None:
            faults[digest] = "it does not say who takes part"
        elif not left.isdisjoint(change.added):
            faults[digest] = "somebody who was removed comes back"
        left.update(map(AuthorityId, change.removed if change else ()))
    opened = any(one.content.type is MessageType.CONSULT_REQUEST for one in own)
    farewell = own[-1].digest if own and (last := changes.get(own[-1].digest)) and last.removed else ""
    return Parties(
        requester=requester,
        moments={digest: moment for digest, moment in moments.items() if digest not in faults},
        faults=faults,
        left=left,
        added_later=bool(own) and own[0].digest in changes and not opened,
        farewell=farewell,
    )


def _moment_of(exhibit: Exhibit, change: Members | None) -> Moment:
    content = exhibit.content
    return Moment(members_before(content, change), members_after(content, change), content.prev)


def _change_of(exhibit: Exhibit) -> Members | None:
    """Read a change of the members, or None if it can't be read or does not go to all whom it concerns."""
    content = exhibit.content
    try:
        body = parse_body(content.type, content.body)
        verify_content(content, body)
    except RemoteProtocolError:
        return None
    return body if isinstance(body, Members) else None
