# SPDX-License-Identifier: Apache-2.0
"""One module for each step: `vNNNN_room.py` with revision `NNNN`, one number after another, no branches.

Tables are STRICT; a table that is read by its key alone is WITHOUT ROWID. Times are integers: milliseconds of
Unix time. Only one room reads and writes a table; the step names the room.
"""
