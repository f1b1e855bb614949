//! The kernels' arithmetic on the CPU against the preprocessing and the decoders of the CPU, and the whole engine where
//! there is a GPU.

use proptest::prelude::*;

use super::input::{Places, parameters};
use super::records::{Place, Records};
use super::resize::ResizeTables;
use super::*;
use crate::detector::Thresholds;
use crate::detector::decode::{DecodeContext, Part};
use crate::detector::manifest::{Colour, InputSpec, Interpolation, Layout, Resize};
use crate::detector::normalise::Normalisation;
use crate::detector::preprocess::Preprocessor;
use crate::gpu::{HostKernels, Strided};
use crate::image::ChannelOrder;

pub(super) fn spec(width: u32, height: u32) -> InputSpec {
    InputSpec {
        width,
        height,
        layout: Layout::Nchw,
        colour: Colour::Rgb,
        mean: [103.53, 116.28, 123.675],
        std: [57.375, 57.12, 58.395],
        resize: Resize::Letterbox,
        pad_value: 114,
        interpolation: Interpolation::Linear,
    }
}

/// The tensor as the GPU's kernel makes it.
fn on_kernel(kernels: &HostKernels, spec: &InputSpec, image: &PixelView<'_>) -> Vec<f32> {
    let fit = Fit::new(spec, image.width(), image.height());
    let tables = ResizeTables::new(fit.source_size(), fit.size(), spec.interpolation);
    let mut target = vec![f32::NAN; 3 * spec.width as usize * spec.height as usize];
    let places = Places {
        source: image.data().as_ptr() as u64,
        columns: tables.columns.as_ptr() as u64,
        rows: tables.rows.as_ptr() as u64,
        column_weights: tables.column_weights.as_ptr() as u64,
        row_weights: tables.row_weights.as_ptr() as u64,
        target: target.as_mut_ptr() as u64,
        header: 0,
    };
    let normalisation = Normalisation::new(spec.mean, spec.std);
    kernels.prepare(&parameters(spec, &normalisation, false, &fit, tables.kind, image, &places));
    target
}

/// Largest difference from the CPU's tensor, in grey levels.
fn difference(spec: &InputSpec, image: &PixelView<'_>, found: &[f32]) -> f32 {
    let mut expected = vec![0.0; found.len()];
    Preprocessor::new(spec).run(image, &mut expected).unwrap();
    let level = spec.std.iter().copied().fold(f32::INFINITY, f32::min);
    let pairs = found.iter().zip(&expected);
    pairs.map(|(a, b)| if a.is_finite() { (a - b).abs() * level } else { f32::INFINITY }).fold(0.0, f32::max)
}

fn picture(order: ChannelOrder, width: u32, height: u32, padding: usize, seed: u64) -> (Vec<u8>, usize) {
    let step = width as usize * order.channels() + padding;
    let mut state = seed | 1;
    let mut byte = |index: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // a slope with noise, so that neither flat areas nor pure noise are all there is
        ((index / 7) as u8).wrapping_add((state >> 60) as u8)
    };
    ((0..step * height as usize).map(&mut byte).collect(), step)
}

proptest! {
    #[test]
    fn the_kernel_prepares_what_the_cpu_prepares(
        (width, height) in (1u32..150, 1u32..150),
        (input_width, input_height) in (8u32..100, 8u32..100),
        area in any::<bool>(),
        stretch in any::<bool>(),
        interleaved in any::<bool>(),
        bgr in any::<bool>(),
        order in prop::sample::select(vec![
            ChannelOrder::Rgb, ChannelOrder::Bgr, ChannelOrder::Rgba, ChannelOrder::Bgra, ChannelOrder::Mono]),
        padding in 0usize..5,
        seed in any::<u64>(),
    ) {
        let Some(kernels) = HostKernels::get() else { return Ok(()) };
        let spec = InputSpec {
            interpolation: if area { Interpolation::Area } else { Interpolation::Linear },
            resize: if stretch { Resize::Stretch } else { Resize::Letterbox },
            layout: if interleaved { Layout::Nhwc } else { Layout::Nchw },
            colour: if bgr { Colour::Bgr } else { Colour::Rgb },
            ..spec(input_width, input_height)
        };
        let (data, step) = picture(order, width, height, padding, seed);
        let image = PixelView::new(order, width, height, step, &data).unwrap();
        let found = on_kernel(kernels, &spec, &image);
        let off = difference(&spec, &image, &found);
        prop_assert!(off <= 1.0 + 1e-3, "{off} grey levels off");
    }
}

#[test]
fn the_kernel_equals_the_cpu_at_the_sizes_of_cameras() {
    let Some(kernels) = HostKernels::get() else { return };
    for (width, height) in [(1280, 720), (1920, 1080), (640, 480), (640, 640), (320, 240)] {
        for interpolation in [Interpolation::Linear, Interpolation::Area] {
            let spec = InputSpec { interpolation, ..spec(640, 640) };
            let (data, step) = picture(ChannelOrder::Bgr, width, height, 0, 7);
            let image = PixelView::new(ChannelOrder::Bgr, width, height, step, &data).unwrap();
            let off = difference(&spec, &image, &on_kernel(kernels, &spec, &image));
            let most = if interpolation == Interpolation::Linear { 1e-3 } else { 1.0 + 1e-3 };
            assert!(off <= most, "{width}x{height} {interpolation:?}: {off} grey levels off");
        }
    }
}

/// A decoder bound to outputs of these shapes.
fn decoder(kind: &str, input: u32, classes: usize, shapes: &[&[i64]]) -> Decoder {
    let names: Vec<String> = (0..classes).map(|class| format!("\"c{class}\"")).collect();
    let text = format!(
        r#"format = 1
        name = "toy"
        file = "toy.onnx"
        input = {{ width = {input}, height = {input}, colour = "rgb", mean = [0, 0, 0], std = [1, 1, 1], resize = "letterbox" }}
        thresholds = {{ score = 0.4, nms_iou = 0.5, max_detections = 10, low_score = 0.1 }}
        classes = {{ names = [{}] }}
        decoder = {{ {kind} }}"#,
        names.join(", ")
    );
    let manifest = crate::detector::ModelManifest::from_toml(&text, "toy.toml").unwrap();
    let context = DecodeContext {
        path: std::path::Path::new("toy.onnx"),
        spec: &manifest.decoder,
        input: &manifest.input,
        class_count: classes,
    };
    let info = |(index, shape): (usize, &&[i64])| OutputInfo {
        name: format!("o{index}"),
        shape: shape.to_vec(),
        is_f32: true,
    };
    let infos: Vec<_> = shapes.iter().enumerate().map(info).collect();
    Decoder::bind(&context, &infos).unwrap()
}

fn thresholds(low_score: f32) -> Thresholds {
    Thresholds {
        score: 0.5,
        nms_iou: 0.6,
        max_detections: 100,
        class_scores: vec![],
        enabled: vec![],
        low_score,
    }
}

/// What the picker makes of outputs, through the kernel on the CPU.
fn picked(kernels: &HostKernels, decoder: &Decoder, outputs: &[Vec<f32>], low: f32) -> Candidates {
    let mut rows = Records::new(decoder).unwrap();
    let length = rows.length();
    let capacity: usize = decoder.row_blocks().iter().map(|block| block.rows).sum();
    let (mut header, mut records) = ([0u32; 2], vec![0f32; capacity * length]);
    let strided = |part: Part| Strided {
        data: outputs[part.output][part.start..].as_ptr() as u64,
        row_stride: part.row_stride as u64,
        column_stride: part.column_stride as u64,
        columns: part.columns as i32,
        half_precision: 0,
    };
    let place = Place { header: header.as_mut_ptr() as u64, records: records.as_mut_ptr() as u64, capacity };
    kernels.pick(&rows.parameters(strided, &place, decoder.raw_threshold(low)));
    // as threads that finish in any order leave them
    let records: Vec<_> =
        records.chunks_exact(length).take(header[0] as usize).rev().flatten().copied().collect();
    let mut candidates = Candidates::new(1000);
    candidates.begin(&thresholds(low));
    decoder.decode_rows(rows.rows(&records), header[1] as usize, &mut candidates);
    candidates
}

fn check_heads(values: impl Fn(usize) -> f32, low: f32) -> Result<(), TestCaseError> {
    let Some(kernels) = HostKernels::get() else { return Ok(()) };
    let heads: [(&str, u32, &[&[i64]]); 5] = [
        ("type = \"nanodet\", strides = [8, 16]", 32, &[&[1, 16, 3], &[1, 16, 32], &[1, 4, 3], &[1, 4, 32]]),
        ("type = \"yolov8\"", 32, &[&[1, 7, 21]]),
        ("type = \"yolov8\", multi_label = true", 32, &[&[1, 7, 21]]),
        ("type = \"yolov5\"", 32, &[&[1, 30, 8]]),
        ("type = \"yolox\", strides = [8, 16], activation = \"sigmoid\"", 32, &[&[1, 20, 8]]),
    ];
    for (kind, input, shapes) in heads {
        let mut decoder = decoder(kind, input, 3, shapes);
        let mut index = 0;
        let mut fill = |shape: &&[i64]| -> Vec<f32> {
            let elements = shape.iter().product::<i64>() as usize;
            index += elements;
            (index - elements..index).map(&values).collect()
        };
        let outputs: Vec<_> = shapes.iter().map(&mut fill).collect();
        let views: Vec<_> =
            outputs.iter().zip(shapes).map(|(data, shape)| TensorView { shape, data }).collect();
        let mut whole = Candidates::new(1000);
        whole.begin(&thresholds(low));
        decoder.decode(&views, &mut whole).unwrap();
        let found = picked(kernels, &decoder, &outputs, low);
        let order = |candidates: &Candidates| {
            let mut items = candidates.items().to_vec();
            items.sort_by_key(|item| item.index);
            items
        };
        prop_assert_eq!(order(&found), order(&whole), "{}", kind);
        prop_assert_eq!(found.stats(), whole.stats(), "{}", kind);
    }
    Ok(())
}

proptest! {
    #[test]
    fn picked_rows_decode_to_what_whole_outputs_do(
        seed in prop::collection::vec(prop_oneof![
            60 => 0f32..1.0, 1 => Just(f32::NAN), 1 => Just(f32::INFINITY), 1 => Just(f32::NEG_INFINITY), 1 => Just(1.0005f32)
        ], 97),
        low in prop::sample::select(vec![0.05f32, 0.5, 0.9, 0.99]),
    ) {
        check_heads(|index| seed[(index * 31 + index / 97) % 97], low)?;
    }
}

/// The machine's GPU, or `None`, said aloud.
fn gpu() -> Option<Gpu> {
    match Gpu::open(0) {
        Ok(gpu) => Some(gpu),
        Err(error) => {
            eprintln!("skipped: {error}");
            None
        }
    }
}

#[test]
fn the_gpu_prepares_what_the_cpu_prepares() {
    let Some(gpu) = gpu() else { return };
    for interpolation in [Interpolation::Linear, Interpolation::Area] {
        for (width, height) in [(1280, 720), (640, 360), (1920, 1080), (333, 777)] {
            let spec = InputSpec { interpolation, ..spec(640, 640) };
            let (data, step) = picture(ChannelOrder::Bgr, width, height, 3, 11);
            let image = PixelView::new(ChannelOrder::Bgr, width, height, step, &data).unwrap();
            let mut input = DeviceInput::new(&gpu, &spec, 1, false, Uploader::new(3).unwrap()).unwrap();
            input.upload(&gpu, 0, &image).unwrap();
            input.prepare(&gpu, 0, &image, 0).unwrap();
            let off = difference(&spec, &image, &input.read_first(&gpu).unwrap());
            assert!(off <= 1.0 + 1e-3, "{width}x{height} {interpolation:?}: {off} grey levels off");
        }
    }
}
