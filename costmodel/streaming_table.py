"""The tables of `python -m costmodel report --streaming`: line buffers by layer, and whether and how fast it would run.

Energy is counted by level. Registers: two operands and a sum for every multiply-add, at the energy of one 16-bit
multiply-add each (Chen, Emer and Sze, ISCA 2016: a register file costs about what arithmetic costs). SRAM: the
operands, fetched once in `reuse` multiply-adds, and every number of a line buffer once written and once read. DRAM: the
pictures and the result. Energies of arithmetic, SRAM and DRAM are those of `costmodel.energy`.
"""

from costmodel.energy import DRAM_PJ_PER_BYTE, PRECISIONS
from costmodel.machine import Machine
from costmodel.streaming import Streaming
from costmodel.tables import Column, Table, Value, decimal, integer

REUSE = 16  # multiply-adds for each operand that is fetched from SRAM
REGISTER_PJ = 0.2 + 0.1  # of an access: as an 8-bit multiplication and addition
SRAM_PJ_PER_BYTE = ((32 << 10, 20 / 8), (1 << 20, 100 / 8))  # ISSCC 2014: up to a size, of 64 bits at a time


def streaming_table(found: Streaming, title: str) -> Table:
    """Return a row for each value: the rows kept, line buffers, multiply-adds a pixel, and weights.

    Parameters
    ----------
    found : of the network
    title : of the table

    Returns
    -------
    Table, whose total is the sum of its rows
    """
    columns = (
        Column(key="layer", header="layer", meaning="name of the picture or node"),
        Column(key="operator", header="operator", meaning="class of npfuse.ops, or input"),
        integer("rows", "rows", "rows of the value that are kept at once", "line buffer"),
        integer("width", "width", "numbers of a row and channel", "line buffer"),
        integer("channels", "channels", "channels of the value", "line buffer"),
        integer("int8_bytes", "int8 B", "bytes where numbers have 8 bits", "line buffer"),
        integer("int16_bytes", "int16 B", "bytes where numbers have 16 bits, pictures 8", "line buffer"),
        Column(
            key="macs_per_pixel",
            header="MACs/pixel",
            meaning="multiply-adds for a pixel of the pictures; at one pixel a cycle, the multipliers busy",
            kind="decimal",
            digits=3,
        ),
        integer("weights_bytes", "weights B", "bytes of 8-bit kernels, 32-bit biases, multipliers and shifts"),
    )
    rows: list[tuple[Value, ...]] = [
        (
            value.name,
            value.operator,
            value.rows,
            value.width,
            value.channels,
            *value.buffer_bytes,
            float(value.macs_per_pixel),
            value.integer_bytes,
        )
        for value in found.values
    ]
    total: tuple[Value, ...] = (
        "total",
        *(None,) * 4,
        *found.buffer_bytes,
        float(found.macs_per_pixel),
        found.integer_bytes - found.table_bytes,
    )
    notes = [
        "Rows: kept at once, each from when it is made until the last row that reads it is made; 0 where the next "
        "layer reads a row as it comes.",
        f"A row of the result is made when {found.delay} rows have arrived, counted from that row; the values of the "
        f"pixel at work, at most {found.widest} a layer, come on top.",
    ]
    if found.table_bytes:
        notes.append(f"Tables: {found.table_bytes:,} bytes for tanh, the least sum of each level.")
    if found.once:
        notes.append(f"Once for a picture, from what is known before its first row: {', '.join(found.once)}.")
    return Table(name="streaming", title=title, columns=columns, rows=tuple(rows), total=total, notes=tuple(notes))


def hardware_table(found: Streaming, machine: Machine | None, reuse: int, title: str) -> Table:
    """Return a row for each arithmetic: memory, cycles or time, accesses and energy, and whether it fits.

    Parameters
    ----------
    found : of the network
    machine : whose capacities and rates are compared, or None
    reuse : multiply-adds for each operand that is fetched from SRAM, at least 1
    title : of the table

    Returns
    -------
    Table

    Raises
    ------
    ValueError : `reuse` is below 1
    """
    if reuse < 1:
        raise ValueError(f"reuse is {reuse}, expected at least 1 multiply-add for each operand from SRAM")
    columns = [
        Column(key="arithmetic", header="arithmetic", meaning="bits of a number"),
        integer("ram_bytes", "RAM B", "bytes of line buffers and of one pixel's values"),
        integer("flash_bytes", "flash B", "bytes of weights, requantisation and tables"),
        integer("register_accesses", "registers", "accesses of registers for one picture", "accesses"),
        integer("sram_bytes", "SRAM B", "bytes read and written in SRAM for one picture", "accesses"),
        integer("dram_bytes", "DRAM B", "bytes of pictures and result", "accesses"),
        decimal("energy_least_mj", "least", "least mJ for one picture", 2, "mJ"),
        decimal("energy_most_mj", "most", "most mJ for one picture", 2, "mJ"),
    ]
    notes = [
        f"Accesses: registers, 3 a multiply-add; SRAM, 2 operands in {reuse} multiply-adds (--reuse) and the line "
        "buffers once each way; DRAM, 6 bytes a pixel in and 3 out. Energy: arithmetic and SRAM of Horowitz, ISSCC "
        "2014, registers as one multiply-add (Chen, Emer and Sze, ISCA 2016); an estimate for comparing.",
    ]
    if machine:
        columns += [
            decimal("time_ms", "ms", f"least ms for one picture at {machine.name}'s integer rate", 2, ""),
            Column(key="fits", header="fits", meaning=f"whether RAM and flash of {machine.name} are enough"),
        ]
        notes.append(f"{machine.name}: {machine.description}.")
        notes += [f"Source: {source}." for source in machine.sources]
        if machine.ram_bytes is None:
            notes.append(f"{machine.name}: no capacity is known; a .toml file may give ram_bytes and flash_bytes.")
    rows = [_hardware(found, machine, reuse, index) for index in (0, 1)]
    return Table(name="hardware", title=title, columns=tuple(columns), rows=tuple(rows), notes=tuple(notes))


def _hardware(found: Streaming, machine: Machine | None, reuse: int, index: int) -> tuple[Value, ...]:
    """Return the row of 8-bit (index 0) or 16-bit (index 1) arithmetic."""
    number = (1, 2)[index]
    ram = found.buffer_bytes[index] + 2 * found.widest * number  # a layer's input and output
    flash = found.integer_bytes
    pixels = found.height * found.width
    macs = int(found.macs_per_pixel * pixels)
    written = sum(
        value.channels * value.width * value.bits[index] // 8 * _rows_in_all(found, value.width)
        for value in found.values
        if value.rows
    )
    sram = 2 * macs * number // reuse + 2 * written
    dram = 9 * pixels
    sram_pj = next((pj for size, pj in SRAM_PJ_PER_BYTE if ram <= size), SRAM_PJ_PER_BYTE[-1][1])
    precision = PRECISIONS["int8"]  # of the multiplier; 16-bit numbers take two such products
    arithmetic = macs * (precision.multiply_pj * number + precision.add_pj)
    inner = (arithmetic + 3 * macs * REGISTER_PJ + sram * sram_pj) / 1e9
    energies = tuple(inner + dram * pj / 1e9 for pj in DRAM_PJ_PER_BYTE)
    row: tuple[Value, ...] = (f"int{8 * number}", ram, flash, 3 * macs, sram, dram, *energies)
    if machine is None:
        return row
    rate = (machine.int8_gmacs, machine.int16_gmacs)[index]
    return (*row, None if rate is None else macs / rate / 1e6, _fits(machine, ram, flash))


def _rows_in_all(found: Streaming, width: int) -> int:
    """Return the rows of a value of a width: the network halves both directions alike."""
    return -(-found.height * width // found.width)


def _fits(machine: Machine, ram: int, flash: int) -> str | None:
    """Return "yes", or what is too small, or None where nothing is known."""
    short = []
    for name, needed, there in (("RAM", ram, machine.ram_bytes), ("flash", flash, machine.flash_bytes)):
        if there is not None and needed > there:
            short.append(f"{name} {needed:,} of {there:,}")
    if short:
        return f"no: {'; '.join(short)}"
    return None if machine.ram_bytes is None and machine.flash_bytes is None else "yes"
