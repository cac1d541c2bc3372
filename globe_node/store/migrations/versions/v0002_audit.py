# SPDX-License-Identifier: Apache-2.0
"""The audit log."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables of room `audit`.

    An entry, node or checkpoint belongs to a shard: one log for each year and life of the node. The row id of
    an entry is `shard << 40 | index`, that of a checkpoint `shard << 40 | size`.
    """
    # frontier: size and right edge of the tree, moved in the transaction of the entries
    op.execute(
        "CREATE TABLE audit_shard (shard INTEGER PRIMARY KEY, origin TEXT NOT NULL UNIQUE,"
        " year INTEGER NOT NULL, frontier BLOB NOT NULL) STRICT"
    )
    # vault: what opens the leaf, sealed under the key of its period
    op.execute("CREATE TABLE audit_entry (id INTEGER PRIMARY KEY, leaf BLOB NOT NULL, vault BLOB) STRICT")
    # roots of complete subtrees of 256, 65536, ... leaves
    op.execute(
        "CREATE TABLE audit_node (shard INTEGER NOT NULL, level INTEGER NOT NULL, position INTEGER NOT NULL,"
        " hash BLOB NOT NULL, PRIMARY KEY (shard, level, position)) STRICT, WITHOUT ROWID"
    )
    # frontier: the tree that the note signs
    op.execute(
        "CREATE TABLE audit_checkpoint (id INTEGER PRIMARY KEY, note TEXT NOT NULL, frontier BLOB NOT NULL)"
        " STRICT"
    )
