# SPDX-License-Identifier: Apache-2.0
"""Who the leaves of groups are and since when, commits without a place, and records that wait for a leaf."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables of room `groups`, and the one of room `consultations`."""
    op.execute("""
        CREATE TABLE group_leaf (
            group_id BLOB NOT NULL,
            leaf INTEGER NOT NULL,
            authority TEXT NOT NULL,
            node TEXT NOT NULL,
            certificate BLOB NOT NULL,
            leaf_key BLOB NOT NULL,
            came_epoch INTEGER NOT NULL,
            since_ms INTEGER NOT NULL,
            sent INTEGER NOT NULL,
            resynced INTEGER NOT NULL,
            fallen TEXT NOT NULL,
            silent INTEGER NOT NULL,
            PRIMARY KEY (group_id, leaf)
        ) STRICT, WITHOUT ROWID
    """)
    op.execute("CREATE INDEX group_leaf_by_certificate ON group_leaf (certificate, fallen)")
    op.execute("""
        CREATE TABLE group_pending (
            group_id BLOB PRIMARY KEY,
            epoch INTEGER NOT NULL,
            rev BLOB NOT NULL,
            day_key INTEGER NOT NULL,
            sealed BLOB NOT NULL
        ) STRICT, WITHOUT ROWID
    """)
    op.execute("""
        CREATE TABLE unsealed_for (
            position INTEGER PRIMARY KEY,
            consultation TEXT NOT NULL,
            record_id TEXT NOT NULL,
            peer TEXT NOT NULL,
            UNIQUE (record_id, peer)
        ) STRICT
    """)
    op.execute("CREATE INDEX unsealed_for_by_peer ON unsealed_for (consultation, peer, position)")
