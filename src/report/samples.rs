//! Images with what was found in them, and what was not.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use opencv::core::{Mat, MatTraitConst, Size, Vector};
use opencv::{imgcodecs, imgproc};

use super::chart::percent;
use super::trade::shorten;
use crate::evaluation::{Sample, Study};

/// Images in a report, over all variants.
const MOST: usize = 12;
/// Their width, pixels.
const WIDTH: i32 = 640;
const QUALITY: i32 = 80;
/// Greatest height on the page, pixels.
const TALLEST: f64 = 560.0;

pub(super) struct Samples {
    pub(super) index: usize,
    pub(super) name: String,
    pub(super) pictures: Vec<Picture>,
    /// How many are not shown.
    pub(super) left_out: usize,
}

pub(super) struct Picture {
    /// A data URI, or why there is none.
    pub(super) data: Result<String, String>,
    pub(super) file: String,
    pub(super) ratio: String,
    /// Greatest width on the page, pixels.
    pub(super) width: f64,
    pub(super) boxes: Vec<DrawnBox>,
    pub(super) missed: String,
    pub(super) wrong: String,
    pub(super) found: usize,
}

pub(super) struct DrawnBox {
    /// `found`, `missed` or `wrong`.
    pub(super) kind: &'static str,
    pub(super) x: String,
    pub(super) y: String,
    pub(super) width: String,
    pub(super) height: String,
    /// Empty where there is no room for it.
    pub(super) label: String,
    pub(super) label_x: String,
    pub(super) label_y: String,
    pub(super) anchor: &'static str,
}

/// Samples of each variant; relative paths of images start at `folder`.
pub(super) fn samples(study: &Study, folder: &Path) -> Vec<Samples> {
    let mut shares = vec![0_usize; study.variants.len()];
    let mut left = MOST;
    // In turn, so that no variant uses up what the others need.
    for turn in 0..MOST {
        for (share, variant) in shares.iter_mut().zip(&study.variants) {
            if left > 0 && variant.samples.len() > turn {
                *share += 1;
                left -= 1;
            }
        }
    }
    let each = study.variants.iter().zip(shares).enumerate();
    each.map(|(index, (variant, share))| Samples {
        index,
        name: variant.name.clone(),
        pictures: variant.samples.iter().take(share).map(|sample| picture(sample, folder)).collect(),
        left_out: variant.samples.len() - share,
    })
    .collect()
}

fn picture(sample: &Sample, folder: &Path) -> Picture {
    let size = sample.size.map(|length| f64::from(length.max(1)));
    let missed = sample.truths.iter().filter(|truth| !truth.found);
    let wrong = sample.detections.iter().filter(|detection| !detection.right);
    let right = sample.detections.iter().filter(|detection| detection.right);
    let mut taken = Vec::new();
    // What was missed is what the reader is here for: its labels get room first.
    let missed_boxes = missed.clone().map(|truth| ("missed", truth.bbox, format!("{} missed", truth.class)));
    let wrong_boxes = wrong.clone().map(|d| ("wrong", d.bbox, format!("{} {:.2}", d.class, d.score)));
    let right_boxes = right.clone().map(|d| ("found", d.bbox, format!("{} {:.2}", d.class, d.score)));
    let boxes = missed_boxes.chain(wrong_boxes).chain(right_boxes);
    let mut drawn: Vec<_> =
        boxes.filter_map(|(kind, bbox, text)| draw(kind, bbox, &text, size, &mut taken)).collect();
    // What was missed is drawn last, on top.
    drawn.reverse();
    Picture {
        data: embed(&folder.join(&sample.image)),
        // Where it lies on somebody's disk is nobody's business.
        file: Path::new(&sample.image)
            .file_name()
            .map_or_else(|| sample.image.clone(), |name| name.to_string_lossy().into_owned()),
        ratio: format!("{} / {}", sample.size[0].max(1), sample.size[1].max(1)),
        width: (TALLEST * size[0] / size[1]).ceil(),
        boxes: drawn,
        missed: tally(missed.map(|truth| truth.class.as_str())),
        wrong: tally(wrong.map(|detection| detection.class.as_str())),
        found: right.count(),
    }
}

/// `2 × car, 1 × dog`.
fn tally<'a>(classes: impl Iterator<Item = &'a str>) -> String {
    let mut counts = BTreeMap::new();
    for class in classes {
        *counts.entry(class).or_insert(0_usize) += 1;
    }
    counts.iter().map(|(class, count)| format!("{count} × {class}")).collect::<Vec<_>>().join(", ")
}

/// A box in percent of the image; its label above, below or inside, wherever no other is.
fn draw(
    kind: &'static str,
    bbox: [f32; 4],
    text: &str,
    [width, height]: [f64; 2],
    taken: &mut Vec<[f64; 4]>,
) -> Option<DrawnBox> {
    if bbox.iter().any(|side| !side.is_finite()) {
        return None;
    }
    let [x0, y0, x1, y1] = bbox.map(f64::from);
    let (x0, x1) = ((x0 / width).clamp(0.0, 1.0), (x1 / width).clamp(0.0, 1.0));
    let (y0, y1) = ((y0 / height).clamp(0.0, 1.0), (y1 / height).clamp(0.0, 1.0));
    let text = shorten(text, 24);
    // As on a phone, where a picture is about 336 px wide and a letter of these about 7.6.
    let shown_width = (TALLEST * width / height).min(336.0);
    let shown_height = shown_width * height / width;
    let (label_width, label_height) =
        ((text.chars().count() as f64 * 7.6 + 6.0) / shown_width, 14.0 / shown_height);
    let fits_right = x0 + label_width <= 1.0;
    let (left, anchor, at) = if fits_right { (x0, "start", x0) } else { (x1 - label_width, "end", x1) };
    let lines = [y0 - label_height, y1, y0, y1 - label_height].into_iter();
    let room = lines.map(|top| [left, top, left + label_width, top + label_height]).find(|place| {
        let inside = place[1] >= 0.0 && place[3] <= 1.0 && place[0] >= -0.01;
        let free = |other: &[f64; 4]| {
            place[2] <= other[0] || other[2] <= place[0] || place[3] <= other[1] || other[3] <= place[1]
        };
        inside && taken.iter().all(free)
    });
    taken.extend(room);
    Some(DrawnBox {
        kind,
        x: percent(x0),
        y: percent(y0),
        width: percent(x1 - x0),
        height: percent(y1 - y0),
        label: if room.is_some() { text } else { String::new() },
        label_x: percent(at),
        label_y: percent(room.map_or(0.0, |place| place[3])),
        anchor,
    })
}

/// The image, scaled down, as a data URI of a JPEG.
fn embed(path: &Path) -> Result<String, String> {
    if !path.is_file() {
        return Err("the image file is not there".into());
    }
    let scaled = || -> opencv::Result<Vector<u8>> {
        // Boxes are in pixels as stored, so the file's orientation is left alone, as the detector does.
        let flags = imgcodecs::IMREAD_COLOR | imgcodecs::IMREAD_IGNORE_ORIENTATION;
        let image = imgcodecs::imread(path, flags)?;
        let mut small = Mat::default();
        if image.cols() > WIDTH {
            let height = (f64::from(image.rows()) * f64::from(WIDTH) / f64::from(image.cols())).round();
            let size = Size::new(WIDTH, (height as i32).max(1));
            imgproc::resize(&image, &mut small, size, 0.0, 0.0, imgproc::INTER_AREA)?;
        } else {
            small = image;
        }
        let mut bytes = Vector::new();
        let parameters = Vector::from_slice(&[imgcodecs::IMWRITE_JPEG_QUALITY, QUALITY]);
        imgcodecs::imencode(".jpg", &small, &mut bytes, &parameters)?;
        Ok(bytes)
    };
    let bytes = scaled().map_err(|_| "the file is no image that can be decoded".to_owned())?;
    Ok(format!("data:image/jpeg;base64,{}", base64::engine::general_purpose::STANDARD.encode(bytes)))
}
