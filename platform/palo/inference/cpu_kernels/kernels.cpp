// The language model's float32 arithmetic on CPU cores; library.py compiles and calls it.
//
// Every row (token) is computed in the same order whatever other rows a step holds. All arrays are
// dense and row by row unless said otherwise; sizes are numbers of floats.

#include "attention.h"
#include "vectors.h"

namespace {

// Most rows whose weights are read once: the inputs of so many stay in a core's cache.
constexpr int64_t ROWS_AT_ONCE = 24 * TILE;

}  // namespace

extern "C" {

int64_t panel_width() { return PANEL; }
int64_t most_shared_heads() { return QUERY_ROWS; }

// y (rows, outputs) = x (rows, inputs) times weights (panels, inputs, PANEL), whose last panel is
// filled up with zeros.
void linear(const float *x, const float *weights, float *y, int64_t rows, int64_t inputs,
            int64_t outputs, int32_t threads) {
    const int64_t panels = (outputs + PANEL - 1) / PANEL;
    const int64_t parts = (rows + ROWS_AT_ONCE - 1) / ROWS_AT_ONCE;
    for (int64_t part = 0; part < parts; part++) {
        const int64_t first = rows * part / parts, count = rows * (part + 1) / parts - first;
#pragma omp parallel for num_threads(threads) schedule(static)
        for (int64_t panel = 0; panel < panels; panel++) {
            const int64_t column = panel * PANEL;
            multiply<false>(count, x + first * inputs, inputs, weights + column * inputs, PANEL,
                            inputs, y + first * outputs + column, outputs,
                            std::min(PANEL, outputs - column));
        }
    }
}

// y = x / sqrt(mean of x squared + eps) * weight, for each row.
void rms_norm(const float *x, const float *weight, float *y, int64_t rows, int64_t size,
              float eps) {
    for (int64_t r = 0; r < rows; r++, x += size, y += size) {
        vec squares{};
        int64_t i = 0;
        for (; i + LANES <= size; i += LANES) squares += load(x + i) * load(x + i);
        float total = sum(squares);
        for (; i < size; i++) total += x[i] * x[i];
        const float scale = 1.0f / std::sqrt(total / size + eps);
        for (i = 0; i + LANES <= size; i += LANES)
            store(y + i, load(x + i) * scale * load(weight + i));
        for (; i < size; i++) y[i] = x[i] * scale * weight[i];
    }
}

// y (rows, size) = silu(first half) * second half of the rows of x (rows, 2 size).
void silu_gate(const float *x, float *y, int64_t rows, int64_t size) {
    for (int64_t r = 0; r < rows; r++, x += 2 * size, y += size) {
        int64_t i = 0;
        for (; i + LANES <= size; i += LANES) {
            const vec gate = load(x + i);
            store(y + i, gate / (1.0f + exponential(-gate)) * load(x + size + i));
        }
        for (; i < size; i++) y[i] = x[i] / (1.0f + std::exp(-x[i])) * x[size + i];
    }
}

// Rotates the queries and keys of a step, writes keys and values to the cache, and attends.
// mixed: (rows, heads + 2 key_heads, width) queries, keys, values; the queries are rotated in
// place. out: (rows, heads, width).
void attend(const Cache *cache, float *mixed, const Segment *segments, int64_t count, float *out,
            int32_t threads) {
    const int64_t width = cache->width, stored = cache->places * width;
    const int64_t mixed_stride = (cache->heads + 2 * cache->key_heads) * width;
    for (int64_t s = 0; s < count; s++) {
        const Segment &segment = segments[s];
#pragma omp parallel for num_threads(threads) schedule(static)
        for (int64_t t = 0; t < segment.length; t++) {
            const int64_t place = segment.start + t;
            const float *cosines = cache->cosines + place * width;
            const float *sines = cache->sines + place * width;
            float *head = mixed + (segment.row + t) * mixed_stride;
            for (int64_t h = 0; h < cache->heads; h++, head += width)
                rotate(head, cosines, sines, width, head);
            float *key = cache->keys + segment.slot * cache->key_heads * stored + place * width;
            for (int64_t h = 0; h < cache->key_heads; h++, head += width)
                rotate(head, cosines, sines, width, key + h * stored);
            float *value = cache->values + segment.slot * cache->key_heads * stored + place * width;
            for (int64_t h = 0; h < cache->key_heads; h++, head += width)
                std::memcpy(value + h * stored, head, width * sizeof(float));
        }
    }
    const int64_t heads = cache->key_heads;
#pragma omp parallel for num_threads(threads) schedule(dynamic)
    for (int64_t item = 0; item < count * heads; item++)
        HeadAttention(*cache, segments[item / heads], item % heads)(mixed, out);
}

}  // extern "C"
