"""Figures: seconds for every size, direction and cipher; rates for the largest file.

Seconds span four orders of magnitude, so their axis is logarithmic; rates are bars, so their axis starts at zero.
secftp and the original system differ in colour (the colour-blind-safe palette of Okabe and Ito) and in shape, and each
mark is labelled with its value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl

mpl.use("agg")

import matplotlib.pyplot as plt
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from bench.peers.directories import size_name
from bench.report.published import CIPHERS, ORIGINAL_BYTES, ORIGINAL_NAMES, ORIGINAL_SECONDS, WAYS, Place

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bench.report.results import Results

BLUE, VERMILION, GREY, INK = "#0072B2", "#D55E00", "#BBBBBB", "#222222"
STYLE: dict[Any, Any] = {
    "font.size": 10,
    "font.family": "DejaVu Sans",  # part of matplotlib, so the figures are the same everywhere
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.edgecolor": GREY,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "ytick.major.size": 0,
    "svg.hashsalt": "secftp",  # reproducible output
    "savefig.dpi": 160,
}
TITLES = {"write": "Writing to the server", "read": "Reading from the server"}
OURS, THEIRS = "secftp, this machine over loopback", "original, as published: its own network and machines"
# Between groups of sizes, in rows.
GAP = 0.9


def seconds_figure(results: Results) -> Figure:
    """Plot all seconds and those of the original system; one panel per direction."""
    with plt.rc_context(STYLE):
        figure, panels = plt.subplots(1, 2, sharey=True, figsize=(11, 5.6))
        figure.subplots_adjust(left=0.14, right=0.98, top=0.80, bottom=0.19, wspace=0.06)
        for axes, way in zip(panels, WAYS, strict=True):
            _seconds_panel(axes, results, way)
        _label_rows(panels[0], results)
        _head(figure, "Seconds to move a file, including startup: lower is better")
        _legend(figure, ("o", BLUE, OURS), ("D", VERMILION, THEIRS))
        _foot(figure, results)
    return figure


def rates_figure(results: Results) -> Figure:
    """Plot the MB/s of the largest file; one panel per direction."""
    size = results.sizes[-1]
    with plt.rc_context(STYLE):
        figure, panels = plt.subplots(1, 2, sharex=True, sharey=True, figsize=(11, 4.2))
        figure.subplots_adjust(left=0.14, right=0.98, top=0.74, bottom=0.25, wspace=0.06)
        for axes, way in zip(panels, WAYS, strict=True):
            _rates_panel(axes, results, size, way)
        panels[0].set_xlim(0, panels[0].get_xlim()[1] * 1.1)
        _head(figure, f"Rate of a {size_name(size)} file, whole process: higher is better")
        _legend(figure, ("s", BLUE, OURS), ("s", VERMILION, THEIRS))
        _foot(figure, results)
    return figure


def row_positions(sizes: list[int]) -> dict[tuple[int, str], float]:
    """Return the vertical position of each size and cipher, in groups from the top."""
    rows = [(size, cipher) for size in sizes for cipher in CIPHERS]
    return {row: number + GAP * (number // len(CIPHERS)) for number, row in enumerate(rows)}


def _seconds_panel(axes: Axes, results: Results, way: str) -> None:
    positions = row_positions(results.sizes)
    for (size, cipher), y in positions.items():
        place = Place(size, way, cipher)
        ours, theirs = results.median(place), ORIGINAL_SECONDS.get(place)
        if theirs is not None:
            axes.plot([ours, theirs], [y, y], color=GREY, linewidth=1.2, zorder=1)
            axes.plot(theirs, y, "D", color=VERMILION, markerfacecolor="white", markeredgewidth=1.6, markersize=6.5)
            _beside(axes, theirs, y, left=theirs < ours, colour=VERMILION)
        axes.plot(ours, y, "o", color=BLUE, markersize=7.5)
        _beside(axes, ours, y, left=theirs is None or ours <= theirs, colour=BLUE)
    everything = [*ORIGINAL_SECONDS.values(), *map(results.median, results.seconds)]
    axes.set_xscale("log")
    axes.set_xlim(min(everything) / 3.2, max(everything) * 3.2)
    axes.set_ylim(max(positions.values()) + 0.7, -0.7)
    axes.xaxis.set_major_locator(LogLocator(10))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g} s"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(axis="x", color="#E6E6E6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_title(TITLES[way], loc="left", fontsize=11, fontweight="bold")
    axes.set_xlabel("seconds (logarithmic)")


def _beside(axes: Axes, value: float, y: float, *, left: bool, colour: str) -> None:
    axes.annotate(
        three_digits(value),
        (value, y),
        xytext=(-8 if left else 8, 0),
        textcoords="offset points",
        ha="right" if left else "left",
        va="center",
        fontsize=9,
        color=colour,
    )


def three_digits(value: float) -> str:
    """Format a value with three significant digits: 0.113, 1.07, 40.5, 946."""
    digits = next((digits for digits, limit in ((3, 1), (2, 10), (1, 100)) if value < limit), 0)
    return f"{value:.{digits}f}"


def _label_rows(axes: Axes, results: Results) -> None:
    positions = row_positions(results.sizes)
    axes.set_yticks(list(positions.values()), [cipher for _, cipher in positions])
    for size in results.sizes:
        middle = positions[size, CIPHERS[1]]
        _beside_rows(axes, size_name(size), middle, 7, INK, "bold")
        if size in ORIGINAL_NAMES:
            _beside_rows(axes, f"({ORIGINAL_NAMES[size]})", middle, -8, VERMILION, "normal")


def _beside_rows(axes: Axes, text: str, y: float, offset: int, colour: str, weight: str) -> None:
    axes.annotate(
        text,
        (0, y),
        xycoords=axes.get_yaxis_transform(),
        xytext=(-66, offset),
        textcoords="offset points",
        ha="right",
        va="center",
        color=colour,
        fontweight=weight,
    )


def _rates_panel(axes: Axes, results: Results, size: int, way: str) -> None:
    for number, cipher in enumerate(CIPHERS):
        place = Place(size, way, cipher)
        bars = [(results.rate(place), BLUE, "", number - 0.2)]
        if place in ORIGINAL_SECONDS:
            theirs = ORIGINAL_BYTES[size] / ORIGINAL_SECONDS[place] / 1e6
            bars.append((theirs, VERMILION, "////", number + 0.2))
        for value, colour, hatch, y in bars:
            axes.barh(y, value, height=0.36, color="white" if hatch else colour, edgecolor=colour, hatch=hatch)
            axes.annotate(
                three_digits(value),
                (value, y),
                xytext=(5, 0),
                textcoords="offset points",
                va="center",
                fontsize=9,
                color=colour,
            )
    axes.set_yticks(range(len(CIPHERS)), CIPHERS)
    axes.set_ylim(len(CIPHERS) - 0.45, -0.55)
    axes.grid(axis="x", color="#E6E6E6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_title(TITLES[way], loc="left", fontsize=11, fontweight="bold")
    axes.set_xlabel("MB/s (10⁶ bytes a second)")


def _head(figure: Figure, title: str) -> None:
    figure.text(0.02, 0.985, title, fontsize=14, fontweight="bold", va="top")


def _legend(figure: Figure, *entries: tuple[str, str, str]) -> None:
    handles = [
        Line2D(
            [],
            [],
            marker=marker,
            linestyle="",
            color=colour,
            markerfacecolor=colour if colour == BLUE else "white",
            markeredgewidth=1.6,
            markersize=8,
            label=text,
        )
        for marker, colour, text in entries
    ]
    height = figure.get_size_inches()[1]
    figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(0.008, 1 - 0.36 / height),
        ncols=len(entries),
        frameon=False,
        handletextpad=0.2,
    )


def _foot(figure: Figure, results: Results) -> None:
    facts = results.facts
    lines = [
        f"{facts['Processor']} ({facts['Features']})",
        f"{facts['System']}; {facts['libcrypto']}; Python {facts['Python']}; secftp {facts['secftp']}; {facts['Date']}",
    ]
    figure.text(0.02, 0.02, "\n".join(lines), fontsize=8, color="#555555", va="bottom", linespacing=1.4)
