# SPDX-License-Identifier: Apache-2.0
"""Public files: nothing in them is for members, and a stranger with a fingerprint finds every change."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import canonical
from protocol.directory.bundle import bundle_to_bytes
from protocol.directory.contacts import Channel, ChannelKind, Visibility
from protocol.directory.profile.organisation import AuthorityChannel, Documents, OpenPart, RoundTheClock
from protocol.directory.replay import DirectoryState
from protocol.directory.statements import PutContact, PutLegalFrame, PutMeasure, PutProfile
from protocol.errors import ReasonCode, RemoteProtocolError, UntrustedError
from protocol.identifiers import Digest, DirectoryView, NodeId, NodeName
from protocol.lookup.public import public_view
from protocol.lookup.publication import (
    INDEX,
    MAX_FILE_BYTES,
    STATEMENTS,
    Manifest,
    PublicFile,
    described,
    parse_manifest,
    public_files,
    require_same_files,
    verify_manifest,
)
from protocol.signing import labels
from tests.support.clock import START
from tests.support.directory import (
    certified_node_keys,
    sample_contact,
    sample_legal,
    sample_measure,
    sample_network,
    sample_profile,
    sample_provenance,
    updated,
)
from tests.support.publications import Publication, published

NETWORK = sample_network()
PUBLISHED = published()
HIDDEN, SHOWN = "hidden-from-the-public", "shown-to-the-public"


def told(opened: tuple[OpenPart, ...], *, public: bool, over: bool) -> DirectoryState:
    """A directory in which every text says whether the public may see it."""

    def mark(name: str, *, seen: bool) -> str:
        return f"{SHOWN if seen else HIDDEN}-{name}"

    hidden = sample_provenance(
        submitted_by=f"{HIDDEN}-submitted", approved_by=f"{HIDDEN}-approved", source=f"{HIDDEN}-source"
    )
    profile = sample_profile(
        public=opened,
        provenance=hidden,
        translation=f"{HIDDEN}-translation",
        transliterated=f"{SHOWN}-transliterated",
        documents=Documents(guide_url=f"https://guide.example/{SHOWN}", track_url="", law_links=()),
        duty=RoundTheClock(available=True, how=mark("duty", seen=OpenPart.DUTY in opened)),
        channels=(
            AuthorityChannel(
                kind=ChannelKind.PHONE,
                address=mark("channel", seen=OpenPart.CHANNELS in opened),
                encryption=mark("encryption", seen=OpenPart.CHANNELS in opened),
            ),
        ),
    )
    legal = sample_legal(
        provenance=hidden, evidence_threshold=mark("evidence", seen=OpenPart.LEGAL in opened)
    )
    measure = sample_measure(
        provenance=hidden, requirements=mark("requirements", seen=OpenPart.MEASURES in opened)
    )
    seen = public and not over
    contact = sample_contact(
        "desk",
        name=mark("desk", seen=seen),
        channels=(Channel(kind=ChannelKind.PHONE, address=mark("telephone", seen=seen)),),
        nominated_by=f"{HIDDEN}-nominated",
        visibility=Visibility.PUBLIC if public else Visibility.MEMBERS,
        valid_to=START.date() - timedelta(days=1) if over else None,
    )
    operations = (
        PutProfile(profile=profile),
        PutLegalFrame(legal=legal),
        PutMeasure(measure=measure),
        PutContact(contact=contact),
    )
    return NETWORK.state.apply(updated(NETWORK.state, "xa-acc", *operations))


def texts_of(value: Any) -> list[str]:
    """Every text in a value."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        return [text for member in value.values() for text in texts_of(member)]
    return [text for item in value for text in texts_of(item)] if isinstance(value, list | tuple) else []


@given(
    opened=st.sets(st.sampled_from(list(OpenPart))).map(lambda parts: tuple(sorted(parts))),
    public=st.booleans(),
    over=st.booleans(),
)
def test_what_is_for_members_is_in_no_file(opened: tuple[OpenPart, ...], public: bool, over: bool) -> None:
    state = told(opened, public=public, over=over)
    files = dict(public_files(state, START))
    everything = b"".join(files.values()).decode()
    assert HIDDEN not in everything
    for entry in state.authorities:
        key_ids = [key for node in entry.nodes for key in (node.signing.key_id, node.encryption_key_id)]
        places = [endpoint.url for endpoint in entry.endpoints]
        assert not [text for text in (*key_ids, *places) if text in everything]
    entry = state.authorities[0]
    wanted = {"transliterated"}
    wanted |= {"desk", "telephone"} if public and not over else set()
    by_part = {
        OpenPart.DUTY: {"duty"},
        OpenPart.CHANNELS: {"channel", "encryption"},
        OpenPart.LEGAL: {"evidence"},
        OpenPart.MEASURES: {"requirements"},
    }
    wanted |= {name for part in opened for name in by_part.get(part, ())}
    found = {text.removeprefix(f"{SHOWN}-") for text in texts_of(public_view(entry, START)) if SHOWN in text}
    assert found - {f"https://guide.example/{SHOWN}"} == wanted
    assert f"https://guide.example/{SHOWN}" in found


def test_the_same_state_and_moment_give_the_same_files() -> None:
    assert dict(public_files(NETWORK.state, START)) == dict(public_files(NETWORK.state, START))
    assert described(PUBLISHED.files) == described(dict(sorted(PUBLISHED.files.items(), reverse=True)))


def test_countries_and_index_lead_to_every_authority() -> None:
    def read(path: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(PUBLISHED.files[path])
        return found

    countries = [read(country["file"]) for country in read(INDEX)["countries"]]
    reached = [row["file"] for country in countries for row in country["authorities"]]
    assert sorted(reached) == sorted(path for path in PUBLISHED.files if path.startswith("authorities/"))


def verified(one: Publication, **changes: Any) -> Manifest:
    asked: dict[str, Any] = {
        "network": NETWORK.fingerprint,
        "data": one.signed,
        "signature": one.signature,
        "statements": one.files[STATEMENTS],
        **changes,
    }
    return verify_manifest(**asked)


def test_a_stranger_needs_the_fingerprint_and_the_files() -> None:
    assert verified(PUBLISHED) == PUBLISHED.manifest
    for file in PUBLISHED.manifest.files:
        file.verify(PUBLISHED.files[file.path])
    require_same_files(PUBLISHED.manifest, PUBLISHED.files)


OTHER_KEY = certified_node_keys("xb-ibu")
REFUSED: Mapping[str, Publication] = {
    "signed by another node": PUBLISHED.but(signer=OTHER_KEY),
    "a key that is not on the path": PUBLISHED.but(signer=OTHER_KEY, key=OTHER_KEY.signing.key_id),
    "another node of the authority": PUBLISHED.but(publisher=NodeName(OTHER_KEY.authority, NodeId("main"))),
    "a node of another name": PUBLISHED.but(
        publisher=NodeName(PUBLISHED.manifest.publisher.authority, NodeId("spare"))
    ),
    "it hides that this is for trial": PUBLISHED.but(sample=False),
    "before the key was certified": PUBLISHED.but(at=START - timedelta(days=2)),
    "after the certificate ended": PUBLISHED.but(at=START + timedelta(days=366)),
    "of another network": PUBLISHED.but(network=Digest("0" * 64)),
    "without a path": PUBLISHED.but(
        files=tuple(file for file in PUBLISHED.manifest.files if file.path != STATEMENTS)
    ),
    "a path to another authority": published(path=[NETWORK.statements[0], *NETWORK.statements[3:5]]),
    "a path without the keys": published(path=NETWORK.statements[:2]),
}


@pytest.mark.parametrize("one", REFUSED.values(), ids=REFUSED.keys())
def test_what_does_not_lead_to_the_signature_is_refused(one: Publication) -> None:
    with pytest.raises(RemoteProtocolError):
        verified(one)


def test_what_was_changed_after_signing_is_refused() -> None:
    changed = replace(PUBLISHED.manifest, view=DirectoryView(8, PUBLISHED.manifest.view.root)).to_bytes()
    with pytest.raises(UntrustedError):
        verified(PUBLISHED, data=changed)
    with pytest.raises(UntrustedError):
        verified(PUBLISHED, signature=PUBLISHED.signature[:-1] + b"\0")
    with pytest.raises(UntrustedError):
        verified(PUBLISHED, signature=b"")
    with pytest.raises(UntrustedError):
        verified(PUBLISHED, statements=bundle_to_bytes(NETWORK.fingerprint, NETWORK.statements))
    other = certified_node_keys().signing.sign(labels.RECORD, PUBLISHED.signed)
    with pytest.raises(UntrustedError):
        verified(PUBLISHED, signature=other)


def test_a_file_that_is_missing_or_too_much_is_named() -> None:
    paths = list(PUBLISHED.files)
    with pytest.raises(UntrustedError, match=r"index\.json is missing"):
        require_same_files(PUBLISHED.manifest, [path for path in paths if path != INDEX])
    with pytest.raises(UntrustedError, match="does not name"):
        require_same_files(PUBLISHED.manifest, [*paths, "authorities/xz-more.json"])
    with pytest.raises(UntrustedError, match=r"index\.json is not the file"):
        described({INDEX: b"{}"})[0].verify(b"{ }")


digests = st.binary(min_size=32, max_size=32).map(lambda raw: Digest(raw.hex()))
labels_of_ids = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
paths_of_files = st.one_of(
    st.just(INDEX),
    st.just(STATEMENTS),
    st.from_regex(r"[A-Z]{2}", fullmatch=True).map("countries/{}.json".format),
    labels_of_ids.map("authorities/{}.json".format),
)
manifests = st.builds(
    lambda files, size, root, sample, minutes: replace(
        PUBLISHED.manifest,
        files=tuple(PublicFile(path, digest, long) for path, (digest, long) in sorted(files.items())),
        view=DirectoryView(size, root),
        sample=sample,
        at=START + timedelta(minutes=minutes),
    ),
    st.dictionaries(paths_of_files, st.tuples(digests, st.integers(0, MAX_FILE_BYTES)), max_size=8),
    st.integers(0, 2**40),
    digests,
    st.booleans(),
    st.integers(0, 10_000),
)


@given(manifests)
def test_a_manifest_is_read_as_it_was_written(manifest: Manifest) -> None:
    assert parse_manifest(manifest.to_bytes()) == manifest


def edited(**changes: Any) -> bytes:
    return canonical.to_bytes({**canonical.parse_object(PUBLISHED.signed, 1 << 20), **changes})


FILE = {"path": INDEX, "sha256": "0" * 64, "size": 1}
WRONG: Mapping[str, tuple[bytes, ReasonCode]] = {
    "not canonical": (b" " + PUBLISHED.signed, ReasonCode.BAD_JSON),
    "another version": (edited(format="anp1:public-directory/2"), ReasonCode.BAD_VERSION),
    "one more member": (edited(more=1), ReasonCode.UNKNOWN_FIELD),
    "no number of statements": (edited(directory={"root": "0" * 64}), ReasonCode.BAD_FIELD),
    "trial as a number": (edited(sample=1), ReasonCode.BAD_FIELD),
    "a day for a moment": (edited(at="2026-01-01"), ReasonCode.BAD_FIELD),
    "no name of an authority": (edited(authority="../xa"), ReasonCode.BAD_FIELD),
    "a file twice": (edited(files=[FILE, FILE]), ReasonCode.BAD_FIELD),
    "files out of order": (edited(files=[{**FILE, "path": STATEMENTS}, FILE]), ReasonCode.BAD_FIELD),
    "a large file": (edited(files=[{**FILE, "size": MAX_FILE_BYTES + 1}]), ReasonCode.BAD_FIELD),
    "a member of a file": (edited(files=[{**FILE, "mode": 1}]), ReasonCode.UNKNOWN_FIELD),
    **{
        f"path {path}": (edited(files=[{**FILE, "path": path}]), ReasonCode.BAD_FIELD)
        for path in (
            "../index.json",
            "/index.json",
            "authorities/../index.json",
            "authorities/xa/b.json",
            "authorities/.json",
            "authorities/-x.json",
            "countries/../XA.json",
            "countries/xa.json",
            "index.json\n",
            "manifest.json",
            "",
        )
    },
}


@pytest.mark.parametrize(("data", "code"), WRONG.values(), ids=WRONG.keys())
def test_a_manifest_outside_its_rules_is_not_read(data: bytes, code: ReasonCode) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        parse_manifest(data)
    assert caught.value.code is code


@given(st.binary(max_size=200))
def test_what_is_no_manifest_is_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        parse_manifest(data)
