# SPDX-License-Identifier: Apache-2.0
"""Operations on the country guide. Importing is logged in the transaction that stores it."""

from hashlib import sha256

from globe_node.api.arguments import GuideArguments, GuideFileArguments
from globe_node.api.forms import json_object
from globe_node.api.rooms import ReadingRooms
from globe_node.lookup import guide
from globe_node.lookup.guide_file import parse_guide
from protocol.canonical import JSONObject


async def import_guide(rooms: ReadingRooms, asked: GuideFileArguments) -> JSONObject:
    """Take in all facts of a file, in the place of what was known of its countries."""
    data = asked.decoded()
    facts = parse_guide(data, asked.name)
    event = guide.imported(facts, sha256(data).hexdigest(), at=rooms.clock.now(), officer=asked.officer)
    await rooms.store.write(lambda tx: guide.keep(tx, facts, event, rooms.audit))
    return {"facts": len(facts), "countries": sorted({fact.country for fact in facts})}


async def show_guide(rooms: ReadingRooms, asked: GuideArguments) -> JSONObject:
    """Show what is known of a country, perhaps of one kind of help."""
    help_type = asked.help_type()
    facts = await rooms.store.read(lambda tx: guide.facts_of(tx, asked.country, help_type))
    return {"facts": [json_object(fact) for fact in facts]}
