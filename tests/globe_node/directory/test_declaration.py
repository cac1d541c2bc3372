# SPDX-License-Identifier: Apache-2.0
"""A declaration becomes the operations that are missing, and no others."""

import re
from datetime import timedelta

import pytest

from globe_node.directory.declaration import (
    IN_FLIGHT,
    Declaration,
    operations_for,
)
from globe_node.directory.declaration_file import MAX_FILE_BYTES, Said, parse_declaration
from globe_node.errors import UsageError
from keys.rotation import rotate_node_key
from protocol.directory.entries import AuthorityEntry
from protocol.directory.replay import DirectoryState
from protocol.directory.statements import Operation, PutContact, PutProfile, RetireKey
from protocol.errors import ReasonCode
from protocol.identifiers import AuthorityId
from tests.house.source import ROOT
from tests.support.clock import START
from tests.support.directory import (
    certified_node_keys,
    sample_contact,
    sample_legal,
    sample_measure,
    sample_network,
    sample_profile,
    updated,
)
from tests.support.entropy import SeededEntropy
from tests.support.identities import authority_root

NETWORK = sample_network()
A = AuthorityId("xa-acc")
NODE = certified_node_keys(A)
FILE = "contacts.toml"
TEXT = """
[[contact]]
id = "duty"
role = "DUTY"
name = "Duty desk, asset recovery"
functions = ["ASSET_RECOVERY", "FREEZE_URGENT"]
languages = ["en", "fr"]
time_zone = "Africa/Nairobi"
working_days = ["mon", "tue", "wed", "thu", "fri"]
hours = "08:00-16:30"
channels = [{kind = "NODE"}]
valid_from = 2026-01-31
confirmed_at = 2026-02-20
"""


def entry_of(state: DirectoryState) -> AuthorityEntry:
    entry = state.authority(A)
    assert entry is not None
    return entry


def missing(
    declaration: Declaration, state: DirectoryState = NETWORK.state, days: int = 0
) -> list[Operation]:
    return operations_for(declaration, entry_of(state), NETWORK.fingerprint, START + timedelta(days=days))


def names(operations: list[Operation]) -> list[str]:
    return [operation.op for operation in operations]


def test_the_file_says_what_the_directory_says() -> None:
    assert parse_declaration(TEXT.encode(), FILE) == Said(contacts=[sample_contact()])


def test_what_holds_already_needs_no_operation() -> None:
    declaration = Declaration(Said([sample_contact()]), NODE, NETWORK.endpoints[A])
    assert missing(declaration) == []
    assert missing(Declaration()) == []


def test_contact_points_are_put_changed_and_retired() -> None:
    found = missing(Declaration(Said([sample_contact("new"), sample_contact("other")])))
    assert names(found) == ["contact.put", "contact.put", "contact.retire"]
    assert missing(Declaration(Said([sample_contact(name="Another desk")]))) == [
        PutContact(contact=sample_contact(name="Another desk"))
    ]
    assert names(missing(Declaration(Said([])))) == ["contact.retire"]


def test_an_endpoint_moves() -> None:
    found = missing(Declaration(node=NODE, endpoint="https://node.acc.example"))
    assert names(found) == ["endpoint.put", "endpoint.remove"]
    assert missing(Declaration(node=NODE)) == missing(Declaration(endpoint="https://x.example")) == []


def test_new_keys_are_added_and_old_ones_retired_when_nothing_is_on_its_way() -> None:
    later = START + timedelta(days=10)
    rotated = rotate_node_key(authority_root(A), NODE, later, SeededEntropy("rotation"))
    added = missing(Declaration(node=rotated), days=10)
    assert names(added) == ["key.add"]
    state = NETWORK.state.apply(updated(NETWORK.state, A, *added))
    assert missing(Declaration(node=rotated), state, days=10 + IN_FLIGHT.days - 2) == []
    old = missing(Declaration(node=rotated), state, days=10 + IN_FLIGHT.days + 1)
    assert old == [RetireKey(key=NODE.signing.key_id)]
    state = state.apply(updated(state, A, *old))
    assert missing(Declaration(node=rotated), state, days=100) == []


@pytest.mark.parametrize(
    ("text", "part", "code"),
    [
        ("", "[[contact]]", ReasonCode.BAD_REQUEST),
        ("x = ", "not TOML", ReasonCode.BAD_REQUEST),
        ("contact = 1", "[[contact]]", ReasonCode.BAD_REQUEST),
        ("contact = [1]", "must be a table", ReasonCode.BAD_REQUEST),
        (TEXT + "[other]", "nothing else", ReasonCode.BAD_REQUEST),
        (TEXT + TEXT, "same id", ReasonCode.BAD_REQUEST),
        (TEXT.replace("role", "roll"), "contact duty: roll: no such member", ReasonCode.UNKNOWN_FIELD),
        (TEXT.replace("kind =", "kin ="), "channels: kin: no such member", ReasonCode.UNKNOWN_FIELD),
        (TEXT.replace('"DUTY"', '"BOSS"'), "duty: role: must be 'PRIMARY', 'DEPUTY'", ReasonCode.BAD_FIELD),
        (TEXT.replace('id = "duty"', ""), "contact 1: id: a member is missing", ReasonCode.BAD_FIELD),
        (
            TEXT.replace('["en", "fr"]', '["en", "French"]'),
            "languages.1: not a language",
            ReasonCode.BAD_FIELD,
        ),
        (TEXT.replace('["en", "fr"]', "[]"), "languages: must have at least 1", ReasonCode.BAD_FIELD),
        (TEXT.replace('["en", "fr"]', '"en"'), "languages: must be a list", ReasonCode.BAD_FIELD),
        (TEXT.replace('["en", "fr"]', '["en", "en"]'), "languages: names the same", ReasonCode.BAD_FIELD),
        (TEXT.replace('"08:00-16:30"', '"8 to 4"'), "hours: not a range of hours such", ReasonCode.BAD_FIELD),
        (TEXT.replace('"Africa/Nairobi"', "3"), "time_zone: must be text", ReasonCode.BAD_FIELD),
        (TEXT.replace("2026-01-31", '"soon"'), "valid_from: not a day such as", ReasonCode.BAD_FIELD),
        (TEXT + "valid_to = 2026-01-30", "valid_to: before valid_from", ReasonCode.BAD_FIELD),
        (
            TEXT.replace("2026-01-31", "2026-01-31T10:00:00Z"),
            "duty: valid_from: a kind",
            ReasonCode.BAD_FIELD,
        ),
        (TEXT.replace("2026-01-31", "1.5"), "contact duty: valid_from: a kind", ReasonCode.BAD_FIELD),
        (TEXT.replace('{kind = "NODE"}', '"NODE"'), "channels.0: must be an object", ReasonCode.BAD_FIELD),
        (TEXT.replace('"duty"', '"' + "x" * 99 + '"'), "contact 1: id: not a short", ReasonCode.BAD_FIELD),
    ],
)
def test_what_a_file_can_not_say(text: str, part: str, code: ReasonCode) -> None:
    with pytest.raises(UsageError) as caught:
        parse_declaration(text.encode(), FILE)
    assert str(caught.value).startswith(f"{FILE}: ")
    assert part in str(caught.value) + caught.value.hint
    assert caught.value.code is code


def test_a_file_is_bounded_text() -> None:
    for data in (b"#" * (MAX_FILE_BYTES + 1), b"\xff"):
        with pytest.raises(UsageError):
            parse_declaration(data, FILE)


def test_keys_of_another_node_are_left_alone() -> None:
    other = certified_node_keys(A, "second")
    found = missing(Declaration(node=other), days=100)
    assert names(found) == ["key.add"]


def test_the_example_for_operators_holds() -> None:
    text = (ROOT / "docs" / "OPERATIONS.md").read_text("utf-8")
    (example,) = re.findall(r"```toml\n(\[\[contact\]\].*?)```", text, re.DOTALL)
    said = parse_declaration(example.encode(), FILE)
    assert [contact.id for contact in said.contacts or ()] == ["duty"]
    assert said.profile is not None
    assert said.profile.public == ("office",)
    assert [measure.help for measure in said.measures or ()] == ["BANK_DETAIL"]


def test_what_is_told_is_published_once_and_counted() -> None:
    said = Said(profile=sample_profile(), legal=sample_legal(), measures=[sample_measure()])
    first = missing(Declaration(said))
    assert names(first) == ["profile.put", "legal.put", "measure.put"]
    state = NETWORK.state.apply(updated(NETWORK.state, A, *first))
    assert missing(Declaration(said), state) == []
    assert missing(Declaration(Said()), state) == []
    (again,) = missing(Declaration(Said(profile=sample_profile(translation=""))), state)
    assert isinstance(again, PutProfile)
    assert again.profile.provenance.version == 2
    assert names(missing(Declaration(Said(measures=[])), state)) == ["measure.remove"]


PROFILE_TEXT = """
[profile]
functions = ["MLA"]
languages_accepted = ["en"]
office = {time_zone = "UTC", working_days = ["mon"]}
provenance = {submitted_by = "Registry office", confirmed_at = 2026-02-20}
[[measure]]
help = "LAND"
possible = "INFORMAL"
provenance = {submitted_by = "Registry office", confirmed_at = 2026-02-20}
"""


@pytest.mark.parametrize(
    ("old", "new", "part", "code"),
    [
        ('functions = ["MLA"]', "", "profile: functions: a member is missing", ReasonCode.BAD_FIELD),
        ("languages_accepted", "languages", "profile: languages: no such member", ReasonCode.UNKNOWN_FIELD),
        ('"UTC"', '"../UTC"', "profile: office.time_zone: not a time zone", ReasonCode.BAD_FIELD),
        ("working_days", "days", "profile: office: an unknown member", ReasonCode.UNKNOWN_FIELD),
        ("[profile]", "[[profile]]", "profile: must be a table", ReasonCode.BAD_REQUEST),
        ('"INFORMAL"', '"EASY"', "measure LAND: possible: must be 'NO'", ReasonCode.BAD_FIELD),
        ("[[measure]]", "[measure]", "write [[measure]]", ReasonCode.BAD_REQUEST),
        ('possible = "INFORMAL"', "", "measure LAND: possible: a member is missing", ReasonCode.BAD_FIELD),
    ],
)
def test_what_a_profile_can_not_say(old: str, new: str, part: str, code: ReasonCode) -> None:
    assert parse_declaration(PROFILE_TEXT.encode(), FILE).contacts is None
    with pytest.raises(UsageError) as caught:
        parse_declaration(PROFILE_TEXT.replace(old, new).encode(), FILE)
    assert part in str(caught.value)
    assert caught.value.code is code


def test_one_kind_of_help_is_told_once() -> None:
    measure = PROFILE_TEXT[PROFILE_TEXT.index("[[measure]]") :]
    with pytest.raises(UsageError, match="two measures"):
        parse_declaration((measure * 2).encode(), FILE)
