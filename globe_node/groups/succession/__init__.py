# SPDX-License-Identifier: Apache-2.0
"""When the hub of a group is gone, a successor continues the consultation in a new group."""
