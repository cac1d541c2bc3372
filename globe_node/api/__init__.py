# SPDX-License-Identifier: Apache-2.0
"""What this node offers to the programs of its own authority: the command line and case systems."""
