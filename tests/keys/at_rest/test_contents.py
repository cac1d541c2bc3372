# SPDX-License-Identifier: Apache-2.0
from datetime import timedelta

import pytest

from keys.at_rest import contents
from keys.at_rest.sealed_file import FileKind
from keys.errors import KeyFileDamagedError, KeystoreError
from keys.node_keys import NodeKeys
from keys.rotation import rotate_node_key
from protocol import canonical
from protocol.canonical import JSONObject
from tests.support.clock import START
from tests.support.entropy import SeededEntropy
from tests.support.identities import authority_root, node_keys, officer_key


def _through_bytes(members: JSONObject) -> JSONObject:
    return canonical.parse_object(canonical.to_bytes(members), 1 << 16)


def _node_with_a_past() -> NodeKeys:
    first = node_keys()
    second = rotate_node_key(authority_root(), first, START, SeededEntropy("contents"))
    return rotate_node_key(authority_root(), second, START + timedelta(days=1), SeededEntropy("again"))


@pytest.mark.parametrize("bundle", [node_keys(), _node_with_a_past()], ids=["new", "with a past"])
def test_a_node_comes_back(bundle: NodeKeys) -> None:
    again = contents.parse_node(_through_bytes(contents.members_of(bundle)))
    assert contents.members_of(again) == contents.members_of(bundle)
    assert (again.authority, again.node, again.certificate) == ("xa-acc", "main", bundle.certificate)
    assert again.signing.public_key == bundle.signing.public_key
    assert [key.key_id for key in again.decryption] == [key.key_id for key in bundle.decryption]
    assert [
        (former.key.key_id, former.certificate, former.replaced_at) for former in again.former_signing
    ] == [(former.key.key_id, former.certificate, former.replaced_at) for former in bundle.former_signing]
    assert [former.replaced_at for former in again.former_encryption] == [
        former.replaced_at for former in bundle.former_encryption
    ]


def test_root_and_officer_come_back() -> None:
    root = contents.parse_root(_through_bytes(contents.members_of(authority_root())))
    assert (root.authority, root.signing.key_id) == ("xa-acc", authority_root().signing.key_id)
    officer = contents.parse_officer(_through_bytes(contents.members_of(officer_key())))
    assert (officer.office, officer.signing.key_id) == ("officer-1", officer_key().signing.key_id)


def test_each_bundle_has_its_kind() -> None:
    kinds = [contents.kind_of(bundle) for bundle in (node_keys(), authority_root(), officer_key())]
    assert kinds == [FileKind.NODE, FileKind.ROOT, FileKind.OFFICER]


NODE = contents.members_of(_node_with_a_past())
ROOT = contents.members_of(authority_root())
OFFICER = contents.members_of(officer_key())
ITEM: JSONObject = {"secret": "AAAA", "certificate": ""}


@pytest.mark.parametrize(
    "change",
    [
        {"v": 2},
        {"v": "1"},
        {"authority": "XA"},
        {"node": ""},
        {"signing": []},
        {"signing": ITEM},
        {"signing": "text"},
        {"signing": {**ITEM, "more": 1}},
        {"node": "second"},
        {"authority": "xb-acc"},
        {"former_signing": [ITEM]},
        {"former_signing": [{**ITEM, "replaced_ms": 0}]},
        {"former_signing": ITEM},
        {"encryption": "AAAA"},
        {"encryption": 1},
        {"storage": "AAAA"},
        {"log": "AAAA"},
        {"tls": {}},
        {"tls": "text"},
        {"tls": {"secret": "AAAA", "certificate": "AAAA"}},
        {"former_encryption": [{"secret": "AAAA"}]},
        {"former_encryption": {}},
        {"more": 1},
    ],
)
def test_a_node_whose_parts_do_not_fit_is_refused(change: JSONObject) -> None:
    with pytest.raises(KeystoreError) as caught:
        contents.parse_node({**NODE, **change})
    assert caught.value.hint


@pytest.mark.parametrize("name", sorted(NODE))
def test_a_node_with_a_member_missing_is_refused(name: str) -> None:
    with pytest.raises(KeyFileDamagedError):
        contents.parse_node({member: value for member, value in NODE.items() if member != name})


@pytest.mark.parametrize("change", [{"v": 0}, {"authority": "-"}, {"signing": "AAAA"}, {"more": 1}])
def test_a_root_whose_parts_do_not_fit_is_refused(change: JSONObject) -> None:
    with pytest.raises(KeyFileDamagedError):
        contents.parse_root({**ROOT, **change})


@pytest.mark.parametrize("change", [{"office": ""}, {"office": "x" * 64}, {"office": 1}, {"signing": ""}])
def test_an_officer_whose_parts_do_not_fit_is_refused(change: JSONObject) -> None:
    with pytest.raises(KeyFileDamagedError):
        contents.parse_officer({**OFFICER, **change})
