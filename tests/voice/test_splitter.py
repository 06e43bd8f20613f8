# ruff: noqa: RUF001 - the marks of other scripts are what is tested
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxloop._errors import ConfigError
from voxloop.voice.splitter import SentenceSplitter, TextSplitter, is_speakable

PROSE = (
    "It is sunny in Oslo today, and it will stay so until the evening. Dr. Smith said that the "
    'wind, e.g. at the coast, may rise to 3.14 metres per second! "Really?" she asked. Yes... '
    "I think so. See example.com or call J. R. Doe at 5 p.m. tomorrow; bring a coat.\n"
    "1. First a list item.\n2. Then another one.\n\nAnd an end without a full stop"
)
JAPANESE = (
    "こんにちは。今日はとても良い天気ですね、散歩に行きませんか？「はい、行きましょう！」と彼女は"
    "言いました。そして二人は公園へ出かけました。桜が咲いています。"
)
MARKDOWN = (
    "# Weather\n\n- **Oslo**: sunny, 22 degrees\n- Bergen: rain (as ever)\n\n> It may change.\n\n"
    "| a | b |\n|---|---|\nSee https://example.com/a,b?c=d;e for `more`, or not."
)
EMOJI = "👩‍👩‍👧‍👦" * 120 + "🇳🇴" * 120 + "👍🏽" * 120 + "e\u0301" * 300
NUMBERS = "1,000.50 and 2.000,75; 10:30, 3/4, -5.2, 1e9... 192.168.0.1! " * 5
THAI = "สวัสดีครับ วันนี้อากาศดีมาก เราไปเดินเล่นที่สวนสาธารณะกันไหม ผมคิดว่าน่าจะสนุก " * 4
HINDI = "नमस्ते, आज मौसम बहुत अच्छा है। क्या हम पार्क में टहलने चलें? हाँ, ज़रूर चलते हैं। " * 4
ARABIC = "مرحبا، الطقس جميل اليوم. هل نذهب إلى الحديقة؟ نعم، هيا بنا؛ سأحضر القهوة معي. " * 4
TEXTS = [
    THAI,
    HINDI,
    ARABIC,
    PROSE,
    JAPANESE,
    MARKDOWN,
    EMOJI,
    NUMBERS,
    "x" * 5000,
    "",
    " ",
    "\n\n",
    "...",
    "Hi",
]


def split(text: str, size: int) -> list[str]:
    splitter = SentenceSplitter()
    segments = []
    for first in range(0, len(text), size):
        segments += splitter.push(text[first : first + size])
    return segments + splitter.flush()


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 11, 15, 10_000])
def test_no_word_is_lost_glued_or_doubled(text: str, size: int) -> None:
    segments = split(text, size)
    assert "".join(segments) == text
    assert all(segments)
    assert segments == split(text, 1), "where it is cut must not depend on how it came"


@given(
    st.text(
        alphabet=st.one_of(
            st.sampled_from(" .,!?;:\n\"'()。、！？」…-–aAzIé1Dr🇳🇴\u200d\u0301"),
            st.characters(exclude_categories=["Cs"]),
        ),
        max_size=400,
    ),
    st.integers(1, 15),
)
def test_any_text_joins_again_for_any_chopping(text: str, size: int) -> None:
    segments = split(text, size)
    assert "".join(segments) == text
    assert segments == split(text, max(1, len(text)))


def test_prose_is_cut_where_a_person_would_breathe() -> None:
    assert split(PROSE, 4) == [
        "It is sunny in Oslo today, ",
        "and it will stay so until the evening. Dr. Smith said that the wind, e.g. at the coast, "
        "may rise to 3.14 metres per second! ",
        '"Really?" she asked. Yes... I think so. See example.com or call J. R. Doe at 5 p.m. '
        "tomorrow; bring a coat.\n",
        "1. First a list item.\n2. Then another one.\n\nAnd an end without a full stop",
    ]


def test_japanese_is_cut_after_its_own_full_stops() -> None:
    segments = split(JAPANESE, 1)
    assert len(segments) >= 3
    assert all(segment[-1] in "。？！」、" for segment in segments)


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("Hello there. How are you", "Hello there. "),
        ("Sure. It is ten o'clock. Now", "Sure. It is ten o'clock. "),
        ("One moment please, I will look that up, ok", "One moment please, I will look that up, "),
        ("The price is 1,000 euros and no more. So", "The price is 1,000 euros and no more. "),
        ('He said "stop now!" and went. Then', 'He said "stop now!" '),
        ("Well... maybe not, I would say. Or", "Well... maybe not, I would say. "),
        ("It closes at 5 p.m. We should go.", "It closes at 5 p.m. "),
        ("It closes at 5 p.m. sharp. We", "It closes at 5 p.m. sharp. "),
        ("See Fig. 3 for it, No. 5 too. Or", "See Fig. 3 for it, No. 5 too. "),
        ("आज मौसम बहुत अच्छा है। क्या हम चलें?", "आज मौसम बहुत अच्छा है। "),
        ("الطقس جميل جدا اليوم؟ نعم", "الطقس جميل جدا اليوم؟ "),
        ("สวัสดีครับผมชื่อสมชายครับ วันนี้อากาศดี", "สวัสดีครับผมชื่อสมชายครับ "),
        ("Mr. Jones is here. Come", "Mr. Jones is here. "),
    ],
)
def test_the_first_segment_is_short(text: str, first: str) -> None:
    assert split(text, 1)[0] == first


def test_a_segment_is_ready_as_soon_as_its_blank_has_come() -> None:
    splitter = SentenceSplitter()
    assert splitter.push("Let me check that.") == []
    assert splitter.push(" ") == ["Let me check that. "]


def test_flush_gives_the_rest_and_starts_short_again() -> None:
    splitter = SentenceSplitter()
    assert splitter.push("Let me check that.") == []
    assert splitter.flush() == ["Let me check that."]
    assert splitter.flush() == []
    assert splitter.push("It is sunny. ") == ["It is sunny. "]


def test_no_segment_is_longer_than_its_bound() -> None:
    for text in TEXTS:
        assert all(len(segment) <= 200 for segment in split(text, 3))


def test_no_grapheme_is_torn() -> None:
    for segment in split(EMOJI, 1):
        assert segment[0] not in "\u200d\u0301\ufe0f"
        assert not "\U0001f3fb" <= segment[0] <= "\U0001f3ff"
        assert segment[-1] != "\u200d"
        flags = sum("\U0001f1e6" <= character <= "\U0001f1ff" for character in segment)
        assert flags % 2 == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a", True), ("7", True), ("は", True), (" ", False), ("...", False), ("🙂", False)],
)
def test_only_letters_and_digits_can_be_said(text: str, expected: bool) -> None:
    assert is_speakable(text) is expected


def test_half_a_surrogate_pair_is_replaced() -> None:
    splitter = SentenceSplitter()
    assert splitter.push("a\ud83db") == []
    assert splitter.flush() == ["a\ufffdb"]


@pytest.mark.parametrize(
    "weights",
    [{"most": 5000}, {"sentence": 0}, {"first_most": -1}, {"sentence": 300}, {"most": 2**80}],
)
def test_weights_that_cannot_be_met(weights: dict[str, int]) -> None:
    with pytest.raises(ConfigError):
        SentenceSplitter(**weights)


def test_any_object_with_the_two_methods_is_a_splitter() -> None:
    assert isinstance(SentenceSplitter(), TextSplitter)
