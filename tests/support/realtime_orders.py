"""Random orders of events, commands, losses and time, under a judge; each from one number."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from itertools import accumulate
from typing import Final, TypeAlias

from support.realtime_cast import CALLS, ITEMS, NAMES, SLOT_NUMBERS
from support.realtime_judge import Judge
from voxloop.realtime import RunConfig, SessionModelSettings, TurnDetection
from voxloop.realtime.machine import inputs
from voxloop.wire import realtime as rt

Move: TypeAlias = Callable[[Judge, random.Random], object]

CONFIGS = (
    RunConfig(),
    RunConfig(tools_to_approve=frozenset({"look", "later"})),
    RunConfig(model_settings=SessionModelSettings(turn_detection=None)),
    RunConfig(
        model_settings=SessionModelSettings(
            turn_detection=TurnDetection(create_response=False, interrupt_response=False)
        )
    ),
    RunConfig(barge_in=False),
)
LENGTHS = (8, 12, 16, 40)
STATUSES = ("completed", "cancelled", "failed", "incomplete")
REFUSALS = ("conversation_already_has_active_response", "invalid_value")
TIMES = (0.0, 0.2, 1.0, 3.0, 6.0)
SOUNDS = (7, 20, 41, 90, 301, 800, 5000)
"""Lengths in milliseconds; what is odd is taken by a sink where the quick way is compared."""
ALONE = rt.ResponseParams(instructions="Be short.")
BESIDE = rt.ResponseParams(conversation="none")


def _played(j: Judge, r: random.Random) -> None:
    item = f"{r.choice(ITEMS)}:{j.response(r.choice(SLOT_NUMBERS))}"
    j.d.feed(inputs.Played(item, r.random() * 3000.0, j.d.at))


def _sound_over(j: Judge, r: random.Random) -> None:
    response = j.response(r.choice(SLOT_NUMBERS))
    item = f"{r.choice(ITEMS)}:{response}"
    j.d.part("response.output_audio.done", item=item, response=response)


def _word(j: Judge, r: random.Random) -> None:
    response = j.response(r.choice(SLOT_NUMBERS))
    j.brought.add(response)
    kind, item = "response.output_audio_transcript.delta", f"{r.choice(ITEMS)}:{response}"
    j.d.part(kind, item=item, response=response, delta="word ")


def _decide(j: Judge, r: random.Random) -> None:
    approved, always = r.random() < 0.5, r.random() < 0.2
    j.d.feed(inputs.Decide(r.choice(CALLS), approved, None, j.d.at, always=always))


def _unheard_of(j: Judge, r: random.Random) -> None:
    """An error that answers nothing, or an update that was sent later than the first."""
    later = [update.event_id for update in j.d.state.link.pending if not update.initial]
    j.d.error("invalid_value", event_id=r.choice([None, "event_of_no_one", *later]))


def _ask_alone(j: Judge, r: random.Random) -> None:
    j.respond(ALONE if r.random() < 0.1 else BESIDE)


OURS: Final[dict[Move, int]] = {
    lambda j, r: j.d.finish(r.choice(CALLS)): 3,
    lambda j, r: j.d.feed(inputs.Answer(r.choice(CALLS), "x", j.d.at)): 2,
    _decide: 1,
    lambda j, r: j.ready(r.randrange(2), r.choice((None, *CALLS))): 2,
    lambda j, r: j.interrupt(): 2,
    lambda j, r: j.respond(): 2,
    _ask_alone: 1,
    lambda j, r: j.message(respond=r.random() < 0.5): 2,
    lambda j, r: j.append(r.randint(1, 600)): 3,
    lambda j, r: j.commit(): 2,
    _played: 1,
    lambda j, r: j.d.tick(r.choice(TIMES) * r.random()): 3,
    lambda j, r: j.dial(works=r.random() < 0.7): 3,
}
"""What can happen at any time, and how often."""
THEIRS: Final[dict[Move, int]] = {
    lambda j, r: j.lose(): 2,
    lambda j, r: j.d.expires_in(r.random() * 10.0): 1,
    lambda j, r: j.created(outside=r.random() < 0.3): 4,
    lambda j, r: j.done(r.choice(SLOT_NUMBERS), r.choice(STATUSES)): 4,
    lambda j, r: j.audio(r.choice(SLOT_NUMBERS), r.choice(ITEMS), r.choice(SOUNDS)): 5,
    _sound_over: 1,
    _word: 1,
    lambda j, r: j.call(r.choice(SLOT_NUMBERS), r.choice(NAMES), r.choice(CALLS)): 4,
    lambda j, r: j.d.server("session.updated", session={"type": "realtime"}): 2,
    lambda j, r: j.speech(r.choice(("started", "stopped"))): 2,
    lambda j, r: j.committed(r.choice(("u1", "u2"))): 2,
    lambda j, r: j.shown(): 1,
    lambda j, r: j.deleted(): 1,
    lambda j, r: j.spoken(r.choice(SLOT_NUMBERS), r.choice(ITEMS), r.randint(1, 4)): 3,
    lambda j, r: j.refuse(r.choice(REFUSALS)) if j.asked else None: 2,
    _unheard_of: 1,
}
"""What can happen while there is a connection."""
_ALL = (*OURS, *THEIRS)
_WEIGHTS = list(accumulate((*OURS.values(), *THEIRS.values())))
_OWN = sum(OURS.values())


def play(seed: int) -> Counter[str]:
    """One order.

    Args:
        seed: What it is made of; the same number makes the same order.

    Returns:
        How often what was sent and told, and ``"moves"``.
    """
    r = random.Random(seed)
    judge = Judge(r.choice(CONFIGS))
    count = r.choice(LENGTHS)
    for _ in range(count):
        total = _WEIGHTS[-1] if judge.up else _OWN
        place = r.random() * total
        r_move = next(move for move, top in zip(_ALL, _WEIGHTS, strict=True) if place < top)
        r_move(judge, r)
        judge.check()
        if judge.over:
            break
    judge.settle()
    judge.counts["orders"] += 1
    judge.counts["moves"] += count
    judge.counts["inputs the quick way"] += judge.d.ways.taken
    return judge.counts
