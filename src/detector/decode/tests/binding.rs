//! Which outputs a decoder takes, and what it says about the others.

use super::*;

fn model(kind: DecoderKind, classes: usize, shapes: &[(&str, &[i64])]) -> Model {
    let outputs = shapes
        .iter()
        .map(|(name, shape)| Output::new(name, shape, vec![0.0; shape.iter().product::<i64>() as usize]))
        .collect();
    Model::new(kind, classes, outputs)
}

fn refusal(model: &Model) -> String {
    model.bind().unwrap_err().to_string()
}

const NANODET: [(&str, &[i64]); 6] = [
    ("s8", &[1, 64, 80]),
    ("b8", &[1, 64, 44]),
    ("s16", &[1, 16, 80]),
    ("b16", &[1, 16, 44]),
    ("s32", &[1, 4, 80]),
    ("b32", &[1, 4, 44]),
];

#[test]
fn a_wrong_class_count_names_both_counts_and_the_output() {
    let cases = [
        model(DecoderKind::Nanodet, 79, &NANODET[..]),
        model(DecoderKind::Yolox, 79, &[("out", &[1, 84, 85])]),
        model(DecoderKind::Yolov5, 79, &[("out", &[1, 300, 85])]),
        model(DecoderKind::Yolov8, 79, &[("out", &[1, 84, 300])]),
        model(DecoderKind::Rtdetr, 79, &[("out", &[1, 30, 84])]),
        model(DecoderKind::Rtdetr, 79, &[("out", &[1, 30, 80]), ("boxes", &[1, 30, 4])]),
    ];
    for model in cases {
        let error = model.bind().unwrap_err();
        let text = error.to_string();
        match error {
            DetectorError::ClassCount { expected: 79, found, .. } => {
                assert!(found == 80 || model.spec.kind == DecoderKind::Nanodet, "{text}");
            }
            // 80 columns could be boxes of 20 bins, too
            DetectorError::Outputs { .. } if model.spec.kind == DecoderKind::Nanodet => {
                assert!(text.contains("79 columns") && text.contains("`s8` (1, 64, 80)"), "{text}");
            }
            _ => panic!("{:?}: {text}", model.spec.kind),
        }
    }
}

#[test]
fn outputs_of_another_head_are_listed() {
    for kind in [DecoderKind::Nanodet, DecoderKind::Yolox, DecoderKind::Yolov8, DecoderKind::EndToEnd] {
        let text = refusal(&model(kind, 80, &[("logits", &[1, 1000]), ("features", &[1, 3, 4, 5])]));
        assert!(text.contains(kind.name()) && text.contains("`logits` (1, 1000)"), "{text}");
        assert!(text.contains("`features` (1, 3, 4, 5)") && text.contains("expected"), "{text}");
    }
    assert!(refusal(&model(DecoderKind::Yolov8, 80, &[])).contains("found no outputs"));
}

#[test]
fn two_outputs_that_fit_have_to_be_named() {
    let mut two = model(DecoderKind::Yolov8, 3, &[("a", &[1, 7, 30]), ("b", &[1, 7, 30])]);
    assert!(refusal(&two).contains("several fit"));
    two.spec.outputs.predictions = Some("b".to_owned());
    two.bind().unwrap();
    two.spec.outputs.predictions = Some("c".to_owned());
    assert!(refusal(&two).contains("`c`"));
}

#[test]
fn nanodet_by_names() {
    // 44 classes and 11 bins cannot be told apart by shape
    let shapes: Vec<(&str, &[i64])> = NANODET
        .iter()
        .map(|(name, shape)| {
            let alike: &[i64] = match shape[1] {
                64 => &[1, 64, 44],
                16 => &[1, 16, 44],
                _ => &[1, 4, 44],
            };
            (*name, alike)
        })
        .collect();
    let mut nanodet = model(DecoderKind::Nanodet, 44, &shapes);
    assert!(refusal(&nanodet).contains("decoder.outputs"));
    nanodet.spec.outputs.scores = ["s8", "s16", "s32"].map(str::to_owned).to_vec();
    nanodet.spec.outputs.boxes = ["b8", "b16", "b32"].map(str::to_owned).to_vec();
    nanodet.bind().unwrap();
    nanodet.spec.outputs.boxes = ["b8", "b32", "b16"].map(str::to_owned).to_vec();
    assert!(refusal(&nanodet).contains("(1, 16, 44)"));
}

#[test]
fn nanodet_of_another_input_size_is_refused() {
    let mut nanodet = model(DecoderKind::Nanodet, 80, &NANODET);
    nanodet.input = input(128, 64);
    let text = refusal(&nanodet);
    assert!(text.contains("(1, 128, 80)") && text.contains("`s8` (1, 64, 80)"), "{text}");
}

#[test]
fn outputs_of_other_types_are_not_read() {
    let path = Path::new("model.onnx");
    let (spec, input) = (spec(DecoderKind::EndToEnd), input(64, 64));
    let context = DecodeContext { path, spec: &spec, input: &input, class_count: 3 };
    let info = OutputInfo { name: "out".to_owned(), shape: vec![1, 30, 6], is_f32: false };
    let text = Decoder::bind(&context, &[info]).unwrap_err().to_string();
    assert!(text.contains("(not float32)"), "{text}");
}

#[test]
fn logits_declared_as_probabilities_are_noticed() {
    let mut rtdetr = model(DecoderKind::Rtdetr, 80, &[("logits", &[1, 30, 80]), ("boxes", &[1, 30, 4])]);
    rtdetr.outputs[0].data.fill(-4.0);
    let text = rtdetr.bind().unwrap().check_scores(&rtdetr.views()).unwrap_err().to_string();
    assert!(text.contains("found -4") && text.contains("sigmoid"), "{text}");
    rtdetr.spec.activation = Activation::Sigmoid;
    rtdetr.bind().unwrap().check_scores(&rtdetr.views()).unwrap();
}
