//! Light and colours of the scene.

use serde::{Deserialize, Serialize};

use super::dice::Dice;
use super::error::{DataError, check, check_probability, check_range};

/// How light and colours change, for parent and student alike (Liu et al., "SSD", ECCV 2016, arXiv 1512.02325, with the
/// ranges of its implementation).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Photometric {
    /// Probability of each of the four changes, for itself.
    pub probability: f64,
    /// What is added to all channels, at most, up or down; a share of the range of values, 0 to 1.
    pub brightness: f64,
    /// What all channels are multiplied by, at least and at most, 0 to 4.
    pub contrast: [f64; 2],
    /// What chroma is multiplied by, at least and at most, 0 to 4.
    pub saturation: [f64; 2],
    /// How far colours turn, at most, degrees, 0 to 180.
    pub hue: f64,
}

impl Photometric {
    /// Nothing: pictures keep their colours.
    #[must_use]
    pub fn off() -> Self {
        Self { probability: 0.0, ..Self::default() }
    }

    pub(super) fn validate(&self, key: &str) -> Result<(), DataError> {
        let factors = "[low, high], 0 <= low <= high <= 4";
        check_probability(&format!("{key}.probability"), self.probability)?;
        check_range(&format!("{key}.contrast"), self.contrast, [0.0, 4.0], factors)?;
        check_range(&format!("{key}.saturation"), self.saturation, [0.0, 4.0], factors)?;
        let brightness = (0.0..=1.0).contains(&self.brightness);
        check(brightness, &format!("{key}.brightness"), "a share from 0 to 1", &self.brightness)?;
        let hue = (0.0..=180.0).contains(&self.hue);
        check(hue, &format!("{key}.hue"), "degrees from 0 to 180", &self.hue)
    }
}

impl Default for Photometric {
    /// Each with probability 0.5: brightness ± 32/255, contrast and saturation 0.5 to 1.5, hue ± 18°.
    fn default() -> Self {
        Self { probability: 0.5, brightness: 0.125, contrast: [0.5, 1.5], saturation: [0.5, 1.5], hue: 18.0 }
    }
}

/// Weights of red, green and blue in the two axes of chroma of YIQ (FCC 1953).
const CHROMA: [[f64; 3]; 2] = [[0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]];
/// What a unit of either chroma adds to red, green and blue.
const FROM_CHROMA: [[f64; 2]; 3] = [[0.956, 0.619], [-0.272, -0.647], [-1.106, 1.703]];

/// Fraction bits of the fixed-point map: the strongest changes that options allow still fit 32 bits.
const BITS: u32 = 14;

/// One affine map of a pixel's three values: all four changes together, which clip once, at the end.
///
/// In the order of SSD: *y = C(k (x + b))*, *C* scales and turns the plane of chroma and leaves luma as it is. (SSD does that
/// in HSV, whose steps are not linear.)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ColourMap {
    /// By output: weights of the inputs and what is added, times 2^[`BITS`].
    rows: [[i32; 4]; 3],
}

impl ColourMap {
    /// Draws one; `None` where nothing changes.
    pub(super) fn draw(options: &Photometric, dice: &mut Dice) -> Option<Self> {
        // all are drawn, so that what one draws does not depend on another
        let mut draw = |low: f64, high: f64, neutral: f64| {
            let (is_drawn, value) = (dice.chance(options.probability), dice.between(low, high));
            if is_drawn { value } else { neutral }
        };
        let brightness = draw(-options.brightness, options.brightness, 0.0) * 255.0;
        let contrast = draw(options.contrast[0], options.contrast[1], 1.0);
        let saturation = draw(options.saturation[0], options.saturation[1], 1.0);
        let hue = draw(-options.hue, options.hue, 0.0);
        let map = Self::new(brightness, contrast, saturation, hue);
        (map != Self::new(0.0, 1.0, 1.0, 0.0)).then_some(map)
    }

    fn new(brightness: f64, contrast: f64, saturation: f64, hue: f64) -> Self {
        let (sin, cos) = hue.to_radians().sin_cos();
        // what is added to chroma, so that no change is no change at all
        let change =
            [[saturation * cos - 1.0, -saturation * sin], [saturation * sin, saturation * cos - 1.0]];
        let colour = |out: usize, input: usize| {
            let turned =
                |axis: usize| change[axis][0] * CHROMA[0][input] + change[axis][1] * CHROMA[1][input];
            f64::from(u8::from(out == input))
                + FROM_CHROMA[out][0] * turned(0)
                + FROM_CHROMA[out][1] * turned(1)
        };
        let fixed = |value: f64| (value * f64::from(1_u32 << BITS)).round() as i32;
        let row = |out: usize| {
            let weights = [0, 1, 2].map(|input| contrast * colour(out, input));
            // chroma of grey is zero: brightness passes
            [fixed(weights[0]), fixed(weights[1]), fixed(weights[2]), fixed(contrast * brightness + 0.5)]
        };
        Self { rows: [row(0), row(1), row(2)] }
    }

    /// Maps all pixels of an RGB picture.
    pub(super) fn apply(&self, pixels: &mut [u8]) {
        let [red, green, blue] = self.rows;
        let value = |row: [i32; 4], [r, g, b]: [i32; 3]| {
            ((row[0] * r + row[1] * g + row[2] * b + row[3]) >> BITS).clamp(0, 255) as u8
        };
        for pixel in pixels.as_chunks_mut::<3>().0 {
            let rgb = pixel.map(i32::from);
            *pixel = [value(red, rgb), value(green, rgb), value(blue, rgb)];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::dice::Purpose;
    use super::*;

    fn mapped(map: ColourMap, mut pixel: [u8; 3]) -> [u8; 3] {
        map.apply(&mut pixel);
        pixel
    }

    /// ITU-R BT.601.
    fn luma([r, g, b]: [u8; 3]) -> f64 {
        0.299 * f64::from(r) + 0.587 * f64::from(g) + 0.114 * f64::from(b)
    }

    #[test]
    fn each_change_does_what_its_name_says() {
        let pixel = [120, 100, 70];
        assert_eq!(mapped(ColourMap::new(0.0, 1.0, 1.0, 0.0), pixel), pixel);
        assert_eq!(mapped(ColourMap::new(20.0, 1.0, 1.0, 0.0), pixel), [140, 120, 90]);
        assert_eq!(mapped(ColourMap::new(0.0, 1.5, 1.0, 0.0), pixel), [180, 150, 105]);
        assert_eq!(mapped(ColourMap::new(10.0, 0.5, 1.0, 0.0), pixel), [65, 55, 40]);
        assert_eq!(mapped(ColourMap::new(0.0, 4.0, 1.0, 0.0), pixel), [255, 255, 255]);
        assert_eq!(mapped(ColourMap::new(-200.0, 1.0, 1.0, 0.0), pixel), [0, 0, 0]);
        // without chroma all channels are luma
        let grey = mapped(ColourMap::new(0.0, 1.0, 0.0, 0.0), pixel);
        assert!(grey.iter().all(|value| (f64::from(*value) - luma(pixel)).abs() < 1.5), "{grey:?}");
    }

    #[test]
    fn turning_and_scaling_chroma_keeps_luma_and_grey() {
        let pixel = [120, 100, 70];
        for hue in [-90.0, -18.0, 18.0, 90.0, 180.0] {
            let map = ColourMap::new(0.0, 1.0, 0.8, hue);
            let turned = mapped(map, pixel);
            assert!((luma(turned) - luma(pixel)).abs() < 1.5, "{turned:?}");
            assert_ne!(turned, pixel);
            assert_eq!(mapped(map, [77; 3]), [77; 3]);
        }
        let there_and_back =
            mapped(ColourMap::new(0.0, 1.0, 1.0, -40.0), mapped(ColourMap::new(0.0, 1.0, 1.0, 40.0), pixel));
        assert!(there_and_back.iter().zip(pixel).all(|(a, b)| a.abs_diff(b) <= 2), "{there_and_back:?}");
    }

    #[test]
    fn the_strongest_changes_fit() {
        for hue in (-180..=180).step_by(15) {
            for (contrast, saturation, brightness) in [(4.0, 4.0, 255.0), (4.0, 4.0, -255.0), (0.0, 0.0, 0.0)]
            {
                let map = ColourMap::new(brightness, contrast, saturation, f64::from(hue));
                for corner in 0..8_u8 {
                    let pixel = [1, 2, 4].map(|bit| if corner & bit > 0 { 255 } else { 0 });
                    // sums beyond 32 bits would panic
                    let mapped = mapped(map, pixel);
                    assert!(contrast > 0.0 || mapped == [0; 3]);
                    assert!(brightness < 1.0 || corner < 7 || mapped == [255; 3]);
                }
            }
        }
    }

    #[test]
    fn changes_come_with_their_probability_within_their_ranges() {
        let draw = |options: &Photometric, number| {
            ColourMap::draw(options, &mut Dice::new(1, Purpose::Colour, number, 0))
        };
        assert!((0..100).all(|number| draw(&Photometric::off(), number).is_none()));
        // one in sixteen has none of four changes
        let unchanged = (0..3200).filter(|number| draw(&Photometric::default(), *number).is_none()).count();
        assert!((140..260).contains(&unchanged), "{unchanged}");
        let options =
            Photometric { contrast: [1.0; 2], saturation: [1.0; 2], hue: 0.0, ..Photometric::default() };
        let shift =
            |number| draw(&options, number).map_or(0, |map| i32::from(mapped(map, [100; 3])[0]) - 100);
        assert_eq!((0..3200).map(shift).max(), Some(32));
        assert_eq!((0..3200).map(shift).min(), Some(-32));
    }

    #[test]
    fn options_out_of_range_are_named() {
        let message = |options: Photometric| options.validate("photometric").unwrap_err().to_string();
        assert!(message(Photometric { hue: 181.0, ..Photometric::default() }).contains("photometric.hue"));
        assert!(message(Photometric { brightness: -0.1, ..Photometric::default() }).contains("brightness"));
        assert!(message(Photometric { contrast: [2.0, 1.0], ..Photometric::default() }).contains("contrast"));
        assert!(
            message(Photometric { saturation: [0.0, 9.0], ..Photometric::default() }).contains("saturation")
        );
        assert!(Photometric::default().validate("").is_ok());
    }
}
