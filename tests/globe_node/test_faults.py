# SPDX-License-Identifier: Apache-2.0
from globe_node.faults import FaultPoints, NoFaults


def test_a_running_node_passes_every_fault_point() -> None:
    faults: FaultPoints = NoFaults()
    faults.point("store.commit.before")
