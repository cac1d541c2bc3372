# SPDX-License-Identifier: Apache-2.0
"""The key schedule against outside test data, and what it refuses."""

import pytest

from protocol.errors import LocalProtocolError, RemoteProtocolError
from protocol.mls import schedule
from protocol.mls.suites import PRODUCT_SUITE, Suite
from protocol.octets import Reader, Writer, op
from tests.support.mls_suites import SUITES
from tests.support.vectors import vector_json

MLS = "mls-implementations"


def context_bytes(suite: Suite, group_id: bytes, epoch: int, tree_hash: bytes, confirmed: bytes) -> bytes:
    writer = Writer().u16(1).u16(suite.number).op(group_id).u64(epoch)
    return writer.op(tree_hash).op(confirmed).op(b"").to_bytes()


@pytest.mark.vectors
def test_key_schedule_vectors() -> None:
    cases = vector_json(f"{MLS}/key-schedule.json")
    for case in cases:
        suite = SUITES[case["cipher_suite"]]
        init_secret = bytes.fromhex(case["initial_init_secret"])
        for number, epoch in enumerate(case["epochs"]):
            said = {name: bytes.fromhex(text) for name, text in epoch.items() if isinstance(text, str)}
            context = context_bytes(
                suite,
                bytes.fromhex(case["group_id"]),
                number,
                said["tree_hash"],
                said["confirmed_transcript_hash"],
            )
            assert context == said["group_context"]
            joiner = schedule.joiner_secret(suite, init_secret, said["commit_secret"], context)
            assert joiner == said["joiner_secret"]
            assert schedule.welcome_secret(suite, joiner, said["psk_secret"]) == said["welcome_secret"]
            begun = schedule.begin_epoch(suite, joiner, said["psk_secret"], context)
            assert begun.encryption_secret == said["encryption_secret"]
            assert begun.confirmation_key == said["confirmation_key"]
            secrets = begun.secrets
            for name in secrets.__slots__:
                assert getattr(secrets, name) == said[name], name
            assert suite.derive_key_pair(secrets.external_secret).public == said["external_pub"]
            exporter = epoch["exporter"]
            exported = schedule.export(
                suite,
                secrets.exporter_secret,
                exporter["label"],
                bytes.fromhex(exporter["context"]),
                exporter["length"],
            )
            assert exported == bytes.fromhex(exporter["secret"])
            init_secret = secrets.init_secret
    assert len(cases) == 7


@pytest.mark.vectors
def test_psk_secret_vectors() -> None:
    cases = vector_json(f"{MLS}/psk_secret.json")
    for case in cases:
        psks = [
            schedule.Psk(
                b"\1" + op(bytes.fromhex(psk["psk_id"])) + op(bytes.fromhex(psk["psk_nonce"])),
                bytes.fromhex(psk["psk"]),
            )
            for psk in case["psks"]
        ]
        found = schedule.psk_secret(SUITES[case["cipher_suite"]], psks)
        assert found == bytes.fromhex(case["psk_secret"])
    assert len(cases) == 77


@pytest.mark.vectors
def test_transcript_hash_vectors() -> None:
    cases = vector_json(f"{MLS}/transcript-hashes.json")
    for case in cases:
        suite = SUITES[case["cipher_suite"]]
        content = bytes.fromhex(case["authenticated_content"])
        tag_at = len(content) - len(op(bytes(suite.hash_bytes)))
        reader = Reader(content[tag_at:])
        tag = reader.op(suite.hash_bytes)
        reader.finish()
        interim = bytes.fromhex(case["interim_transcript_hash_before"])
        confirmed = schedule.confirmed_transcript_hash(suite, interim, content[:tag_at])
        assert confirmed == bytes.fromhex(case["confirmed_transcript_hash_after"])
        schedule.verify_confirmation(suite, bytes.fromhex(case["confirmation_key"]), confirmed, tag)
        after = schedule.interim_transcript_hash(suite, confirmed, tag)
        assert after == bytes.fromhex(case["interim_transcript_hash_after"])
    assert len(cases) == 7


def test_the_order_of_pre_shared_keys_matters() -> None:
    one, other = schedule.Psk(b"one", bytes(32)), schedule.Psk(b"other", b"\1" * 32)
    there = schedule.psk_secret(PRODUCT_SUITE, [one, other])
    assert there != schedule.psk_secret(PRODUCT_SUITE, [other, one])
    assert schedule.psk_secret(PRODUCT_SUITE, []) == bytes(48)


@pytest.mark.parametrize("changed", [b"", bytes(48), None])
def test_a_wrong_confirmation_is_refused(changed: bytes | None) -> None:
    tag = schedule.confirmation_tag(PRODUCT_SUITE, b"key", b"hash")
    schedule.verify_confirmation(PRODUCT_SUITE, b"key", b"hash", tag)
    with pytest.raises(RemoteProtocolError):
        schedule.verify_confirmation(PRODUCT_SUITE, b"key", b"hash", tag[:-1] if changed is None else changed)


@pytest.mark.parametrize("size", [1, schedule.MAX_EXPORTED_BYTES])
def test_an_export_has_the_length_that_was_asked_for(size: int) -> None:
    exported = schedule.export(PRODUCT_SUITE, bytes(48), "label", b"", size)
    assert len(exported) == size
    assert exported != schedule.export(PRODUCT_SUITE, bytes(48), "label", b"other context", size) or size == 1
    assert exported != schedule.export(PRODUCT_SUITE, bytes(48), "another label", b"", size) or size == 1


@pytest.mark.parametrize("size", [0, schedule.MAX_EXPORTED_BYTES + 1])
def test_an_export_of_no_or_too_many_bytes_is_refused(size: int) -> None:
    with pytest.raises(LocalProtocolError):
        schedule.export(PRODUCT_SUITE, bytes(48), "label", b"", size)


def test_secrets_are_not_shown() -> None:
    begun = schedule.begin_from_epoch_secret(PRODUCT_SUITE, b"planted" * 6 + b"secret")
    shown = repr(begun) + repr(begun.secrets) + repr(schedule.Psk(b"id", b"planted"))
    for name in begun.secrets.__slots__:
        assert repr(getattr(begun.secrets, name)) not in shown
    assert "planted" not in shown
