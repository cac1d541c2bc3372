# SPDX-License-Identifier: Apache-2.0
"""Quorums: against trying all sets of witnesses, and checkpoints that they accept or do not."""

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.errors import MalformedError, RemoteProtocolError, UntrustedError
from protocol.tlog.checkpoint import Checkpoint
from protocol.tlog.cosignature import log_keys
from protocol.tlog.merkle import EMPTY_ROOT, leaf_hash
from protocol.tlog.note import KeyKind, NoteSignature, parse_note, signed_note, verifier_key
from protocol.tlog.policy import Policy, PolicyGroup, PolicyWitness, parse_policy
from protocol.tlog.quorum import (
    is_quorum,
    least_overlap,
    load_policy,
    verify_overlap,
    verify_under_policy,
)
from tests.support import sigsum
from tests.support.vectors import vector_path
from tests.support.witnesses import AT, ORIGIN, cosigned, keys_of, log_key, policy_text

CHECKPOINT = Checkpoint(ORIGIN, 5, leaf_hash(b"root"))
NETWORK = """group peers 5 w1 w2 w3 w4 w5 w6 w7
group over any o1 o2
group q all peers over
quorum q"""
NAMES = [f"w{number}" for number in range(1, 8)]


def network() -> Policy:
    extra = "".join(f"witness {name} {keys_of(name)[0].to_text()}\n" for name in ("o1", "o2"))
    return load_policy(policy_text(extra + NETWORK), dishonest=2)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Up to six witnesses in nested groups."""
    free = NAMES[: draw(st.integers(1, 6))]
    witnesses = tuple(PolicyWitness(name, keys_of(name)[0]) for name in free)
    groups = []
    for number in range(draw(st.integers(0, 3))):
        if not free:
            break
        members = draw(st.lists(st.sampled_from(free), min_size=1, unique=True))
        free = [name for name in free if name not in members] + [f"g{number}"]
        groups.append(PolicyGroup(f"g{number}", draw(st.integers(1, len(members))), tuple(members)))
    quorum = groups[-1].name if groups else witnesses[0].name
    return Policy((), witnesses, tuple(groups), quorum)


def satisfied(policy: Policy, name: str, witnessed: set[str]) -> bool:
    """The definition, word for word."""
    for group in policy.groups:
        if group.name == name:
            return sum(satisfied(policy, member, witnessed) for member in group.members) >= group.threshold
    return name in witnessed


def quorums(policy: Policy) -> list[set[str]]:
    names = [witness.name for witness in policy.witnesses]
    sets = (set(chosen) for size in range(len(names) + 1) for chosen in combinations(names, size))
    return [chosen for chosen in sets if satisfied(policy, policy.quorum or "", chosen)]


@given(policies())
def test_the_overlap_is_what_trying_all_sets_gives(policy: Policy) -> None:
    every = quorums(policy)
    for chosen in every:
        assert is_quorum(policy, chosen)
    assert least_overlap(policy) == min(len(one & two) for one in every for two in every)


@given(policies(), st.dictionaries(st.sampled_from(NAMES[:6]), st.integers(1, 9)))
def test_quorums_and_their_times_follow_the_definition(policy: Policy, times: dict[str, int]) -> None:
    known = {witness.name for witness in policy.witnesses}
    held = {name: at for name, at in times.items() if name in known}
    enough = satisfied(policy, policy.quorum or "", set(held))
    assert is_quorum(policy, times) is enough
    if not enough:
        return
    until = [
        t for t in range(1, 10) if satisfied(policy, policy.quorum or "", {n for n in held if held[n] <= t})
    ]
    since = [
        t for t in range(1, 10) if satisfied(policy, policy.quorum or "", {n for n in held if held[n] >= t})
    ]
    checkpoint = Checkpoint("any.example", 5, CHECKPOINT.root)
    logs = log_keys("any.example", log_key())
    trusted = verify_under_policy(cosigned(checkpoint, held), policy, logs=logs)
    assert (trusted.settled_at, trusted.fresh_at) == (min(until), max(since))
    assert trusted.witnessed == held


@pytest.mark.parametrize(
    ("lines", "overlap"),
    [
        ("quorum none", 0),
        ("quorum w1", 1),
        ("group q any w1 w2\nquorum q", 0),
        ("group q all w1 w2\nquorum q", 2),
        ("group q 2 w1 w2 w3\nquorum q", 1),
        ("group q 2 w1 w2 w3 w4\nquorum q", 0),
        ("group q 5 w1 w2 w3 w4 w5 w6 w7\nquorum q", 3),
        ("group a all w1 w2\ngroup b all w3 w4\ngroup q any a b\nquorum q", 0),
        ("group a any w1 w2\ngroup b any w3 w4\ngroup q all a b\nquorum q", 0),
        ("group a 2 w1 w2 w3\ngroup q all a w4 w5\nquorum q", 3),
        ("group unused any w1 w2\nquorum w3", 1),
    ],
)
def test_policies_are_loaded_if_more_witnesses_are_shared_than_may_lie(lines: str, overlap: int) -> None:
    data = policy_text(lines)
    assert least_overlap(parse_policy(data)) == overlap
    for dishonest in range(overlap + 2):
        if dishonest < overlap:
            load_policy(data, dishonest=dishonest)
        else:
            with pytest.raises(UntrustedError):
                load_policy(data, dishonest=dishonest)


def test_two_views_pass_a_quorum_that_need_not_overlap() -> None:
    """What the loader refuses: all four witnesses are honest, and two views have their quorum."""
    policy = parse_policy(policy_text("group q 2 w1 w2 w3 w4\nquorum q"))
    other = Checkpoint(ORIGIN, 5, leaf_hash(b"other"))
    for view, names in ((CHECKPOINT, ("w1", "w2")), (other, ("w3", "w4"))):
        trusted = verify_under_policy(cosigned(view, dict.fromkeys(names, AT)), policy)
        assert trusted.checkpoint == view
    with pytest.raises(UntrustedError):
        verify_overlap(policy, dishonest=0)


def test_nobody_has_to_witness_only_where_that_is_said() -> None:
    data = policy_text("quorum none")
    policy = load_policy(data, dishonest=1, allow_no_quorum=True)
    trusted = verify_under_policy(cosigned(CHECKPOINT, {}), policy)
    assert (trusted.settled_at, trusted.fresh_at) == (None, None)
    with pytest.raises(UntrustedError):
        load_policy(data, dishonest=0)


def two_keys(rest: str) -> bytes:
    lines = [
        f"witness {name}-{kind} {key.to_text()}"
        for name in ("w1", "w2", "w3")
        for kind, key in zip(("ed", "pq"), keys_of(name), strict=True)
    ]
    return "\n".join([*lines, rest, ""]).encode()


def test_two_keys_of_one_witness_count_once() -> None:
    pairs = "\n".join(f"group {name} any {name}-ed {name}-pq" for name in ("w1", "w2", "w3"))
    policy = load_policy(two_keys(f"{pairs}\ngroup q all w1 w2 w3\nquorum q"), dishonest=2)
    logs = log_keys(ORIGIN, log_key())
    data = cosigned(CHECKPOINT, dict.fromkeys(("w1", "w2", "w3"), AT), with_mldsa=True)
    trusted = verify_under_policy(data, policy, logs=logs)
    assert len(trusted.witnessed) == 6
    with pytest.raises(UntrustedError):
        verify_overlap(parse_policy(two_keys(f"{pairs}\ngroup q 2 w1 w2 w3\nquorum q")), dishonest=1)
    for rest in (
        "group q all w1-ed w1-pq w2-ed\nquorum q",
        "group a all w1-ed w2-ed\ngroup b all w1-pq w3-ed\ngroup q all a b\nquorum q",
    ):
        with pytest.raises(UntrustedError):
            load_policy(two_keys(rest), dishonest=0)


def test_groups_that_are_no_part_of_the_quorum_do_not_matter() -> None:
    policy = load_policy(two_keys("group unused all w1-ed w1-pq w2-ed\nquorum w3-ed"), dishonest=0)
    assert least_overlap(policy) == 1


def test_a_key_is_a_log_or_a_witness() -> None:
    both = verifier_key(ORIGIN, KeyKind.ED25519_COSIGNATURE, log_key().ed25519_public_key)
    data = policy_text(f"witness also-log {both.to_text()}\ngroup q all w1 w2 also-log\nquorum q")
    with pytest.raises(UntrustedError):
        load_policy(data, dishonest=1)


def test_the_policy_of_a_network_takes_five_peers_and_one_overseer() -> None:
    policy = network()
    times = {name: AT + number for number, name in enumerate((*NAMES[:5], "o1"))}
    trusted = verify_under_policy(cosigned(CHECKPOINT, times), policy, origin=ORIGIN)
    assert trusted.checkpoint == CHECKPOINT
    assert (trusted.settled_at, trusted.fresh_at) == (AT + 5, AT)
    assert [signed.key.kind for signed in trusted.by_log] == [KeyKind.ED25519, KeyKind.MLDSA44_COSIGNATURE]
    for missing in times:
        fewer = {name: at for name, at in times.items() if name != missing}
        with pytest.raises(UntrustedError):
            verify_under_policy(cosigned(CHECKPOINT, fewer), policy)


def test_a_clock_that_runs_ahead_does_not_count() -> None:
    policy = parse_policy(policy_text("group q 2 w1 w2 w3\nquorum q"))
    data = cosigned(CHECKPOINT, {"w1": AT, "w2": AT + 301, "w3": AT + 5})
    trusted = verify_under_policy(data, policy, not_after=AT + 300)
    assert trusted.witnessed == {"w1": AT, "w3": AT + 5}
    verify_under_policy(data, policy, not_after=AT + 5)
    with pytest.raises(UntrustedError):
        verify_under_policy(data, policy, not_after=AT + 4)


def test_lines_that_do_not_hold_refuse_the_checkpoint_also_when_the_rest_would_do() -> None:
    policy = parse_policy(policy_text("group q 2 w1 w2 w3\nquorum q"))
    good = parse_note(cosigned(CHECKPOINT, {"w1": AT, "w2": AT}))
    other = parse_note(cosigned(Checkpoint(ORIGIN, 6, CHECKPOINT.root), {"w3": AT, "stranger": AT}))
    verify_under_policy(good.to_bytes(), policy)
    verify_under_policy(good.with_signatures(other.signatures[3:]).to_bytes(), policy)  # nobody known
    with pytest.raises(UntrustedError):
        verify_under_policy(good.with_signatures(other.signatures[2:3]).to_bytes(), policy)


def test_another_log_is_refused() -> None:
    policy = parse_policy(policy_text("quorum w1"))
    with pytest.raises(UntrustedError):
        verify_under_policy(cosigned(CHECKPOINT, {"w1": AT}), policy, origin="other.example")
    moved = Checkpoint("other.example", 5, CHECKPOINT.root)
    note = parse_note(cosigned(CHECKPOINT, {"w1": AT}))
    with pytest.raises(UntrustedError):
        verify_under_policy(cosigned(moved, {"w1": AT}), policy)
    # a key signs only for the origin that it is named like
    known = note.signatures[0]
    line = NoteSignature(known.name, known.key_id, log_key().sign_ed25519(moved.to_text().encode()))
    with pytest.raises(UntrustedError):
        verify_under_policy(
            signed_note(moved.to_text(), [line]).to_bytes(), parse_policy(policy_text("quorum none"))
        )


def test_an_empty_tree_with_another_root_is_refused() -> None:
    policy = parse_policy(policy_text("quorum none"))
    verify_under_policy(cosigned(Checkpoint(ORIGIN, 0, EMPTY_ROOT), {}), policy)
    with pytest.raises(MalformedError):
        verify_under_policy(cosigned(Checkpoint(ORIGIN, 0, CHECKPOINT.root), {}), policy)


@settings(max_examples=30)
@given(st.data())
def test_any_changed_byte_of_what_counts_is_noticed(data: st.DataObject) -> None:
    changed = bytearray(cosigned(CHECKPOINT, {"w1": AT}))
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))
    policy = parse_policy(policy_text("quorum w1"))
    try:
        trusted = verify_under_policy(bytes(changed), policy, origin=ORIGIN)
    except RemoteProtocolError:
        return
    assert trusted.checkpoint == CHECKPOINT  # one of the two lines of the log became that of a stranger
    assert len(trusted.by_log) == 1


@pytest.mark.vectors
@pytest.mark.parametrize(
    ("name", "overlap"),
    [
        ("sigsum-generic-2025-1", 1),
        ("sigsum-test-2025-3", 2),
        ("sigsum-test1-2025", 1),
        ("sigsum-test2-2025", 3),
    ],
)
def test_quorums_of_sigsum(name: str, overlap: int) -> None:
    """A quorum of 2 of 3 stands up to no dishonest witness; our loader refuses it where one may be."""
    text = vector_path(f"translog/sigsum/policy/{name}.builtin-policy").read_text("utf-8")
    policy = parse_policy(sigsum.policy_text(text).encode())
    assert least_overlap(policy) == overlap
    assert overlap == min(len(one & two) for one in quorums(policy) for two in quorums(policy))
