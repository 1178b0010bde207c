"""Writes the program that checks the generated one: it compares every number with the files of a set of vectors.

It runs on the machine that compiles it (`make check`), or on a Cortex-M7 that QEMU emulates (`make check-m7`), which
reads the files through the debugger's interface (semihosting).
"""

from npfuse.c_program.headers import value_names
from npfuse.c_program.streams import Stream
from npfuse.vectors.vector_set import VectorSet


def values_header(stream: Stream, vectors: VectorSet) -> str:
    """Return `npfuse_values.h`: the sizes of the pictures, and of every value that is compared."""
    size = vectors.manifest["size"]
    entries = {entry["name"]: entry for entry in vectors.manifest["values"]}
    lines = [
        "/* Written by npfuse: what the program is compared with. */",
        f"#define HEIGHT {size['height']}",
        f"#define WIDTH {size['width']}",
        "struct value {",
        "    const char *file;",
        "    int rows, columns, channels, bytes, is_signed;",
        "};",
        "static const struct value values[] = {",
    ]
    pixels = size_in_bytes = 0
    for name in value_names(stream):
        rows, columns, channels = entries[name]["shape"]
        form = stream.network.formats[name]
        numbers = f"{rows}, {columns}, {channels}, {form.bits // 8}, {int(form.signed)}"
        lines.append(f'    {{"{entries[name]["file"]}.bin", {numbers}}},')
        pixels += rows * columns
        size_in_bytes += rows * columns * channels * form.bits // 8
    lines += ["};", "/* Of all values together. */", f"#define PIXELS {pixels}", f"#define BYTES {size_in_bytes}\n"]
    return "\n".join(lines)


CHECK = """\
/* Runs the program of network.c on the pictures of a set of vectors, and compares every number that it computes with
   the files. Prints how many were compared; returns 0 where all were, and none is wrong. */
#include "network.h"
#include "npfuse_values.h"
#include <stdio.h>
#include <stdlib.h>

#define COUNT ((int)(sizeof values / sizeof values[0]))

static unsigned char expected[BYTES]; /* the files, one after the other */
static unsigned char seen[PIXELS];
static long first_byte[COUNT], first_pixel[COUNT], compared[COUNT], wrong[COUNT];
static int rows_taken;

static FILE *opened(const char *folder, const char *name)
{
    static char path[4096];
    FILE *file;
    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path || !(file = fopen(path, "rb"))) {
        fprintf(stderr, "%s: cannot be opened\\n", path);
        exit(2);
    }
    return file;
}

static void load(const char *folder)
{
    long byte = 0, pixel = 0;
    for (int k = 0; k < COUNT; k++) {
        long pixels = (long)values[k].rows * values[k].columns;
        size_t size = (size_t)pixels * (size_t)(values[k].channels * values[k].bytes);
        FILE *file = opened(folder, values[k].file);
        if (fread(expected + byte, 1, size, file) != size || fgetc(file) != EOF) {
            fprintf(stderr, "%s: not of the size that npfuse_values.h says\\n", values[k].file);
            exit(2);
        }
        fclose(file);
        first_byte[k] = byte, first_pixel[k] = pixel;
        byte += (long)size, pixel += pixels;
    }
}

/* A little-endian number of a file. */
static long number_in(const unsigned char *bytes, int count, int is_signed)
{
    long number = 0;
    for (int i = count; i-- > 0;)
        number = number * 256 + bytes[i];
    return is_signed && bytes[count - 1] >= 128 ? number - (1L << (8 * count)) : number;
}

static long number_at(const void *numbers, int i, const struct value *value)
{
    if (value->bytes == 1)
        return ((const uint8_t *)numbers)[i];
    return ((const int16_t *)numbers)[i];
}

void npfuse_see(int k, int row, int column, const void *numbers)
{
    const struct value *value = &values[k];
    long pixel = (long)row * value->columns + column;
    if (row < 0 || row >= value->rows || column < 0 || column >= value->columns) {
        fprintf(stderr, "%s: no pixel %d, %d\\n", value->file, row, column);
        exit(2);
    }
    const unsigned char *bytes = expected + first_byte[k] + pixel * value->channels * value->bytes;
    int first = !seen[first_pixel[k] + pixel];
    seen[first_pixel[k] + pixel] = 1;
    for (int i = 0; i < value->channels; i++) {
        long right = number_in(bytes + i * value->bytes, value->bytes, value->is_signed);
        long actual = number_at(numbers, i, value);
        compared[k] += first;
        if (actual != right && wrong[k]++ == 0)
            printf("%s: row %d, column %d, channel %d is %ld, expected %ld\\n", value->file, row, column, i, actual,
                   right);
    }
}

static void take(int row, const uint8_t *rgb)
{
    (void)rgb; /* npfuse_see has seen it */
    rows_taken += row == rows_taken;
}

static void read_row(FILE *file, uint8_t *row)
{
    if (fread(row, 3, WIDTH, file) != WIDTH) {
        fprintf(stderr, "a picture ends too early\\n");
        exit(2);
    }
}

int main(int count, char **arguments)
{
    static uint8_t under[3 * WIDTH], over[3 * WIDTH];
    const char *folder = count > 1 ? arguments[1] : "..";
    FILE *pictures[2] = {opened(folder, "inputs/under.bin"), opened(folder, "inputs/over.bin")};
    long all = 0, whole = 0, faults = 0;
    load(folder);
@levels    if (npfuse_begin(HEIGHT, WIDTH, take)) {
        fprintf(stderr, "the pictures are too large: compile with a larger NPFUSE_MAX_WIDTH and NPFUSE_MAX_HEIGHT\\n");
        return 2;
    }
    for (int pass = 1; pass <= NPFUSE_PASSES; pass++) {
        rewind(pictures[0]);
        rewind(pictures[1]);
        for (int row = 0; row < HEIGHT; row++) {
            read_row(pictures[0], under);
            read_row(pictures[1], over);
@look
        }
@looked
    }
    for (int k = 0; k < COUNT; k++) {
        long size = (long)values[k].rows * values[k].columns * values[k].channels;
        printf("%-36s %9ld of %9ld values compared, %ld wrong\\n", values[k].file, compared[k], size, wrong[k]);
        all += compared[k], whole += size, faults += wrong[k];
    }
    printf("%ld of %ld values compared, %ld wrong; %d of %d rows of the result\\n", all, whole, faults, rows_taken,
           HEIGHT);
    return all != whole || faults || rows_taken != HEIGHT;
}
"""

MAKEFILE = """\
# make check: compares every value of every layer with the vectors in the folder above.
# make check-m7: the same on an emulated Cortex-M7; needs gcc-arm-none-eabi, libnewlib-arm-none-eabi, qemu-system-arm.
# make size: flash (text) and RAM (bss), here or with CC="$(M7)".
CC = cc
M7 = arm-none-eabi-gcc -mcpu=cortex-m7 -mthumb
CFLAGS = -std=c99 -O2 -Wall -Wextra
WIDTH = 640
HEIGHT = 400

check: npfuse_check
\t./npfuse_check ..

check-m7: npfuse_check_m7
\tqemu-system-arm -M mps2-an500 -nographic -monitor none -serial none \\
\t    -semihosting-config enable=on,target=native,arg=check,arg=.. -kernel npfuse_check_m7

CHECKED = network.c check.c network.h weights.h npfuse_values.h
CHECK_FLAGS = -DNPFUSE_CHECK -DNPFUSE_MAX_WIDTH=@width -DNPFUSE_MAX_HEIGHT=@height

npfuse_check: $(CHECKED)
\t$(CC) $(CFLAGS) $(CHECK_FLAGS) -o $@ network.c check.c

npfuse_check_m7: $(CHECKED) cortex_m.c
\t$(M7) $(CFLAGS) $(CHECK_FLAGS) --specs=rdimon.specs -Wl,--section-start=.vectors=0 -o $@ \\
\t    network.c check.c cortex_m.c

network.o: network.c network.h weights.h
\t$(CC) $(CFLAGS) -DNPFUSE_MAX_WIDTH=$(WIDTH) -DNPFUSE_MAX_HEIGHT=$(HEIGHT) -c -o $@ network.c

size: network.o
\tsize network.o

clean:
\trm -f npfuse_check npfuse_check_m7 network.o

.PHONY: check check-m7 size clean
"""

CORTEX_M = """\
/* Where a Cortex-M looks for its stack and for the program's start, at address 0. */
extern void _start(void);

__attribute__((section(".vectors"), used)) static void *const vectors[] = {(void *)0x400000, (void *)_start};
"""


def check_program(stream: Stream, levels: list[tuple[int, int]] | None) -> str:
    """Return `check.c`."""
    look = "            npfuse_row(under, over);"
    looked = "        npfuse_end();"
    if stream.passes == 2:
        look = (
            "            if (pass == 1)\n                npfuse_look(under, over);\n            else\n"
            "                npfuse_row(under, over);"
        )
        looked = "        if (pass == 1)\n            npfuse_looked();\n        else\n            npfuse_end();"
    own = "".join(f"    npfuse_levels({i}, {black}, {white});\n" for i, (black, white) in enumerate(levels or []))
    return CHECK.replace("@levels", own).replace("@looked", looked).replace("@look", look)


def makefile(vectors: VectorSet) -> str:
    """Return `Makefile`."""
    size = vectors.manifest["size"]
    return MAKEFILE.replace("@width", str(size["width"])).replace("@height", str(size["height"]))
