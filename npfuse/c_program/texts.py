"""The parts of the C program that are the same for every network, except for the words that begin with @."""

HEAD = """\
/* Written by npfuse: see network.h. at_NAME(row, column, y) computes a pixel of the value NAME. */
#include "network.h"
#include "weights.h"

/* Pixels that are repeated beyond the bottom and the right, besides those up to a multiple of 8. */
#define MARGIN @margin
#define MOST_COLUMNS ((NPFUSE_MAX_WIDTH + 7) / 8 * 8 + MARGIN)
#define MOST_ROWS ((NPFUSE_MAX_HEIGHT + 7) / 8 * 8 + MARGIN)

#ifdef NPFUSE_CHECK
#define SEE(value, row, column, numbers) npfuse_see(value, row, column, numbers)
#else
#define SEE(value, row, column, numbers) ((void)(row), (void)(column))
#endif

static int height, width;   /* of the pictures */
static int rows, columns;   /* of the padded pictures */
static int rows_wanted;     /* of the result: all of the padded ones where they are checked */
static int made_result;
static npfuse_take taker;

/* Shifts to the right that round down, whatever the compiler does with negative numbers. */
static int64_t floor_shift64(int64_t x, int bits)
{
    return x >= 0 ? x >> bits : -((-x - 1) >> bits) - 1;
}

"""

FLOOR_SHIFT = """\
static int32_t floor_shift(int32_t x, int bits)
{
    return (int32_t)floor_shift64(x, bits);
}

"""

SINGLE = """\
/* sum * mult / 2^shift, rounded to the nearest, ties upwards. */
static int32_t requantized(int32_t sum, int32_t mult, int shift)
{
    int64_t half = shift > 0 ? (int64_t)1 << (shift - 1) : 0;
    return (int32_t)floor_shift64((int64_t)sum * mult + half, shift);
}

"""

SHIFTS = """\
/* sum / 2^shift, rounded to the nearest, ties upwards; all multipliers are 1. */
static int32_t requantized(int32_t sum, int32_t mult, int shift)
{
    (void)mult;
    return shift > 0 ? floor_shift(sum + ((int32_t)1 << (shift - 1)), shift) : sum;
}

"""

DOUBLE = """\
/* sum * mult / 2^shift by gemmlowp's SaturatingRoundingDoublingHighMul and RoundingDivideByPOT. */
static int32_t requantized(int32_t sum, int32_t mult, int shift)
{
    int left = shift < 31 ? 31 - shift : 0, right = shift > 31 ? shift - 31 : 0;
    int64_t product = (int64_t)sum * ((int64_t)1 << left) * mult;
    int32_t high = (int32_t)((product + (product >= 0 ? 1 << 30 : 1 - (1 << 30))) / ((int64_t)1 << 31));
    int32_t mask = (int32_t)(((int64_t)1 << right) - 1);
    int32_t below = floor_shift(high, right);
    int32_t rest = (int32_t)(high - below * ((int64_t)1 << right));
    return below + (rest > (mask >> 1) + (high < 0));
}

"""

COMMON = """\
static int32_t saturated(int32_t x, int32_t low, int32_t high)
{
    return x < low ? low : x > high ? high : x;
}

static int least(int a, int b)
{
    return a < b ? a : b;
}

"""

QUOTIENT = """\
/* x / n, rounded down. */
static int64_t floor_quotient(int64_t x, int64_t n)
{
    return x >= 0 ? x / n : -((n - 1 - x) / n);
}

"""

FULL_RANGE = """
/* The number that a level of a picture is. */
static int16_t level(uint8_t byte, int picture)
{
    (void)picture;
    return (int16_t)(2 * byte - 255);
}
"""

LEVELS = """
/* The number that a level of a picture is: black becomes -255, white 255. */
static int lowest[2] = {0, 0}, spread[2] = {255, 255};

static int16_t level(uint8_t byte, int picture)
{
    int32_t x = 1020 * (byte - lowest[picture]) + spread[picture];
    return (int16_t)(x / (2 * spread[picture]) - 255); /* x is not negative */
}

void npfuse_levels(int picture, int black, int white)
{
    lowest[picture] = black < white ? black : 0;
    spread[picture] = black < white ? white - black : 255;
}
"""

THUMBNAIL = """\
/* Sums over the pictures, and their means: what a row counts for is how much of it lies in a row of the thumbnail. */
#define CELL_ROWS @height
#define CELL_COLUMNS @width
static uint64_t cells[CELL_ROWS][CELL_COLUMNS][6];
static int row_seen;

static void begin_thumbnail(void)
{
    for (int i = 0; i < CELL_ROWS; i++)
        for (int j = 0; j < CELL_COLUMNS; j++)
            for (int c = 0; c < 6; c++)
                cells[i][j][c] = 0;
    row_seen = 0;
}

/* How many of `parts` parts of a position lie in a cell, of `n` positions. */
static int64_t overlap(int64_t position, int64_t cell, int64_t parts, int64_t n)
{
    int64_t first = position * parts > cell * n ? position * parts : cell * n;
    int64_t last = (position + 1) * parts < (cell + 1) * n ? (position + 1) * parts : (cell + 1) * n;
    return last > first ? last - first : 0;
}

static void add_to_thumbnail(const uint8_t *under, const uint8_t *over)
{
    int64_t top = (int64_t)row_seen * CELL_ROWS / height;
    int64_t bottom = (((int64_t)row_seen + 1) * CELL_ROWS - 1) / height;
    for (int column = 0; column < width; column++) {
        int64_t left = (int64_t)column * CELL_COLUMNS / width;
        int64_t right = (((int64_t)column + 1) * CELL_COLUMNS - 1) / width;
        for (int64_t i = top; i <= bottom; i++)
            for (int64_t j = left; j <= right; j++) {
                uint64_t part = (uint64_t)(overlap(row_seen, i, CELL_ROWS, height) *
                                           overlap(column, j, CELL_COLUMNS, width));
                for (int c = 0; c < 3; c++) {
                    cells[i][j][c] += part * under[3 * column + c];
                    cells[i][j][3 + c] += part * over[3 * column + c];
                }
            }
    }
    row_seen++;
}

static void finish_thumbnail(void)
{
    for (int i = 0; i < CELL_ROWS; i++)
        for (int j = 0; j < CELL_COLUMNS; j++) {
            for (int c = 0; c < 6; c++) {
                int64_t n = (int64_t)height * width, span = n * @span;
                int64_t sum = (int64_t)cells[i][j][c] - n * @low0;
                thumbnail[i][j][c] = (int16_t)((4 * 32640 * sum + span) / (2 * span) - 32640); /* sum is not negative */
            }
            SEE(@number, i, j, thumbnail[i][j]);
        }
}
"""

RESULT = """\
static void make_result(void)
{
    static @type line[MOST_COLUMNS * 3];
#ifdef NPFUSE_CHECK
    int wanted = columns;
#else
    int wanted = width;
#endif
    for (int column = 0; column < wanted; column++)
        at_@result(made_result, column, line + 3 * column);
    if (made_result < height)
        taker(made_result, line);
    made_result++;
}
"""

BEGIN = """\
int npfuse_begin(int picture_height, int picture_width, npfuse_take take)
{
    if (picture_height < 1 || picture_height > NPFUSE_MAX_HEIGHT)
        return -1;
    if (picture_width < 1 || picture_width > NPFUSE_MAX_WIDTH)
        return -1;
    height = picture_height, width = picture_width, taker = take;
    rows = (height + 7) / 8 * 8 + MARGIN, columns = (width + 7) / 8 * 8 + MARGIN;
#ifdef NPFUSE_CHECK
    rows_wanted = rows;
#else
    rows_wanted = height;
#endif
    made_result = 0;
@resets
@begin_thumbnail    return 0;
}

/* Take a row of the pictures; beyond their right edge, the last pixel is repeated. */
static void store_row(const uint8_t *under, const uint8_t *over)
{
    uint8_t *to = row_exposures(made_exposures);
    for (int column = 0; column < columns; column++) {
        int at = 3 * least(column, width - 1);
        for (int c = 0; c < 3; c++) {
            to[6 * column + c] = under[at + c];
            to[6 * column + 3 + c] = over[at + c];
        }
#ifdef NPFUSE_CHECK
        int16_t x[6];
        for (int c = 0; c < 6; c++)
            x[c] = level(to[6 * column + c], c / 3);
        SEE(@number, made_exposures, column, x);
#endif
    }
    made_exposures++;
}

/* Beyond the bottom, the last row is repeated. */
static void repeat_row(void)
{
    const uint8_t *last = row_exposures(made_exposures - 1);
    uint8_t *to = row_exposures(made_exposures);
    for (int i = 0; i < 6 * columns; i++)
        to[i] = last[i];
#ifdef NPFUSE_CHECK
    for (int column = 0; column < columns; column++) {
        int16_t x[6];
        for (int c = 0; c < 6; c++)
            x[c] = level(to[6 * column + c], c / 3);
        SEE(@number, made_exposures, column, x);
    }
#endif
    made_exposures++;
}

"""

RUNNING = """\
void npfuse_row(const uint8_t *under, const uint8_t *over)
{
    store_row(under, over);
    fuse_on();
}

void npfuse_end(void)
{
    while (made_exposures < rows) {
        repeat_row();
        fuse_on();
    }
}
"""

RUNNING_TWICE = """\
void npfuse_look(const uint8_t *under, const uint8_t *over)
{
@thumb    store_row(under, over);
    look_on();
}

void npfuse_looked(void)
{
    while (made_exposures < rows) {
        repeat_row();
        look_on();
    }
@finish    made_exposures = 0;
}

void npfuse_row(const uint8_t *under, const uint8_t *over)
{
    store_row(under, over);
    fuse_on();
}

void npfuse_end(void)
{
    while (made_exposures < rows) {
        repeat_row();
        fuse_on();
    }
}
"""
