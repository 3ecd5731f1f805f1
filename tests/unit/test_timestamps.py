"""Points in time as text: our own form out, RFC 3339 in, nothing that two readers could take for different moments."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sg_coach.timestamps import check_rfc3339, check_utc_text, parse_rfc3339, utc_text

zones = st.builds(timezone, st.timedeltas(timedelta(hours=-23), timedelta(hours=23)))


def test_our_own_form() -> None:
    berlin = timezone(timedelta(hours=1))
    assert utc_text(datetime(2026, 2, 4, 13, 34, 56, 789_999, tzinfo=berlin)) == "2026-02-04T12:34:56.789Z"
    assert utc_text(datetime(1, 1, 1, tzinfo=UTC)) == "0001-01-01T00:00:00.000Z"


@given(st.datetimes(timezones=zones).filter(lambda moment: 2 <= moment.year <= 9998))
def test_what_we_write_we_read_to_the_millisecond(moment: datetime) -> None:
    text = utc_text(moment)
    assert check_utc_text(text) == text
    assert timedelta(0) <= moment - parse_rfc3339(text) < timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-02-04T12:34:56Z", datetime(2026, 2, 4, 12, 34, 56, tzinfo=UTC)),
        ("2026-02-04T12:34:56.5Z", datetime(2026, 2, 4, 12, 34, 56, 500_000, tzinfo=UTC)),
        ("2026-02-04T12:34:56.123456789Z", datetime(2026, 2, 4, 12, 34, 56, 123_456, tzinfo=UTC)),
        ("2026-02-04T12:34:56+00:00", datetime(2026, 2, 4, 12, 34, 56, tzinfo=UTC)),
        ("2026-02-04T12:34:56-00:00", datetime(2026, 2, 4, 12, 34, 56, tzinfo=UTC)),
        ("2026-02-04T12:34:56+05:30", datetime(2026, 2, 4, 7, 4, 56, tzinfo=UTC)),
        ("2024-02-29T00:00:00Z", datetime(2024, 2, 29, tzinfo=UTC)),
        ("1970-01-01T00:00:00Z", datetime(1970, 1, 1, tzinfo=UTC)),
    ],
)
def test_rfc_3339_is_read(text: str, moment: datetime) -> None:
    assert parse_rfc3339(text) == moment
    assert parse_rfc3339(text).tzinfo is UTC
    assert check_rfc3339(text) == text


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("0001-01-01T00:00:00+05:00", datetime.min.replace(tzinfo=UTC)),
        ("9999-12-31T23:59:59-05:00", datetime.max.replace(tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59Z", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_the_ends_of_the_calendar_are_held(text: str, moment: datetime) -> None:
    assert parse_rfc3339(text) == moment


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-02-04",
        "2026-02-04T12:34:56",
        "2026-02-04 12:34:56Z",
        "2026-02-04t12:34:56z",
        "2026-02-04T12:34:56z",
        "2026-02-04T12:34Z",
        "20260204T123456Z",
        "2026-W06-3T12:34:56Z",
        "2026-02-30T12:34:56Z",
        "2026-02-30T12:34:56.789Z",
        "2026-13-01T12:34:56Z",
        "2026-00-01T12:34:56Z",
        "2025-02-29T12:34:56Z",
        "0000-01-01T00:00:00Z",
        "2026-02-04T24:00:00Z",
        "2026-02-04T12:60:00Z",
        "2026-12-31T23:59:60Z",
        "2026-02-04T12:34:56+99:99",
        "2026-02-04T12:34:56+0100",
        "2026-02-04T12:34:56+01",
        "2026-02-04T12:34:56.Z",
        "2026-02-04T12:34:56,5Z",
        "2026-02-04T12:34:56.1234567890Z",
        "2026-02-04T12:34:56Z\n",
        " 2026-02-04T12:34:56Z",
        "٢٠٢٦-02-04T12:34:56Z",
        "12026-02-04T12:34:56Z",
        "-2026-02-04T12:34:56Z",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    for reads in (parse_rfc3339, check_rfc3339, check_utc_text):
        with pytest.raises(ValueError, match="not "):
            reads(text)


@pytest.mark.parametrize(
    "text",
    ["2026-02-04T12:34:56Z", "2026-02-04T12:34:56.78Z", "2026-02-04T12:34:56.7891Z", "2026-02-04T12:34:56.789+00:00"],
)
def test_our_own_form_is_one_form_only(text: str) -> None:
    parse_rfc3339(text)
    with pytest.raises(ValueError, match="not UTC with milliseconds and Z"):
        check_utc_text(text)


@pytest.mark.parametrize("value", [None, 5, 1.5, True, [], b"2026-02-04T12:34:56.789Z"])
def test_only_text_is_a_time(value: object) -> None:
    for check in (check_rfc3339, check_utc_text):
        with pytest.raises(ValueError, match="not "):
            check(value)
