/* A second program for the network in integers, written apart from npfuse's own: whole planes, sums scattered from the
   inputs, rounding by remainders. It reads plan.txt, which a test makes of manifest.json, and the .bin files of a set of
   vectors; it prints how many numbers were compared and returns 0 where none is wrong. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST 64

struct plane {
    char name[64];
    int rows, columns, channels;
    int64_t *numbers;
};

static struct plane planes[MOST];
static int plane_count, twice;
static const char *folder;

static void fail(const char *what)
{
    fprintf(stderr, "plain: %s\n", what);
    exit(2);
}

/* The numbers of a file of the set, little-endian, of so many bytes. */
static int64_t *numbers_of(const char *stem, long count, int bytes, int is_signed)
{
    char path[4096];
    unsigned char raw[8];
    snprintf(path, sizeof path, "%s/%s.bin", folder, stem);
    FILE *file = fopen(path, "rb");
    int64_t *numbers = malloc((size_t)count * sizeof *numbers);
    if (!file || !numbers)
        fail(path);
    for (long i = 0; i < count; i++) {
        if (fread(raw, 1, (size_t)bytes, file) != (size_t)bytes)
            fail(path);
        int64_t number = 0;
        for (int b = 0; b < bytes; b++)
            number += (int64_t)raw[b] << (8 * b);
        if (is_signed && raw[bytes - 1] > 127)
            number -= (int64_t)1 << (8 * bytes);
        numbers[i] = number;
    }
    if (fread(raw, 1, 1, file))
        fail("a file is longer than the manifest says");
    fclose(file);
    return numbers;
}

static struct plane *plane_named(const char *name)
{
    for (int i = 0; i < plane_count; i++)
        if (!strcmp(planes[i].name, name))
            return &planes[i];
    fail(name);
    return NULL;
}

static struct plane *new_plane(const char *name, int rows, int columns, int channels)
{
    struct plane *p = &planes[plane_count++];
    snprintf(p->name, sizeof p->name, "%s", name);
    p->rows = rows, p->columns = columns, p->channels = channels;
    p->numbers = calloc((size_t)rows * (size_t)columns * (size_t)channels, sizeof *p->numbers);
    if (!p->numbers)
        fail("memory");
    return p;
}

static int64_t *at(struct plane *p, int row, int column)
{
    return p->numbers + ((long)row * p->columns + column) * p->channels;
}

static int64_t power(int bits)
{
    return (int64_t)1 << bits;
}

/* The nearest whole number to x / 2^bits; ties upwards, or away from zero. */
static int64_t nearest(int64_t x, int bits, int away)
{
    int64_t rest = x % power(bits);
    if (rest < 0)
        rest += power(bits);
    int64_t below = (x - rest) / power(bits);
    if (2 * rest == power(bits))
        return away && x < 0 ? below : below + 1;
    return 2 * rest > power(bits) ? below + 1 : below;
}

static int64_t rescaled(int64_t x, int64_t mult, int shift)
{
    if (!twice)
        return nearest(x * mult, shift, 0);
    int left = shift < 31 ? 31 - shift : 0, right = shift > 31 ? shift - 31 : 0;
    return nearest(nearest(x * power(left) * mult, 31, 0), right, 1);
}

static int64_t within(int64_t x, int64_t low, int64_t high)
{
    if (x > high)
        x = high;
    if (x < low)
        x = low;
    return x;
}

static char *word(void)
{
    static char words[8][256];
    static int next;
    char *w = words[next++ % 8];
    if (scanf("%255s", w) != 1)
        fail("the plan ends too early");
    return w;
}

static int whole(void)
{
    return atoi(word());
}

/* Sums become numbers of the layer's format. */
static void finish(struct plane *y, const char *stem, int low, int high, struct plane *v, const char *added)
{
    char path[512];
    snprintf(path, sizeof path, "weights/%s.rescale.mult", stem);
    int64_t *mult = numbers_of(path, y->channels, 4, 1);
    snprintf(path, sizeof path, "weights/%s.rescale.shift", stem);
    int64_t *shift = numbers_of(path, y->channels, 1, 1);
    int64_t *plus_mult = NULL, *plus_shift = NULL;
    if (v) {
        snprintf(path, sizeof path, "weights/%s.mult", added);
        plus_mult = numbers_of(path, y->channels, 4, 1);
        snprintf(path, sizeof path, "weights/%s.shift", added);
        plus_shift = numbers_of(path, y->channels, 1, 1);
    }
    for (int r = 0; r < y->rows; r++)
        for (int k = 0; k < y->columns; k++)
            for (int c = 0; c < y->channels; c++) {
                int64_t sum = at(y, r, k)[c];
                if (v)
                    sum += rescaled(at(v, 0, 0)[c], plus_mult[c], (int)plus_shift[c]);
                if (sum >= power(31) || sum <= -power(31))
                    fail("a sum leaves 32 bits");
                at(y, r, k)[c] = within(rescaled(sum, mult[c], (int)shift[c]), low, high);
            }
    free(mult), free(shift), free(plus_mult), free(plus_shift);
}

static void start(struct plane *y, const char *node, int biased)
{
    char path[512];
    snprintf(path, sizeof path, "weights/%s.bias", node);
    int64_t *bias = biased ? numbers_of(path, y->channels, 4, 1) : NULL;
    for (long i = 0; bias && i < (long)y->rows * y->columns; i++)
        for (int c = 0; c < y->channels; c++)
            y->numbers[i * y->channels + c] = bias[c];
    free(bias);
}

/* kind of a convolution: every input is multiplied with what it meets, and added where that belongs. */
static void convolve(struct plane *x, struct plane *y, const char *node, const char *kind)
{
    char path[512];
    int kh = whole(), kw = whole(), sh = whole(), sw = whole(), dh = whole(), dw = whole(), top = whole(), left = whole();
    int depthwise = !strcmp(kind, "DepthwiseConv2D"), transposed = !strcmp(kind, "Conv2DTranspose");
    long size = (long)kh * kw * x->channels * (depthwise ? 1 : y->channels);
    snprintf(path, sizeof path, "weights/%s.kernel", node);
    int64_t *kernel = numbers_of(path, size, 1, 1);
    for (int h = 0; h < x->rows; h++)
        for (int w = 0; w < x->columns; w++)
            for (int i = 0; i < kh; i++)
                for (int j = 0; j < kw; j++) {
                    int r, c;
                    if (transposed) {
                        r = h * sh + i * dh - top, c = w * sw + j * dw - left;
                    } else {
                        r = h + top - i * dh, c = w + left - j * dw;
                        if (r < 0 || c < 0 || r % sh || c % sw)
                            continue;
                        r /= sh, c /= sw;
                    }
                    if (r < 0 || c < 0 || r >= y->rows || c >= y->columns)
                        continue;
                    for (int a = 0; a < x->channels; a++)
                        for (int b = 0; b < y->channels; b++) {
                            long tap = (long)i * kw + j;
                            if (depthwise && a != b)
                                continue;
                            tap = depthwise    ? tap * x->channels + a
                                  : transposed ? (tap * y->channels + b) * x->channels + a
                                               : (tap * x->channels + a) * y->channels + b;
                            at(y, r, c)[b] += at(x, h, w)[a] * kernel[tap];
                        }
                }
    free(kernel);
}

static void bilinear(struct plane *x, struct plane *y)
{
    int n = y->rows / x->rows;
    for (int r = 0; r < y->rows; r++)
        for (int k = 0; k < y->columns; k++)
            for (int c = 0; c < y->channels; c++) {
                int64_t sum = 0;
                /* every pixel of x weighs what its tent, 2n wide at each side, leaves; those beyond the border too */
                for (int h = -1; h <= x->rows; h++)
                    for (int w = -1; w <= x->columns; w++) {
                        int down = abs((2 * h + 1) * n - (2 * r + 1)), across = abs((2 * w + 1) * n - (2 * k + 1));
                        if (down >= 2 * n || across >= 2 * n)
                            continue;
                        int i = (int)within(h, 0, x->rows - 1), j = (int)within(w, 0, x->columns - 1);
                        sum += (int64_t)(2 * n - down) * (2 * n - across) * at(x, i, j)[c];
                    }
                int bits = 0;
                while (power(bits) < (int64_t)4 * n * n)
                    bits++;
                at(y, r, k)[c] = nearest(sum, bits, 0);
            }
}

static void make_inputs(int rows, int columns, int margin, int tones)
{
    int height = whole(), width = whole(), black[2], white[2];
    for (int i = 0; i < 2; i++)
        black[i] = whole(), white[i] = whole();
    int64_t *pictures[2] = {numbers_of("inputs/under", 3L * height * width, 1, 0),
                            numbers_of("inputs/over", 3L * height * width, 1, 0)};
    struct plane *x = new_plane("exposures", rows, columns, 6);
    (void)margin;
    for (int r = 0; r < rows; r++)
        for (int k = 0; k < columns; k++)
            for (int c = 0; c < 6; c++) {
                long pixel = (long)(r < height ? r : height - 1) * width + (k < width ? k : width - 1);
                int64_t span = white[c / 3] - black[c / 3];
                int64_t twice_it = 2 * 510 * (pictures[c / 3][3 * pixel + c % 3] - black[c / 3]);
                at(x, r, k)[c] = (twice_it + span) / (2 * span) - 255;
            }
    if (tones) {
        struct plane *t = new_plane("thumbnail", 16, 24, 6);
        for (int i = 0; i < 16; i++)
            for (int j = 0; j < 24; j++)
                for (int c = 0; c < 6; c++) {
                    int64_t sum = 0, n = (int64_t)height * width, span;
                    /* each row in 16 parts and each column in 24: a cell has height x width of the small parts */
                    for (int r = i * height; r < (i + 1) * height; r++)
                        for (int k = j * width; k < (j + 1) * width; k++)
                            sum += pictures[c / 3][3 * ((long)(r / 16) * width + k / 24) + c % 3];
                    span = n * (white[c / 3] - black[c / 3]);
                    at(t, i, j)[c] = (4 * 32640 * (sum - n * black[c / 3]) + span) / (2 * span) - 32640;
                }
    }
    free(pictures[0]), free(pictures[1]);
}

int main(int count, char **arguments)
{
    long compared = 0, wrong = 0;
    if (count != 2)
        fail("usage: plain FOLDER < plan.txt");
    folder = arguments[1];
    twice = whole();
    int rows = whole(), columns = whole(), margin = whole(), tones = whole();
    make_inputs(rows, columns, margin, tones);
    for (int left = whole(); left > 0; left--) {
        char kind[64], name[64], node[64];
        snprintf(kind, sizeof kind, "%.63s", word());
        snprintf(name, sizeof name, "%.63s", word());
        snprintf(node, sizeof node, "%.63s", word());
        int h = whole(), w = whole(), c = whole(), low = whole(), high = whole();
        struct plane *x = plane_named(word()), *y = new_plane(name, h, w, c);
        if (!strcmp(kind, "Add")) {
            int terms = whole();
            for (int i = 0; i < terms; i++) {
                struct plane *z = i ? plane_named(word()) : x;
                char path[256];
                snprintf(path, sizeof path, "weights/%s.rescale%d.mult", name, i);
                int64_t *mult = numbers_of(path, 1, 4, 1);
                snprintf(path, sizeof path, "weights/%s.rescale%d.shift", name, i);
                int64_t *shift = numbers_of(path, 1, 1, 1);
                for (long k = 0; k < (long)h * w * c; k++)
                    y->numbers[k] += rescaled(z->numbers[k], *mult, (int)*shift);
                free(mult), free(shift);
            }
            for (long k = 0; k < (long)h * w * c; k++)
                y->numbers[k] = within(y->numbers[k], low, high);
        } else if (!strcmp(kind, "Tanh")) {
            char path[256];
            snprintf(path, sizeof path, "weights/%s.levels", name);
            int64_t *levels = numbers_of(path, 255, 2, 1);
            for (long k = 0; k < (long)h * w * c; k++)
                for (int i = 0; i < 255; i++)
                    y->numbers[k] += x->numbers[k] >= levels[i];
            free(levels);
        } else if (!strcmp(kind, "repeat")) {
            for (int r = 0; r < h; r++)
                for (int k = 0; k < w; k++)
                    memcpy(at(y, r, k), at(x, r / (h / x->rows), k / (w / x->columns)), (size_t)c * sizeof *y->numbers);
        } else if (!strcmp(kind, "bilinear")) {
            bilinear(x, y);
        } else if (!strcmp(kind, "area")) {
            int64_t n = (int64_t)x->rows * x->columns;
            for (int k = 0; k < c; k++) {
                int64_t sum = 0;
                for (int64_t i = 0; i < n; i++)
                    sum += x->numbers[i * c + k];
                int64_t floor_of = 2 * sum + n, rest = floor_of % (2 * n);
                y->numbers[k] = (floor_of - (rest < 0 ? rest + 2 * n : rest)) / (2 * n);
            }
        } else {
            int biased = whole(), plus = whole();
            struct plane *v = plus ? plane_named(word()) : NULL;
            char added[256];
            snprintf(added, sizeof added, "%.63s.added", name);
            start(y, node, biased);
            convolve(x, y, node, kind);
            finish(y, name, low, high, v, added);
        }
    }
    for (int i = 0; i < plane_count; i++) {
        char path[256];
        struct plane *p = &planes[i];
        snprintf(path, sizeof path, "values/%s", p->name);
        long size = (long)p->rows * p->columns * p->channels;
        int bytes = whole(), is_signed = whole();
        int64_t *expected = numbers_of(path, size, bytes, is_signed);
        for (long k = 0; k < size; k++, compared++)
            wrong += expected[k] != p->numbers[k];
        free(expected), free(p->numbers);
    }
    printf("%ld values compared, %ld wrong\n", compared, wrong);
    return wrong != 0;
}
