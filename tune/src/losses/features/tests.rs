use super::*;
use crate::heads::Location;

fn pair() -> FeaturePair {
    FeaturePair { student: "mine".to_owned(), parent: Some("theirs".to_owned()) }
}

fn noise(dims: &[usize], seed: u64) -> Tensor {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    Tensor::from_fn(dims, |_| 2.0 * random.random::<f32>() - 1.0)
}

#[test]
fn gradients_are_those_of_finite_differences() {
    let mask = Tensor::from_fn(&[3, 4], |index| if index % 3 == 0 { 0.5 } else { 0.9 });
    for (mine, mask) in [(5, None), (5, Some(mask.data())), (2, None), (2, Some(mask.data()))] {
        let mut parameters = Parameters::default();
        let (student, parent) = (noise(&[1, mine, 3, 4], 1), noise(&[1, 5, 3, 4], 2));
        let feature = Feature::new(&pair(), student.dims(), parent.dims(), None, &mut parameters, 3).unwrap();
        assert_eq!(parameters.items.len(), if mine == 5 { 0 } else { 2 });
        let mut gradients = Gradients::zeros(&parameters);
        let (loss, by_student) =
            feature.distil(&parameters, &student, &parent, mask, 0.7, &mut gradients).unwrap();
        assert!(loss > 0.0);
        assert_eq!(by_student.dims(), student.dims());
        let of = |parameters: &Parameters, student: &Tensor| {
            let mut gradients = Gradients::zeros(parameters);
            feature.distil(parameters, student, &parent, mask, 0.7, &mut gradients).unwrap().0
        };
        let check = |found: f32, high: f64, low: f64| {
            let numeric = (high - low) / 2e-2;
            assert!((f64::from(found) - numeric).abs() < 1e-3, "{found} {numeric}");
        };
        for place in 0..student.len() {
            let moved = |by: f32| {
                let mut student = student.clone();
                student.data_mut()[place] += by;
                of(&parameters, &student)
            };
            check(by_student.data()[place], moved(1e-2), moved(-1e-2));
        }
        for (index, gradient) in gradients.0.iter().enumerate() {
            for place in 0..gradient.len() {
                let moved = |by: f32| {
                    let mut parameters = parameters.clone();
                    parameters.items[index].tensor.data_mut()[place] += by;
                    of(&parameters, &student)
                };
                check(gradient.data()[place], moved(1e-2), moved(-1e-2));
            }
        }
    }
}

#[test]
fn equal_features_have_no_loss_and_scale_does_not_matter() {
    let mut parameters = Parameters::default();
    let (student, parent) = (noise(&[1, 3, 2, 2], 1), noise(&[1, 3, 2, 2], 2));
    let feature = Feature::new(&pair(), student.dims(), parent.dims(), None, &mut parameters, 0).unwrap();
    let mut none = Gradients::default();
    let mut of = |mine: &Tensor, theirs: &Tensor| {
        feature.distil(&parameters, mine, theirs, None, 1.0, &mut none).unwrap()
    };
    let (loss, gradient) = of(&parent, &parent);
    assert_eq!((loss, gradient), (0.0, Tensor::zeros(&[1, 3, 2, 2])));
    let tenfold = |tensor: &Tensor| Tensor::from_fn(tensor.dims(), |index| 10.0 * tensor.data()[index]);
    let (plain, scaled) = (of(&student, &parent).0, of(&tenfold(&student), &tenfold(&parent)).0);
    assert!((plain - scaled).abs() < 1e-5 * plain);
    let flat = Tensor::zeros(&[1, 3, 2, 2]);
    assert!(of(&student, &flat).0.is_finite(), "a parent without variance");
}

#[test]
fn the_mask_covers_the_boxes() {
    let feature =
        Feature::new(&pair(), &[1, 2, 2, 4], &[1, 2, 2, 4], None, &mut Parameters::default(), 0).unwrap();
    let location = Location { block: 0, row: 0 };
    let positive = |score, bbox| Positive { location, score, class: 0, bbox };
    let positives = [positive(0.5, [0.0, 0.0, 30.0, 32.0]), positive(0.8, [20.0, 16.0, 64.0, 32.0])];
    // middles at 8, 24, 40, 56 and at 8, 24
    let mask = feature.mask(&positives, [64.0, 32.0]);
    assert_eq!(mask.data(), [0.5, 0.5, 0.0, 0.0, 0.5, 0.8, 0.8, 0.8]);
    let blank = feature.mask(&[], [64.0, 32.0]);
    let (student, parent) = (noise(&[1, 2, 2, 4], 1), noise(&[1, 2, 2, 4], 2));
    let (loss, gradient) = feature
        .distil(&Parameters::default(), &student, &parent, Some(blank.data()), 1.0, &mut Gradients::default())
        .unwrap();
    assert_eq!((loss, gradient.data()), (0.0, [0.0; 16].as_slice()));
}

#[test]
fn adaptors_come_from_the_seed_and_are_found_again() {
    let make = |parameters: &mut Parameters, seed| {
        Feature::new(&pair(), &[1, 2, 3, 4], &[1, 5, 3, 4], None, parameters, seed).unwrap()
    };
    let (mut one, mut same, mut other) =
        (Parameters::default(), Parameters::default(), Parameters::default());
    let feature = make(&mut one, 1);
    make(&mut same, 1);
    make(&mut other, 2);
    assert_eq!(one, same);
    assert_ne!(one, other);
    let names: Vec<&str> = one.items.iter().map(|parameter| parameter.name.as_str()).collect();
    assert_eq!(names, ["adaptor:mine.weight", "adaptor:mine.bias"]);
    assert_eq!(one.extras().len(), 2);
    // a second time, trained parameters are kept
    one.items[1].tensor.data_mut()[0] = 7.0;
    assert_eq!(make(&mut one, 3), feature);
    assert_eq!((one.items.len(), one.items[1].tensor.data()[0]), (2, 7.0));
    let wrong =
        Feature::new(&pair(), &[1, 3, 3, 4], &[1, 5, 3, 4], None, &mut one, 1).unwrap_err().to_string();
    assert!(wrong.contains("[5, 3, 1, 1]") && wrong.contains("[5, 2, 1, 1]"), "{wrong}");
}

#[test]
fn changed_parameters_are_an_error() {
    let mut parameters = Parameters::default();
    let (student, parent) = (noise(&[1, 2, 3, 4], 1), noise(&[1, 5, 3, 4], 2));
    let feature = Feature::new(&pair(), student.dims(), parent.dims(), None, &mut parameters, 1).unwrap();
    let mut gradients = Gradients::zeros(&parameters);
    let nothing = Parameters::default();
    for (parameters, gradients) in [(&nothing, &mut gradients), (&parameters, &mut Gradients::default())] {
        let found = feature.distil(parameters, &student, &parent, None, 1.0, gradients);
        let error = found.unwrap_err().to_string();
        assert!(error.contains("adaptor:mine.weight") && error.contains("[5, 2, 1, 1]"), "{error}");
    }
}

#[test]
fn other_sides_are_an_error() {
    for (student, parent) in [
        (vec![1, 2, 3, 4], vec![1, 2, 3, 5]),
        (vec![1, 2, 3, 4], vec![1, 2, 12]),
        (vec![1, 2, 12], vec![1, 2, 12]),
        (vec![2, 2, 3, 4], vec![2, 2, 3, 4]),
    ] {
        let found = Feature::new(&pair(), &student, &parent, None, &mut Parameters::default(), 1);
        let error = found.unwrap_err().to_string();
        assert!(error.contains("\"theirs\"") && error.contains("\"mine\""), "{error}");
    }
}

#[test]
fn channels_that_are_left_are_held_against_their_own() {
    let parent = noise(&[1, 5, 2, 3], 2);
    let left = [0, 3];
    let student = Tensor::from_fn(&[1, 2, 2, 3], |index| {
        parent.data()[left[index / 6] * 6 + index % 6] + if index == 7 { 0.5 } else { 0.0 }
    });
    let feature = Feature::of_layer(student.dims(), parent.dims(), Some(&left)).unwrap();
    let parameters = Parameters::default();
    let mut none = Gradients::default();
    let (loss, gradient) = feature.distil(&parameters, &student, &parent, None, 2.0, &mut none).unwrap();
    // one of twelve elements is off
    let variance = variance(parent.data());
    assert!((loss - 2.0 * 0.25 / (12.0 * variance)).abs() < 1e-5, "{loss}");
    let moved: Vec<usize> = (0..12).filter(|index| gradient.data()[*index].abs() > 1e-6).collect();
    assert_eq!(moved, [7]);

    // as a pair, without an adaptor
    let mut parameters = Parameters::default();
    let pair = Feature::new(&pair(), student.dims(), parent.dims(), Some(&left), &mut parameters, 0).unwrap();
    assert_eq!((pair, parameters.items.len()), (feature, 0));
    // channels that are not the parent's, or not as many as the student's, say nothing
    for wrong in [&[0, 5][..], &[1]] {
        assert_eq!(Feature::of_layer(student.dims(), parent.dims(), Some(wrong)), None);
    }
    assert!(Feature::of_layer(&[1, 5, 2, 3], &[1, 5, 2, 3], None).is_some());
    assert_eq!(Feature::of_layer(&[1, 5, 2, 4], &[1, 5, 2, 3], None), None);
}

#[test]
fn the_variance_is_right_far_from_zero() {
    let values: Vec<f32> = (0..1000).map(|index| 1000.0 + (index % 7) as f32).collect();
    let mean = values.iter().map(|value| f64::from(*value)).sum::<f64>() / 1000.0;
    let exact = values.iter().map(|value| (f64::from(*value) - mean).powi(2)).sum::<f64>() / 1000.0;
    assert!((variance(&values) - exact).abs() < 1e-4 * exact);
}
