# SPDX-License-Identifier: Apache-2.0
"""`globe-node restore`: written beside `backup`, whose other half it is."""

from globe_node.cli.commands.backup import restore as command

__all__ = ["command"]
