"""Arithmetic and page of the report; the figures need matplotlib and are inspected by eye."""

from __future__ import annotations

import re

import pytest

from bench.report import results
from bench.report.page import inline_svg, page
from bench.report.published import CIPHERS, ORIGINAL_SECONDS, SIZES, WAYS, Place

FACTS = {"Processor": "<fast> & new, 2 cores", "Date": "2030-01-01"}
SVG = """<?xml version="1.0"?>
<!DOCTYPE svg>
<svg xmlns="http://www.w3.org/2000/svg">
<defs><path id="p1"/></defs><use xlink:href="#p1"/><g clip-path="url(#p1)"/></svg>
"""


@pytest.fixture
def measured():
    places = [Place(size, way, cipher) for size in SIZES for way in WAYS for cipher in CIPHERS]
    return results.Results({place: [0.5, 2.0, 0.25] for place in places}, FACTS)


def test_the_original_has_a_figure_for_every_place():
    assert len(ORIGINAL_SECONDS) == len(SIZES) * len(WAYS) * len(CIPHERS)
    assert ORIGINAL_SECONDS[Place(1 << 30, "write", "aes128")] == 40.503
    assert ORIGINAL_SECONDS[Place(1 << 10, "read", "none")] == 0.101


def test_rows_have_ours_with_their_spread_and_the_originals(measured):
    rows = results.rows(measured)
    assert [row[:2] for row in rows[:3]] == [("1 KiB", "write"), ("1 KiB", "read"), ("1 MiB", "write")]
    assert rows[-1] == ("1 GiB", "read", *["0.500 (0.250 to 2.000)"] * 3, "40.148", "69.836", "75.398")
    assert all(len(row) == len(results.HEADER) for row in rows)


def test_a_size_that_the_original_has_not_gets_dashes():
    place = Place(1 << 26, "write", "none")
    seconds = {place._replace(way=way, cipher=cipher): [1.0] for way in WAYS for cipher in CIPHERS}
    assert results.rows(results.Results(seconds, FACTS))[0][-3:] == ("-", "-", "-")


def test_rates_are_decimal_and_of_the_median(measured):
    assert measured.rate(Place(1 << 30, "write", "none")) == pytest.approx(2147.48, abs=0.01)


def test_the_method_tells_the_number_of_runs(measured):
    assert "3 runs of 1 KiB, 3 runs of 1 MiB, 3 runs of 1 GiB" in results.method(measured)


def test_pictures_in_one_page_share_no_id():
    inlined = inline_svg(SVG, "rates")
    assert inlined.startswith("<svg")
    assert inlined.endswith("</svg>")
    assert re.findall(r"#([\w-]+)", inlined) == ["rates-p1", "rates-p1"]
    assert 'id="rates-p1"' in inlined


def test_the_page_stands_alone(measured):
    text = page(measured, {"seconds": SVG, "rates": SVG})
    assert text.startswith("<!doctype html>")
    assert not re.search(r"""(src|href)=["'](?!#)""", text.replace('xlink:href="#', ""))
    assert "&lt;fast&gt; &amp; new, 2 cores" in text
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids)) == 2
    assert text.count('<td class="theirs">') == 18
