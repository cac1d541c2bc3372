# SPDX-License-Identifier: Apache-2.0
"""Records that wait for keys to be sealed with, and envelopes that were opened and wait for more."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table of room `consultations`, and the column of room `delivery`."""
    op.execute("""
        CREATE TABLE unsealed (
            position INTEGER PRIMARY KEY,
            consultation TEXT NOT NULL,
            record_id TEXT NOT NULL UNIQUE
        ) STRICT
    """)
    op.execute("CREATE INDEX unsealed_by_consultation ON unsealed (consultation, position)")
    op.execute("ALTER TABLE inbox ADD COLUMN opened INTEGER NOT NULL DEFAULT 0")
