"""What an AI text must be before a player reads it."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sg_hybrid.errors import AiInvalid
from sg_hybrid.grounding import clean_reply, clean_text
from sg_hybrid.models import AiReply


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("Play it again.", "Play it again."),
        ("  Play\r\n\tit  again. ", "Play it again."),
        ("Play\u00a0it\u2028again.", "Play it again."),
        ("Synco\u0301pe", "Sync\u00f3pe"),
        ("Rest on B\u266d, at 3.5 ms \u2013 no more.", "Rest on B\u266d, at 3.5 ms \u2013 no more."),
        ("Loop [A] (twice): then [B] [C].", "Loop [A] (twice): then [B] [C]."),
        ("Slow < fast.", "Slow < fast."),
        ("Hotel:room, do:re.", "Hotel:room, do:re."),
    ],
)
def test_a_tidy_text_stays_and_an_untidy_one_is_folded(text: str, clean: str) -> None:
    assert clean_text(text) == clean


@pytest.mark.parametrize("text", ["", " ", "\n\t ", "\u2003\u00a0"])
def test_blanks_say_nothing(text: str) -> None:
    assert clean_text(text) is None


@pytest.mark.parametrize(
    "hidden",
    [
        *["\x00", "\x07", "\x08", "\x1b", "\x7f", "\x85", "\x9b", "\u00ad", "\u200b", "\u200d", "\u200f", "\u202e"],
        *["\u2060", "\u2066", "\ufeff", "\ufe0f", "\ud800", "\ue000", "\ufff9", "\U000e0041", "\U000e0100", "\u061c"],
    ],
    ids=lambda hidden: f"U+{ord(hidden):04X}",
)
def test_a_hidden_character_refuses_the_text(hidden: str) -> None:
    with pytest.raises(AiInvalid, match=f"U\\+{ord(hidden):04X}"):
        clean_text(f"Play {hidden}slower.")


@pytest.mark.parametrize(
    "link",
    [
        *["https://x.y/z", "HTTP://X", "www.lesson", "javascript:alert(1)", "data:text/html,x", "mailto:a@b"],
        *["see example.com now", "see Example.ORG/drill", "t.me/drill", "[drill](x)", "![drill](x.png)", "[drill][1]"],
        *[
            "\uff48\uff54\uff54\uff50\uff53\uff1a\uff0f\uff0fx",
            "<script>x</script>",
            "<img src=x>",
            "</b>",
            "<!-- x -->",
        ],
    ],
)
def test_a_link_or_markup_refuses_the_text(link: str) -> None:
    with pytest.raises(AiInvalid, match="link or markup"):
        clean_text(f"Try {link} now.")


def test_a_long_text_is_cut_at_the_last_sentence_end_within_the_limit() -> None:
    assert clean_text("Slow down. Is it even? Go on.", limit=25) == "Slow down. Is it even?"
    assert clean_text("Hold 3.5 ms. Then let go of it.", limit=20) == "Hold 3.5 ms."
    assert clean_text("まず聞く。次に弾く。もう一度。", limit=11) == "まず聞く。次に弾く。"
    assert clean_text("x" * 299 + ".") == "x" * 299 + "."


def test_a_long_text_without_a_sentence_end_is_refused() -> None:
    with pytest.raises(AiInvalid, match="sentence end"):
        clean_text("slower " * 60)


def test_the_field_is_named() -> None:
    with pytest.raises(AiInvalid, match=r"^exercise_hint: a hidden"):
        clean_reply(AiReply("a:b@c", coaching_tip="Play.", exercise_hint="\x1b[2J"))


def test_a_reply_of_blanks_says_nothing() -> None:
    with pytest.raises(AiInvalid, match="says nothing"):
        clean_reply(AiReply("a:b@c", coaching_tip=" ", timing_insight="\n", confidence=0.9))


@given(st.text(max_size=500) | st.text(alphabet="ab.!? \u0301\u200b[]()<:/", max_size=500))
def test_a_cleaned_text_is_printable_within_the_limit_and_clean_already(text: str) -> None:
    try:
        clean = clean_text(text)
    except AiInvalid:
        return
    if clean is None:
        assert not text.strip()
        return
    assert len(clean) <= 300
    assert unicodedata.is_normalized("NFC", clean)
    assert not any(unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"} for character in clean)
    assert clean_text(clean) == clean
