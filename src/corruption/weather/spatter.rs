use opencv::boxed_ref::BoxedRef;
use opencv::core::{BORDER_REPLICATE, Mat, MatTraitConstManual, Size};
use opencv::imgproc;
use rayon::prelude::*;

use crate::corruption::context::Context;
use crate::corruption::engine::{Delivery, Kernel};
use crate::corruption::{CorruptionError, Picture, Severity};

use super::LayerKey;
use super::plane::Plane;
use super::smooth::SmoothNoise;
use super::water::Water;

/// At the published levels (`imagecorruptions` 1.1.2): mean and deviation of the noise that the drops are made of,
const MEAN: [f32; 5] = [0.65, 0.65, 0.65, 0.65, 0.67];
const DEVIATION: [f32; 5] = [0.3, 0.3, 0.3, 0.3, 0.4];
/// its blur, pixels,
const SIGMA_PX: [f64; 5] = [4.0, 3.0, 2.0, 1.0, 1.0];
/// the value from which it is liquid,
const THRESHOLD: [f32; 5] = [0.69, 0.68, 0.68, 0.65, 0.65];
/// and the brightness of water (levels 1 to 3) or the softness of mud (4 and 5), pixels.
const WATER: [f32; 3] = [0.6, 0.6, 0.5];
const MUD_SIGMA_PX: f64 = 1.5;

/// Below this, mud is too thin to be seen.
const MUD_LEAST: f32 = 0.8;

/// Pale turquoise and mud brown, R, G, B. (The reference writes the water's 175, 238, 238 as B, G, R, and adds it to pictures
/// in R, G, B.)
const WATER_COLOUR: [f32; 3] = [175.0, 238.0, 238.0];
const MUD_COLOUR: [f32; 3] = [63.0, 42.0, 20.0];

/// Spatter: water on the lens at levels 1 to 3, *y = floor(x + w c)*; mud at 4 and 5, *y = floor(x (1 − m) + m c)*.
///
/// Both begin with blurred normal noise, cut off below a threshold. Water is shaded by the distance from the edges of its drops
/// ([`Water`]); mud is the mask, softened by another blur, where that leaves at least 0.8. Between levels the layer of the level
/// above is laid over that of the level below, each in proportion: so that water gives way to mud from 3 to 4, and what lies on the
/// lens does not wander while the severity changes. In coherent mode a layer is drawn once.
///
/// The published levels do not grow in every measure: mud at level 4 covers less of a dark picture than the water of level 3 does, and
/// is itself dark.
///
/// Bound, where it is drawn, by OpenCV's edges and distances for water and by two blurs for mud; where it stays, by reading layer and
/// picture.
#[derive(Default)]
pub(in crate::corruption) struct Spatter {
    layers: [Layer; 2],
    noise: SmoothNoise,
    liquid: Plane,
    water: Water,
    blurred: Mat,
}

/// What lies on the lens at a published level: how thick, at every pixel.
#[derive(Debug, Default)]
struct Layer {
    key: Option<LayerKey>,
    thickness: Vec<f32>,
}

/// What a layer of thickness 1 takes from the scene, and adds to each channel.
#[derive(Debug, Clone, Copy)]
struct Material {
    taken: f32,
    added: [f32; 3],
}

pub(in crate::corruption) fn spatter() -> Spatter {
    Spatter::default()
}

impl Kernel for Spatter {
    fn apply(
        &mut self,
        picture: &mut Picture,
        severity: Severity,
        context: &Context,
    ) -> Result<Delivery, CorruptionError> {
        // Levels stay in their slots while the severity moves between them.
        let lower = severity.value().floor() as usize;
        let share = (severity.value() - lower as f64) as f32;
        let mut materials = [Material { taken: 0.0, added: [0.0; 3] }; 2];
        for (level, share) in [(lower, 1.0 - share), (lower + 1, share)] {
            if level == 0 || share <= 0.0 {
                continue;
            }
            let slot = level % 2;
            self.draw(slot, level, picture, context)
                .map_err(|source| CorruptionError::OpenCv { corruption: "spatter", source })?;
            let is_water = level <= WATER.len();
            let (colour, taken) = if is_water { (WATER_COLOUR, 0.0) } else { (MUD_COLOUR, share) };
            materials[slot] = Material { taken, added: colour.map(|colour| colour * share) };
        }
        let width = picture.width() as usize;
        let used = |slot: usize| materials[slot].added[0] > 0.0;
        let thickness = |slot: usize, y: usize| {
            self.layers[slot].thickness.get(y * width..(y + 1) * width).unwrap_or_default()
        };
        picture.data_mut().par_chunks_mut(width * 3).enumerate().for_each(|(y, row)| {
            if used(0) && used(1) {
                let layers = thickness(0, y).iter().zip(thickness(1, y));
                cover(row, materials, layers.map(|(first, second)| [*first, *second]));
            } else {
                let slot = usize::from(used(1));
                cover(row, [materials[slot]], thickness(slot, y).iter().map(|thickness| [*thickness]));
            }
        });
        Ok(Delivery::Deliver)
    }
}

/// Lays materials over a row of RGB pixels. The small summand keeps what is whole from falling below.
fn cover<const N: usize>(
    row: &mut [u8],
    materials: [Material; N],
    thickness: impl Iterator<Item = [f32; N]>,
) {
    for (pixel, thickness) in row.as_chunks_mut::<3>().0.iter_mut().zip(thickness) {
        let (mut kept, mut added) = (1.0, [1e-3; 3]);
        for (material, thickness) in materials.iter().zip(thickness) {
            kept -= material.taken * thickness;
            for (added, colour) in added.iter_mut().zip(material.added) {
                *added += colour * thickness;
            }
        }
        for (value, added) in pixel.iter_mut().zip(added) {
            *value = (f32::from(*value) * kept + added).min(255.0) as u8;
        }
    }
}

impl Spatter {
    fn draw(
        &mut self,
        slot: usize,
        level: usize,
        picture: &Picture,
        context: &Context,
    ) -> opencv::Result<()> {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let severity = Severity::new(level as f64).unwrap_or(Severity::MAX);
        let key = LayerKey::new(severity, width, height, context);
        let layer = &mut self.layers[slot];
        if layer.key == Some(key) {
            return Ok(());
        }
        layer.key = None;
        let index = level.saturating_sub(1).min(4);
        let scale = context.scale(picture);
        self.liquid.resize(width, height);
        let noise = (MEAN[index], DEVIATION[index], SIGMA_PX[index] * scale);
        self.noise.draw(&mut self.liquid, noise, context, (level as u64) << 32);
        let threshold = THRESHOLD[index];
        layer.thickness.resize(width * height, 0.0);
        if let Some(brightness) = WATER.get(index) {
            self.water.draw(&self.liquid, threshold, *brightness, &mut layer.thickness)?;
        } else {
            let is_mud = |value: &mut f32| *value = f32::from(u8::from(*value > threshold));
            self.liquid.values.par_iter_mut().for_each(is_mud);
            let mask = matrix(&self.liquid)?;
            gaussian(&mask, &mut self.blurred, MUD_SIGMA_PX * scale)?;
            for (thickness, soft) in layer.thickness.iter_mut().zip(self.blurred.data_typed::<f32>()?) {
                *thickness = if *soft < MUD_LEAST { 0.0 } else { *soft };
            }
        }
        layer.key = Some(key);
        Ok(())
    }
}

/// The plane as an OpenCV matrix, in place.
fn matrix(plane: &Plane) -> opencv::Result<BoxedRef<'_, Mat>> {
    Mat::new_rows_cols_with_data(i32::try_from(plane.height)?, i32::try_from(plane.width)?, &plane.values)
}

/// Blur as scikit-image does it: the kernel reaches four standard deviations, the border is repeated.
fn gaussian(
    source: &impl opencv::core::ToInputArray,
    blurred: &mut Mat,
    sigma_px: f64,
) -> opencv::Result<()> {
    let side = 2 * ((4.0 * sigma_px + 0.5) as i32) + 1;
    imgproc::gaussian_blur(source, blurred, Size::new(side, side), sigma_px, sigma_px, BORDER_REPLICATE)
}
