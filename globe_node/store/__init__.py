# SPDX-License-Identifier: Apache-2.0
"""The one database of a node, behind one writer door."""
