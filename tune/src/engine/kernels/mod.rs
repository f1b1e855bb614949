//! The inner loops that nearly all the time of training goes into.
//!
//! Two sums carry every convolution and every matrix product, forward and backward. In both, `b` is read in rows that may
//! overlap: row `k` begins at `offsets[k]`. For a convolution such a row is one channel of the image, shifted by one tap of
//! the kernel, so that no matrix of image patches is ever written.
//!
//! - [`correlate()`]: `out[m][p] = Σₖ a[m][k] · b[offsets[k] + p]`
//! - [`dots()`]: `out[m][k] += Σₚ a[m][p] · b[offsets[k] + p]`
//!
//! [`product`](fn@product) is the matrix product made of them. The instructions (AVX-512, AVX2, NEON) are chosen at run time; sums
//! are taken in an order that depends on nothing but them and the sides.

#![allow(
    clippy::inline_always,
    reason = "vector code has to be inlined to where its instructions are enabled"
)]

mod correlate;
mod dots;
mod product;

pub use correlate::{Panels, correlate};
pub use dots::{Strided, dots};
pub use product::{Matrix, product};

/// Vector registers from which the larger tiles pay: AVX-512 and NEON have 32, AVX2 16.
const MANY_REGISTERS: usize = 32;

#[cfg(test)]
mod tests;
