//! Hand-made scenes.

use roadproof::detector::BoundingBox;

use super::*;
use crate::heads::tests::{Case, cases};
use crate::heads::{BoxCoder, Head};
use crate::tensor::Tensor;

fn truth(class_id: u32, [x_min, y_min, x_max, y_max]: [f32; 4]) -> Truth {
    Truth { class_id, bbox: BoundingBox { x_min, y_min, x_max, y_max } }
}

fn case(name: &str) -> Case {
    cases().into_iter().find(|case| case.name == name).unwrap()
}

/// Outputs of a head that sees these classes and boxes (centre and size), each at its location, and nothing else.
fn seeing(case: &Case, head: &Head, seen: &[(Location, usize, f32, [f32; 4])]) -> Vec<Tensor> {
    let mut tensors: Vec<Tensor> = head.outputs().iter().map(|output| Tensor::zeros(&output.dims)).collect();
    for (location, class, score, bbox) in seen {
        let block = &head.blocks()[location.block];
        let mut set = |part: roadproof::detector::decode::Part, column: usize, value: f32| {
            let place = part.start + location.row * part.row_stride + column * part.column_stride;
            tensors[part.output].data_mut()[place] = value;
        };
        let BoxCoder::Centre { scale, .. } = block.coder else { panic!("{}", case.name) };
        set(block.scores, *class, *score);
        for (column, value) in bbox.iter().enumerate() {
            set(block.boxes, column, value / scale[column % 2] as f32);
        }
    }
    tensors
}

fn at(block: usize, row: usize) -> Location {
    Location { block, row }
}

#[test]
fn an_object_gets_its_best_aligned_cells() {
    let case = case("yolov8");
    let head = case.head();
    // the middle cell sees the object exactly, the others too small, one of them with little confidence; the last one sees
    // it as exactly, but its point lies outside
    let tensors = seeing(
        &case,
        &head,
        &[
            (at(0, 9), 1, 0.5, [16.0, 16.0, 12.0, 16.0]),
            (at(0, 10), 1, 0.8, [16.0, 16.0, 16.0, 16.0]),
            (at(2, 0), 1, 0.1, [16.0, 16.0, 12.0, 16.0]),
            (at(0, 15), 1, 0.9, [16.0, 16.0, 16.0, 16.0]),
        ],
    );
    let outputs: Vec<&Tensor> = tensors.iter().collect();
    let view = View { head: &head, outputs: &outputs };
    let object = truth(1, [8.0, 8.0, 24.0, 24.0]);

    let mut options = LabelOptions { top_k: 2, ..LabelOptions::default() };
    let matches = assign(&options, view, &[object]).unwrap();
    let locations: Vec<Location> = matches.iter().map(|matched| matched.location).collect();
    assert_eq!(locations, [at(0, 9), at(0, 10)]);
    // alignments 0.5 * 0.75^6 and 0.8, of which the best learns its IoU of 1
    let second = 0.5 * 0.75f64.powi(6) / 0.8;
    assert!((f64::from(matches[0].score) - second).abs() < 1e-5 && (matches[1].score - 1.0).abs() < 1e-6);
    assert!((matches[0].weight - second).abs() < 1e-5);

    options.top_k = 10;
    assert_eq!(assign(&options, view, &[object]).unwrap().len(), 3);
    // by the IoU alone, confidence is nothing
    options.score_power = 0.0;
    let matches = assign(&options, view, &[object]).unwrap();
    assert!((matches[0].score - matches[2].score).abs() < 1e-6);
}

#[test]
fn a_cell_that_two_objects_want_goes_to_the_one_it_fits() {
    let case = case("yolov8");
    let head = case.head();
    let mut tensors = seeing(&case, &head, &[(at(0, 10), 0, 0.9, [20.0, 12.0, 16.0, 16.0])]);
    tensors[0].data_mut()[5 * 42 + 10] = 0.9;
    let outputs: Vec<&Tensor> = tensors.iter().collect();
    let view = View { head: &head, outputs: &outputs };
    let objects = [truth(0, [12.0, 4.0, 40.0, 30.0]), truth(1, [12.0, 4.0, 28.0, 20.0])];
    let matches = assign(&LabelOptions::default(), view, &objects).unwrap();
    assert_eq!(matches.len(), 1);
    assert_eq!((matches[0].class, matches[0].score), (1, 1.0));
}

#[test]
fn nanodet_learns_the_iou() {
    let case = case("nanodet, a pair per level");
    let head = case.head();
    let tensors = case.random(5);
    let outputs: Vec<&Tensor> = tensors.iter().collect();
    let view = View { head: &head, outputs: &outputs };
    let object = truth(2, [4.0, 4.0, 40.0, 28.0]);
    let matches = assign(&LabelOptions::default(), view, &[object]).unwrap();
    assert_eq!(matches.len(), 10);
    for matched in &matches {
        let iou = overlap(&view.bbox(matched.location), &matched.bbox).iou;
        assert_eq!(matched.score, iou as f32);
    }
    assert!(matches.is_sorted_by_key(|matched| matched.location));
}

#[test]
fn nothing_is_assigned_where_there_is_nothing() {
    for case in cases() {
        let head = case.head();
        let tensors = case.random(6);
        let outputs: Vec<&Tensor> = tensors.iter().collect();
        let view = View { head: &head, outputs: &outputs };
        assert_eq!(assign(&LabelOptions::default(), view, &[]).unwrap(), []);
    }
}

#[test]
fn each_object_gets_a_query_of_its_own() {
    let case = case("rtdetr, all in one");
    let head = case.head();
    // both objects lie nearest to query 4, the second one has query 7 as well
    let tensors = seeing(
        &case,
        &head,
        &[(at(0, 4), 0, 0.9, [20.0, 16.0, 16.0, 16.0]), (at(0, 7), 0, 0.6, [30.0, 16.0, 16.0, 16.0])],
    );
    let outputs: Vec<&Tensor> = tensors.iter().collect();
    let view = View { head: &head, outputs: &outputs };
    let objects = [truth(0, [16.0, 8.0, 32.0, 24.0]), truth(0, [12.0, 8.0, 28.0, 24.0])];
    let matches = assign(&LabelOptions::default(), view, &objects).unwrap();
    let locations: Vec<Location> = matches.iter().map(|matched| matched.location).collect();
    assert_eq!(locations, [at(0, 4), at(0, 7)]);
    assert!((matches[0].score - 1.0).abs() < 1e-5, "the second object is what query 4 sees");
    assert!(matches[1].score < 0.5 && matches[1].weight == 1.0);

    let many = vec![objects[0]; 13];
    let error = assign(&LabelOptions::default(), view, &many).unwrap_err().to_string();
    assert!(error.contains("12") && error.contains("13"), "{error}");
}
