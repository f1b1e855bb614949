use super::super::manifest::Resize;
use super::*;

fn input(resize: Resize, layout: Layout, colour: Colour, interpolation: Interpolation) -> InputSpec {
    InputSpec {
        width: 16,
        height: 12,
        layout,
        colour,
        mean: [10.0, 20.0, 30.0],
        std: [2.0, 4.0, 5.0],
        resize,
        pad_value: 100,
        interpolation,
    }
}

/// Pixels whose channels are told apart: red 50, green 100, blue 150, alpha 255; mono 77. Rows are padded with 9.
fn flat(order: ChannelOrder, width: usize, height: usize, padding: usize) -> (Vec<u8>, usize) {
    let pixel: &[u8] = match order {
        ChannelOrder::Rgb => &[50, 100, 150],
        ChannelOrder::Bgr => &[150, 100, 50],
        ChannelOrder::Rgba => &[50, 100, 150, 255],
        ChannelOrder::Bgra => &[150, 100, 50, 255],
        ChannelOrder::Mono => &[77],
    };
    let mut row = pixel.repeat(width);
    row.resize(row.len() + padding, 9);
    (row.repeat(height), row.len())
}

const ORDERS: [ChannelOrder; 5] =
    [ChannelOrder::Rgb, ChannelOrder::Bgr, ChannelOrder::Rgba, ChannelOrder::Bgra, ChannelOrder::Mono];

/// The tensor's value at a channel, line and column.
fn at(tensor: &[f32], layout: Layout, channel: usize, y: usize, x: usize) -> f32 {
    match layout {
        Layout::Nchw => tensor[channel * 192 + y * 16 + x],
        Layout::Nhwc => tensor[(y * 16 + x) * 3 + channel],
    }
}

fn close(a: f32, b: f32) -> bool {
    (a - b).abs() < 1e-4
}

#[test]
fn channels_land_where_the_manifest_says() {
    let (mean, std) = ([10.0, 20.0, 30.0], [2.0, 4.0, 5.0]);
    for order in ORDERS {
        for layout in [Layout::Nchw, Layout::Nhwc] {
            for colour in [Colour::Rgb, Colour::Bgr] {
                // the same size (no resize), larger and smaller, letterboxed into 16 x 8 at line 2
                for (width, height) in [(16, 8), (40, 20), (4, 2)] {
                    let spec = input(Resize::Letterbox, layout, colour, Interpolation::Area);
                    let (data, step) = flat(order, width, height, 5);
                    let view = PixelView::new(order, width as u32, height as u32, step, &data).unwrap();
                    let mut preprocessor = Preprocessor::new(&spec);
                    let mut tensor = vec![0.0; preprocessor.tensor_len()];
                    let fit = preprocessor.run(&view, &mut tensor).unwrap();
                    assert_eq!((fit.size(), fit.origin()), ((16, 8), (0, 2)));
                    let wanted = match (order, colour) {
                        (ChannelOrder::Mono, _) => [77.0; 3],
                        (_, Colour::Rgb) => [50.0, 100.0, 150.0],
                        (_, Colour::Bgr) => [150.0, 100.0, 50.0],
                    };
                    for channel in 0..3 {
                        for y in 0..12 {
                            for x in 0..16 {
                                let level = if (2..10).contains(&y) { wanted[channel] } else { 100.0 };
                                let value = at(&tensor, layout, channel, y, x);
                                let normalised = (level - mean[channel]) / std[channel];
                                assert!(
                                    close(value, normalised),
                                    "{order:?} {layout:?} {colour:?} {channel} {y} {x}"
                                );
                            }
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn the_last_row_may_lack_its_padding() {
    let spec = input(Resize::Stretch, Layout::Nchw, Colour::Rgb, Interpolation::Linear);
    for (width, height) in [(16, 12), (50, 30)] {
        let (mut data, step) = flat(ChannelOrder::Bgr, width, height, 7);
        data.truncate(data.len() - 7);
        let view = PixelView::new(ChannelOrder::Bgr, width as u32, height as u32, step, &data).unwrap();
        let mut preprocessor = Preprocessor::new(&spec);
        let mut tensor = vec![0.0; preprocessor.tensor_len()];
        preprocessor.run(&view, &mut tensor).unwrap();
        assert!(close(at(&tensor, Layout::Nchw, 0, 11, 15), (50.0 - 10.0) / 2.0));
    }
}

#[test]
fn area_is_the_mean_of_the_source() {
    // 32 x 24 to 16 x 12: each target pixel is the mean of 2 x 2
    let mut data = vec![0u8; 32 * 24];
    for (index, value) in data.iter_mut().enumerate() {
        *value = ((index * 37) % 251) as u8;
    }
    let mut spec = input(Resize::Stretch, Layout::Nchw, Colour::Rgb, Interpolation::Area);
    (spec.mean, spec.std, spec.pad_value) = ([0.0; 3], [1.0; 3], 0);
    let view = PixelView::new(ChannelOrder::Mono, 32, 24, 32, &data).unwrap();
    let mut preprocessor = Preprocessor::new(&spec);
    let mut tensor = vec![0.0; preprocessor.tensor_len()];
    preprocessor.run(&view, &mut tensor).unwrap();
    for y in 0..12 {
        for x in 0..16 {
            let sum: u32 = [(0, 0), (0, 1), (1, 0), (1, 1)]
                .iter()
                .map(|(dy, dx)| u32::from(data[(2 * y + dy) * 32 + 2 * x + dx]))
                .sum();
            assert!((at(&tensor, Layout::Nchw, 1, y, x) - sum as f32 / 4.0).abs() <= 0.5);
        }
    }
}

#[test]
fn the_padding_follows_the_geometry() {
    let spec = input(Resize::Letterbox, Layout::Nchw, Colour::Rgb, Interpolation::Linear);
    let mut preprocessor = Preprocessor::new(&spec);
    let mut tensor = vec![f32::NAN; preprocessor.tensor_len()];
    for (width, height) in [(16, 8), (10, 30), (16, 8)] {
        let (data, step) = flat(ChannelOrder::Mono, width, height, 0);
        let view = PixelView::new(ChannelOrder::Mono, width as u32, height as u32, step, &data).unwrap();
        let fit = preprocessor.run(&view, &mut tensor).unwrap();
        let (left, top) = fit.origin();
        let (w, h) = fit.size();
        for y in 0..12u32 {
            for x in 0..16u32 {
                let inside = (left..left + w).contains(&x) && (top..top + h).contains(&y);
                let level = if inside { 77.0 } else { 100.0 };
                assert!(close(at(&tensor, Layout::Nchw, 2, y as usize, x as usize), (level - 30.0) / 5.0));
            }
        }
    }
}

#[test]
fn a_tensor_of_another_length_is_refused() {
    let spec = input(Resize::Letterbox, Layout::Nchw, Colour::Rgb, Interpolation::Linear);
    let view = PixelView::new(ChannelOrder::Mono, 2, 2, 2, &[0; 4]).unwrap();
    let error = Preprocessor::new(&spec).run(&view, &mut [0.0; 5]).unwrap_err().to_string();
    assert!(error.contains("expected a tensor of 576 floats, found 5"), "{error}");
}

#[test]
fn a_single_pixel_and_a_thin_line_pass() {
    for resize in [Resize::Letterbox, Resize::LetterboxTopLeft, Resize::Stretch] {
        let mut spec = input(resize, Layout::Nchw, Colour::Rgb, Interpolation::Area);
        spec.pad_value = 0;
        let mut preprocessor = Preprocessor::new(&spec);
        let mut tensor = vec![0.0; preprocessor.tensor_len()];
        for (width, height) in [(1, 1), (3000, 1), (1, 3000)] {
            let (data, step) = flat(ChannelOrder::Bgra, width, height, 0);
            let view = PixelView::new(ChannelOrder::Bgra, width as u32, height as u32, step, &data).unwrap();
            preprocessor.run(&view, &mut tensor).unwrap();
        }
    }
}
