# SPDX-License-Identifier: Apache-2.0
"""Our own side in a group with other implementations: `protocol.mls` with the interface of the adapters."""

import time

from protocol.mls.commits import CommitDraft, PendingCommit, create_commit, group_info, install
from protocol.mls.founding import KeyPackageSecrets, LeafDraft, found_group, make_key_package
from protocol.mls.group import Group
from protocol.mls.joining import ExternalDraft, join, join_externally
from protocol.mls.processing import Application, process
from protocol.mls.sending import ProposalDraft, draft_update, propose, protect
from protocol.mls.structures.extensions import BasicCredential
from protocol.mls.structures.key_packages import KeyPackage
from protocol.mls.structures.messages import MlsMessage, parse_mls_message
from protocol.mls.structures.nodes import Capabilities, Lifetime
from protocol.mls.structures.proposals import Add, Proposal, Remove
from tests.support.entropy import SeededEntropy
from tests.support.mls_oracles.member import SUITE, Change
from tests.support.mls_policy import AcceptAll
from tests.support.mls_suites import SUITES

POLICY = AcceptAll()
LIFETIME_SECONDS = 28 * 24 * 3600


class OurMember:
    """One member of ours and its group.

    Args:
        name: what its credential says, and where its keys come from.
        again: another value for the same person with other keys.
    """

    def __init__(self, name: str, again: int = 0) -> None:
        self._suite = SUITES[SUITE]
        self._entropy = SeededEntropy(f"{name} {again}")
        seed = self._entropy.random_bytes(self._suite.signature.seed_bytes)
        now = int(time.time())
        self._draft = LeafDraft(
            signature=self._suite.signature.key_pair(seed),
            credential=BasicCredential(name.encode()),
            capabilities=Capabilities(cipher_suites=(SUITE,), credentials=(1,)),
            lifetime=Lifetime(now - 3600, now + LIFETIME_SECONDS),
        )
        self._secrets: KeyPackageSecrets | None = None
        self._group: Group | None = None

    @property
    def group(self) -> Group:
        """The group as this member sees it."""
        if self._group is None:
            raise LookupError("not in a group")
        return self._group

    @property
    def in_group(self) -> bool:
        """Whether it is a member."""
        return self._group is not None

    def key_package(self) -> bytes:
        """Return a new key package."""
        self._secrets = make_key_package(self._suite, self._draft, self._entropy)
        return MlsMessage(self._secrets.package).to_bytes()

    def found(self, group_id: bytes = b"a group of ours.") -> None:
        """Begin a group of one's own; OpenMLS by gbp-stack wants an id of 16 octets."""
        self._group = found_group(self._suite, group_id, self._draft, entropy=self._entropy)

    def join(self, welcome: bytes) -> None:
        """Join by the Welcome for the last key package."""
        assert self._secrets is not None
        self._group = join(self._suite, welcome, self._secrets, POLICY)

    def join_externally(self, info: bytes, removed: int | None = None) -> Change:
        """Join by an external commit, which may remove an earlier leaf of the same person."""
        draft = ExternalDraft(self._draft, removed=removed)
        pending = join_externally(self._suite, info, draft, POLICY, entropy=self._entropy)
        self._group = pending.next_group
        return Change(pending.message)

    def add(self, key_package: bytes, *, private: bool = True) -> Change:
        """Commit an Add."""
        package = parse_mls_message(key_package).body
        assert isinstance(package, KeyPackage)
        return self.commit([Add(package)], private=private)

    def remove(self, leaf: int, *, private: bool = True) -> Change:
        """Commit a Remove."""
        return self.commit([Remove(leaf)], private=private)

    def commit(
        self, proposals: list[Proposal] | None = None, *, private: bool = True, path: bool = True
    ) -> Change:
        """Commit proposals, and all that wait."""
        references = [kept.reference for kept in self.group.proposals]
        draft = CommitDraft(proposals=proposals or [], references=references, path=path, private=private)
        return self._installed(create_commit(self.group, draft, POLICY, self._entropy))

    def propose_update(self, *, private: bool = True) -> bytes:
        """Propose a new leaf of one's own."""
        self._group, update = draft_update(self.group, None, self._entropy)
        return self.propose(update, private=private)

    def propose(self, proposal: Proposal, *, private: bool = True) -> bytes:
        """Send a proposal that others may commit."""
        self._group, message = propose(self.group, ProposalDraft(proposal, private=private), self._entropy)
        return message

    def encrypt(self, data: bytes, *, padding: int = 0) -> bytes:
        """Protect application data."""
        self._group, message = protect(
            self.group, data, authenticated_data=b"beside it", padding=padding, entropy=self._entropy
        )
        return message

    def receive(self, message: bytes) -> bytes | None:
        """Process what another member sent; return application data, or None for a commit or proposal."""
        taken = process(self.group, message, POLICY, time.time_ns() // 1_000_000)
        self._group = taken.group
        return taken.data if isinstance(taken, Application) else None

    def group_info(self) -> bytes:
        """Return a GroupInfo with the tree and the external key."""
        return MlsMessage(group_info(self.group, with_external_pub=True)).to_bytes()

    def export(self, label: bytes, context: bytes, size: int) -> bytes:
        """Return an exported secret of the current epoch."""
        return self.group.export(label.decode(), context, size)

    def _installed(self, pending: PendingCommit) -> Change:
        assert pending.group is not None
        self._group = install(pending.group, pending.next_group, 0)
        return Change(pending.message, pending.welcomes[0] if pending.welcomes else None)
