/* The kernel of one instruction set, `LEVEL`: both precisions, and what chooses between them. */
#define NAME(name) EXPANDED(name, LEVEL)

#define REAL double
#define WIDTH (LANES / 2)
#define PRECISION d
#include "kernel_real.h"
#undef REAL
#undef WIDTH
#undef PRECISION

#define REAL float
#define WIDTH LANES
#define PRECISION f
#include "kernel_real.h"
#undef REAL
#undef WIDTH
#undef PRECISION

#define F(name) EXPANDED(EXPANDED(name, f), LEVEL)
#define D(name) EXPANDED(EXPANDED(name, d), LEVEL)

/* Two blocks of complex numbers and one of energies; a vector has as many bytes in both precisions. */
static size_t NAME(scratch_bytes)(const Job *job) { return 5 * sizeof(F(Vector)) * (size_t)job->size; }

static int NAME(spectra)(const Job *job, int32_t base, int32_t first, int32_t last, void *wide, void *narrow) {
    const int size = job->size;
    D(Complex) *scratch = aligned_alloc(64, sizeof *scratch * 2 * (size_t)size);
    if (!scratch) return -1;
    for (int32_t g = first; g < last; g++)
        for (int half = 0; half < 2; half++) {
            D(Complex) *x = scratch, *y = scratch + size;
            for (int n = 0; n < size; n++) x[n] = (D(Complex)){{0}, {0}};
            for (int l = 0; l < LANES / 2; l++) {
                const Lane *lane = job->lane + (size_t)g * LANES + half * LANES / 2 + l;
                int64_t from = lane->start < 0 ? -lane->start : 0, to = lane->length - lane->start;
                if (to > size) to = size;
                for (int64_t n = from; n < to; n++) x[n].re[l] = lane->clip[lane->start + n];
            }
            D(stages)(-1, size, 1, &x, &y, twiddle_d[log2_of(size)]);
            memcpy((D(Complex) *)wide + (2 * (size_t)(g - base) + half) * size, x, sizeof *x * (size_t)size);
            F(Complex) *rounded = (F(Complex) *)narrow + (size_t)(g - base) * size;
            for (int n = 0; n < size; n++)
                for (int l = 0; l < LANES / 2; l++) {
                    rounded[n].re[half * LANES / 2 + l] = (float)x[n].re[l];
                    rounded[n].im[half * LANES / 2 + l] = (float)x[n].im[l];
                }
        }
    free(scratch);
    return 0;
}

/* Adds the frames of the blocks whose bit is set. */
#define ADD(energy, blocks, from, width)                                                                 \
    for (int l = 0; l < (width); l++) {                                                                  \
        const Lane *lane = job->lane + (size_t)g * LANES + (from) + l;                                   \
        if (!((blocks) >> ((from) + l) & 1)) continue;                                                   \
        for (int f = lane->shown; f < lane->hidden; f++) output[lane->frame + f] += (float)energy[f][l]; \
    }

/* The bits of all blocks of a group, and of one half of it. */
#define WHOLE ((1u << LANES) - 1)
#define HALF(half) (((1u << LANES / 2) - 1) << (half) * LANES / 2)
/* Whether a half has a block that is computed at full rate. */
#define AT_FULL_RATE(chosen, half) (((chosen) >> FULL_RATE & HALF(half)) != 0)

static int NAME(forward)(const Job *job, int32_t base, int32_t end, int32_t first, int32_t last,
                         const void *wide, const void *narrow) {
    const size_t size = (size_t)job->size;
    D(Vector) energy[MOST_FRAMES], power;
    F(Vector) single[MOST_FRAMES], power_f;
    char *scratch = aligned_alloc(64, NAME(scratch_bytes)(job));
    if (!scratch) return -1;
    for (int c = first; c < last; c++)
        for (int32_t g = base; g < end; g++) {
            float *output = job->output + (size_t)c * (size_t)job->frames;
            uint32_t *chosen = job->chosen + (size_t)c * job->groups + g;
            const F(Complex) *rounded = (const F(Complex) *)narrow + (size_t)(g - base) * size;
            power_f = F(energies)(job, c, g, 0, 0, rounded, scratch, single);
            const unsigned uneven = F(quiet)(job, c, g, 0, job->evenness, single, power_f);
            *chosen = uneven;
            ADD(single, ~uneven & WHOLE, 0, LANES)
            for (int half = 0; half < 2; half++) {
                if (!(uneven & HALF(half))) continue;
                const D(Complex) *x = (const D(Complex) *)wide + (2 * (size_t)(g - base) + half) * size;
                power = D(energies)(job, c, g, half, 0, x, scratch, energy);
                if (D(narrow)(job, c, g)) {
                    const unsigned steep = D(quiet)(job, c, g, half, job->steepness, energy, power);
                    *chosen |= (steep << half * LANES / 2 & uneven) << FULL_RATE;
                    if (AT_FULL_RATE(*chosen, half)) D(energies)(job, c, g, half, 1, x, scratch, energy);
                }
                ADD(energy, uneven, half * LANES / 2, LANES / 2)
            }
        }
    free(scratch);
    return 0;
}

static int NAME(backward)(const Job *job, int32_t base, int32_t end, int32_t first, int32_t last,
                          const void *wide, const void *narrow) {
    const size_t size = (size_t)job->size;
    char *scratch = aligned_alloc(64, NAME(scratch_bytes)(job));
    D(Complex) *sum = aligned_alloc(64, sizeof *sum * size);
    F(Complex) *sum_f = aligned_alloc(64, sizeof *sum_f * size);
    int failed = !scratch || !sum || !sum_f;
    for (int c = first; c < last && !failed; c++) {
        double by_width = 0.0;
        double *gradient = job->spectrum_gradient + 2 * (size_t)c * size;
        memset(sum, 0, sizeof *sum * size);
        memset(sum_f, 0, sizeof *sum_f * size);
        for (int32_t g = base; g < end; g++) {
            const size_t at = (size_t)(g - base) * size;
            const uint32_t chosen = job->chosen[(size_t)c * job->groups + g];
            const unsigned uneven = chosen & WHOLE, even = ~uneven & WHOLE;
            if (even)
                by_width += F(gradients)(job, c, g, 0, even, 0, (const F(Complex) *)narrow + at, scratch, sum_f);
            for (int half = 0; half < 2; half++) {
                if (!(uneven & HALF(half))) continue;
                const D(Complex) *x = (const D(Complex) *)wide + 2 * at + half * size;
                const unsigned blocks = uneven >> half * LANES / 2;
                by_width += D(gradients)(job, c, g, half, blocks, AT_FULL_RATE(chosen, half), x, scratch, sum);
            }
        }
        for (size_t n = 0; n < size; n++) {
            for (int l = 0; l < LANES / 2; l++) {
                gradient[2 * n] += sum[n].re[l];
                gradient[2 * n + 1] += sum[n].im[l];
            }
            for (int l = 0; l < LANES; l++) {
                gradient[2 * n] += (double)sum_f[n].re[l];
                gradient[2 * n + 1] += (double)sum_f[n].im[l];
            }
        }
        job->width_gradient[c] += by_width;
    }
    free(scratch);
    free(sum);
    free(sum_f);
    return failed ? -1 : 0;
}

/* Gradients by the waveform, of groups [first, last): windows of `size` floats, one block behind
 * another, to `windows`. In double precision: what is loud in a gradient is often quiet in a clip. */
static int NAME(waveform)(const Job *job, int32_t base, int32_t first, int32_t last, const void *wide,
                          float *windows) {
    const size_t size = (size_t)job->size;
    char *scratch = aligned_alloc(64, NAME(scratch_bytes)(job));
    D(Complex) *sum = aligned_alloc(64, sizeof *sum * 2 * size);
    const int failed = !scratch || !sum;
    for (int32_t g = first; g < last && !failed; g++)
        for (int half = 0; half < 2; half++) {
            const D(Complex) *x = (const D(Complex) *)wide + (2 * (size_t)(g - base) + half) * size;
            float *out = windows + ((size_t)(g - base) * LANES + half * LANES / 2) * size;
            D(Complex) *from = sum, *to = sum + size;
            memset(sum, 0, sizeof *sum * size);
            for (int c = 0; c < job->channels; c++) {
                const uint32_t chosen = job->chosen[(size_t)c * job->groups + g];
                D(waveform)(job, c, g, half, AT_FULL_RATE(chosen, half), x, scratch, sum);
            }
            D(stages)(1, job->size, 1, &from, &to, twiddle_d[log2_of(job->size)]);
            for (size_t n = 0; n < size; n++)
                for (int l = 0; l < LANES / 2; l++) out[(size_t)l * size + n] = 2 * (float)from[n].re[l];
        }
    free(scratch);
    free(sum);
    return failed ? -1 : 0;
}

#undef ADD
#undef WHOLE
#undef HALF
#undef AT_FULL_RATE
#undef F
#undef D
#undef NAME
