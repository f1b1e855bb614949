use opencv::core::{
    BORDER_DEFAULT, BORDER_REPLICATE, CV_8U, CV_32F, Mat, MatTraitConst, MatTraitConstManual, Point, Size,
};
use opencv::imgproc;
use rayon::prelude::*;

use crate::corruption::context::Context;
use crate::corruption::engine::{Delivery, Kernel};
use crate::corruption::{CorruptionError, Picture, Severity};

use super::LayerKey;
use super::plane::Plane;

/// At the published levels (`imagecorruptions` 1.1.2): mean and deviation of the noise that the drops are made of,
const MEAN: [f32; 5] = [0.65, 0.65, 0.65, 0.65, 0.67];
const DEVIATION: [f32; 5] = [0.3, 0.3, 0.3, 0.3, 0.4];
/// its blur, pixels,
const SIGMA: [f64; 5] = [4.0, 3.0, 2.0, 1.0, 1.0];
/// the value from which it is liquid,
const THRESHOLD: [f32; 5] = [0.69, 0.68, 0.68, 0.65, 0.65];
/// and the brightness of water (levels 1 to 3) or the softness of mud (4 and 5).
const WATER: [f32; 3] = [0.6, 0.6, 0.5];
const MUD_SIGMA: f64 = 1.5;

/// Pale turquoise and mud brown, R, G, B.
const WATER_COLOUR: [f32; 3] = [175.0, 238.0, 238.0];
const MUD_COLOUR: [f32; 3] = [63.0, 42.0, 20.0];

/// Spatter: water on the lens at levels 1 to 3, *y = floor(x + w c)*; mud at 4 and 5, *y = floor(x (1 − m) + m c)*.
///
/// Both begin with blurred normal noise, cut off below a threshold. Water is shaded by the distance from the edges of its drops,
/// through the same chain of filters as in the reference; mud is the softened mask itself. Between levels the layer above is laid over the
/// one below in proportion. The layer lies on the lens: in coherent mode it is drawn once.
#[derive(Default)]
pub(in crate::corruption) struct Spatter {
    layers: [Option<(LayerKey, Layer)>; 2],
}

/// How each value is scaled down, and what is added to each channel.
#[derive(Debug, Default)]
struct Layer {
    mask: Vec<f32>,
    is_mud: bool,
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
        let (lower, upper) = (severity.value().floor(), severity.value().ceil());
        let share = (severity.value() - lower) as f32;
        let levels =
            if lower < upper { [(lower, 1.0 - share), (upper, share)] } else { [(lower, 1.0), (0.0, 0.0)] };
        for (slot, (level, _)) in levels.iter().enumerate() {
            let Ok(level) = Severity::new(*level) else { continue };
            let key = LayerKey::new(level, picture, context);
            let known = self.layers.get(slot).is_some_and(|l| l.as_ref().is_some_and(|(k, _)| *k == key));
            if level.is_none() || known {
                continue;
            }
            let layer = draw(level.value() as usize - 1, picture, context);
            let layer = layer.map_err(|source| CorruptionError::OpenCv { corruption: "spatter", source })?;
            if let Some(place) = self.layers.get_mut(slot) {
                *place = Some((key, layer));
            }
        }
        let width = picture.width() as usize;
        let layers = &self.layers;
        picture.data_mut().par_chunks_mut(width * 3).enumerate().for_each(|(y, row)| {
            for (x, pixel) in row.as_chunks_mut::<3>().0.iter_mut().enumerate() {
                let mut kept = 1.0;
                let mut added = [1e-3_f32; 3];
                for (layer, (level, share)) in layers.iter().zip(levels) {
                    let Some((_, layer)) = layer.as_ref().filter(|_| level > 0.0 && share > 0.0) else {
                        continue;
                    };
                    let mask = layer.mask.get(y * width + x).copied().unwrap_or(0.0) * share;
                    let colour = if layer.is_mud { MUD_COLOUR } else { WATER_COLOUR };
                    kept -= if layer.is_mud { mask } else { 0.0 };
                    for (added, colour) in added.iter_mut().zip(colour) {
                        *added += mask * colour;
                    }
                }
                for (value, added) in pixel.iter_mut().zip(added) {
                    *value = (f32::from(*value) * kept + added).clamp(0.0, 255.0) as u8;
                }
            }
        });
        Ok(Delivery::Deliver)
    }
}

fn draw(level: usize, picture: &Picture, context: &Context) -> opencv::Result<Layer> {
    let pick = |values: [f32; 5]| values.get(level).copied().unwrap_or(values[4]);
    let sigma = SIGMA.get(level).copied().unwrap_or(1.0) * context.scale(picture);
    let mut noise = Plane::default();
    noise.resize(picture.width() as usize, picture.height() as usize);
    noise.fill_normal(context, (level as u64) << 32, pick(MEAN), pick(DEVIATION));
    let rows = i32::try_from(picture.height())?;
    let flat = Mat::from_slice(&noise.values)?;
    let mut liquid = gaussian(&flat.reshape(1, rows)?.try_clone()?, sigma)?;
    let threshold = pick(THRESHOLD);
    opencv::core::MatTraitManual::data_typed_mut::<f32>(&mut liquid)?
        .iter_mut()
        .for_each(|value| *value = if *value < threshold { 0.0 } else { *value });
    let mask = if level < WATER.len() {
        water(&liquid, WATER.get(level).copied().unwrap_or(0.6))?
    } else {
        mud(&liquid, threshold)?
    };
    Ok(Layer { mask, is_mud: level >= WATER.len() })
}

/// Blur as scikit-image does it.
fn gaussian(source: &Mat, sigma: f64) -> opencv::Result<Mat> {
    let width = 2 * ((4.0 * sigma + 0.5) as i32) + 1;
    let mut blurred = Mat::default();
    imgproc::gaussian_blur(source, &mut blurred, Size::new(width, width), sigma, sigma, BORDER_REPLICATE)?;
    Ok(blurred)
}

/// The shading of drops: distance from their edges, equalised, embossed, softened, where there is liquid.
fn water(liquid: &Mat, brightness: f32) -> opencv::Result<Vec<f32>> {
    let mut bytes = Mat::default();
    // The reference cuts the fraction off; OpenCV rounds, halves to even.
    liquid.convert_to(&mut bytes, CV_8U, 255.0, -0.499)?;
    let mut edges = Mat::default();
    imgproc::canny(&bytes, &mut edges, 50.0, 150.0, 3, false)?;
    let mut inverse = Mat::default();
    opencv::core::bitwise_not_def(&edges, &mut inverse)?;
    let mut distance = Mat::default();
    imgproc::distance_transform(&inverse, &mut distance, imgproc::DIST_L2, 5, CV_32F)?;
    let mut capped = Mat::default();
    imgproc::threshold(&distance, &mut capped, 20.0, 20.0, imgproc::THRESH_TRUNC)?;
    let mut soft = Mat::default();
    imgproc::blur(&capped, &mut soft, Size::new(3, 3), Point::new(-1, -1), BORDER_DEFAULT)?;
    let mut levels = Mat::default();
    soft.convert_to(&mut levels, CV_8U, 1.0, -0.499)?;
    let mut equal = Mat::default();
    imgproc::equalize_hist(&levels, &mut equal)?;
    let emboss = Mat::from_slice_2d(&[[-2.0_f32, -1.0, 0.0], [-1.0, 1.0, 1.0], [0.0, 1.0, 2.0]])?;
    let mut embossed = Mat::default();
    imgproc::filter_2d(&equal, &mut embossed, CV_8U, &emboss, Point::new(-1, -1), 0.0, BORDER_DEFAULT)?;
    imgproc::blur(&embossed, &mut soft, Size::new(3, 3), Point::new(-1, -1), BORDER_DEFAULT)?;
    let shading = soft.data_bytes()?.iter().zip(bytes.data_bytes()?);
    let shading: Vec<f32> = shading.map(|(soft, liquid)| f32::from(*soft) * f32::from(*liquid)).collect();
    let most = shading.iter().copied().fold(0.0, f32::max).max(1.0);
    Ok(shading.iter().map(|value| value / most * brightness).collect())
}

/// The softened mask of the liquid, nothing where it is thin.
fn mud(liquid: &Mat, threshold: f32) -> opencv::Result<Vec<f32>> {
    let solid: Vec<f32> =
        liquid.data_typed::<f32>()?.iter().map(|value| f32::from(u8::from(*value > threshold))).collect();
    let flat = Mat::from_slice(&solid)?;
    let soft = gaussian(&flat.reshape(1, liquid.rows())?.try_clone()?, MUD_SIGMA)?;
    let values = soft.data_typed::<f32>()?.iter();
    Ok(values.map(|value| if *value < 0.8 { 0.0 } else { *value }).collect())
}
