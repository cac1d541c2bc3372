# SPDX-License-Identifier: Apache-2.0
"""The command line: arguments in, results and exit codes out. What a command does is in the rooms below."""
