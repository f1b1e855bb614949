// What Roadproof computes on the GPU beside the model: frames become the input tensor, and rows of the outputs that may
// hold an object are picked out. Compiled at run time by NVRTC; plain enough for a C++ compiler as well, which is how the
// tests check it on machines without a GPU.

#ifndef ROADPROOF_HOST
typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned short u16;
typedef unsigned long long u64;
__device__ static u16 half_of(float value) {
    u16 bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
    return bits;
}
__device__ static float float_of(u16 bits) {
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
    return value;
}
#endif

// One row or column of the resized image: which source pixels it is made of. Two pixels in fixed point for bilinear
// interpolation (`weights` are 11-bit fractions), `count` pixels with weights from a list for area interpolation.
struct Tap {
    int first;
    int count;
    int weight_a;
    int weight_b;
};

enum { RESIZE_NONE = 0, RESIZE_LINEAR = 1, RESIZE_AREA = 2, RESIZE_HALVE = 3 };

struct Prepare {
    const u8* source;
    const Tap* columns;
    const Tap* rows;
    const float* column_weights;
    const float* row_weights;
    void* target;
    // Counters of the picker, set to zero on the way; may be null.
    u32* header;
    u64 step;
    int channels;
    int resize;
    int width, height;
    int left, top;
    int input_width, input_height;
    int interleaved;
    int half_precision;
    int order[3];
    float scale[3];
    float offset[3];
    float pad[3];
};

__device__ static int to_byte(float value) {
    int rounded = (int)rintf(value);
    return rounded < 0 ? 0 : (rounded > 255 ? 255 : rounded);
}

// The arithmetic is that of OpenCV's resize for 8-bit images, so that both ways give the same grey levels.
__device__ static int sample(const Prepare& p, int x, int y, int channel) {
    if (p.resize == RESIZE_NONE) {
        return p.source[(u64)y * p.step + (u64)(x * p.channels + channel)];
    }
    if (p.resize == RESIZE_HALVE) {
        const u8* upper = p.source + (u64)(2 * y) * p.step + (u64)(2 * x * p.channels + channel);
        const u8* lower = upper + p.step;
        return (upper[0] + upper[p.channels] + lower[0] + lower[p.channels] + 2) >> 2;
    }
    const Tap column = p.columns[x];
    const Tap row = p.rows[y];
    if (p.resize == RESIZE_LINEAR) {
        // `count` is the second pixel here, which at the border is the first one again
        const u8* upper = p.source + (u64)row.first * p.step + channel;
        const u8* lower = p.source + (u64)row.count * p.step + channel;
        const int a = column.first * p.channels;
        const int b = column.count * p.channels;
        const int above = upper[a] * column.weight_a + upper[b] * column.weight_b;
        const int below = lower[a] * column.weight_a + lower[b] * column.weight_b;
        return (((row.weight_a * (above >> 4)) >> 16) + ((row.weight_b * (below >> 4)) >> 16) + 2) >> 2;
    }
    float sum = 0.0f;
    for (int j = 0; j < row.count; ++j) {
        const u8* line = p.source + (u64)(row.first + j) * p.step + (u64)(column.first * p.channels + channel);
        float across = 0.0f;
        for (int i = 0; i < column.count; ++i) {
            across += (float)line[i * p.channels] * p.column_weights[column.weight_a + i];
        }
        sum += across * p.row_weights[row.weight_a + j];
    }
    return to_byte(sum);
}

// One thread per pixel of the input tensor.
extern "C" __global__ void prepare(const Prepare p) {
    const int x = (int)(blockIdx.x * blockDim.x + threadIdx.x);
    const int y = (int)(blockIdx.y * blockDim.y + threadIdx.y);
    if (x == 0 && y == 0 && p.header) {
        p.header[0] = 0;
        p.header[1] = 0;
    }
    if (x >= p.input_width || y >= p.input_height) return;
    const int inner_x = x - p.left;
    const int inner_y = y - p.top;
    const bool inside = inner_x >= 0 && inner_x < p.width && inner_y >= 0 && inner_y < p.height;
    const u64 plane = (u64)p.input_width * (u64)p.input_height;
    const u64 pixel = (u64)y * (u64)p.input_width + (u64)x;
    for (int c = 0; c < 3; ++c) {
        const float value =
            inside ? (float)sample(p, inner_x, inner_y, p.order[c]) * p.scale[c] + p.offset[c] : p.pad[c];
        const u64 place = p.interleaved ? pixel * 3 + c : plane * c + pixel;
        if (p.half_precision) {
            ((u16*)p.target)[place] = half_of(value);
        } else {
            ((float*)p.target)[place] = value;
        }
    }
}

// A matrix inside an output, and how to walk it.
struct Strided {
    const void* data;
    u64 row_stride;
    u64 column_stride;
    int columns;
    int half_precision;
};

__device__ static float element(const Strided& matrix, int row, int column) {
    const u64 place = (u64)row * matrix.row_stride + (u64)column * matrix.column_stride;
    return matrix.half_precision ? float_of(((const u16*)matrix.data)[place]) : ((const float*)matrix.data)[place];
}

__device__ static bool is_number(float value) {
    return value - value == 0.0f;
}

// Rows of boxes with their scores; `objectness.data` is null where the head has none.
struct Block {
    Strided scores;
    Strided boxes;
    Strided objectness;
    int rows;
    int first_row;
};

struct Pick {
    Block blocks[8];
    // header[0]: rows that may hold an object, also those beyond `capacity`; header[1]: values that are no numbers in
    // the other rows.
    u32* header;
    // `capacity` records: the row's number, its objectness (1 without), its scores, its box values.
    float* records;
    u32 capacity;
    int record_length;
    int score_columns;
    float threshold;
};

// One thread per row, one line of thread blocks per block of rows.
extern "C" __global__ void pick(const Pick p) {
    const Block& block = p.blocks[blockIdx.y];
    const int row = (int)(blockIdx.x * blockDim.x + threadIdx.x);
    if (row >= block.rows) return;
    float objectness = 1.0f;
    if (block.objectness.data) {
        objectness = element(block.objectness, row, 0);
        if (!is_number(objectness)) {
            atomicAdd(p.header + 1, 1u);
            return;
        }
        if (objectness < p.threshold) return;
    }
    float highest = p.threshold;
    bool found = false;
    u32 strange = 0;
#pragma unroll 8
    for (int column = 0; column < block.scores.columns; ++column) {
        const float score = element(block.scores, row, column);
        found = found || score >= highest;
        strange += is_number(score) ? 0u : 1u;
    }
    if (!found) {
        if (strange) atomicAdd(p.header + 1, strange);
        return;
    }
    const u32 place = atomicAdd(p.header, 1u);
    if (place >= p.capacity) return;
    float* record = p.records + (u64)place * (u64)p.record_length;
    record[0] = (float)(block.first_row + row);
    record[1] = objectness;
    for (int column = 0; column < block.scores.columns; ++column) {
        record[2 + column] = element(block.scores, row, column);
    }
    for (int column = 0; column < block.boxes.columns; ++column) {
        record[2 + p.score_columns + column] = element(block.boxes, row, column);
    }
}
