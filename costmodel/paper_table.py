"""Table III of the LightFuse paper: FLOPs, parameters and running times, printed, counted and predicted."""

from fractions import Fraction

from costmodel.cards import CARDS, predicted_on_card
from costmodel.conventions import Convention
from costmodel.counts import GraphCost, count
from costmodel.machine import MACHINES, predicted_s
from costmodel.published import (
    CPU_TIME,
    FLOPS_CONVENTION,
    GPU_TIME,
    PAPER,
    RATIOS,
    RUNTIME_RATIOS,
    SMALL_HIDDEN,
    SMALL_NAME,
    SMALL_RATIO,
    TABLE_3,
    Reading,
)
from costmodel.report import Subject
from costmodel.tables import Column, Table, Value, decimal, integer
from npfuse.models import build
from npfuse.padding import on_grid

LAPTOP = "i7-8565u"  # of the paper
CURRENT_CARD = "H100 SXM"


def table_3(convention: Convention) -> Table:
    """Return the paper's Table III, published beside counted."""
    rate = f"{convention.unit}/pixel"
    published, counted_by = "printed", "counted"
    whole = convention.name == FLOPS_CONVENTION
    columns = (
        Column(key="method", header="method", meaning="name of the method"),
        integer("flops_published", published, "FLOPs per pixel as printed", "FLOPs/pixel"),
        decimal(
            "amount_counted", counted_by, f"{rate} under the convention {convention.name}", 0 if whole else 1, rate
        ),
        integer("parameters_published", published, "parameters as printed", "parameters"),
        integer("parameters_counted", "counted", "parameters of the network that the paper counts", "parameters"),
        Column(
            key="ratio_published",
            header=published,
            meaning="times LightFuse's, as printed, of FLOPs and of parameters",
            kind="general",
            group="x LightFuse",
        ),
        decimal("amount_ratio", convention.unit, f"{rate} counted, times LightFuse's", 2, "x LightFuse"),
        decimal("parameters_ratio", "params", "parameters counted, times LightFuse's", 2, "x LightFuse"),
    )
    counted = [_paper_counts(p.model, p.flops_per_pixel, p.parameters) for p in TABLE_3]
    amounts = [cost.per_pixel(convention) for cost, _ in counted]
    small = count(build("lightfuse", _HEIGHT, _WIDTH, hidden=SMALL_HIDDEN))
    rows: list[tuple[Value, ...]] = []
    notes = [f"{convention.name}: {convention.sentence}."]
    if convention.name != FLOPS_CONVENTION:
        notes.append(f"The published FLOPs follow the convention {FLOPS_CONVENTION}.")
    for method, amount, (_, parameters) in zip(TABLE_3, amounts, counted, strict=True):
        flops, size = method.flops_per_pixel, method.parameters
        rows.append(
            (
                method.name,
                flops.value if flops else None,
                _number(amount),
                size.value if size else None,
                parameters,
                next((ratio.value for ratio in RATIOS if ratio.method == method.name), None),
                float(amount / amounts[0]),
                parameters / counted[0][1],
            )
        )
        if flops and size:
            notes.append(f"{method.name}, FLOPs: {flops.footnote}. Parameters: {size.footnote}.")
        else:
            notes.append(f"{method.name}: {_without_row(method.name)}.")
    ours = (SMALL_NAME, None, _number(small.per_pixel(convention)), None, small.parameters, None)
    rows.insert(1, (*ours, float(small.per_pixel(convention) / amounts[0]), small.parameters / counted[0][1]))
    notes += _where_ratios_come_from(small.parameters)
    return Table(
        name="table_3",
        title=f"Table III of {PAPER}: published and counted",
        columns=columns,
        rows=tuple(rows),
        notes=tuple(notes),
    )


def _where_ratios_come_from(small: int) -> list[str]:
    """Return what each printed ratio divides, with the smaller network's parameters."""
    flops = {method.name: method.flops_per_pixel for method in TABLE_3}
    sizes = {method.name: method.parameters for method in TABLE_3}
    notes = []
    for ratio in RATIOS:
        divided = [
            f"{theirs[ratio.method].value:,} / {theirs['LightFuse'].value:,} = "  # type: ignore[union-attr]
            f"{theirs[ratio.method].value / theirs['LightFuse'].value:.2f} ({what})"  # type: ignore[union-attr]
            for what, theirs in (("FLOPs", flops), ("parameters", sizes))
        ]
        notes.append(f"{ratio.value:g} ({ratio.where}): {ratio.method} to LightFuse, {' and '.join(divided)}.")
    mefnet = sizes[SMALL_RATIO.method]
    assert mefnet is not None
    notes.append(
        f"{SMALL_RATIO.value:g} ({SMALL_RATIO.where}): {SMALL_RATIO.method} to {SMALL_NAME}, whose weights the authors "
        f"publish: {mefnet.value:,} / {small:,} = {mefnet.value / small:.1f} parameters. Of 306.2, printed beside it, "
        f"no network counted here is the other end: {sizes['DeepFuse'].value:,} / {small:,} "  # type: ignore[union-attr]
        f"is {sizes['DeepFuse'].value / small:.0f}."  # type: ignore[union-attr]
    )
    notes.append(
        "1.2 to 1.6, which the paper prints too: of none of these. Of the quotients above only those to MEF-Net lie "
        "there, and those are printed as 1.4; no network, size or time that is known here gives both ends."
    )
    return notes


def _without_row(name: str) -> str:
    """Return why the paper prints nothing about a method."""
    return next(row.difference for row in TABLE_3 if row.name == name)


# Per pixel, costs of networks do not depend on the size as long as it is a multiple of 8; Mertens' pyramids, which have
# a level more for every doubling, differ in the third digit.
_HEIGHT, _WIDTH = 64, 96


def _paper_counts(model: str, flops: Reading | None, parameters: Reading | None) -> tuple[GraphCost, int]:
    """Return the cost of the network whose FLOPs the paper counts, and the parameters that it counts for those."""
    graphs = [
        build(model, _HEIGHT, _WIDTH, **(reading.arguments if reading else {})) for reading in (flops, parameters)
    ]
    return count(graphs[0]), count(graphs[1]).parameters


def _number(amount: Fraction) -> int | float:
    """Return a whole number as such."""
    return int(amount) if amount.denominator == 1 else float(amount)


def times_table(subjects: list[Subject], height: int, width: int) -> Table:
    """Return the running times of Table III, printed and predicted.

    Parameters
    ----------
    subjects : what really runs of each method
    height, width : of the pictures
    """
    laptop = MACHINES[LAPTOP]
    cards = (GPU_TIME.card, CURRENT_CARD)
    columns = (
        Column(key="row", header="row", meaning="row of the table, or method"),
        Column(
            key="published_s",
            header="printed",
            meaning="seconds as printed, or the printed ratio times LightFuse's",
            kind="general",
            group="seconds",
        ),
        decimal(
            "laptop_s", laptop.name, f"least seconds of the graph, op by op, on the paper's {laptop.name}", 4, "seconds"
        ),
        Column(
            key="published_ratio",
            header="printed",
            meaning="times LightFuse's running time, as printed",
            kind="general",
            group="x LightFuse",
        ),
        decimal("laptop_ratio", laptop.name, "least seconds of the graph, times LightFuse's", 2, "x LightFuse"),
        *(
            decimal(
                f"{'printed' if card == GPU_TIME.card else 'current'}_card_ms",
                card,
                f"ms on an {card}, both kernels of npfuse.cuda",
                2,
                "ms",
            )
            for card in cards
        ),
    )
    ratios = {ratio.method: ratio.value for ratio in RUNTIME_RATIOS}
    least = {subject.name: subject.runs * predicted_s(subject.steps, laptop) for subject in subjects}
    ours = least["LightFuse"]
    rows: list[tuple[Value, ...]] = [("Ours (CPU)", CPU_TIME, ours, None, 1.0, None, None)]
    rows.append(("Ours (GPU)", GPU_TIME.seconds, None, None, None, *_on_cards("lightfuse", height, width)))
    for subject in subjects:
        if subject.name in ratios:
            ratio = ratios[subject.name]
            mine = least[subject.name]
            rows.append((subject.name, ratio * CPU_TIME, mine, ratio, mine / ours, None, None))
    grid_rows, grid_columns = on_grid(height, width)
    small = build("lightfuse", grid_rows, grid_columns, hidden=SMALL_HIDDEN)
    alone = Subject(name=SMALL_NAME, graph=small, runs=1, height=height, width=width)
    mine = predicted_s(alone.steps, laptop)
    rows.append((SMALL_NAME, None, mine, None, mine / ours, *_on_cards("lightfuse", height, width, SMALL_HIDDEN)))
    pixels = round(CPU_TIME / ours * height * width)
    side = round((pixels / 1.5) ** 0.5)
    return Table(
        name="table_3_times",
        title=f"Table III of {PAPER}: running times, for a pair of {height}x{width} pictures",
        columns=columns,
        rows=tuple(rows),
        notes=(
            "The paper does not tell the size of its pictures. "
            f"{CPU_TIME} s is the least time of {pixels:,} pixels on the {laptop.name} (some {side}x{side * 3 // 2}): "
            "at base clock, on four cores, operator by operator through memory. Larger pictures take longer at least.",
            *(
                f"{ratio.value:g}: {ratio.where}; {ratio.method}'s least time is {least[ratio.method] / ours:.2g} "
                "times LightFuse's: the rest is the authors' programs."
                for ratio in RUNTIME_RATIOS
            ),
            "Seconds printed of other methods are their ratios times Ours (CPU).",
            f"Ours (GPU): {GPU_TIME.seconds * 1000:g} ms printed, of a {GPU_TIME.card}; predicted from data sheets, "
            "the pictures being on the card, without starting the kernels.",
            "Measured here: `python -m costmodel report --measure`.",
        ),
    )


def _on_cards(model: str, height: int, width: int, hidden: tuple[int, ...] | None = None) -> list[float]:
    """Return the predicted ms on both cards."""
    rows, columns = on_grid(height, width)
    graph = build(model, rows, columns, hidden=hidden) if hidden else build(model, rows, columns)
    return [1e3 * predicted_on_card(graph, CARDS[card]).kernels_s for card in (GPU_TIME.card, CURRENT_CARD)]
