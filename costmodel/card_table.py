"""The last row of Table III, "Ours (GPU)": published, predicted from data sheets, and measured where someone has."""

from collections.abc import Sequence

from costmodel.cards import CARDS, CardMeasurement, measurements, predicted_on_card
from costmodel.published import GPU_TIME, PAPER
from costmodel.report import machine_notes
from costmodel.tables import Column, Table, Value
from npfuse.models import build

COMMAND = "python -m bench.gpu --record"
NOT_MEASURED = "not measured"


def card_table(height: int, width: int, measured: Sequence[CardMeasurement] | None = None) -> Table:
    """Return the row of Table III, one row per card.

    Parameters
    ----------
    height, width : of the pictures
    measured : on cards; those that are kept in `costmodel/cards.json` unless given
    """
    known = measurements() if measured is None else tuple(measured)
    here = [m for m in known if (m.model, m.height, m.width) == ("lightfuse", height, width)]

    def milliseconds(key: str, header: str, meaning: str, group: str) -> Column:
        return Column(key=key, header=header, meaning=meaning, kind="decimal", digits=2, group=group)

    columns = (
        Column(key="method", header="method", meaning="row of Table III"),
        Column(key="card", header="card", meaning="name of the graphics card"),
        milliseconds("published_ms", "published", "running time in ms as printed", ""),
        milliseconds("predicted_ms", "predicted", "ms of both kernels, from the card's data sheet", "kernels ms"),
        milliseconds("measured_ms", "measured", "ms of all kernels, median", "kernels ms"),
        milliseconds(
            "predicted_fuse_ms", "predicted", "ms with the transfers, from the data sheet", "with transfers ms"
        ),
        milliseconds("measured_fuse_ms", "measured", "ms of npfuse.fuse, median", "with transfers ms"),
        Column(
            key="measured", header="measured", meaning="when and of which commit it was measured, or that it was not"
        ),
    )
    graph = build("lightfuse", -(-height // 8) * 8, -(-width // 8) * 8)
    rows: list[tuple[Value, ...]] = []
    for name, card in CARDS.items():
        time = predicted_on_card(graph, card)
        published = 1000 * GPU_TIME.seconds if name == GPU_TIME.card else None
        own = [m for m in here if name.replace("SXM", "").strip() in m.card]
        for found in (*own,) or (None,):
            rows.append(_row(name if found is None else found.card, published, time.kernels_s, time.fuse_s, found))
    named = {row[1] for row in rows}
    rows += [_row(found.card, None, None, None, found) for found in here if found.card not in named]
    return Table(
        name="cards",
        title=f'Table III of {PAPER}, the row "{GPU_TIME.row}": a pair of {height}x{width} pictures on a graphics card',
        columns=columns,
        rows=tuple(rows),
        notes=(
            f"Published: {GPU_TIME.where}.",
            "Predicted: what the kernels of npfuse.cuda execute, at the data sheet's peak; starting them is left out.",
            f"Measured: by `{COMMAND}`, on a machine with such a card.",
            *(note for card in CARDS.values() for note in machine_notes(card.machine)[:-1]),
        ),
    )


def _row(
    name: str, published: float | None, kernels_s: float | None, fuse_s: float | None, found: CardMeasurement | None
) -> tuple[Value, ...]:
    return (
        GPU_TIME.row,
        name,
        published,
        None if kernels_s is None else 1000 * kernels_s,
        None if found is None else 1000 * found.kernels_s,
        None if fuse_s is None else 1000 * fuse_s,
        None if found is None else 1000 * found.fuse_s,
        NOT_MEASURED if found is None else f"{found.date}, {found.commit[:12]}",
    )
