# SPDX-License-Identifier: Apache-2.0
"""MEMBERS: the requester adds authorities to a running consultation, or removes some. Everybody sees it.

1. It names who takes part after it, so that whoever reads it need not have read all before.
2. Who is added gets a request of its own with it: nothing of what was said before comes along.
"""

from typing import Self

from pydantic import model_validator

from protocol import limits
from protocol.messages.fields import Authority, Distinct, Text
from protocol.messages.parts import Message
from protocol.messages.request import ConsultRequest


class Members(Message):
    """The body of MEMBERS.

    Attributes:
        added: who takes part from now on, sorted.
        removed: who takes part no more, sorted; this message is the last it gets.
        roster: all members after it, sorted, the requester among them.
        reason: why, in words.
        request: what those who are added are asked; given if somebody is.

    Spec: PROTOCOL.md section 8.4.
    """

    added: Distinct[Authority] = ()
    removed: Distinct[Authority] = ()
    roster: Distinct[Authority]
    reason: Text
    request: ConsultRequest | None = None

    @model_validator(mode="after")
    def _lists_fit_together(self) -> Self:
        if any(list(names) != sorted(names) for names in (self.added, self.removed, self.roster)):
            raise ValueError("authorities are sorted")
        if not (self.added or self.removed):
            raise ValueError("somebody is added or removed")
        if not set(self.added) <= set(self.roster) or set(self.removed) & set(self.roster):
            raise ValueError("who is added is a member after it, who is removed is none")
        if not 2 <= len(self.roster) <= limits.MAX_MEMBERS:
            raise ValueError("a consultation has 2 to 20 members")
        if bool(self.added) != (self.request is not None):
            raise ValueError("those who are added, and only they, are asked something")
        return self
