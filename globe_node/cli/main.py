# SPDX-License-Identifier: Apache-2.0
"""The tree of commands, and the one place where errors become exit codes. It does no work itself.

1. A command's module is loaded when it is called: help and completion stay quick.
2. Exit codes: 0 done, 1 failed, 2 not well asked, 3 peer unreachable, 4 refused by a rule, 5 waits for a
   second person. Whatever goes wrong is two lines on standard error; a traceback is never shown.
"""

import importlib
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import click
from click.exceptions import NoArgsIsHelpError

from globe_node.cli.invocation import Invocation
from globe_node.cli.output import print_error
from globe_node.cli.process import guard_process
from globe_node.errors import ExitCode, NodeError
from globe_node.home import Home
from keys.errors import KeystoreError
from protocol.errors import LocalProtocolError, ProtocolError


class LazyCommand(NamedTuple):
    """A command that is not loaded yet.

    Attributes:
        module: below `globe_node.cli.commands`; it defines the name `command`.
        summary: one line for the list of commands; the same as the command's own.
    """

    module: str
    summary: str


COMMANDS: Final[Mapping[str, LazyCommand]] = {
    "init": LazyCommand("init", "Make the home folder of a new node."),
    "network": LazyCommand("network", "Found and administer a network, as its officers do."),
    "keys": LazyCommand("keys", "Show, compare and rotate the keys of this node."),
    "run": LazyCommand("run", "Run the node until it is told to stop."),
    "health": LazyCommand("health", "Tell how the node is: running, queues, directory, clock, peers."),
    "directory": LazyCommand("directory", "See who is in the network, and say how you are reached."),
    "doctor": LazyCommand(
        "doctor", "Look for what is wrong here or on the way to a peer, and say what to do."
    ),
    "consult": LazyCommand("consult", "Ask another authority, answer, and see what is known."),
    "evidence": LazyCommand("evidence", "Hand over the evidence of a consultation, or verify it."),
    "audit": LazyCommand("audit", "Read the audit log, and verify it."),
    "backup": LazyCommand(
        "backup", "Copy database, keys and settings into one sealed file; the node may be running."
    ),
    "restore": LazyCommand("restore", "Make a home folder of a backup: the same node in a new life."),
}


class LazyGroup(click.Group):
    """A group that loads a command when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load one command."""
        lazy = COMMANDS.get(cmd_name)
        if lazy is None:
            return None
        command = importlib.import_module(f"globe_node.cli.commands.{lazy.module}").command
        if not isinstance(command, click.Command):
            raise TypeError(f"{lazy.module} defines no command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, lazy.summary) for name, lazy in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Each command has its own help: globe-node keys --help",
)
@click.option(
    "--home",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="GLOBE_NODE_HOME",
    default=lambda: Path.home() / ".globe-node",
    show_default="~/.globe-node",
    show_envvar=True,
    help="Folder of the node.",
)
@click.version_option(package_name="globe-node", prog_name="globe-node")
@click.pass_context
def cli(context: click.Context, home: Path) -> None:
    """Consult other anti-corruption authorities, from a node that your authority runs itself."""
    guard_process()
    if context.obj is None:
        context.obj = Invocation(Home(home.absolute()))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    try:
        result = cli.main(args=arguments, prog_name="globe-node", standalone_mode=False)
        sys.stdout.flush()
    except (click.Abort, KeyboardInterrupt):
        print_error("stopped before the end")
        return ExitCode.FAILED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.FAILED
    except Exception as error:
        return _exit_code_of(error)
    return result if isinstance(result, int) else ExitCode.OK


def _exit_code_of(error: Exception) -> ExitCode:
    if isinstance(error, click.ClickException):
        return _report_click(error)
    if isinstance(error, NodeError):
        print_error(str(error), error.hint)
        return error.exit_code
    if isinstance(error, KeystoreError):
        print_error(str(error), error.hint)
    elif isinstance(error, ProtocolError):
        print_error(f"{error} ({error.code})", "docs/PROTOCOL.md explains the code in brackets.")
        if isinstance(error, LocalProtocolError):
            return ExitCode.REFUSED_BY_POLICY
    else:
        print_error(
            f"unexpected {type(error).__name__} at {_place_of(error)}",
            "This is a fault of the software. Report this line; it holds no content.",
        )
    return ExitCode.FAILED


def _report_click(error: click.ClickException) -> ExitCode:
    if isinstance(error, NoArgsIsHelpError):
        error.show()
        return ExitCode.USAGE
    if isinstance(error, click.UsageError):
        command = error.ctx.command_path if error.ctx else "globe-node"
        print_error(error.format_message(), f"See: {command} --help")
        return ExitCode.USAGE
    print_error(error.format_message())
    return ExitCode.FAILED


def _place_of(error: Exception) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    path = Path(last.filename)
    return f"{path.parent.name}/{path.name}:{last.lineno}"
