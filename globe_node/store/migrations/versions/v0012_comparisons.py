# SPDX-License-Identifier: Apache-2.0
"""Receipts of hubs that are still to be compared with other members."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table of room `groups`."""
    op.execute("""
        CREATE TABLE group_comparison (
            peer TEXT NOT NULL,
            group_id BLOB NOT NULL,
            epoch INTEGER NOT NULL,
            PRIMARY KEY (peer, group_id)
        ) STRICT, WITHOUT ROWID
    """)
