//! The heads' formulas once more, in f64 and one value at a time.

use proptest::prelude::*;

use super::*;

/// Row among the model's boxes, class, score, box.
type Found = (usize, usize, f64, [f64; 4]);

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// All classes of a box, or the best (of equal ones the first), where they reach `low`.
fn pick(row: usize, scores: &[f64], bbox: [f64; 4], multi_label: bool, low: f64, found: &mut Vec<Found>) {
    let mut best = 0;
    for (class, score) in scores.iter().enumerate() {
        if multi_label && *score >= low {
            found.push((row, class, *score, bbox));
        }
        if *score > scores[best] {
            best = class;
        }
    }
    if !multi_label && scores[best] >= low {
        found.push((row, best, scores[best], bbox));
    }
}

fn centred(x: f64, y: f64, w: f64, h: f64) -> [f64; 4] {
    [x - w / 2.0, y - h / 2.0, x + w / 2.0, y + h / 2.0]
}

/// Compares, leaving out scores so close to the threshold that rounding decides, and boxes without area.
fn compare(model: &Model, low: f32, mut expected: Vec<Found>) {
    let (candidates, stats) = model.decode(low);
    let close = |score: f64| (score - f64::from(low)).abs() < 1e-5;
    expected.retain(|(_, _, score, b)| !close(*score) && b[2] > b[0] && b[3] > b[1]);
    let found: Vec<_> = candidates.iter().filter(|c| !close(f64::from(c.score))).collect();
    assert_eq!(found.len(), expected.len(), "{stats:?}");
    assert_eq!(stats.non_finite + stats.out_of_range + stats.unknown_class, 0);
    expected.sort_by_key(|(row, class, ..)| (*row, *class));
    for (found, (row, class, score, bbox)) in found.into_iter().zip(expected) {
        assert_eq!(found.class_id as usize, class, "row {row}");
        if model.spec.kind != DecoderKind::EndToEnd {
            assert_eq!(found.index as usize, row * model.class_count + class);
        }
        assert!((f64::from(found.score) - score).abs() < 1e-5, "row {row}: {} for {score}", found.score);
        let edges = [found.bbox.x_min, found.bbox.y_min, found.bbox.x_max, found.bbox.y_max];
        for (edge, expected) in edges.into_iter().zip(bbox) {
            assert!((f64::from(edge) - expected).abs() < 2e-3, "row {row}: {:?} for {bbox:?}", found.bbox);
        }
    }
}

/// Scores as probabilities or logits; half of the cases each.
fn raw_scores(random: &mut Random, count: usize, logits: bool) -> Vec<f32> {
    if logits { random.list(count, -6.0, 3.0) } else { random.list(count, 0.0, 1.0) }
}

fn activated(raw: &[f32], logits: bool) -> Vec<f64> {
    raw.iter().map(|v| if logits { logistic(f64::from(*v)) } else { f64::from(*v) }).collect()
}

fn activation(logits: bool) -> Activation {
    if logits { Activation::Sigmoid } else { Activation::None }
}

/// NanoDet's outputs, and its candidates, in one of the three arrangements that exports use.
fn nanodet(seed: u64, logits: bool, multi_label: bool, arrangement: usize, low: f32) {
    let mut random = Random::new(seed);
    let classes = 1 + (seed % 7) as usize;
    let bins = [8, 11, 17][(seed % 3) as usize];
    let (width, height) = ([64u32, 72, 40][(seed % 3) as usize], 56);
    let mut model = Model::new(DecoderKind::Nanodet, classes, vec![]);
    model.input = input(width, height);
    model.spec.activation = activation(logits);
    model.spec.multi_label = Some(multi_label);
    model.spec.cell_offset = (seed.is_multiple_of(2)).then_some(0.0);
    let offset = f64::from(model.spec.cell_offset.unwrap_or(0.5));

    let (mut expected, mut row) = (vec![], 0);
    let (mut all_scores, mut all_boxes) = (vec![], vec![]);
    for stride in [8u32, 16, 32] {
        let columns = width.div_ceil(stride) as usize;
        let cells = columns * height.div_ceil(stride) as usize;
        let scores = raw_scores(&mut random, cells * classes, logits);
        let boxes = random.list(cells * 4 * bins, -4.0, 4.0);
        for cell in 0..cells {
            let mut sides = [0.0; 4];
            for (side, distance) in sides.iter_mut().enumerate() {
                let start = (cell * 4 + side) * bins;
                let weights: Vec<f64> =
                    boxes[start..start + bins].iter().map(|v| f64::from(*v).exp()).collect();
                let total: f64 = weights.iter().sum();
                *distance = weights.iter().enumerate().map(|(i, w)| i as f64 * w / total).sum::<f64>();
            }
            let s = f64::from(stride);
            let (x, y) = ((cell % columns) as f64 + offset, (cell / columns) as f64 + offset);
            let bbox = [(x - sides[0]) * s, (y - sides[1]) * s, (x + sides[2]) * s, (y + sides[3]) * s];
            let scores = activated(&scores[cell * classes..(cell + 1) * classes], logits);
            pick(row, &scores, bbox, multi_label, f64::from(low), &mut expected);
            row += 1;
        }
        all_scores.push((cells, scores));
        all_boxes.push((cells, boxes));
    }
    let shape = |cells: usize, columns: usize| [1, cells as i64, columns as i64];
    let flat = |parts: &[(usize, Vec<f32>)]| parts.iter().flat_map(|(_, v)| v.clone()).collect::<Vec<_>>();
    model.outputs = match arrangement {
        0 => {
            let scores = all_scores.iter().map(|(n, v)| Output::new("s", &shape(*n, classes), v.clone()));
            let boxes = all_boxes.iter().map(|(n, v)| Output::new("b", &shape(*n, 4 * bins), v.clone()));
            boxes.chain(scores).collect() // the order does not matter
        }
        1 => vec![
            Output::new("s", &shape(row, classes), flat(&all_scores)),
            Output::new("b", &shape(row, 4 * bins), flat(&all_boxes)),
        ],
        _ => {
            let (scores, boxes) = (flat(&all_scores), flat(&all_boxes));
            let rows = scores.chunks(classes).zip(boxes.chunks(4 * bins));
            let data = rows.flat_map(|(s, b)| s.iter().chain(b).copied().collect::<Vec<_>>()).collect();
            vec![Output::new("output", &shape(row, classes + 4 * bins), data)]
        }
    };
    compare(&model, low, expected);
}

fn yolo(kind: DecoderKind, seed: u64, logits: bool, multi_label: bool, low: f32) {
    let mut random = Random::new(seed);
    let classes = 1 + (seed % 9) as usize;
    let rows = 8 * 8 + 4 * 4 + 2 * 2;
    let mut model = Model::new(kind, classes, vec![]);
    model.spec.activation = activation(logits);
    model.spec.multi_label = Some(multi_label);
    let (mut data, mut expected) = (vec![], vec![]);
    for row in 0..rows {
        let head = if kind == DecoderKind::Yolox {
            random.list(4, -1.0, 2.0)
        } else {
            [random.list(2, 0.0, 64.0), random.list(2, 1.0, 40.0)].concat()
        };
        let raw = raw_scores(&mut random, 1 + classes, logits);
        data.extend_from_slice(&head);
        data.extend_from_slice(&raw);
        let [x, y, w, h] = [head[0], head[1], head[2], head[3]].map(f64::from);
        let bbox = if kind == DecoderKind::Yolox {
            let (first, columns, stride) = match row {
                0..64 => (0, 8, 8.0),
                64..80 => (64, 4, 16.0),
                _ => (80, 2, 32.0),
            };
            let (column, line) = (((row - first) % columns) as f64, ((row - first) / columns) as f64);
            centred((x + column) * stride, (y + line) * stride, w.exp() * stride, h.exp() * stride)
        } else {
            centred(x, y, w, h)
        };
        let scores = activated(&raw, logits);
        let products: Vec<f64> = scores[1..].iter().map(|class| class * scores[0]).collect();
        pick(row, &products, bbox, multi_label, f64::from(low), &mut expected);
    }
    model.outputs = vec![Output::new("output", &[1, rows as i64, 5 + classes as i64], data)];
    compare(&model, low, expected);
}

fn yolov8(seed: u64, logits: bool, multi_label: bool, low: f32) {
    let mut random = Random::new(seed);
    let (classes, boxes) = (1 + (seed % 9) as usize, 30 + (seed % 5) as usize);
    let mut model = Model::new(DecoderKind::Yolov8, classes, vec![]);
    model.spec.activation = activation(logits);
    model.spec.multi_label = Some(multi_label);
    let mut data = random.list(2 * boxes, 0.0, 64.0);
    data.extend(random.list(2 * boxes, 1.0, 40.0));
    data.extend(raw_scores(&mut random, classes * boxes, logits));
    let mut expected = vec![];
    for b in 0..boxes {
        let at = |row: usize| f64::from(data[row * boxes + b]);
        let raw: Vec<f32> = (0..classes).map(|class| data[(4 + class) * boxes + b]).collect();
        let bbox = centred(at(0), at(1), at(2), at(3));
        pick(b, &activated(&raw, logits), bbox, multi_label, f64::from(low), &mut expected);
    }
    model.outputs = vec![Output::new("output0", &[1, 4 + classes as i64, boxes as i64], data)];
    compare(&model, low, expected);
}

fn rtdetr(seed: u64, logits: bool, multi_label: bool, joined: bool, low: f32) {
    let mut random = Random::new(seed);
    let (classes, queries) = (5 + (seed % 9) as usize, 20 + (seed % 5) as usize);
    let mut model = Model::new(DecoderKind::Rtdetr, classes, vec![]);
    model.input = input(64, 48);
    model.spec.activation = activation(logits);
    model.spec.multi_label = Some(multi_label);
    let scores = raw_scores(&mut random, classes * queries, logits);
    let boxes = random.list(4 * queries, 0.01, 1.0);
    let mut expected = vec![];
    for q in 0..queries {
        let [x, y, w, h] = [0, 1, 2, 3].map(|i| f64::from(boxes[q * 4 + i]));
        let bbox = centred(x * 64.0, y * 48.0, w * 64.0, h * 48.0);
        let raw = &scores[q * classes..(q + 1) * classes];
        pick(q, &activated(raw, logits), bbox, multi_label, f64::from(low), &mut expected);
    }
    let (q, c) = (queries as i64, classes as i64);
    model.outputs = if joined {
        let rows = boxes.chunks(4).zip(scores.chunks(classes));
        let data = rows.flat_map(|(b, s)| b.iter().chain(s).copied().collect::<Vec<_>>()).collect();
        vec![Output::new("output0", &[1, q, 4 + c], data)]
    } else {
        vec![Output::new("logits", &[1, q, c], scores), Output::new("pred_boxes", &[1, q, 4], boxes)]
    };
    compare(&model, low, expected);
}

fn end_to_end(seed: u64, low: f32) {
    let mut random = Random::new(seed);
    let rows = (seed % 40) as usize;
    let (mut data, mut expected) = (vec![], vec![]);
    for row in 0..rows {
        let corner = random.list(2, 0.0, 40.0);
        let size = random.list(2, 1.0, 30.0);
        let score = random.next(0.0, 1.0);
        let class = random.next(0.0, 6.0).floor();
        let bbox = [corner[0], corner[1], corner[0] + size[0], corner[1] + size[1]];
        data.extend_from_slice(&bbox);
        data.extend([score, class]);
        if score >= low {
            expected.push((row, class as usize, f64::from(score), bbox.map(f64::from)));
        }
    }
    let output = Output::new("output0", &[1, rows as i64, 6], data);
    compare(&Model::new(DecoderKind::EndToEnd, 6, vec![output]), low, expected);
}

proptest! {
    #[test]
    fn nanodet_agrees(
        seed: u64, logits: bool, multi: bool, arrangement in 0usize..3, low in 0.02f32..0.9
    ) {
        nanodet(seed, logits, multi, arrangement, low);
    }

    #[test]
    fn yolox_agrees(seed: u64, logits: bool, multi: bool, low in 0.02f32..0.9) {
        yolo(DecoderKind::Yolox, seed, logits, multi, low);
    }

    #[test]
    fn yolov5_agrees(seed: u64, logits: bool, multi: bool, low in 0.02f32..0.9) {
        yolo(DecoderKind::Yolov5, seed, logits, multi, low);
    }

    #[test]
    fn yolov8_agrees(seed: u64, logits: bool, multi: bool, low in 0.02f32..0.9) {
        yolov8(seed, logits, multi, low);
    }

    #[test]
    fn rtdetr_agrees(seed: u64, logits: bool, multi: bool, joined: bool, low in 0.02f32..0.9) {
        rtdetr(seed, logits, multi, joined, low);
    }

    #[test]
    fn end_to_end_agrees(seed: u64, low in 0.02f32..0.9) {
        end_to_end(seed, low);
    }
}
