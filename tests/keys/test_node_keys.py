# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from keys.errors import KeyMaterialError
from keys.node_keys import AuthorityRoot, FormerSigningKey, NodeKeys, OfficerKey
from protocol.identifiers import KeyId, parse_authority_id, parse_node_id
from protocol.signing.certificate import verify_certificate
from tests.support.clock import START
from tests.support.entropy import SeededEntropy
from tests.support.identities import authority_root, node_keys, officer_key


def test_every_key_of_a_node_is_drawn_apart() -> None:
    made = node_keys()
    tls_and_storage = [made.tls.seed, made.storage.secret]
    seeds = [made.signing.secret, made.encryption.secret, made.log.secret, *tls_and_storage]
    halves = {seed.reveal()[at : at + 32] for seed in seeds for at in range(0, len(seed), 32)}
    assert len(halves) == sum(len(seed) // 32 for seed in seeds)


def test_the_same_chance_gives_the_same_keys() -> None:
    root = AuthorityRoot.generate(parse_authority_id("xa-acc"), SeededEntropy("root xa-acc"))
    assert root.signing.key_id == authority_root().signing.key_id
    again = NodeKeys.generate(root, parse_node_id("main"), START, SeededEntropy("node xa-acc main"))
    assert again.encryption.key_id == node_keys().encryption.key_id
    assert again.tls.certificate_der == node_keys().tls.certificate_der
    assert OfficerKey.generate("o", SeededEntropy(1)).signing.key_id != officer_key().signing.key_id


def test_keys_are_found_by_their_id() -> None:
    made = node_keys()
    assert made.signing_key(made.signing.key_id) is made.signing
    assert made.decryption_key(made.encryption.key_id) is made.encryption
    assert made.signing_key(KeyId("00" * 32)) is None
    assert made.decryption_key(KeyId("00" * 32)) is None
    assert made.decryption == (made.encryption,)


def test_no_seed_in_the_text_form() -> None:
    made = node_keys()
    text = repr(made) + repr(authority_root()) + repr(officer_key())
    for seed in (made.signing.secret, made.encryption.secret, made.log.secret, made.storage.secret):
        assert seed.reveal().hex()[:16] not in text
        assert repr(seed.reveal()) not in text


def test_a_node_is_certified_by_its_root() -> None:
    made = node_keys()
    certificate = verify_certificate(made.certificate, authority_root().signing.admitted)
    assert certificate.key == made.signing.admitted
    assert certificate.covers(START)
    assert certificate.covers(START + timedelta(days=364))


@pytest.mark.parametrize(
    "change",
    [
        {"certificate": b""},
        {"certificate": node_keys().certificate[:-1]},
        {"certificate": node_keys("xa-acc", "second").certificate},
        {"certificate": node_keys("xb-acc").certificate},
        {"node": parse_node_id("second")},
        {"authority": parse_authority_id("xb-acc")},
        {"signing": node_keys("xa-acc", "second").signing},
        {"former_signing": (FormerSigningKey(node_keys("xb-acc").signing, node_keys().certificate, START),)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_parts_that_do_not_belong_together_make_no_bundle(change: dict[str, Any]) -> None:
    with pytest.raises(KeyMaterialError, match="belong"):
        replace(node_keys(), **change)
