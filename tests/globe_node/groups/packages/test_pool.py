# SPDX-License-Identifier: Apache-2.0
"""Our key packages: the same ones until they are used, bounded, under keys in use, gone after a Welcome."""

from datetime import timedelta

import pytest

from globe_node.directory.publish import key_addition
from globe_node.errors import NotPermittedError
from globe_node.groups.packages import pool, records
from globe_node.groups.packages.leaf_keys import LeafKey, current_leaf_key, leaf_key_of
from globe_node.groups.packages.pool import OwnPackage
from globe_node.groups.packages.records import LAST_RESORT
from globe_node.groups.packages.wire import PackageAnswer, PackageRequest, in_order
from globe_node.groups.records import used_day_keys
from globe_node.store.door import Transaction
from keys.node_keys import NodeKeys
from protocol.directory.statements import RetireKey
from protocol.errors import LocalProtocolError, ReasonCode
from protocol.groups.certificate import LEAF_LIFETIME, verify_leaf_certificate
from protocol.groups.key_packages import is_last_resort
from protocol.identifiers import AuthorityId
from protocol.interfaces import Signer
from protocol.mls.structures.key_packages import parse_key_package
from protocol.mls.suites import PRODUCT_SUITE
from tests.support.clock import START
from tests.support.directory import certified_node_keys, sample_network, updated
from tests.support.entropy import SeededEntropy
from tests.support.groups import GroupHouse
from tests.support.identities import authority_root

B, C = AuthorityId("xb-ibu"), AuthorityId("xc-aco")
DAY = 86_400.0


def offer(
    house: GroupHouse, want: int = 8, *, peer: AuthorityId = B, held: object = (), used: object = ()
) -> PackageAnswer:
    request = PackageRequest(want, in_order(held), in_order(used))  # type: ignore[arg-type]  # references
    return house.write(lambda tx: pool.offer(house.bench, tx, peer, request))


def take(house: GroupHouse, *named: bytes) -> OwnPackage | None:
    """What a Welcome does that names these."""

    def find_and_spend(tx: Transaction) -> OwnPackage | None:
        found = pool.find_package(house.bench, tx, named)
        if found is not None:
            pool.spend(tx, found)
        return found

    return house.write(find_and_spend)


def references(answer: PackageAnswer) -> list[bytes]:
    return [parse_key_package(one).reference(PRODUCT_SUITE) for one in answer.packages]


def leaf(house: GroupHouse) -> LeafKey:
    return house.write(lambda tx: current_leaf_key(house.bench, tx))


# --- leaf keys ------------------------------------------------------------------------------------------
def test_a_leaf_key_serves_for_a_week_and_survives_a_restart() -> None:
    house = GroupHouse()
    first = leaf(house)
    house.restart()
    assert leaf(house).pair == first.pair
    house.clock.advance(7 * DAY - 1)
    assert leaf(house).pair == first.pair
    house.clock.advance(2)
    second = leaf(house)
    assert second.pair != first.pair
    assert house.read(lambda tx: leaf_key_of(house.bench, tx, first.hash)) == first


def test_a_clock_that_was_set_back_makes_a_new_leaf_key() -> None:
    house = GroupHouse()
    house.clock.advance(DAY)
    first = leaf(house)
    house.clock.advance(-200)
    assert leaf(house).pair == first.pair
    house.clock.advance(-3_600)
    assert leaf(house).pair != first.pair


def test_its_certificate_holds_in_the_directory_and_within_its_issuer() -> None:
    house = GroupHouse()
    made = leaf(house)
    claims = verify_leaf_certificate(made.certificate, house.directory, START)
    assert (claims.name, claims.key) == (house.name, made.pair.public)
    assert timedelta(days=29) < claims.not_after - START <= LEAF_LIFETIME


def test_another_signing_key_needs_another_leaf_key() -> None:
    """A package under a certificate by a retired key would be refused wherever it was used."""
    first = certified_node_keys("xa-acc")
    second = NodeKeys.generate(authority_root("xa-acc"), first.node, START, SeededEntropy("second"))
    network = sample_network()
    change = (key_addition(network.fingerprint, second), RetireKey(key=first.signing.key_id))
    directory = network.state.apply(updated(network.state, "xa-acc", *change))
    current: list[Signer] = [first.signing]
    house = GroupHouse(directory=directory, signer=lambda: current[0])
    before, packages = leaf(house), references(offer(house))
    current[0] = second.signing
    assert leaf(house).claims.issuer == second.signing.key_id != before.claims.issuer
    again = offer(house, held=packages)
    assert set(again.gone) == set(packages)
    assert len(again.packages) == 9


def test_without_a_key_in_use_nothing_is_made() -> None:
    def none() -> Signer:
        raise NotPermittedError("no key", code=ReasonCode.NO_KEY)

    house = GroupHouse(signer=none)
    with pytest.raises(NotPermittedError):
        offer(house)
    stranger = GroupHouse(signer=lambda: certified_node_keys("xa-acc", "unlisted").signing)
    with pytest.raises(LocalProtocolError) as caught:
        offer(stranger)
    assert caught.value.code is ReasonCode.NO_KEY
    assert stranger.read(used_day_keys) == set()


# --- the pool -------------------------------------------------------------------------------------------
def test_a_peer_gets_its_own_packages_and_one_of_last_resort() -> None:
    house = GroupHouse()
    answer = offer(house)
    packages = [parse_key_package(one) for one in answer.packages]
    assert [is_last_resort(one) for one in packages] == [False] * 8 + [True]
    assert len(answer.certificates) == 1
    assert len({one.init_key for one in packages}) == 9
    others = references(offer(house, peer=C))
    assert set(others) & set(references(answer)) == {references(answer)[8]}


def test_asking_again_brings_the_same_ones() -> None:
    house = GroupHouse()
    first = offer(house)
    house.restart()
    assert offer(house) == first
    assert offer(house, 3).packages == (*first.packages[:3], first.packages[8])


def test_what_is_held_is_not_sent_again_and_what_is_missing_is_made() -> None:
    house = GroupHouse()
    held = references(offer(house, 3))
    answer = offer(house, 5, held=held)
    assert len(answer.packages) == 5
    assert set(references(answer)).isdisjoint(held)
    assert answer.gone == ()
    assert offer(house, 5, held=[*held, *references(answer)]).packages == ()


def test_used_ones_make_room_up_to_a_bound() -> None:
    """Who says that it has used everything comes to an end; the package of last resort is left."""
    house = GroupHouse(pool_size=2)
    used: list[bytes] = []
    for _ in range(pool.MOST_POOLS):
        fresh = references(offer(house, 9, used=used))
        assert len(fresh) == 3
        used.extend(fresh[:2])
    (resort,) = offer(house, 9, used=used).packages
    assert is_last_resort(parse_key_package(resort))
    assert len(references(offer(house, 9, peer=C))) == 3


def test_a_peer_speaks_for_its_own_packages_only() -> None:
    house = GroupHouse(pool_size=1)
    theirs = references(offer(house, peer=C))
    assert set(offer(house, used=theirs, held=theirs[:1]).gone) == {theirs[0]}
    assert references(offer(house, peer=C)) == theirs


def test_unknown_references_are_gone() -> None:
    """After a loss of memory here, a peer must not go on with packages that nobody can open."""
    house = GroupHouse()
    held = [bytes([number]) * 48 for number in range(3)]
    assert offer(house, held=held).gone == tuple(held)


def test_a_package_near_its_end_is_not_offered() -> None:
    house = GroupHouse()
    first = references(offer(house))
    house.clock.advance(29 * DAY + 60)
    answer = offer(house, held=first)
    assert set(answer.gone) == set(first)
    assert len(answer.packages) == 9


def test_the_last_resort_is_renewed_every_week_and_the_old_one_still_opens() -> None:
    house = GroupHouse()
    old = references(offer(house))[8]
    house.clock.advance(7 * DAY)
    answer = offer(house)
    assert references(answer)[8] != old
    assert take(house, old) is not None


# --- taking ---------------------------------------------------------------------------------------------
def test_taking_deletes_the_private_side_and_opens_what_was_offered() -> None:
    house = GroupHouse()
    offered = offer(house)
    reference = references(offered)[0]
    house.restart()
    taken = take(house, bytes(48), reference)
    assert taken is not None
    assert (taken.peer, taken.reference) == (B, reference)
    secrets = taken.secrets
    assert secrets.package.to_bytes() == offered.packages[0]
    sealed, opened = _seal(secrets.package.init_key), secrets.init_private
    assert PRODUCT_SUITE.kem.decapsulate(opened, sealed[1]) == sealed[0]
    assert take(house, reference) is None
    assert house.read(lambda tx: records.own_package(tx, reference)) is None


def _seal(public_key: bytes) -> tuple[bytes, bytes]:
    return PRODUCT_SUITE.kem.encapsulate(public_key, GroupHouse().bench.entropy)


def test_the_last_resort_can_be_taken_twice() -> None:
    house = GroupHouse()
    resort = references(offer(house))[8]
    for _ in range(2):
        taken = take(house, resort)
        assert taken is not None
        assert taken.peer == LAST_RESORT


def test_a_spent_package_still_opens_its_welcome() -> None:
    house = GroupHouse()
    reference = references(offer(house))[0]
    offer(house, used=[reference])
    assert take(house, reference) is not None


def test_what_does_not_open_is_as_if_it_was_not_there() -> None:
    house = GroupHouse()
    reference = references(offer(house))[0]
    house.file.data = None
    house.restart()
    assert take(house, reference) is None
