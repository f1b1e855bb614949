//! What tests of this room share.

use std::path::Path;

use super::CalibrationImages;
use super::graph::Model;
use super::images::Loader;
use crate::detector::manifest::{Colour, InputSpec, Interpolation, Layout, Resize};
use crate::detector::probe::{Probe, Values};

/// RGB, 16 x 16 pixels.
pub(super) fn input() -> InputSpec {
    InputSpec {
        width: 16,
        height: 16,
        layout: Layout::Nchw,
        colour: Colour::Rgb,
        mean: [127.0; 3],
        std: [64.0; 3],
        resize: Resize::Stretch,
        pad_value: 0,
        interpolation: Interpolation::Linear,
    }
}

/// Fills a folder with noisy PNG files of 16 x 16 pixels.
pub(super) fn pictures(folder: &Path, count: usize) {
    for number in 0..count {
        let file = std::fs::File::create(folder.join(format!("{number:03}.png"))).unwrap();
        let mut encoder = png::Encoder::new(file, 16, 16);
        encoder.set_color(png::ColorType::Rgb);
        let pixels: Vec<u8> = (0..768).map(|n| (((n * 37 + number * 101) * 7919) >> 4) as u8).collect();
        encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
    }
}

/// All float32 outputs of a model on a picture.
pub(super) fn outputs(model: &Model, picture: &Path) -> Vec<(String, Vec<f32>)> {
    let images = CalibrationImages::open(picture.parent().unwrap(), None).unwrap();
    let image = images.iter().find(|image| image.path == picture).unwrap();
    let mut probe = Probe::open(&model.to_bytes(), &input().shape(), 0, model.path()).unwrap();
    Loader::new(&input(), &images).load(image, probe.input_mut()).unwrap();
    read(&mut probe)
}

/// All float32 outputs of a model, by name, for an input of `shape` filled with `values` (repeated as needed).
pub(super) fn outputs_for(model: &Model, shape: &[i64], values: &[f32]) -> Vec<(String, Vec<f32>)> {
    let mut probe = Probe::open(&model.to_bytes(), shape, 0, model.path()).unwrap();
    for (element, value) in probe.input_mut().iter_mut().zip(values.iter().cycle()) {
        *element = *value;
    }
    read(&mut probe)
}

fn read(probe: &mut Probe) -> Vec<(String, Vec<f32>)> {
    let mut found = Vec::new();
    let read = |name: &str, _: &[i64], values: Values<'_>| {
        if let Values::F32(values) = values {
            found.push((name.to_owned(), values.to_vec()));
        }
    };
    probe.run(read).unwrap();
    found
}
