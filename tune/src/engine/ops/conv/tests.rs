use proptest::prelude::*;
use roadproof::compress::graph::proto::{AttributeProto, NodeProto};

use crate::engine::ops::trial::{
    assert_gradients_are_differences, backward, build, forward, node, whole, with_ints,
};
use crate::engine::ops::{Context, build as build_op};
use crate::engine::{Op, Role};
use crate::tensor::{Tensor, Value};

/// A convolution's sides.
#[derive(Debug, Clone, Copy)]
struct Case {
    groups: usize,
    /// Of each group.
    channels: usize,
    filters: usize,
    image: [usize; 2],
    kernel: [usize; 2],
    strides: [usize; 2],
    dilations: [usize; 2],
    /// Top, left, bottom, right.
    pads: [usize; 4],
}

impl Case {
    fn node(&self, op_type: &str) -> NodeProto {
        let node = node(op_type).with_int("group", self.groups as i64);
        let node = with_ints(node, "strides", &self.strides);
        let node = with_ints(node, "dilations", &self.dilations);
        with_ints(with_ints(node, "pads", &self.pads), "kernel_shape", &self.kernel)
    }

    fn padded_image_fits(&self) -> bool {
        (0..2).all(|side| {
            let padded = self.image[side] + self.pads[side] + self.pads[side + 2];
            padded > (self.kernel[side] - 1) * self.dilations[side]
        })
    }

    /// Where an output and a tap meet in the image, if there.
    fn meeting(&self, side: usize, output: usize, tap: usize) -> Option<usize> {
        let at = (output * self.strides[side] + tap * self.dilations[side]).checked_sub(self.pads[side])?;
        (at < self.image[side]).then_some(at)
    }

    fn output(&self, side: usize) -> usize {
        let padded = self.image[side] + self.pads[side] + self.pads[side + 2];
        (padded - (self.kernel[side] - 1) * self.dilations[side] - 1) / self.strides[side] + 1
    }

    /// Calls `term` with the indices of image, weight and output of each product in the definition of `Conv`.
    fn each_term(&self, mut term: impl FnMut(usize, usize, usize)) {
        let [height, width] = self.image;
        let [kernel_height, kernel_width] = self.kernel;
        let [rows, columns] = [self.output(0), self.output(1)];
        for filter in 0..self.groups * self.filters {
            let first = filter / self.filters * self.channels;
            for channel in 0..self.channels {
                for (oy, ky) in (0..rows).flat_map(|oy| (0..kernel_height).map(move |ky| (oy, ky))) {
                    let Some(y) = self.meeting(0, oy, ky) else { continue };
                    for (ox, kx) in (0..columns).flat_map(|ox| (0..kernel_width).map(move |kx| (ox, kx))) {
                        let Some(x) = self.meeting(1, ox, kx) else { continue };
                        let weight =
                            ((filter * self.channels + channel) * kernel_height + ky) * kernel_width + kx;
                        let image = ((first + channel) * height + y) * width + x;
                        term(image, weight, (filter * rows + oy) * columns + ox);
                    }
                }
            }
        }
    }

    fn image(&self) -> Tensor {
        whole(&[1, self.groups * self.channels, self.image[0], self.image[1]], 1)
    }

    fn weights(&self) -> Tensor {
        whole(&[self.groups * self.filters, self.channels, self.kernel[0], self.kernel[1]], 2)
    }
}

/// Sides of which every second is as small as can be.
fn cases(image: usize) -> impl Strategy<Value = Case> {
    let pair = |range: std::ops::RangeInclusive<usize>| [range.clone(), range];
    let channels =
        (prop_oneof![Just(1_usize), 1_usize..4], 1_usize..4, prop_oneof![Just(1_usize), 1_usize..19]);
    let pads = [0_usize..4, 0..4, 0..4, 0..4];
    (channels, pair(1..=image), pair(1..=4), pair(1..=3), pair(1..=3), pads)
        .prop_map(|((groups, channels, filters), image, kernel, strides, dilations, pads)| Case {
            groups,
            channels,
            filters,
            image,
            kernel,
            strides,
            dilations,
            pads,
        })
        .prop_filter("the kernel has to fit", Case::padded_image_fits)
}

proptest! {
    #[test]
    fn a_convolution_is_its_definition(case in cases(40), bias in any::<bool>()) {
        let op = build(&case.node("Conv")).unwrap();
        let (image, weights, biases) = (case.image(), case.weights(), whole(&[case.groups * case.filters], 3));
        let inputs = if bias { vec![&image, &weights, &biases] } else { vec![&image, &weights] };
        let output = forward(op.as_ref(), &inputs).unwrap();
        let dims = [1, case.groups * case.filters, case.output(0), case.output(1)];
        prop_assert_eq!(output.dims(), dims);

        let gradient = whole(&dims, 4);
        let channel = dims[2] * dims[3];
        let mut expected = Tensor::from_fn(&dims, |at| if bias { biases.data()[at / channel] } else { 0.0 });
        let (mut by_image, mut by_weights) = (Tensor::zeros(image.dims()), Tensor::zeros(weights.dims()));
        case.each_term(|x, w, y| {
            expected.data_mut()[y] += image.data()[x] * weights.data()[w];
            by_image.data_mut()[x] += gradient.data()[y] * weights.data()[w];
            by_weights.data_mut()[w] += gradient.data()[y] * image.data()[x];
        });
        prop_assert_eq!(&output, &expected);
        let found = backward(op.as_ref(), &inputs, &gradient);
        prop_assert_eq!(&found[0], &by_image);
        prop_assert_eq!(&found[1], &by_weights);
        if bias {
            let sums: Vec<f32> = gradient.data().chunks(channel).map(|channel| channel.iter().sum()).collect();
            prop_assert_eq!(found[2].data(), sums);
        }
    }

    /// The output of a transposed convolution is the gradient by the image of the convolution with the same weights.
    #[test]
    fn a_transposed_convolution_is_the_transpose(case in cases(12), extra in [0_usize..3, 0_usize..3]) {
        // what of the image the convolution does not reach
        let extra = [0, 1].map(|side| extra[side] % case.strides[side]);
        let exact = |side: usize| {
            (case.output(side) - 1) * case.strides[side] + (case.kernel[side] - 1) * case.dilations[side] + 1
        };
        let sides = [0, 1].map(|side| (exact(side) + extra[side]).checked_sub(case.pads[side] + case.pads[side + 2]));
        let [Some(height), Some(width)] = sides else { return Ok(()) };
        prop_assume!(height > 0 && width > 0);
        let case = Case { image: [height, width], ..case };
        let op = build(&with_ints(case.node("ConvTranspose"), "output_padding", &extra)).unwrap();
        let image = whole(&[1, case.groups * case.filters, case.output(0), case.output(1)], 1);
        let weights = case.weights();
        let biases = whole(&[case.groups * case.channels], 3);
        let inputs = [&image, &weights, &biases];
        let output = forward(op.as_ref(), &inputs).unwrap();
        prop_assert_eq!(output.dims(), [1, case.groups * case.channels, height, width]);

        let gradient = whole(output.dims(), 4);
        let mut expected = Tensor::from_fn(output.dims(), |at| biases.data()[at / (height * width)]);
        let (mut by_image, mut by_weights) = (Tensor::zeros(image.dims()), Tensor::zeros(weights.dims()));
        case.each_term(|y, w, x| {
            expected.data_mut()[y] += image.data()[x] * weights.data()[w];
            by_image.data_mut()[x] += gradient.data()[y] * weights.data()[w];
            by_weights.data_mut()[w] += gradient.data()[y] * image.data()[x];
        });
        prop_assert_eq!(&output, &expected);
        let found = backward(op.as_ref(), &inputs, &gradient);
        prop_assert_eq!(&found[0], &by_image);
        prop_assert_eq!(&found[1], &by_weights);
        let sums: Vec<f32> = gradient.data().chunks(height * width).map(|channel| channel.iter().sum()).collect();
        prop_assert_eq!(found[2].data(), sums);
    }
}

fn small() -> Case {
    Case {
        groups: 2,
        channels: 2,
        filters: 3,
        image: [6, 7],
        kernel: [3, 2],
        strides: [2, 1],
        dilations: [1, 2],
        pads: [1, 0, 2, 1],
    }
}

#[test]
fn gradients_are_differences() {
    let case = small();
    let bias = whole(&[6], 3);
    let convolution = build(&case.node("Conv")).unwrap();
    assert_gradients_are_differences(convolution.as_ref(), &[&case.image(), &case.weights(), &bias]);
    let transposed = build(&case.node("ConvTranspose")).unwrap();
    let image = whole(&[1, 6, 4, 3], 1);
    assert_gradients_are_differences(transposed.as_ref(), &[&image, &case.weights(), &whole(&[4], 3)]);
}

/// An image larger than what is computed at a time.
#[test]
fn a_large_image_is_convolved_block_by_block() {
    let case = Case {
        groups: 1,
        channels: 9,
        filters: 11,
        image: [70, 90],
        kernel: [3, 3],
        strides: [1, 1],
        dilations: [1, 1],
        pads: [1, 1, 1, 1],
    };
    let op = build(&case.node("Conv")).unwrap();
    let (image, weights) = (case.image(), case.weights());
    let gradient = whole(&[1, 11, 70, 90], 4);
    let mut expected = Tensor::zeros(gradient.dims());
    let mut by_image = Tensor::zeros(image.dims());
    case.each_term(|x, w, y| {
        expected.data_mut()[y] += image.data()[x] * weights.data()[w];
        by_image.data_mut()[x] += gradient.data()[y] * weights.data()[w];
    });
    assert_eq!(forward(op.as_ref(), &[&image, &weights]).unwrap(), expected);
    assert_eq!(backward(op.as_ref(), &[&image, &weights], &gradient)[0], by_image);
}

fn with_auto_pad(node: NodeProto, value: &str) -> NodeProto {
    let mut node = node;
    node.attribute.retain(|attribute| attribute.name() != "pads");
    node.attribute.push(AttributeProto {
        name: Some("auto_pad".to_owned()),
        s: Some(value.as_bytes().to_vec()),
        ..AttributeProto::default()
    });
    node
}

#[test]
fn automatic_padding_is_the_same_as_padding_told() {
    // sides 5 and 6, span 2 and 3, strides 2 and 1: 1 and 2 rows and columns of zeros
    let case = Case {
        image: [5, 6],
        kernel: [2, 3],
        strides: [2, 1],
        dilations: [1, 1],
        pads: [0, 1, 1, 1],
        ..small()
    };
    let (image, weights) = (case.image(), case.weights());
    let run = |node: &NodeProto| forward(build(node).unwrap().as_ref(), &[&image, &weights]).unwrap();
    let lower = Case { pads: [1, 1, 0, 1], ..case };
    let none = Case { pads: [0; 4], ..case };
    for (told, automatic) in [(case, "SAME_UPPER"), (lower, "SAME_LOWER"), (none, "VALID")] {
        assert_eq!(run(&with_auto_pad(case.node("Conv"), automatic)), run(&told.node("Conv")), "{automatic}");
    }
    let image = whole(&[1, 6, 3, 6], 1);
    let run = |node: &NodeProto| forward(build(node).unwrap().as_ref(), &[&image, &weights]).unwrap();
    let same = run(&with_auto_pad(case.node("ConvTranspose"), "SAME_UPPER"));
    assert_eq!(same.dims(), [1, 4, 6, 6]);
    let shaped = with_ints(case.node("ConvTranspose"), "output_shape", &[6, 6]);
    assert_eq!(same, run(&with_auto_pad(shaped, "SAME_UPPER")));
}

fn error(op: &dyn Op, inputs: &[&Tensor]) -> String {
    forward(op, inputs).unwrap_err().to_string()
}

#[test]
fn what_cannot_be_convolved_is_told() {
    let case = small();
    let op = build(&case.node("Conv")).unwrap();
    let weights = case.weights();
    let found = error(op.as_ref(), &[&whole(&[2, 4, 6, 7], 1), &weights]);
    assert!(found.contains("expected one image") && found.contains("[2, 4, 6, 7]"), "{found}");
    let found = error(op.as_ref(), &[&whole(&[1, 5, 6, 7], 1), &weights]);
    assert!(found.contains("2 even groups, found 5"), "{found}");
    let found = error(op.as_ref(), &[&whole(&[1, 8, 6, 7], 1), &weights]);
    assert!(found.contains("4 channels (8 in 2 groups), found 2"), "{found}");
    let found = error(op.as_ref(), &[&whole(&[1, 4, 6, 1], 1), &weights]);
    assert!(found.contains("at least 3 with its border, found 2"), "{found}");
    let found = error(op.as_ref(), &[&case.image(), &whole(&[6, 2, 3, 3], 1)]);
    assert!(found.contains("expected weights of kernel sides [3, 2], found [3, 3]"), "{found}");
    let found = error(op.as_ref(), &[&case.image(), &weights, &whole(&[5], 1)]);
    assert!(found.contains("expected 6 biases, found 5"), "{found}");
    let found = error(op.as_ref(), &[&case.image(), &whole(&[6, 2, 3], 1)]);
    assert!(found.contains("kernel of 2 sides"), "{found}");

    for (name, values) in
        [("strides", &[2][..]), ("kernel_shape", &[3, 3, 3]), ("pads", &[1, 1]), ("strides", &[0, 1])]
    {
        for op_type in ["Conv", "ConvTranspose"] {
            let found = build(&with_ints(node(op_type), name, values)).unwrap_err();
            assert!(found.contains(name) && found.contains(&format!("{values:?}")), "{found}");
        }
    }
    let transposed = build(&with_ints(case.node("ConvTranspose"), "output_shape", &[50, 7])).unwrap();
    let found = error(transposed.as_ref(), &[&whole(&[1, 6, 4, 3], 1), &weights]);
    assert!(found.contains("found 50"), "{found}");
}

#[test]
fn the_bins_of_a_distribution_are_not_trained() {
    let node = node("Conv");
    let weights = |values: Vec<f32>| {
        let dims = [1, values.len(), 1, 1];
        let constants = [None, Some(Value::F32(Tensor::new(&dims, values).unwrap()))];
        build_op(&Context { node: &node, opset: 17, constants: &constants }).unwrap().weights().to_vec()
    };
    assert_eq!(weights(vec![0.0, 1.0, 2.0, 3.0]), []);
    assert_eq!(weights(vec![0.0, 1.0, 2.0, 4.0]), [(1, Role::Weight), (2, Role::Bias)]);
    assert_eq!(weights(vec![0.0]), [(1, Role::Weight), (2, Role::Bias)]);
}
