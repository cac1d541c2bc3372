# SPDX-License-Identifier: Apache-2.0
"""The story: authorities consult, one joins, one is lost and comes back, one loses its key; all verifies.

Each step is a command of the product; what the story claims is what the commands answered.
"""

import contextlib
import sqlite3
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from demo import messages
from demo.claims import (
    Group,
    group_in,
    later_than,
    records_in,
    require_only_own_time,
    require_said,
)
from demo.stage import PROGRAM, Actor, Stage, free_port

COMMISSION = ("xa-acc", "XA", "ACA", "SAMPLE Anti-Corruption Commission of Alpha")
BUREAU = ("xb-ibu", "XB", "ACA", "SAMPLE Integrity Bureau of Beta")
PROSECUTION = ("xc-aco", "XC", "PROSECUTION", "SAMPLE Anti-Corruption Prosecution of Gamma")
OVERSEER = ("xa-dpc", "XA", "OVERSIGHT", "SAMPLE Data Protection Commissioner of Alpha")


class Scenario:
    """The chapters, and the actors in them."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._tell = stage.narrator
        self._actors = [
            Actor(authority, country, kind, name, stage.folder / authority, free_port())
            for authority, country, kind, name in (COMMISSION, BUREAU, PROSECUTION, OVERSEER)
        ]
        self._a, self._b, self._c, self._overseer = self._actors
        self._network = ""
        self._case = ""

    def play(self) -> None:
        """Tell everything, in order."""
        self._found_network()
        self._admit()
        self._publish()
        self._look_up()
        self._ask()
        self._clarify()
        self._add()
        self._lose()
        self._restore()
        self._prove()
        self._revoke()
        self._close()
        self._audit()
        self._tamper()
        self._tell.say("")
        self._tell.say(
            f"The end, after {self._tell.seconds:.0f} s. Authorities, case and company are samples."
        )

    def close(self) -> None:
        """Stop every node."""
        self._stage.stop(*self._actors)

    def say_what_to_try(self) -> None:
        """Print how to go on with the running nodes."""
        self._stage.start(self._b)
        self._tell.chapter("The nodes are running; try")
        for line in (
            f"export PATH={PROGRAM.parent}:$PATH GLOBE_NODE_PASSPHRASE_FILE={self._stage.passphrase_file}",
            f"globe-node --home {self._a.home} consult list",
            f"globe-node --home {self._a.home} consult show {self._case}",
            f"globe-node --home {self._a.home} directory search --function ASSET_RECOVERY",
            f"globe-node --home {self._c.home} health",
            f"globe-node --home {self._b.home} audit list",
            f"pkill -f {self._stage.folder}; rm -r {self._stage.folder}    # the end",
        ):
            self._tell.say(line)

    def _found_network(self) -> None:
        self._tell.chapter("Three officers found a network; two of them together may admit an authority")
        words = (
            "network",
            "create",
            *self._net,
            "--name",
            "Sample network",
            "--officers",
            "3",
            "--threshold",
            "2",
        )
        shown = self._stage.run("officers", *words, "--sample", *self._passphrase, show=False)
        self._tell.command("officers", ("globe-node", *words, "--sample"))
        self._tell.answer("\n".join(shown.splitlines()[:4]))
        self._network = self._stage.document("officers", "network", "bundle", *self._net)["fingerprint"]

    def _admit(self) -> None:
        self._tell.chapter("Three authorities and one oversight body ask for admission, and are admitted")
        self._stage.together([self._init_words(actor) for actor in self._actors])
        self._tell.say(
            "Each made its keys in its own home folder, and handed a request with its root key over."
        )
        requests = [str(actor.home / "admission-request.json") for actor in self._actors]
        folder = self._stage.folder / "network"
        signing = (
            "--sign-with",
            str(folder / "officer-1.sealed"),
            "--sign-with",
            str(folder / "officer-3.sealed"),
        )
        words = ("network", "admit", *requests, *self._net, *signing)
        self._stage.run("officers", *words, *self._passphrase)

    def _publish(self) -> None:
        self._tell.chapter("Each authority signs what the directory says of it; all get the same directory")
        askers = self._actors[:3]
        self._stage.start(*askers)
        self._tell.say("Nodes A, B and C run now: three processes, TLS 1.3 on both sides, SQLite each.")
        self._tell.say(
            "They take in the officers' bundle, after comparing the digits of the network by telephone."
        )
        self._together(self._actors, "directory", "import", self._bundle("network"), "--root", self._network)
        self._tell.say("Each publishes its duty desk, its profile, the keys of its node and its endpoint.")
        for actor in askers:
            law_and_help = messages.LAW_AND_HELP if actor is self._b else ""
            told = messages.CONTACTS + messages.PROFILE + law_and_help
            (actor.home / "contacts.toml").write_text(told, "utf-8")
        self._stage.together([self._publish_words(actor) for actor in askers])
        exports = [str(self._stage.folder / f"{actor.authority}.bundle") for actor in askers]
        pairs = zip(askers, exports, strict=True)
        self._stage.together(
            [("--home", str(actor.home), "directory", "export", file) for actor, file in pairs]
        )
        self._stage.run("officers", "network", "import", *exports, *self._net, show=False)
        self._together(askers, "directory", "import", self._bundle("everybody"))

    def _look_up(self) -> None:
        self._tell.chapter("A has a need and no name: the directory says whom to ask in XB, how, and why")
        desk = ("directory", "search", "--function", "ASSET_RECOVERY", "--language", "fr")
        found = self._stage.act(self._a, *desk, whole=True)
        require_said(found, self._b.authority, "speaks fr")
        informal = self._stage.act(self._a, "directory", "route", "XB", "COMPANY", whole=True)
        require_said(informal, "informally", "says so itself", "in GLOBE as we are", "reads en")
        owner = ("directory", "route", "XB", "BENEF_OWNER", "--offence", "16.1")
        formal = self._stage.act(self._a, *owner, whole=True)
        require_said(formal, "this needs a formal request in XB", "Summary of the facts", "42 days")
        self._tell.say("Anybody may see a part: B writes it as signed files, and a stranger verifies them.")
        folder = str(self._stage.folder / "public")
        self._stage.act(self._b, "directory", "public", folder, only="made by|files")
        verify = ("directory", "verify-public", folder, "--root", self._network)
        self._stage.run("stranger", *verify, only="made by|network")

    def _ask(self) -> None:
        self._tell.chapter("A asks B who stands behind a company; only B can read it")
        request = self._write("request.toml", messages.REQUEST)
        extract = self._write("extract.csv", messages.ATTACHMENT)
        words = ("consult", "send", "--to", self._b.authority, "--file", request, "--attach", extract)
        self._case = self._stage.document_of(self._a, *words, "--wait", "20", shown=True)["consultation"]
        self._stage.act(self._b, "consult", "list")
        self._stage.act(self._b, "consult", "show", self._case)

    def _clarify(self) -> None:
        self._tell.chapter("B acknowledges and asks back, A explains; B makes its backup of the day")
        self._reply(self._b, "ack.toml", messages.ACKNOWLEDGEMENT)
        self._reply(self._b, "question.toml", messages.QUESTION)
        self._reply(self._a, "explanation.toml", messages.CLARIFICATION)
        self._stage.act(self._b, "backup", self._backup, only="file|holds")

    def _add(self) -> None:
        self._tell.chapter("A adds C while the consultation runs; C sees nothing of what was said before")
        self._show_group(self._a)
        before = self._view(self._a)
        words = ("--authority", self._c.authority, "--reason", messages.REASON_TO_ADD)
        self._stage.act(self._a, "consult", "add", self._case, *words, "--wait", "20", only="state ")
        for actor in (self._a, self._b):
            self._await_group(actor, later_than(group_in(before), self._everybody))
        self._show_group(self._a)
        require_only_own_time(self._view(self._c), before)
        self._stage.act(self._c, "consult", "show", self._case)

    def _lose(self) -> None:
        self._tell.chapter("B's machine is lost; the others go on, and what is for B waits")
        self._stage.lose(self._b)
        self._reply(self._c, "second-answer.toml", messages.SECOND_ANSWER, wait=False)
        self._stage.wait_for(lambda: self._has(self._a, self._c, "ANSWER"), "the answer of C to arrive")
        self._stage.act(self._c, "consult", "receipts", self._case, last=4)

    def _restore(self) -> None:
        self._tell.chapter("B is restored from its backup, comes back into the group, and answers")
        before = self._view(self._a)
        self._stage.act(self._b, "restore", self._backup, *self._passphrase, only="home|made")
        self._stage.start(self._b)
        for actor in (self._a, self._b):
            self._await_group(actor, later_than(group_in(before), self._everybody))
        self._show_group(self._b)
        self._stage.wait_for(
            lambda: records_in(self._view(self._b)) == records_in(before), "B to get again what it had lost"
        )
        self._tell.say("It has again what it had lost: its members sealed it anew, in the epoch of now.")
        self._reply(self._b, "answer.toml", messages.ANSWER)
        self._await_group(self._c, later_than(group_in(before), self._everybody))
        self._stage.act(self._a, "consult", "show", self._case, only="ANSWER from|result:")

    def _revoke(self) -> None:
        self._tell.chapter("C's node key was stolen: C takes it back, and A takes its leaf out of the group")
        before = self._group(self._a)
        key = self._stage.document_of(self._c, "keys", "show")["signing"]["id"]
        since = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}"
        self._stage.act(self._c, "directory", "publish", "--compromised", key, "--since", since)
        for actor in (self._a, self._b):
            self._await_group(actor, later_than(before, self._everybody, absent=(self._c.authority,)))
        self._show_group(self._b)

    def _close(self) -> None:
        self._tell.chapter("A takes the consultation as ended; what is known of each message is signed")
        self._stage.act(self._a, "consult", "close", self._case, only="state ")
        self._stage.wait_for(lambda: self._has(self._b, self._a, "CLOSE"), "the end to arrive")
        self._stage.act(self._a, "consult", "receipts", self._case, last=14)

    def _reply(self, actor: Actor, name: str, text: str, *, wait: bool = True) -> None:
        words = ("consult", "reply", self._case, "--file", self._write(name, text))
        self._stage.act(actor, *words, *(("--wait", "20") if wait else ()), only="state ")

    def _show_group(self, actor: Actor) -> None:
        """Show epoch and members as one member sees them."""
        only = "epoch |membership|can't read"
        self._stage.act(actor, "consult", "show", self._case, "--no-open", only=only)

    def _await_group(self, actor: Actor, holds: Callable[[Group], bool]) -> None:
        """Wait until a member sees its group so."""
        self._stage.wait_for(lambda: holds(self._group(actor)), f"{actor.short} to see the group as told")

    def _group(self, actor: Actor) -> Group:
        return group_in(self._view(actor))

    def _has(self, actor: Actor, author: Actor, message_type: str) -> bool:
        return (author.authority, message_type) in records_in(self._view(actor))

    def _view(self, actor: Actor) -> dict[str, Any]:
        return self._stage.document_of(actor, "consult", "show", self._case, "--no-open")

    @property
    def _everybody(self) -> tuple[str, ...]:
        return tuple(sorted(actor.authority for actor in (self._a, self._b, self._c)))

    @property
    def _backup(self) -> str:
        return str(self._stage.folder / "last-night.backup")

    def _prove(self) -> None:
        self._tell.chapter(
            "A hands its evidence to a court, which verifies it alone: no node, no network, no home"
        )
        file = str(self._stage.folder / "evidence.anp1")
        self._stage.act(self._a, "evidence", "export", self._case, "--output", file)
        self._stage.run("court", "evidence", "verify", file, "--root", self._network, last=9)

    def _audit(self) -> None:
        self._tell.chapter("Both audit logs are derived again from their leaves, and verify")
        for actor in (self._a, self._b):
            self._stage.act(actor, "audit", "verify")

    def _tamper(self) -> None:
        self._tell.chapter("Somebody at B alters one stored row of the log; the verification names it")
        self._stage.stop(self._b)
        index = alter_one_entry(self._b.home / "node.db")
        self._tell.say(f"B is stopped; entry {index} of its database now says another time.")
        self._stage.act(self._b, "audit", "verify", expect=1)

    @property
    def _net(self) -> tuple[str, str]:
        return ("--dir", str(self._stage.folder / "network"))

    @property
    def _passphrase(self) -> tuple[str, str]:
        return ("--passphrase-file", str(self._stage.passphrase_file))

    def _init_words(self, actor: Actor) -> Sequence[str]:
        who = ("--authority", actor.authority, "--country", actor.country, "--kind", actor.kind)
        where = (
            "--endpoint",
            actor.endpoint,
            "--listen",
            f"127.0.0.1:{actor.port}",
            "--network",
            self._network,
        )
        return (
            "--home",
            str(actor.home),
            "init",
            *who,
            "--name",
            f"en={actor.name}",
            *where,
            *self._passphrase,
        )

    def _publish_words(self, actor: Actor) -> Sequence[str]:
        return (
            "--home",
            str(actor.home),
            "directory",
            "publish",
            "--file",
            str(actor.home / "contacts.toml"),
        )

    def _together(self, actors: Sequence[Actor], *words: str) -> None:
        self._stage.together([("--home", str(actor.home), *words) for actor in actors])

    def _bundle(self, name: str) -> str:
        file = str(self._stage.folder / f"{name}.bundle")
        self._stage.run("officers", "network", "bundle", *self._net, "-o", file, show=False)
        return file

    def _write(self, name: str, text: str) -> str:
        path = self._stage.folder / name
        path.write_text(text, "utf-8")
        return str(path)


def alter_one_entry(database: Path) -> int:
    """Change the time in one leaf of a stopped node's audit log; return the index of the entry."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        entry, leaf = connection.execute(
            "SELECT id, leaf FROM audit_entry ORDER BY id LIMIT 1 OFFSET 3"
        ).fetchone()
        altered = leaf.replace(b'"iat":1', b'"iat":2')
        connection.execute("UPDATE audit_entry SET leaf = ? WHERE id = ?", (altered, entry))
        connection.commit()
    return int(entry) & 0xFFFF_FFFF
