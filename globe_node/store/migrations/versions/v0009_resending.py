# SPDX-License-Identifier: Apache-2.0
"""Records that are sent again, and who came back into groups from outside."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables of room `consultations`, and those of room `groups`."""
    op.execute("""
        CREATE TABLE resend (
            position INTEGER PRIMARY KEY,
            consultation TEXT NOT NULL,
            record_id TEXT NOT NULL,
            peer TEXT NOT NULL,
            waits INTEGER NOT NULL,
            unread INTEGER NOT NULL,
            sent_ms INTEGER NOT NULL,
            UNIQUE (record_id, peer)
        ) STRICT
    """)
    op.execute("CREATE INDEX resend_waiting ON resend (consultation, position) WHERE waits = 1")
    op.execute("CREATE INDEX resend_by_consultation ON resend (consultation)")
    op.execute("""
        CREATE TABLE resent (
            position INTEGER PRIMARY KEY,
            envelope_id BLOB NOT NULL UNIQUE,
            record_id TEXT NOT NULL,
            peer TEXT NOT NULL,
            sent_ms INTEGER NOT NULL
        ) STRICT
    """)
    op.execute("CREATE INDEX resent_by_record ON resent (record_id, peer, position)")
    op.execute("""
        CREATE TABLE group_return (
            group_id BLOB NOT NULL,
            epoch INTEGER NOT NULL,
            authority TEXT NOT NULL,
            node TEXT NOT NULL,
            at_ms INTEGER NOT NULL,
            PRIMARY KEY (group_id, epoch)
        ) STRICT, WITHOUT ROWID
    """)
    op.execute("CREATE TABLE group_search (peer TEXT PRIMARY KEY, asked_ms INTEGER NOT NULL) STRICT")
