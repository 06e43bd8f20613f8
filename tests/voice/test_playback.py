from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxloop.voice.alignment import end_of
from voxloop.voice.playback import DeviceClock, Segment, TurnPlayback, word_cut

FIRST, SECOND = "Hello there my friend. ", "How are you today? "


def playback(*, complete: bool = True) -> TurnPlayback:
    """Two segments of 2 s and 3 s, read at once at time 10."""
    turn = TurnPlayback(DeviceClock())
    start = 0
    for text, seconds in ((FIRST, 2.0), (SECOND, 3.0)):
        turn.write(text)
        segment = Segment(text, None, start, start + len(text))
        start += len(text)
        turn.segments.append(segment)
        segment.made_ms = seconds * 1000
        segment.complete = complete
        turn.hand_out(segment, seconds * 1000, 10.0)
    return turn


@pytest.mark.parametrize(
    ("at", "heard"),
    [
        (10.0, ""),
        (10.4, ""),
        (10.5, "Hello"),
        (11.0, "Hello there"),
        (12.0, "Hello there my friend."),
        (12.6, "Hello there my friend. How"),
        (14.5, "Hello there my friend. How are you"),
        (15.0, "Hello there my friend. How are you today?"),
        (99.0, "Hello there my friend. How are you today?"),
    ],
)
def test_whole_words_up_to_where_the_clock_stands(at: float, heard: str) -> None:
    turn = playback()
    found = turn.heard(at)
    assert found.text == heard
    assert found.written.strip() == heard
    assert found.written + found.unspoken == FIRST + SECOND
    assert found.played_ms == pytest.approx(min(5.0, at - 10.0) * 1000)


def test_reports_count_instead_of_the_clock_and_never_beyond_what_was_read() -> None:
    turn = playback()
    turn.report(1000, 20.0)
    turn.report(500, 20.0)
    assert turn.heard(99.0).text == "Hello there"
    turn.report(9000, 21.0)
    assert turn.played_ms(21.0) == 5000
    assert turn.left(21.0) == 0.0


def test_a_gap_in_the_sound_is_not_played() -> None:
    turn = TurnPlayback(DeviceClock())
    segment = Segment(FIRST, None, 0, len(FIRST))
    turn.segments.append(segment)
    segment.made_ms = 2000
    turn.hand_out(segment, 1000, 10.0)
    assert turn.played_ms(10.5) == 500
    assert turn.played_ms(15.0) == 1000
    turn.hand_out(segment, 1000, 20.0)
    assert turn.played_ms(20.0) == 1000
    assert turn.played_ms(20.5) == 1500


def test_sound_of_a_turn_before_plays_first() -> None:
    clock = DeviceClock(ends_at=12.0)
    turn = TurnPlayback(clock)
    segment = Segment(FIRST, None, 0, len(FIRST))
    turn.segments.append(segment)
    segment.made_ms = 2000
    turn.hand_out(segment, 2000, 10.0)
    assert turn.played_ms(12.0) == 0
    assert turn.played_ms(13.0) == 1000


def test_a_segment_that_is_still_being_made_is_judged_by_the_pace_so_far() -> None:
    turn = playback()
    last = turn.segments[-1]
    last.complete = False
    last.made_ms = last.handed_ms = 500.0
    turn.clock.ends_at = 12.5
    # The first took 87 ms a character: 500 ms are five or six of them.
    assert turn.heard(12.5).text == "Hello there my friend. How"


def test_what_the_workflow_did_not_write_takes_no_room() -> None:
    turn = playback()
    filler = Segment("One moment. ", None, len(FIRST), len(FIRST))
    filler.made_ms = filler.handed_ms = 1000.0
    filler.complete = True
    turn.segments.insert(1, filler)
    turn.report(3000, 10.0)
    heard = turn.heard(10.0)
    assert heard.text == "Hello there my friend. One moment."
    assert heard.written == FIRST
    assert heard.unspoken == SECOND


def test_scripts_without_blanks_are_cut_between_characters() -> None:
    assert word_cut("今日はいい天気です。", 4) == 4
    assert word_cut("Hello there", 7) == 6
    assert word_cut("Hello", 4) == 0
    assert word_cut("Hello there", 99) == 11
    assert word_cut("", 3) == 0


MARKED = "**Hello** there, _my_ friend. Look :-) here. It is 5 % of 10 EUR.  Good."


@pytest.mark.parametrize(
    ("segments", "ends"),
    [
        (["Hello there, my friend.", "Look here."], ["friend.", "here."]),
        (["Hello there, my friend. ", "Look :-) here. "], ["friend.", "here."]),
        (["HELLO THERE MY FRIEND", "LOOK HERE"], ["friend.", "here."]),
        (["**Hello** there, _my_ friend. "], ["friend. "]),
        (["Hello", "there", "my"], ["Hello**", "there,", "_my_"]),
        (["", "...", "Hello there"], ["", "", "there,"]),
        (
            ["Something else altogether that was never written by anybody at all, ever, I say"],
            [MARKED],
        ),
    ],
)
def test_segments_are_found_in_what_was_written(segments: list[str], ends: list[str]) -> None:
    place = 0
    for segment, end in zip(segments, ends, strict=True):
        before, place = place, end_of(segment, MARKED, place)
        assert before <= place <= len(MARKED)
        assert MARKED[:place].endswith(end)


@given(st.text("ab. *_", max_size=60), st.lists(st.text("ab. *_", max_size=12), max_size=8))
def test_segments_of_any_kind_never_leave_the_text(source: str, segments: list[str]) -> None:
    place = 0
    for segment in segments:
        before, place = place, end_of(segment, source, place)
        assert before <= place <= max(len(source), before)


def test_part_of_a_segment_that_was_changed_is_found_by_its_share() -> None:
    turn = TurnPlayback(DeviceClock())
    turn.write("**one** **two** **three** **four** ")
    turn.segments.append(Segment("one two three four ", None, 0, 35, 1900.0, 0.0, complete=True))
    turn.hand_out(turn.segments[0], 1900.0, 0.0)
    turn.report(900.0, 1.0)
    heard = turn.heard(1.0)
    assert heard.text == "one two"
    assert heard.written == "**one** **two**"
    turn.report(1900.0, 2.0)
    assert turn.heard(2.0).unspoken == ""


@given(
    st.lists(st.tuples(st.text("ab. 中", min_size=1), st.floats(1, 5000)), max_size=6),
    st.floats(0, 30_000),
    st.booleans(),
)
def test_what_was_heard_is_always_a_beginning(
    parts: list[tuple[str, float]], played: float, complete: bool
) -> None:
    turn = TurnPlayback(DeviceClock())
    start = 0
    for text, milliseconds in parts:
        turn.write(text)
        segment = Segment(text, None, start, start + len(text), milliseconds, 0.0, complete)
        start += len(text)
        turn.segments.append(segment)
        turn.hand_out(segment, milliseconds, 0.0)
    turn.report(played, 0.0)
    heard = turn.heard(0.0)
    whole = "".join(text for text, _ in parts)
    assert heard.written + heard.unspoken == whole
    assert whole.startswith(heard.text)
    if complete and played >= sum(milliseconds for _, milliseconds in parts):
        assert heard.unspoken == ""
