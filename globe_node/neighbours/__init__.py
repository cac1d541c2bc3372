# SPDX-License-Identifier: Apache-2.0
"""Who is around: the directory as the lines to peers read it, greetings, and keeping it the same."""
