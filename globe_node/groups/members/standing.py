# SPDX-License-Identifier: Apache-2.0
"""Which leaves of a group no longer stand, asked before everything that is sealed. It changes nothing.

1. The answer follows from the tree, the directory and the time; it is remembered for the same tree and
   directory, and for a short time only, since admissions and certificates end by themselves.
2. No record is sealed for a group with a leaf that fell; it waits for the commit that removes it.
"""

from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta

from globe_node.groups.links import LinkRow
from globe_node.groups.members.leaves import present_in
from globe_node.groups.workbench import Workbench
from protocol.directory.replay import DirectoryState
from protocol.groups.errors import NotKnownYetError
from protocol.groups.membership import Certificates, FallenLeaf, certificate_of, fallen_leaves
from protocol.identifiers import AuthorityId
from protocol.mls.group import Group
from protocol.mls.structures.nodes import LeafNode

REMEMBERED = timedelta(seconds=60)
"""How long an answer is believed while nothing else has changed."""
GROUPS = 256

_Asked = tuple[int, bytes, DirectoryState, datetime]


class Standing:
    """Answers for the groups of one node."""

    def __init__(self) -> None:
        self._answers: OrderedDict[bytes, tuple[_Asked, tuple[FallenLeaf, ...]]] = OrderedDict()

    def fallen_in(
        self, group: Group, certificates: Certificates, directory: DirectoryState, now: datetime
    ) -> tuple[FallenLeaf, ...]:
        """Return the leaves of a group that no longer stand.

        Raises:
            NotKnownYetError: a certificate that should have been kept is missing.
        """
        known = self._answers.get(group.group_id)
        if known is not None and _is_same(known[0], group, directory, now):
            self._answers.move_to_end(group.group_id)
            return known[1]
        found = fallen_leaves(group.tree, certificates, directory, now)
        self._answers[group.group_id] = (group.epoch, group.epoch_authenticator, directory, now), found
        if len(self._answers) > GROUPS:
            self._answers.popitem(last=False)
        return found


def _is_same(asked: _Asked, group: Group, directory: DirectoryState, now: datetime) -> bool:
    epoch, authenticator, state, at = asked
    same_group = (epoch, authenticator) == (group.epoch, group.epoch_authenticator)
    return same_group and state is directory and timedelta(0) <= now - at < REMEMBERED


class Members:
    """Who is in the groups of one transaction.

    Args:
        bench: what the room works with.
        standing: what is remembered between transactions.
        certificates: leaf certificates that are known here.
        group_of: finds a group as it is now, or None if its secrets are not here.
    """

    def __init__(
        self,
        bench: Workbench,
        standing: Standing,
        certificates: Certificates,
        group_of: Callable[[LinkRow], Group | None],
    ) -> None:
        self._bench = bench
        self._standing = standing
        self._certificates = certificates
        self._group_of = group_of

    def present(self, link: LinkRow) -> frozenset[AuthorityId]:
        """Return who can read what is sealed now; a member of the consultation may be missing for a while."""
        group = self._group_of(link)
        return frozenset() if group is None else present_in(group.tree)

    def fallen(self, link: LinkRow) -> tuple[FallenLeaf, ...]:
        """Return the leaves of a group that no longer stand; none if it is not here.

        Raises:
            NotKnownYetError: a certificate that should have been kept is missing.
        """
        group, bench = self._group_of(link), self._bench
        if group is None:
            return ()
        return self._standing.fallen_in(group, self._certificates, bench.register.state, bench.clock.now())

    def certificate(self, leaf: LeafNode) -> bytes:
        """Return the certificate that a leaf names.

        Raises:
            NotKnownYetError: it is missing here.
        """
        return certificate_of(leaf, self._certificates)

    def is_sound(self, link: LinkRow) -> bool:
        """Say whether every leaf of a group stands, as far as is known here."""
        try:
            return not self.fallen(link)
        except NotKnownYetError:
            return False
