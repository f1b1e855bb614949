//! Objects of rare classes, pasted into other images.
//!
//! "Simple copy-paste" (Ghiasi et al., CVPR 2021, arXiv 2012.07177) with what boxes give: rectangles instead of the objects'
//! outlines, with soft edges.

use roadproof::detector::BoundingBox;
use roadproof::image::PixelView;

use super::dice::Dice;
use super::geometry::Window;
use super::raster::{Raster, resize};
use super::source::Object;

/// Smallest side of what is pasted, pixels.
const MIN_SIDE_PX: u32 = 8;

/// Share of a box's area that may be pasted over before its label goes.
const MAX_COVERED: f32 = 0.7;

/// An object that is cut out for pasting.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Donor {
    /// The number of its image.
    pub image: usize,
    /// It.
    pub object: Object,
}

/// What is pasted, and how often.
#[derive(Debug, Clone, PartialEq)]
pub struct Pasting {
    /// Probability that something is pasted into an image, 0 to 1.
    pub probability: f64,
    /// Most objects pasted into one image; uniform from 1.
    pub most: usize,
    /// What sizes (in shares of the image) are multiplied by, at least and at most.
    pub scale: [f64; 2],
    /// Width of the soft edge, in shares of the shorter side of what is pasted, 0 to 0.5.
    pub feather: f64,
    /// By class; every class that has any is as likely as any other.
    pub donors: Vec<Vec<Donor>>,
}

impl Pasting {
    /// Draws what is pasted into one image.
    pub(super) fn draw(&self, dice: &mut Dice) -> Vec<Donor> {
        let classes: Vec<_> = self.donors.iter().filter(|donors| !donors.is_empty()).collect();
        if !dice.chance(self.probability) {
            return Vec::new();
        }
        let count = 1 + dice.below(self.most);
        let mut draw = || {
            let donors = classes.get(dice.below(classes.len()))?;
            donors.get(dice.below(donors.len())).copied()
        };
        (0..count).map_while(|_| draw()).collect()
    }

    /// Pastes one object of `donor` into `picture`, anywhere; `objects` are those of `picture`. An object that would be less
    /// than 8 pixels high or wide is left out.
    pub(super) fn paste(
        &self,
        object: &Object,
        donor: &PixelView<'_>,
        picture: &mut Raster,
        objects: Option<&mut Vec<Object>>,
        dice: &mut Dice,
    ) -> opencv::Result<()> {
        let bbox = object.bbox.clip(donor.width(), donor.height());
        let window = Window {
            left: bbox.x_min as i64,
            top: bbox.y_min as i64,
            width: (bbox.x_max.ceil() - bbox.x_min.floor()) as u32,
            height: (bbox.y_max.ceil() - bbox.y_min.floor()) as u32,
            is_mirrored: false,
        };
        if window.width == 0 || window.height == 0 {
            return Ok(());
        }
        let short = |width: u32, height: u32| f64::from(width.min(height));
        let same = short(picture.width(), picture.height()) / short(donor.width(), donor.height());
        let (width, height) = (f64::from(window.width), f64::from(window.height));
        let fits = (f64::from(picture.width()) / width).min(f64::from(picture.height()) / height);
        let scale = (same * dice.between(self.scale[0], self.scale[1])).min(fits);
        let side = |own: f64, whole: u32| ((own * scale).round() as u32).min(whole);
        let (width, height) = (side(width, picture.width()), side(height, picture.height()));
        if width < MIN_SIDE_PX || height < MIN_SIDE_PX {
            return Ok(());
        }
        let left = dice.below((picture.width() - width) as usize + 1) as u32;
        let top = dice.below((picture.height() - height) as usize + 1) as u32;
        let (mut cut, mut patch) = (Raster::default(), Raster::default());
        window.cut(donor, 0, &mut cut);
        resize(&cut, width, height, &mut patch)?;
        self.blend(&mut patch, picture, left, top);
        if let Some(objects) = objects {
            let bbox =
                BoundingBox::new(left as f32, top as f32, (left + width) as f32, (top + height) as f32);
            objects.retain(|object| covered(&object.bbox, &bbox) <= MAX_COVERED);
            objects.push(Object { class_id: object.class_id, bbox });
        }
        Ok(())
    }

    /// Draws `patch` over `picture`: fully inside, less and less over the soft edge.
    fn blend(&self, patch: &mut Raster, picture: &mut Raster, left: u32, top: u32) {
        let (width, height) = (patch.width(), patch.height());
        let edge = self.feather * f64::from(width.min(height));
        // weight of 256 by the distance of a pixel's centre to the border
        let weight = |at: u32, side: u32| {
            let distance = f64::from(at.min(side - 1 - at)) + 0.5;
            if distance >= edge { 256 } else { (distance / edge * 256.0).round() as u32 }
        };
        let columns: Vec<u32> = (0..width).map(|x| weight(x, width)).collect();
        for y in 0..height {
            let row_weight = weight(y, height);
            let to = picture.part_mut(y + top, left, left + width).as_chunks_mut::<3>().0;
            let from = patch.part_mut(y, 0, width).as_chunks::<3>().0;
            for ((to, from), column_weight) in to.iter_mut().zip(from).zip(&columns) {
                let alpha = row_weight * column_weight / 256;
                for (to, from) in to.iter_mut().zip(from) {
                    *to = ((u32::from(*from) * alpha + u32::from(*to) * (256 - alpha) + 128) / 256) as u8;
                }
            }
        }
    }
}

/// Share of a box's area that lies under another.
fn covered(bbox: &BoundingBox, other: &BoundingBox) -> f32 {
    let width = bbox.x_max.min(other.x_max) - bbox.x_min.max(other.x_min);
    let height = bbox.y_max.min(other.y_max) - bbox.y_min.max(other.y_min);
    if bbox.area() > 0.0 { width.max(0.0) * height.max(0.0) / bbox.area() } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::super::dice::Purpose;
    use super::*;
    use proptest::prelude::*;

    fn pasting(donors: Vec<Vec<Donor>>) -> Pasting {
        Pasting { probability: 1.0, most: 3, scale: [0.5, 1.5], feather: 0.1, donors }
    }

    fn donor(image: usize, class_id: u32) -> Donor {
        Donor { image, object: Object { class_id, bbox: BoundingBox::new(10.0, 10.0, 40.0, 30.0) } }
    }

    fn grey(width: u32, height: u32, level: u8) -> Raster {
        let mut raster = Raster::default();
        raster.fill(width, height, level);
        raster
    }

    #[test]
    fn rare_classes_are_even_however_many_donors_they_have() {
        let pasting = pasting(vec![vec![donor(0, 0)], Vec::new(), vec![donor(1, 2); 9]]);
        let mut counts = [0_u32; 3];
        for number in 0..1000 {
            for donor in pasting.draw(&mut Dice::new(1, Purpose::Paste, number, 0)) {
                counts[donor.object.class_id as usize] += 1;
            }
        }
        // 2 on average of each 1 to 3
        assert_eq!(counts[1], 0);
        assert!((900..1100).contains(&counts[0]) && (900..1100).contains(&counts[2]), "{counts:?}");
        assert_eq!(Pasting { probability: 0.0, ..pasting }.draw(&mut Dice::new(1, Purpose::Paste, 0, 0)), []);
    }

    proptest! {
        #[test]
        fn what_is_pasted_fills_its_box_and_nothing_else(number: u64, (width, height) in (20..90_u32, 20..90_u32)) {
            let object = donor(0, 5).object;
            let (from, mut picture) = (grey(60, 50, 200), grey(width, height, 20));
            let mut objects = Vec::new();
            let mut dice = Dice::new(4, Purpose::Paste, number, 0);
            pasting(Vec::new())
                .paste(&object, &from.view().unwrap(), &mut picture, Some(&mut objects), &mut dice)
                .unwrap();
            let view = picture.view().unwrap();
            let Some(Object { class_id, bbox }) = objects.first().copied() else {
                prop_assert!(view.data().iter().all(|value| *value == 20), "nothing was pasted");
                return Ok(());
            };
            prop_assert_eq!(class_id, 5);
            prop_assert!(bbox.width() >= 8.0 && bbox.height() >= 8.0);
            for (y, row) in view.rows().enumerate() {
                for (x, pixel) in row.as_chunks::<3>().0.iter().enumerate() {
                    let (x, y) = (x as f32, y as f32);
                    let inside = x >= bbox.x_min && x < bbox.x_max && y >= bbox.y_min && y < bbox.y_max;
                    prop_assert_eq!(pixel[0] > 20, inside, "{} at {:?} of {:?}", pixel[0], (x, y), bbox);
                }
            }
            let (x, y) = (f32::midpoint(bbox.x_min, bbox.x_max), f32::midpoint(bbox.y_min, bbox.y_max));
            prop_assert_eq!(picture.part_mut(y as u32, x as u32, x as u32 + 1)[0], 200, "the middle is opaque");
        }
    }

    #[test]
    fn covered_labels_go_and_others_stay() {
        let object = Object { class_id: 1, bbox: BoundingBox::new(0.0, 0.0, 40.0, 40.0) };
        let (from, mut picture) = (grey(40, 40, 200), grey(40, 40, 20));
        let own = |bbox| Object { class_id: 0, bbox };
        let mut objects = vec![own(BoundingBox::new(5.0, 5.0, 15.0, 15.0))];
        let options = Pasting { scale: [1.0; 2], ..pasting(Vec::new()) };
        let mut dice = Dice::new(4, Purpose::Paste, 0, 0);
        let view = from.view().unwrap();
        options.paste(&object, &view, &mut picture, Some(&mut objects), &mut dice).unwrap();
        assert_eq!(objects, [object], "all of the picture is pasted over");
        assert_eq!(
            covered(&BoundingBox::new(0.0, 0.0, 10.0, 10.0), &BoundingBox::new(5.0, 0.0, 50.0, 50.0)),
            0.5
        );
        assert_eq!(
            covered(&BoundingBox::new(0.0, 0.0, 10.0, 10.0), &BoundingBox::new(20.0, 0.0, 50.0, 50.0)),
            0.0
        );
    }

    #[test]
    fn tiny_objects_are_not_pasted() {
        let object = Object { class_id: 1, bbox: BoundingBox::new(3.0, 3.0, 7.0, 7.0) };
        let (from, mut picture) = (grey(40, 40, 200), grey(40, 40, 20));
        let mut dice = Dice::new(4, Purpose::Paste, 0, 0);
        let view = from.view().unwrap();
        pasting(Vec::new()).paste(&object, &view, &mut picture, None, &mut dice).unwrap();
        assert_eq!(picture, grey(40, 40, 20));
    }
}
