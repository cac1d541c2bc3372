# SPDX-License-Identifier: Apache-2.0
"""Policies: which logs and witnesses are known, and which witnesses are enough. It judges no checkpoint.

1. A policy is text, line by line; names are octets that mean nothing outside of it, compared as they are.
2. A line names only what stands above it, and each name is a member of one group at most: so nothing runs in
   a circle, and each witness counts in one way only.
3. One public key is one log, or one witness, whatever it is called.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from protocol.errors import MalformedError, ReasonCode
from protocol.tlog.cosignature import LOG_KINDS, WITNESS_KINDS
from protocol.tlog.note import KeyKind, VerifierKey, parse_verifier_key

MAX_POLICY_BYTES = 1024 * 1024
MAX_POLICY_NAMES = 256
"""Logs, and witnesses, and groups; a reader has to take 32 of each."""
NO_QUORUM = "none"
_BLANKS = re.compile(r"[ \t]+")
_OCTETS = re.compile(rb"[\t\n\x20-\x7e\x80-\xff]*")
_THRESHOLD = re.compile(r"[1-9][0-9]{0,3}")


@dataclass(frozen=True, slots=True)
class PolicyLog:
    """A log that is accepted; its key is named like its origin."""

    key: VerifierKey
    url: str = ""


@dataclass(frozen=True, slots=True)
class PolicyWitness:
    """A witness by one of its keys; one with two stands there twice, and `key.name` says that it is one.

    See `quorum`.
    """

    name: str
    key: VerifierKey
    url: str = ""


@dataclass(frozen=True, slots=True)
class PolicyGroup:
    """Members of which `threshold` are enough: witnesses, or groups that stand before it."""

    name: str
    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy that was checked; octets that are not UTF-8 stand in names as lone surrogates.

    Attributes:
        logs: in the order of their lines; may be empty if the log is known otherwise.
        witnesses: in the order of their lines.
        groups: in the order of their lines.
        quorum: name of the witness or group that has to witness; None if nobody has to.
    """

    logs: tuple[PolicyLog, ...] = ()
    witnesses: tuple[PolicyWitness, ...] = ()
    groups: tuple[PolicyGroup, ...] = ()
    quorum: str | None = None

    def __post_init__(self) -> None:
        if any(len(items) > MAX_POLICY_NAMES for items in (self.logs, self.witnesses, self.groups)):
            raise MalformedError("a policy with too many names", code=ReasonCode.TOO_LARGE)
        _require_keys((log.key for log in self.logs), LOG_KINDS)
        _require_keys((witness.key for witness in self.witnesses), WITNESS_KINDS)
        self._require_names()

    def _require_names(self) -> None:
        defined = {witness.name for witness in self.witnesses}
        if len(defined) != len(self.witnesses):
            raise _malformed("one name for two")
        members: set[str] = set()
        for group in self.groups:
            if group.name in defined:
                raise _malformed("one name for two")
            if not 1 <= group.threshold <= len(group.members):
                raise _malformed("a group that needs none of its members, or more than it has")
            for member in group.members:
                if member not in defined or member in members:
                    raise _malformed("a member that is not defined, or that is one already")
                members.add(member)
            defined.add(group.name)
        addresses = {log.url for log in self.logs} | {witness.url for witness in self.witnesses}
        if NO_QUORUM in defined or not all(_is_word(word) for word in (*defined, *(addresses - {""}))):
            raise _malformed("a name or an address that no line can hold")
        if self.quorum is not None and self.quorum not in defined:
            raise _malformed("a quorum that is not defined")

    def to_bytes(self) -> bytes:
        """Write the policy: logs, witnesses, groups, quorum; no comments, single blanks.

        Spec: C2SP tlog-policy; PROTOCOL.md section 17.7.
        """
        lines = [["log", log.key.to_text(), log.url] for log in self.logs]
        lines += [["witness", item.name, item.key.to_text(), item.url] for item in self.witnesses]
        lines += [["group", group.name, _threshold_text(group), *group.members] for group in self.groups]
        lines.append(["quorum", NO_QUORUM if self.quorum is None else self.quorum])
        text = "".join(" ".join(word for word in line if word) + "\n" for line in lines)
        return text.encode("utf-8", "surrogateescape")


def parse_policy(data: bytes) -> Policy:
    """Read a policy; whether its quorums overlap is asked of `quorum`.

    Raises:
        MalformedError: not a policy in every line, or more names than anybody needs.
        UnsupportedVersionError: a kind of key that we do not know.
        UntrustedError: an Ed25519 key that can't be admitted.

    Spec: C2SP tlog-policy; PROTOCOL.md section 17.7.
    """
    if len(data) > MAX_POLICY_BYTES:
        raise MalformedError("a policy too long", code=ReasonCode.TOO_LARGE)
    if not _OCTETS.fullmatch(data) or not data.endswith(b"\n"):
        raise _malformed("octets that no policy has")
    reading = _Reading()
    for line in data.decode("utf-8", "surrogateescape").split("\n")[:-1]:
        words = _BLANKS.split(line.strip(" \t"))
        if words[0] and not words[0].startswith("#"):
            reading.take(words)
    return reading.finish()


class _Reading:
    """What the lines so far have said."""

    def __init__(self) -> None:
        self._logs: list[PolicyLog] = []
        self._witnesses: list[PolicyWitness] = []
        self._groups: list[PolicyGroup] = []
        self._quorums: list[str | None] = []
        self._defined: set[str] = set()

    def take(self, words: list[str]) -> None:
        match words:
            case ["log", key, *url] if len(url) <= 1:
                self._bounded(self._logs)
                self._logs.append(PolicyLog(parse_verifier_key(key), *url))
            case ["witness", name, key, *url] if len(url) <= 1:
                self._bounded(self._witnesses)
                self._witnesses.append(PolicyWitness(name, parse_verifier_key(key), *url))
                self._defined.add(name)
            case ["group", name, threshold, *members]:
                self._bounded(self._groups)
                self._require_defined(members)
                self._groups.append(PolicyGroup(name, _threshold(threshold, len(members)), tuple(members)))
                self._defined.add(name)
            case ["quorum", name]:
                if name != NO_QUORUM:
                    self._require_defined([name])
                self._quorums.append(None if name == NO_QUORUM else name)
            case _:
                raise _malformed("not a line of a policy")

    def finish(self) -> Policy:
        if len(self._quorums) != 1:
            raise _malformed("not exactly one quorum")
        logs, witnesses, groups = tuple(self._logs), tuple(self._witnesses), tuple(self._groups)
        return Policy(logs, witnesses, groups, self._quorums[0])

    def _require_defined(self, names: list[str]) -> None:
        if not self._defined.issuperset(names):
            raise _malformed("a name that is not defined above")

    def _bounded(self, items: list[PolicyLog] | list[PolicyWitness] | list[PolicyGroup]) -> None:
        if len(items) >= MAX_POLICY_NAMES:
            raise MalformedError("a policy with too many names", code=ReasonCode.TOO_LARGE)


def _threshold(word: str, count: int) -> int:
    if word == "any":
        return 1
    if word == "all":
        return count
    if not _THRESHOLD.fullmatch(word):
        raise _malformed("not a threshold")
    return int(word)


def _threshold_text(group: PolicyGroup) -> str:
    if group.threshold == len(group.members):
        return "all"
    return "any" if group.threshold == 1 else str(group.threshold)


def _require_keys(found: Iterable[VerifierKey], kinds: frozenset[KeyKind]) -> None:
    seen: set[bytes] = set()
    for key in found:
        if key.kind not in kinds or key.public_key in seen:
            raise _malformed("a key that does not fit its part, or stands there twice")
        seen.add(key.public_key)


def _is_word(word: str) -> bool:
    return bool(word) and not any(character <= " " or character == "\x7f" for character in word)


def _malformed(what: str) -> MalformedError:
    return MalformedError(f"a policy with {what}", code=ReasonCode.BAD_FIELD)
