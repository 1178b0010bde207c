"""The arithmetic that `npfuse.fuse` really executes for a pair of pictures: `python -m costmodel executed UNDER OVER`.

How much of a chain of pointwise layers has to be evaluated depends on the picture: the compiled code counts it for each
block of 16x16 pixels (`costmodel.executed`). Everything else in the network is executed as `costmodel.counts` counts
it.
"""

from collections.abc import Sequence

from costmodel.counts import LayerCost
from costmodel.executed import Executed
from costmodel.tables import Column, Table, Value, integer


def executed_table(layers: Sequence[LayerCost], done: Executed, title: str) -> Table:
    """Return every layer with multiply-adds, executed beside static.

    Parameters
    ----------
    layers : of the network for the pair's size
    done : what was executed for the pair
    title : of the table

    Returns
    -------
    Table, whose total is the sum of its rows
    """

    def units(key: str, header: str, meaning: str) -> Column:
        return Column(
            key=key, header=header, meaning=meaning, kind="decimal", digits=2, group="undecided units a block"
        )

    columns = (
        Column(key="layer", header="layer", meaning="name of the node"),
        integer("static_macs", "static", "multiply-adds of the whole layer", "MACs"),
        integer("bounding_macs", "bounding", "multiply-adds that bound units over blocks", "executed MACs"),
        integer("folding_macs", "folding", "multiply-adds that fold units that are on", "executed MACs"),
        integer("evaluation_macs", "evaluation", "multiply-adds of what is evaluated pixel by pixel", "executed MACs"),
        integer("executed_macs", "all", "the sum of these", "executed MACs"),
        Column(
            key="share",
            header="of static",
            meaning="executed, a fraction of static",
            kind="percent",
            digits=1,
            group="executed MACs",
        ),
        units("undecided_by_bounds", "by bounds", "units of open sign after bounding, a block, in the mean"),
        units("undecided_by_values", "by values", "units of both signs in a block, in the mean"),
    )
    counted = {layer.name: layer for layer in done.layers}
    tried = max(done.blocks - done.blocks_plain, 1)
    rows: list[tuple[Value, ...]] = []
    sums = [0] * 5
    for layer in layers:
        static, own = layer.work.macs, counted.get(layer.name)
        if own:
            macs = [static, own.bounding_macs, own.folding_macs, own.evaluation_macs, own.macs]
            undecided = (own.undecided_by_bounds / tried, own.undecided_by_values / tried)
            rows.append((layer.name, *macs, own.macs / static, *undecided))
        elif static:
            macs = [static, 0, 0, static, static]
            rows.append((layer.name, *macs, 1.0, None, None))
        else:
            continue
        sums = [total + number for total, number in zip(sums, macs, strict=True)]
    plain = f"{done.blocks_plain:,} of them ({done.blocks_plain / done.blocks:.1%})"
    return Table(
        name="executed",
        title=title,
        columns=columns,
        rows=tuple(rows),
        total=("total", *sums, sums[-1] / sums[0], None, None),
        notes=(
            f"{done.blocks:,} blocks of 16x16 pixels, those at the edges whole; {plain} were evaluated plainly: too "
            "much was undecided.",
            "Means are over the other blocks. Layers outside the chain are executed as they are counted.",
            "Bounding finds which units are surely on or off all over a block. Those that are off are left out; those "
            "that are on are linear, and are folded into the next layer. So a later layer reads the pixel's channels "
            "and all undecided units before it, and may take more than its static count.",
        ),
    )
