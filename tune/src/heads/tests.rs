//! Every head against the detector's own decoder, and its gradients against finite differences.

use std::path::Path;

use proptest::prelude::*;
use rand::SeedableRng as _;
use rand_xoshiro::Xoshiro256PlusPlus;
use roadproof::detector::decode::{Candidates, TensorView};

use super::*;
use crate::tensor::Tensor;

/// Classes of the made-up models.
pub(crate) const CLASSES: usize = 3;
/// Sides of their input, pixels.
pub(crate) const SIZE: [u32; 2] = [64, 32];

/// A made-up model.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) manifest: ModelManifest,
    pub(crate) outputs: Vec<Output>,
}

/// A manifest of the made-up models with this decoder.
pub(crate) fn manifest(decoder: &str) -> ModelManifest {
    let [width, height] = SIZE;
    let text = format!(
        "format = 1\nname = 'made up'\nfile = 'model.onnx'\n\
         [input]\nwidth = {width}\nheight = {height}\ncolour = 'rgb'\nmean = [0.0, 0.0, 0.0]\n\
         std = [1.0, 1.0, 1.0]\nresize = 'stretch'\n[decoder]\n{decoder}\n\
         [thresholds]\nscore = 0.4\nnms_iou = 0.6\nmax_detections = 100\n\
         [classes]\nnames = ['car', 'person', 'bicycle']\n"
    );
    ModelManifest::from_toml(&text, "made-up.toml").unwrap()
}

fn case(name: &'static str, decoder: &str, outputs: &[(&str, &[usize])]) -> Case {
    let output = |(name, dims): &(&str, &[usize])| Output { name: (*name).to_owned(), dims: dims.to_vec() };
    Case { name, manifest: manifest(decoder), outputs: outputs.iter().map(output).collect() }
}

/// A model of every head, in every arrangement of its outputs, with scores as probabilities and as logits. All but the last
/// two have 42 cells of strides 8, 16, 32.
pub(crate) fn cases() -> Vec<Case> {
    let strides = "strides = [8, 16, 32]";
    vec![
        case(
            "nanodet, a pair per level",
            &format!(
                "type = 'nanodet'\n{strides}\noutputs = {{ scores = ['s8', 's16', 's32'], boxes = ['b8', 'b16', 'b32'] }}"
            ),
            &[
                ("s8", &[1, 32, 3]),
                ("s16", &[1, 8, 3]),
                ("s32", &[1, 2, 3]),
                ("b8", &[1, 32, 20]),
                ("b16", &[1, 8, 20]),
                ("b32", &[1, 2, 20]),
            ],
        ),
        case(
            "nanodet-plus, all in one",
            &format!("type = 'nanodet'\n{strides}\nactivation = 'sigmoid'\ncell_offset = 0.0"),
            &[("other", &[1, 7]), ("all", &[1, 42, 23])],
        ),
        case("yolox", &format!("type = 'yolox'\n{strides}"), &[("all", &[1, 42, 8])]),
        case(
            "yolox, logits",
            &format!("type = 'yolox'\n{strides}\nactivation = 'sigmoid'"),
            &[("all", &[1, 42, 8])],
        ),
        case("yolov8", "type = 'yolov8'", &[("all", &[1, 7, 42])]),
        case("rtdetr", "type = 'rtdetr'\nactivation = 'sigmoid'", &[("q", &[1, 12, 3]), ("b", &[1, 12, 4])]),
        case("rtdetr, all in one", "type = 'rtdetr'", &[("all", &[1, 12, 7])]),
    ]
}

impl Case {
    pub(crate) fn head(&self) -> Head {
        Head::bind(&self.manifest, &self.outputs).unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    /// Plausible outputs, in the order of [`Head::outputs`].
    pub(crate) fn random(&self, seed: u64) -> Vec<Tensor> {
        let head = self.head();
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut tensors: Vec<Tensor> =
            head.outputs().iter().map(|output| Tensor::zeros(&output.dims)).collect();
        for block in head.blocks() {
            let score = if head.logits() { [-3.0, 3.0] } else { [0.05, 0.95] };
            let ranges = match block.coder {
                BoxCoder::Distributions { .. } => [[-2.0, 2.0]; 4],
                BoxCoder::Offsets { .. } => [[0.0, 1.0], [0.0, 1.0], [-0.5, 1.5], [-0.5, 1.5]],
                BoxCoder::Centre { scale: [x, y], .. } => {
                    let [x, y] = [64.0 / x as f32, 32.0 / y as f32];
                    [[0.1 * x, 0.9 * x], [0.1 * y, 0.9 * y], [0.1 * x, 0.5 * x], [0.1 * y, 0.6 * y]]
                }
            };
            let mut fill = |part: &Part, range: &dyn Fn(usize) -> [f32; 2]| {
                let data = tensors[part.output].data_mut();
                each(part, block.rows, |_, column, place| {
                    let [low, high] = range(column);
                    data[place] = low + (high - low) * random.random::<f32>();
                });
            };
            fill(&block.scores, &|_| score);
            fill(&block.boxes, &|column| ranges[column % 4]);
            if let Some(objectness) = &block.objectness {
                fill(objectness, &|_| score);
            }
        }
        tensors
    }
}

#[test]
fn boxes_and_scores_are_those_of_the_detector() {
    for mut case in cases() {
        case.manifest.decoder.multi_label = Some(true);
        let head = case.head();
        let tensors = case.random(1);
        let outputs: Vec<&Tensor> = tensors.iter().collect();
        let view = View { head: &head, outputs: &outputs };

        let context = DecodeContext {
            path: Path::new("model.onnx"),
            spec: &case.manifest.decoder,
            input: &case.manifest.input,
            class_count: CLASSES,
        };
        let infos: Vec<OutputInfo> = head.outputs().iter().map(info).collect();
        let views: Vec<TensorView<'_>> = infos
            .iter()
            .zip(&tensors)
            .map(|(info, tensor)| TensorView { shape: &info.shape, data: tensor.data() })
            .collect();
        let mut candidates = Candidates::new(10_000);
        candidates.begin(&case.manifest.thresholds());
        Decoder::bind(&context, &infos).unwrap().decode(&views, &mut candidates).unwrap();

        assert!(candidates.items().len() > 5, "{}", case.name);
        for candidate in candidates.items() {
            let (row, class) = (candidate.index as usize / CLASSES, candidate.class_id as usize);
            let block = head.blocks().iter().rposition(|block| block.first <= row).unwrap();
            let location = Location { block, row: row - head.blocks()[block].first };
            assert!((view.score(location, class) - candidate.score).abs() < 1e-6, "{}", case.name);
            let bbox = &candidate.bbox;
            let expected = [bbox.x_min, bbox.y_min, bbox.x_max, bbox.y_max];
            for (found, expected) in view.bbox(location).iter().zip(expected) {
                assert!((found - f64::from(expected)).abs() < 1e-3, "{}: {found} {expected}", case.name);
            }
        }
    }
}

#[test]
fn best_scores_are_the_highest_of_all_classes() {
    for case in cases() {
        let head = case.head();
        let tensors = case.random(2);
        let outputs: Vec<&Tensor> = tensors.iter().collect();
        let view = View { head: &head, outputs: &outputs };
        let best = view.best_scores();
        assert_eq!(best.len(), head.locations());
        for (index, block) in head.blocks().iter().enumerate() {
            for row in 0..block.rows {
                let location = Location { block: index, row };
                let scores = (0..CLASSES).map(|class| view.score(location, class));
                assert_eq!(best.data()[block.first + row], scores.fold(0.0, f32::max), "{}", case.name);
                assert_eq!(view.score(location, view.best_class(location)), best.data()[block.first + row]);
            }
        }
    }
}

#[test]
fn locations_are_cells_of_their_levels() {
    for case in cases().into_iter().take(5) {
        let head = case.head();
        let levels: Vec<(usize, usize, f64)> = head
            .blocks()
            .iter()
            .map(|block| (block.first, block.rows, block.coder.grid().unwrap().stride))
            .collect();
        assert_eq!(levels, [(0, 32, 8.0), (32, 8, 16.0), (40, 2, 32.0)], "{}", case.name);
        let corner = if case.name.starts_with("nanodet-plus") { [32.0, 0.0] } else { [48.0, 16.0] };
        assert_eq!(head.blocks()[2].coder.grid().unwrap().point(1), corner, "{}", case.name);
    }
}

#[test]
fn outputs_that_nothing_is_read_from_are_left_out() {
    let head = cases()[1].head();
    assert_eq!(head.outputs(), [Output { name: "all".to_owned(), dims: vec![1, 42, 23] }]);
    assert!(head.blocks().iter().all(|block| block.scores.output == 0 && block.boxes.output == 0));
}

#[test]
fn yolov8_of_unknown_strides_has_no_cells() {
    let case = case("yolov8", "type = 'yolov8'", &[("all", &[1, 7, 40])]);
    let head = case.head();
    assert_eq!(head.blocks().len(), 1);
    assert!(head.blocks()[0].coder.grid().is_none());
}

#[test]
fn nanodet_g_has_its_locations() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/nanodet-g.toml");
    let manifest = ModelManifest::load(path).unwrap();
    let outputs: Vec<Output> = [("scores", 80), ("boxes", 44)]
        .iter()
        .flat_map(|(kind, columns)| {
            [(8, 2704), (16, 676), (32, 169)].map(|(stride, cells)| Output {
                name: format!("{kind}_{stride}"),
                dims: vec![1, cells, *columns],
            })
        })
        .collect();
    let head = Head::bind(&manifest, &outputs).unwrap();
    assert_eq!((head.locations(), head.classes(), head.logits()), (3549, 80, false));
    assert_eq!(head.outputs(), outputs);
    let last = &head.blocks()[2];
    assert_eq!((last.first, last.scores.output, last.boxes.output), (3380, 2, 5));
    let BoxCoder::Distributions { bins, grid } = last.coder else { panic!("{:?}", last.coder) };
    assert_eq!((bins, grid.stride, grid.columns, grid.point(14)), (11, 32.0, 13, [48.0, 48.0]));
}

#[test]
fn heads_without_gradients_are_refused() {
    for (decoder, dims) in [("yolov5", [1, 42, 8]), ("end_to_end", [1, 42, 6])] {
        let manifest = manifest(&format!("type = '{decoder}'"));
        let output = Output { name: "all".to_owned(), dims: dims.to_vec() };
        let error = Head::bind(&manifest, &[output]).unwrap_err().to_string();
        assert!(error.contains(decoder) && error.contains("expected nanodet"), "{error}");
    }
}

#[test]
fn another_number_of_classes_is_told() {
    let case = case("yolov8", "type = 'yolov8'", &[("all", &[1, 9, 42])]);
    let error = Head::bind(&case.manifest, &case.outputs).unwrap_err().to_string();
    assert!(error.contains('5') && error.contains('3') && error.contains("all"), "{error}");
}

#[test]
fn sinks_take_memory_where_something_is_added() {
    let head = cases()[0].head();
    let mut sinks = Sinks::new(&head);
    sinks.add_box_values(Location { block: 1, row: 2 }, &[1.0; 20]);
    sinks.add_box_values(Location { block: 1, row: 2 }, &[0.5; 20]);
    let tensors = sinks.into_tensors();
    assert_eq!(
        tensors.iter().map(Option::is_some).collect::<Vec<_>>(),
        [false, false, false, false, true, false]
    );
    let data = tensors[4].as_ref().unwrap().data();
    assert!(data[40..60].iter().all(|value| *value == 1.5));
    assert_eq!(data.iter().sum::<f32>(), 30.0);
}

fn any_coder() -> impl Strategy<Value = (BoxCoder, usize)> {
    let grid = (1u8..33, 1usize..9, prop_oneof![Just(0.0), Just(0.5)])
        .prop_map(|(stride, columns, offset)| Grid { stride: f64::from(stride), columns, offset });
    (grid, 2usize..9, 0u8..3).prop_map(|(grid, bins, kind)| match kind {
        0 => (BoxCoder::Distributions { bins, grid }, 4 * bins),
        1 => (BoxCoder::Offsets { grid }, 4),
        _ => (BoxCoder::Centre { scale: [64.0, 32.0], grid: None }, 4),
    })
}

proptest! {
    #[test]
    fn gradients_of_boxes_are_those_of_finite_differences(
        (coder, values) in any_coder().prop_flat_map(|(coder, length)| {
            (Just(coder), prop::collection::vec(-2f64..2.0, length))
        }),
        edges in prop::array::uniform4(-1f64..1.0),
        row in 0usize..40,
    ) {
        let mut gradients = vec![0.0; values.len()];
        coder.backward(&values, &edges, &mut gradients);
        for place in 0..values.len() {
            let moved = |by: f64| {
                let mut values = values.clone();
                values[place] += by;
                coder.decode(row, &values).iter().zip(&edges).map(|(edge, gradient)| edge * gradient).sum::<f64>()
            };
            let numeric = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            prop_assert!((gradients[place] - numeric).abs() < 1e-4 * (1.0 + numeric.abs()));
        }
    }
}
