# SPDX-License-Identifier: Apache-2.0
"""Consultations, their records, the ends of their chains, and what clients were told under their keys."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables of room `consultations`."""
    op.execute("""
        CREATE TABLE consultation (
            id TEXT PRIMARY KEY,
            opener TEXT NOT NULL,
            sides TEXT NOT NULL,
            state TEXT NOT NULL,
            subject BLOB NOT NULL,
            created_ms INTEGER NOT NULL,
            updated_ms INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID
    """)
    op.execute("""
        CREATE TABLE record (
            position INTEGER PRIMARY KEY,
            record_id TEXT NOT NULL UNIQUE,
            consultation TEXT NOT NULL,
            author TEXT NOT NULL,
            node TEXT NOT NULL,
            incarnation TEXT NOT NULL,
            author_seq INTEGER NOT NULL,
            prev TEXT NOT NULL,
            record_hash TEXT NOT NULL,
            direction INTEGER NOT NULL,
            type TEXT NOT NULL,
            in_reply_to TEXT NOT NULL,
            envelope_id BLOB NOT NULL,
            envelope_hash TEXT NOT NULL,
            created_ms INTEGER NOT NULL,
            expires_ms INTEGER NOT NULL,
            stored_ms INTEGER NOT NULL,
            read_ms INTEGER NOT NULL,
            application_data BLOB NOT NULL
        ) STRICT
    """)
    op.execute("CREATE INDEX record_by_author ON record (consultation, author, author_seq)")
    op.execute("""
        CREATE TABLE chain_head (
            consultation TEXT NOT NULL,
            author TEXT NOT NULL,
            incarnation TEXT NOT NULL,
            author_seq INTEGER NOT NULL,
            record_hash TEXT NOT NULL,
            PRIMARY KEY (consultation, author)
        ) STRICT, WITHOUT ROWID
    """)
    op.execute("""
        CREATE TABLE submission (
            idempotency_key TEXT PRIMARY KEY,
            draft_digest TEXT NOT NULL,
            result BLOB NOT NULL,
            created_ms INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID
    """)
    op.execute("CREATE INDEX submission_by_time ON submission (created_ms)")
