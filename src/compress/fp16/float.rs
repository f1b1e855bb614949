//! IEEE 754 binary16 ("half precision"): 1 bit sign, 5 bits exponent, 10 bits fraction.

/// The largest finite number.
pub(super) const MAX: f32 = 65504.0;
/// The smallest positive number that has all its bits.
pub(super) const MIN_POSITIVE: f32 = 6.103_515_6e-5;

/// The bits of the nearest half-precision number; of two equally near ones the even. What is too large becomes infinite.
pub(super) fn to_bits(value: f32) -> u16 {
    let bits = value.to_bits();
    let sign = (bits >> 16) as u16 & 0x8000;
    let magnitude = bits & 0x7fff_ffff;
    if magnitude > 0x7f80_0000 {
        // a quiet NaN, with what of its payload fits
        return sign | 0x7e00 | (magnitude >> 13) as u16 & 0x01ff;
    }
    let exponent = (magnitude >> 23) as i32 - 127;
    if exponent > 15 {
        return sign | 0x7c00;
    }
    // `keep` of the 24 bits of the fraction stay, the implicit one included; the rest is rounded off
    let (fraction, shift, base) = if exponent >= -14 {
        (magnitude & 0x007f_ffff, 13, ((exponent + 15) as u32) << 10)
    } else if exponent >= -25 {
        ((magnitude & 0x007f_ffff) | 0x0080_0000, (-1 - exponent) as u32, 0)
    } else {
        return sign;
    };
    let kept = fraction >> shift;
    let (rest, half) = (fraction & ((1 << shift) - 1), 1 << (shift - 1));
    let up = rest > half || (rest == half && kept & 1 == 1);
    // a carry out of the fraction makes the exponent one larger, up to infinity, as it should
    sign | (base + kept + u32::from(up)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, by arithmetic instead of bits.
    fn from_bits(bits: u16) -> f64 {
        let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 0x3ff));
        let magnitude = match exponent {
            0 => fraction * 2f64.powi(-24),
            31 if fraction == 0.0 => f64::INFINITY,
            31 => f64::NAN,
            _ => (1024.0 + fraction) * 2f64.powi(exponent - 25),
        };
        if bits & 0x8000 == 0 { magnitude } else { -magnitude }
    }

    #[test]
    fn every_half_comes_back() {
        for bits in 0..=u16::MAX {
            let value = from_bits(bits);
            if value.is_nan() {
                assert_eq!(to_bits(value as f32) & 0x7c00, 0x7c00);
                assert_ne!(to_bits(value as f32) & 0x03ff, 0);
            } else {
                assert_eq!(to_bits(value as f32), bits, "{value}");
            }
        }
    }

    #[test]
    fn between_two_the_nearest_is_taken_and_of_equals_the_even() {
        for bits in 0..0x7bffu16 {
            let (low, high) = (from_bits(bits), from_bits(bits + 1));
            // 11 bits and one more: exact in float32
            let middle = f64::midpoint(low, high) as f32;
            let even = bits + (bits & 1);
            assert_eq!(to_bits(middle), even, "{middle}");
            assert_eq!(to_bits(middle.next_down()), bits);
            assert_eq!(to_bits(middle.next_up()), bits + 1);
            assert_eq!(to_bits(-middle), even | 0x8000);
        }
    }

    #[test]
    fn ends_are_where_the_standard_has_them() {
        assert_eq!(from_bits(0x7bff), f64::from(MAX));
        assert_eq!(from_bits(0x0400), f64::from(MIN_POSITIVE));
        assert_eq!(to_bits(65519.996), 0x7bff);
        assert_eq!(to_bits(65520.0), 0x7c00);
        assert_eq!(to_bits(f32::MAX), 0x7c00);
        assert_eq!(to_bits(f32::NEG_INFINITY), 0xfc00);
        // half of the smallest subnormal number rounds to even, to zero
        assert_eq!(to_bits(2f32.powi(-25)), 0);
        assert_eq!(to_bits(2f32.powi(-25).next_up()), 1);
        assert_eq!(to_bits(-f32::MIN_POSITIVE), 0x8000);
        assert_eq!(to_bits(0.0), 0);
    }
}
