"""A chain of pointwise convolutions with ReLU, evaluated exactly, with little arithmetic where pixels are alike.

Such a chain is a ReLU network of the channels of one pixel, and neighbouring pixels are alike: over a block of 16x16
pixels the sign of most hidden units is the same everywhere. For each block and layer:

1. Every unit is bounded over the block (`npfuse.fast.region_bounds`), with a margin for all roundings. A unit that is
   surely negative is off: it is left out. One that is surely positive is on: it is linear, and is folded into the next
   layer's coefficients. Only the others, the undecided, are evaluated at every pixel (`npfuse.fast.dense_layer`); what
   they are found to be, off or on at all pixels, decides some of them too.
2. The next layer's pre-activations then are sums over a basis: the pixel's features, the constant 1, and the undecided
   units of the layers before. Their coefficients are
       sum over the units that are on of (coefficients of the unit) x (its weights),
   and for each undecided unit its own weights. In the first hidden layer the sum is updated from one block to the next
   by the few units that changed, and made anew after as many updates as there are units, so that roundings do not pile
   up.

The features of three channels R, G, B are R + G + B, R - G and G - B: pictures vary along the first. Where too much is
undecided (noise), and where a value is not finite or might overflow, the block is evaluated plainly. Nothing is
guessed, for any weights and pixels: the result is the chain's up to roundings, which are relative to a pixel's largest
channel times a unit's largest weights (in the chain itself: to the largest product).

Blocks lie on a grid that does not depend on how a picture is cut up, if only the `origin` of each part is given, and
are visited in groups that do not either: so neither do results.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from npfuse.fast.compiled import bias_or_zeros, compiled, contiguous
from npfuse.fast.dense_layer import BLOCK, SIDE, dense_layer
from npfuse.fast.region_bounds import block_box, block_range, relax, unit_bounds

GROUP = 4  # blocks along a side of the group in which coefficients are updated
GROUP_SIDE = SIDE * GROUP

OFF, ON, UNDECIDED = 0, 1, 2

Layer = tuple[NDArray[Any], NDArray[Any] | None, bool]


def pixel_mlp(x: NDArray[Any], layers: Sequence[Layer], *, origin: tuple[int, int] = (0, 0)) -> NDArray[Any]:
    """Apply pointwise convolutions one after another at every pixel.

    Parameters
    ----------
    x : ndarray (N, H, W, Cin), float32 or float64
    layers : (kernel (Ci, Co), bias (Co,) or None, whether ReLU follows), each of the dtype of x
    origin : (row, column) of the first pixel in the picture that x is a part of; where parts meet on multiples of
        GROUP_SIDE of the picture, its pixels get the same values in every part

    Returns
    -------
    ndarray (N, H, W, Cout), dtype of x

    Raises
    ------
    ValueError : no layers, or channels that do not follow from one another
    TypeError : dtypes differ, or are neither float32 nor float64

    Notes
    -----
    Equals `pointwise_conv2d` and `relu` in turn. Cost: N*H*W*sum(Ci*Co) MACs and the bounds where
    nothing can be decided, far less where pixels are alike; `bench/bench_pixel_mlp.py` measures both.

    Examples
    --------
    >>> x = np.array([[[[1.0, -2.0]]]])
    >>> pixel_mlp(x, [(np.eye(2), None, True), (np.array([[3.0], [5.0]]), np.array([1.0]), False)])
    array([[[[4.]]]])
    """
    if not layers:
        raise ValueError("pixel_mlp: number of layers is 0, expected at least 1")
    widths = [x.shape[3]]
    arrays: list[NDArray[Any]] = []
    for i, (kernel, bias, _) in enumerate(layers):
        features = kernel.shape[-1]
        if kernel.shape != (widths[-1], features) or (bias is not None and bias.shape != (features,)):
            shapes = f"{kernel.shape} and {None if bias is None else bias.shape}"
            raise ValueError(f"pixel_mlp: layer {i} has kernel and bias {shapes}, expected Cin of {widths[-1]}")
        widths.append(features)
        arrays += [kernel, bias_or_zeros(bias, features, kernel.dtype)]
    pixels, *arrays = contiguous("pixel_mlp", x, *arrays)
    out = np.empty((*x.shape[:3], widths[-1]), x.dtype)
    if not out.size:
        return out
    first = _kernel_of_features(arrays[0])
    margins, limit = _margins(first, arrays)
    chain = _Chain(
        first=first,
        # All weights in one vector, layer by layer, so that one compilation serves every chain.
        packed=np.concatenate([array.reshape(-1) for array in arrays]),
        widths=np.array(widths),
        rectify=np.array([rectified for *_, rectified in layers]),
        margins=margins,
        limit=limit,
    )
    _pixel_mlp(pixels, chain, np.array(origin), _scratch(widths, x.dtype), out)
    return out


class _Chain(NamedTuple):
    """What is evaluated: weights, widths (Cin, C1, …, Cout), where ReLU follows, and the margins of all units."""

    first: Any  # (Cin, C1): the first kernel, of the features
    packed: Any
    widths: Any
    rectify: Any
    margins: Any  # (2, C1 + C2 + …): see _margins
    limit: Any  # on a block's largest feature


class _Scratch(NamedTuple):
    """Memory to work in, and what is kept from block to block; "basis" is features, then undecided units."""

    basis: Any  # (basis, BLOCK): values at the block's pixels
    values: Any  # (widest, BLOCK): of one layer
    others: Any  # (widest, BLOCK): of another, where a block is evaluated plainly
    slope: Any  # (features,): the block's box, as in region_bounds
    centre: Any
    radius: Any
    coefficients: Any  # (basis + 1, widest): of this layer's pre-activations; features, constant, undecided units
    following: Any  # (basis + 1, widest): of the next layer's
    folded: Any  # (features + 1, C2): the next layer's in the first, of the units that were on in the last block
    was_on: Any  # (C1,): which these are
    relaxation: Any  # (basis, features + 3): as in region_bounds
    linear: Any  # (features + 3, widest)
    lower: Any  # (widest,)
    upper: Any
    status: Any  # (widest,): OFF, ON or UNDECIDED
    undecided: Any  # (widest,): which these are
    given_up: Any  # (1,): with how many undecided units in the first layer a block of the group was last given up
    kernel: Any  # (basis * (widest + 4),): coefficients of the undecided units, gathered
    bias: Any  # (widest + 4,)


def _scratch(widths: list[int], dtype: Any) -> _Scratch:
    features, widest, basis = widths[0], max(widths) + 3, sum(widths) + 4

    def zeros(*shape: int) -> NDArray[Any]:
        return np.zeros(shape, dtype)

    return _Scratch(
        basis=zeros(basis, BLOCK),
        values=zeros(widest, BLOCK),
        others=zeros(widest, BLOCK),
        slope=zeros(features),
        centre=zeros(features),
        radius=zeros(features),
        coefficients=zeros(basis + 1, widest),
        following=zeros(basis + 1, widest),
        folded=zeros(features + 1, widths[min(2, len(widths) - 1)]),
        was_on=np.zeros(widths[1], np.bool_),
        relaxation=zeros(basis, features + 3),
        linear=zeros(features + 3, widest),
        lower=zeros(widest),
        upper=zeros(widest),
        status=np.zeros(widest, np.int64),
        undecided=np.zeros(widest, np.int64),
        given_up=np.zeros(1, np.int64),
        kernel=zeros(basis * widest),
        bias=zeros(widest),
    )


def _kernel_of_features(kernel: NDArray[Any]) -> NDArray[Any]:
    """Return the first kernel's coefficients of the features: R + G + B, R - G, G - B for every three channels."""
    if kernel.shape[0] % 3:
        return kernel
    red, green, blue = np.moveaxis(kernel.reshape(-1, 3, kernel.shape[1]), 1, 0)
    with np.errstate(over="ignore", invalid="ignore"):  # where this overflows, blocks are evaluated plainly
        features = [(red + green + blue) / 3, (2 * red - green - blue) / 3, (red + green - 2 * blue) / 3]
    result: NDArray[Any] = np.stack(features, axis=1).reshape(kernel.shape).astype(kernel.dtype)
    return result


def _margins(first: NDArray[Any], arrays: list[NDArray[Any]]) -> tuple[NDArray[Any], float]:
    """Return how far the computed pre-activation of each unit, or a bound of it, may be off, in a block.

    A sum of n products is off by at most n eps times the sum of their absolute values (Higham 2002, section 3.1). Those
    are bounded by running the chain on absolute values; n counts all additions on a path, those of the updates too.

    Parameters
    ----------
    first : ndarray (Cin, C1), the first kernel, of the features
    arrays : kernel, bias, kernel, bias, …

    Returns
    -------
    ndarray (2, C1 + C2 + … + Cout) : the margin is the first row times the block's largest feature, plus the second
    float : the largest feature for which nothing overflows; negative where the weights overflow by themselves
    """
    dtype = first.dtype
    # (2, units): the part that grows with the largest feature, and the part that does not
    reach = np.stack([np.ones(len(first)), np.zeros(len(first))])
    additions = 16
    margins, largest_reach = [], np.ones(2)
    with np.errstate(over="ignore", invalid="ignore"):
        for kernel, bias in zip([first, *arrays[2::2]], arrays[1::2], strict=True):
            reach = reach @ np.abs(kernel).astype(np.float64)
            reach[1] += np.abs(bias)
            additions += 3 * kernel.shape[0] + 16
            margins.append(additions * float(np.finfo(dtype).eps) * reach)
            largest_reach = np.maximum(largest_reach, reach.max(axis=1))
        room = float(np.finfo(dtype).max) / 16 - largest_reach[1]
        limit = room / largest_reach[0] if np.isfinite(largest_reach).all() else -1.0
        return np.concatenate(margins, axis=1).astype(dtype), float(limit)


@compiled
def _pixel_mlp(x: Any, chain: Any, origin: Any, scratch: Any, out: Any) -> None:
    """Visit the blocks, group by group."""
    batch, height, width, _ = x.shape
    for n in range(batch):
        for top in range(-(origin[0] % GROUP_SIDE), height, GROUP_SIDE):
            for left in range(-(origin[1] % GROUP_SIDE), width, GROUP_SIDE):
                updates = np.int64(-1)  # nothing is folded yet; not a literal, for which all would be compiled again
                scratch.given_up[0] = chain.widths[1] + 1
                for block in range(GROUP * GROUP):
                    row, column = top + block // GROUP * SIDE, left + block % GROUP * SIDE
                    first, end = max(row, 0), min(row + SIDE, height)
                    start, stop = max(column, 0), min(column + SIDE, width)
                    if first < end and start < stop:
                        updates = _block(
                            x[n, first:end, start:stop], chain, scratch, updates, out[n, first:end, start:stop]
                        )


@compiled
def _block(x: Any, chain: Any, scratch: Any, updates: Any, out: Any) -> Any:
    """Evaluate a block, x (<= SIDE, <= SIDE, Cin); return how often the folded coefficients have been updated."""
    widths, rectify, packed = chain.widths, chain.rectify, chain.packed
    depth, features = len(rectify), widths[0]
    if depth == 1:
        _evaluate_plainly(x, chain, scratch, out)
        return updates
    _load(x, scratch.basis)
    _make_features(features, scratch.basis)
    pivot, largest = block_box(scratch.basis, features, scratch.slope, scratch.centre, scratch.radius)
    if not largest <= chain.limit:
        _evaluate_plainly(x, chain, scratch, out)
        return updates
    plain_cost = 0
    for layer in range(depth):
        plain_cost += widths[layer] * widths[layer + 1]
    coefficients, following = scratch.coefficients, scratch.following
    for o in range(widths[1]):
        for c in range(features):
            coefficients[c, o] = chain.first[c, o]
        coefficients[features, o] = packed[features * widths[1] + o]
    used = cost = margin_at = first_undecided = np.int64(0)  # not a literal, see _pixel_mlp
    at = (features + 1) * widths[1]  # of the next layer's weights
    for layer in range(depth - 1):
        units, outputs = widths[layer + 1], widths[layer + 2]
        margins = chain.margins[:, margin_at : margin_at + units]
        undecided = _decide(coefficients, features, used, units, rectify[layer], margins, largest, pivot, scratch)
        cost += undecided * (features + used)
        if layer == 0:
            first_undecided = undecided
            if undecided >= scratch.given_up[0]:
                _evaluate_plainly(x, chain, scratch, out)
                return updates
        if 10 * cost > 9 * plain_cost:
            scratch.given_up[0] = first_undecided
            _evaluate_plainly(x, chain, scratch, out)
            return updates
        _evaluate(coefficients, features, used, undecided, scratch)
        kept = _decide_by_values(features, used, undecided, scratch)
        kernel = packed[at : at + units * outputs].reshape(units, outputs)
        bias = packed[at + units * outputs : at + (units + 1) * outputs]
        if layer == 0:
            updates = _update(coefficients, features, units, kernel, bias, updates, scratch)
            for c in range(features + 1):
                for o in range(outputs):
                    following[c, o] = scratch.folded[c, o]
        else:
            _fold(coefficients, features + 1 + used, units, kernel, bias, features, scratch, following)
        for i in range(kept):
            weights = kernel[scratch.undecided[i]]
            row = following[features + 1 + used + i]
            for o in range(outputs):
                row[o] = weights[o]
        used += kept
        coefficients, following = following, coefficients
        at += (units + 1) * outputs
        margin_at += units
    outputs = widths[depth]
    for o in range(outputs):
        scratch.undecided[o] = o
    rows = _gather(coefficients, features, used, outputs, scratch)
    kernel = scratch.kernel[: rows * _fours(outputs)].reshape(rows, _fours(outputs))
    dense_layer(scratch.basis, rows, kernel, scratch.bias, rectify[depth - 1], scratch.values)
    _store(scratch.values, out)
    return updates


@compiled
def _fours(count: Any) -> Any:
    return (count + 3) // 4 * 4


@compiled
def _load(x: Any, basis: Any) -> None:
    """Take a block's pixels apart into channels, a row each; what a part of a block lacks repeats its first pixel."""
    height, width, channels = x.shape
    count = height * width
    for h in range(height):
        for w in range(width):
            for c in range(channels):
                basis[c, h * width + w] = x[h, w, c]
    for c in range(channels):
        for p in range(count, BLOCK):
            basis[c, p] = basis[c, 0]


@compiled
def _make_features(channels: Any, basis: Any) -> None:
    """Turn channels into features."""
    if channels % 3 == 0:
        for c in range(0, channels, 3):
            f0, f1, f2 = basis[c], basis[c + 1], basis[c + 2]
            for p in range(BLOCK):
                red, green, blue = f0[p], f1[p], f2[p]
                f0[p] = red + green + blue
                f1[p] = red - green
                f2[p] = green - blue


@compiled
def _store(values: Any, out: Any) -> None:
    height, width, channels = out.shape
    for h in range(height):
        for w in range(width):
            for c in range(channels):
                out[h, w, c] = values[c, h * width + w]


@compiled
def _evaluate_plainly(x: Any, chain: Any, scratch: Any, out: Any) -> None:
    """Evaluate all layers of a block at every pixel."""
    _load(x, scratch.basis)
    at = 0
    source, target, other = scratch.basis, scratch.values, scratch.others
    for layer in range(len(chain.rectify)):
        inputs, outputs = chain.widths[layer], chain.widths[layer + 1]
        kernel = chain.packed[at : at + inputs * outputs].reshape(inputs, outputs)
        at += inputs * outputs
        dense_layer(source, inputs, kernel, chain.packed[at : at + outputs], chain.rectify[layer], target)
        at += outputs
        source, target, other = target, other, target
    _store(source, out)


@compiled
def _decide(
    coefficients: Any,
    features: Any,
    used: Any,
    units: Any,
    rectified: Any,
    margins: Any,
    largest: Any,
    pivot: Any,
    scratch: Any,
) -> Any:
    """Set the status of a layer's units by their bounds, list the undecided ones and return how many they are."""
    status, undecided, lower, upper = scratch.status, scratch.undecided, scratch.lower, scratch.upper
    if not rectified:
        for o in range(units):
            status[o] = ON
        return 0
    unit_bounds(
        coefficients,
        features,
        used,
        units,
        scratch.relaxation,
        pivot,
        scratch.slope,
        scratch.centre,
        scratch.radius,
        scratch.linear,
        lower,
        upper,
    )
    count = 0
    for o in range(units):
        margin = margins[0, o] * largest + margins[1, o]
        if upper[o] + margin <= 0:
            status[o] = OFF
        elif lower[o] - margin >= 0:
            status[o] = ON
        else:  # a bound that is NaN or infinite ends here too
            status[o] = UNDECIDED
            undecided[count] = o
            count += 1
    return count


@compiled
def _gather(coefficients: Any, features: Any, used: Any, count: Any, scratch: Any) -> Any:
    """Gather the coefficients of the listed units as a layer over the basis; return its number of rows."""
    columns, rows = _fours(count), features + used
    kernel = scratch.kernel[: rows * columns].reshape(rows, columns)
    for i in range(count):
        o = scratch.undecided[i]
        for c in range(features):
            kernel[c, i] = coefficients[c, o]
        for c in range(used):
            kernel[features + c, i] = coefficients[features + 1 + c, o]
        scratch.bias[i] = coefficients[features, o]
    for i in range(count, columns):
        for c in range(rows):
            kernel[c, i] = 0
        scratch.bias[i] = 0
    return rows


@compiled
def _evaluate(coefficients: Any, features: Any, used: Any, count: Any, scratch: Any) -> None:
    """Evaluate the pre-activations of the undecided units at every pixel."""
    if count:
        rows = _gather(coefficients, features, used, count, scratch)
        kernel = scratch.kernel[: rows * _fours(count)].reshape(rows, _fours(count))
        dense_layer(scratch.basis, rows, kernel, scratch.bias, False, scratch.values)


@compiled
def _decide_by_values(features: Any, used: Any, count: Any, scratch: Any) -> Any:
    """Decide undecided units whose values have one sign; the others join the basis. Return how many these are."""
    kept, nothing = 0, scratch.basis.dtype.type(0)
    for i in range(count):
        o, values = scratch.undecided[i], scratch.values[i]
        low, high = block_range(values, values, nothing)
        if high <= 0:
            scratch.status[o] = OFF
        elif low >= 0:
            scratch.status[o] = ON
        else:
            relax(o, low, high, features, scratch.linear, scratch.relaxation[used + kept])
            unit = scratch.basis[features + used + kept]
            for p in range(BLOCK):
                unit[p] = 0 if values[p] < 0 else values[p]
            scratch.undecided[kept] = o
            kept += 1
    return kept


@compiled
def _update(coefficients: Any, features: Any, units: Any, kernel: Any, bias: Any, updates: Any, scratch: Any) -> Any:
    """Bring the folded coefficients from the last block's units to this block's; return how often they were updated."""
    folded, was_on, status = scratch.folded, scratch.was_on, scratch.status
    anew = updates < 0 or updates > units
    if anew:
        updates = np.int64(0)
        for o in range(kernel.shape[1]):
            for c in range(features):
                folded[c, o] = 0
            folded[features, o] = bias[o]
    for j in range(units):
        is_on = status[j] == ON
        before = was_on[j] and not anew
        was_on[j] = is_on
        if is_on != before:
            updates += 0 if anew else 1
            for c in range(features + 1):
                share, row, weights = coefficients[c, j], folded[c], kernel[j]
                share = share if is_on else -share
                for o in range(kernel.shape[1]):
                    row[o] += share * weights[o]
    return updates


@compiled
def _fold(
    coefficients: Any, rows: Any, units: Any, kernel: Any, bias: Any, features: Any, scratch: Any, following: Any
) -> None:
    """Write the next layer's coefficients of the basis so far: the sum over the units that are on."""
    outputs = kernel.shape[1]
    column = scratch.others.reshape(-1)  # one unit's coefficients, side by side
    total = scratch.kernel
    for i in range(outputs * rows):
        total[i] = 0
    for j in range(units):
        if scratch.status[j] == ON:
            for c in range(rows):
                column[c] = coefficients[c, j]
            for o in range(outputs):
                weight, row = kernel[j, o], total[o * rows : (o + 1) * rows]
                for c in range(rows):
                    row[c] += weight * column[c]
    for o in range(outputs):
        for c in range(rows):
            following[c, o] = total[o * rows + c]
        following[features, o] += bias[o]
