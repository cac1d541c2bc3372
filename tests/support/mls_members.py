# SPDX-License-Identifier: Apache-2.0
"""Members of groups for tests: leaves, key packages, and groups of some size in few lines."""

from protocol.mls.changes.epochs import NO_PSKS, KnownPsks
from protocol.mls.commits import CommitDraft, create_commit, install
from protocol.mls.founding import (
    KeyPackageSecrets,
    LeafDraft,
    found_group,
    make_key_package,
)
from protocol.mls.group import Group
from protocol.mls.joining import join
from protocol.mls.processing import Application, Committed, process
from protocol.mls.sending import protect
from protocol.mls.structures.extensions import BasicCredential, Extensions
from protocol.mls.structures.nodes import Capabilities, Lifetime
from protocol.mls.structures.proposals import Add
from protocol.mls.suites import PRODUCT_SUITE, Suite
from tests.support.entropy import SeededEntropy
from tests.support.mls_policy import AcceptAll

NOW_MS = 1_800_000_000_000
GROUP_ID = b"group" * 6
POLICY = AcceptAll()
FOREVER = Lifetime(0, 2**40)


def leaf_draft(
    name: str, *, suite: Suite = PRODUCT_SUITE, extensions: tuple[int, ...] = (), seed: object = ""
) -> LeafDraft:
    """Return a leaf of somebody; the same name and seed give the same signature key."""
    entropy = SeededEntropy(f"leaf {name} {seed}")
    return LeafDraft(
        signature=suite.signature.key_pair(entropy.random_bytes(suite.signature.seed_bytes)),
        credential=BasicCredential(name.encode()),
        capabilities=Capabilities(cipher_suites=(suite.number,), extensions=extensions, credentials=(1,)),
        lifetime=FOREVER,
    )


def key_package(name: str, *, suite: Suite = PRODUCT_SUITE, seed: object = "") -> KeyPackageSecrets:
    draft = leaf_draft(name, suite=suite, seed=seed)
    return make_key_package(suite, draft, SeededEntropy(f"package {name} {seed}"))


def group_of(
    size: int, *, suite: Suite = PRODUCT_SUITE, extensions: Extensions = (), path: bool = True
) -> list[Group]:
    """Return a group as each of its members sees it; the first founded it and added the others at once."""
    entropy = SeededEntropy(f"group of {size}")
    first = found_group(suite, GROUP_ID, leaf_draft("0", suite=suite), extensions=extensions, entropy=entropy)
    if size == 1:
        return [first]
    joining = [key_package(str(number), suite=suite) for number in range(1, size)]
    draft = CommitDraft(proposals=[Add(secrets.package) for secrets in joining], path=path)
    pending = create_commit(first, draft, POLICY, entropy)
    others = [
        join(suite, welcome, secrets, POLICY)
        for welcome, secrets in zip(pending.welcomes, joining, strict=True)
    ]
    return [install(first, pending.next_group, NOW_MS), *others]


def say(group: Group, data: bytes, seed: object = 0) -> tuple[Group, bytes]:
    return protect(group, data, authenticated_data=b"", padding=0, entropy=SeededEntropy(f"say {seed}"))


def hear(group: Group, message: bytes) -> tuple[Group, bytes]:
    heard = process(group, message, POLICY, NOW_MS)
    assert isinstance(heard, Application)
    return heard.group, heard.data


def follow(group: Group, message: bytes, psks: KnownPsks = NO_PSKS) -> Group:
    taken = process(group, message, POLICY, NOW_MS, psks=psks)
    assert isinstance(taken, Committed)
    assert taken.group is not None
    return taken.group
