# SPDX-License-Identifier: Apache-2.0
"""Which key each message of a group that left a node was sealed with: none may serve twice.

A key is named by group, epoch, leaf, kind and generation. On the line that name is sealed too, so it is
written down where messages are made, by the hash of what was made. What counts is what left: a transaction
that was taken back may have made a message that nobody will ever see.
"""

import contextlib
from collections.abc import Iterator
from hashlib import sha256
from typing import Any, NamedTuple
from unittest.mock import patch

from globe_node.delivery.link import Operation
from globe_node.delivery.wire import parse_items
from globe_node.groups.returning.wire import CommitRequest, parse_commit_request
from protocol import limits
from protocol.envelope import EnvelopeClass, parse_envelope
from protocol.groups.sealed import parse_ordered_commit
from protocol.mls import commits, framing, sending
from protocol.mls.structures.messages import (
    AuthenticatedContent,
    ContentType,
    MlsMessage,
    PrivateMessage,
    parse_mls_message,
)


class KeyName(NamedTuple):
    """One key of one sender."""

    group_id: bytes
    epoch: int
    leaf: int
    is_application: bool
    generation: int


class KeyLedger:
    """The keys of one world.

    Attributes:
        problems: keys that served twice, and messages of which nobody saw how they were made.
    """

    def __init__(self) -> None:
        self.problems: list[str] = []
        self._made: dict[bytes, KeyName] = {}
        self._left: dict[KeyName, bytes] = {}

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Write down every message that is sealed while the block runs."""
        protect_private = framing.protect_private

        def noted(suite: Any, authenticated: AuthenticatedContent, **more: Any) -> PrivateMessage:
            message = protect_private(suite, authenticated, **more)
            content = authenticated.content
            self._made[_digest(MlsMessage(message).to_bytes())] = KeyName(
                content.group_id,
                content.epoch,
                content.sender.index,
                content.content_type is ContentType.APPLICATION,
                more["generation"],
            )
            return message

        with patch.object(sending, "protect_private", noted), patch.object(commits, "protect_private", noted):
            yield

    def leaves(self, source: str, operation: Operation, body: bytes) -> None:
        """Note what a node gives to the line."""
        for message in _messages(operation, body):
            digest = _digest(message)
            name = self._made.get(digest)
            if name is None:
                self.problems.append(f"key: {source} sent what nobody saw being sealed")
            elif self._left.setdefault(name, digest) != digest:
                self.problems.append(
                    f"key: {source} used generation {name.generation} of epoch {name.epoch} twice"
                )


def _messages(operation: Operation, body: bytes) -> Iterator[bytes]:
    """Return the private messages in a request."""
    if operation is Operation.COMMITS:
        request = parse_commit_request(body)
        if isinstance(request, CommitRequest) and _is_private(request.commit):
            yield request.commit
    elif operation is Operation.ENVELOPES:
        for item in parse_items(
            body, max_items=limits.MAX_BATCH_ENVELOPES, max_item_bytes=limits.MAX_ENVELOPE_BYTES
        ):
            yield from _sealed_in(item)


def _sealed_in(item: bytes) -> Iterator[bytes]:
    envelope = parse_envelope(item)
    if envelope.frame.envelope_class is EnvelopeClass.APPLICATION:
        yield envelope.sealed
    elif envelope.frame.envelope_class is EnvelopeClass.COMMIT:
        commit = parse_ordered_commit(envelope.sealed).commit
        if _is_private(commit):
            yield commit


def _is_private(message: bytes) -> bool:
    return isinstance(parse_mls_message(message).body, PrivateMessage)


def _digest(octets: bytes) -> bytes:
    return sha256(octets).digest()
