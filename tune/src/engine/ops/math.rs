//! Functions that the standard library does not have, or not fast enough.

/// The error function, to 4e-7 of its value.
///
/// Near zero its Maclaurin series, elsewhere Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26.
pub(super) fn erf(x: f32) -> f32 {
    let magnitude = f64::from(x.abs());
    let value = if magnitude < 0.75 {
        // sum of (-1)^n x^(2n + 1) / (n! (2n + 1)), times 2 / sqrt(pi)
        let square = magnitude * magnitude;
        let (mut power, mut sum) = (magnitude, magnitude);
        for n in 1..9 {
            power *= -square / f64::from(n);
            sum += power / f64::from(2 * n + 1);
        }
        sum * std::f64::consts::FRAC_2_SQRT_PI
    } else {
        let t = 1.0 / (1.0 + 0.327_591_1 * magnitude);
        let polynomial = t
            * (0.254_829_592
                + t * (-0.284_496_736 + t * (1.421_413_741 + t * (-1.453_152_027 + t * 1.061_405_429))));
        1.0 - polynomial * (-magnitude * magnitude).exp()
    };
    (value as f32).copysign(x)
}

/// The logistic function.
pub(super) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

/// ln(1 + e^x), without overflow.
pub(super) fn softplus(x: f32) -> f32 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// tanh(ln(1 + e^x)), by which Mish multiplies (Misra, 2019): n / (n + 2) with n = e^x (e^x + 2).
pub(super) fn mish_gate(x: f32) -> f32 {
    // beyond, the gate is 1 and the square overflows
    let power = x.min(20.0).exp();
    let product = power * (power + 2.0);
    product / (product + 2.0)
}

/// The standard normal distribution function.
pub(super) fn normal_cdf(x: f32) -> f32 {
    0.5 * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2))
}

/// The standard normal density.
pub(super) fn normal_density(x: f32) -> f32 {
    // 1 / sqrt(2 pi)
    0.398_942_3 * (-0.5 * x * x).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_function_is_that_of_the_tables() {
        // Abramowitz and Stegun, table 7.1
        for (x, expected) in [
            (0.02f32, 0.022_564_57),
            (0.5, 0.520_499_9),
            (0.74, 0.704_678_08),
            (1.0, 0.842_700_8),
            (2.0, 0.995_322_3),
        ] {
            assert!((erf(x) - expected).abs() <= 4e-7 * expected, "{x}: {}", erf(x));
            assert_eq!(erf(-x), -erf(x));
        }
        assert_eq!(erf(9.0), 1.0);
        assert_eq!(softplus(200.0), 200.0);
        assert_eq!(softplus(-200.0), 0.0);
    }
}
