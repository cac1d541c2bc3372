# SPDX-License-Identifier: Apache-2.0
"""Groups that other implementations made, followed from the Welcome on.

Every case must pass whole: a message that is refused fails its test.
"""

from typing import Any

import pytest

from protocol.mls.changes.epochs import KnownPsks
from protocol.mls.founding import KeyPackageSecrets
from protocol.mls.group import Group
from protocol.mls.joining import join
from protocol.mls.processing import Committed, Proposed, process
from protocol.mls.structures.key_packages import KeyPackage
from protocol.mls.structures.messages import parse_mls_message
from protocol.mls.suites import Suite
from tests.support.mls_members import NOW_MS, POLICY
from tests.support.mls_suites import SUITES
from tests.support.vectors import vector_json

PARTS = 4
"""Each file is cut into so many tests, which may run at the same time."""
FILES = {
    "passive-client-welcome.json": 56,
    "passive-client-handling-commit.json": 91,
    "passive-client-random.json": 1,
    "interop-passive/application.json": 42,
    "interop-passive/commit.json": 308,
    "interop-passive/external_join.json": 42,
    "interop-passive/external_proposals.json": 40,
    "interop-passive/welcome_join.json": 56,
}


def octets(text: str) -> bytes:
    return bytes.fromhex(text)


def secrets_of(suite: Suite, case: dict[str, Any]) -> KeyPackageSecrets:
    package = parse_mls_message(octets(case["key_package"])).body
    assert isinstance(package, KeyPackage)
    return KeyPackageSecrets(
        package=package,
        init_private=octets(case["init_priv"]),
        encryption_private=octets(case["encryption_priv"]),
        signature_private=suite.signature.key_pair(octets(case["signature_priv"])).private,
    )


def follow_case(case: dict[str, Any]) -> None:
    suite = SUITES[case["cipher_suite"]]
    psks = KnownPsks(external={octets(psk["psk_id"]): octets(psk["psk"]) for psk in case["external_psks"]})
    tree = case["ratchet_tree"]
    group = join(
        suite,
        octets(case["welcome"]),
        secrets_of(suite, case),
        POLICY,
        ratchet_tree=None if tree is None else octets(tree),
        psks=psks,
    )
    assert group.epoch_authenticator == octets(case["initial_epoch_authenticator"])
    for epoch in case["epochs"]:
        group = follow_epoch(group, epoch, psks)


def follow_epoch(group: Group, epoch: dict[str, Any], psks: KnownPsks) -> Group:
    for message in epoch["proposals"]:
        proposed = process(group, octets(message), POLICY, NOW_MS, psks=psks)
        assert isinstance(proposed, Proposed)
        group = proposed.group
    committed = process(group, octets(epoch["commit"]), POLICY, NOW_MS, psks=psks)
    assert isinstance(committed, Committed)
    assert committed.group is not None
    assert committed.group.epoch_authenticator == octets(epoch["epoch_authenticator"])
    return committed.group


@pytest.mark.vectors
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("name", FILES)
def test_passive_client(name: str, part: int) -> None:
    cases = vector_json(f"mls-implementations/{name}")
    assert len(cases) == FILES[name]
    for case in cases[part::PARTS]:
        follow_case(case)
