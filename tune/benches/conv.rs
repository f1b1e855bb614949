//! Speed of convolutions, forward and backward, at the sides of NanoDet-g's layers on an image of 416 × 416; one thread.
//!
//! Throughput counts a multiply-add as two operations: `Gelem/s` reads as GFLOP/s. The backward run is by image, weights
//! and bias, twice the forward run's operations.
//!
//! ```sh
//! cargo bench -p roadproof-tune --bench conv
//! ```

#![allow(missing_docs, reason = "criterion's macros write undocumented functions")]
#![allow(clippy::expect_used, reason = "a benchmark that cannot be set up has to stop")]

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use roadproof::compress::graph::proto::{AttributeProto, NodeProto};
use roadproof_tune::engine::ops::{self, Context};
use roadproof_tune::engine::{Call, Op};
use roadproof_tune::tensor::{Tensor, ValueRef};

/// A layer: channels, filters, groups, side of the image and of the kernel, stride.
struct Layer {
    name: &'static str,
    channels: usize,
    filters: usize,
    groups: usize,
    side: usize,
    kernel: usize,
    stride: usize,
}

impl Layer {
    const fn new(
        name: &'static str,
        channels: (usize, usize, usize),
        side: usize,
        kernel: usize,
        stride: usize,
    ) -> Self {
        let (channels, filters, groups) = channels;
        Self { name, channels, filters, groups, side, kernel, stride }
    }

    fn op(&self) -> Result<Box<dyn Op>, String> {
        let mut node = NodeProto::new("Conv", self.name, &[], &[]).with_int("group", self.groups as i64);
        for (name, value, count) in [("strides", self.stride, 2), ("pads", self.kernel / 2, 4)] {
            node.attribute.push(AttributeProto {
                name: Some(name.to_owned()),
                ints: vec![value as i64; count],
                ..AttributeProto::default()
            });
        }
        ops::build(&Context { node: &node, opset: 17, constants: &[] })
    }

    /// Side of the output.
    fn output(&self) -> usize {
        self.side.div_ceil(self.stride)
    }

    /// Of a forward run.
    fn operations(&self) -> u64 {
        let weights = self.filters * (self.channels / self.groups) * self.kernel.pow(2);
        2 * (weights * self.output().pow(2)) as u64
    }
}

const LAYERS: [Layer; 8] = [
    Layer::new("3x3 32 at 104", (32, 32, 1), 104, 3, 1),
    Layer::new("3x3 stride 2 64 at 104", (64, 64, 1), 104, 3, 2),
    Layer::new("3x3 64 at 52", (64, 64, 1), 52, 3, 1),
    Layer::new("3x3 128 at 26", (128, 128, 1), 26, 3, 1),
    Layer::new("3x3 128 at 52", (128, 128, 1), 52, 3, 1),
    Layer::new("1x1 64 to 32 at 104", (64, 32, 1), 104, 1, 1),
    Layer::new("1x1 128 to 80 at 52", (128, 80, 1), 52, 1, 1),
    Layer::new("5x5 depthwise 128 at 26", (128, 128, 128), 26, 5, 1),
];

fn tensor(dims: &[usize], seed: usize) -> Tensor {
    Tensor::from_fn(dims, |index| ((index * 31 + seed * 17) % 29) as f32 / 14.5 - 1.0)
}

fn layers(criterion: &mut Criterion) {
    for layer in &LAYERS {
        let op = layer.op().expect("a convolution");
        let image = tensor(&[1, layer.channels, layer.side, layer.side], 1);
        let weights = tensor(&[layer.filters, layer.channels / layer.groups, layer.kernel, layer.kernel], 2);
        let bias = tensor(&[layer.filters], 3);
        let inputs = [Some(ValueRef::F32(&image)), Some(ValueRef::F32(&weights)), Some(ValueRef::F32(&bias))];
        let (outputs, saved) = op.forward(&inputs).expect("convolved");
        let outputs: Vec<_> = outputs.iter().map(|value| Some(value.borrowed())).collect();
        let gradient = tensor(&[1, layer.filters, layer.output(), layer.output()], 4);
        let mut sinks = [&image, &weights, &bias].map(|input| Tensor::zeros(input.dims()));

        let mut group = criterion.benchmark_group(layer.name);
        group
            .warm_up_time(Duration::from_millis(300))
            .measurement_time(Duration::from_secs(1))
            .sample_size(20);
        group.throughput(Throughput::Elements(layer.operations()));
        group.bench_function("forward", |bencher| {
            bencher.iter(|| op.forward(black_box(&inputs)).expect("convolved"));
        });
        group.throughput(Throughput::Elements(2 * layer.operations()));
        group.bench_function("backward", |bencher| {
            bencher.iter(|| {
                let call =
                    Call { inputs: &inputs, outputs: &outputs, saved: &saved, gradients: &[Some(&gradient)] };
                let mut places: Vec<Option<&mut Tensor>> = sinks.iter_mut().map(Some).collect();
                op.backward(black_box(&call), &mut places).expect("gradients");
            });
        });
        group.finish();
    }
}

criterion_group!(benches, layers);
criterion_main!(benches);
