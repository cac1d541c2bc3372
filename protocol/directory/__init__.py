# SPDX-License-Identifier: Apache-2.0
"""Who belongs to the network and how to reach them: signed statements, and the state they add up to."""
