# SPDX-License-Identifier: Apache-2.0
"""Whether the hub of a group counts as gone, by what this node has seen itself. It asks nobody.

1. A hub is gone if the directory has stopped it, or names another node of its authority by now.
2. Or if it has not answered for three days, and was asked often enough in that time: a node that was down
   itself has seen nothing.
"""

from globe_node.groups.book import GroupBook
from globe_node.groups.lineage import records
from globe_node.groups.workbench import Workbench
from protocol.errors import ProtocolError
from protocol.groups.upkeep import HUB_PATIENCE, HUB_TRIES
from protocol.identifiers import NodeName


def is_gone(book: GroupBook, hub: NodeName) -> bool:
    """Say whether a hub counts as gone."""
    if is_stopped(book.bench, hub):
        return True
    silence = records.silences(book.tx).get(str(hub))
    if silence is None:
        return False
    silent_ms = book.now_ms - silence.since_ms
    return silent_ms >= HUB_PATIENCE.total_seconds() * 1000 and silence.tries >= HUB_TRIES


def is_stopped(bench: Workbench, hub: NodeName) -> bool:
    """Say whether the directory has stopped a node, or names another one of its authority."""
    try:
        entry = bench.register.state.require_active_node(hub.authority, bench.clock.now())
    except ProtocolError:
        return True
    return entry.node != hub.node
