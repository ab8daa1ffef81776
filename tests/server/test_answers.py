import math

import pytest

from server.answers import Answer, age_s, rounded, shown, usd, utc


@pytest.mark.parametrize(
    ("value", "digits"),
    [
        (31_234_567_890.0, 31_235_000_000.0),
        (0.000123456, 0.00012346),
        (0.0, 0.0),
        (None, None),
        (math.nan, None),
        (math.inf, None),
    ],
)
def test_numbers_keep_five_digits_and_unknown_stays_unknown(value: float | None, digits: float | None) -> None:
    assert rounded(value) == digits


def test_zero_is_shown_as_zero_and_unknown_as_a_dash() -> None:
    assert (shown(0.0), shown(0), shown(None), shown(12.5), shown(3e10)) == ("0", "0", "-", "12.5", "30000000000")
    assert (shown(True), shown(2906527.588), shown(6.9e-05)) == ("true", "2906527.588", "6.9e-05")


def test_a_whole_number_comes_without_its_point() -> None:
    assert [repr(rounded(x)) for x in (24_983_041_000.0, 91_077.4, -0.0, 0.25)] == ["24983000000", "91077", "0", "0.25"]


def test_less_than_a_cent_is_nothing() -> None:
    assert (usd(-1.6e-06), usd(0.016), usd(-271_944_321.7), usd(None), usd(math.nan)) == (
        0,
        0.02,
        -271_940_000,
        None,
        None,
    )


def test_times_are_utc_with_an_age() -> None:
    assert utc(1_763_766_035_123) == "2025-11-21T23:00:35Z"
    assert (age_s(10_000, 8_450), age_s(10_000, None), age_s(10_000, 10_500)) == (1.6, None, 0.0)


def test_an_answer_that_says_an_unknown_word_is_refused() -> None:
    with pytest.raises(ValueError, match="sumary"):
        Answer.model_validate({"sumary": "", "summary": "", "as_of": "", "simulated": False})
