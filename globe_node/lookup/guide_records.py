# SPDX-License-Identifier: Apache-2.0
"""The table of the country guide. No rule is decided here. It is kept, unlike the index: nobody else has it.

What is imported takes the place of all that was known of the countries in it.
"""

from collections.abc import Sequence
from datetime import date

from sqlalchemy import Column, Integer, MetaData, Table, Text, delete, insert, select

from globe_node.store.door import Transaction
from protocol.codes.help import HelpType
from protocol.lookup.guide import GuideFact, GuideField

METADATA = MetaData()
FACT = Table(
    "guide_fact",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("country", Text, nullable=False),
    Column("help", Text, nullable=False),
    Column("field", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("as_of", Text, nullable=False),
    sqlite_strict=True,
)
TABLES = (FACT,)


def replace_countries(tx: Transaction, facts: Sequence[GuideFact]) -> None:
    """Keep facts in the place of all that is kept of their countries."""
    tx.execute(delete(FACT).where(FACT.c.country.in_(sorted({fact.country for fact in facts}))))
    tx.execute(
        insert(FACT),
        [
            {
                "country": fact.country,
                "help": fact.help.value,
                "field": fact.field.value,
                "value": fact.value,
                "source": fact.source,
                "as_of": fact.as_of.isoformat(),
            }
            for fact in facts
        ],
    )


def facts_of(tx: Transaction, country: str, help_type: HelpType | None = None) -> list[GuideFact]:
    """Return what is kept of a country, perhaps of one kind of help, in the order of import."""
    table = FACT.c
    wanted = select(table.country, table.help, table.field, table.value, table.source, table.as_of)
    wanted = wanted.where(table.country == country).order_by(table.id)
    if help_type is not None:
        wanted = wanted.where(table.help == help_type.value)
    return [
        GuideFact(found, HelpType(kind), GuideField(field), value, source, date.fromisoformat(as_of))
        for found, kind, field, value, source, as_of in tx.execute(wanted)
    ]
