# SPDX-License-Identifier: Apache-2.0
"""Groups of consultations, their secrets sealed under keys of the day, and key packages."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables of room `groups`."""
    _groups()
    _own_secrets()
    _peers()


def _groups() -> None:
    op.execute("""
        CREATE TABLE group_link (
            group_id BLOB PRIMARY KEY,
            consultation TEXT NOT NULL,
            routing_id BLOB NOT NULL,
            hub TEXT NOT NULL,
            roster TEXT NOT NULL,
            status TEXT NOT NULL,
            epoch INTEGER NOT NULL,
            changed_ms INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID
    """)
    op.execute("CREATE INDEX group_link_by_consultation ON group_link (consultation)")
    op.execute("CREATE INDEX group_link_by_route ON group_link (routing_id)")
    # what a commit changes, and what every message changes: two tables, since a row is written as a whole
    op.execute("""
        CREATE TABLE group_core (
            position INTEGER PRIMARY KEY,
            group_id BLOB NOT NULL UNIQUE,
            rev BLOB NOT NULL,
            day_key INTEGER NOT NULL,
            sealed BLOB NOT NULL
        ) STRICT
    """)
    op.execute("CREATE INDEX group_core_by_key ON group_core (day_key)")
    op.execute("""
        CREATE TABLE group_ratchet (
            position INTEGER PRIMARY KEY,
            group_id BLOB NOT NULL UNIQUE,
            rev BLOB NOT NULL,
            day_key INTEGER NOT NULL,
            sealed BLOB NOT NULL
        ) STRICT
    """)
    op.execute("CREATE INDEX group_ratchet_by_key ON group_ratchet (day_key)")
    op.execute("""
        CREATE TABLE group_member (
            group_id BLOB NOT NULL,
            epoch INTEGER NOT NULL,
            authority TEXT NOT NULL,
            authenticator TEXT NOT NULL,
            agrees INTEGER NOT NULL,
            stated_ms INTEGER NOT NULL,
            PRIMARY KEY (group_id, epoch, authority)
        ) STRICT, WITHOUT ROWID
    """)
    op.execute("""
        CREATE TABLE group_commit (
            position INTEGER PRIMARY KEY,
            group_id BLOB NOT NULL,
            epoch INTEGER NOT NULL,
            octets BLOB NOT NULL,
            receipt BLOB NOT NULL,
            stored_ms INTEGER NOT NULL,
            UNIQUE (group_id, epoch)
        ) STRICT
    """)


def _own_secrets() -> None:
    op.execute("""
        CREATE TABLE own_leaf_key (
            certificate BLOB PRIMARY KEY,
            made_ms INTEGER NOT NULL,
            not_after_ms INTEGER NOT NULL,
            day_key INTEGER NOT NULL,
            sealed BLOB NOT NULL
        ) STRICT, WITHOUT ROWID
    """)
    op.execute("""
        CREATE TABLE own_key_package (
            position INTEGER PRIMARY KEY,
            reference BLOB NOT NULL UNIQUE,
            peer TEXT NOT NULL,
            octets BLOB NOT NULL,
            certificate BLOB NOT NULL,
            made_ms INTEGER NOT NULL,
            not_after_ms INTEGER NOT NULL,
            spent INTEGER NOT NULL,
            day_key INTEGER NOT NULL,
            sealed BLOB NOT NULL
        ) STRICT
    """)
    op.execute("CREATE INDEX own_key_package_by_peer ON own_key_package (peer, spent, position)")
    op.execute("CREATE INDEX own_key_package_by_key ON own_key_package (day_key)")
    op.execute("CREATE INDEX own_key_package_by_end ON own_key_package (not_after_ms)")


def _peers() -> None:
    op.execute("""
        CREATE TABLE peer_key_package (
            position INTEGER PRIMARY KEY,
            reference BLOB NOT NULL UNIQUE,
            authority TEXT NOT NULL,
            node TEXT NOT NULL,
            last_resort INTEGER NOT NULL,
            octets BLOB NOT NULL,
            certificate BLOB NOT NULL,
            init_key BLOB NOT NULL UNIQUE,
            leaf_key BLOB NOT NULL UNIQUE,
            stored_ms INTEGER NOT NULL,
            not_after_ms INTEGER NOT NULL,
            used_ms INTEGER NOT NULL
        ) STRICT
    """)
    op.execute("CREATE INDEX peer_key_package_stock ON peer_key_package (authority, used_ms, position)")
    op.execute("CREATE INDEX peer_key_package_by_end ON peer_key_package (not_after_ms)")
    op.execute("""
        CREATE TABLE leaf_certificate (
            hash BLOB PRIMARY KEY,
            authority TEXT NOT NULL,
            node TEXT NOT NULL,
            not_after_ms INTEGER NOT NULL,
            octets BLOB NOT NULL
        ) STRICT, WITHOUT ROWID
    """)
    op.execute("CREATE INDEX leaf_certificate_by_end ON leaf_certificate (not_after_ms)")
