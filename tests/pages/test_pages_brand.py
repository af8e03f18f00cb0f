"""The installation's colour is made legible on both grounds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.web import brand

COLOURS = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")


@given(COLOURS)
def test_any_colour_becomes_readable(colour):
    for ground in (brand.LIGHT, brand.DARK):
        shade = brand.legible(colour, ground)
        assert brand.contrast(shade, ground) >= brand.TEXT_CONTRAST
        assert brand.contrast(shade, brand.ink(shade)) >= brand.TEXT_CONTRAST


def test_a_readable_colour_is_left_alone():
    assert brand.legible("#1F5FD6", brand.LIGHT) == "#1f5fd6"


def test_contrast_is_that_of_wcag():
    assert brand.contrast("#000000", "#ffffff") == pytest.approx(21)
    assert brand.contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
