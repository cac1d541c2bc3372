# SPDX-License-Identifier: Apache-2.0
"""The work: one asyncio node, in rooms named by the nouns of the field."""
