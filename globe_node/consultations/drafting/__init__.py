# SPDX-License-Identifier: Apache-2.0
"""From what somebody wants to send to a record that is signed and sealed."""
