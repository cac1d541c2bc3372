# SPDX-License-Identifier: Apache-2.0
"""What waits to go out, what came in, receipts, and what a lane remembers."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables of room `delivery`."""
    _outbox()
    _inbox()


def _outbox() -> None:
    op.execute("""
        CREATE TABLE outbox (
            position INTEGER PRIMARY KEY,
            envelope_id BLOB NOT NULL,
            peer TEXT NOT NULL,
            operation INTEGER NOT NULL,
            envelope_class INTEGER NOT NULL,
            routing_id BLOB NOT NULL,
            hash_prefix INTEGER NOT NULL,
            envelope_hash TEXT NOT NULL,
            record_hash TEXT NOT NULL,
            size INTEGER NOT NULL,
            body INTEGER NOT NULL,
            state TEXT NOT NULL,
            reason TEXT NOT NULL,
            attempts INTEGER NOT NULL,
            next_attempt_ms INTEGER NOT NULL,
            deadline_ms INTEGER NOT NULL,
            queued_ms INTEGER NOT NULL,
            decided_ms INTEGER NOT NULL,
            receipt INTEGER NOT NULL,
            UNIQUE (envelope_id, peer)
        ) STRICT
    """)
    op.execute("CREATE INDEX outbox_by_hash ON outbox (hash_prefix)")
    op.execute(
        "CREATE INDEX outbox_due ON outbox (peer, operation, position, next_attempt_ms)"
        " WHERE state = 'queued'"
    )
    op.execute("CREATE INDEX outbox_overdue ON outbox (deadline_ms) WHERE state = 'queued'")
    op.execute("""
        CREATE TABLE outbox_body (
            position INTEGER PRIMARY KEY,
            octets BLOB NOT NULL
        ) STRICT
    """)
    op.execute("""
        CREATE TABLE outbox_evidence (
            position INTEGER NOT NULL,
            receipt INTEGER NOT NULL,
            stored_ms INTEGER NOT NULL,
            PRIMARY KEY (position, receipt)
        ) STRICT, WITHOUT ROWID
    """)


def _inbox() -> None:
    op.execute("""
        CREATE TABLE inbox (
            position INTEGER PRIMARY KEY,
            sender TEXT NOT NULL,
            node TEXT NOT NULL,
            envelope_id BLOB NOT NULL,
            routing_id BLOB NOT NULL,
            envelope_hash TEXT NOT NULL,
            size INTEGER NOT NULL,
            state INTEGER NOT NULL,
            tries INTEGER NOT NULL,
            due_ms INTEGER NOT NULL,
            received_ms INTEGER NOT NULL,
            expires_ms INTEGER NOT NULL,
            receipt INTEGER NOT NULL,
            UNIQUE (sender, envelope_id)
        ) STRICT
    """)
    op.execute("CREATE INDEX inbox_due ON inbox (due_ms) WHERE state = 0")
    op.execute("CREATE INDEX inbox_quarantine ON inbox (position) WHERE state = 2")
    op.execute("CREATE INDEX inbox_held ON inbox (sender, due_ms, position, size) WHERE state = 0")
    op.execute("""
        CREATE TABLE inbox_body (
            position INTEGER PRIMARY KEY,
            octets BLOB NOT NULL
        ) STRICT
    """)
    op.execute("""
        CREATE TABLE receipt (
            number INTEGER PRIMARY KEY,
            receipt_id TEXT NOT NULL,
            issuer TEXT NOT NULL,
            recipient TEXT NOT NULL,
            stored_ms INTEGER NOT NULL,
            signed BLOB NOT NULL,
            UNIQUE (receipt_id, issuer)
        ) STRICT
    """)
    op.execute("""
        CREATE TABLE lane (
            peer TEXT PRIMARY KEY,
            failures INTEGER NOT NULL,
            next_attempt_ms INTEGER NOT NULL,
            reason TEXT NOT NULL
        ) STRICT, WITHOUT ROWID
    """)
