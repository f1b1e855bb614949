//! Colours. Every scale runs from light to dark, so that it also works without colour vision; values are printed besides.

/// Background and ink of a step.
pub(super) type Step = (&'static str, &'static str);

/// From nothing lost to everything lost, on a light page.
pub(super) const LIGHT: [Step; STEPS] = [
    ("#fdf6ee", "#1c2024"),
    ("#fbe6cf", "#1c2024"),
    ("#f8cfa4", "#1c2024"),
    ("#f2b276", "#1c2024"),
    ("#e5934c", "#1c2024"),
    ("#cf7630", "#14171a"),
    ("#9f4c0d", "#ffffff"),
    ("#702c05", "#ffffff"),
];

/// The same on a dark page, where the bright end stands out.
pub(super) const DARK: [Step; STEPS] = [
    ("#23282d", "#e8eaec"),
    ("#382c22", "#e8eaec"),
    ("#52361e", "#f4efe9"),
    ("#70431a", "#ffffff"),
    ("#935214", "#ffffff"),
    ("#cb7823", "#0f1113"),
    ("#e89a4b", "#0f1113"),
    ("#fdc990", "#0f1113"),
];

/// Steps of a scale.
pub(super) const STEPS: usize = 8;

/// Series beside each other: colour on light and dark pages (after Okabe and Ito, darkened or lightened to be read as text).
pub(super) const SERIES: [(&str, &str); 6] = [
    ("#0068a8", "#62b6ee"),
    ("#b84a00", "#f08c4a"),
    ("#00785a", "#3ecfa4"),
    ("#9a4a7c", "#e39cc4"),
    ("#7a6200", "#e6c94a"),
    ("#4a5560", "#b4bec8"),
];

/// Dashes of a series' line; the first is solid.
pub(super) const DASHES: [&str; 6] = ["none", "7 3", "2 3", "9 3 2 3", "12 4", "4 2"];

/// The step for a share between 0 and 1.
pub(super) fn step(share: f64) -> usize {
    ((share.clamp(0.0, 1.0) * STEPS as f64) as usize).min(STEPS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn luminance(colour: &str) -> f64 {
        let channel = |i: usize| {
            let value = f64::from(u8::from_str_radix(&colour[i..i + 2], 16).unwrap()) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
    }

    /// WCAG 2: contrast of two colours.
    fn contrast(a: &str, b: &str) -> f64 {
        let (a, b) = (luminance(a) + 0.05, luminance(b) + 0.05);
        a.max(b) / a.min(b)
    }

    #[test]
    fn every_step_can_be_read() {
        for (background, ink) in LIGHT.iter().chain(&DARK) {
            assert!(contrast(background, ink) >= 4.5, "{ink} on {background}: {}", contrast(background, ink));
        }
        for (light, dark) in SERIES {
            assert!(contrast(light, "#ffffff") >= 4.5, "{light}: {}", contrast(light, "#ffffff"));
            assert!(contrast(dark, "#1a1e22") >= 4.5, "{dark}: {}", contrast(dark, "#1a1e22"));
        }
    }

    #[test]
    fn scales_run_one_way() {
        assert!(LIGHT.windows(2).all(|pair| luminance(pair[0].0) > luminance(pair[1].0)));
        assert!(DARK.windows(2).all(|pair| luminance(pair[0].0) < luminance(pair[1].0)));
        assert_eq!((step(0.0), step(0.5), step(1.0), step(7.0)), (0, 4, 7, 7));
    }
}
