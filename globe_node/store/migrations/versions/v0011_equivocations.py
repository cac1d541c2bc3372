# SPDX-License-Identifier: Apache-2.0
"""Proofs that a hub gave one place to two commits."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table of room `groups`."""
    op.execute("""
        CREATE TABLE group_equivocation (
            group_id BLOB NOT NULL,
            epoch INTEGER NOT NULL,
            proof BLOB NOT NULL,
            stored_ms INTEGER NOT NULL,
            PRIMARY KEY (group_id, epoch)
        ) STRICT, WITHOUT ROWID
    """)
