# SPDX-License-Identifier: Apache-2.0
"""Judges checkpoints by a policy, and policies by what two quorums must have in common. It reads no clock.

1. A quorum that two sets of witnesses with none in common can satisfy protects nobody: the log shows one view
   to one set and another to the other, and every witness is honest. Such a policy is not loaded.
2. The least overlap follows from the form of a policy: each witness stands at one place, so two quorums of
   `k` of `n` members share at least `2 k - n` of them, and those may be the cheapest; one pass over groups.
3. Keys with one name are one witness. It counts once, and stands at one place of the quorum.
4. A line by a known key that fails refuses the checkpoint, also if the rest would do.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from protocol.errors import MalformedError, ReasonCode, UntrustedError
from protocol.tlog.checkpoint import Checkpoint, verify_empty_root
from protocol.tlog.cosignature import SignedBy, verify_checkpoint
from protocol.tlog.note import VerifierKey
from protocol.tlog.policy import Policy, PolicyGroup, parse_policy

_NEVER = -1


@dataclass(frozen=True, slots=True)
class TrustedCheckpoint:
    """A checkpoint that a policy accepts.

    Attributes:
        checkpoint: what the log says.
        by_log: the lines of the log.
        witnessed: names in the policy of the witnesses that cosigned, with the time each names.
        settled_at: earliest time by which a quorum had cosigned; None without quorum.
        fresh_at: latest time since which a quorum has cosigned. None without quorum.
    """

    checkpoint: Checkpoint
    by_log: tuple[SignedBy, ...]
    witnessed: Mapping[str, int]
    settled_at: int | None
    fresh_at: int | None


def load_policy(data: bytes, *, dishonest: int, allow_no_quorum: bool = False) -> Policy:
    """Read a policy that protects against so many dishonest witnesses.

    Args:
        data: the text.
        dishonest: how many witnesses may lie without that two views pass.
        allow_no_quorum: take `quorum none`, for a network that says in every view that it has no witnesses.

    Raises:
        MalformedError: not a policy.
        UnsupportedVersionError: a kind of key that we do not know.
        UntrustedError: a policy that two views of one log could satisfy, or a key in two parts.

    Spec: PROTOCOL.md section 17.7.
    """
    policy = parse_policy(data)
    verify_overlap(policy, dishonest=dishonest, allow_no_quorum=allow_no_quorum)
    return policy


def verify_overlap(policy: Policy, *, dishonest: int, allow_no_quorum: bool = False) -> None:
    """Check that any two quorums share more witnesses than may be dishonest.

    Raises:
        UntrustedError: they need not, or a key in two parts.

    Spec: PROTOCOL.md section 17.7.
    """
    of_logs = {log.key.public_key for log in policy.logs}
    if any(witness.key.public_key in of_logs for witness in policy.witnesses):
        raise UntrustedError("a policy in which one key is a log and a witness")
    if policy.quorum is None and allow_no_quorum:
        return
    if least_overlap(policy) <= max(dishonest, 0):
        raise UntrustedError("a policy whose quorums need not overlap")


def least_overlap(policy: Policy) -> int:
    """Return how many witnesses any two quorums have in common at least; 0 without a quorum.

    Raises:
        UntrustedError: a witness whose keys stand at two places of the quorum.
    """
    if policy.quorum is None:
        return 0
    cost = {witness.name: 1 for witness in policy.witnesses}
    owners = {witness.name: frozenset([witness.key.name]) for witness in policy.witnesses}
    for group in _groups_below(policy, policy.quorum):
        parts = [owners[name] for name in group.members]
        owners[group.name] = frozenset().union(*parts)
        shared = max(2 * group.threshold - len(group.members), 0)
        cost[group.name] = sum(sorted(cost[name] for name in group.members)[:shared])
        if len(owners[group.name]) == 1:
            cost[group.name] = 1  # one witness by several of its keys
        elif sum(len(part) for part in parts) != len(owners[group.name]):
            raise UntrustedError("a policy in which one witness counts twice")
    return cost[policy.quorum]


def is_quorum(policy: Policy, witnessed: Collection[str]) -> bool:
    """Say whether witnesses, by their names in the policy, are enough."""
    return policy.quorum is None or _settled(policy, dict.fromkeys(witnessed, 0)) != _NEVER


def verify_under_policy(
    data: bytes,
    policy: Policy,
    *,
    origin: str | None = None,
    logs: Sequence[VerifierKey] = (),
    not_after: int | None = None,
) -> TrustedCheckpoint:
    """Verify a checkpoint under a policy.

    Args:
        data: the note.
        policy: loaded before.
        origin: the one log that is meant; None for any of the policy.
        logs: keys of logs that are known otherwise, named like their origin.
        not_after: cosignatures that name a later time, in Unix seconds, do not count.

    Raises:
        MalformedError: not a signed checkpoint.
        UntrustedError: a line that does not verify, another log, or not enough witnesses.

    Spec: C2SP tlog-policy; PROTOCOL.md section 17.7.
    """
    known = (*(log.key for log in policy.logs), *logs)
    verified = verify_checkpoint(data, known, witnesses=[witness.key for witness in policy.witnesses])
    checkpoint = verified.checkpoint
    by_log = tuple(signed for signed in verified.by_log if signed.key.name == checkpoint.origin)
    if not by_log or origin not in (None, checkpoint.origin):
        raise UntrustedError("a checkpoint of another log")
    verify_empty_root(checkpoint)
    times = {signed.key: signed.at_seconds for signed in verified.by_witnesses}
    witnessed = {
        witness.name: times[witness.key]
        for witness in policy.witnesses
        if witness.key in times and (not_after is None or times[witness.key] <= not_after)
    }
    if not is_quorum(policy, witnessed):
        raise UntrustedError("a checkpoint that too few witnesses have cosigned")
    if policy.quorum is None:
        return TrustedCheckpoint(checkpoint, by_log, witnessed, None, None)
    settled, fresh = _settled(policy, witnessed), _fresh(policy, witnessed)
    return TrustedCheckpoint(checkpoint, by_log, witnessed, settled, fresh)


def _settled(policy: Policy, times: Mapping[str, int]) -> int:
    """Return the earliest time by which a quorum had signed, or never."""

    def judge(group: PolicyGroup, found: list[int]) -> int:
        signed = sorted(at for at in found if at != _NEVER)
        return signed[group.threshold - 1] if len(signed) >= group.threshold else _NEVER

    return _evaluated(policy, times, judge)


def _fresh(policy: Policy, times: Mapping[str, int]) -> int:
    """Return the latest time since which a quorum has signed, or never."""
    return _evaluated(policy, times, lambda group, found: sorted(found, reverse=True)[group.threshold - 1])


def _evaluated(
    policy: Policy, times: Mapping[str, int], judge: Callable[[PolicyGroup, list[int]], int]
) -> int:
    if policy.quorum is None:
        raise MalformedError("a policy without quorum", code=ReasonCode.BAD_FIELD)
    values = {witness.name: times.get(witness.name, _NEVER) for witness in policy.witnesses}
    for group in policy.groups:
        values[group.name] = judge(group, [values[name] for name in group.members])
    return values[policy.quorum]


def _groups_below(policy: Policy, name: str) -> list[PolicyGroup]:
    """Return the groups that a quorum is made of, members before what they are members of."""
    wanted = {name}
    for group in reversed(policy.groups):
        if group.name in wanted:
            wanted.update(group.members)
    return [group for group in policy.groups if group.name in wanted]
