# SPDX-License-Identifier: Apache-2.0
"""What an audit log records, and how one entry is written so that it can be shown in part, or forgotten."""
