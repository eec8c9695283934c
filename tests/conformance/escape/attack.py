"""What a row of the table is."""

import dataclasses
from collections.abc import Callable


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How an attack went: by its own word, or by that of whoever looked from outside."""

    succeeded: bool
    saw: str


@dataclasses.dataclass(frozen=True)
class Weakened:
    """What is switched off for the attack to succeed."""

    words: str
    # Settings of the function in place of the row's own: then the weakened run is a sandbox, too.
    settings: dict | None = None
    # Where the attack finds the platform: the believer, or the server's front door.
    front_door: bool = False


BARE = Weakened("run by root on the host, in no sandbox")
BELIEVER = Weakened("an API that believes what it is told")
FRONT_DOOR = Weakened("not over the sandbox's socket but at the front door, where a key names an account", front_door=True)


def raised(words, **settings):
    """The same sandbox with its limit out of the way."""
    return Weakened(words, settings=settings)


@dataclasses.dataclass(frozen=True)
class Attack:
    """One row: the attack has to succeed `weakened`, and to end as `contained` says in a sandbox."""

    name: str
    language: str
    weakened: Weakened
    # A pattern of what the attack sees, or of the error that its invocation ends with.
    contained: str
    tries: str = ""
    event: dict = dataclasses.field(default_factory=dict)
    settings: dict = dataclasses.field(default_factory=dict)
    # Takes more than its share: a neighbour has to go on answering meanwhile.
    greedy: bool = False
    # What a kernel answers that was built without what is attacked: then there is nothing to weaken.
    absent: str | None = None
    # A pattern in a line of the server's at its start, without which the attack must be contained. With it, the limit is named as one
    # that is not kept here, and an attack that succeeds counts as such.
    unless: str | None = None
    # Who decides instead of the attack itself: (arena, row) → the outcomes weakened and contained.
    judge: Callable | None = None
