//! Crops, shifts and flips of pictures, and of the boxes in them.

use roadproof::detector::BoundingBox;
use roadproof::image::PixelView;
use serde::{Deserialize, Serialize};

use super::dice::Dice;
use super::error::{DataError, check, check_probability, check_range};
use super::raster::Raster;

/// Share of a box's area that must be left of it for its label to stay.
pub(super) const MIN_VISIBLE: f32 = 0.2;

/// How pictures are moved, for parent and student alike.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Geometric {
    /// Probability that left and right change places.
    pub flip: f64,
    /// How much larger things become, at least and at most, 0.25 to 4. Above 1 a part of the picture is cut out anywhere,
    /// below 1 the picture lies anywhere in an empty one.
    pub scale: [f64; 2],
    /// How far the picture is shifted beyond that at most, along each side, 0 to 0.5; a share of what is to be seen.
    pub translate: f64,
    /// Probability that four pictures are put together into one (Bochkovskiy, Wang & Liao 2020,
    /// arXiv 2004.10934, section 3.3). It costs the reading of four images.
    pub mosaic: f64,
}

impl Geometric {
    /// Nothing: pictures stay as they are.
    #[must_use]
    pub fn off() -> Self {
        Self { flip: 0.0, scale: [1.0; 2], translate: 0.0, mosaic: 0.0 }
    }

    pub(super) fn validate(&self, key: &str) -> Result<(), DataError> {
        check_probability(&format!("{key}.flip"), self.flip)?;
        check_probability(&format!("{key}.mosaic"), self.mosaic)?;
        check_range(
            &format!("{key}.scale"),
            self.scale,
            [0.25, 4.0],
            "[low, high], 0.25 <= low <= high <= 4",
        )?;
        let shifts = (0.0..=0.5).contains(&self.translate);
        check(shifts, &format!("{key}.translate"), "a share from 0 to 0.5", &self.translate)
    }
}

impl Default for Geometric {
    /// A flip of every other picture, scales of 0.75 to 1.5, no mosaic.
    fn default() -> Self {
        Self { flip: 0.5, scale: [0.75, 1.5], translate: 0.0, mosaic: 0.0 }
    }
}

/// A rectangle of a picture in whole pixels, which may reach beyond it, seen as it is or mirrored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) left: i64,
    pub(super) top: i64,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) is_mirrored: bool,
}

impl Window {
    /// All of a picture.
    pub(super) fn whole(width: u32, height: u32) -> Self {
        Self { left: 0, top: 0, width, height, is_mirrored: false }
    }

    /// A window onto a picture of `width` x `height` pixels, in proportion to it.
    pub(super) fn draw(options: &Geometric, width: u32, height: u32, dice: &mut Dice) -> Self {
        let scale = dice.between(options.scale[0], options.scale[1]);
        let mut side = |whole: u32| {
            let length = (f64::from(whole) / scale).round().max(1.0);
            let slack = dice.unit() * (f64::from(whole) - length);
            let seen = length.min(f64::from(whole));
            let shift = dice.between(-options.translate, options.translate) * seen;
            ((slack + shift).round() as i64, length as u32)
        };
        let ((left, width), (top, height)) = (side(width), side(height));
        Self { left, top, width, height, is_mirrored: dice.chance(options.flip) }
    }

    /// Copies what is to be seen, in the grey level `empty` where there is no picture.
    pub(super) fn cut(&self, from: &PixelView<'_>, empty: u8, into: &mut Raster) {
        into.fill(self.width, self.height, empty);
        let clamp = |at: i64, side: u32| at.clamp(0, i64::from(side));
        let first = clamp(self.left, from.width());
        let last = clamp(self.left + i64::from(self.width), from.width()).max(first);
        let start = (first - self.left).clamp(0, i64::from(self.width)) as u32;
        let (start, end) = match (start, (last - first) as u32) {
            (start, length) if self.is_mirrored => (self.width - start - length, self.width - start),
            (start, length) => (start, start + length),
        };
        for (y, row) in (0..).zip(from.rows()) {
            let Ok(y) = u32::try_from(y - self.top) else { continue };
            let part = row.get(first as usize * 3..last as usize * 3).unwrap_or_default();
            let to = into.part_mut(y, start, end);
            if self.is_mirrored {
                let pixels = part.as_chunks::<3>().0.iter().rev();
                to.as_chunks_mut::<3>().0.iter_mut().zip(pixels).for_each(|(to, from)| *to = *from);
            } else if to.len() == part.len() {
                to.copy_from_slice(part);
            }
        }
    }

    /// Where a box of the picture is to be seen; `None` where less than [`MIN_VISIBLE`] of it is.
    pub(super) fn moved(&self, bbox: &BoundingBox) -> Option<BoundingBox> {
        let (left, top) = (self.left as f32, self.top as f32);
        let (mut from, mut to) = (bbox.x_min - left, bbox.x_max - left);
        if self.is_mirrored {
            let width = self.width as f32;
            (from, to) = (width - to, width - from);
        }
        let moved = BoundingBox::new(from, bbox.y_min - top, to, bbox.y_max - top);
        visible(&moved, self.width, self.height)
    }
}

/// The part of a box within `width` x `height` pixels; `None` where it is less than [`MIN_VISIBLE`].
pub(super) fn visible(bbox: &BoundingBox, width: u32, height: u32) -> Option<BoundingBox> {
    let clipped = bbox.clip(width, height);
    (clipped.area() > 0.0 && clipped.area() >= MIN_VISIBLE * bbox.area()).then_some(clipped)
}

#[cfg(test)]
mod tests {
    use super::super::dice::Purpose;
    use super::*;
    use proptest::prelude::*;

    fn picture(width: u32, height: u32, bbox: &BoundingBox) -> Raster {
        let mut raster = Raster::default();
        raster.fill(width, height, 10);
        for y in bbox.y_min as u32..bbox.y_max as u32 {
            raster.part_mut(y, bbox.x_min as u32, bbox.x_max as u32).fill(250);
        }
        raster
    }

    /// The smallest box around what is bright.
    fn bright(raster: &Raster) -> Option<BoundingBox> {
        let view = raster.view().unwrap();
        let mut found: Option<BoundingBox> = None;
        for (y, row) in view.rows().enumerate() {
            for (x, _) in row.as_chunks::<3>().0.iter().enumerate().filter(|(_, pixel)| pixel[0] > 200) {
                let (x, y) = (x as f32, y as f32);
                let all = found.get_or_insert(BoundingBox::new(x, y, x, y));
                all.x_min = all.x_min.min(x);
                all.x_max = all.x_max.max(x + 1.0);
                all.y_max = y + 1.0;
            }
        }
        found
    }

    proptest! {
        #[test]
        fn boxes_follow_their_pixels_exactly(
            (width, height) in (40..90_u32, 40..90_u32), (x, y) in (0..30_u32, 0..30_u32),
            (w, h) in (2..10_u32, 2..10_u32), number: u64,
        ) {
            let options = Geometric { flip: 0.5, scale: [0.25, 4.0], translate: 0.5, mosaic: 0.0 };
            let bbox = BoundingBox::new(x as f32, y as f32, (x + w) as f32, (y + h) as f32);
            let from = picture(width, height, &bbox);
            let window = Window::draw(&options, width, height, &mut Dice::new(1, Purpose::Window, number, 0));
            let mut cut = Raster::default();
            window.cut(&from.view().unwrap(), 90, &mut cut);
            prop_assert_eq!((cut.width(), cut.height()), (window.width, window.height));
            let seen = bright(&cut);
            match window.moved(&bbox) {
                Some(moved) => prop_assert_eq!(seen, Some(moved)),
                None => prop_assert!(seen.is_none_or(|seen| seen.area() < MIN_VISIBLE * bbox.area())),
            }
        }

        #[test]
        fn something_of_the_picture_is_always_seen(number: u64, width in 1..2000_u32, height in 1..2000_u32) {
            let options = Geometric { flip: 0.5, scale: [0.25, 4.0], translate: 0.5, mosaic: 0.0 };
            let window = Window::draw(&options, width, height, &mut Dice::new(1, Purpose::Window, number, 0));
            let overlap = |from: i64, length: u32, whole: u32| {
                (from + i64::from(length)).min(i64::from(whole)) - from.max(0)
            };
            let seen = overlap(window.left, window.width, width);
            prop_assert!(seen * 2 + 2 >= i64::from(window.width.min(width)), "{:?}", window);
            let seen = overlap(window.top, window.height, height);
            prop_assert!(seen * 2 + 2 >= i64::from(window.height.min(height)), "{:?}", window);
        }
    }

    #[test]
    fn without_geometry_the_window_is_the_whole_picture() {
        for number in 0..50 {
            let mut dice = Dice::new(1, Purpose::Window, number, 0);
            assert_eq!(Window::draw(&Geometric::off(), 641, 479, &mut dice), Window::whole(641, 479));
        }
        let from = picture(30, 20, &BoundingBox::new(3.0, 4.0, 9.0, 11.0));
        let mut cut = Raster::default();
        Window::whole(30, 20).cut(&from.view().unwrap(), 0, &mut cut);
        assert_eq!(cut, from);
    }

    #[test]
    fn a_label_goes_with_four_fifths_of_its_box() {
        let window = Window { left: 0, top: 0, width: 100, height: 100, is_mirrored: false };
        assert_eq!(window.moved(&BoundingBox::new(99.0, 0.0, 109.0, 10.0)), None);
        let kept = window.moved(&BoundingBox::new(97.0, 0.0, 107.0, 10.0));
        assert_eq!(kept, Some(BoundingBox::new(97.0, 0.0, 100.0, 10.0)));
        assert_eq!(window.moved(&BoundingBox::new(5.0, 5.0, 5.0, 9.0)), None, "a box without area");
    }

    #[test]
    fn options_out_of_range_are_named() {
        let message = |options: Geometric| options.validate("geometric").unwrap_err().to_string();
        assert!(message(Geometric { flip: 1.5, ..Geometric::off() }).contains("geometric.flip"));
        assert!(message(Geometric { scale: [2.0, 1.0], ..Geometric::off() }).contains("geometric.scale"));
        assert!(
            message(Geometric { translate: f64::NAN, ..Geometric::off() }).contains("geometric.translate")
        );
        assert!(message(Geometric { mosaic: -0.1, ..Geometric::off() }).contains("geometric.mosaic"));
        assert!(Geometric::default().validate("").is_ok() && Geometric::off().validate("").is_ok());
    }
}
