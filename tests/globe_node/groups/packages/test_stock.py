# SPDX-License-Identifier: Apache-2.0
"""Key packages of peers: only good ones are kept, each is used once, and what they said is judged again."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial

import pytest

from globe_node.groups.packages import pool, records, stock
from globe_node.groups.packages.leaf_keys import current_leaf_key, draft_of
from globe_node.groups.packages.stock import TakenIn, UsablePackage
from globe_node.groups.packages.wire import PackageAnswer, PackageRequest
from globe_node.store.door import Transaction
from protocol import limits
from protocol.directory.statements import CompromisedKey, RetireKey
from protocol.errors import ReasonCode
from protocol.groups.key_packages import LAST_RESORT
from protocol.identifiers import AuthorityId, NodeId, NodeName
from protocol.mls.founding import LeafDraft, make_key_package
from protocol.mls.structures.extensions import BasicCredential, Credential, X509Credential
from protocol.mls.structures.key_packages import KEY_PACKAGE_LABEL, KeyPackage, parse_key_package
from protocol.mls.structures.nodes import Lifetime
from protocol.mls.suites import PRODUCT_SUITE
from tests.support.clock import START
from tests.support.directory import certified_node_keys, sample_network, updated
from tests.support.entropy import SeededEntropy
from tests.support.groups import GroupHouse

A, B, C = (AuthorityId(name) for name in ("xa-acc", "xb-ibu", "xc-aco"))
OWNER = NodeName(B, NodeId("main"))
DAY = 86_400.0
ENTROPY = SeededEntropy("forged packages")


@dataclass
class Pair:
    """A holds packages of B."""

    a: GroupHouse = field(default_factory=lambda: GroupHouse("xa-acc"))
    b: GroupHouse = field(default_factory=lambda: GroupHouse("xb-ibu"))

    def given(self, want: int = 8) -> PackageAnswer:
        """What B gives to A, whatever A holds."""
        return self.b.write(lambda tx: pool.offer(self.b.bench, tx, A, PackageRequest(want)))

    def take_in(self, answer: PackageAnswer, owner: NodeName = OWNER) -> TakenIn:
        return self.a.write(lambda tx: stock.take_in(self.a.bench, tx, owner, answer))

    def exchange(self) -> TakenIn | None:
        """One request with its answer."""
        request = self.a.read(lambda tx: stock.next_request(self.a.bench, tx, B))
        if request is None:
            return None
        return self.take_in(self.b.write(lambda tx: pool.offer(self.b.bench, tx, A, request)))

    def pick(self, owner: NodeName = OWNER) -> UsablePackage | None:
        """Find a package and use it."""

        def find_and_mark(tx: Transaction) -> UsablePackage | None:
            found = stock.find(self.a.bench, tx, owner)
            stock.mark(self.a.bench, tx, [] if found is None else [found])
            return found

        return self.a.write(find_and_mark)

    def size(self) -> int:
        return self.a.read(lambda tx: records.stock_sizes(tx, self.a.bench.now_ms())).get(B, 0)

    def forged(self, change: Callable[[LeafDraft], LeafDraft], extensions: object = ()) -> PackageAnswer:
        """One package that B signs properly, with another leaf."""
        leaf = self.b.write(lambda tx: current_leaf_key(self.b.bench, tx))
        draft = change(draft_of(leaf, ENTROPY))
        made = make_key_package(PRODUCT_SUITE, draft, ENTROPY, extensions=extensions)  # type: ignore[arg-type]
        return PackageAnswer((leaf.certificate,), (made.package.to_bytes(),))


# --- taking in ------------------------------------------------------------------------------------------
def test_a_pool_is_taken_in_once_and_nothing_more_is_asked_for() -> None:
    pair = Pair()
    assert pair.exchange() == TakenIn(9, [], stale=False)
    assert pair.size() == 8
    assert pair.exchange() is None
    again = pair.take_in(pair.given())
    assert (again.added, set(again.refused)) == (0, {ReasonCode.ID_CONFLICT})
    pair.a.restart()
    assert pair.size() == 8


def test_used_ones_are_replaced_and_a_used_one_never_comes_back() -> None:
    pair = Pair()
    pair.exchange()
    used = [pair.pick() for _ in range(3)]
    assert pair.exchange() == TakenIn(3, [], stale=False)
    assert pair.size() == 8
    again = pair.take_in(pair.given())
    assert again.added == 0
    references = {one.reference for one in used if one is not None}
    left = {pair.pick() for _ in range(8)}
    assert references.isdisjoint({one.reference for one in left if one is not None})


def test_what_is_gone_at_the_peer_is_dropped_here() -> None:
    pair = Pair()
    pair.exchange()
    for _ in range(4):
        pair.pick()
    pair.b = GroupHouse("xb-ibu")  # lost its memory
    pair.b.bench.entropy.random_bytes(1)
    taken = pair.exchange()
    assert taken is not None
    assert taken.added
    held = pair.a.read(lambda tx: records.peer_packages(tx, B, unused=True))
    known = pair.b.read(
        lambda tx: records.own_packages(tx, A) + records.own_packages(tx, records.LAST_RESORT)
    )
    assert {row.reference for row in held} <= {row.reference for row in known}


def test_one_bad_package_does_not_spoil_the_others() -> None:
    pair = Pair()
    given = pair.given()
    spoilt = given.packages[0][:-1] + bytes([given.packages[0][-1] ^ 1])
    taken = pair.take_in(replace(given, packages=(spoilt, b"junk", *given.packages[1:])))
    assert taken == TakenIn(8, [ReasonCode.REFUSED, ReasonCode.BAD_VERSION], stale=False)


def refusal(pair: Pair, answer: PackageAnswer, owner: NodeName = OWNER) -> ReasonCode:
    taken = pair.take_in(answer, owner)
    assert taken.added == 0
    assert pair.size() == 0
    (code,) = taken.refused
    return code


def test_a_package_of_somebody_else_is_refused() -> None:
    """C hands on a package that is good, but B's: by another peer it proves nothing."""
    pair = Pair()
    given = pair.given(1)
    one = replace(given, packages=given.packages[:1])
    assert refusal(pair, one, NodeName(C, NodeId("main"))) is ReasonCode.REFUSED
    assert refusal(pair, one, NodeName(B, NodeId("other"))) is ReasonCode.REFUSED


def test_a_package_without_its_certificate_waits_for_it() -> None:
    pair = Pair()
    given = pair.given(1)
    assert pair.take_in(replace(given, certificates=())) == TakenIn(0, [ReasonCode.REFUSED] * 2, stale=True)


def test_a_certificate_for_another_key_is_refused() -> None:
    pair = Pair()
    thief = SeededEntropy("thief").random_bytes(32)
    answer = pair.forged(lambda draft: replace(draft, signature=PRODUCT_SUITE.signature.key_pair(thief)))
    assert refusal(pair, answer) is ReasonCode.REFUSED


@pytest.mark.parametrize(
    ("credential", "code"),
    [
        (X509Credential((b"x",)), ReasonCode.BAD_FIELD),
        (BasicCredential(b"anp2"), ReasonCode.BAD_CONTENT),
        (BasicCredential(b""), ReasonCode.BAD_CONTENT),
    ],
)
def test_another_kind_of_credential_is_refused(credential: Credential, code: ReasonCode) -> None:
    pair = Pair()

    def with_credential(draft: LeafDraft) -> LeafDraft:
        supported = replace(draft.capabilities, credentials=(1, 2))
        return replace(draft, credential=credential, capabilities=supported)

    assert refusal(pair, pair.forged(with_credential)) is code


def test_a_lifetime_that_is_over_too_long_or_yet_to_come_is_refused() -> None:
    pair = Pair()
    now = int(START.timestamp())
    month = 30 * 86_400
    for lifetime, code in (
        (Lifetime(now - month, now - 1), ReasonCode.EXPIRED),
        (Lifetime(now - 10, now + month + 1), ReasonCode.BAD_CONTENT),
        (Lifetime(now + 5, now + month), ReasonCode.NOT_YET_VALID),
        (Lifetime(now, now - 5), ReasonCode.BAD_CONTENT),
    ):
        assert refusal(pair, pair.forged(partial(with_lifetime, lifetime))) is code


def with_lifetime(lifetime: Lifetime, draft: LeafDraft) -> LeafDraft:
    return replace(draft, lifetime=lifetime)


def test_a_leaf_that_does_not_support_our_groups_is_refused() -> None:
    pair = Pair()
    answer = pair.forged(
        lambda draft: replace(draft, capabilities=replace(draft.capabilities, extensions=()))
    )
    assert refusal(pair, answer) is ReasonCode.BAD_CONTENT


def test_another_suite_is_refused() -> None:
    pair = Pair()
    given = pair.given(1)
    package = parse_key_package(given.packages[0])
    leaf = pair.b.write(lambda tx: current_leaf_key(pair.b.bench, tx))
    fields = {"init_key": package.init_key, "leaf_node": package.leaf_node}
    tbs = KeyPackage(cipher_suite=1, **fields).tbs()  # type: ignore[arg-type]  # fields by name
    signature = PRODUCT_SUITE.sign_with_label(leaf.pair.private, KEY_PACKAGE_LABEL, tbs)
    classical = KeyPackage(cipher_suite=1, **fields, signature=signature)  # type: ignore[arg-type]
    answer = replace(given, packages=(classical.to_bytes(),))
    assert refusal(pair, answer) is ReasonCode.BAD_VERSION


def test_one_key_for_two_uses_is_refused() -> None:
    pair = Pair()
    given = pair.given(1)
    package = parse_key_package(given.packages[0])
    leaf = pair.b.write(lambda tx: current_leaf_key(pair.b.bench, tx))
    init_key = package.leaf_node.encryption_key
    unsigned = KeyPackage(PRODUCT_SUITE.number, init_key, package.leaf_node)
    signature = PRODUCT_SUITE.sign_with_label(leaf.pair.private, KEY_PACKAGE_LABEL, unsigned.tbs())
    twice = KeyPackage(PRODUCT_SUITE.number, init_key, package.leaf_node, (), signature)
    assert refusal(pair, replace(given, packages=(twice.to_bytes(),))) is ReasonCode.BAD_CONTENT


def test_a_key_that_was_seen_in_another_package_is_refused() -> None:
    """One init key in two packages: who opens one Welcome could open the other."""
    pair = Pair()
    given = pair.given(1)
    pair.take_in(replace(given, packages=given.packages[:1]))
    package = parse_key_package(given.packages[0])
    leaf = pair.b.write(lambda tx: current_leaf_key(pair.b.bench, tx))
    unsigned = KeyPackage(PRODUCT_SUITE.number, package.init_key, package.leaf_node, (LAST_RESORT,))
    signature = PRODUCT_SUITE.sign_with_label(leaf.pair.private, KEY_PACKAGE_LABEL, unsigned.tbs())
    again = KeyPackage(PRODUCT_SUITE.number, package.init_key, package.leaf_node, (LAST_RESORT,), signature)
    taken = pair.take_in(replace(given, packages=(again.to_bytes(),)))
    assert (taken.added, taken.refused) == (0, [ReasonCode.ID_CONFLICT])


def test_an_octet_more_than_any_package_has_is_refused() -> None:
    pair = Pair()
    answer = PackageAnswer((), (bytes(limits.MAX_KEY_PACKAGE_BYTES + 1),))
    assert refusal(pair, answer) is ReasonCode.TOO_LARGE


@pytest.mark.parametrize("what", ["retired", "compromised", "unknown"])
def test_a_certificate_by_a_key_out_of_use_is_refused(what: str) -> None:
    pair = Pair()
    given = pair.given(1)
    key = certified_node_keys("xb-ibu").signing.key_id
    if what == "unknown":
        pair.a.directory = sample_network(("xa-acc", "xc-aco")).state
    else:
        change = RetireKey(key=key) if what == "retired" else CompromisedKey(key=key, since=START)
        pair.a.directory = pair.a.directory.apply(updated(pair.a.directory, "xb-ibu", change))
    pair.a.restart()
    taken = pair.take_in(given)
    assert (taken.added, set(taken.refused)) == (0, {ReasonCode.REFUSED})
    assert taken.stale is (what == "unknown")


# --- using ----------------------------------------------------------------------------------------------
def test_each_is_used_once_then_the_last_resort_once_an_hour() -> None:
    pair = Pair()
    pair.exchange()
    picked = [pair.pick() for _ in range(9)]
    assert None not in picked
    assert len({one.reference for one in picked if one}) == 9
    assert pair.pick() is None
    pair.a.restart()
    assert pair.pick() is None
    pair.a.clock.advance(3_600)
    again = pair.pick()
    assert again is not None
    assert again.reference == picked[8].reference if picked[8] else False
    assert pair.pick() is None


def test_nothing_is_marked_when_the_transaction_is_taken_back() -> None:
    pair = Pair()
    pair.exchange()

    def fail(tx: Transaction) -> None:
        found = stock.find(pair.a.bench, tx, OWNER)
        assert found is not None
        stock.mark(pair.a.bench, tx, [found])
        raise RuntimeError("taken back")

    with pytest.raises(RuntimeError):
        pair.a.write(fail)
    assert pair.size() == 8


def test_what_ended_or_was_taken_back_since_it_came_is_not_used() -> None:
    pair = Pair()
    pair.exchange()
    pair.a.clock.advance(31 * DAY)
    assert pair.pick() is None
    assert pair.a.read(lambda tx: records.peer_packages(tx, B, unused=True)) == []

    pair = Pair()
    pair.exchange()
    key = certified_node_keys("xb-ibu").signing.key_id
    change = CompromisedKey(key=key, since=START + timedelta(hours=1))
    pair.a.directory = pair.a.directory.apply(updated(pair.a.directory, "xb-ibu", change))
    pair.a.restart()
    assert pair.pick() is None


def test_a_package_for_another_node_of_the_authority_is_not_used() -> None:
    pair = Pair()
    pair.exchange()
    assert pair.pick(NodeName(B, NodeId("other"))) is None
