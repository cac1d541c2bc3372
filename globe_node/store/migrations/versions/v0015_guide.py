# SPDX-License-Identifier: Apache-2.0
"""The country guide: facts that this authority has collected about what help takes elsewhere."""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table of room `lookup`."""
    op.execute("""
        CREATE TABLE guide_fact (
            id INTEGER PRIMARY KEY,
            country TEXT NOT NULL,
            help TEXT NOT NULL,
            field TEXT NOT NULL,
            value TEXT NOT NULL,
            source TEXT NOT NULL,
            as_of TEXT NOT NULL
        ) STRICT
    """)
    op.execute("CREATE INDEX guide_fact_country ON guide_fact (country, help)")
