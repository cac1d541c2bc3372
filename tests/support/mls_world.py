# SPDX-License-Identifier: Apache-2.0
"""A group in a random world: a seed is a story, and replays identically.

One side, the hub, puts commits in order. Members come, go, propose, commit at the same time, lose their state
and come back from outside, restart from their store, and say things that arrive late, shuffled and twice.
"""

from dataclasses import dataclass, field, replace
from random import Random

from protocol.errors import ExpiredError, RemoteProtocolError
from protocol.mls.changes.epochs import KnownPsks
from protocol.mls.commits import CommitDraft, PendingCommit, create_commit, group_info, install
from protocol.mls.founding import KeyPackageSecrets, found_group, make_key_package
from protocol.mls.group import PAST_EPOCHS, Group
from protocol.mls.joining import ExternalDraft, join, join_externally
from protocol.mls.processing import Application, Committed, Proposed, process
from protocol.mls.sending import (
    ProposalDraft,
    draft_update,
    external_psk,
    propose,
    protect,
    resumption_psk,
)
from protocol.mls.state import core_bytes, parse_group, ratchet_bytes
from protocol.mls.structures.extensions import Extension, ExtensionType, RequiredCapabilities
from protocol.mls.structures.messages import MlsMessage
from protocol.mls.structures.proposals import Add, GroupContextExtensions, Proposal, Remove, Update
from protocol.mls.suites import Suite
from protocol.mls.tree.checks import verify_tree
from tests.support.entropy import SeededEntropy
from tests.support.mls_members import GROUP_ID, NOW_MS, POLICY, leaf_draft

PSKS = KnownPsks(external={b"one": b"first secret", b"two": b"second secret"})
MOST_MEMBERS = 9


@dataclass
class Said:
    """A message on its way.

    Attributes:
        message: what travels.
        data: what it says.
        epoch: in which it was said.
        waiting: who has not read it yet.
    """

    message: bytes
    data: bytes
    epoch: int
    waiting: set[str]


@dataclass
class World:
    """All members of one group.

    Attributes:
        suite: of the group.
        random: decides everything.
        views: the group as each member sees it, by name.
        on_the_way: messages that somebody has not read.
        log: what happened, for whoever looks into a failure.
        count: numbers names and draws.
    """

    suite: Suite
    seed: int
    random: Random = field(init=False)
    entropy: SeededEntropy = field(init=False)
    views: dict[str, Group] = field(default_factory=dict)
    on_the_way: list[Said] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    count: int = 0

    def __post_init__(self) -> None:
        self.random = Random(self.seed)  # noqa: S311 -- a story, not a secret
        self.entropy = SeededEntropy(f"world {self.suite.number} {self.seed}")
        draft = leaf_draft(self._name(), suite=self.suite, seed=self.seed)
        self.views["m1"] = found_group(self.suite, GROUP_ID, draft, entropy=self.entropy)

    def _name(self) -> str:
        self.count += 1
        return f"m{self.count}"

    def step(self) -> None:
        """Let one thing happen."""
        steps = {
            self.commit: 5,
            self.say: 6,
            self.deliver: 6,
            self.restart: 2,
            self.race: 2,
            self.propose: 3,
            self.come_back: 1,
            self.repeat: 1,
        }
        chosen = self.random.choices(list(steps), list(steps.values()))[0]
        self.log.append(chosen.__name__)
        chosen()
        self.agree()

    def agree(self) -> None:
        """Assert that all see the same group, and that it is a good one."""
        groups = list(self.views.values())
        first = groups[0]
        for group in groups:
            assert group.epoch_authenticator == first.epoch_authenticator, self.log
            assert group.context == first.context, self.log
            assert group.tree == first.tree, self.log
            assert group.export("label", b"", 16) == first.export("label", b"", 16), self.log
            assert {kept.reference for kept in group.proposals} == {
                kept.reference for kept in first.proposals
            }, self.log
        assert first.tree.tree_hash() == first.context.tree_hash
        assert [member.leaf_index for member in first.members()] == sorted(group.own_leaf for group in groups)

    def verify_keys(self) -> None:
        """Assert that the tree holds by itself, and that private keys fit public ones."""
        for group in self.views.values():
            verify_tree(group.tree)
            for node, private in group.node_keys.by_node.items():
                public = group.tree.nodes[node]
                assert public is not None
                shared, sealed = self.suite.kem.encapsulate(public.encryption_key, self.entropy)
                assert self.suite.kem.decapsulate(private, sealed) == shared

    # --- messages ---------------------------------------------------------------------------------------
    def say(self) -> None:
        """Somebody says something, which is on the way from now on."""
        name = self._anybody()
        if self.views[name].proposals:
            return
        data = self.random.randbytes(self.random.randrange(40))
        self.views[name], message = protect(
            self.views[name],
            data,
            authenticated_data=self.random.randbytes(4),
            padding=self.random.choice([0, 32]),
            entropy=self.entropy,
        )
        others = set(self.views) - {name}
        if others:
            self.on_the_way.append(Said(message, data, self.views[name].epoch, others))

    def deliver(self) -> None:
        """Some messages arrive, in any order."""
        self.random.shuffle(self.on_the_way)
        for said in self.on_the_way[: self.random.randrange(1, 6)]:
            for name in sorted(said.waiting):
                if self.random.random() < 0.8:
                    said.waiting.discard(name)
                    self._hear(name, said)
        self.on_the_way = [said for said in self.on_the_way if said.waiting]

    def deliver_late(self, name: str, said: Said) -> None:
        """Let a message arrive that is still on the way."""
        self._hear(name, said)

    def _hear(self, name: str, said: Said) -> None:
        group = self.views[name]
        try:
            heard = process(group, said.message, POLICY, NOW_MS)
        except ExpiredError:
            assert said.epoch < group.epoch - PAST_EPOCHS, self.log
            return
        assert isinstance(heard, Application)
        assert heard.data == said.data
        self.views[name] = heard.group
        self._refused(name, said.message)

    def repeat(self) -> None:
        """Everything that a member has read comes again, after a restart."""
        name = self._anybody()
        self._restart(name)
        for said in self.on_the_way:
            if name not in said.waiting:
                self._refused(name, said.message)

    def _refused(self, name: str, message: bytes) -> None:
        try:
            process(self.views[name], message, POLICY, NOW_MS)
        except RemoteProtocolError:
            return
        raise AssertionError(f"taken twice: {self.log}")

    def restart(self) -> None:
        """Somebody goes on from its store."""
        self._restart(self._anybody())

    def _restart(self, name: str) -> None:
        group = self.views[name]
        stored = core_bytes(group), ratchet_bytes(group)
        self.views[name] = parse_group(*stored, suite=self.suite)
        assert self.views[name] == group

    # --- changes ----------------------------------------------------------------------------------------
    def propose(self) -> None:
        """Somebody proposes something, and all others hear it."""
        name = self._anybody()
        group, proposal = self._proposal(name)
        if proposal is None:
            return
        private = self.random.random() < 0.5
        self.views[name], message = propose(group, ProposalDraft(proposal, private=private), self.entropy)
        for other in sorted(set(self.views) - {name}):
            taken = process(self.views[other], message, POLICY, NOW_MS)
            assert isinstance(taken, Proposed)
            self.views[other] = taken.group

    def _proposal(self, name: str) -> tuple[Group, Proposal | None]:
        """Draw an Update, a Remove of somebody else or a pre-shared key that does not collide with others."""
        group = self.views[name]
        touched = {kept.sent.sender.index for kept in group.proposals} | {
            kept.sent.proposal.removed for kept in group.proposals if isinstance(kept.sent.proposal, Remove)
        }
        kind = self.random.choice(["update", "remove", "psk"])
        if kind == "psk":
            return group, self._psk(group)
        if kind == "update" and group.own_leaf not in touched:
            wanted = leaf_draft(name, suite=self.suite, seed=self._name()) if self._coin() else None
            group, update = draft_update(group, wanted, self.entropy)
            return group, update
        others = [view.own_leaf for view in self.views.values() if view.own_leaf not in touched]
        others = [leaf for leaf in others if leaf != group.own_leaf]
        return group, Remove(self.random.choice(others)) if others and kind == "remove" else None

    def _psk(self, group: Group) -> Proposal:
        if self._coin():
            psk_id = self.random.choice(sorted(PSKS.external))
            return external_psk(psk_id, suite=self.suite, entropy=self.entropy)
        shared = set.intersection(
            *({kept.epoch for kept in view.resumptions} for view in self.views.values())
        )
        epoch = self.random.choice(sorted(shared))
        return resumption_psk(group.group_id, epoch, suite=self.suite, entropy=self.entropy)

    def commit(self) -> None:
        """Somebody changes the group."""
        name, made, joining = self._made()
        self._accept(name, made, joining)

    def race(self) -> None:
        """Two commit at the same time; the hub takes one, and the other goes on without his."""
        if len(self.views) < 2:
            return
        loser = self._committer()
        draft = CommitDraft(private=self._coin())
        lost = create_commit(self.views[loser], draft, POLICY, self.entropy, psks=PSKS)
        assert lost.group is not None
        self.views[loser] = lost.group
        name, made, joining = self._made()
        self._accept(name, made, joining)
        for other in sorted(self.views):
            self._refused(other, lost.message)

    def _made(self) -> tuple[str, PendingCommit, dict[str, KeyPackageSecrets]]:
        name = self._committer()
        draft, joining = self._draft(name)
        made = create_commit(self.views[name], draft, POLICY, self.entropy, psks=PSKS)
        assert made.group is not None
        self.views[name] = made.group
        return name, made, joining

    def _committer(self) -> str:
        """Choose a member whose own Update nobody waits for, and who is not to be removed."""
        barred = set()
        for kept in next(iter(self.views.values())).proposals:
            if isinstance(kept.sent.proposal, Update):
                barred.add(kept.sent.sender.index)
            if isinstance(kept.sent.proposal, Remove):
                barred.add(kept.sent.proposal.removed)
        free = [name for name, view in sorted(self.views.items()) if view.own_leaf not in barred]
        if free:
            return self.random.choice(free)
        self.views = {name: replace(view, proposals=()) for name, view in self.views.items()}
        return self._anybody()

    def _draft(self, name: str) -> tuple[CommitDraft, dict[str, KeyPackageSecrets]]:
        group = self.views[name]
        room = MOST_MEMBERS - len(self.views)
        joining = {self._name(): None for _ in range(self.random.randrange(3) if room > 2 else 0)}
        packages = {
            each: make_key_package(
                self.suite, leaf_draft(each, suite=self.suite, seed=self.seed), self.entropy
            )
            for each in joining
        }
        wanted: list[Proposal] = [Add(secrets.package) for secrets in packages.values()]
        touched = {kept.sent.sender.index for kept in group.proposals} | {
            kept.sent.proposal.removed for kept in group.proposals if isinstance(kept.sent.proposal, Remove)
        }
        others = sorted(
            view.own_leaf for view in self.views.values() if view.own_leaf not in {*touched, group.own_leaf}
        )
        if others and self.random.random() < 0.3:
            wanted.append(Remove(self.random.choice(others)))
        if self.random.random() < 0.1:
            needed = RequiredCapabilities(credentials=(1,) if self._coin() else ()).to_bytes()
            wanted.append(GroupContextExtensions((Extension(ExtensionType.REQUIRED_CAPABILITIES, needed),)))
        rotates = self.random.random() < 0.3
        draft = CommitDraft(
            proposals=wanted,
            references=[kept.reference for kept in group.proposals],
            path=rotates or self._coin(),
            new_leaf=leaf_draft(name, suite=self.suite, seed=self._name()) if rotates else None,
            private=self._coin(),
            padding=self.random.choice([0, 100]),
            welcome_with_tree=self._coin(),
        )
        return draft, packages

    def _accept(self, name: str, made: PendingCommit, joining: dict[str, KeyPackageSecrets]) -> None:
        """Let all members take a commit, and those who are added join."""
        self._restart(name)
        for other in sorted(set(self.views) - {name}):
            taken = process(self.views[other], made.message, POLICY, NOW_MS, psks=PSKS)
            assert isinstance(taken, Committed)
            if taken.group is None:
                self._gone(other)
            else:
                self.views[other] = taken.group
        tree = made.next_group.tree.to_bytes()
        known = KnownPsks(
            PSKS.external,
            {(GROUP_ID, kept.epoch): kept.secret for kept in self.views[name].resumptions},
        )
        stored = core_bytes(made.next_group), ratchet_bytes(made.next_group)
        accepted = parse_group(*stored, suite=self.suite)
        self.views[name] = install(self.views[name], accepted, NOW_MS)
        for (newcomer, secrets), welcome in zip(joining.items(), made.welcomes, strict=True):
            self.views[newcomer] = join(self.suite, welcome, secrets, POLICY, ratchet_tree=tree, psks=known)

    def _gone(self, name: str) -> None:
        del self.views[name]
        for said in self.on_the_way:
            said.waiting.discard(name)

    def come_back(self) -> None:
        """Somebody lost its state and joins from outside in place of its earlier self."""
        if len(self.views) < 2:
            return
        name = self._anybody()
        removed = self.views[name].own_leaf
        self._gone(name)
        helper = self._anybody()
        info = MlsMessage(group_info(self.views[helper], with_external_pub=True)).to_bytes()
        draft = ExternalDraft(leaf=leaf_draft(name, suite=self.suite, seed=self._name()), removed=removed)
        made = join_externally(self.suite, info, draft, POLICY, entropy=self.entropy)
        for other in sorted(self.views):
            taken = process(self.views[other], made.message, POLICY, NOW_MS)
            assert isinstance(taken, Committed)
            assert taken.group is not None
            self.views[other] = taken.group
        self.views[name] = made.next_group

    def _anybody(self) -> str:
        return self.random.choice(sorted(self.views))

    def _coin(self) -> bool:
        return self.random.random() < 0.5
