# SPDX-License-Identifier: Apache-2.0
"""What authorities say to each other: the body of each message type, one strict model a type.

Strangers here: envelopes, signatures and directories. A body knows nothing of how it travels.
"""
