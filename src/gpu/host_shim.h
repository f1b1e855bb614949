// Lets a C++ compiler take `kernels.cu` for the CPU: one thread after the other.
#include <cmath>
#define ROADPROOF_HOST
#define __global__
#define __device__
typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned short u16;
typedef unsigned long long u64;
using std::rintf;
struct Dim {
    unsigned x, y, z;
};
static Dim blockIdx, threadIdx, blockDim;
static u16 half_of(float value) {
    _Float16 half = (_Float16)value;
    u16 bits;
    __builtin_memcpy(&bits, &half, 2);
    return bits;
}
static float float_of(u16 bits) {
    _Float16 half;
    __builtin_memcpy(&half, &bits, 2);
    return (float)half;
}
static u32 atomicAdd(u32* place, u32 value) {
    u32 before = *place;
    *place += value;
    return before;
}
#include "kernels.cu"

template <typename P>
static void launch(void (*kernel)(const P), const P* parameters, Dim grid, Dim block) {
    blockDim = block;
    for (blockIdx.y = 0; blockIdx.y < grid.y; ++blockIdx.y)
        for (blockIdx.x = 0; blockIdx.x < grid.x; ++blockIdx.x)
            for (threadIdx.y = 0; threadIdx.y < block.y; ++threadIdx.y)
                for (threadIdx.x = 0; threadIdx.x < block.x; ++threadIdx.x) kernel(*parameters);
}

extern "C" void run_prepare(const Prepare* parameters, unsigned columns, unsigned rows) {
    launch(prepare, parameters, {columns, rows, 1}, {32, 8, 1});
}

extern "C" void run_pick(const Pick* parameters, unsigned columns, unsigned rows) {
    launch(pick, parameters, {columns, rows, 1}, {128, 1, 1});
}
