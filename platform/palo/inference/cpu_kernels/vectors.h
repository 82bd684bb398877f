// Vectors of the processor, and the product of a few rows with a panel of weights.

#pragma once

#include <cstdint>

namespace {

// A vector is one register, and TILE rows of two vectors are as many sums as the registers hold.
#if defined(__AVX512F__)
constexpr int64_t LANES = 16, TILE = 12;
#elif defined(__AVX__)
constexpr int64_t LANES = 8, TILE = 6;
#elif defined(__aarch64__)
constexpr int64_t LANES = 4, TILE = 12;
#else
constexpr int64_t LANES = 4, TILE = 6;
#endif
constexpr int64_t PANEL = 2 * LANES;

// Floats ahead of the one in use that are asked of the memory.
constexpr int64_t AHEAD = 32;

typedef float vec __attribute__((vector_size(LANES * 4), aligned(4), may_alias));
typedef int32_t ivec __attribute__((vector_size(LANES * 4), may_alias));

inline vec load(const float *from) { return *reinterpret_cast<const vec *>(from); }
inline void store(float *to, vec values) { *reinterpret_cast<vec *>(to) = values; }
inline vec all(float value) { return vec{} + value; }

inline float sum(vec values) {
    float total = 0;
    for (int64_t lane = 0; lane < LANES; lane++) total += values[lane];
    return total;
}

// e to the power of x; relative error below 2e-7, and 0 below the normal numbers.
// Method: x = n log 2 + r, and a polynomial for e^r with the coefficients of Cephes' expf.
inline vec exponential(vec x) {
    const vec tiny = all(-87.3f), large = all(88.0f);
    ivec vanishes = x < tiny;
    x = x < tiny ? tiny : x;
    x = x > large ? large : x;
    const float rounder = 12582912.0f;  // 1.5 * 2^23: adding it rounds to a whole number
    vec n = (x * 1.44269504f + rounder) - rounder;
    vec r = x - n * 0.693359375f + n * 2.12194440e-4f;
    vec p = all(1.9875691500e-4f);
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    ivec power = (__builtin_convertvector(n, ivec) + 127) << 23;
    vec result = p * reinterpret_cast<vec &>(power);
    ivec bits = reinterpret_cast<ivec &>(result) & ~vanishes;
    return reinterpret_cast<vec &>(bits);
}

// y[r][c] = sum over i of x[r][i] * w[i][c], for `columns` <= PANEL columns; w has PANEL readable.
template <int ROWS, bool ADDS>
inline void multiply_tile(const float *x, int64_t x_stride, const float *w, int64_t w_stride,
                          int64_t size, float *y, int64_t y_stride, int64_t columns) {
    vec sums[ROWS][2];
#pragma GCC unroll 16
    for (int r = 0; r < ROWS; r++) sums[r][0] = sums[r][1] = vec{};
    for (int64_t i = 0; i < size; i++) {
        const float *row = w + i * w_stride;
        vec left = load(row), right = load(row + LANES);
        __builtin_prefetch(row + AHEAD * w_stride);
        if (LANES == 16) __builtin_prefetch(row + AHEAD * w_stride + LANES);
#pragma GCC unroll 16
        for (int r = 0; r < ROWS; r++) {
            float factor = x[r * x_stride + i];
            sums[r][0] += factor * left;
            sums[r][1] += factor * right;
        }
    }
#pragma GCC unroll 16
    for (int r = 0; r < ROWS; r++) {
        float *out = y + r * y_stride;
        if (columns == PANEL) {
            store(out, ADDS ? load(out) + sums[r][0] : sums[r][0]);
            store(out + LANES, ADDS ? load(out + LANES) + sums[r][1] : sums[r][1]);
            continue;
        }
        const float *values = reinterpret_cast<const float *>(sums[r]);
        for (int64_t c = 0; c < columns; c++) out[c] = ADDS ? out[c] + values[c] : values[c];
    }
}

template <bool ADDS, int ROWS = TILE>
inline void multiply_rows(int64_t rows, const float *x, int64_t x_stride, const float *w,
                          int64_t w_stride, int64_t size, float *y, int64_t y_stride,
                          int64_t columns) {
    if (rows == ROWS) {
        multiply_tile<ROWS, ADDS>(x, x_stride, w, w_stride, size, y, y_stride, columns);
    } else if constexpr (ROWS > 1) {
        multiply_rows<ADDS, ROWS - 1>(rows, x, x_stride, w, w_stride, size, y, y_stride, columns);
    }
}

// multiply_tile for any number of rows, in tiles that are as equal as possible.
template <bool ADDS>
void multiply(int64_t rows, const float *x, int64_t x_stride, const float *w, int64_t w_stride,
              int64_t size, float *y, int64_t y_stride, int64_t columns) {
    const int64_t tiles = (rows + TILE - 1) / TILE;
    for (int64_t tile = 0; tile < tiles; tile++) {
        const int64_t first = rows * tile / tiles, end = rows * (tile + 1) / tiles;
        multiply_rows<ADDS>(end - first, x + first * x_stride, x_stride, w, w_stride, size,
                            y + first * y_stride, y_stride, columns);
    }
}

}  // namespace
