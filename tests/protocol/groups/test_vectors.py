# SPDX-License-Identifier: Apache-2.0
"""Our own test data says what this software does, and is what the script makes."""

from collections.abc import Callable
from datetime import datetime
from functools import cache, partial
from typing import Any

import pytest

from protocol import canonical
from protocol.envelope import check_times, envelope_hash, parse_envelope, routing_id_of
from protocol.groups.certificate import leaf_certificate_hash, verify_leaf_certificate, verify_standing_leaf
from protocol.groups.credential import parse_identity
from protocol.groups.extension import parse_consultation_extension
from protocol.groups.sealed import Invitation, frame_binding, kind_of, parse_invitation, parse_ordered_commit
from protocol.groups.testimony.continued import read_history, verify_history, with_history
from protocol.groups.testimony.control import verify_control
from protocol.groups.testimony.hub_receipt import (
    commit_hash,
    parse_equivocation,
    verify_equivocation,
    verify_hub_receipt,
)
from protocol.groups.testimony.joined import verify_joined
from protocol.octets import Reader, Writer, parse_base64
from protocol.signing.composite import parse_public_key
from tests.support.refusals import value_or_reason
from tests.vectors.catalogue import FILES
from tests.vectors.files import Document, read_file, written
from tests.vectors.groups import DIRECTORIES, facts

Case = dict[str, Any]


def judged_by(case: Case) -> tuple[Any, datetime]:
    return DIRECTORIES[case["directory"]], canonical.parse_moment(case["at"])


def envelope(data: bytes, case: Case) -> None:
    read, at = parse_envelope(data), canonical.parse_moment(case["at"])
    frame = read.frame
    check_times(frame, int(at.timestamp() * 1000))
    if "value" in case:
        assert case["value"] == {
            "class": int(frame.envelope_class),
            "sender": str(frame.sender),
            "group": case["value"]["group"],
            "routing_id": routing_id_of(bytes.fromhex(case["value"]["group"])).hex(),
            "envelope_id": frame.envelope_id.hex(),
            "created": str(frame.created_ms),
            "expires": str(frame.expires_ms),
            "sealed": read.sealed.hex(),
            "authenticated_data": frame_binding(read.frame_bytes).hex(),
        }
        assert frame.routing_id.hex() == case["value"]["routing_id"]
        assert envelope_hash(data) == case["hash"]


def sealed_part(data: bytes, case: Case) -> None:
    if case["kind"] == "application data":
        said = kind_of(data)
        assert said.name.lower() == case["value"]["says"]
        return
    part = parse_invitation(data) if case["kind"] == "invitation" else parse_ordered_commit(data)
    assert part.to_bytes() == data
    if "value" in case:
        value = dict(case["value"])
        assert [one.hex() for one in part.certificates] == value.pop("certificates")
        if isinstance(part, Invitation):
            assert [one.hex() for one in part.history] == value.pop("history")
        assert {name: getattr(part, name).hex() for name in value} == value
        assert part.digest == case["hash"]


def leaf_certificate(data: bytes, case: Case) -> None:
    verify = {"enters": verify_leaf_certificate, "stands": verify_standing_leaf}[case["question"]]
    verify(data, *judged_by(case))
    if "hash" in case:
        assert leaf_certificate_hash(data).hex() == case["hash"]


def identity(data: bytes, case: Case) -> None:
    read, value = parse_identity(data), case["value"]
    assert (*read.name, read.certificate_hash.hex()) == tuple(value.values())
    assert read.to_bytes() == data


def consultation_extension(data: bytes, case: Case) -> None:
    read, value = parse_consultation_extension(data), case["value"]
    assert read.consultation == value["consultation"]
    assert str(read.hub) == value["hub"]
    assert [str(name) for name in read.successors] == value["successors"]
    assert list(read.roster) == value["roster"]
    assert str(read.policy_version) == value["policy_version"]
    assert read.opening.hex() == value["opening"]
    assert read.to_bytes() == data


def hub_receipt(data: bytes, case: Case) -> None:
    if case["kind"] == "equivocation":
        proof = parse_equivocation(data)
        hub = verify_equivocation(proof, *judged_by(case))
        assert str(hub) == case["hub"]
        assert proof.to_bytes() == data
        return
    receipt = verify_hub_receipt(data, *judged_by(case))
    if "commit" in case:
        assert receipt.commit == commit_hash(parse_base64(case["commit"]))


def joined(data: bytes, case: Case) -> None:
    verify_joined(data, *judged_by(case))


def continued(data: bytes, case: Case) -> None:
    reader = Reader(data)
    statements = read_history(reader)
    reader.finish()
    history = verify_history(statements, *judged_by(case))
    assert with_history(Writer(), statements).to_bytes() == data
    assert [one.group_id.hex() for one in history[-1:]] == ([case["group"]] if "group" in case else [])


def control(data: bytes, case: Case) -> None:
    verify_control(data, *judged_by(case))


READERS: dict[str, Callable[[bytes, Case], None]] = {
    "envelopes.json": envelope,
    "sealed_parts.json": sealed_part,
    "leaf_certificates.json": leaf_certificate,
    "identities.json": identity,
    "consultation_extensions.json": consultation_extension,
    "hub_receipts.json": hub_receipt,
    "joined.json": joined,
    "continued.json": continued,
    "controls.json": control,
}


@cache
def document(name: str) -> Document:
    return read_file(name)


CASES = [(name, case) for name in FILES for case in document(name)["cases"]]


def test_every_file_is_read() -> None:
    assert READERS.keys() == FILES.keys()


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_what_the_script_makes(name: str) -> None:
    """Signatures draw chance: the script takes those of the file that verify, and makes the others anew."""
    assert written(FILES[name](document(name))) == written(document(name))


@pytest.mark.parametrize(("name", "case"), CASES, ids=[f"{name}: {case['name']}" for name, case in CASES])
def test_a_case_has_the_result_that_it_says(name: str, case: Case) -> None:
    found = value_or_reason(partial(READERS[name], parse_base64(case["octets"]), case))
    assert ("ok" if found is None else found.value) == case["result"]


@pytest.mark.parametrize("name", FILES)
def test_cases_have_names_and_both_results(name: str) -> None:
    cases = document(name)["cases"]
    assert len({case["name"] for case in cases}) == len(cases)
    assert len({case["result"] == "ok" for case in cases}) == 2


def test_the_facts_are_those_of_the_directories() -> None:
    for name in FILES:
        told = document(name)
        if "directories" in told:
            assert told["directories"] == facts()
            for key_id, key in told["signing_keys"].items():
                assert parse_public_key(parse_base64(key)).key_id == key_id
