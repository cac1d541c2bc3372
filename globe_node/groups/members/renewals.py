# SPDX-License-Identifier: Apache-2.0
"""How our own keys stand in each group, and which renewals the hub was asked for. Nothing here is durable.

1. Who sends renews its keys first if they are due. A member asks the hub for that, and waits a short time.
2. A hub that gives no place in time holds up nobody: messages go on under the keys of before, and it is asked
   again after a while. A restart begins anew.
"""

from collections import OrderedDict

from protocol.groups.upkeep import OwnKeys
from protocol.identifiers import ConsultationId

WAIT_SECONDS = 10.0
"""How long what is to be sent waits for a hub that was asked."""
RETRY_SECONDS = 900.0
"""When a hub is asked again that gave no place."""
GROUPS = 1024


class Renewals:
    """Of one node."""

    def __init__(self) -> None:
        self._own: OrderedDict[bytes, OwnKeys] = OrderedDict()
        self._asked: dict[ConsultationId, float] = {}
        self._failed: dict[ConsultationId, float] = {}

    def known(self, authenticator: bytes) -> OwnKeys | None:
        """Return how our keys stood when a group entered the epoch of an authenticator, if that is known."""
        return self._own.get(authenticator)

    def remember(self, authenticator: bytes, own: OwnKeys) -> None:
        """Remember how our keys stood when a group entered an epoch."""
        self._own[authenticator] = own
        if len(self._own) > GROUPS:
            self._own.popitem(last=False)

    def is_waited_for(self, consultation: ConsultationId, now: float) -> bool:
        """Say whether what is to be sent in a consultation waits until our keys in it are renewed."""
        asked = self._asked.get(consultation)
        if asked is not None:
            return now < asked + WAIT_SECONDS
        failed = self._failed.get(consultation)
        return failed is None or now >= failed + RETRY_SECONDS

    def begin(self, consultation: ConsultationId, now: float) -> bool:
        """Note that the hub is asked; False if it is asked already, or has lately been in vain."""
        if consultation in self._asked or not self.is_waited_for(consultation, now):
            return False
        self._asked[consultation] = now
        return True

    def end(self, consultation: ConsultationId, now: float, *, renewed: bool) -> None:
        """Note what became of it."""
        self._asked.pop(consultation, None)
        self._failed.pop(consultation, None)
        if not renewed:
            self._failed[consultation] = now
