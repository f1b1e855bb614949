//! Four pictures in one.

use roadproof::detector::BoundingBox;

use super::dice::Dice;
use super::geometry::visible;
use super::raster::{Raster, resize};
use super::source::Object;

/// Number of pictures in a mosaic.
pub(super) const TILES: usize = 4;

/// Where the four meet, at least and at most, in shares of the sides.
const MEETS: (f64, f64) = (0.3, 0.7);

/// How a mosaic is divided: top left, top right, bottom left, bottom right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mosaic {
    width: u32,
    height: u32,
    x: u32,
    y: u32,
}

/// Where a picture lies in a mosaic: enlarged or shrunk until it covers its quarter, and cut off there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tile {
    /// The quarter, pixels of the mosaic: left, top, width, height.
    quarter: [u32; 4],
    /// The picture's own size, pixels.
    from: [u32; 2],
    /// Its size in the mosaic, pixels.
    scaled: [u32; 2],
    /// What is cut off at the left and at the top, pixels of the mosaic.
    cut: [u32; 2],
}

impl Mosaic {
    /// Divides a picture of `width` x `height` pixels; `None` where that is too small to be divided.
    pub(super) fn draw(width: u32, height: u32, dice: &mut Dice) -> Option<Self> {
        let mut meet = |side: u32| (f64::from(side) * dice.between(MEETS.0, MEETS.1)).round() as u32;
        let (x, y) = (meet(width), meet(height));
        (x > 0 && y > 0 && x < width && y < height).then_some(Self { width, height, x, y })
    }

    pub(super) fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// Lays a picture of `width` x `height` pixels into quarter `number`, 0 to 3.
    pub(super) fn tile(&self, number: usize, width: u32, height: u32, dice: &mut Dice) -> Tile {
        let (right, lower) = (number % 2 == 1, number / 2 == 1);
        let (left, w) = if right { (self.x, self.width - self.x) } else { (0, self.x) };
        let (top, h) = if lower { (self.y, self.height - self.y) } else { (0, self.y) };
        let (own_width, own_height) = (f64::from(width.max(1)), f64::from(height.max(1)));
        let scale = (f64::from(w) / own_width).max(f64::from(h) / own_height);
        let side = |own: f64, covered: u32| ((own * scale).round() as u32).max(covered);
        let scaled = [side(own_width, w), side(own_height, h)];
        let cut = [dice.below((scaled[0] - w) as usize + 1), dice.below((scaled[1] - h) as usize + 1)];
        Tile { quarter: [left, top, w, h], from: [width, height], scaled, cut: cut.map(|cut| cut as u32) }
    }
}

impl Tile {
    /// Draws the picture; `scratch` is written over.
    pub(super) fn place(
        &self,
        picture: &Raster,
        scratch: &mut Raster,
        mosaic: &mut Raster,
    ) -> opencv::Result<()> {
        resize(picture, self.scaled[0], self.scaled[1], scratch)?;
        let [left, top, width, height] = self.quarter;
        for y in 0..height {
            let from = scratch.part_mut(y + self.cut[1], self.cut[0], self.cut[0] + width);
            let to = mosaic.part_mut(y + top, left, left + width);
            if to.len() == from.len() {
                to.copy_from_slice(from);
            }
        }
        Ok(())
    }

    /// An object of the picture in the mosaic; `None` where too little of it is left.
    pub(super) fn moved(&self, object: &Object) -> Option<Object> {
        let scale = |axis: usize| self.scaled[axis] as f32 / self.from[axis] as f32;
        let (sx, sy) = (scale(0), scale(1));
        let [x, y] = self.cut.map(|cut| cut as f32);
        let bbox = object.bbox;
        let within = BoundingBox::new(
            bbox.x_min * sx - x,
            bbox.y_min * sy - y,
            bbox.x_max * sx - x,
            bbox.y_max * sy - y,
        );
        let [left, top, width, height] = self.quarter;
        let bbox = visible(&within, width, height)?;
        let (left, top) = (left as f32, top as f32);
        let bbox = BoundingBox::new(bbox.x_min + left, bbox.y_min + top, bbox.x_max + left, bbox.y_max + top);
        Some(Object { bbox, ..*object })
    }
}

#[cfg(test)]
mod tests {
    use super::super::dice::Purpose;
    use super::*;
    use proptest::prelude::*;

    fn grey(width: u32, height: u32, level: u8) -> Raster {
        let mut raster = Raster::default();
        raster.fill(width, height, level);
        raster
    }

    proptest! {
        #[test]
        fn the_four_fill_the_mosaic_and_boxes_follow(
            (width, height) in (8..80_u32, 8..80_u32),
            sizes in prop::array::uniform4((4..90_u32, 4..90_u32)), number: u64,
        ) {
            let mut dice = Dice::new(2, Purpose::Mosaic, number, 0);
            let mosaic = Mosaic::draw(width, height, &mut dice).unwrap();
            let (mut all, mut scratch) = (grey(width, height, 0), Raster::default());
            for (number, (w, h)) in sizes.into_iter().enumerate() {
                let level = 50 * (number as u8 + 1);
                let tile = mosaic.tile(number, w, h, &mut dice);
                tile.place(&grey(w, h, level), &mut scratch, &mut all).unwrap();
                // the whole picture as one object is the whole quarter
                let whole = Object { class_id: 3, bbox: BoundingBox::new(0.0, 0.0, w as f32, h as f32) };
                if let Some(Object { bbox, class_id }) = tile.moved(&whole) {
                    prop_assert_eq!(class_id, 3);
                    for (x, y) in [(bbox.x_min, bbox.y_min), (bbox.x_max - 1.0, bbox.y_max - 1.0)] {
                        let pixel = all.part_mut(y as u32, x as u32, x as u32 + 1).first().copied();
                        prop_assert_eq!(pixel, Some(level));
                    }
                }
            }
            let view = all.view().unwrap();
            prop_assert!(view.data().iter().all(|value| *value >= 50), "no hole");
        }

        #[test]
        fn a_bright_rectangle_lies_in_its_moved_box(
            (x, y) in (0..40_u32, 0..30_u32), (w, h) in (6..20_u32, 6..20_u32), number: u64, quarter in 0..4_usize,
        ) {
            let mut picture = grey(64, 48, 0);
            for row in y..(y + h).min(48) {
                picture.part_mut(row, x, x + w).fill(255);
            }
            let mut dice = Dice::new(3, Purpose::Mosaic, number, 0);
            let mosaic = Mosaic::draw(90, 70, &mut dice).unwrap();
            let tile = mosaic.tile(quarter, 64, 48, &mut dice);
            let (mut all, mut scratch) = (grey(90, 70, 0), Raster::default());
            tile.place(&picture, &mut scratch, &mut all).unwrap();
            let bbox = BoundingBox::new(x as f32, y as f32, (x + w).min(64) as f32, (y + h).min(48) as f32);
            if let Some(Object { bbox, .. }) = tile.moved(&Object { class_id: 0, bbox }) {
                // what is more than half bright lies within the box, but for the half pixel of its edge
                let view = all.view().unwrap();
                for (row, line) in view.rows().enumerate() {
                    for (column, pixel) in line.as_chunks::<3>().0.iter().enumerate() {
                        let (cx, cy) = (column as f32 + 0.5, row as f32 + 0.5);
                        let inside = |slack: f32| cx > bbox.x_min - slack && cx < bbox.x_max + slack
                            && cy > bbox.y_min - slack && cy < bbox.y_max + slack;
                        if pixel[0] > 128 {
                            prop_assert!(inside(0.6), "{:?} {:?}", (cx, cy), bbox);
                        } else {
                            prop_assert!(!inside(-1.1), "{:?} {:?}", (cx, cy), bbox);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_too_small_is_not_divided() {
        let mut dice = Dice::new(1, Purpose::Mosaic, 0, 0);
        assert_eq!(Mosaic::draw(1, 40, &mut dice), None);
        assert!(Mosaic::draw(3, 3, &mut dice).is_some());
    }
}
