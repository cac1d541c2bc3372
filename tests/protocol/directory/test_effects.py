# SPDX-License-Identifier: Apache-2.0
"""What statements do to an entry: admissions, keys, contact points, endpoints."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from nacl.bindings import crypto_sign_ed25519_pk_to_curve25519

from globe_node.directory.publish import key_addition, prove_root
from keys.node_keys import NodeKeys
from keys.signing_key import CompositeSigningKey
from protocol.directory import effects
from protocol.directory.entries import AuthorityEntry, NodeState
from protocol.directory.replay import DirectoryState
from protocol.directory.statements import (
    AddKey,
    Admission,
    CompromisedKey,
    Operation,
    PutContact,
    PutEndpoint,
    RemoveEndpoint,
    RetireContact,
    RetireKey,
    Update,
    node_possession_message,
)
from protocol.errors import ReasonCode
from protocol.identifiers import AuthorityId, KeyId, NodeId
from protocol.signing import labels
from protocol.signing.certificate import NodeCertificate, issue
from tests.support.clock import START
from tests.support.directory import (
    admitted,
    certified_node_keys,
    officers,
    raw_statement,
    sample_admission,
    sample_contact,
    sample_network,
    updated,
)
from tests.support.identities import authority_root
from tests.support.refusals import refused

NETWORK = sample_network()
STATE = NETWORK.state
A, B, NEW = AuthorityId("xa-acc"), AuthorityId("xb-ibu"), AuthorityId("xd-new")
ROOT_A = authority_root(A).signing
KEYS_A, SECOND = certified_node_keys(A), certified_node_keys(A, "second")


def entry_of(state: DirectoryState, authority: AuthorityId = A) -> AuthorityEntry:
    entry = state.authority(authority)
    assert entry is not None
    return entry


def admission(
    code: ReasonCode | None = None, state: DirectoryState = STATE, **changes: object
) -> DirectoryState:
    authority = str(changes.pop("authority", NEW))
    content = sample_admission(NETWORK.fingerprint, authority).model_copy(update=changes)
    raw = raw_statement(state, authority, content, *(officer.signing for officer in officers()[:2]))
    if code is None:
        return state.apply(raw)
    refused(lambda: state.apply(raw), code)
    return state


def update(*operations: Operation, state: DirectoryState = STATE) -> DirectoryState:
    return state.apply(raw_statement(state, A, Update(ops=operations), ROOT_A))


def refuses(code: ReasonCode, *operations: Operation, state: DirectoryState = STATE) -> None:
    raw = raw_statement(state, A, Update(ops=operations), ROOT_A)
    refused(lambda: state.apply(raw), code)


# --- admission ------------------------------------------------------------------------------------------


def test_an_admission_makes_an_entry() -> None:
    entry = entry_of(admission(), NEW)
    assert entry.root_key.raw == authority_root(NEW).signing.public_key
    assert entry.name() == entry.name("fr") == f"Sample authority {NEW}"


def test_a_root_key_that_can_not_be_admitted_is_refused() -> None:
    good = authority_root(NEW).signing.public_key
    small_order = good[:-32] + bytes(32)
    for raw in (b"", good[:-1], good + b"\0", small_order, good[:-32] + b"\xff" * 32):
        admission(ReasonCode.REFUSED, root_key=raw)


def test_admission_needs_possession_of_the_root_key_for_this_network_and_name() -> None:
    proofs = (
        b"",
        prove_root(NETWORK.fingerprint, authority_root("xe-other")),
        prove_root(NETWORK.fingerprint, replace(authority_root(NEW), authority=AuthorityId("xe-other"))),
        prove_root(type(NETWORK.fingerprint)("0" * 64), authority_root(NEW)),
    )
    for proof in proofs:
        admission(ReasonCode.REFUSED, proof=proof)


def test_one_key_serves_one_authority() -> None:
    taken = replace(authority_root(A), authority=NEW)
    admission(
        ReasonCode.REFUSED,
        root_key=taken.signing.public_key,
        proof=prove_root(NETWORK.fingerprint, taken),
    )
    officer = replace(authority_root(A), authority=NEW, signing=officers()[2].signing)
    admission(
        ReasonCode.REFUSED,
        root_key=officer.signing.public_key,
        proof=prove_root(NETWORK.fingerprint, officer),
    )
    node = replace(authority_root(A), authority=NEW, signing=KEYS_A.signing)
    admission(
        ReasonCode.REFUSED, root_key=node.signing.public_key, proof=prove_root(NETWORK.fingerprint, node)
    )


@pytest.mark.parametrize(
    "name",
    [
        "Sample Anti-Corruption Commission of Alpha",
        "SAMPLE ANTI CORRUPTION COMMISSION OF ALPHA",
        "Sample Anti-C\u043errupti\u043en C\u043emmissi\u043en of Alpha",
        "\u0405ample Anti-Corruption Commission of Alpha",
        "Sample Anti-Corruption Commissi\u03bfn of Alpha",
    ],
)
def test_a_name_like_that_of_another_authority_is_refused(name: str) -> None:
    admission(ReasonCode.REFUSED, names={"en": "Another", "fr": name})


def test_a_name_without_letters_is_refused() -> None:
    admission(ReasonCode.BAD_FIELD, names={"en": "---"})


def test_a_renewal_keeps_the_key_and_what_the_authority_said() -> None:
    later = STATE.apply(admitted(STATE, A, issued=START + timedelta(days=300)))
    entry = entry_of(later)
    assert entry.not_after == START + timedelta(days=665)
    assert (entry.nodes, entry.contacts) == (entry_of(STATE).nodes, entry_of(STATE).contacts)
    other = replace(authority_root("xe-other"), authority=A)
    admission(
        ReasonCode.REFUSED,
        authority=A,
        root_key=other.signing.public_key,
        proof=prove_root(NETWORK.fingerprint, other),
    )


# --- keys -----------------------------------------------------------------------------------------------


def addition(node: NodeKeys) -> AddKey:
    return key_addition(NETWORK.fingerprint, node)


def crafted(
    node: NodeKeys = SECOND,
    *,
    signing: CompositeSigningKey | None = None,
    encryption: bytes = b"",
    tls: bytes = b"",
    root: AuthorityId = A,
    **changes: Any,
) -> AddKey:
    """Keys of any origin under a new certificate, with a proof that holds."""
    key, issuer = signing or node.signing, authority_root(root).signing
    certificate = NodeCertificate(
        serial="0" * 32,
        authority=node.authority,
        node=node.node,
        key=key.admitted,
        not_before=START,
        not_after=START + timedelta(days=30),
        issuer=issuer.key_id,
    )
    unproven = AddKey(
        certificate=issue(issuer, replace(certificate, **changes)),
        encryption_key=encryption or node.encryption.public_key,
        tls_certificate=tls or node.tls.certificate_der,
        proof=b"",
    )
    message = node_possession_message(NETWORK.fingerprint, A, hashes=effects.hashes_of(unproven))
    return unproven.model_copy(update={"proof": key.sign(labels.POSSESSION, message)})


def test_a_second_node_takes_over_and_the_first_stays() -> None:
    state = update(addition(SECOND))
    assert [node.node for node in entry_of(state).nodes] == ["main", "second"]
    assert state.require_active_node(A, START).node == "second"
    assert state.require_sender(A, KEYS_A.signing.key_id, START).node == "main"


def test_rotation_in_one_statement() -> None:
    state = update(addition(SECOND), RetireKey(key=KEYS_A.signing.key_id))
    assert [node.state for node in entry_of(state).nodes] == [NodeState.RETIRED, NodeState.ACTIVE]


def test_a_node_keeps_its_encryption_key_and_tls_certificate_over_a_rotation() -> None:
    rotated = crafted(KEYS_A, signing=SECOND.signing)
    state = update(rotated, RetireKey(key=KEYS_A.signing.key_id))
    assert state.require_active_node(A, START).signing.key_id == SECOND.signing.key_id


@pytest.mark.parametrize("changes", [{"authority": B}, {"root": B}])
def test_a_certificate_for_or_by_another_authority_is_refused(changes: dict[str, Any]) -> None:
    refuses(ReasonCode.REFUSED, crafted(**changes))


def test_a_node_key_is_never_used_before_or_after_its_certificate() -> None:
    state = update(crafted(not_before=START + timedelta(days=1)))
    assert state.require_active_node(A, START).node == "main"
    assert state.require_active_node(A, START + timedelta(days=2)).node == "second"
    assert state.require_active_node(A, START + timedelta(days=31)).node == "main"


@pytest.mark.parametrize("name", ["certificate", "encryption_key", "tls_certificate", "proof"])
def test_keys_of_two_hands_do_not_go_together(name: str) -> None:
    other = addition(certified_node_keys(A, "third"))
    mixed = addition(SECOND).model_copy(update={name: getattr(other, name)})
    refuses(ReasonCode.REFUSED, mixed)


def test_a_proof_for_another_network_is_refused() -> None:
    refuses(ReasonCode.REFUSED, key_addition(type(NETWORK.fingerprint)("0" * 64), SECOND))


OTHER = certified_node_keys(B)
CONVERTED = crypto_sign_ed25519_pk_to_curve25519(SECOND.signing.public_key[-32:])


@pytest.mark.parametrize(
    "changes",
    [
        {"signing": OTHER.signing},
        {"encryption": OTHER.encryption.public_key},
        {"tls": OTHER.tls.certificate_der},
        {"signing": officers()[0].signing},
        {"signing": authority_root(B).signing},
        {"encryption": SECOND.encryption.public_key[:-32] + OTHER.encryption.public_key[-32:]},
        {"encryption": OTHER.encryption.public_key[:-32] + SECOND.encryption.public_key[-32:]},
        {"encryption": SECOND.encryption.public_key[:-32] + CONVERTED},
    ],
)
def test_key_material_that_serves_elsewhere_is_refused(changes: dict[str, Any]) -> None:
    refuses(ReasonCode.REFUSED, crafted(**changes))


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("certificate", b"", ReasonCode.BAD_CONTENT),
        ("certificate", b"\x02", ReasonCode.BAD_VERSION),
        ("encryption_key", b"", ReasonCode.REFUSED),
        ("encryption_key", bytes(1216), ReasonCode.REFUSED),
        ("encryption_key", b"\xff" * 1216, ReasonCode.REFUSED),
    ],
)
def test_what_is_no_key_is_refused(name: str, value: bytes, code: ReasonCode) -> None:
    refuses(code, addition(SECOND).model_copy(update={name: value}))


def test_the_same_key_is_never_added_again() -> None:
    refuses(ReasonCode.REFUSED, addition(KEYS_A))
    refuses(ReasonCode.REFUSED, crafted(KEYS_A))
    retired = update(RetireKey(key=KEYS_A.signing.key_id))
    refuses(ReasonCode.REFUSED, crafted(KEYS_A), state=retired)


def test_compromised_is_for_ever_and_only_moves_back() -> None:
    key = KEYS_A.signing.key_id
    day = timedelta(days=1)
    state = update(CompromisedKey(key=key, since=START))
    state = update(RetireKey(key=key), state=state)
    node = state.node_with_key(A, key)
    assert (node.state, node.since) == (NodeState.COMPROMISED, START)
    state = update(CompromisedKey(key=key, since=START + day), state=state)
    assert state.node_with_key(A, key).since == START
    state = update(CompromisedKey(key=key, since=START - day), state=state)
    assert state.node_with_key(A, key).since == START - day


def test_so_many_keys_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effects, "MAX_NODES", 1)
    refuses(ReasonCode.BAD_FIELD, addition(SECOND))


# --- contact points and endpoints -----------------------------------------------------------------------


def test_contact_points_are_put_replaced_and_retired() -> None:
    state = update(PutContact(contact=sample_contact("b")), PutContact(contact=sample_contact("a")))
    assert [contact.id for contact in entry_of(state).contacts] == ["a", "b", "duty"]
    state = update(PutContact(contact=sample_contact("a", name="Another desk")), state=state)
    assert entry_of(state).contacts[0].name == "Another desk"
    state = update(RetireContact(id="a"), state=state)
    assert [contact.id for contact in entry_of(state).contacts] == ["b", "duty"]


def test_so_many_contact_points_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effects, "MAX_CONTACTS", 2)
    state = update(PutContact(contact=sample_contact("a")))
    refuses(ReasonCode.BAD_FIELD, PutContact(contact=sample_contact("b")), state=state)
    update(PutContact(contact=sample_contact("a", name="Another desk")), state=state)


MAIN = NodeId("main")
ELSEWHERE = PutEndpoint(node=MAIN, url="https://node.acc.example")


def test_endpoints_are_put_once_and_removed() -> None:
    state = update(ELSEWHERE, ELSEWHERE)
    urls = [endpoint.url for endpoint in entry_of(state).endpoints_of(MAIN)]
    assert urls == [NETWORK.endpoints[A], ELSEWHERE.url]
    state = update(RemoveEndpoint(node=MAIN, url=NETWORK.endpoints[A]), state=state)
    assert [endpoint.url for endpoint in entry_of(state).endpoints] == [ELSEWHERE.url]


def test_two_authorities_may_share_an_endpoint_that_each_signed() -> None:
    state = update(PutEndpoint(node=MAIN, url=NETWORK.endpoints[B]))
    assert NETWORK.endpoints[B] in {endpoint.url for endpoint in entry_of(state).endpoints}


def test_so_many_endpoints_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effects, "MAX_ENDPOINTS", 1)
    refuses(ReasonCode.BAD_FIELD, ELSEWHERE)


def test_an_endpoint_belongs_to_a_node_with_keys() -> None:
    refuses(ReasonCode.BAD_FIELD, PutEndpoint(node=NodeId("none"), url=ELSEWHERE.url))
    update(addition(SECOND), PutEndpoint(node=SECOND.node, url=ELSEWHERE.url))


def test_a_forbidden_endpoint_is_refused() -> None:
    refuses(ReasonCode.ENDPOINT_FORBIDDEN, PutEndpoint(node=MAIN, url="http://node.acc.example"))


# --- all or nothing -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bad",
    [
        RetireContact(id="none"),
        RetireKey(key=KeyId("0" * 64)),
        CompromisedKey(key=KeyId("0" * 64), since=START),
        RemoveEndpoint(node=MAIN, url="https://none.example"),
    ],
)
def test_all_operations_hold_or_none_does(bad: Operation) -> None:
    refuses(ReasonCode.BAD_FIELD, PutContact(contact=sample_contact("new")), bad)
    assert entry_of(STATE).contacts == (sample_contact(),)
    alone = update(bad)
    assert entry_of(alone) == entry_of(STATE)


def test_admissions_are_values_of_their_fields() -> None:
    content = sample_admission(NETWORK.fingerprint, NEW)
    assert Admission.model_validate(dict(content)) == content
    assert "root_key" not in repr(content)
    assert updated(STATE, A, ELSEWHERE) != updated(STATE, A, PutContact(contact=sample_contact("x")))
