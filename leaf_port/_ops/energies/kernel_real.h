/* Transforms, energies and gradients of WIDTH blocks and one channel in one precision, `REAL`.
 * `half` says which blocks of a group: the first or the second half in double precision. */
#define R(name) EXPANDED(EXPANDED(name, PRECISION), LEVEL)
#define ALWAYS static inline __attribute__((always_inline))

typedef REAL R(Vector) __attribute__((vector_size(WIDTH * sizeof(REAL)), aligned(WIDTH * sizeof(REAL))));
typedef struct {
    R(Vector) re, im;
} R(Complex);
typedef REAL R(Real);

ALWAYS R(Complex) R(times)(R(Complex) a, REAL re, REAL im) {
    return (R(Complex)){a.re * re - a.im * im, a.re * im + a.im * re};
}
ALWAYS R(Complex) R(plus)(R(Complex) a, R(Complex) b) { return (R(Complex)){a.re + b.re, a.im + b.im}; }
ALWAYS R(Complex) R(minus)(R(Complex) a, R(Complex) b) { return (R(Complex)){a.re - b.re, a.im - b.im}; }

/* Butterfly of radix 4; `sign` 1 for the inverse transform, -1 for the forward one. */
ALWAYS void R(butterfly)(int sign, R(Complex) a, R(Complex) b, R(Complex) c, R(Complex) d, R(Complex) z[4]) {
    R(Complex) even = R(plus)(a, c), odd = R(minus)(a, c), sum = R(plus)(b, d), rest = R(minus)(b, d);
    R(Complex) turned = {-rest.im, rest.re};
    z[0] = R(plus)(even, sum);
    z[2] = R(minus)(even, sum);
    z[1] = sign > 0 ? R(plus)(odd, turned) : R(minus)(odd, turned);
    z[3] = sign > 0 ? R(minus)(odd, turned) : R(plus)(odd, turned);
}

/* Stockham's transform from a stage of `n` points and stride `s` on; the result stands in *from. */
ALWAYS void R(stages)(int sign, int n, int s, R(Complex) **from, R(Complex) **to, const REAL *w) {
    R(Complex) *x = *from, *y = *to, *swap, z[4];
    for (; n >= 4; n /= 4, s *= 4) {
        const int quarter = n / 4;
        for (int p = 0; p < quarter; p++) {
            const R(Complex) *at = x + (size_t)s * p;
            const size_t step = (size_t)s * quarter;
            R(Complex) *out = y + (size_t)s * 4 * p;
            const REAL *wp = w + 6 * p;
            if (p == 0)
                for (int q = 0; q < s; q++) {
                    R(butterfly)(sign, at[q], at[q + step], at[q + 2 * step], at[q + 3 * step], z);
                    for (int k = 0; k < 4; k++) out[q + k * s] = z[k];
                }
            else
                for (int q = 0; q < s; q++) {
                    R(butterfly)(sign, at[q], at[q + step], at[q + 2 * step], at[q + 3 * step], z);
                    out[q] = z[0];
                    out[q + s] = R(times)(z[1], wp[0], sign * wp[1]);
                    out[q + 2 * s] = R(times)(z[2], wp[2], sign * wp[3]);
                    out[q + 3 * s] = R(times)(z[3], wp[4], sign * wp[5]);
                }
        }
        w += 6 * quarter;
        swap = x, x = y, y = swap;
    }
    if (n == 2) {
        for (int q = 0; q < s; q++) {
            y[q] = R(plus)(x[q], x[q + s]);
            y[q + s] = R(minus)(x[q], x[q + s]);
        }
        swap = x, x = y, y = swap;
    }
    *from = x;
    *to = y;
}

static const REAL *R(twiddles)(int points) { return EXPANDED(twiddle, PRECISION)[log2_of(points)]; }

#define OF_PRECISION(name) (sizeof(REAL) == sizeof(float) ? (const void *)job->name##_f : (const void *)job->name)

/* The filtered block: the transform back of spectrum times filter, `points` points. The first stage
 * multiplies as it loads; bins beyond the band are zero. */
static R(Complex) *R(filtered)(const Job *job, const R(Complex) *x, int channel, int points, int first, int width,
                               R(Complex) *a, R(Complex) *b) {
    const REAL *h = (const REAL *)OF_PRECISION(spectrum) + 2 * (size_t)channel * job->size, *w = R(twiddles)(points);
    const int quarter = points / 4, last = job->size - 1;
    const R(Complex) zero = {{0}, {0}};
    R(Complex) *from = a, *to = b, z[4];
#define BIN(k) R(times)(x[(first + (k)) & last], h[2 * ((first + (k)) & last)], h[2 * ((first + (k)) & last) + 1])
    for (int p = 0; p < quarter; p++) {
        const REAL *wp = w + 6 * p;
        if (width == points)
            R(butterfly)(1, BIN(p), BIN(p + quarter), BIN(p + 2 * quarter), BIN(p + 3 * quarter), z);
        else /* at most half of the points */
            R(butterfly)(1, p < width ? BIN(p) : zero, p + quarter < width ? BIN(p + quarter) : zero, zero, zero, z);
        a[4 * p] = z[0];
        a[4 * p + 1] = R(times)(z[1], wp[0], wp[1]);
        a[4 * p + 2] = R(times)(z[2], wp[2], wp[3]);
        a[4 * p + 3] = R(times)(z[3], wp[4], wp[5]);
    }
#undef BIN
    R(stages)(1, quarter, 4, &from, &to, w + 6 * quarter);
    return from;
}

/* Energies at full rate, outside the clip zero. */
static void R(mask)(const Job *job, int32_t group, int half, R(Vector) *energy) {
    const int length = job->segments * job->hop;
    for (int l = 0; l < WIDTH; l++) {
        const Lane *lane = job->lane + (size_t)group * LANES + half * WIDTH + l;
        for (int t = 0; t < lane->first && t < length; t++) energy[t][l] = 0;
        for (int t = lane->last < 0 ? 0 : lane->last; t < length; t++) energy[t][l] = 0;
    }
}

/* Frame f gets piece j of its window from segment f - (pieces - 1) + j. Sums are made of short sums:
 * their rounding errors grow with the square root of the length of either. */
static void R(pool_full)(const Job *job, const R(Vector) *energy, const REAL *window, R(Vector) *pooled) {
    const int pieces = job->pieces, hop = job->hop, frames = job->segments + pieces - 1;
    for (int f = 0; f < frames; f++) pooled[f] = (R(Vector)){0};
    for (int s = 0; s < job->segments; s++)
        for (int from = 0; from < hop; from += SHORT) {
            const int to = from + SHORT < hop ? from + SHORT : hop;
            const R(Vector) *at = energy + (size_t)s * hop;
            R(Vector) *out = pooled + s + pieces - 1;
            int j = 0;
            for (; j + 3 <= pieces; j += 3) {
                const REAL *w = window + from * pieces + j;
                R(Vector) a = {0}, b = {0}, c = {0}, d = {0}, e = {0}, k = {0};
                int i = from;
                for (; i + 2 <= to; i += 2, w += 2 * pieces) {
                    a += at[i] * w[0], b += at[i] * w[1], c += at[i] * w[2];
                    d += at[i + 1] * w[pieces], e += at[i + 1] * w[pieces + 1], k += at[i + 1] * w[pieces + 2];
                }
                if (i < to) a += at[i] * w[0], b += at[i] * w[1], c += at[i] * w[2];
                out[-j] += a + d, out[-j - 1] += b + e, out[-j - 2] += c + k;
            }
            for (; j < pieces; j++) {
                R(Vector) a = {0};
                for (int i = from; i < to; i++) a += at[i] * window[i * pieces + j];
                out[-j] += a;
            }
        }
}

static void R(pool_narrow)(const R(Vector) *energy, const REAL *table, int points, int frames, R(Vector) *pooled) {
    for (int f = 0; f < frames; f++) pooled[f] = (R(Vector)){0};
    for (int from = 0; from < points; from += SHORT) { /* points: a multiple of SHORT */
        int f = 0;
        for (; f + 4 <= frames; f += 4) {
            R(Vector) a = {0}, b = {0}, c = {0}, d = {0};
            const REAL *w = table + (size_t)from * frames + f;
            for (int m = from; m < from + SHORT; m++, w += frames)
                a += energy[m] * w[0], b += energy[m] * w[1], c += energy[m] * w[2], d += energy[m] * w[3];
            pooled[f] += a, pooled[f + 1] += b, pooled[f + 2] += c, pooled[f + 3] += d;
        }
        for (; f < frames; f++) {
            R(Vector) a = {0};
            for (int m = from; m < from + SHORT; m++) a += energy[m] * table[(size_t)m * frames + f];
            pooled[f] += a;
        }
    }
}

typedef struct {
    R(Complex) *block, *spare; /* the filtered block, and as much space */
    R(Vector) *energy;
    int narrow, points, first, width, length; /* length: of the energies that are pooled */
    R(Vector) power; /* the mean square of the whole block, as rounding errors are even over all of it */
} R(Filtered);

static int R(narrow)(const Job *job, int channel, int32_t group) {
    return job->channel[channel].points < job->size && !job->masked[group];
}

/* `wholly`: at full rate though the filter's band is narrow. */
static R(Filtered) R(filter)(const Job *job, int channel, int32_t group, int half, int wholly, const R(Complex) *x,
                             char *scratch) {
    const Channel *kind = job->channel + channel;
    R(Filtered) made;
    R(Complex) *a = (R(Complex) *)scratch, *b = a + job->size;
    made.energy = (R(Vector) *)(b + job->size);
    made.narrow = R(narrow)(job, channel, group) && !wholly;
    made.points = made.narrow ? kind->points : job->size;
    made.first = made.narrow ? kind->first : 0;
    made.width = made.narrow ? kind->width : job->size;
    made.length = made.narrow ? made.points : job->segments * job->hop;
    made.block = R(filtered)(job, x, channel, made.points, made.first, made.width, a, b);
    made.spare = made.block == a ? b : a;
    made.power = (R(Vector)){0};
    for (int t = 0; t < made.length; t++) {
        const R(Complex) y = made.block[t];
        made.energy[t] = y.re * y.re + y.im * y.im;
        made.power += made.energy[t];
    }
    for (int t = made.length; t < made.points; t++) {
        const R(Complex) y = made.block[t];
        made.power += y.re * y.re + y.im * y.im;
    }
    made.power /= (REAL)made.points;
    if (!made.narrow && job->masked[group]) R(mask)(job, group, half, made.energy);
    return made;
}

static void R(pool)(const Job *job, int channel, const R(Filtered) *made, const REAL *window, const REAL *table,
                    R(Vector) *pooled) {
    if (made->narrow)
        R(pool_narrow)(made->energy, table + job->channel[channel].table, made->points,
                       job->segments + job->pieces - 1, pooled);
    else
        R(pool_full)(job, made->energy, window + (size_t)channel * job->hop * job->pieces, pooled);
}

/* The energies of a block's frames; returns its power. */
static R(Vector) R(energies)(const Job *job, int channel, int32_t group, int half, int wholly,
                             const R(Complex) *x, char *scratch, R(Vector) *pooled) {
    R(Filtered) made = R(filter)(job, channel, group, half, wholly, x, scratch);
    R(pool)(job, channel, &made, (const REAL *)OF_PRECISION(window), (const REAL *)OF_PRECISION(table), pooled);
    return made.power;
}

/* A bit for each block with a frame whose mean energy is less of the block's power than `least`. Where
 * a frame has a small part of its window in the block, the rest of it comes from another one. */
static unsigned R(quiet)(const Job *job, int channel, int32_t group, int half, double least, const R(Vector) *pooled,
                         R(Vector) power) {
    const int frames = job->segments + job->pieces - 1;
    const Lane *lane = job->lane + (size_t)group * LANES + half * WIDTH;
    const double *weight = job->weight + (size_t)channel * (size_t)frames;
    double most = 0.0;
    unsigned found = 0;
    for (int f = 0; f < frames; f++)
        if (weight[f] > most) most = weight[f];
    for (int f = 0; f < frames; f++) {
        const double part = weight[f] / most;
        if (part < LEAST_PART) continue;
        const R(Vector) limit = power * (REAL)(least * weight[f] * (part < SMALL_PART ? SMALL_PART : part));
        for (int l = 0; l < WIDTH; l++)
            if (pooled[f][l] < limit[l] && lane[l].shown <= f && f < lane[l].hidden) found |= 1u << l;
    }
    return found;
}

/* The gradient of each energy that is pooled, from those of the block's frames. */
static void R(spread)(const Job *job, int channel, int32_t group, int half, const R(Filtered) *made, const R(Vector) *change) {
    const int pieces = job->pieces, hop = job->hop, frames = job->segments + pieces - 1;
    if (made->narrow) {
        const REAL *table = (const REAL *)OF_PRECISION(table) + job->channel[channel].table;
        for (int m = 0; m < made->points; m++, table += frames) {
            R(Vector) sum = change[0] * table[0];
            for (int f = 1; f < frames; f++) sum += change[f] * table[f];
            made->energy[m] = sum;
        }
        return;
    }
    const REAL *window = (const REAL *)OF_PRECISION(window) + (size_t)channel * hop * pieces;
    for (int s = 0; s < job->segments; s++)
        for (int i = 0; i < hop; i++) {
            R(Vector) sum = {0};
            for (int j = 0; j < pieces; j++) sum += change[s + pieces - 1 - j] * window[i * pieces + j];
            made->energy[s * hop + i] = sum;
        }
    if (job->masked[group]) R(mask)(job, group, half, made->energy);
}

/* The gradients of the block's frames, of the blocks whose bit is set. */
static void R(changes)(const Job *job, int channel, int32_t group, int half, unsigned blocks, R(Vector) *change) {
    const float *gradient = job->output_gradient + (size_t)channel * (size_t)job->frames;
    for (int f = 0; f < job->segments + job->pieces - 1; f++) change[f] = (R(Vector)){0};
    for (int l = 0; l < WIDTH; l++) {
        const Lane *lane = job->lane + (size_t)group * LANES + half * WIDTH + l;
        if (!(blocks >> l & 1)) continue;
        for (int f = lane->shown; f < lane->hidden; f++) change[f][l] = (REAL)gradient[lane->frame + f];
    }
}

/* The spectrum of half the gradient by the filtered block: `width` bins of the band. */
static R(Complex) *R(returned)(const Job *job, int channel, int32_t group, int half, const R(Filtered) *made,
                               const R(Vector) *change) {
    R(Complex) *from = made->block, *to = made->spare;
    R(spread)(job, channel, group, half, made, change);
    for (int t = 0; t < made->length; t++) {
        from[t].re *= made->energy[t];
        from[t].im *= made->energy[t];
    }
    for (int t = made->length; t < made->points; t++) from[t] = (R(Complex)){{0}, {0}};
    R(stages)(-1, made->points, 1, &from, &to, R(twiddles)(made->points));
    return from;
}

/* Adds the gradient by the filter's spectrum, halved, to `sum`; returns that by the window's width.
 * Of the blocks whose bit is set. */
static double R(gradients)(const Job *job, int channel, int32_t group, int half, unsigned blocks, int wholly,
                           const R(Complex) *x, char *scratch, R(Complex) *sum) {
    const int frames = job->segments + job->pieces - 1, last = job->size - 1;
    R(Vector) change[MOST_FRAMES], pooled[MOST_FRAMES], by_width = {0};
    R(Filtered) made = R(filter)(job, channel, group, half, wholly, x, scratch);
    R(changes)(job, channel, group, half, blocks, change);
    R(pool)(job, channel, &made, (const REAL *)OF_PRECISION(slope), (const REAL *)OF_PRECISION(slope_table), pooled);
    for (int f = 0; f < frames; f++) by_width += pooled[f] * change[f];
    const R(Complex) *from = R(returned)(job, channel, group, half, &made, change);
    for (int j = 0; j < made.width; j++) { /* times the conjugate of the spectrum */
        const R(Complex) a = from[j], b = x[(made.first + j) & last];
        R(Complex) *at = sum + ((made.first + j) & last);
        at->re += a.re * b.re + a.im * b.im;
        at->im += a.im * b.re - a.re * b.im;
    }
    double total = 0.0;
    for (int l = 0; l < WIDTH; l++) total += (double)by_width[l];
    return total;
}

/* Adds the gradient by the blocks' own spectrum, halved, to `sum`. */
__attribute__((unused)) static void R(waveform)(const Job *job, int channel, int32_t group, int half, int wholly,
                                                const R(Complex) *x, char *scratch, R(Complex) *sum) {
    const REAL *h = (const REAL *)OF_PRECISION(spectrum) + 2 * (size_t)channel * (size_t)job->size;
    R(Vector) change[MOST_FRAMES];
    R(Filtered) made = R(filter)(job, channel, group, half, wholly, x, scratch);
    R(changes)(job, channel, group, half, ~0u, change);
    const R(Complex) *from = R(returned)(job, channel, group, half, &made, change);
    for (int j = 0; j < made.width; j++) { /* times the conjugate of the filter */
        const int bin = (made.first + j) & (job->size - 1);
        sum[bin] = R(plus)(sum[bin], R(times)(from[j], h[2 * bin], -h[2 * bin + 1]));
    }
}

#undef OF_PRECISION
#undef ALWAYS
#undef R
