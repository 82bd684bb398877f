// Attention to the slots of the KV cache.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "vectors.h"

// One layer's part of the KV cache, with the tables of the position embedding.
// keys and values: (slots, key_heads, places, width); cosines and sines: (places, width), where
// the first half of the sines is negated.
struct Cache {
    float *keys, *values;
    const float *cosines, *sines;
    int64_t places, heads, key_heads, width;
};

// Consecutive tokens of one slot: rows `row` to `row + length` of the step, of which the first has
// the position `start`.
struct Segment {
    int64_t slot, start, length, row;
};

namespace {

// Rows of queries, and keys, of a piece of attention: its scores stay in a core's cache.
constexpr int64_t QUERY_ROWS = 8 * TILE, KEYS = 128;
// Fewer rows of queries than this don't repay a transposed copy of the keys.
constexpr int64_t FEW_ROWS = 8;

// Rotates one head by its position. Source: RoFormer (arXiv 2104.09864), LLaMA's half-split form.
void rotate(const float *head, const float *cosines, const float *sines, int64_t width, float *to) {
    const int64_t half = width / 2;
    for (int64_t i = 0; i < half; i++) {
        const float first = head[i], second = head[i + half];
        to[i] = first * cosines[i] + second * sines[i];
        to[i + half] = second * cosines[i + half] + first * sines[i + half];
    }
}

// Attention of one segment's queries to one head of keys: the query heads that share it become
// rows of one multiplication, a few positions at a time.
class HeadAttention {
   public:
    HeadAttention(const Cache &cache, const Segment &segment, int64_t key_head)
        : cache_(cache),
          segment_(segment),
          shared_(cache.heads / cache.key_heads),
          end_(segment.start + segment.length),
          first_head_(key_head * shared_) {
        const int64_t head = (segment.slot * cache.key_heads + key_head) * cache.places;
        keys_ = cache.keys + head * cache.width;
        values_ = cache.values + head * cache.width;
        padded_ = (cache.width + PANEL - 1) / PANEL * PANEL;
        if (segment.length > 1 && segment.length * shared_ >= FEW_ROWS) transpose_keys();
        if (padded_ != cache.width) pad_values();
        const int64_t rows = std::min(QUERY_ROWS / shared_, segment.length) * shared_;
        queries_.resize(rows * cache.width);
        scores_.resize(rows * KEYS);
        sums_.resize(rows * padded_);
        highest_.resize(rows);
        totals_.resize(rows);
    }

    // mixed: the step's rows of queries, keys and values; out: (rows, heads, width).
    void operator()(const float *mixed, float *out) {
        const int64_t at_once = QUERY_ROWS / shared_;
        for (int64_t first = 0; first < segment_.length; first += at_once)
            attend(mixed, out, first, std::min(at_once, segment_.length - first));
    }

   private:
    void transpose_keys() {
        const int64_t width = cache_.width, panels = (end_ + PANEL - 1) / PANEL;
        transposed_.assign(panels * PANEL * width, 0.0f);
        for (int64_t key = 0; key < end_; key++) {
            float *to = transposed_.data() + key / PANEL * PANEL * width + key % PANEL;
            for (int64_t i = 0; i < width; i++) to[i * PANEL] = keys_[key * width + i];
        }
    }

    void pad_values() {
        padded_values_.assign(end_ * padded_, 0.0f);
        for (int64_t key = 0; key < end_; key++)
            std::memcpy(&padded_values_[key * padded_], values_ + key * cache_.width,
                        cache_.width * sizeof(float));
        values_ = padded_values_.data();
    }

    void attend(const float *mixed, float *out, int64_t first, int64_t positions) {
        const int64_t width = cache_.width, rows = positions * shared_;
        const int64_t mixed_stride = (cache_.heads + 2 * cache_.key_heads) * width;
        const float scale = 1.0f / std::sqrt(static_cast<float>(width));
        for (int64_t r = 0; r < rows; r++) {
            const int64_t row = segment_.row + first + r / shared_;
            const float *query = mixed + row * mixed_stride + (first_head_ + r % shared_) * width;
            for (int64_t i = 0; i < width; i++) queries_[r * width + i] = query[i] * scale;
        }
        std::fill(sums_.begin(), sums_.end(), 0.0f);
        std::fill(totals_.begin(), totals_.end(), 0.0f);
        std::fill(highest_.begin(), highest_.end(), -INFINITY);
        const int64_t end = segment_.start + first + positions;
        for (int64_t key = 0; key < end; key += KEYS) {
            const int64_t count = std::min(KEYS, end - key);
            score(rows, key, count);
            weigh(rows, segment_.start + first + 1 - key, count);
            for (int64_t column = 0; column < padded_; column += PANEL)
                multiply<true>(rows, scores_.data(), KEYS, values_ + key * padded_ + column,
                               padded_, count, sums_.data() + column, padded_, PANEL);
        }
        for (int64_t r = 0; r < rows; r++) {
            const int64_t row = segment_.row + first + r / shared_;
            float *to = out + (row * cache_.heads + first_head_ + r % shared_) * width;
            for (int64_t i = 0; i < width; i++) to[i] = sums_[r * padded_ + i] / totals_[r];
        }
    }

    // Writes the products of all queries with `count` keys.
    void score(int64_t rows, int64_t key, int64_t count) {
        const int64_t width = cache_.width;
        if (!transposed_.empty()) {
            for (int64_t k = 0; k < count; k += PANEL)
                multiply<false>(rows, queries_.data(), width, &transposed_[(key + k) * width],
                                PANEL, width, scores_.data() + k, KEYS, PANEL);
            return;
        }
        for (int64_t k = 0; k < count; k++) {
            const float *held = keys_ + (key + k) * width;
            __builtin_prefetch(held + 8 * width);
            for (int64_t r = 0; r < rows; r++) {
                const float *query = &queries_[r * width];
                vec products{};
                int64_t i = 0;
                for (; i + LANES <= width; i += LANES) products += load(query + i) * load(held + i);
                float total = sum(products);
                for (; i < width; i++) total += query[i] * held[i];
                scores_[r * KEYS + k] = total;
            }
        }
    }

    // Turns scores into weights, and scales what was summed before to the same highest score.
    // Source: online softmax (arXiv 1805.02867), as in FlashAttention (arXiv 2205.14135).
    // visible: keys of these that the first position sees; each later one sees one more.
    void weigh(int64_t rows, int64_t visible, int64_t count) {
        for (int64_t r = 0; r < rows; r++) {
            float *scores = &scores_[r * KEYS];
            const int64_t seen = std::clamp<int64_t>(visible + r / shared_, 0, count);
            std::fill(scores + seen, scores + KEYS, -INFINITY);
            vec most = load(scores);
            for (int64_t k = LANES; k < KEYS; k += LANES) {
                const vec next = load(scores + k);
                most = most > next ? most : next;
            }
            float highest = highest_[r];
            for (int64_t lane = 0; lane < LANES; lane++) highest = std::max(highest, most[lane]);
            vec added{};
            for (int64_t k = 0; k < KEYS; k += LANES) {
                const vec weights = exponential(load(scores + k) - highest);
                store(scores + k, weights);
                added += weights;
            }
            const float kept = std::exp(highest_[r] - highest);
            totals_[r] = totals_[r] * kept + sum(added);
            highest_[r] = highest;
            float *sums = &sums_[r * padded_];
            for (int64_t i = 0; i < padded_; i += LANES) store(sums + i, load(sums + i) * kept);
        }
    }

    const Cache &cache_;
    const Segment &segment_;
    const int64_t shared_, end_, first_head_;
    const float *keys_, *values_;
    int64_t padded_;
    std::vector<float> transposed_, padded_values_, queries_, scores_, sums_, highest_, totals_;
};

}  // namespace
