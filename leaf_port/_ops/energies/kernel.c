/* LEAF's energies in one pass: Gabor convolution, squared modulus, Gaussian pooling.
 *
 * A waveform is cut into overlapping blocks of `size` samples (overlap-save). As many blocks as a
 * vector has floats make a group, and a lane of each vector belongs to a block, so that no vector is
 * ever shuffled. For each
 * group the spectra are computed once, in double precision; for each channel they are multiplied by
 * the filter's spectrum and transformed back, squared and pooled. No array of samples by channels
 * exists.
 *
 * A filter whose spectrum is negligible outside `width` bins is transformed back with `points` >=
 * 2 * width points only: |y|^2 has no alias then, and its pooling windows are low-passed to that
 * rate (filters.py). Single precision is used where the frames of a block are about as loud as the
 * block; the rounding errors of a transform are as large as its loudest part, so the other blocks
 * are computed in double precision, those with very quiet frames at full rate (`chosen`).
 *
 * Plain C with the vector extensions of GCC and Clang. No library, no threads: the caller splits
 * groups and channels among its threads. Compiled once for each instruction set; `kernel_level`
 * says which one the processor has.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(_WIN32)
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif

enum { MOST_FRAMES = 64, SHORT = 32, LARGEST_LOG2 = 16, ABI = 4 };

/* Parts of a pooling window: below the first there are only rounding errors of float64; below the second
 * the limit of what is quiet falls no further. */
#define LEAST_PART 1e-12
#define SMALL_PART (1.0 / 64)

/* In `chosen`: where the bits of the blocks that are computed at full rate start. */
#define FULL_RATE 16

typedef struct {
    int32_t points; /* of the transform back; `size` for a filter without a narrow band */
    int32_t first;  /* bin of the spectrum that its band starts with */
    int32_t width;  /* bins of its band */
    int32_t unused;
    int64_t table; /* where its pooling windows start, of a channel with a narrow band */
} Channel;

typedef struct {
    const float *clip;
    int64_t start;            /* sample of the clip that the block starts with, may be negative */
    int64_t length;           /* samples of the clip */
    int64_t frame;            /* number, in a channel's outputs, of the block's first frame */
    int32_t first, last;      /* energies [first, last) lie inside the clip */
    int32_t shown, hidden;    /* frames [shown, hidden) of the block belong to the clip */
} Lane;

typedef struct {
    int32_t size, hop, pieces, segments, channels, groups;
    int64_t frames; /* of all clips */
    double evenness;  /* least mean energy of a frame, relative to its block's power: in single precision, */
    double steepness; /* and by the samples of a narrow band */
    const Channel *channel;
    const Lane *lane;
    const int8_t *masked;        /* of each group: whether a block leaves its clip */
    const double *spectrum;      /* channels x size, complex, divided by size */
    const float *spectrum_f;
    const double *window;        /* channels x hop x pieces */
    const float *window_f;
    const double *table;         /* of each narrow channel: points x frames */
    const float *table_f;
    const double *slope;         /* derivatives of windows and tables by the width of the Gaussian */
    const float *slope_f;
    const double *slope_table;
    const float *slope_table_f;
    const double *weight;        /* channels x frames of a block: sums of the windows */
    uint32_t *chosen;            /* channels x groups, a bit a block: computed in double precision, and from
                                    bit FULL_RATE on at full rate besides */
    float *output;               /* channels x frames */
    const float *output_gradient;
    double *spectrum_gradient;   /* channels x size, complex */
    double *width_gradient;      /* channels */
    const float *clips;          /* the first clip, and the gradient by it: laid out alike */
    float *clips_gradient;
} Job;

/* exp(2 pi i p k / n), k = 1, 2, 3, of all stages n = size, size / 4 ... of a transform. */
static double *twiddle_d[LARGEST_LOG2 + 1];
static float *twiddle_f[LARGEST_LOG2 + 1];

static int log2_of(int size) {
    int log2 = 0;
    while (1 << log2 < size) log2++;
    return log2;
}

/* Returns 0 where memory is short. Called before the threads start. */
static int make_twiddles(int log2) {
    const double turn = 6.283185307179586476925286766559;
    size_t count = 0, at = 0;
    if (twiddle_d[log2]) return 1;
    for (int n = 1 << log2; n >= 4; n /= 4) count += 6 * (size_t)(n / 4);
    double *wide = malloc(sizeof(double) * (count + 1));
    float *narrow = malloc(sizeof(float) * (count + 1));
    if (!wide || !narrow) {
        free(wide);
        free(narrow);
        return 0;
    }
    for (int n = 1 << log2; n >= 4; n /= 4)
        for (int p = 0; p < n / 4; p++)
            for (int k = 1; k < 4; k++) {
                double angle = turn * p * k / n;
                wide[at++] = cos(angle);
                wide[at++] = sin(angle);
            }
    for (size_t i = 0; i < count; i++) narrow[i] = (float)wide[i];
    twiddle_f[log2] = narrow;
    twiddle_d[log2] = wide;
    return 1;
}

#define CONCATENATED(a, b) a##_##b
#define EXPANDED(a, b) CONCATENATED(a, b)

#define LEVEL baseline
#define LANES 4
#include "kernel_level.h"
#undef LEVEL
#undef LANES

/* KERNEL_BASELINE_ONLY: for tests that compile it often. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(KERNEL_BASELINE_ONLY)
#define HAS_LEVELS 1
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif
#define LEVEL avx2
#define LANES 8
#include "kernel_level.h"
#undef LEVEL
#undef LANES
#if defined(__clang__)
#pragma clang attribute pop
#pragma clang attribute push(__attribute__((target("avx512f,avx512vl,avx512dq,fma"))), apply_to = function)
#else
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx512f,avx512vl,avx512dq,fma")
#endif
#define LEVEL avx512
#define LANES 16
#include "kernel_level.h"
#undef LEVEL
#undef LANES
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif

/* 0: any processor, 1: AVX2, 2: AVX-512. */
EXPORT int kernel_level(void) {
#ifdef HAS_LEVELS
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("fma"))
        return 2;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return 1;
#endif
    return 0;
}

/* Blocks of a group. */
EXPORT int kernel_lanes(int level) { return level == 2 ? 16 : level == 1 ? 8 : 4; }

/* What a library must agree on with its driver: the version and the sizes of the structs. */
EXPORT int64_t kernel_abi(void) {
    return ABI + 10000 * (int64_t)sizeof(Job) + 10000000 * (int64_t)sizeof(Lane) +
           10000000000 * (int64_t)sizeof(Channel);
}

/* Returns 0, or -1 where memory is short. */
EXPORT int kernel_prepare(int32_t size) {
    for (int log2 = 2; log2 <= log2_of(size) && log2 <= LARGEST_LOG2; log2++)
        if (!make_twiddles(log2)) return -1;
    return 0;
}

#ifdef HAS_LEVELS
#define DISPATCH(function, ...)                                  \
    switch (level) {                                             \
    case 2: return EXPANDED(function, avx512)(__VA_ARGS__);      \
    case 1: return EXPANDED(function, avx2)(__VA_ARGS__);        \
    default: return EXPANDED(function, baseline)(__VA_ARGS__);   \
    }
#else
#define DISPATCH(function, ...) return (void)level, EXPANDED(function, baseline)(__VA_ARGS__);
#endif

/* Spectra of groups [first, last), in both precisions, to `wide` and `narrow` from the group `base`
 * on. Returns 0, or -1 where memory is short; so do the others. */
EXPORT int kernel_spectra(int level, const Job *job, int32_t base, int32_t first, int32_t last, void *wide,
                          void *narrow) {
    DISPATCH(spectra, job, base, first, last, wide, narrow)
}

/* Adds the energies of groups [base, end) and channels [first, last) to `output`; notes `chosen`. */
EXPORT int kernel_forward(int level, const Job *job, int32_t base, int32_t end, int32_t first, int32_t last,
                          const void *wide, const void *narrow) {
    DISPATCH(forward, job, base, end, first, last, wide, narrow)
}

/* Adds their gradients to `spectrum_gradient` and `width_gradient`. */
EXPORT int kernel_backward(int level, const Job *job, int32_t base, int32_t end, int32_t first, int32_t last,
                           const void *wide, const void *narrow) {
    DISPATCH(backward, job, base, end, first, last, wide, narrow)
}

/* Writes the gradients by the blocks of groups [first, last) to `narrow`, whose spectra are lost. */
EXPORT int kernel_waveform(int level, const Job *job, int32_t base, int32_t first, int32_t last, const void *wide,
                           void *narrow) {
    DISPATCH(waveform, job, base, first, last, wide, narrow)
}

/* Adds the blocks of groups [base, end) to `clips_gradient`. Not to be called by two threads at once. */
EXPORT int kernel_overlap(int level, const Job *job, int32_t base, int32_t end, const void *wide,
                          const float *windows) {
    const int lanes = kernel_lanes(level);
    (void)wide;
    for (size_t block = 0; block < (size_t)(end - base) * (size_t)lanes; block++) {
        const Lane *lane = job->lane + (size_t)base * (size_t)lanes + block;
        const float *window = windows + block * (size_t)job->size;
        if (lane->length == 0) continue;
        float *out = job->clips_gradient + (lane->clip - job->clips);
        int64_t from = lane->start < 0 ? -lane->start : 0, to = lane->length - lane->start;
        if (to > job->size) to = job->size;
        for (int64_t n = from; n < to; n++) out[lane->start + n] += window[n];
    }
    return 0;
}

/* Extensions of Python must have it. This library is opened by ctypes and never imported. */
EXPORT void *PyInit__kernel(void) { return NULL; }
