# SPDX-License-Identifier: Apache-2.0
"""`make demo`: the main job on this machine, with separate processes, real TLS and SQLite."""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from demo.narrator import Narrator
from demo.scenario import Scenario
from demo.stage import Stage, StageError


def main() -> int:
    """Play the story; return 0 if everything went as told."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the nodes running and print what to try")
    chosen = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="globe-demo-"))
    narrator = Narrator()
    scenario = Scenario(Stage(folder, narrator))
    kept = False
    try:
        scenario.play()
        kept = chosen.keep
        if kept:
            scenario.say_what_to_try()
    except StageError as error:
        print(f"\nThe story broke off: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped; everything is removed", file=sys.stderr)
        return 1
    finally:
        if not kept:
            scenario.close()
            shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
