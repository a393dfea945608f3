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

/* A bit for each block with a frame so much quieter than the block that single precision shows. */
static uint16_t NAME(uneven_blocks)(const Job *job, int channel, int frames, const F(Vector) *energy) {
    const double *weight = job->weight + (size_t)channel * frames;
    double most = 0.0, sum = 0.0;
    unsigned found = 0;
    F(Vector) total = {0};
    for (int f = 0; f < frames; f++) {
        if (weight[f] > most) most = weight[f];
        sum += weight[f];
        total += energy[f];
    }
    for (int f = 0; f < frames; f++) {
        if (weight[f] < 1e-3 * most) continue;
        const float least = (float)(job->evenness * weight[f] / sum);
        for (int l = 0; l < LANES; l++)
            if (energy[f][l] < least * total[l]) found |= 1u << l;
    }
    return (uint16_t)found;
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

static int NAME(forward)(const Job *job, int32_t base, int32_t end, int32_t first, int32_t last,
                         const void *wide, const void *narrow) {
    const int frames = job->segments + job->pieces - 1;
    const size_t size = (size_t)job->size;
    D(Vector) energy[MOST_FRAMES];
    F(Vector) single[MOST_FRAMES];
    char *scratch = aligned_alloc(64, NAME(scratch_bytes)(job));
    if (!scratch) return -1;
    for (int c = first; c < last; c++)
        for (int32_t g = base; g < end; g++) {
            float *output = job->output + (size_t)c * (size_t)job->frames;
            uint16_t *uneven = job->uneven + (size_t)c * job->groups + g;
            F(energies)(job, c, g, 0, (const F(Complex) *)narrow + (size_t)(g - base) * size, scratch, single);
            *uneven = NAME(uneven_blocks)(job, c, frames, single);
            ADD(single, ~*uneven & WHOLE, 0, LANES)
            for (int half = 0; half < 2; half++) {
                if (!(*uneven & HALF(half))) continue;
                const D(Complex) *x = (const D(Complex) *)wide + (2 * (size_t)(g - base) + half) * size;
                D(energies)(job, c, g, half, x, scratch, energy);
                ADD(energy, *uneven, half * LANES / 2, LANES / 2)
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
            const unsigned uneven = job->uneven[(size_t)c * job->groups + g], even = ~uneven & WHOLE;
            if (even)
                by_width += F(gradients)(job, c, g, 0, even, (const F(Complex) *)narrow + at, scratch, sum_f);
            for (int half = 0; half < 2; half++) {
                if (!(uneven & HALF(half))) continue;
                const D(Complex) *x = (const D(Complex) *)wide + 2 * at + half * size;
                by_width += D(gradients)(job, c, g, half, uneven >> half * LANES / 2, x, scratch, sum);
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
            for (int c = 0; c < job->channels; c++) D(waveform)(job, c, g, half, x, scratch, sum);
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
#undef F
#undef D
#undef NAME
