//! Sixteen-bit fixed point: values are grey levels times 128, weights are parts of 65536.
//!
//! The product of the two, cut off to sixteen bits, is one instruction for eight values on every x86-64 machine (`pmulhuw`) and
//! compiles to it. Each product loses up to 1/128 of a grey level, half of that on average. What a kernel loses on flat
//! pictures is found by trying them all when the kernel is made, and added back: flat pictures stay as they are, and on others
//! the error stays at some hundredths of a grey level.

/// Bits behind the point.
pub(super) const FRACTION_BITS: u32 = 7;

/// One grey level.
pub(super) const ONE: u16 = 1 << FRACTION_BITS;

/// Values that are summed up in registers at a time.
pub(super) const TILE: usize = 64;

/// `value` × `weight` / 65536, cut off.
#[inline]
pub(super) fn scaled(value: u16, weight: u16) -> u16 {
    ((u32::from(value) * u32::from(weight)) >> 16) as u16
}

/// A tile of values.
pub(super) type Tile = [u16; TILE];

/// The tile that starts at an index.
#[inline]
pub(super) fn tile(values: &[u16], start: usize) -> Option<&Tile> {
    values.get(start..)?.first_chunk()
}

/// Adds `values` × `weight` / 65536.
#[inline]
pub(super) fn add_tile(sums: &mut Tile, values: &Tile, weight: u16) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum = sum.wrapping_add(scaled(*value, weight));
    }
}

/// Adds (`a` + `b`) × `weight` / 65536.
#[inline]
pub(super) fn add_tiles(sums: &mut Tile, a: &Tile, b: &Tile, weight: u16) {
    for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
        *sum = sum.wrapping_add(scaled(a.wrapping_add(*b), weight));
    }
}

/// Makes something else of all values.
// Not inlined, so that the compiler knows that nothing overlaps, and vectorises.
#[inline(never)]
pub(super) fn convert<T>(values: &[u16], out: &mut [T], convert: impl Fn(u16) -> T) {
    for (to, from) in out.iter_mut().zip(values) {
        *to = convert(*from);
    }
}

/// The nearest weight; 1 itself is out of range by a hair.
pub(super) fn weight(share: f64) -> u16 {
    (share * 65536.0).round().clamp(0.0, 65535.0) as u16
}

/// A part of a grey level.
pub(super) fn fraction(grey: f64) -> u16 {
    (grey * f64::from(ONE)).round().clamp(0.0, f64::from(ONE)) as u16
}

/// What must be added so that no flat picture comes out darker than `ideal` says: `found` and `ideal` take the flat picture's
/// value to the kernel's.
pub(super) fn lost(found: impl Fn(u16) -> u16, ideal: impl Fn(u16) -> u16) -> u16 {
    (0..=255).map(|grey| grey * ONE).map(|value| ideal(value).saturating_sub(found(value))).max().unwrap_or(0)
}

/// The grey level, its fraction cut off.
#[inline]
pub(super) fn grey(value: u16) -> u8 {
    (value >> FRACTION_BITS).min(255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_cut_off_and_what_they_lose_is_found() {
        assert_eq!(scaled(255 * ONE, weight(0.5)), 255 * 64);
        assert_eq!(scaled(ONE + 1, weight(0.5)), 64);
        assert_eq!((weight(1.0), weight(-1.0), fraction(0.5)), (65535, 0, 64));
        assert_eq!(lost(|v| v - v.min(3), |v| v), 3);
        assert_eq!((grey(ONE - 1), grey(256 * ONE - 1), grey(u16::MAX)), (0, 255, 255));
    }
}
