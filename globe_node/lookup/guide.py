# SPDX-License-Identifier: Apache-2.0
"""The country guide that an authority keeps for itself: what was imported, and what is logged of it."""

from collections.abc import Sequence
from datetime import datetime

from globe_node.audit.log import AuditLog
from globe_node.lookup import guide_records
from globe_node.store.door import Transaction
from protocol.audit.events import AuditEvent, EventKind
from protocol.codes.help import HelpType
from protocol.lookup.guide import GuideFact


def imported(facts: Sequence[GuideFact], digest: str, *, at: datetime, officer: str) -> AuditEvent:
    """Return the event of an import: how many facts of how many countries, and of which file.

    Args:
        facts: what the file holds.
        digest: SHA-256 of the file, in hex.
        at: when.
        officer: pseudonym of the person who imports.
    """
    countries = len({fact.country for fact in facts})
    return AuditEvent(
        kind=EventKind.DIRECTORY_CHANGE,
        at=at,
        digest=digest,
        officer=officer,
        result=f"guide facts={len(facts)},countries={countries}",
    )


def keep(tx: Transaction, facts: Sequence[GuideFact], event: AuditEvent, audit: AuditLog) -> None:
    """Keep facts in the place of what was known of their countries, and record it."""
    guide_records.replace_countries(tx, facts)
    audit.append(tx, [event])


def facts_of(tx: Transaction, country: str, help_type: HelpType | None = None) -> list[GuideFact]:
    """Return what is known of a country, perhaps of one kind of help."""
    return guide_records.facts_of(tx, country, help_type)
