# SPDX-License-Identifier: Apache-2.0
"""Policies as text: the example of the specification, every rule that refuses one, and files of Sigsum."""

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import SigningKey

from protocol.errors import MalformedError, ReasonCode, RemoteProtocolError, UnsupportedVersionError
from protocol.tlog.cosignature import log_keys
from protocol.tlog.note import KeyKind, parse_verifier_key, verifier_key
from protocol.tlog.policy import (
    MAX_POLICY_BYTES,
    MAX_POLICY_NAMES,
    Policy,
    PolicyGroup,
    PolicyLog,
    PolicyWitness,
    parse_policy,
)
from tests.support import sigsum
from tests.support.vectors import vector_json, vector_path
from tests.support.witnesses import ORIGIN, keys_of, log_key, policy_text

LOG = log_keys(ORIGIN, log_key())[0].to_text()
W1, W2, W3 = (keys_of(name)[0].to_text() for name in ("w1", "w2", "w3"))
LINES = [
    f"log {LOG} https://log.example/",
    f"witness X1 {W1}",
    f"witness X2 {W2} https://w2.example/",
    f"witness Y1 {W3}",
    "group X any X1 X2",
    "group all-of-it all X Y1",
    "quorum all-of-it",
]
TEXT = "\n".join([*LINES, ""]).encode()


def changed(number: int, *lines: str) -> bytes:
    return "\n".join([*LINES[:number], *lines, *LINES[number + 1 :], ""]).encode()


def test_a_policy_comes_back_in_every_part() -> None:
    policy = parse_policy(TEXT)
    assert policy == Policy(
        (PolicyLog(parse_verifier_key(LOG), "https://log.example/"),),
        (
            PolicyWitness("X1", parse_verifier_key(W1)),
            PolicyWitness("X2", parse_verifier_key(W2), "https://w2.example/"),
            PolicyWitness("Y1", parse_verifier_key(W3)),
        ),
        (PolicyGroup("X", 1, ("X1", "X2")), PolicyGroup("all-of-it", 2, ("X", "Y1"))),
        "all-of-it",
    )
    assert policy.to_bytes() == TEXT
    loose = (
        b"# a comment\n\n \t\n"
        + TEXT.replace(b" ", b" \t ").replace(b"\ngroup", b"\n\t group")
        + b"  # end\n"
    )
    assert parse_policy(loose) == policy


def test_nobody_has_to_witness_and_no_log_has_to_be_named() -> None:
    assert parse_policy(b"quorum none\n") == Policy()
    assert Policy().to_bytes() == b"quorum none\n"
    assert parse_policy(changed(6, "quorum X1")).quorum == "X1"


def test_names_are_octets() -> None:
    kelvin = TEXT.replace(b" X1", b" K").replace(b" X2", " \u212a".encode()).replace(b" Y1", b" \xff\x80#")
    policy = parse_policy(kelvin)
    assert policy.groups[0].members == ("K", "\u212a")
    assert policy.to_bytes() == kelvin


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"quorum none",
        b"\n",
        TEXT[:-1],
        b"# a bell \x07\n" + TEXT,
        TEXT + b"# no line feed",
        TEXT.replace(b"\n", b"\r\n"),
        TEXT.replace(b"X1", b"X\x7f1"),
        TEXT.replace(b"X1", b"X\x001"),
        TEXT + b"quorum none\n",
        changed(6),
        changed(6, "quorum nobody"),
        changed(6, "quorum"),
        changed(6, "quorum X Y1"),
        changed(6, "quorums X"),
        changed(6, "QUORUM X"),
        changed(0, LINES[0], LINES[0]),
        changed(0, f"log {log_keys('other.example', log_key())[0].to_text()}", LINES[0]),
        changed(0, f"log {W1}"),
        changed(0, "log"),
        changed(0, f"log {LOG} https://log.example/ more"),
        changed(1, f"witness X1 {LOG}"),
        changed(1, f"witness X1 {W2}"),
        changed(1, f"witness X2 {W1}"),
        changed(1, f"witness none {W1}"),
        changed(1, f"witness X1 {W1} https://w1.example/ more"),
        changed(1, "witness X1"),
        changed(4, "group X 0 X1 X2"),
        changed(4, "group X 3 X1 X2"),
        changed(4, "group X 01 X1 X2"),
        changed(4, "group X +1 X1 X2"),
        changed(4, "group X -1 X1 X2"),
        changed(4, "group X \u0661 X1 X2"),
        changed(4, "group X 99999999999999999999 X1 X2"),
        changed(4, "group X most X1 X2"),
        changed(4, "group X any"),
        changed(4, "group X any X1 X1"),
        changed(4, "group X any X1 none"),
        changed(4, "group X any X1 X"),
        changed(4, "group X any X1 later", "group later any X2"),
        changed(4, "group X1 any X1 X2"),
        changed(4, "group none any X1 X2"),
        changed(4, "group X any X1 X2", "group X any Y1"),
        changed(5, "group all-of-it all X X1 Y1"),
        "\n".join([*LINES[4:6], *LINES[:4], LINES[6], ""]).encode(),
        "\n".join([LINES[6], *LINES[:6], ""]).encode(),
        policy_text("group more any w0\nquorum none"),
    ],
)
def test_what_is_almost_a_policy_is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedError):
        parse_policy(data)


@pytest.mark.vectors
def test_a_key_of_a_kind_that_nobody_here_can_check_is_refused() -> None:
    kinds = {item["type"]: item["vkey"] for item in vector_json("translog/formats/vkeys.json")["valid"]}
    for kind in (2, 5):
        with pytest.raises(UnsupportedVersionError):
            parse_policy(changed(0, f"log {kinds[kind]}"))
    parse_policy(changed(3, f"witness Y1 {kinds[4]}"))


@pytest.mark.parametrize("key", [LOG[:-4].encode() + b"AAAA", b"a+b", LOG.encode().replace(b"dir", b"\xff")])
def test_what_is_no_verifier_key_is_refused(key: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        parse_policy(TEXT.replace(LOG.encode(), key))


@cache
def many(kind: KeyKind) -> list[str]:
    """Verifier keys, one more than a policy may have."""
    raw = [bytes(SigningKey(number.to_bytes(32, "big")).verify_key) for number in range(MAX_POLICY_NAMES + 1)]
    return [verifier_key(f"k{number}.example", kind, key).to_text() for number, key in enumerate(raw)]


@pytest.mark.parametrize("what", ["log", "witness", "group"])
def test_a_policy_has_so_many_names_and_no_more(what: str) -> None:
    """A reader has to take 32 of each."""
    logs = [f"log {key}" for key in many(KeyKind.ED25519)]
    witnesses = [f"witness w{number} {key}" for number, key in enumerate(many(KeyKind.ED25519_COSIGNATURE))]
    groups = [f"group g{number} any {f'g{number - 1}' if number else 'w0'}" for number in range(len(logs))]
    lines = {"log": logs, "witness": witnesses, "group": groups}
    rest = ["quorum none"] if what != "group" else ["quorum g0"]
    before = witnesses[:1] if what == "group" else []
    assert MAX_POLICY_NAMES >= 32
    parse_policy("\n".join([*before, *lines[what][:-1], *rest, ""]).encode())
    with pytest.raises(MalformedError) as caught:
        parse_policy("\n".join([*before, *lines[what], *rest, ""]).encode())
    assert caught.value.code is ReasonCode.TOO_LARGE


def test_a_policy_has_so_many_octets_and_no_more() -> None:
    comment = b"#" * (MAX_POLICY_BYTES - len(TEXT) - 1) + b"\n"
    assert parse_policy(comment + TEXT) == parse_policy(TEXT)
    with pytest.raises(MalformedError) as caught:
        parse_policy(b"#" + comment + TEXT)
    assert caught.value.code is ReasonCode.TOO_LARGE


def test_what_no_text_can_say_is_no_policy() -> None:
    key = parse_verifier_key(W1)
    both = (PolicyWitness("X", key), PolicyWitness("X", parse_verifier_key(W2)))
    with pytest.raises(MalformedError):
        Policy(witnesses=both)
    with pytest.raises(MalformedError):
        Policy(witnesses=both[:1], groups=(PolicyGroup("g", 1, ("X",)), PolicyGroup("g", 1, ("X",))))
    for witness in (
        PolicyWitness("two words", key),
        PolicyWitness("", key),
        PolicyWitness("w", key, "two words"),
    ):
        with pytest.raises(MalformedError):
            Policy(witnesses=(witness,))
    for group, quorum in ((PolicyGroup("g", 1, ("w",)), None), (PolicyGroup("g", 1, ("X",)), "other")):
        with pytest.raises(MalformedError):
            Policy(witnesses=(PolicyWitness("X", key),), groups=(group,), quorum=quorum)


@given(
    st.binary(max_size=200)
    | st.lists(st.sampled_from([*LINES, "group", "#", "quorum none"])).map(
        lambda lines: "\n".join([*lines, ""]).encode()
    )
)
def test_any_bytes_are_a_policy_or_refused(data: bytes) -> None:
    try:
        policy = parse_policy(data)
    except RemoteProtocolError:
        return
    assert parse_policy(policy.to_bytes()) == policy


@pytest.mark.vectors
@pytest.mark.parametrize(
    ("name", "logs", "witnesses"),
    [
        ("sigsum-generic-2025-1", 2, 3),
        ("sigsum-test-2025-3", 2, 8),
        ("sigsum-test1-2025", 1, 3),
        ("sigsum-test2-2025", 1, 7),
    ],
)
def test_policies_of_sigsum(name: str, logs: int, witnesses: int) -> None:
    """Their lines are ours, their keys are not: bare keys are refused, verifier keys in their place read."""
    text = vector_path(f"translog/sigsum/policy/{name}.builtin-policy").read_text("utf-8")
    with pytest.raises(MalformedError):
        parse_policy(text.encode())
    policy = parse_policy(sigsum.policy_text(text).encode())
    assert (len(policy.logs), len(policy.witnesses), policy.quorum) == (logs, witnesses, "quorum-rule")
    assert parse_policy(policy.to_bytes()) == policy
