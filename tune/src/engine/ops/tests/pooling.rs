use proptest::prelude::*;

use super::few;
use crate::engine::testing::{Case, apart, float, integers, ints, noise, text};
use crate::tensor::{Tensor, Value};

#[derive(Debug)]
struct Window {
    dims: Vec<usize>,
    kernel: Vec<i64>,
    strides: Vec<i64>,
    pads: Vec<i64>,
    ceil: i64,
    seed: u64,
}

fn windows() -> impl Strategy<Value = Window> {
    let two = |range: std::ops::Range<i64>| prop::collection::vec(range, 2);
    let dims = (1usize..3, 1usize..3, 5usize..8, 5usize..8);
    (dims, two(1..4), two(1..4), prop::collection::vec(0.0f32..1.0, 4), 0i64..2, 0u64..1000).prop_map(
        |((n, c, h, w), kernel, strides, shares, ceil, seed)| {
            // the border is smaller than the window
            let pads = (0..4).map(|place| (shares[place] * kernel[place % 2] as f32) as i64).collect();
            Window { dims: vec![n, c, h, w], kernel, strides, pads, ceil, seed }
        },
    )
}

impl Window {
    fn case(&self, op: &str) -> Case {
        let case = Case::new(op, vec![apart(&self.dims, self.seed).into()]);
        case.attribute("kernel_shape", ints(&self.kernel)).attribute("strides", ints(&self.strides))
    }
}

proptest! {
    #![proptest_config(few())]

    #[test]
    fn windows_of_all_kinds(window in windows(), dilation in 1i64..3) {
        let padded = |op: &str| window.case(op).attribute("pads", ints(&window.pads)).int("ceil_mode", window.ceil);
        padded("MaxPool").check()?;
        padded("MaxPool").attribute("dilations", ints(&[dilation, 1])).check()?;
        padded("AveragePool").opset(19).check()?;
// with ceil_mode ONNX Runtime counts another border than ONNX says
        let whole = window.case("AveragePool").attribute("pads", ints(&window.pads));
        whole.int("count_include_pad", 1).check()?;
        let overlap = window.kernel.iter().zip(&window.strides).all(|(kernel, stride)| kernel >= stride);
        for auto in ["SAME_UPPER", "SAME_LOWER", "VALID"] {
            let case = window.case("MaxPool").attribute("auto_pad", text(auto));
            if overlap || auto == "VALID" {
                case.check()?;
            } else {
                prop_assert!(case.run().unwrap_err().contains("with auto_pad"));
            }
        }
        for op in ["GlobalAveragePool", "GlobalMaxPool"] {
            Case::new(op, vec![apart(&window.dims, window.seed).into()]).check()?;
        }
    }

    #[test]
    fn images_of_another_size(h in 1usize..5, w in 1usize..5, height in 1i64..9, width in 1i64..9, seed in 0u64..1000) {
        let input = || Value::from(noise(&[1, 2, h, w], seed, 1.0));
        let nothing = || Value::from(Tensor::zeros(&[0]));
        let scales = Tensor::new(&[4], vec![1.0, 1.0, height as f32 / h as f32, width as f32 / w as f32]).unwrap();
        for coordinates in ["asymmetric", "half_pixel", "pytorch_half_pixel", "align_corners"] {
            let with = |case: Case, mode: &str| {
                case.constant(1).constant(2).attribute("coordinate_transformation_mode", text(coordinates))
                    .attribute("mode", text(mode))
            };
            let by_size = || {
                let sizes = integers(&[4], &[1, 2, height, width]);
                Case::new("Resize", vec![input(), nothing(), nothing(), sizes]).without(1).without(2)
            };
            let by_scale = || Case::new("Resize", vec![input(), nothing(), scales.clone().into()]).without(1);
            with(by_size(), "linear").check()?;
            with(by_scale(), "linear").check()?;
            for nearest in ["floor", "ceil", "round_prefer_floor", "round_prefer_ceil"] {
                with(by_size(), "nearest").attribute("nearest_mode", text(nearest)).check()?;
            }
        }
        let scales = Tensor::new(&[2], vec![height as f32 / h as f32, width as f32 / w as f32]).unwrap();
        let case = Case::new("Resize", vec![input(), nothing(), scales.into()]).without(1).constant(2).opset(18);
        case.attribute("axes", ints(&[2, 3])).check()?;
    }

    #[test]
    fn images_doubled_as_of_old(h in 1usize..5, w in 1usize..5, factor in 1usize..4, seed in 0u64..1000) {
        let input = || Value::from(noise(&[1, 2, h, w], seed, 1.0));
        let scales = || Value::from(Tensor::new(&[4], vec![1.0, 1.0, factor as f32, 2.0]).unwrap());
        for mode in ["nearest", "linear"] {
            Case::new("Upsample", vec![input(), scales()]).opset(9).constant(1).attribute("mode", text(mode)).check()?;
            Case::new("Resize", vec![input(), scales()]).opset(10).constant(1).attribute("mode", text(mode)).check()?;
        }
    }

    #[test]
    fn images_read_at_places(
        n in 1usize..3, h in 1usize..5, w in 1usize..5, rows in 1usize..4, align in 0i64..2, seed in 0u64..1000,
    ) {
        // beside the lines between pixels, where the slope changes, and beyond the edges
        let grid = Tensor::from_fn(&[n, rows, 2, 2], |index| {
            let side = if index % 2 == 0 { w } else { h } as f32;
            let noise = crate::engine::testing::number(index, seed);
            let pixels = (noise * (side / 2.0 + 2.0)).round() + 0.3 + 0.4 * noise.abs();
            if align == 1 { 2.0 * pixels / (side - 1.0).max(1.0) - 1.0 } else { (2.0 * pixels + 1.0) / side - 1.0 }
        });
        let inputs = vec![noise(&[n, 2, h, w], seed, 1.0).into(), grid.into()];
        Case::new("GridSample", inputs).int("align_corners", align).check()?;
    }
}

#[test]
fn a_border_counts_as_far_as_it_goes() {
    // windows of 3 at 0, 2 and 4 of 5 elements and a border of one behind: the last holds one element and the border
    let image = Tensor::from_fn(&[1, 1, 1, 5], |index| index as f32 + 1.0);
    let case = Case::new("AveragePool", vec![image.into()]).attribute("kernel_shape", ints(&[1, 3]));
    let case =
        case.attribute("strides", ints(&[1, 2])).attribute("pads", ints(&[0, 0, 0, 1])).int("ceil_mode", 1);
    let case = case.int("count_include_pad", 1);
    let made = case.run().unwrap().0;
    assert_eq!(made[0].as_f32().unwrap().data(), [2.0, 4.0, 2.5]);
    case.check_gradients().unwrap();
}

#[test]
fn what_windows_cannot_be_is_told() {
    let image = || vec![noise(&[1, 1, 4, 4], 1, 1.0).into()];
    let case = |kernel: &[i64]| Case::new("MaxPool", image()).attribute("kernel_shape", ints(kernel));
    assert!(case(&[3]).run().unwrap_err().contains("expected kernel_shape of 2 sides, found [3]"));
    assert!(case(&[3, 0]).run().unwrap_err().contains("kernel_shape of 1 or more"));
    assert!(
        case(&[7, 1]).run().unwrap_err().contains("expected a side of at least 7 with its border, found 4")
    );
    assert!(case(&[2, 2]).outputs(2).run().unwrap_err().contains("found \"out1\" besides"));
    let cubic =
        Case::new("Resize", image()).attribute("mode", text("cubic")).attribute("cubic_coeff_a", float(-0.5));
    assert!(cubic.run().unwrap_err().contains("found cubic"));
}
