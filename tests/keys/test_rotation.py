# SPDX-License-Identifier: Apache-2.0
from datetime import timedelta

import pytest

from keys.at_rest import contents
from keys.at_rest.sealed_file import MAX_FILE_BYTES
from keys.errors import KeyMaterialError
from keys.node_keys import NodeKeys
from keys.rotation import (
    KEEP_DECRYPTION,
    KEEP_SIGNING,
    MAX_FORMER,
    Step,
    revocation,
    rotate_node_key,
    step_of,
)
from protocol import canonical, hpke, limits
from protocol.directory.statements import CompromisedKey, RetireKey
from protocol.identifiers import KeyId
from protocol.signing.certificate import verify_certificate
from tests.support.clock import START
from tests.support.entropy import SeededEntropy
from tests.support.identities import authority_root, node_keys

OLD = node_keys()


def _rotated(current: NodeKeys = OLD, *, days: float = 0, with_tls: bool = False) -> NodeKeys:
    now, entropy = START + timedelta(days=days), SeededEntropy(f"rotation {days}")
    return rotate_node_key(authority_root(), current, now, entropy, with_tls=with_tls)


def test_the_new_signing_key_is_certified_by_the_root() -> None:
    new = _rotated()
    certificate = verify_certificate(new.certificate, authority_root().signing.admitted)
    assert certificate.key == new.signing.admitted
    assert (certificate.authority, certificate.node) == (OLD.authority, OLD.node)
    assert certificate.covers(START)
    assert certificate.covers(START - timedelta(seconds=limits.CLOCK_TOLERANCE_SECONDS))
    assert not certificate.covers(START + timedelta(days=366))


def test_new_keys_come_first_and_old_ones_still_open() -> None:
    new = _rotated()
    assert new.encryption.key_id != OLD.encryption.key_id
    assert [key.key_id for key in new.decryption] == [new.encryption.key_id, OLD.encryption.key_id]
    sealed = hpke.seal(OLD.encryption.public_key, b"on its way", info=b"", aad=b"", entropy=SeededEntropy())
    held = new.decryption_key(OLD.encryption.key_id)
    assert held is not None
    assert hpke.open_sealed(held, sealed, info=b"", aad=b"") == b"on its way"


def test_what_protects_the_store_and_signs_the_log_stays() -> None:
    new = _rotated()
    assert (new.storage, new.log, new.tls) == (OLD.storage, OLD.log, OLD.tls)


def test_the_line_gets_a_new_certificate_when_asked() -> None:
    assert _rotated(with_tls=True).tls.digest != OLD.tls.digest


def test_the_old_bundle_is_as_it_was() -> None:
    before = (OLD.signing.key_id, OLD.former_signing, OLD.former_encryption)
    _rotated()
    assert (OLD.signing.key_id, OLD.former_signing, OLD.former_encryption) == before


def test_former_keys_are_forgotten_after_their_time() -> None:
    first = _rotated()
    just_before = _rotated(first, days=KEEP_DECRYPTION.days - 1)
    assert OLD.encryption.key_id in {key.key_id for key in just_before.decryption}
    after = _rotated(first, days=KEEP_DECRYPTION.days)
    assert [key.key_id for key in after.decryption] == [after.encryption.key_id, first.encryption.key_id]
    assert after.signing_key(OLD.signing.key_id) is None
    assert after.signing_key(first.signing.key_id) is not None
    assert KEEP_SIGNING <= KEEP_DECRYPTION


def test_two_rotations_before_the_directory_heard_keep_the_key_it_names() -> None:
    twice = _rotated(_rotated(), days=1)
    held = twice.signing_key(OLD.signing.key_id)
    assert held is not None
    assert held.key_id == OLD.signing.key_id


def test_many_rotations_keep_the_key_file_in_its_bound() -> None:
    many = OLD
    for hour in range(MAX_FORMER + 2):
        many = _rotated(many, days=hour / 24)
    assert len(many.former_signing) == len(many.former_encryption) == MAX_FORMER
    assert len(canonical.to_bytes(contents.members_of(many))) * 4 / 3 < MAX_FILE_BYTES / 2


def test_the_node_says_where_it_stands() -> None:
    new = _rotated()
    assert step_of(new, new.signing.key_id) is Step.IN_STEP
    assert step_of(new, OLD.signing.key_id) is Step.DIRECTORY_BEHIND
    assert step_of(OLD, new.signing.key_id) is Step.KEYS_MISSING
    assert step_of(OLD, KeyId("00" * 32)) is Step.KEYS_MISSING


def test_the_root_of_another_authority_certifies_nothing_here() -> None:
    with pytest.raises(KeyMaterialError, match="xb-acc") as caught:
        rotate_node_key(authority_root("xb-acc"), OLD, START, SeededEntropy())
    assert caught.value.hint


def test_what_the_directory_is_told() -> None:
    assert revocation(OLD.signing.key_id) == RetireKey(key=OLD.signing.key_id)
    told = revocation(OLD.signing.key_id, compromised_since=START)
    assert told == CompromisedKey(key=OLD.signing.key_id, since=START)
